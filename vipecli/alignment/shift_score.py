"""Evidence for a constant shift between two clips: every shift at which they overlap, scored.

The frame distance, the distance of headings and that of rises (`rises`) are centred over rows and
columns: a frame that is near to everything says nothing. Along a shift their sum over the root of
the number of frames, in standard deviations of what unrelated frames give (frames `MEMORY_S` apart
counted as independent,
or as all other shifts of the pair have it), is the score: a short overlap counts for what it is
worth.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.adaptation import Pair
from vipecli.alignment.rises import Rises
from vipecli.embedding.distance import frame_costs
from vipecli.embedding.model import Embeddings

WINDOW_S = 0.1
"""Half-width of the parabola that gives the shift between frames, seconds."""

LEAST_S = 0.25
"""Shortest overlap that is scored, seconds."""

MEMORY_S = 0.1
"""Frames this far apart count as independent at best, seconds."""

RISE = 2.0
"""Weight of the distance of rises beside that of poses and that of headings."""

RIVAL = 0.85
"""A second maximum is a rival of the best where both its score and its mean reach this share."""

APART_S = 0.4
"""Least distance of two maxima, seconds."""

_EQUAL = 1e-3  # standard deviation of distances below which they are all the same
_STILL = 0.02  # mean heading below which nobody moves: 0 still, 1 moving all the time


@dataclass(frozen=True, repr=False, eq=False)
class ShiftScore:
    """Score of every shift.

    Attributes
    ----------
    shifts_s
        shape (S,), seconds.
    score
        shape (S,), standard deviations above chance; NaN where the overlap is too short.
    mean
        shape (S,), mean over the overlap.
    regularity
        at least 1: how much farther the scores spread than those of unrelated frames; large
        where the movement repeats itself.
    """

    shifts_s: NDArray[np.float64]
    score: NDArray[np.float64]
    mean: NDArray[np.float64]
    regularity: float = 1.0

    @property
    def best(self) -> tuple[float, float]:
        """Largest score, and its shift in seconds; 0 and NaN where nothing overlaps."""
        if not np.isfinite(self.score).any():
            return 0.0, float("nan")
        at = int(np.nanargmax(self.score))
        return float(self.score[at]), float(self.shifts_s[at])

    def near(self, shift_s: float, reach_s: float) -> float:
        """Largest score within reach of a shift; 0 where nothing is known."""
        inside = np.isfinite(self.score) & (np.abs(self.shifts_s - shift_s) <= reach_s)
        return float(self.score[inside].max()) if inside.any() else 0.0

    def rivals(self) -> list[float]:
        """Other maxima that fit about as well, seconds, the best first."""
        score, top = np.nan_to_num(self.score, nan=-np.inf), int(np.nanargmax(self.score))
        peak = np.zeros(len(score), bool)
        peak[1:-1] = (score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:])
        peak &= (score >= RIVAL * score[top]) & (self.mean >= RIVAL * self.mean[top])
        peak &= np.abs(self.shifts_s - self.shifts_s[top]) >= APART_S
        found = np.flatnonzero(peak)
        return [float(self.shifts_s[i]) for i in found[np.argsort(-score[found])]][:8]

    def __repr__(self) -> str:
        """One line: how many shifts, and the best."""
        score, shift = self.best
        return f"ShiftScore({len(self.shifts_s)} shifts, best {shift:+.3f} s at {score:.1f})"


@dataclass(frozen=True, eq=False)
class Table:
    """Centred distances of two clips, read along straight lines.

    Attributes
    ----------
    values
        shape (N, M), smaller is nearer; NaN where a frame shows nobody.
    costs
        shape (N, M), frame distance.
    times_a, times_b
        seconds.
    step
        shorter frame interval of the two, seconds.
    spread
        standard deviation of `values`.
    moves
        whether people move in both clips.
    """

    values: NDArray[np.float32]
    costs: NDArray[np.float32]
    times_a: NDArray[np.float64]
    times_b: NDArray[np.float64]
    step: float
    spread: float
    moves: bool

    @classmethod
    def of(cls, pair: Pair, rises: tuple[Rises, Rises] | None = None) -> "Table":
        """Table of two clips, and of the rises of both if they are known.

        Errors as `distance.frame_costs`.
        """
        a, b = pair.clips
        costs = frame_costs(a, b)
        values = _centred(costs) + _centred(_apart(pair.headings, costs))
        if rises is not None:
            values += np.float32(RISE) * _centred(_apart(rises, costs))
        step = min(float(np.median(np.diff(times))) for times in (a.times, b.times))
        moves = min(_movement(a), _movement(b)) > _STILL
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        return cls(values, costs, a.times, b.times, step, spread + 1e-12, moves)

    @property
    def start(self) -> float:
        """First moment of a, seconds."""
        return float(self.times_a[0])

    @property
    def length(self) -> float:
        """Length of a, seconds."""
        return float(self.times_a[-1] - self.times_a[0])

    def part(self, start: float, end: float) -> "Table":
        """Frames of a from start to end."""
        kept = (self.times_a >= start) & (self.times_a <= end)
        values, costs = self.values[kept], self.costs[kept]
        return replace(self, values=values, costs=costs, times_a=self.times_a[kept])

    def inside(self, shift: float, rate: float) -> NDArray[np.bool_]:
        """Frames of a that b shows, shape (N,)."""
        there = shift + rate * self.times_a
        return (there >= self.times_b[0] - 1e-9) & (there <= self.times_b[-1] + 1e-9)

    def at(self, shift: float, rate: float) -> NDArray[np.float64]:
        """Value (N,) of each frame of a at its moment in b, between two frames; or NaN."""
        return self._along(self.values, shift, rate)

    def mean_cost(self, shift: float, rate: float) -> float:
        """Mean frame distance of the overlap; NaN if there is none."""
        costs = self._along(self.costs, shift, rate)
        known = np.isfinite(costs)
        return float(costs[known].mean()) if known.any() else float("nan")

    def scores(self) -> ShiftScore:
        """Score of all shifts, a frame apart."""
        first, last = self.times_b[0] - self.times_a[-1], self.times_b[-1] - self.times_a[0]
        shifts = np.arange(first, last + self.step / 2, self.step)
        interval = float(np.median(np.diff(self.times_a)))
        score, mean = np.full((2, len(shifts)), np.nan)
        for k, shift in enumerate(shifts):
            along = self.at(float(shift), 1.0)
            known = np.isfinite(along)
            count = int(known.sum())
            if count * interval >= LEAST_S:
                total = -float(along[known].sum())
                mean[k] = total / count
                score[k] = total / np.sqrt(count)
        chance = self.spread * np.sqrt(max(1.0, MEMORY_S / interval))
        regularity = max(1.0, _spread(score) / chance)
        return ShiftScore(shifts, score / (chance * regularity), mean, regularity)

    def _along(self, table: NDArray[np.float32], shift: float, rate: float) -> NDArray[np.float64]:
        there = shift + rate * self.times_a
        right = np.searchsorted(self.times_b, there).clip(1, len(self.times_b) - 1)
        before, behind = self.times_b[right - 1], self.times_b[right]
        share = (there - before) / (behind - before)
        i = np.arange(len(there))
        mixed = (1 - share) * table[i, right - 1] + share * table[i, right]
        inside = (share >= -1e-6) & (share <= 1 + 1e-6)
        return np.where(inside, mixed, np.nan)


def _apart(
    directions: tuple[NDArray[np.float32], NDArray[np.float32]], costs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Distance of directions (N, D) and (M, D), shape (N, M); NaN where the costs are."""
    apart = 1 - directions[0] @ directions[1].T
    apart[np.isnan(costs)] = np.nan
    return apart


def _spread(score: NDArray[np.float64]) -> float:
    """Standard deviation of the scores of all shifts, most of which match nothing; robust."""
    known = score[np.isfinite(score)]
    return 1.4826 * float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0


def _centred(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Table (N, M) without the means of its rows and columns, in standard deviations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without a person
        rows, columns = (np.nanmean(table, axis=axis, keepdims=True) for axis in (1, 0))
        centred = table - rows
        centred -= columns - np.nanmean(rows)
        centred /= np.maximum(np.nanstd(centred), np.float32(_EQUAL))
        return centred


def _movement(clip: Embeddings) -> float:
    """How far a clip's embeddings spread over time, in units of their standard deviations."""
    known = np.isfinite(clip.mean).all(axis=1)
    if known.sum() < 2:
        return 0.0
    spread = float(np.sqrt(clip.mean[known].var(axis=0).sum()))
    return spread / float(np.sqrt((clip.std[known] ** 2).sum(axis=1)).mean() + 1e-9)
