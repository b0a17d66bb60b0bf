"""Reading of untrusted `.npz` archives: sizes are checked before memory is reserved."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError

MOST_BYTES = 64 << 20
"""Bytes that any archive may unpack to."""

MOST_RATIO = 20
"""How many times its own size an archive may unpack to, if that is more than `MOST_BYTES`."""

DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged archive raises."""


class NpzReader:
    """Arrays of an open archive; `open_npz` makes one."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self._room = max(MOST_BYTES, MOST_RATIO * path.stat().st_size)

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in the order of the file."""
        return list(self._members)

    def __contains__(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._members

    def shape_and_type(self, name: str) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and data type of an array, without reading it.

        Raises
        ------
        ValueError, LookupError
            if its header is damaged.
        """
        with self._archive.open(self._members[name]) as file:
            shape, _, dtype = _header(file)
        return shape, dtype

    def read(self, name: str) -> np.ndarray:
        """One array.

        `numpy.load` reserves whatever a header promises; here the member has to be as large as
        its header says, and everything read so far has to stay within the limit.

        Raises
        ------
        FormatError
            if the archive unpacks to more than it may.
        ValueError, LookupError
            if the array is damaged or holds Python objects.
        """
        info = self._members[name]
        with self._archive.open(info) as file:
            shape, fortran, dtype = _header(file)
            size = math.prod(shape) * dtype.itemsize
            if dtype.hasobject or size != info.file_size - file.tell():
                raise ValueError(f"{name[:40]} has another size than it says")
            if size > self._room:
                limit = max(MOST_BYTES, MOST_RATIO * self._path.stat().st_size) >> 20
                raise FormatError(
                    f"{self._path}: unpacks to more than {limit} MB, which is the limit for a file "
                    "of its size; save it uncompressed, or split it"
                )
            self._room -= size
            data = np.frombuffer(file.read(size), dtype)
        return data.reshape(shape, order="F" if fortran else "C").copy()


@contextmanager
def open_npz(path: Path, *, what: str = "a readable .npz") -> Iterator[NpzReader]:
    """Open an archive; any damage becomes an error of one line.

    Parameters
    ----------
    path
        the file.
    what
        what it should be, for the message.

    Raises
    ------
    FormatError
        if it cannot be read, is no archive, or anything that is read from it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield NpzReader(path, archive)
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except DAMAGED as exc:
        reason = " ".join(str(exc).split())[:200]
        raise FormatError(f"{path}: not {what}, or damaged ({reason}); make it again") from exc


def _header(file: object) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether it is in Fortran order, and data type, from the head of a member."""
    major, _ = np.lib.format.read_magic(file)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    return read[major](file)
