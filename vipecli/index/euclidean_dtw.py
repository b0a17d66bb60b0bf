"""Euclidean DTW: multivariate dynamic time warping of vectors, without variances.

The distance of two series is the root of the least sum of squared distances of their frames along a
warping path. No command uses it: the matching probability is compared with it in benchmarks.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli import _kernels
from vipecli._kernels import SIDE_BY_SIDE, STEP, Boxes, Frames

_IN_BOX = 8
"""Frames of a series in one box."""

_QUERY_IN_BOX = 4
"""Frames of a query in one box."""

_FAR = np.float32(1e15)  # coordinate of boxes for padding; its square fits in float32
_ROUNDING = 4e-6  # relative to the squared norms; above what float32 rounds off distances


class Series:
    """Series laid out in memory for search: built once, queried many times."""

    def __init__(self, series: Sequence[NDArray[Any]]) -> None:
        """Lay out C series (T, D), none empty, without NaN."""
        lengths = np.array([len(one) for one in series], np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        frames = _padded(np.concatenate([*series, np.zeros((STEP, series[0].shape[1]))]))
        squares = np.square(frames, dtype=np.float64).sum(axis=1) * (1 - _ROUNDING)
        augmented = np.column_stack([-2 * frames, np.ones(len(frames)), squares])
        self._frames = Frames(frames, augmented.astype(np.float32), ends)
        self._grouped = np.argsort(lengths, kind="stable")  # of one length: few boxes to fill up
        self._boxes = _side_by_side(frames, ends, self._grouped)

    def nearest(self, query: NDArray[Any]) -> tuple[int, float]:
        """Return the index of the series nearest to a query (T, D), and its distance."""
        frames = _padded(query)
        bounds = np.empty(len(self._grouped), np.float32)
        found = _kernels.box_bounds(*_boxed(frames, _QUERY_IN_BOX), self._boxes)
        bounds[self._grouped] = found[: len(bounds)]
        whole = np.pad(frames, ((0, -len(frames) % STEP), (0, 0)), mode="edge")
        squares = np.square(whole, dtype=np.float64).sum(axis=1) * (1 - _ROUNDING)
        augmented = np.stack([*whole.T, squares, np.ones(len(whole))]).astype(np.float32)
        place, total = _kernels.nearest_by_euclidean_dtw(
            np.ascontiguousarray(whole.T),
            augmented,
            len(frames),
            self._frames,
            np.argsort(bounds, kind="stable"),
            bounds,
        )
        return int(place), float(np.sqrt(total))


def _padded(frames: NDArray[Any]) -> NDArray[Any]:
    """Frames (F, D) in float32, padded with dimensions of 0 to a multiple of `STEP`."""
    more = -frames.shape[1] % STEP
    return np.ascontiguousarray(np.pad(frames, ((0, 0), (0, more))), np.float32)


def _boxed(frames: NDArray[Any], size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Minimum and maximum (B, D) of `size` consecutive frames each, and their counts (B,)."""
    first = np.arange(0, len(frames), size)
    sizes = np.diff(first, append=len(frames)).astype(np.float32)
    return np.minimum.reduceat(frames, first), np.maximum.reduceat(frames, first), sizes


def _side_by_side(frames: NDArray[Any], ends: NDArray[Any], grouped: NDArray[Any]) -> Boxes:
    """Boxes of series, interleaved in groups of `SIDE_BY_SIDE`."""
    boxed = [_boxed(frames[a:b], _IN_BOX) for a, b in pairwise(ends)]
    counts = np.array([len(sizes) for _, _, sizes in boxed])
    first = np.cumsum(counts) - counts
    behind = np.full((1, frames.shape[1]), _FAR)
    low, high, sizes = map(np.concatenate, zip(*boxed, (behind, behind, [0]), strict=True))
    places: list[NDArray[Any]] = []
    for begin in range(0, len(grouped), SIDE_BY_SIDE):
        group = grouped[begin : begin + SIDE_BY_SIDE]
        box: NDArray[Any] = np.arange(int(counts[group].max()))[:, None]
        at = np.where(box < counts[group], first[group] + box, len(sizes) - 1)
        places.append(np.pad(at, ((0, 0), (0, SIDE_BY_SIDE - len(group))), mode="edge").ravel())
    low, high = (np.concatenate([side[at].T.ravel() for at in places]) for side in (low, high))
    starts = np.cumsum([0, *map(len, places)])
    return Boxes(low, high, sizes[np.concatenate(places)].astype(np.float32), starts)
