"""Embeddings of two clips adapted to each other (canonical time warping), and their headings."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.dtw import EndsName, cheapest
from vipecli.embedding.distance import EstimatorName, atrous, frame_costs, known_frames
from vipecli.embedding.model import Embeddings

ROUNDS = 5
"""Number of adaptation rounds, see `adapted`."""

STARTS_S = (0.0, -0.03, 0.03)
"""Shifts of the first path, a late and b early by these, from which `adapted` starts, seconds."""

RIDGE = 1.0
"""Weight of leaving the embeddings as they are against that of bringing matched frames together,
in units of the mean variance of a dimension."""

HEADING = 0.4
"""Weight of the direction in which the pose changes.

Frames of the way down and of the way up look alike, but change in opposite directions; a turning
point is where the direction flips.
"""

HEADING_S = 0.08
"""Half of the time over which that change is taken, seconds."""

_STILL = 0.3  # change of a pose, in medians of both clips, at which its direction counts for half

WINDOW_S = 0.1
"""Half-width of the atrous window, seconds: a third of the paper's.

The path itself keeps the order of time, so that the window has only noise to average, and a wide
one blurs quick turns. How these constants were chosen: `docs/alignment.md`.
"""


_ALL = slice(None)

Map = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""A linear map of embeddings: x -> (x - middle) @ matrix + target."""


@dataclass(frozen=True)
class Pair:
    """Two clips, and the distance that their path follows: of embeddings and headings.

    Attributes
    ----------
    a, b
        the clips as they are, N and M frames.
    match
        as in `distance.matching_probability`.
    maps
        linear maps that adapt the embeddings of a and of b to each other; None: as they are.
    """

    a: Embeddings
    b: Embeddings
    match: EstimatorName = "expected"
    maps: tuple[Map, Map] | None = None

    def adapted(self, path: NDArray[np.int32]) -> "Pair":
        """Pair with the clips adapted to each other along a path (L, 2).

        Two cameras and two bodies make two embeddings of one pose, and differ in much the same way
        all along: what looks deeper in one squat does so in every frame. So a linear map of each
        clip brings its frames to the middle between corresponding ones, by ridge regression with
        the identity as prior (`RIDGE`): canonical time warping (Zhou & De la Torre 2009) of clips
        that are nearly alike from the start.
        """
        i, j = path.T
        known = known_frames(self.a)[i] & known_frames(self.b)[j]
        of_a = self.a.mean[i[known]].astype(np.float64)
        of_b = self.b.mean[j[known]].astype(np.float64)
        if len(of_a) < 2:
            return self
        middle = (of_a + of_b) / 2
        return replace(self, maps=(_ridge(of_a, middle), _ridge(of_b, middle)))

    def with_clips(self, a: Embeddings, b: Embeddings) -> "Pair":
        """The same maps for more frames of the two clips."""
        return replace(self, a=a, b=b)

    @cached_property
    def clips(self) -> tuple[Embeddings, Embeddings]:
        """The clips, adapted to each other."""
        if self.maps is None:
            return self.a, self.b
        return _mapped(self.a, self.maps[0]), _mapped(self.b, self.maps[1])

    @cached_property
    def headings(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Direction in which the pose changes, shapes (N, D) and (M, D), of length 1 at most.

        Shorter where the pose hardly changes.
        """
        changes = [_change(clip) for clip in self.clips]
        lengths = [np.sqrt((change * change).sum(axis=1, keepdims=True)) for change in changes]
        medians: list[Any] = [np.median(length) for length in lengths]
        still = _STILL * float(sum(medians)) / 2 + 1e-9
        a, b = ((x / (n + still)).astype("f4") for x, n in zip(changes, lengths, strict=True))
        return a, b

    def smooth(self, rows: slice = _ALL, columns: slice = _ALL) -> NDArray[np.float32]:
        """Distance that the path minimises: atrous mean (N, M) float32 of some frames of a and b.

        Where nobody is seen the frame distance and that of the headings are
        `distance.MISSING_COST` each.
        """
        a, b = (clip.part(part) for clip, part in zip(self.clips, (rows, columns), strict=True))
        costs = frame_costs(a, b, match=self.match)
        heading_a, heading_b = self.headings
        turned = np.float32(HEADING) * (1 - heading_a[rows] @ heading_b[columns].T)
        turned[np.isnan(costs)] = np.nan
        poses, headings = (atrous(x, a.times, b.times, window_s=WINDOW_S) for x in (costs, turned))
        return poses + headings


def adapted(pair: Pair, *, ends: EndsName = "auto", band: float | None = None) -> Pair:
    """Pair of clips adapted to each other `ROUNDS` times, each time along the cheapest path.

    Adapting the clips along a path that is off by a moment confirms its error. So it starts from
    that path, and from the same a moment apart (`STARTS_S`); the one whose corresponding frames
    end up nearest is taken.
    """
    first = cheapest(pair.smooth(), ends=ends, band=band)
    starts = (_shifted(first, pair, by) for by in STARTS_S)
    tries = [_adapted_from(pair, start, ends, band) for start in starts if len(start)]
    return min(tries, key=lambda one: one[1])[0]


def _adapted_from(
    pair: Pair, path: NDArray[np.int32], ends: EndsName, band: float | None
) -> tuple[Pair, float]:
    """Pair adapted from a path on, and the mean distance of its corresponding frames."""
    distance = math.inf
    for _ in range(ROUNDS):
        pair = pair.adapted(path)
        smooth = pair.smooth()
        path = cheapest(smooth, ends=ends, band=band)
        distance = float(smooth[tuple(path.T)].mean(dtype=np.float64))
    return pair, distance


def _shifted(path: NDArray[np.int32], pair: Pair, by: float) -> NDArray[np.int32]:
    """Return the path (L, 2) with a `by` seconds later and b earlier, within both clips."""
    clips = zip(path.T, (pair.a.times, pair.b.times), (by, -by), strict=True)
    moments = [(times, times[frames] + shift) for frames, times, shift in clips]
    inside = np.all([(t >= times[0]) & (t <= times[-1]) for times, t in moments], axis=0)
    return np.stack([_nearest(times, t[inside]) for times, t in moments], axis=1).astype(np.int32)


def _nearest(times: NDArray[np.float64], moments: NDArray[np.float64]) -> NDArray[np.int64]:
    """Frames nearest to moments."""
    return np.searchsorted((times[1:] + times[:-1]) / 2, moments)


def _mapped(clip: Embeddings, linear: Map) -> Embeddings:
    """Clip with its means mapped."""
    middle, matrix, target = linear
    return replace(clip, mean=((clip.mean - middle) @ matrix + target).astype(np.float32))


_solve: Callable[..., NDArray[np.float64]] = np.linalg.solve


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64]) -> Map:
    """Linear map of x (L, D) onto y, regularised towards the identity."""
    middle, target = x.mean(axis=0), y.mean(axis=0)
    x, y, identity = x - middle, y - target, np.eye(x.shape[1])
    ridge = (RIDGE * (x * x).sum() / x.shape[1] + 1e-9) * identity
    return middle, _solve(x.T @ x + ridge, x.T @ y + ridge), target


def _change(clip: Embeddings) -> NDArray[np.float64]:
    """Change of the embedding over `HEADING_S` before and behind each frame, shape (T, D)."""
    known = known_frames(clip)
    if known.sum() < 2:
        return np.zeros(clip.mean.shape)
    times, mean = clip.times[known], clip.mean[known].astype(np.float64)
    ends = clip.times - HEADING_S, clip.times + HEADING_S
    columns: list[NDArray[np.float64]] = [
        np.interp(ends[1], times, one) - np.interp(ends[0], times, one) for one in mean.T
    ]
    return np.stack(columns, axis=1)
