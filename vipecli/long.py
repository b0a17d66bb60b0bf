"""Alignments of clips too long for a table of all pairs of frames: from coarse to fine.

A choice of frames is aligned first; then all of them, but only near the path found. Time and memory
grow with the length of the clips, not with its square.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vipecli import _kernels
from vipecli.align import (
    DIAGONAL,
    GUIDED_DIAGONAL,
    SKIP,
    WINDOW_S,
    Alignment,
    check_options,
    guide,
    led,
    left_out,
    probability_along,
    skip_price,
    with_least_overlap,
)
from vipecli.distance import atrous, frame_costs
from vipecli.embed import Embeddings

COARSE_CELLS = 1 << 22
"""Pairs of frames that the coarse alignment looks at, at most: 2,048 frames of each clip."""

REACH_S = 1.0
"""How far from the coarse path the fine one may be, seconds in either clip."""

REACH_STEPS = 3
"""The same in steps of the coarse path; the longer of the two counts."""

_SEARCHES = 4  # with twice the reach each, at most
_ROWS = 128  # frames of a whose distances are computed at a time


def align_long(
    a: Embeddings, b: Embeddings, *, ends: str, band: float | None, match: str
) -> Alignment:
    """Match the frames of two long clips; parameters and errors as `align.align`.

    Every k-th frame of both clips is aligned, all of them with all. The path of all frames is then
    the one of the least sum among those within reach of that one; while it touches a limit of the
    search, the reach is doubled, three times at most. It is the path of the least sum of all unless
    that one is nowhere near: a movement has to show in the coarse choice of frames, of which there
    are three a second in clips of ten minutes.
    """
    check_options(ends, band)
    width = 1.0 if band is None else band
    few_a, few_b = thinned(a, b)
    coarse = _Band.of(few_a, few_b, *_kernels.band_limits(len(few_a), len(few_b), 1.0), match)
    price = math.inf if ends == "closed" else skip_price(coarse.guided, SKIP[ends])
    outer = _kernels.band_limits(len(a), len(b), width)
    path = coarse.path(price, _kernels.band_limits(len(few_a), len(few_b), width))
    frames_a = np.searchsorted(a.times, few_a.times[path[:, 0]])
    path = np.stack([frames_a, np.searchsorted(b.times, few_b.times[path[:, 1]])], axis=1)
    reach_s = max(REACH_S, REACH_STEPS * max(_interval(few_a), _interval(few_b)))
    for _ in range(_SEARCHES):
        low, high = _around(path, a.times, b.times, reach_s)
        low, high = np.maximum(low, outer[0]), np.minimum(high, outer[1])
        near = _Band.of(a, b, low, high, match)
        path = near.path(price, (low, high))
        if not _touches(path, (low, high), outer):
            break
        reach_s *= 2
    i, j = path.T
    distance = near.along(path, near.plain)
    return Alignment(
        path=path,
        cost=float(distance.mean(dtype=np.float64)),
        times_a=a.times[i],
        times_b=b.times[j],
        distance=distance,
        match_probability=probability_along(a, b, path, match=match),
        model=a.model,
        unmatched=(*left_out("a", a.times, i), *left_out("b", b.times, j)),
    )


def thinned(
    a: Embeddings, b: Embeddings, cells: int = COARSE_CELLS
) -> tuple[Embeddings, Embeddings]:
    """Evenly chosen frames of both clips, `cells` pairs at most; the clips where they are short."""
    share = math.sqrt(min(1.0, cells / (len(a) * len(b))))
    return tuple(
        clip.part(np.linspace(0, len(clip) - 1, max(2, int(share * len(clip)))).round().astype(int))
        if share < 1
        else clip
        for clip in (a, b)
    )


@dataclass(frozen=True)
class _Band:
    """Distances near a path: row i holds those to the frames low[i] to high[i] of b.

    `plain` (N, W) is what `align` reports, `guided` what it minimises; where they end in a row they
    are 0.
    """

    plain: np.ndarray
    guided: np.ndarray
    low: np.ndarray
    frames_b: int
    diagonal: float

    @classmethod
    def of(
        cls, a: Embeddings, b: Embeddings, low: np.ndarray, high: np.ndarray, match: str
    ) -> "_Band":
        """Compute the distances of two clips within limits."""
        plain = np.zeros((len(a), int((high - low).max())), np.float32)
        guided, is_guided = np.zeros_like(plain), False
        for rows, part_a, part_b, top, left in _blocks(a, b, low, high):
            costs = frame_costs(part_a, part_b, match=match)
            extra = guide(part_a, part_b)
            tables = [atrous(costs, part_a.times, part_b.times, window_s=WINDOW_S)]
            if extra is not None:
                is_guided = True
                tables.append(led(tables[0], costs, extra, part_a.times, part_b.times))
            for i in rows:
                there = slice(low[i] - left, high[i] - left)
                plain[i, : high[i] - low[i]] = tables[0][i - top, there]
                guided[i, : high[i] - low[i]] = tables[-1][i - top, there]
        return cls(plain, guided, low, len(b), GUIDED_DIAGONAL if is_guided else DIAGONAL)

    def along(self, path: np.ndarray, table: np.ndarray) -> np.ndarray:
        """Distance at each step of a path."""
        i, j = path.T
        return table[i, j - self.low[i]]

    def path(self, price: float, limits: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Cheapest path within limits that start where the rows do, or lie within whole rows."""
        if self.plain.shape[1] == self.frames_b and not self.low.any():
            tail, search = (*limits,), _kernels.dtw_path
        else:
            tail, search = (self.frames_b, *limits), _kernels.dtw_band
        return with_least_overlap(
            lambda p: search(self.guided, *tail, p, p, self.diagonal)[0],
            lambda path: self.along(path, self.guided),
            (len(self.plain), self.frames_b),
            price,
        )


def _blocks(
    a: Embeddings, b: Embeddings, low: np.ndarray, high: np.ndarray
) -> Iterator[tuple[range, Embeddings, Embeddings, int, int]]:
    """Rows, the parts of a and b around them with room for the window, and where those start."""
    for start in range(0, len(a), _ROWS):
        rows = range(start, min(start + _ROWS, len(a)))
        part_a = _with_window(a.times, rows[0], rows[-1])
        part_b = _with_window(b.times, int(low[rows[0]]), int(high[rows[-1]]) - 1)
        yield rows, a.part(part_a), b.part(part_b), part_a.start, part_b.start


def _with_window(times: np.ndarray, first: int, last: int) -> slice:
    """Frames from first to last, and those that the atrous window of any of them can reach."""
    ends = times[first] - 1.5 * WINDOW_S, times[last] + 1.5 * WINDOW_S
    low, high = np.searchsorted(times, ends)
    return slice(max(0, int(low) - 1), min(len(times), int(high) + 1))


def _touches(
    path: np.ndarray,
    limits: tuple[np.ndarray, np.ndarray],
    outer: tuple[np.ndarray, np.ndarray],
) -> bool:
    """Whether a path runs along limits that could be wider."""
    i, j = path.T
    low, high = limits[0][i], limits[1][i]
    return bool(
        (((j == low) & (low > outer[0][i])) | ((j == high - 1) & (high < outer[1][i]))).any()
    )


def _interval(clip: Embeddings) -> float:
    return float(np.median(np.diff(clip.times)))


def _around(
    path: np.ndarray, times_a: np.ndarray, times_b: np.ndarray, reach_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the frames of b within `reach_s`, in a and then in b, of a path (L, 2).

    The path is led on to the ends of the clips at the speed of time, so that open ends can move.
    """
    x, y = times_a[path[:, 0]], times_b[path[:, 1]]
    before = min(x[0] - times_a[0], y[0] - times_b[0])
    after = min(times_a[-1] - x[-1], times_b[-1] - y[-1])
    x = np.concatenate([[times_a[0], x[0] - before], x, [x[-1] + after, times_a[-1]]])
    y = np.concatenate([[y[0] - before] * 2, y, [y[-1] + after] * 2])
    knots, firsts = np.unique(x, return_index=True)
    lasts = len(x) - 1 - np.unique(x[::-1], return_index=True)[1]
    earliest = np.interp(times_a - reach_s, knots, y[firsts]) - reach_s
    latest = np.interp(times_a + reach_s, knots, y[lasts]) + reach_s
    low = np.searchsorted(times_b, earliest).clip(0, len(times_b) - 1)
    high = np.searchsorted(times_b, latest, side="right").clip(1, len(times_b))
    return low.astype(np.int64), np.maximum(high, low + 1).astype(np.int64)
