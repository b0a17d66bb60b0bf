"""Alignments of clips too long for a table of all pairs of frames: from coarse to fine.

A choice of frames is aligned first; then all of them, but only near the path found. Time and memory
grow with the length of the clips, not with its square.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli import _kernels
from vipecli.alignment.adaptation import WINDOW_S, Pair, adapted
from vipecli.alignment.dtw import (
    DIAGONAL,
    SKIP,
    EndsName,
    cheapest,
    likely,
    matched_and_unrelated,
    with_least_overlap,
)
from vipecli.alignment.warping_path import Alignment, from_positions, probability_along
from vipecli.embedding.distance import EstimatorName, atrous, frame_costs
from vipecli.embedding.model import Embeddings

Limits = tuple[NDArray[np.int64], NDArray[np.int64]]
"""First and one past the last column of each row of a table."""

COARSE_CELLS = 1 << 22
"""Largest number of pairs of frames in the coarse alignment: 2,048 frames of each clip."""

REACH_S = 1.0
"""How far from the coarse path the fine one may be, seconds in either clip."""

REACH_STEPS = 3
"""The same in steps of the coarse path; the longer of the two counts."""

_SEARCHES = 4  # with twice the reach each, at most
_ROWS = 128  # frames of a whose distances are computed at a time


def align_long(
    a: Embeddings,
    b: Embeddings,
    *,
    ends: EndsName = "auto",
    band: float | None = None,
    match: EstimatorName = "expected",
) -> Alignment:
    """Match the frames of two long clips; parameters and errors as `align.align`.

    Every k-th frame of both clips is aligned by their whole table. The path of all frames is then
    the one of the least sum among those within reach of that one; while it touches a limit of the
    search, the reach is doubled, three times at most. It is the path of the least sum of all unless
    that one is nowhere near: a movement has to show in the coarse choice of frames, of which there
    are three a second in clips of ten minutes.
    """
    few_a, few_b = thinned(a, b)
    pair = adapted(Pair(few_a, few_b, match), ends=ends, band=band)
    coarse = pair.smooth()
    path = cheapest(coarse, ends=ends, band=band)
    matched, unrelated = matched_and_unrelated(coarse)
    price = math.inf if ends == "closed" else matched + SKIP[ends] * (unrelated - matched)
    frames_a = np.searchsorted(a.times, few_a.times[path[:, 0]])
    path = np.stack([frames_a, np.searchsorted(b.times, few_b.times[path[:, 1]])], axis=1)
    interval = max(float(np.median(np.diff(clip.times))) for clip in (few_a, few_b))
    limits = _kernels.band_limits(len(a), len(b), 1.0 if band is None else band)
    reach_s = max(REACH_S, REACH_STEPS * interval)
    near, path = _near(pair.with_clips(a, b), path.astype(np.int32), price, reach_s, limits)
    return from_positions(
        likely(path, near.guided, unrelated - matched, at=near.low, limits=near.limits),
        (a.times, b.times),
        lambda i, j: near.plain[i, j - near.low[i]],
        lambda path: probability_along(a, b, path, match=match),
        model=a.model,
    )


def thinned(
    a: Embeddings, b: Embeddings, cells: int = COARSE_CELLS
) -> tuple[Embeddings, Embeddings]:
    """Evenly chosen frames of both clips, `cells` pairs at most; the clips where they are short."""
    share = math.sqrt(min(1.0, cells / (len(a) * len(b))))
    return (_every(a, share), _every(b, share)) if share < 1 else (a, b)


def _every(clip: Embeddings, share: float) -> Embeddings:
    """A share of the frames of a clip, evenly spaced, two at least."""
    count = max(2, int(share * len(clip)))
    return clip.part(np.linspace(0, len(clip) - 1, count).round().astype(int))


@dataclass(frozen=True)
class _Band:
    """Distances near a path: row i holds those to the frames low[i] to high[i] of b.

    `plain` (N, W) is what `align` reports, `guided` what it minimises; where they end in a row they
    are 0.
    """

    plain: NDArray[np.float32]
    guided: NDArray[np.float32]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    frames_b: int

    @classmethod
    def of(cls, pair: Pair, low: NDArray[np.int64], high: NDArray[np.int64]) -> "_Band":
        """Compute the distances of two clips within limits."""
        a, b = pair.a, pair.b
        plain = np.zeros((len(a), int((high - low).max())), np.float32)
        guided = np.zeros_like(plain)
        for start in range(0, len(a), _ROWS):
            rows = range(start, min(start + _ROWS, len(a)))
            of_a = _with_window(a.times, rows[0], rows[-1])
            of_b = _with_window(b.times, int(low[rows[0]]), int(high[rows[-1]]) - 1)
            part_a, part_b = a.part(of_a), b.part(of_b)
            costs = frame_costs(part_a, part_b, match=pair.match)
            smooth = atrous(costs, part_a.times, part_b.times, window_s=WINDOW_S)
            followed = pair.smooth(of_a, of_b)
            for i in rows:
                there = slice(low[i] - of_b.start, high[i] - of_b.start)
                plain[i, : high[i] - low[i]] = smooth[i - of_a.start, there]
                guided[i, : high[i] - low[i]] = followed[i - of_a.start, there]
        return cls(plain, guided, low, high, len(b))

    @property
    def limits(self) -> Limits:
        """First and one past the last column of each row."""
        return self.low, self.high

    def path(self, price: float) -> NDArray[np.int32]:
        """Cheapest path."""

        def search(price: float) -> NDArray[np.int32]:
            table, frames = self.guided, self.frames_b
            return _kernels.dtw_band(table, frames, *self.limits, price, price, DIAGONAL)[0]

        def cost(path: NDArray[np.int32]) -> NDArray[np.float32]:
            return self.guided[path[:, 0], path[:, 1] - self.low[path[:, 0]]]

        return with_least_overlap(search, cost, (len(self.plain), self.frames_b), price)


def _near(
    pair: Pair,
    path: NDArray[np.int32],
    price: float,
    reach_s: float,
    outer: Limits,
) -> tuple[_Band, NDArray[np.int32]]:
    """Distances within reach of a coarse path, and the cheapest path through them."""
    searches = 0
    while True:
        low, high = _around(path, pair.a.times, pair.b.times, reach_s)
        near = _Band.of(pair, np.maximum(low, outer[0]), np.minimum(high, outer[1]))
        path, searches = near.path(price), searches + 1
        if searches == _SEARCHES or not _touches(path, near.limits, outer):
            return near, path
        reach_s *= 2


def _with_window(times: NDArray[np.float64], first: int, last: int) -> slice:
    """Frames from first to last, and those that the atrous window of any of them can reach."""
    ends = times[first] - 1.5 * WINDOW_S, times[last] + 1.5 * WINDOW_S
    low, high = np.searchsorted(times, ends)
    return slice(max(0, int(low) - 1), min(len(times), int(high) + 1))


def _touches(path: NDArray[np.int32], limits: Limits, outer: Limits) -> bool:
    """Whether a path runs along limits that could be wider."""
    i, j = path.T
    low, high = limits[0][i], limits[1][i]
    return bool(
        (((j == low) & (low > outer[0][i])) | ((j == high - 1) & (high < outer[1][i]))).any()
    )


def _around(
    path: NDArray[np.int32],
    times_a: NDArray[np.float64],
    times_b: NDArray[np.float64],
    reach_s: float,
) -> Limits:
    """Limits of the frames of b within `reach_s`, in a and then in b, of a path (L, 2).

    The path is extended to the ends of the clips at real-time speed, so that open ends can move.
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
