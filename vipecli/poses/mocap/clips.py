"""Files of recorded motion as clips of the model's joints: one table of readers."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.mocap.amc import read_amc
from vipecli.poses.mocap.bvh import read_bvh
from vipecli.poses.mocap.joint_names import joints_of_amc, joints_of_bvh

_J = 13


@dataclass(frozen=True)
class Clip:
    """One recording, read when it is asked for.

    Attributes
    ----------
    name
        ``folder/name``.
    read
        gives the joints, shape (T, 13, 3), and the frames per second; None if the file does not
        say. It raises FormatError, and works only while the iterator of `clips` stands still.
    """

    name: str
    read: Callable[[], tuple[np.ndarray, float | None]]


def clips(paths: list[Path]) -> Iterator[Clip]:
    """Clips of mocap files, in the order given, those of a folder by name.

    Parameters
    ----------
    paths
        files with an extension of `READERS`, folders of them (searched to the bottom), and
        ``.asf`` skeletons for ``.amc`` files. A skeleton belongs to the motions whose names begin
        with its own (``01.asf``, ``01_02.amc``); a single one to all. It is looked for among
        `paths`, then beside the motion.

    Raises
    ------
    FormatError
        if a file is none of these, cannot be opened, or a folder holds none.
    """
    paths = [Path(path) for path in paths]
    skeletons = [path for path in paths if path.suffix.lower() == ".asf"]
    for path in paths:
        if path in skeletons:
            continue
        for file, name in _files(path):
            yield from READERS[file.suffix.lower()](file, name, skeletons)


def _files(path: Path) -> list[tuple[Path, str]]:
    """Files to read with the name of their clip."""
    if not path.exists():
        raise FormatError(f"{path}: no such file or folder; check the path")
    parent = path.resolve().parent
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in READERS and p.is_file())
        if not found:
            raise FormatError(f"{path}: no {', '.join(READERS)} file in this folder")
        root = path.resolve().name
        return [(p, f"{root}/{p.relative_to(path).with_suffix('').as_posix()}") for p in found]
    if path.suffix.lower() not in READERS:
        raise FormatError(f"{path}: not a mocap file; expected {', '.join(READERS)} or a folder")
    return [(path, f"{parent.name}/{path.stem}")]


def _npz(path: Path, name: str, skeletons: list[Path]) -> Iterator[Clip]:
    """Arrays of an archive; they have names of their own."""

    def read(key: str) -> tuple[np.ndarray, None]:
        try:
            array = archive[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
            raise FormatError(f"{path}: clip {key} is damaged ({exc})") from exc
        if getattr(array, "shape", ())[1:] != (_J, 3) or array.dtype.kind not in "fiu":
            shape = getattr(array, "shape", "none")
            raise FormatError(f"{path}: clip {key} has shape {shape}; expected (T, 13, 3) numbers")
        return array, None

    try:
        archive = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as exc:
        raise FormatError(f"{path}: not a readable mocap .npz ({exc})") from exc
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise FormatError(f"{path}: not a readable mocap .npz (one bare array)")
    with archive:
        for key in archive.files:
            yield Clip(key, lambda key=key: read(key))


def _bvh(path: Path, name: str, skeletons: list[Path]) -> Iterator[Clip]:
    def read() -> tuple[np.ndarray, float]:
        motion = read_bvh(path)
        return joints_of_bvh(motion, path), motion.fps

    yield Clip(name, read)


def _amc(path: Path, name: str, skeletons: list[Path]) -> Iterator[Clip]:
    def read() -> tuple[np.ndarray, float]:
        motion = read_amc(path, _skeleton_of(path, skeletons))
        return joints_of_amc(motion, path), motion.fps

    yield Clip(name, read)


def _skeleton_of(path: Path, given: list[Path]) -> Path:
    """The ASF file of an AMC file."""
    beside = sorted(p for p in path.parent.iterdir() if p.suffix.lower() == ".asf")
    for candidates in (given, beside):
        named = [p for p in candidates if f"{path.stem}_".startswith(f"{p.stem}_")]
        if named:
            return max(named, key=lambda p: len(p.stem))
        if len(candidates) == 1:
            return candidates[0]
    raise FormatError(
        f"{path}: no skeleton for it; put {path.stem.split('_')[0]}.asf beside it, or name its "
        ".asf too"
    )


READERS = {".npz": _npz, ".bvh": _bvh, ".amc": _amc}
"""Readers by extension: (path, name of the clip, skeletons) to clips."""
