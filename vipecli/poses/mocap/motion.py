"""Recorded motion of one skeleton, and parsing shared by the readers of motion files."""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.text import decoded

_LARGEST = 1e9  # of the numbers in a file: beyond it they are damage, and would overflow
_MOST_JOINTS = 1000  # a body with hands and face has about 200
_MOST_POINTS = 10_000_000  # frames times joints: an hour of 23 joints at 120 frames/s
_MOST_BYTES = 128 << 20  # of a file
_BLOCK = 2048  # frames whose rotations are held at a time
_RATES = (0.01, 10_000)  # frames/s


@dataclass(frozen=True)
class Motion:
    """Positions of the points of a skeleton over time.

    Attributes
    ----------
    names
        of the J points; the end site of a joint is ``NAME end``.
    parents
        J indices: the point that each one hangs on; -1 for a root.
    positions
        shape (T, J, 3) float32, length unit and axes of the file. In BVH files these are the
        joints, in ASF/AMC files the far ends of the bones.
    fps
        frames per second.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    fps: float


def read_text(path: Path) -> str:
    """Text of a file; letters that are not UTF-8 are replaced, as only names hold any.

    Raises
    ------
    FormatError
        if it cannot be read, or is larger than 128 MB.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{path}: larger than {_MOST_BYTES >> 20} MB, the limit; cut it in parts")
    return decoded(data, errors="replace")


def numbers(words: Sequence[str | float], path: Path, what: str) -> np.ndarray:
    """Words as float64.

    Raises
    ------
    FormatError
        if one is not a number, not finite or absurdly large.
    """
    try:
        values = np.asarray(words, np.float64)
    except ValueError as exc:
        raise FormatError(f"{path}: malformed numbers in {what} ({exc})") from exc
    return _plausible(values, path, what)


def numbers_in(text: str, path: Path, what: str) -> np.ndarray:
    """All numbers of a long text, without a Python object for each; FormatError as `numbers`."""
    if not text.strip():
        return np.empty(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # how NumPy reports that it stopped early
            values = np.fromstring(text, np.float64, sep=" ")
    except (ValueError, Warning) as exc:
        raise FormatError(f"{path}: malformed numbers in {what}") from exc
    return _plausible(values, path, what)


def vector(words: list[str], path: Path, what: str) -> np.ndarray:
    """Three words as a vector; FormatError as `numbers`, or if there are not three."""
    if len(words) != 3:
        raise FormatError(f"{path}: {what} has {len(words)} numbers instead of 3")
    return numbers(words, path, what)


def _plausible(values: np.ndarray, path: Path, what: str) -> np.ndarray:
    if not (np.abs(values) < _LARGEST).all():
        raise FormatError(f"{path}: {what} holds a number that is not finite or is out of range")
    return values


def check_rate(fps: float, path: Path) -> float:
    """The frame rate; FormatError if no recording can have it."""
    if not (math.isfinite(fps) and _RATES[0] <= fps <= _RATES[1]):
        raise FormatError(f"{path}: a frame rate of {fps:g} per second")
    return fps


def check_size(frames: int, joints: int, path: Path) -> None:
    """Refuse more positions than are held in memory, with a FormatError."""
    if joints > _MOST_JOINTS:
        raise FormatError(f"{path}: {joints} joints, at most {_MOST_JOINTS} are read")
    if frames * joints > _MOST_POINTS:
        raise FormatError(
            f"{path}: {frames} frames of {joints} joints, more than {_MOST_POINTS:,} points, the "
            "limit; cut it in parts"
        )


def by_blocks(values: np.ndarray, pose: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Positions (T, J, 3) float32 from channel values (T, C), a block of frames at a time."""
    starts = range(0, len(values), _BLOCK)
    return np.concatenate([pose(values[i : i + _BLOCK]).astype(np.float32) for i in starts])


def euler(axes: str, angles: np.ndarray) -> np.ndarray:
    """Product of rotations about coordinate axes, R_1 R_2 ... R_k, for every frame.

    Parameters
    ----------
    axes
        k letters of ``xyz``, the leftmost factor first.
    angles
        shape (T, k), radians.

    Returns
    -------
    shape (T, 3, 3); the identity if k is 0.
    """
    product = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for axis, angle in zip(axes, angles.T, strict=True):
        product = product @ _about(axis, angle)
    return product


def _about(axis: str, angle: np.ndarray) -> np.ndarray:
    """Rotations (T, 3, 3) about one axis by angles (T,), counter-clockwise seen from its tip."""
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    rotation = np.zeros((len(angle), 3, 3))
    rotation[:, i, i] = 1
    rotation[:, j, j] = rotation[:, k, k] = np.cos(angle)
    rotation[:, k, j] = np.sin(angle)
    rotation[:, j, k] = -rotation[:, k, j]
    return rotation
