"""Files of recorded motion as clips of the model's joints."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.files import is_sidecar
from vipecli.poses.mocap.amc import read_amc
from vipecli.poses.mocap.bvh import read_bvh
from vipecli.poses.mocap.joint_names import joints_of_amc, joints_of_bvh
from vipecli.poses.npz_reader import DAMAGED, open_npz
from vipecli.urls import without_secrets

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
        files with an extension of `READERS`, folders of them (with all below them and what they
        link to, but for hidden files), and
        ``.asf`` skeletons for ``.amc`` files. A skeleton belongs to the motions whose names begin
        with its own (``01.asf``, ``01_02.amc``); a single one to all. It is looked for among
        `paths`, then beside the motion.

    Raises
    ------
    FormatError
        if a file is none of these, cannot be opened, or a folder holds none.
    """
    skeletons = [path for path in map(Path, paths) if _is_asf(path)]
    for file, name in mocap_files(paths):
        yield from READERS[file.suffix.lower()](file, name, skeletons)


def mocap_files(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """Files that `clips` reads, with the name ``folder/name`` of each; skeletons are none.

    Raises
    ------
    FormatError
        as `clips`.
    """
    return [found for path in map(Path, paths) if not _is_asf(path) for found in _files(path)]


def _is_asf(path: Path) -> bool:
    return path.suffix.lower() == ".asf"


def _files(path: Path) -> list[tuple[Path, str]]:
    """Files to read with the name of their clip."""
    if not path.exists():
        raise FormatError(f"{without_secrets(path)}: no such file or folder here; check the path")
    parent = path.resolve().parent
    if path.is_dir():
        found = [p for p in _below(path) if p.suffix.lower() in READERS]
        if not found:
            raise FormatError(f"{path}: no {', '.join(READERS)} file in this folder")
        root = path.resolve().name
        return [(p, f"{root}/{p.relative_to(path).with_suffix('').as_posix()}") for p in found]
    if path.suffix.lower() not in READERS:
        raise FormatError(f"{path}: not a mocap file; expected {', '.join(READERS)} or a folder")
    return [(path, f"{parent.name}/{path.stem}")]


def _below(folder: Path) -> list[Path]:
    """Files below a folder and the folders that it links to, sorted; none is hidden."""
    found: list[Path] = []
    seen: set[str] = set()
    for where, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else [name for name in folders if not is_sidecar(name)]
        if real not in seen:
            found += [Path(where, name) for name in files if not is_sidecar(name)]
        seen.add(real)
    return sorted(path for path in found if path.is_file())


def _npz(path: Path, name: str, skeletons: list[Path]) -> Iterator[Clip]:
    """Arrays of an archive; they have names of their own."""

    def read(key: str) -> tuple[np.ndarray, None]:
        try:
            array = archive.read(key)
        except (OSError, *DAMAGED) as exc:
            raise FormatError(f"{path}: clip {key[:60]} is damaged ({exc})") from exc
        if array.shape[1:] != (_J, 3) or array.dtype.kind not in "fiu":
            raise FormatError(
                f"{path}: clip {key[:60]} has shape {array.shape}; expected (T, 13, 3) numbers"
            )
        return array, None

    with open_npz(path, what="a readable mocap .npz") as archive:
        for key in archive.names:
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
    beside = sorted(p for p in path.parent.iterdir() if _is_asf(p) and not is_sidecar(p.name))
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
