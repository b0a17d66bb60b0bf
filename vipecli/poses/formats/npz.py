"""vipe's own pose files.

An `.npz` of vipe is an ordinary NumPy archive without pickled objects:
``numpy.load("clip.npz")["xy"]``. It holds the fields of `Poses` under their own names, the names
of the joints, `format_version`, and, where there are embeddings, those of `Embeddings`.
"""

import math
import os
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.poses.npz_writer import Growing
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

FORMAT_VERSION = 1

# Kind of number and shape of each array; a letter stands for the same length everywhere.
_ARRAYS = {
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
    "mean": ("f", ("T", "D")),
    "std": ("f", ("T", "D")),
    "model": ("U", ()),
    "sigmoid": ("f", (2,)),
    "key": ("U", ()),
}
_PER_FRAME = frozenset(name for name, (_, shape) in _ARRAYS.items() if shape[:1] == ("T",))
_POSES = ("xy", "score", "times", "size", "source", "detector")
_LANDMARKS = ("landmarks", "landmark_score", "world")
_EMBEDDINGS = ("mean", "std", "times", "model", "sigmoid")
_LARGEST = 1 << 30  # bytes in one array: the landmarks of a day at 30 frames per second
_KIND_NAMES = {"i": "whole numbers", "f": "numbers", "U": "text"}


def load_embeddings(path: str | os.PathLike) -> Embeddings:
    """Embeddings from an `.npz` that `save_poses` wrote with them.

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or holds no embeddings.
    """
    path = Path(path)
    found = _read_arrays(path, _EMBEDDINGS)
    _check_times(path, found["times"])
    return Embeddings(
        mean=found["mean"],
        std=found["std"],
        times=found["times"],
        model=str(found["model"]),
        sigmoid=(float(found["sigmoid"][0]), float(found["sigmoid"][1])),
    )


def read_key(path: str | os.PathLike) -> tuple[str, str]:
    """Key of an `.npz`, and the model of its embeddings (empty if it has none).

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or was saved without a key.
    """
    found = _read_arrays(Path(path), ("key",), optional=("model",))
    return str(found["key"]), str(found.get("model", ""))


def read_npz(path: Path) -> Poses:
    """Poses of an `.npz`.

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or has an unknown version.
    """
    found = _read_arrays(path, _POSES, optional=_LANDMARKS)
    _check_times(path, found["times"])
    width, height = (int(side) for side in found["size"])
    texts = {name: str(found[name]) for name in ("source", "detector")}
    try:
        return Poses(**{**found, **texts, "size": (width, height)})
    except FormatError as exc:
        raise FormatError(f"{path}: holds poses that contradict themselves ({exc})") from exc


def write_npz(
    pieces: Iterable[tuple[Poses, Embeddings | None]], path: Path, key: str | None = None
) -> None:
    """Write an `.npz`, as it is: without a temporary file that takes its name.

    The clip comes in pieces, in order, of which one is held at a time.
    """
    with Growing(path.parent) as arrays:
        for poses, embeddings in pieces:
            for name, array in _arrays(poses, embeddings, key).items():
                if name in _PER_FRAME or name not in arrays:
                    arrays.add(name, array)
        arrays.write(path)


def _arrays(poses: Poses, embeddings: Embeddings | None, key: str | None) -> dict[str, object]:
    """What an `.npz` holds, in its order."""
    arrays = {"format_version": FORMAT_VERSION, "joints": JOINTS}
    arrays |= {name: getattr(poses, name) for name in (*_POSES, *_LANDMARKS)}
    if embeddings is not None:
        arrays |= {name: getattr(embeddings, name) for name in _EMBEDDINGS}
    arrays["key"] = key
    return {name: value for name, value in arrays.items() if value is not None}


def _check_times(path: Path, times: np.ndarray) -> None:
    if not np.isfinite(times).all():
        raise FormatError(f"{path}: damaged: some frames have no time; make it again")


def _read_arrays(
    path: Path, required: Iterable[str], *, optional: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Read and check the arrays asked for; nothing in the file is trusted."""
    lengths: dict[str, int] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if "format_version" not in members:
                raise FormatError(f"{path}: not a pose file of vipe (no format_version)")
            version = int(_read_array(archive, members["format_version"], lengths))
            if version != FORMAT_VERSION:
                raise FormatError(
                    f"{path}: pose file of version {version}, this vipe reads {FORMAT_VERSION}; "
                    "upgrade vipe, or make the file again"
                )
            if missing := [name for name in required if name not in members]:
                raise FormatError(f"{path}: holds no {', '.join(missing)}; make it again")
            wanted = [*required, *(name for name in optional if name in members)]
            return {name: _read_array(archive, members[name], lengths) for name in wanted}
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except (
        ArithmeticError,
        EOFError,
        LookupError,
        NotImplementedError,
        RuntimeError,
        SyntaxError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    ) as exc:
        raise FormatError(f"{path}: not a pose file, or damaged ({exc}); make it again") from exc


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, lengths: dict[str, int]
) -> np.ndarray:
    """One array, if its header promises what its name asks for and the file has room for it.

    `numpy.load` allocates whatever the header says before it reads on.
    """
    name = info.filename.removesuffix(".npy")
    kind, expected = _ARRAYS[name]
    with archive.open(info) as file:
        major, _ = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = read[major](file)
        if dtype.kind.replace("u", "i") != kind:
            raise ValueError(f"{name} should hold {_KIND_NAMES[kind]}, not {dtype}")
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes > _LARGEST or n_bytes != info.file_size - file.tell():
            raise ValueError(f"{name} has another size than it says")
        _check_shape(name, shape, expected, lengths)
        data = np.frombuffer(file.read(n_bytes), dtype)
    return data.reshape(shape, order="F" if fortran else "C").copy()


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
