"""Loading poses from a file of any known format."""

import csv
import functools
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.json_files import read_json_poses, read_openpose_folder
from vipecli.poses.formats.keypoint_table import KeypointTable, scene_of, scene_of_one
from vipecli.poses.formats.npz import read_npz
from vipecli.poses.formats.registry import READERS
from vipecli.poses.joint_sets import JointMap
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.tracking import Person

# Exceptions of readers on a damaged file, besides FormatError.
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
    RuntimeError,  # of zipfile: a version or a cipher that it does not know
    zipfile.BadZipFile,
    zlib.error,
)


def load_poses(
    path: str | os.PathLike[str],
    *,
    person: Person = "largest",
    joint_map: JointMap | None = None,
    fps: float | None = None,
) -> Poses:
    """Return the poses of one person from a file of any known format.

    Parameters
    ----------
    path
        file with one of the extensions in `READERS` or an `.npz`, or a folder of OpenPose.
    person
        whom to take, as in `tracking.choose`; an `.npz` holds one person.
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
    path: str | os.PathLike[str],
    *,
    joint_map: JointMap | None = None,
    fps: float | None = None,
    video: str | None = None,
) -> Scene:
    """Return everyone in a file of any known format.

    People are followed by the numbers that the file gives them, or else by where they are.

    Parameters
    ----------
    path, joint_map, fps
        as in `load_poses`.
    video
        the one to take of a JSON file that holds several; None = it holds one.

    Raises
    ------
    FormatError
        as `load_poses`; if there is no such video.
    """
    path = Path(path)
    try:
        if video is not None and (path.is_dir() or path.suffix.lower() not in (".json", ".jsonl")):
            raise FormatError("holds one video only; leave --video out")
        if path.suffix.lower() == ".npz" and not path.is_dir():
            return scene_of_one(read_npz(path))
        read = read_openpose_folder if path.is_dir() else _reader(path)
        if video is not None:
            read = functools.partial(read_json_poses, video=video)
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


def _reader(path: Path) -> Callable[[Path], KeypointTable]:
    try:
        return READERS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(sorted((".npz", *READERS)))
        raise FormatError(
            f"{path}: pose files of type {path.suffix or '(none)'!r} cannot be read; known are "
            f"{known}, and folders of OpenPose"
        ) from None
