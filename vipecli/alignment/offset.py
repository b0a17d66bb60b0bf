"""One constant shift between two recordings of one event, and the drift of their clocks."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.shift_score import WINDOW_S, ShiftScore, Table
from vipecli.alignment.warping_path import Alignment, Span
from vipecli.embedding.distance import FLOOR, atrous, frame_costs
from vipecli.embedding.model import Embeddings
from vipecli.errors import UnsureError

LEAST_CONFIDENCE = 3.3
"""Least confidence of an answer, see `Offset`; below it there is none. See `docs/alignment.md`."""

SURE = 5.0
"""With less confidence an answer comes with a warning."""

SHORT_S = 1.0
"""With less overlap an answer comes with a warning, seconds."""

LARGEST_DRIFT = 0.02
"""Rates are searched within this of 1."""

PART_S = 2.0
"""Length of the parts of a whose shifts give the rate, seconds."""

LEAST_PARTS = 4
"""With fewer of them the rate is taken to be 1."""

_REACH = 1.5  # frames from the best shift on the grid to the one between, at most


@dataclass(frozen=True, repr=False)
class Offset:
    """Times in b are `shift_s` + `rate` times those in a.

    Attributes
    ----------
    shift_s
        time in b of a's moment 0, seconds; positive where b started earlier.
    rate
        seconds of b per second of a; 1 unless a drift was searched for.
    cost
        mean frame distance of the overlap.
    overlap_s
        how long both show the event, seconds of a.
    confidence
        by how many standard deviations of chance the overlap is nearer than unrelated frames.
    warning
        what makes the answer doubtful; empty if nothing does.
    score
        evidence at every shift.
    """

    shift_s: float
    rate: float
    cost: float
    overlap_s: float
    confidence: float = math.inf
    warning: str = ""
    score: ShiftScore | None = None

    def __repr__(self) -> str:
        """One line: shift, rate, overlap and confidence."""
        rate = "" if self.rate == 1 else f", rate {self.rate:.5f}"
        return (
            f"Offset({self.shift_s:+.4f} s{rate}, overlap {self.overlap_s:.2f} s, "
            f"confidence {self.confidence:.1f})"
        )


def find_offset(a: Embeddings, b: Embeddings, *, drift: bool = False) -> Offset:
    """Shift of the clock of b against that of a, by the poses that both show.

    The shift with the strongest evidence, see `shift_score`; a parabola through the scores within
    `WINDOW_S` then gives it between two frames. With `drift` the shifts of parts of a, `PART_S`
    long, are found in the same way around the first, and a robust line through them (repeated
    medians, then least squares over those within `WINDOW_S`) gives shift and rate.

    Parameters
    ----------
    a, b
        two recordings of one event, embedded by the same model; frames without embedding are
        left out.
    drift
        search for a rate, too; 1 where a is too short for `LEAST_PARTS` parts.

    Raises
    ------
    FormatError
        if the two come from different models.
    UnsureError
        if nobody moves, nothing that both show is found, or several shifts fit as well.
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
    table = Table.of(a, b)
    score = table.scores()
    confidence, shift = score.best
    if reason := _refusal(table, score):
        raise UnsureError(reason)
    rate = 1.0
    if drift:
        shift, rate = _find_line(table, shift)
    shift = refined(table, shift, rate)
    inside = table.inside(shift, rate)
    length = float(np.ptp(a.times[inside])) if inside.any() else 0.0
    cost, doubt = table.mean_cost(shift, rate), _doubt(length, confidence)
    return Offset(shift, rate, cost, length, confidence, doubt, score)


def _doubt(overlap_s: float, confidence: float) -> str:
    """Warning of an answer that may be wrong; empty if there is none."""
    if overlap_s < SHORT_S:
        return f"only {overlap_s:.2f} s overlap: the shift may be wrong"
    if confidence < SURE:
        return f"weak evidence (confidence {confidence:.1f}): check the shift"
    return ""


def _refusal(table: Table, score: ShiftScore) -> str:
    """Return why no shift can be reported; empty if one can."""
    confidence, shift = score.best
    if not table.moves:
        return "nobody moves, so the poses say nothing about the shift"
    if confidence * score.regularity >= LEAST_CONFIDENCE and (others := score.rivals()):
        shifts = ", ".join(f"{one:+.2f} s" for one in (shift, *others))
        return f"the movement repeats itself, and several shifts fit as well: {shifts}"
    if confidence >= LEAST_CONFIDENCE:
        return ""
    return (
        f"nothing that both show is found: the best shift, {shift:+.2f} s, has a confidence of "
        f"{max(confidence, 0):.1f} and {LEAST_CONFIDENCE:g} is needed; give clips with more overlap"
    )


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


def _find_line(table: Table, shift: float) -> tuple[float, float]:
    """Shift and rate of a robust line through the shifts of short parts of a."""
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    library: Any = stats  # it has no types
    reach = LARGEST_DRIFT * table.length + WINDOW_S
    starts = np.arange(table.start, table.start + table.length - PART_S + 1e-9, PART_S / 2)
    shifts = np.array([_part_shift(table, shift, float(start), reach) for start in starts])
    found = np.isfinite(shifts)
    if found.sum() < LEAST_PARTS:
        return shift, 1.0
    y, x = shifts[found], (starts + PART_S / 2)[found]
    line = library.siegelslopes(y, x)
    slope, level = float(line[0]), float(line[1])
    near = np.abs(y - level - slope * x) <= WINDOW_S
    if near.sum() >= LEAST_PARTS:
        slope = float(_polyfit(x[near], y[near], 1)[0])
    slope = min(max(slope, -LARGEST_DRIFT), LARGEST_DRIFT)
    return float(np.median(y - slope * x)), 1 + slope


def _part_shift(table: Table, shift: float, start: float, reach: float) -> float:
    """Shift of a part of a that b shows wholly, near a given one; NaN where there is none."""
    part = table.part(start, start + PART_S)
    around = shift + np.arange(-reach, reach + table.step, table.step)
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
    bend, slope, _ = _parabola(around, values[:, seen].mean(axis=1))
    bottom = -slope / (2 * bend) if bend > 0 else 0.0
    return shift + min(max(bottom, -_REACH * table.step), _REACH * table.step)


_polyfit: Callable[..., NDArray[np.float64]] = np.polyfit


def _parabola(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Coefficients of the parabola through points, that of x^2 first."""
    bend, slope, level = (float(one) for one in _polyfit(x, y, 2))
    return bend, slope, level
