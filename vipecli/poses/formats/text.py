"""Reading of untrusted text, tables and JSON: sizes are checked before memory is reserved."""

import codecs
import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError

MOST_BYTES = 128 << 20
"""Largest text that is read: two hours of one person in view, or ten minutes of a crowd."""

MOST_COLUMNS = 10_000
"""Columns of a table."""

_BLOCK = 1 << 20  # bytes that are looked at together
_MOST_LINE = 1 << 20  # characters of a line of a table
_MOST_VALUES = 20_000_000  # of a JSON file; one takes 32 bytes and more
_MARKS = (  # the longer mark first: that of UTF-16 begins that of UTF-32
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE, _MOSTLY = 400, 0.7  # bytes of a file, and share of them, that tell its encoding
_SEPARATOR = re.compile(r"sep=(.)\r?\n?$", re.IGNORECASE)
_LONGEST_NUMBER = 64  # characters
_GROUPS = re.compile("(?<=[0-9])[ \u00a0\u2009\u202f'\u2019](?=[0-9]{3})")
_GROUPING_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+(e[+-]?\d+)?", re.IGNORECASE)
_MISSING = {"", "-", "--", "nan", "na", "n/a", "#n/a", "#n/v", "none", "null", "nil", "missing"}
_DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[+-]?\d+)?", re.IGNORECASE)


def read_text(path: Path, *, at_most: int = MOST_BYTES, fallback: str | None = None) -> str:
    """Text of a file: UTF-8, UTF-16, or UTF-32 with a byte order mark.

    Parameters
    ----------
    path
        the file.
    at_most
        bytes that it may have.
    fallback
        encoding of a file without a mark that is no UTF-8; None = refuse it.

    Raises
    ------
    FormatError
        if it is larger, or no text.
    OSError
        if it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:
        raise FormatError(
            f"{path}: larger than {at_most / (1 << 20):.3g} MB, the limit for such a file; split it"
        )
    try:
        text = decoded(data, fallback=fallback)
    except UnicodeDecodeError as exc:
        raise FormatError(f"{path}: not a text file ({exc.reason} at byte {exc.start})") from exc
    if not text.strip():
        raise FormatError(f"{path}: the file is empty")
    return text


def read_table(path: Path, *, fallback: str | None = None) -> str:
    """Text of a table; its lines are looked at before it is read.

    Raises
    ------
    FormatError, OSError
        as `read_text`; if a line is too long.
    """
    with path.open("rb") as file:
        length, done = 0, 0
        while done <= MOST_BYTES and (block := file.read(_BLOCK)):
            done += len(block)
            end = max(block.rfind(b"\n"), block.rfind(b"\r"))
            length = length + len(block) if end < 0 else len(block) - end
            if length > 4 * _MOST_LINE:  # bytes: four are a character at most
                raise FormatError(
                    f"{path}: a line of more than {_MOST_LINE:,} characters, the limit; damaged, "
                    "or no table"
                )
    return read_text(path, fallback=fallback)


def decoded(data: bytes, *, errors: str = "strict", fallback: str | None = None) -> str:
    """Text of bytes, by their byte order mark, or where every other byte is 0; else UTF-8.

    Raises
    ------
    UnicodeDecodeError
        if they are no such text.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), _unmarked(data))
    try:
        return data.decode(encoding, errors)
    except UnicodeDecodeError:
        if fallback is None or b"\0" in data:
            raise
        return data.decode(fallback)


def _unmarked(data: bytes) -> str:
    """Encoding of text without a mark: Latin letters in UTF-16 have a 0 beside each."""
    even, odd = data[:_SAMPLE:2], data[1:_SAMPLE:2]
    if even and odd.count(0) > _MOSTLY * len(odd) and even.count(0) < _MOSTLY * len(even):
        return "utf-16-le"
    if odd and even.count(0) > _MOSTLY * len(even) and odd.count(0) < _MOSTLY * len(odd):
        return "utf-16-be"
    return "utf-8-sig"


def rows_of(text: str) -> Iterator[list[str]]:
    """Rows of a table whose cells are parted by commas, semicolons or tabs.

    A first line ``sep=;``, as Excel writes it, names the delimiter; else it is the one that is
    most frequent in the header.

    Raises
    ------
    ValueError
        if a line or a row is too long.
    csv.Error
        if a cell is.
    """
    text = text.lstrip("\r\n")
    first, _, rest = text.partition("\n")
    if match := _SEPARATOR.fullmatch(first.strip('"\r')):
        delimiter, text = match[1], rest
    else:
        delimiter = max(",;\t", key=first.count)
    for row in csv.reader(_lines(text), delimiter=delimiter):
        if len(row) > MOST_COLUMNS:
            raise ValueError(f"more than {MOST_COLUMNS:,} columns")
        yield row


def _lines(text: str) -> Iterator[str]:
    for line in io.StringIO(text, newline=""):
        if len(line) > _MOST_LINE:
            raise ValueError(f"a line of more than {_MOST_LINE:,} characters")
        yield line


def number(cell: str) -> float:
    """Number in a cell, as programs of any country write it; NaN where it is empty or text.

    With a decimal comma, grouped digits (``1 234,5``, ``1.234,5``, ``1,234.5``, ``1'234.5``), a
    minus sign, or in per cent.

    Examples
    --------
    >>> number("1.234,5"), number("\u22121 234,5"), number("95 %"), number("left")
    (1234.5, -1234.5, 0.95, nan)
    """
    try:
        return float(cell)
    except ValueError:
        cell = cell.strip()
    if not cell or len(cell) >= _LONGEST_NUMBER:
        return np.nan
    cell = _GROUPS.sub("", cell.replace("\u2212", "-"))
    if cell.endswith("%"):
        return number(cell[:-1]) / 100
    if _DECIMAL_COMMA.fullmatch(cell):
        cell = cell.replace(".", "").replace(",", ".")
    elif _GROUPING_COMMA.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        return float(cell)
    except ValueError:
        return np.nan


def is_text(cell: str) -> bool:
    """Whether a cell holds something that is no number, nor stands for a missing one."""
    return cell.strip().lower() not in _MISSING and np.isnan(number(cell))


def read_json(path: Path, *, at_most: int = MOST_BYTES) -> Any:
    """Content of a JSON file, or a list of what the lines of a file of JSON lines hold.

    Raises
    ------
    FormatError
        if it is too large, holds too many values, or is no JSON.
    OSError
        if it cannot be read.
    """
    text = read_text(path, at_most=at_most)
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise FormatError(f"{path}: more than {_MOST_VALUES:,} values, the limit; split it")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        if isinstance(exc, json.JSONDecodeError) and exc.msg == "Extra data":
            with contextlib.suppress(ValueError, RecursionError):
                return [json.loads(line) for line in text.splitlines() if line.strip()]
        raise FormatError(f"{path}: not a JSON file, or cut off ({exc})") from exc


def numbers(values: Any) -> np.ndarray:
    """Float32 array of nested lists of numbers, None being NaN.

    Raises
    ------
    ValueError, TypeError
        if it is something else.
    """
    with np.errstate(all="ignore"):
        return np.asarray(values, np.float64).astype(np.float32)


def triples(values: Any) -> np.ndarray:
    """Points (K, 3) of a list x, y, score, x, y, score ..., or of one such list for each point.

    Raises
    ------
    ValueError, TypeError
        if it is none.
    """
    flat = numbers(values)
    if flat.ndim == 2 and flat.shape[1] == 3:
        return flat
    if flat.ndim != 1 or not len(flat) or len(flat) % 3:
        raise ValueError(f"keypoints of shape {flat.shape} are not x, y, score of each")
    return flat.reshape(-1, 3)


def whole(value: Any) -> int:
    """Whole number below 2**53 from a number or a text that is one.

    Raises
    ------
    ValueError, TypeError
        if it is none.
    """
    if isinstance(value, str) and len(value) < 20:
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40} is not a number")
    if not abs(value) < 1 << 53 or value != int(value):
        raise ValueError(f"{value!r:.40} is not a whole number")
    return int(value)


def last_number(name: str) -> int | None:
    """Last group of digits in a name, the number of a frame; None if there is none."""
    groups = re.findall(r"\d{1,15}", Path(name).stem)
    return int(groups[-1]) if groups else None


def picture_size(width: Any, height: Any) -> tuple[int, int] | None:
    """Return the size of a picture; None if it is not stated.

    Raises
    ------
    ValueError, TypeError
        if it cannot be one.
    """
    if width is None or height is None:
        return None
    size = whole(width), whole(height)
    if not all(0 < side < 1 << 16 for side in size):
        raise ValueError(f"a picture of {size[0]} x {size[1]} pixels")
    return size


def short_text(value: Any) -> str:
    """Return a name from a file as one printable line, empty where it is no text."""
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value if c.isprintable())[:200]


def own_name(source: str, suffix: str = ".trc") -> str:
    """Name that a file gives itself, after the clip it was made from."""
    stem = Path("".join(c for c in source if c.isprintable())).stem
    return f"{stem or 'poses'}{suffix}"
