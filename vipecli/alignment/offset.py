# pyright: basic, reportArgumentType=false, reportCallIssue=false, reportOperatorIssue=false
"""One constant shift between two recordings of one event, and the drift of their clocks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.dtw import skip_price
from vipecli.alignment.warping_path import Alignment, Span
from vipecli.embedding.distance import FLOOR, atrous, frame_costs
from vipecli.embedding.model import Embeddings

SHARE = 0.75
"""Price of a frame without a counterpart, as `paths.SKIP`; a rigid shift has few ways to be wrong.

On motion capture seen by two cameras (`benchmarks.planted`, ends cut by up to 30 %) 0.25 misses the
overlap in a third of the pairs, and 0.5 to 0.75 in 5 to 7 %.
"""

WINDOW_S = 0.15
"""Half-width of the parabola that gives the shift between frames, seconds.

On the same pairs a parabola through 3 frames is off by 0.5 frames in the median, through 7 to 13
frames (0.1 to 0.2 s) by 0.3; the nearest frame alone by 0.6.
"""

LARGEST_DRIFT = 0.02
"""Rates are sought within this of 1."""

PART_S = 2.0
"""Length of the parts of a whose shifts tell the rate, seconds."""

LEAST_PARTS = 4
"""With fewer of them the rate is taken to be 1."""


@dataclass(frozen=True)
class Offset:
    """Times in b are `shift_s` + `rate` times those in a.

    Attributes
    ----------
    shift_s
        time in b of a's moment 0, seconds; positive where b started earlier.
    rate
        seconds of b per second of a; 1 unless a drift was sought.
    cost
        mean frame distance of the overlap.
    overlap_s
        how long both show the event, seconds of a.
    """

    shift_s: float
    rate: float
    cost: float
    overlap_s: float


def find_offset(a: Embeddings, b: Embeddings, *, drift: bool = False) -> Offset:
    """Shift of the clock of b against that of a, by the poses that both show.

    The shift with the least sum, over the frames of a that b shows too, of frame distance less
    `paths.skip_price` at `SHARE`: so a short overlap that happens to be near does not win over a
    long one. A parabola through the mean distances within `WINDOW_S` then gives the shift between
    two frames. With `drift` the shifts of parts of a, `PART_S` long, are found in the same way
    around the first, and a robust line through them (repeated medians, then least squares over
    those within `WINDOW_S`) gives shift and rate.

    Parameters
    ----------
    a, b
        two recordings of one event, embedded by the same model; frames without embedding are
        left out.
    drift
        look for a rate, too; 1 where a is too short for `LEAST_PARTS` parts.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if a clip has fewer than two frames.

    Examples
    --------
    >>> import numpy as np
    >>> def clip(start):
    ...     mean = np.sin(np.arange(start, start + 60)[:, None] / np.arange(5, 9)).astype("f4")
    ...     return Embeddings(3 * mean, 0 * mean + 0.1, np.arange(60) / 30, "demo:0", (1.5, 4.0))
    >>> round(find_offset(clip(0), clip(15)).shift_s, 2)
    -0.5
    """
    if min(len(a), len(b)) < 2:
        raise ValueError("a clip of a single frame has no offset")
    costs = frame_costs(a, b).astype(np.float64)
    step = float(min(np.median(np.diff(times)) for times in (a.times, b.times)))
    table = _Table(costs, a.times, b.times, step)
    price = skip_price(np.nan_to_num(costs, nan=-math.log(FLOOR)), SHARE)
    shifts = np.arange(b.times[0] - a.times[-1], b.times[-1] - a.times[0], table.step)
    shift = float(min(shifts, key=lambda s: table.evidence(s, 1.0, price)))
    rate = 1.0
    if drift:
        shift, rate = _find_line(table, shift)
    shift = _refined(table, shift, rate)
    values = table.at(shift, rate)
    seen = np.isfinite(values)
    inside = table.inside(shift, rate)
    length = float(np.ptp(a.times[inside])) if inside.any() else 0.0
    return Offset(shift, rate, float(values[seen].mean()) if seen.any() else math.nan, length)


def alignment_at(a: Embeddings, b: Embeddings, offset: Offset) -> Alignment:
    """Alignment of two clips at a known offset, for all that takes an `Alignment`.

    One step per frame of a that b shows; `times_b` are exact, `path` holds the nearest frames.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if the clips do not overlap at this offset.
    """
    there = offset.shift_s + offset.rate * a.times
    i = np.flatnonzero((there >= b.times[0]) & (there <= b.times[-1]))
    if not len(i):
        raise ValueError("the clips do not overlap at this offset")
    right = np.searchsorted(b.times, there[i]).clip(1, len(b) - 1)
    j = right - (there[i] - b.times[right - 1] < b.times[right] - there[i])
    costs = frame_costs(a, b)
    p = np.exp(-costs[i, j])
    return Alignment(
        path=np.stack([i, j], axis=1).astype(np.int32),
        cost=offset.cost,
        times_a=a.times[i],
        times_b=there[i],
        distance=atrous(costs, a.times, b.times)[i, j],
        match_probability=np.where(np.isnan(p), np.float32(FLOOR), p),
        model=a.model,
        unmatched=tuple(
            Span(clip, float(start), float(end))
            for clip, times, shown in (("a", a.times, a.times[i]), ("b", b.times, there[i]))
            for start, end in ((times[0], shown[0]), (shown[-1], times[-1]))
            if end > start
        ),
    )


class _Table:
    """Frame distances read along straight lines."""

    def __init__(
        self,
        costs: NDArray[np.float64],
        times_a: NDArray[np.float64],
        times_b: NDArray[np.float64],
        step: float,
    ) -> None:
        self._costs, self._a, self._b, self.step = costs, times_a, times_b, step
        self.start, self.length = float(times_a[0]), float(times_a[-1] - times_a[0])

    def part(self, start: float, end: float) -> "_Table":
        """Frames of a from start to end."""
        chosen = (self._a >= start) & (self._a <= end)
        return _Table(self._costs[chosen], self._a[chosen], self._b, self.step)

    def inside(self, shift: float, rate: float) -> NDArray[np.float64]:
        """Frames of a that b shows."""
        there = shift + rate * self._a
        return (there >= self._b[0]) & (there <= self._b[-1])

    def at(self, shift: float, rate: float) -> NDArray[np.float64]:
        """Distance (N,) of each frame of a to its moment in b, between two frames; or NaN."""
        there = shift + rate * self._a
        right = np.searchsorted(self._b, there).clip(1, len(self._b) - 1)
        share = (there - self._b[right - 1]) / (self._b[right] - self._b[right - 1])
        i = np.arange(len(there))
        mixed = (1 - share) * self._costs[i, right - 1] + share * self._costs[i, right]
        return np.where((share >= 0) & (share <= 1), mixed, np.nan)

    def evidence(self, shift: float, rate: float, price: float) -> float:
        """Sum of distance less price over the overlap; the least is best."""
        return float(np.nansum(self.at(shift, rate) - price))


def _find_line(table: _Table, shift: float) -> tuple[float, float]:
    """Shift and rate of a robust line through the shifts of short parts of a."""
    from scipy.stats import siegelslopes  # takes longer to load than all the rest

    reach = LARGEST_DRIFT * table.length + WINDOW_S
    starts = np.arange(table.start, table.start + table.length - PART_S + 1e-9, PART_S / 2)
    moments, shifts = starts + PART_S / 2, []
    for start in starts:
        shifts.append(_part_shift(table, shift, start, reach))
    found = np.isfinite(shifts)
    if found.sum() < LEAST_PARTS:
        return shift, 1.0
    y, x = np.array(shifts)[found], moments[found]
    slope, level = siegelslopes(y, x)
    near = np.abs(y - level - slope * x) <= WINDOW_S
    if near.sum() >= LEAST_PARTS:
        slope, level = np.polyfit(x[near], y[near], 1)
    slope = float(np.clip(slope, -LARGEST_DRIFT, LARGEST_DRIFT))
    return float(np.median(y - slope * x)), 1 + slope


def _part_shift(table: _Table, shift: float, start: float, reach: float) -> float:
    """Shift of a part of a that b shows wholly, near a given one; NaN where there is none."""
    part = table.part(start, start + PART_S)
    around = shift + np.arange(-reach, reach + table.step, table.step)
    values = np.stack([part.at(s, 1.0) for s in around])
    seen = np.isfinite(values)
    whole = seen.sum(axis=1) >= max(2, 0.8 * seen.shape[1])
    if not whole.any():
        return math.nan
    means = np.full(len(around), math.inf)
    means[whole] = np.nanmean(values[whole], axis=1)
    best = int(means.argmin())
    if best in (0, len(around) - 1):
        return math.nan
    return _refined(part, float(around[best]), 1.0)


def _refined(table: _Table, shift: float, rate: float) -> float:
    """Shift between two frames: the bottom of a parabola through the mean distances around.

    The shifts are whole frames apart, so that each falls between two frames in the same place, and
    the smoothing of the interpolation is the same for all. The bottom is at most 1.5 frames away:
    frames that b does not show at all these shifts have no say here, in a short overlap many.
    """
    steps = max(1, round(WINDOW_S / table.step))
    around = np.arange(-steps, steps + 1) * table.step
    values = np.stack([table.at(shift + x, rate) for x in around])
    seen = np.isfinite(values).all(axis=0)
    if not seen.any():
        return shift
    bend, slope, _ = np.polyfit(around, values[:, seen].mean(axis=1), 2)
    bottom = -slope / (2 * bend) if bend > 0 else 0.0
    return shift + float(np.clip(bottom, -1.5 * table.step, 1.5 * table.step))
