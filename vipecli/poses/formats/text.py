"""Reading untrusted text and JSON: sizes are checked before anything is held."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError

MOST_BYTES = 256 << 20
"""Largest text that is read: hours of everyone in view. A parsed file takes ten times as much."""


def read_text(path: Path, *, at_most: int = MOST_BYTES) -> str:
    """Text of a file.

    Raises
    ------
    FormatError
        if it is larger than `at_most` bytes, or no text.
    OSError
        if it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:
        raise FormatError(f"{path}: larger than {at_most >> 20} MB; split it, or convert it first")
    if not data.strip():
        raise FormatError(f"{path}: the file is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise FormatError(f"{path}: not a text file ({exc.reason} at byte {exc.start})") from exc


def read_json(path: Path, *, at_most: int = MOST_BYTES) -> Any:
    """Content of a JSON file.

    Raises
    ------
    FormatError
        if it is too large or no JSON.
    OSError
        if it cannot be read.
    """
    text = read_text(path, at_most=at_most)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
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
    """Points (K, 3) of a flat list x, y, score, x, y, score ...

    Raises
    ------
    ValueError, TypeError
        if it is none.
    """
    flat = numbers(values)
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
    """Size of a picture, None where it is not told.

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
