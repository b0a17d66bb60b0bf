"""Poses in vipe's own `.npz`.

It is an ordinary NumPy archive without pickled objects: ``numpy.load("clip.npz")["xy"]``. It holds
the fields of `Poses` under their own names, the names of the joints, and `format_version`. Arrays
of a later stage, such as embeddings, may stand beside them; the reader of those
passes their specification.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.npz_reader import NpzReader, open_npz
from vipecli.poses.npz_writer import NpzWriter
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

FORMAT_VERSION = 1

Spec = tuple[str, tuple[str | int, ...]]
"""Kind of number and shape of an array; a letter stands for the same length in every array."""

SPECS: dict[str, Spec] = {
    "format_version": ("i", ()),
    "xy": ("f", ("T", 13, 2)),
    "score": ("f", ("T", 13)),
    "times": ("f", ("T",)),
    "size": ("i", (2,)),
    "source": ("U", ()),
    "detector": ("U", ()),
    "landmarks": ("f", ("T", 33, 3)),
    "landmark_score": ("f", ("T", 33)),
    "world": ("f", ("T", 33, 3)),
    "filled": ("b", ("T", 13)),
    "key": ("U", ()),
}
"""Arrays of a pose file."""

_POSES = ("xy", "score", "times", "size", "source", "detector")
_LANDMARKS = ("landmarks", "landmark_score", "world")
_KIND_NAMES = {"b": "true or false", "i": "whole numbers", "f": "numbers", "U": "text"}


def read_npz(path: Path) -> Poses:
    """Poses of an `.npz`.

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or has an unknown version.
    """
    found = read_arrays(path, _POSES, optional=(*_LANDMARKS, "filled"))
    check_times(path, found["times"])
    if not found.get("filled", np.zeros(0)).any():
        found.pop("filled", None)
    width, height = (int(side) for side in found["size"])
    texts = {name: str(found[name]) for name in ("source", "detector")}
    try:
        return Poses(**{**found, **texts, "size": (width, height)})
    except FormatError as exc:
        raise FormatError(f"{path}: holds poses that contradict themselves ({exc})") from exc


def write_npz(
    blocks: Iterable[tuple[Poses, Mapping[str, object]]],
    path: Path,
    *,
    key: str | None = None,
    specs: Mapping[str, Spec] = SPECS,
) -> None:
    """Write an `.npz` in place, without a temporary file that takes its name.

    Parameters
    ----------
    blocks
        consecutive parts of a clip, each with the arrays of a later stage that belong to it; one
        is held in memory at a time.
    path
        the file.
    key
        source of the poses; None = unknown.
    specs
        of all arrays; those of T frames are extended by every block.
    """
    per_frame = {name for name, (_, shape) in specs.items() if shape[:1] == ("T",)}
    with NpzWriter(path.parent) as arrays:
        for poses, more in blocks:
            for name, array in _arrays(poses, more, key).items():
                if name in per_frame or name not in arrays:
                    arrays.add(name, array)
        arrays.write(path)


def _arrays(poses: Poses, more: Mapping[str, object], key: str | None) -> dict[str, object]:
    """Return the arrays of an `.npz`, in order."""
    arrays = {"format_version": FORMAT_VERSION, "joints": JOINTS}
    arrays |= {name: getattr(poses, name) for name in (*_POSES, *_LANDMARKS)}
    filled = np.zeros(poses.score.shape, bool) if poses.filled is None else poses.filled
    arrays |= {"filled": filled, **more, "key": key}
    return {name: value for name, value in arrays.items() if value is not None}


def check_times(path: Path, times: np.ndarray) -> None:
    """Refuse times that are not finite.

    Raises
    ------
    FormatError
        if there is one.
    """
    if not np.isfinite(times).all():
        raise FormatError(f"{path}: damaged: some frames have no time; make it again")


def read_arrays(
    path: Path,
    required: Iterable[str],
    *,
    optional: Iterable[str] = (),
    specs: Mapping[str, Spec] = SPECS,
) -> dict[str, np.ndarray]:
    """Read and check arrays of a pose file; nothing in the file is trusted.

    Parameters
    ----------
    path
        the file.
    required, optional
        names of the arrays to read; one that is optional may be absent.
    specs
        what each of them has to hold.

    Raises
    ------
    FormatError
        if it is no pose file, of another version, damaged, or lacks an array.
    """
    lengths: dict[str, int] = {}
    with open_npz(path, what="a pose file") as archive:
        if "format_version" not in archive:
            raise FormatError(f"{path}: not a pose file of vipe (no format_version)")
        version = int(_read_array(archive, "format_version", specs, lengths))
        if version != FORMAT_VERSION:
            raise FormatError(
                f"{path}: pose file of version {version}, this vipe reads {FORMAT_VERSION}; "
                "upgrade vipe, or make the file again"
            )
        if missing := [name for name in required if name not in archive]:
            raise FormatError(f"{path}: holds no {', '.join(missing)}; make it again")
        wanted = [*required, *(name for name in optional if name in archive)]
        return {name: _read_array(archive, name, specs, lengths) for name in wanted}


def _read_array(
    archive: NpzReader, name: str, specs: Mapping[str, Spec], lengths: dict[str, int]
) -> np.ndarray:
    """One array, if its header says what its specification asks for."""
    kind, expected = specs[name]
    shape, dtype = archive.shape_and_type(name)
    if dtype.kind.replace("u", "i") != kind:
        raise ValueError(f"{name} should hold {_KIND_NAMES[kind]}, not {dtype}")
    _check_shape(name, shape, expected, lengths)
    return archive.read(name)


def _check_shape(name: str, shape: tuple, expected: tuple, lengths: dict[str, int]) -> None:
    """Compare a shape with the table; the first array to use a letter sets its length."""
    if len(shape) == len(expected):
        sizes = [
            lengths.setdefault(want, have) if isinstance(want, str) else want
            for want, have in zip(expected, shape, strict=True)
        ]
        if list(shape) == sizes:
            return
    raise ValueError(f"{name} has shape {shape}, expected ({', '.join(map(str, expected))})")
