"""Pose files, vipe's own and those of other tools: one table of what is read and written."""

import csv
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.files import replacing
from vipecli.poses.formats import writers
from vipecli.poses.formats.json_files import (
    is_openpose_folder,
    read_json_poses,
    read_openpose_folder,
)
from vipecli.poses.formats.npz import load_embeddings, read_key, read_npz, write_npz
from vipecli.poses.formats.sheet import Sheet, scene_of, scene_of_one
from vipecli.poses.formats.tables import read_csv_poses, read_penn, read_trc
from vipecli.poses.joint_sets import JointMap, load_joint_map
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.tracking import Person

__all__ = [
    "FORMATS",
    "READERS",
    "Format",
    "JointMap",
    "format_of",
    "is_pose_file",
    "load_embeddings",
    "load_joint_map",
    "load_poses",
    "load_scene",
    "looks_like_poses",
    "read_key",
    "save_poses",
]

# What a reader may come across in a damaged file, besides a FormatError of its own.
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
)

READERS: dict[str, Callable[[Path], Sheet]] = {
    ".csv": read_csv_poses,
    ".json": read_json_poses,
    ".mat": read_penn,
    ".trc": read_trc,
}
"""Readers of other tools' files by extension; JSON is told apart by its content. A folder of
OpenPose has its own, and so has vipe's `.npz`, whose poses are chosen already."""


@dataclass(frozen=True)
class Format:
    """A format that can be written.

    Attributes
    ----------
    suffix
        of its files; empty for a folder.
    write
        writer(people, path); of `.npz` see `save_poses`.
    several
        whether it holds several people.
    about
        in words.
    """

    suffix: str
    write: Callable[[Sequence[Poses], Path], None] | None
    several: bool
    about: str


FORMATS: dict[str, Format] = {
    "npz": Format(".npz", None, False, "vipe's own, all that is known"),
    "coco": Format(".json", writers.write_coco, True, "COCO keypoint labels, 17 points"),
    "openpose": Format("", writers.write_openpose, True, "OpenPose's folder, BODY_25"),
    "mmpose": Format(".json", writers.write_mmpose, True, "MMPose (RTMPose), 17 points"),
    "alphapose": Format(".json", writers.write_alphapose, True, "AlphaPose, 17 points"),
    "halpe26": Format(".json", writers.write_halpe26, True, "AlphaPose, Halpe's 26 points"),
    "mediapipe": Format(".json", writers.write_mediapipe, False, "MediaPipe's 33 landmarks"),
    "mediapipe-csv": Format(".csv", writers.write_mediapipe_csv, False, "the same as a table"),
    "penn": Format(".mat", writers.write_penn, False, "labels of Penn Action, 13 points"),
    "trc": Format(".trc", writers.write_trc, False, "markers of Sports2D, flat, in pixels"),
}
"""Formats by name; the first of an extension is what that extension stands for."""


def is_pose_file(path: str | os.PathLike) -> bool:
    """Whether a path is to be read as poses: by its extension, or as a folder of OpenPose."""
    path = Path(path)
    if path.is_dir():
        return is_openpose_folder(path)
    return path.suffix.lower() in (".npz", *READERS)


def looks_like_poses(path: Path) -> bool:
    """Whether a file found in a folder is one of keypoints, by its first bytes.

    What has embeddings is no input: it was made by `vipe embed`.
    """
    if not is_pose_file(path) or path.is_dir():
        return False
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
            return {"format_version.npy", "xy.npy"} <= names and "mean.npy" not in names
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return bool(_SIGNS[path.suffix.lower()].search(head))


_HEAD_BYTES = 1 << 16
_SIGNS = {
    ".csv": re.compile(rb"\A(\xef\xbb\xbf)?(scorer|.*\b[xy]_?\d+\b|.*_[xy]\b|.*\bx,y\b)", re.I),
    ".json": re.compile(rb'"(pose_?)?(keypoints|keypoints_2d|joints|landmarks?)"', re.I),
    ".mat": re.compile(rb"\AMATLAB 5"),
    ".trc": re.compile(rb"\APathFileType"),
}


def load_poses(
    path: str | os.PathLike,
    *,
    person: Person = "largest",
    joint_map: JointMap | None = None,
    fps: float | None = None,
) -> Poses:
    """Poses of one person from a file of any format that is known.

    Parameters
    ----------
    path
        file with one of the extensions in `READERS` or an `.npz`, or a folder of OpenPose.
    person
        whom to take, as in `people.choose`; an `.npz` holds one person.
    joint_map
        which point is which joint, where the file's joint set is not known.
    fps
        frame rate, where the file tells no times; None = what the map or the file says, else 30.

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, is no pose file, or has an unknown version.
    NoPoseError
        if there is no such person in it.

    Examples
    --------
    >>> load_poses("clip.npz").xy.shape  # doctest: +SKIP
    (90, 13, 2)
    """
    path = Path(path)
    if path.suffix.lower() == ".npz" and not path.is_dir():
        return read_npz(path)
    return load_scene(path, joint_map=joint_map, fps=fps).choose(person, path=path)


def load_scene(
    path: str | os.PathLike, *, joint_map: JointMap | None = None, fps: float | None = None
) -> Scene:
    """Everyone in a file of any format that is known.

    People are followed by the numbers that the file gives them, or else by where they are.

    Parameters
    ----------
    path, joint_map, fps
        as in `load_poses`.

    Raises
    ------
    FormatError
        as `load_poses`.
    """
    path = Path(path)
    try:
        if path.suffix.lower() == ".npz" and not path.is_dir():
            return scene_of_one(read_npz(path))
        read = read_openpose_folder if path.is_dir() else _reader(path)
        with np.errstate(all="ignore"):
            return scene_of(read(path), path, joint_map=joint_map, fps=fps)
    except FormatError as exc:
        raise (exc if str(path) in str(exc) else FormatError(f"{path}: {exc}")) from exc
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except _DAMAGED as exc:
        reason = f"{type(exc).__name__} {exc}" if isinstance(exc, LookupError) else exc
        raise FormatError(
            f"{path}: damaged, or not what its name says ({str(reason)[:200]})"
        ) from exc


def _reader(path: Path) -> Callable[[Path], Sheet]:
    try:
        return READERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(sorted((".npz", *READERS)))
        raise FormatError(
            f"{path}: pose files of type {path.suffix or '(none)'!r} cannot be read; known are "
            f"{known}, and folders of OpenPose"
        ) from None


def format_of(path: str | os.PathLike, name: str | None = None) -> str:
    """Name of the format in which a file is to be written.

    Parameters
    ----------
    path
        its extension decides, unless a name is given.
    name
        a name in `FORMATS`; None = by the extension.

    Raises
    ------
    FormatError
        if there is none of that name or extension.
    """
    path = Path(path)
    if name is not None:
        if name not in FORMATS:
            raise FormatError(f"{name}: no such format; known are {', '.join(FORMATS)}")
        wanted = FORMATS[name].suffix
        if path.suffix.lower() != wanted and (wanted or path.suffix.lower() in _SUFFIXES):
            raise FormatError(f"{path}: files of the format {name} end in {wanted or 'nothing'}")
        return name
    for known, one in FORMATS.items():
        if one.suffix and one.suffix == path.suffix.lower():
            return known
    raise FormatError(
        f"{path}: pose files of type {path.suffix or '(none)'!r} cannot be written; known are "
        + ", ".join(sorted(_SUFFIXES))
    )


_SUFFIXES = {one.suffix for one in FORMATS.values()} - {""}


def save_poses(
    poses: Poses | Sequence[Poses],
    path: str | os.PathLike,
    *,
    format: str | None = None,
    embeddings: Embeddings | None = None,
    key: str | None = None,
) -> None:
    """Write poses to a file, which appears complete or not at all; same data, same bytes.

    Parameters
    ----------
    poses
        what to write: one person, or several of one clip.
    path
        the extension tells the format. An existing file is replaced, a folder only if empty.
    format
        a name in `FORMATS`; None = by the extension.
    embeddings
        of the same frames, to be kept in the same file; only in an `.npz`.
    key
        what the poses were made from, for `read_key`; vipe's library puts a hash here.

    Raises
    ------
    FormatError
        if the format is unknown or holds one person only, or poses and embeddings do not belong
        together.
    OSError
        if the file cannot be written.
    """
    path, people = Path(path), [poses] if isinstance(poses, Poses) else list(poses)
    name = format_of(path, format)
    chosen = FORMATS[name]
    if not people or (len(people) > 1 and not chosen.several):
        raise FormatError(f"{path}: the format {name} holds one person, not {len(people)}")
    if any(not np.array_equal(one.times, people[0].times) for one in people):
        raise FormatError(f"{path}: people of one file have the same frames")
    if embeddings is not None and not np.array_equal(embeddings.times, people[0].times):
        raise FormatError(f"{path}: poses and embeddings are not of the same frames")
    if not chosen.suffix:
        _write_folder(chosen, people, path)
        return
    with replacing(path) as part:
        if chosen.write is None:
            write_npz([(people[0], embeddings)], part, key)
        else:
            chosen.write(people, part)


def save_pieces(
    pieces: Iterable[tuple[Poses, Embeddings]], path: Path, *, key: str | None = None
) -> None:
    """Write an `.npz` of a clip that comes in pieces, in order; else as `save_poses`.

    Raises
    ------
    OSError
        if the file cannot be written.
    """
    with replacing(path) as part:
        write_npz(pieces, part, key)


def _write_folder(chosen: Format, people: Sequence[Poses], path: Path) -> None:
    """Write a folder beside its place, and move it there when it is complete."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FormatError(f"{path}: exists and is not an empty folder; choose another name")
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-", suffix=".part"))
    try:
        chosen.write(people, part)
        part.chmod(0o777 & ~_umask())
        if path.exists():
            path.rmdir()
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
