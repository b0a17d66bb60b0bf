"""One constant shift between two recordings of one event, and the drift of their clocks."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.multiscale import thinned
from vipecli.alignment.rises import Rises
from vipecli.alignment.same_action import DIFFERENT, same_action
from vipecli.alignment.shift_between import LONGEST_S, Evidence, find_line, refined
from vipecli.alignment.shift_score import ShiftScore, Table
from vipecli.alignment.sound_shift import SoundShift
from vipecli.alignment.warping_path import Alignment, Span, probability_along
from vipecli.embedding.distance import WINDOW_S, window_distance
from vipecli.embedding.model import Embeddings
from vipecli.errors import UnsureError

LEAST_CONFIDENCE = 2.6
"""Least confidence of an answer, see `Offset`; below it there is none. See `docs/alignment.md`."""

SURE = 4.0
"""With less confidence an answer comes with a warning."""

SHORT_S = 1.0
"""With less overlap an answer comes with a warning, seconds."""

NO_RATE = "no clear difference in clock rate (longer clips show one, of up to 2 %): none is assumed"
"""Warning of an answer without the rate that was asked for."""

_CELLS = 1 << 20  # of frames that are asked whether they show one action
_STEPS = 256  # of a path whose distances are computed at a time


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
        evidence of the poses at every shift.
    by
        what gave the shift: ``poses``, ``sound``, or ``both`` where they agree.
    heard
        evidence of the sound, where it was asked.
    """

    shift_s: float
    rate: float
    cost: float
    overlap_s: float
    confidence: float = math.inf
    warning: str = ""
    score: ShiftScore | None = None
    by: str = "poses"
    heard: SoundShift | None = None

    def __repr__(self) -> str:
        """One line: shift, rate, overlap and confidence."""
        rate = "" if self.rate == 1 else f", rate {self.rate:.5f}"
        return (
            f"Offset({self.shift_s:+.4f} s{rate}, overlap {self.overlap_s:.2f} s, "
            f"confidence {self.confidence:.1f})"
        )


def find_offset(
    a: Embeddings,
    b: Embeddings,
    *,
    rises: tuple[Rises, Rises] | None = None,
    drift: bool = False,
) -> Offset:
    """Shift of the clock of b against that of a, by the poses that both show.

    The shift with the strongest evidence, see `shift_score`; a parabola through the scores within
    `shift_score.WINDOW_S` then gives it between two frames. With `drift` the shifts of parts of a
    are found in the same way around the first, and a robust line through them gives shift and
    rate, see `shift_between.find_line`. Memory is bounded: of clips too long for one table
    (`shift_between.LARGEST_TABLE`) an even choice of frames is searched first.

    Parameters
    ----------
    a, b
        two recordings of one event, embedded by the same model; frames without embedding are
        left out.
    rises
        how the joints of both rise and fall, `rises.rises`; None = by the embeddings alone, which
        is less sharp, and right where a camera is rolled.
    drift
        search for a rate, too; 1, with a warning, where a is too short for one.

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
    evidence = Evidence.of(a, b, rises)
    score = evidence.table.scores()
    confidence, shift = score.best
    if reason := _refusal(evidence.table, score):
        raise UnsureError(reason, _equals(score))
    found = 1.0
    if drift:
        shift, found = find_line(evidence, shift)
    rate = 1.0 if found is None else found
    table, shift = evidence.near(shift, rate)
    shift = refined(table, shift, rate)
    length = overlap_s(a, b, shift, rate)
    cost = table.mean_cost(shift, rate)
    doubt = _doubt(length, confidence) or _unlike(a, b, shift, rate)
    if not doubt and found is None:
        doubt = NO_RATE
    return Offset(shift, rate, cost, length, confidence, doubt, score)


def overlap_s(a: Embeddings, b: Embeddings, shift: float, rate: float = 1.0) -> float:
    """How much of a b shows at a shift, seconds of a."""
    there = shift + rate * a.times
    inside = a.times[(there >= b.times[0] - 1e-9) & (there <= b.times[-1] + 1e-9)]
    return float(np.ptp(inside)) if len(inside) else 0.0


def overlap_warning(overlap_s: float) -> str:
    """Warning of an overlap too short to be sure; empty if it is not."""
    return f"only {overlap_s:.2f} s overlap: the shift may be wrong" if overlap_s < SHORT_S else ""


def _doubt(overlap_s: float, confidence: float) -> str:
    """Warning of an answer that may be wrong; empty if there is none."""
    if words := overlap_warning(overlap_s):
        return words
    if confidence < SURE:
        return f"weak evidence (confidence {confidence:.1f}): check the shift"
    return ""


def _unlike(a: Embeddings, b: Embeddings, shift: float, rate: float) -> str:
    """Warning that what both show at a shift is not one action; empty if it may be.

    What is centred says when something happens, not that it is the same in both. Of a long overlap
    `LONGEST_S` in its middle are compared, which costs less than the shift itself.
    """
    start = max(a.times[0], (b.times[0] - shift) / rate)
    end = min(a.times[-1], (b.times[-1] - shift) / rate)
    spare = max(0.0, (end - start - LONGEST_S) / 2)
    start, end = start + spare, end - spare
    own = (a.times >= start) & (a.times <= end)
    other = (b.times >= shift + rate * start) & (b.times <= shift + rate * end)
    if not (own.any() and other.any()):
        return ""
    same = same_action(*thinned(a.part(own), b.part(other), _CELLS))
    if same >= DIFFERENT:
        return ""
    return f"these look like two different actions (same action: {same:.0%}): check the shift"


def _refusal(table: Table, score: ShiftScore) -> str:
    """Return why no shift can be reported; empty if one can."""
    confidence, shift = score.best
    if not table.moves:
        return "nobody moves, so the poses say nothing about the shift"
    if equals := _equals(score):
        shifts = ", ".join(f"{one:+.2f} s" for one in equals)
        return f"the movement repeats itself, and several shifts fit as well: {shifts}"
    if confidence >= LEAST_CONFIDENCE:
        return ""
    return (
        f"nothing that both show is found: the best shift, {shift:+.2f} s, has a confidence of "
        f"{max(confidence, 0):.1f} and {LEAST_CONFIDENCE:g} is needed; give clips with more overlap"
    )


def _equals(score: ShiftScore) -> tuple[float, ...]:
    """Shifts that fit about as well as each other; none where one alone is the best."""
    confidence, shift = score.best
    if confidence * score.regularity < LEAST_CONFIDENCE:
        return ()
    return (shift, *others) if (others := score.rivals()) else ()


def mean_distance(a: Embeddings, b: Embeddings, shift: float, rate: float = 1.0) -> float:
    """Mean frame distance of what both show at a shift.

    Raises
    ------
    ValueError
        if the clips do not overlap at this shift.
    """
    path, _, _ = _steps(a, b, shift, rate)
    return float(_distance_along(a, b, path).mean(dtype=np.float64))


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
    path, there, i = _steps(a, b, offset.shift_s, offset.rate)
    return Alignment(
        path=path,
        cost=offset.cost,
        times_a=a.times[i],
        times_b=there[i],
        distance=_distance_along(a, b, path),
        match_probability=probability_along(a, b, path),
        model=a.model,
        unmatched=tuple(
            Span(clip, float(start), float(end))
            for clip, times, shown in (("a", a.times, a.times[i]), ("b", b.times, there[i]))
            for start, end in ((times[0], shown[0]), (shown[-1], times[-1]))
            if end > start
        ),
    )


def _steps(
    a: Embeddings, b: Embeddings, shift: float, rate: float
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
    """Path (L, 2) at a shift, moments in b (N,) of all frames of a, and those that b shows (L,)."""
    there = shift + rate * a.times
    i = np.flatnonzero((there >= b.times[0]) & (there <= b.times[-1]))
    if not len(i):
        raise ValueError("the clips do not overlap at this offset")
    right = np.searchsorted(b.times, there[i]).clip(1, len(b) - 1)
    j = right - (there[i] - b.times[right - 1] < b.times[right] - there[i])
    return np.stack([i, j], axis=1).astype(np.int32), there, i


def _distance_along(a: Embeddings, b: Embeddings, path: NDArray[np.int32]) -> NDArray[np.float32]:
    """Atrous frame distance (L,) of each step of a path, a piece of the table at a time."""
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(path), _STEPS):
        i, j = path[start : start + _STEPS].T
        rows, columns = (_around(times, k) for times, k in ((a.times, i), (b.times, j)))
        near = window_distance(a.part(rows), b.part(columns))
        parts.append(near[i - rows.start, j - columns.start])
    return np.concatenate(parts)


def _around(times: NDArray[np.float64], frames: NDArray[np.int32]) -> slice:
    """Frames of a clip that the distances of some of them, non-decreasing, depend on."""
    ends = times[frames[0]] - 2 * WINDOW_S, times[frames[-1]] + 2 * WINDOW_S
    first, last = np.searchsorted(times, ends)
    return slice(int(first), int(last))
