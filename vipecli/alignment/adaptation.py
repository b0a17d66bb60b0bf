"""What tells that two frames of a pair of clips belong together, beside their frame distance."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from vipecli.embedding.distance import atrous, frame_costs, known_frames
from vipecli.embedding.embed import Embeddings

ROUNDS = 5
"""How often the two clips are moved towards each other, see `Pair.met`.

With 3 the errors are 3 % larger, with 6 the same.
"""

RIDGE = 1.0
"""Weight of leaving the embeddings as they are against that of bringing matched frames together.

In units of the mean variance of a dimension. 0.3 and 3 give the same errors; without moving the
clips the mean error is a quarter to a half larger, see `weights/README.md`.
"""

HEADING = 0.4
"""Weight of the direction in which the pose changes.

Frames of the way down and of the way up look alike, but change in opposite directions; a turning
point is where the direction flips. The mean error falls by a tenth on clips that went through the
detector, with 0.6 by as much; on motion capture with white noise on each joint it grows by a tenth.
"""

HEADING_S = 0.08
"""Half of the time over which that change is taken, seconds; 0.05 to 0.15 give the same."""

_STILL = 0.3  # change of a pose, in medians of both clips, at which its direction counts for half

WINDOW_S = 0.1
"""Half-width of the atrous window, seconds.

A third of the paper's: the path itself keeps the order of time, so that the window has only noise
to average, and a wide one blurs quick turns.
"""


_ALL = slice(None)

Map = tuple[np.ndarray, np.ndarray, np.ndarray]
"""A linear map of embeddings: x -> (x - middle) @ matrix + target."""


@dataclass(frozen=True)
class Pair:
    """Two clips, and what their path follows: distance of embeddings and headings.

    Attributes
    ----------
    a, b
        the clips as they are, N and M frames.
    match
        as in `distance.matching_probability`.
    maps
        what moves the embeddings of a and of b towards each other; None: they stay.
    """

    a: Embeddings
    b: Embeddings
    match: str = "expected"
    maps: tuple[Map, Map] | None = None

    def met(self, path: np.ndarray) -> "Pair":
        """Pair whose clips are moved towards each other where a path (L, 2) matches them.

        Two cameras and two bodies make two embeddings of one pose, and differ in much the same way
        all along: what looks deeper in one squat does so in every frame. So a linear map of each
        clip brings its frames as near as it can to the middle between those that the path matches
        (ridge regression, drawn to the identity by `RIDGE`): a canonical time warping (Zhou & De la
        Torre 2009) of clips that are nearly alike from the start.
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
    def moved(self) -> tuple[Embeddings, Embeddings]:
        """The clips, moved towards each other."""
        if self.maps is None:
            return self.a, self.b
        return tuple(
            replace(clip, mean=((clip.mean - middle) @ matrix + target).astype(np.float32))
            for clip, (middle, matrix, target) in zip((self.a, self.b), self.maps, strict=True)
        )

    @cached_property
    def headings(self) -> tuple[np.ndarray, np.ndarray]:
        """Direction in which the pose changes, shapes (N, D) and (M, D), at most 1 long.

        Shorter where the pose hardly changes.
        """
        changes = [_change(clip) for clip in self.moved]
        lengths = [np.linalg.norm(change, axis=1, keepdims=True) for change in changes]
        still = _STILL * sum(np.median(length) for length in lengths) / 2 + 1e-9
        return tuple((x / (n + still)).astype("f4") for x, n in zip(changes, lengths, strict=True))

    def smooth(self, rows: slice = _ALL, columns: slice = _ALL) -> np.ndarray:
        """What the path minimises: atrous mean (N, M) float32 of some frames of a and of b.

        Where nobody is seen the frame distance and the rest are `distance.MISSING_COST` each.
        """
        a, b = (clip.part(part) for clip, part in zip(self.moved, (rows, columns), strict=True))
        costs = frame_costs(a, b, match=self.match)
        toward, other = self.headings
        astray = np.float32(HEADING) * (1 - toward[rows] @ other[columns].T)
        astray[np.isnan(costs)] = np.nan
        return sum(atrous(x, a.times, b.times, window_s=WINDOW_S) for x in (costs, astray))


def _ridge(x: np.ndarray, y: np.ndarray) -> Map:
    """Linear map of x (L, D) onto y, drawn to the identity."""
    middle, target = x.mean(axis=0), y.mean(axis=0)
    x, y, identity = x - middle, y - target, np.eye(x.shape[1])
    ridge = (RIDGE * (x * x).sum() / x.shape[1] + 1e-9) * identity
    return middle, np.linalg.solve(x.T @ x + ridge, x.T @ y + ridge), target


def _change(clip: Embeddings) -> np.ndarray:
    """Change of the embedding over `HEADING_S` before and behind each frame, shape (T, D)."""
    known = known_frames(clip)
    if known.sum() < 2:
        return np.zeros(clip.mean.shape)
    times, mean = clip.times[known], clip.mean[known].astype(np.float64)
    ends = clip.times - HEADING_S, clip.times + HEADING_S
    return np.stack(
        [np.interp(ends[1], times, one) - np.interp(ends[0], times, one) for one in mean.T], axis=1
    )
