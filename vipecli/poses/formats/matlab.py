"""Arrays of numbers and texts of MATLAB files of version 5 to 7.

scipy reads these files, too, but a damaged one ends its process: see the tests.
Format: MathWorks, "MAT-File Format", version 5.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError

_MOST_BYTES = 64 << 20  # of a file, and of what is unpacked from it
_MOST_RATIO = 20  # how many times its own size a file may unpack to, if that is more
_FREE_BYTES = 8 << 20  # that any file may unpack to
_MOST_ARRAYS = 1000
_MOST_TEXT = 4096  # characters of a text that are kept
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    **{1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8"},
    **{12: "i8", 13: "u8", 16: "u1", 17: "u2", 18: "u4"},  # the last three are UTF-8, -16, -32
}
_CHARS, _NUMBERS = 4, range(6, 16)  # classes of arrays
_COMPLEX = 0x800  # flag


def load_mat(path: Path) -> dict[str, np.ndarray | str]:
    """Arrays of numbers, by name, and texts; other contents are ignored.

    Raises
    ------
    FormatError
        if it is no such file, too large, or damaged.
    OSError
        if it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{path}: larger than {_MOST_BYTES >> 20} MB, the limit for such a file")
    if data[:8] == b"\x89HDF\r\n\x1a\n" or data[512:520] == b"\x89HDF\r\n\x1a\n":
        raise FormatError(f"{path}: saved as MATLAB 7.3; save it with -v7")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if len(data) < 128 or order is None:
        raise FormatError(f"{path}: not a MATLAB file of version 5 to 7")
    try:
        return dict(_arrays(data[128:], order))
    except (ValueError, TypeError, struct.error, zlib.error) as exc:
        raise FormatError(f"{path}: a damaged MATLAB file ({exc})") from exc


def _arrays(data: bytes, order: str) -> Iterator[tuple[str, np.ndarray | str]]:
    limit = min(_MOST_BYTES, max(_FREE_BYTES, _MOST_RATIO * len(data)))
    space = limit
    for count, (kind, content) in enumerate(_elements(data, order)):
        if count >= _MOST_ARRAYS:
            raise ValueError(f"more than {_MOST_ARRAYS} arrays, the limit")
        if kind == _COMPRESSED:
            unpacked = zlib.decompressobj().decompress(content, space + 1)
            space -= len(unpacked)
            if space < 0:
                raise FormatError(f"unpacks to more than {limit >> 20} MB, the limit for its size")
            kind, content = next(_elements(unpacked, order), (0, b""))
        if kind == _MATRIX and (found := _array(content, order)):
            yield found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of one element after another."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # up to four bytes, right in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
        else:
            at = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if size > len(data) - start:
            raise ValueError("an element ends beyond the end of the file")
        yield kind, data[start : start + size]


def _array(content: bytes, order: str) -> tuple[str, np.ndarray | str] | None:
    """Name and value of a matrix; None if it is not of numbers or text."""
    parts = list(islice(_elements(content, order), 4))
    if len(parts) < 4:
        return None
    flags = struct.unpack_from(f"{order}I", parts[0][1])[0]
    kind = flags & 0xFF
    if flags & _COMPLEX or (kind != _CHARS and kind not in _NUMBERS):
        return None
    shape = tuple(_numbers(*parts[1], order).astype(int).tolist())
    name = parts[2][1].decode("latin-1")
    values = _numbers(*parts[3], order)
    if kind == _CHARS:
        return name, "".join(map(chr, values[:_MOST_TEXT].astype(np.uint16).tolist()))
    if min(shape, default=0) < 0 or math.prod(shape) != len(values):
        raise ValueError(f"{name[:20]} holds {len(values)} numbers for a shape of {shape}")
    return name, values.reshape(shape, order="F")


def _numbers(kind: int, content: bytes, order: str) -> np.ndarray:
    if kind not in _TYPES:
        raise ValueError(f"unknown type {kind} of numbers")
    return np.frombuffer(content, np.dtype(_TYPES[kind]).newbyteorder(order))
