"""An alignment of two clips: the warping path, step by step, and the unmatched frames."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.distance import FLOOR, EstimatorName, match_of, matching_probability
from vipecli.embedding.model import Embeddings

SMOOTH_S = 0.45
"""Time constant of the spline that smooths the time map (`time_map.warp`), seconds; chosen in
`docs/alignment.md`."""

SHORT_S = 0.2
"""Shorter stretches at an end without a counterpart are not worth a word, seconds."""

_STEPS = 64  # of a path whose matching probabilities are computed at a time


@dataclass(frozen=True)
class Span:
    """A stretch of one clip, ``"a"`` or ``"b"``, from start to end in its seconds."""

    clip: str
    start_s: float
    end_s: float


@dataclass(frozen=True, repr=False)
class Alignment:
    """Corresponding frames of two clips, step by step along the warping path.

    Attributes
    ----------
    path
        shape (L, 2) int32, frame indices of a and b, both columns non-decreasing.
    cost
        mean of `distance`: the distance of the two clips, in [0.05, 3.0].
    times_a, times_b
        shape (L,) float64, corresponding times, seconds: those of the frames on the path, or
        within half a frame of them.
    distance
        shape (L,) float32, atrous frame distance of each step.
    match_probability
        shape (L,) float32, matching probability of the two frames of each step; 0.05, the
        minimum, where one of them shows nobody.
    model
        weights that made the embeddings.
    unmatched
        stretches before and behind the path, which the other clip does not show.
    smooth_s
        time constant of the time map, see `time_map.warp`, seconds.
    """

    path: NDArray[np.int32]
    cost: float
    times_a: NDArray[np.float64]
    times_b: NDArray[np.float64]
    distance: NDArray[np.float32]
    match_probability: NDArray[np.float32]
    model: str
    unmatched: tuple[Span, ...] = ()
    smooth_s: float = SMOOTH_S

    @property
    def match(self) -> NDArray[np.float32]:
        """Shape (L,) in [0, 1], how well each step matches: `distance.match_of` its distance."""
        return match_of(self.distance)

    def __len__(self) -> int:
        """Return the length of the path, L."""
        return len(self.path)

    def __repr__(self) -> str:
        """One line: length, corresponding spans and distance."""
        return (
            f"Alignment({len(self)} steps, a {self.times_a[0]:.2f}-{self.times_a[-1]:.2f} s, "
            f"b {self.times_b[0]:.2f}-{self.times_b[-1]:.2f} s, distance {self.cost:.3f}, "
            f"model {self.model!r})"
        )


def match_at(
    alignment: Alignment, times: NDArray[np.float64], *, onto: str = "a"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Match and matching probability at any times of a clip.

    Parameters
    ----------
    alignment
        of a and b.
    times
        shape (F,), seconds of b if that is `onto`, else of a.
    onto
        ``a``, ``b``, or ``both``, as in `reel.reel_of`.

    Returns
    -------
    shape (F,) each: lines through the steps of the path; beyond its ends as at its ends, but 0 and
    `FLOOR` where the other clip lacks `SHORT_S` or more and waits.
    """
    clip, source = ("b", alignment.times_b) if onto == "b" else ("a", alignment.times_a)
    knots, owner, count = np.unique(source, return_inverse=True, return_counts=True)
    spans = [s for s in alignment.unmatched if s.clip == clip and s.end_s - s.start_s >= SHORT_S]
    waits = np.zeros(len(times), bool)
    for span in spans:
        behind = span.end_s > knots[-1]
        waits |= (times > knots[-1]) if behind else (times < knots[0])

    def at(values: NDArray[np.float32], waiting: float) -> NDArray[np.float64]:
        mean = np.bincount(owner, values) / count
        return np.where(waits, waiting, np.interp(times, knots, mean))

    return at(alignment.match, 0.0), at(alignment.match_probability, FLOOR)


def from_positions(
    positions: NDArray[np.float64],
    times: tuple[NDArray[np.float64], NDArray[np.float64]],
    distance_at: Callable[[NDArray[np.int32], NDArray[np.int32]], NDArray[np.float32]],
    probability_of: Callable[[NDArray[np.int32]], NDArray[np.float32]],
    *,
    model: str,
) -> Alignment:
    """Alignment along positions between frames.

    Parameters
    ----------
    positions
        shape (P, 2), frame indices with fractions, as `dtw.likely` returns them.
    times
        of the frames of a and b, shapes (N,) and (M,), seconds.
    distance_at
        atrous frame distance of frames i of a and j of b, shapes (L,).
    probability_of
        matching probability of each step of a path (L, 2).
    model
        weights that made the embeddings.
    """
    times_a, times_b = times
    path, at_a, at_b = nearest_frames(positions, times_a, times_b)
    i, j = path[:, 0], path[:, 1]
    distance = distance_at(i, j)
    return Alignment(
        path=path,
        cost=float(distance.mean(dtype=np.float64)),
        times_a=at_a,
        times_b=at_b,
        distance=distance,
        match_probability=probability_of(path),
        model=model,
        unmatched=(*unmatched_spans("a", times_a, i), *unmatched_spans("b", times_b, j)),
    )


def probability_along(
    a: Embeddings, b: Embeddings, path: NDArray[np.int32], *, match: EstimatorName = "expected"
) -> NDArray[np.float32]:
    """Matching probability of each step of a path, shape (L,) float32; `FLOOR` without a person."""
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(path), _STEPS):
        i, j = path[start : start + _STEPS].T
        rows, columns = slice(i[0], i[-1] + 1), slice(j[0], j[-1] + 1)
        p = matching_probability(a.part(rows), b.part(columns), match=match)
        parts.append(p[i - i[0], j - j[0]])
    p = np.concatenate(parts)
    return np.where(np.isnan(p), np.float32(FLOOR), p)


def nearest_frames(
    positions: NDArray[np.float64], times_a: NDArray[np.float64], times_b: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Nearest frames (L, 2) to positions (P, 2) between frames, and their times (L,) in a and b.

    Of positions that are nearest to the same frames the first is kept.
    """
    path = np.ceil(positions - 0.5 - 1e-6).astype(np.int32)  # a half, off by a rounding, goes down
    first = np.flatnonzero(np.diff(path, axis=0, prepend=-1).any(axis=1))
    at_a, at_b = (
        np.interp(positions[first, clip], np.arange(len(times)), times)
        for clip, times in enumerate((times_a, times_b))
    )
    return path[first], at_a, at_b


def unmatched_spans(clip: str, times: NDArray[np.float64], frames: NDArray[np.int32]) -> list[Span]:
    """Stretches of a clip before and behind the frames of the path."""
    first, last = times[frames[0]], times[frames[-1]]
    spans = [Span(clip, float(times[0]), float(first)), Span(clip, float(last), float(times[-1]))]
    return [span for span in spans if span.end_s > span.start_s]
