"""The shift between two frames, and the rate of two clocks, from evidence near a known shift."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.adaptation import Pair
from vipecli.alignment.multiscale import thinned
from vipecli.alignment.rises import Rises
from vipecli.alignment.shift_score import WINDOW_S, Table
from vipecli.embedding.model import Embeddings

LARGEST_TABLE = 1 << 24
"""Pairs of frames in one table at most; of longer clips an even choice of frames comes first."""

LARGEST_DRIFT = 0.02
"""Rates are searched within this of 1."""

PART_S = 2.0
"""Length of the parts of a whose shifts give the rate, seconds."""

LEAST_PARTS = 4
"""With fewer of them the rate is taken to be 1, with a warning."""

MOST_PARTS = 64
"""Of longer clips so many, evenly spread."""

LONGEST_S = 60.0
"""Of clips too long for one table this much of a gives the shift between two frames, seconds."""

CLEAR = 3.0
"""A rate differs from 1 where it does by this many standard errors."""

_KNOWN_S = 0.01  # error of the shift at the ends up to which a rate may be as good as 1
_REACH = 1.5  # frames from the best shift on the grid to the one between, at most

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Two clips, and the table of all their frames or, if they are long, of an even choice.

    Attributes
    ----------
    a, b
        the clips.
    rises
        of both, see `rises.rises`; None = not known.
    table
        of both.
    complete
        whether the table holds all frames.
    """

    a: Embeddings
    b: Embeddings
    rises: tuple[Rises, Rises] | None
    table: Table
    complete: bool

    @classmethod
    def of(
        cls,
        a: Embeddings,
        b: Embeddings,
        rises: tuple[Rises, Rises] | None = None,
        cells: int = LARGEST_TABLE,
    ) -> "Evidence":
        """Evidence of two clips; `cells` bounds the memory. Errors as `Table.of`."""
        few_a, few_b = thinned(a, b, cells)
        few = rises and tuple(
            own[np.searchsorted(clip.times, part.times)]
            for own, clip, part in zip(rises, (a, b), (few_a, few_b), strict=True)
        )
        return cls(a, b, rises, Table.of(Pair(few_a, few_b), few), few_a is a)

    def part(self, start: float, end: float, shift: float, reach: float) -> Table:
        """Table of all frames of a from start to end, as far as b shows them near a shift."""
        if self.complete:
            return self.table.part(start, end)
        low, high = start + shift - reach, end + shift + reach
        own = (self.a.times >= start) & (self.a.times <= end)
        other = (self.b.times >= low) & (self.b.times <= high)
        if min(own.sum(), other.sum()) < 2:
            return self.table.part(start, end)
        rises = self.rises and (self.rises[0][own], self.rises[1][other])
        return Table.of(Pair(self.a.part(own), self.b.part(other)), rises)

    def near(self, shift: float, rate: float) -> tuple[Table, float]:
        """Table in which the shift between two frames is read, and the best shift of its frames."""
        if self.complete:
            return self.table, shift
        inside = self.table.inside(shift, rate)
        times = self.table.times_a[inside]
        start, end = float(times[0]), float(times[-1])
        if end - start > LONGEST_S:
            start = _clearest(times, self.table.at(shift, rate)[inside])
            end = start + LONGEST_S
        drift = abs(rate - 1) * end
        reach = 2 * self.table.step + WINDOW_S
        table = self.part(start, end, shift, reach + drift)
        return table, _best(table, shift, rate, reach)


def _clearest(times: _Floats, values: NDArray[np.floating[Any]]) -> float:
    """Start of the `LONGEST_S` of a clip whose frames match best."""
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(values))])
    ends = np.searchsorted(times, times + LONGEST_S)
    whole = times <= times[-1] - LONGEST_S + 1e-9
    sums = np.where(whole, total[ends] - total[:-1], math.inf)
    return float(times[int(sums.argmin())])


def _best(table: Table, shift: float, rate: float, reach: float) -> float:
    """Best shift of whole frames within reach of one."""
    steps = max(1, round(reach / table.step))
    around = shift + table.step * np.arange(-steps, steps + 1)
    means = _means(table, around, rate)
    return float(around[means.argmin()]) if np.isfinite(means).any() else shift


def _means(table: Table, shifts: _Floats, rate: float) -> _Floats:
    """Mean value of each shift (S,); infinite where b shows less than most of the frames of a."""
    values = np.stack([table.at(float(s), rate) for s in shifts])
    seen = np.isfinite(values)
    enough = seen.sum(axis=1) >= max(2, 0.8 * seen.sum(axis=1).max())
    return np.where(enough, np.nansum(values, axis=1) / seen.sum(axis=1).clip(1), math.inf)


def find_line(evidence: Evidence, shift: float) -> tuple[float, float | None]:
    """Shift and rate of a robust line through the shifts of short parts of a.

    Repeated medians, then least squares over those within `WINDOW_S`. The rate is None where fewer
    than `LEAST_PARTS` parts lie on the line, where its slope is beyond `LARGEST_DRIFT`, and where
    the parts scatter so much that it may as well be none.
    """
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    library: Any = stats  # it has no types
    table = evidence.table
    starts = np.arange(table.start, table.start + table.length - PART_S + 1e-9, PART_S / 2)
    if len(starts) > MOST_PARTS:
        starts = np.linspace(starts[0], starts[-1], MOST_PARTS)
    shifts = np.array([_part_shift(evidence, shift, float(start)) for start in starts])
    found = np.isfinite(shifts)
    if found.sum() < LEAST_PARTS:
        return shift, None
    y, x = shifts[found], (starts + PART_S / 2)[found]
    line = library.siegelslopes(y, x)
    slope, level = float(line[0]), float(line[1])
    near = np.abs(y - level - slope * x) <= WINDOW_S
    if near.sum() < LEAST_PARTS:
        return shift, None
    slope, error = _slope(x[near], y[near])
    vague = CLEAR * error > max(abs(slope), _KNOWN_S / (float(np.ptp(x[near])) / 2))
    if vague or abs(slope) > LARGEST_DRIFT:
        return shift, None
    return float(np.median(y - slope * x)), 1 + slope


def _slope(x: _Floats, y: _Floats) -> tuple[float, float]:
    """Slope of least squares, and its standard error; parts that overlap count once."""
    slope, level = (float(one) for one in _polyfit(x, y, 1))
    off = y - level - slope * x
    shared = max(1.0, PART_S / float(np.median(np.diff(x))))
    variance = shared * float(off @ off) / (len(x) - 2)
    return slope, math.sqrt(variance / float(np.square(x - x.mean()).sum()))


def _part_shift(evidence: Evidence, shift: float, start: float) -> float:
    """Shift of a part of a that b shows wholly, near a given one; NaN where there is none."""
    reach = LARGEST_DRIFT * evidence.table.length + WINDOW_S
    part = evidence.part(start, start + PART_S, shift, reach)
    around = shift + np.arange(-reach, reach + part.step, part.step)
    values = np.stack([part.at(float(s), 1.0) for s in around])
    seen = np.isfinite(values)
    whole = seen.sum(axis=1) >= max(2, 0.8 * seen.shape[1])
    if not whole.any():
        return math.nan
    means = np.full(len(around), math.inf)
    means[whole] = np.nanmean(values[whole], axis=1)
    best = int(means.argmin())
    if best in (0, len(around) - 1):
        return math.nan
    return refined(part, float(around[best]), 1.0)


def refined(table: Table, shift: float, rate: float) -> float:
    """Shift between two frames: the bottom of a parabola through the mean scores around.

    The shifts are whole frames apart, so that each falls between two frames in the same place, and
    the smoothing of the interpolation is the same for all. Frames that b does not show at all
    these shifts are left out, in a short overlap many.
    """
    steps = max(1, round(WINDOW_S / table.step))
    around = np.arange(-steps, steps + 1) * table.step
    values = np.stack([table.at(shift + float(x), rate) for x in around])
    seen = np.isfinite(values).all(axis=0)
    if not seen.any():
        return shift
    bend, slope, _ = (float(one) for one in _polyfit(around, values[:, seen].mean(axis=1), 2))
    bottom = -slope / (2 * bend) if bend > 0 else 0.0
    return shift + min(max(bottom, -_REACH * table.step), _REACH * table.step)


_polyfit: Callable[..., _Floats] = np.polyfit
