"""Labelled clips laid out for search: the distance to all of them, or to the nearest ones only."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba
import numpy as np

from vipecli import _kernels
from vipecli.embedding.distance import (
    MISSING_COST,
    SOFTNESS,
    atrous,
    check_same_model,
    constant_taps,
    filled,
    frame_costs,
    kernel_sigmoid,
    known_frames,
)
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.index.lower_bounds import points, query_of

_GROUP = 1024  # frames of the index per table; with a query of 56 frames, half a megabyte
_CHUNK = 4  # clips per thread between two looks at the best
_PROBE = 64  # clips that show whether the bounds are worth their time


@dataclass(frozen=True)
class Hubs:
    """How near the clips of an index are to each other; see `metrics.without_hubs`.

    Attributes
    ----------
    mean
        shape (C,): mean distance of each clip to its `count` nearest others.
    last, following
        shape (C,): distance to the last of those, and to the next one.
    count
        neighbours; 0 = no correction.
    """

    mean: np.ndarray
    last: np.ndarray
    following: np.ndarray
    count: int

    @classmethod
    def none(cls, clips: int) -> "Hubs":
        """No correction."""
        return cls(np.zeros(clips), np.full(clips, -np.inf), np.zeros(clips), 0)

    @classmethod
    def of(cls, table: np.ndarray, count: int) -> "Hubs":
        """From the distances (C, C) of the clips to each other; the diagonal is not read."""
        table = np.array(table, np.float64)
        np.fill_diagonal(table, np.inf)
        count = min(count, len(table) - 2)
        if count < 1:
            return cls.none(len(table))
        nearest = np.partition(table, (count - 1, count), axis=1)[:, : count + 1]
        nearest.sort(axis=1)
        return cls(nearest[:, :count].mean(1), nearest[:, count - 1], nearest[:, count], count)

    def scores(self, distances: np.ndarray, *, member: bool) -> np.ndarray:
        """Corrected distances (C,); a query that is itself a clip is no neighbour of the others."""
        if not self.count:
            return distances
        mean = self.mean
        if member:
            enters = distances <= self.last
            mean = mean + np.where(enters, self.following - distances, 0) / self.count
        return distances - 0.5 * mean


class Packed:
    """Labelled clips laid out for one pass: made once, asked many times.

    Attributes
    ----------
    names, labels
        tuples of C strings.
    clips
        the C embeddings, all of one model.
    """

    def __init__(self, clips: Sequence[tuple[str, str, Embeddings]]) -> None:
        """Pack (name, label, embeddings) of every clip.

        Raises
        ------
        FormatError
            if there are none, one is without frames, or they come from different models.
        """
        if not clips:
            raise FormatError("the index holds no clips; add labelled videos to it")
        self.names, self.labels, self.clips = map(tuple, zip(*clips, strict=True))
        for name, clip in zip(self.names, self.clips, strict=True):
            check_same_model(self.clips[0], clip)
            if not len(clip):
                raise FormatError(f"{name}: a clip without frames; remove it from the index")
        self._lay_out()

    @classmethod
    def of_frames(
        cls,
        mean: np.ndarray,
        std: np.ndarray,
        frames: int,
        interval_s: float,
        model: str,
        sigmoid: tuple[float, float],
    ) -> "Packed":
        """Pack many clips of one length and rate at once, as (C * frames, D) means and deviations.

        Their names are their places.
        """
        self = cls.__new__(cls)
        times, count = np.arange(frames) * interval_s, len(mean) // frames
        parts = (slice(c * frames, (c + 1) * frames) for c in range(count))
        self.clips = tuple(Embeddings(mean[p], std[p], times, model, sigmoid) for p in parts)
        self.names, self.labels = range(count), ("",) * count
        taps = constant_taps(times)
        self._uneven, self._order = [], list(range(count))
        gap = self._gap = int(taps.max())
        first = gap + (frames + gap) * np.arange(count)
        self._starts = np.stack([first, first + frames], axis=1)

        def spread(values: np.ndarray) -> np.ndarray:
            out = np.zeros((values.shape[1], count * (frames + gap) + gap), values.dtype)
            blocks = out[:, :-gap].reshape(len(out), count, frames + gap) if gap else out[:, None]
            blocks[:, :, gap:] = values.T.reshape(len(out), count, frames)
            return out

        known = (np.isfinite(mean) & np.isfinite(std)).all(axis=1)
        self._mean = spread(np.where(known[:, None], mean, 0))
        self._var = spread(np.where(known[:, None], np.square(std), 0))
        self._known = spread(known[:, None])[0]
        self._groups = _groups(self._starts, [tuple(taps)] * count)
        self._clip_taps = np.tile(taps, (count, 1))
        self._group_taps = self._clip_taps[: len(self._groups) - 1]
        return self

    def _lay_out(self) -> None:
        """Put clips of constant rate side by side, those of one rate together, with gaps."""
        taps = {c: constant_taps(clip.times) for c, clip in enumerate(self.clips)}
        self._uneven = [c for c, offsets in taps.items() if offsets is None]
        even = [c for c, offsets in taps.items() if offsets is not None]
        self._order = sorted(even, key=lambda c: tuple(taps[c]))
        self._gap = max((int(taps[c].max()) for c in even), default=0)
        ends = np.cumsum([len(self.clips[c]) + self._gap for c in self._order], dtype=np.int64)
        lengths = np.array([len(self.clips[c]) for c in self._order], np.int64)
        self._starts = np.stack([ends - lengths, ends], axis=1)
        frames = int(ends[-1]) + self._gap if even else 0
        dims = self.clips[0].mean.shape[1]
        self._mean = np.zeros((dims, frames), np.float32)
        self._var = np.zeros((dims, frames), np.float32)
        self._known = np.zeros(frames, bool)
        for c, (first, last) in zip(self._order, self._starts, strict=True):
            mean, var = filled(self.clips[c])
            self._mean[:, first:last], self._var[:, first:last] = mean.T, var.T
            self._known[first:last] = known_frames(self.clips[c])
        self._groups = _groups(self._starts, [tuple(taps[c]) for c in self._order])
        firsts = [self._order[g] for g in self._groups[:-1]]
        self._group_taps = np.array([taps[c] for c in firsts], np.int64).reshape(-1, 7)
        self._clip_taps = np.array([taps[c] for c in self._order], np.int64).reshape(-1, 7)

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return len(self.clips)

    def distances(self, query: Embeddings) -> np.ndarray:
        """Mean atrous frame distance of the query to every clip along the warping path.

        Returns
        -------
        shape (C,) float64, in [0.05, 3.0].

        Raises
        ------
        FormatError
            if the query was embedded by another model.
        """
        check_same_model(self.clips[0], query)
        taps = constant_taps(query.times)
        out = np.empty(len(self))
        slow = self._uneven if taps is not None else range(len(self))
        for c in slow:
            out[c] = _one_distance(query, self.clips[c])
        if taps is not None and self._order:
            out[self._order] = _kernels.rank(
                *filled(query),
                known_frames(query),
                taps,
                self._mean,
                self._var,
                self._known,
                self._gap,
                self._starts,
                self._groups,
                self._group_taps,
                *kernel_sigmoid(query, softness=SOFTNESS),
                np.float32(MISSING_COST),
            )
        return out

    def nearest(
        self,
        query: Embeddings,
        k: int,
        *,
        hubs: Hubs | None = None,
        member: bool = False,
        leave_out: np.ndarray | None = None,
        exhaustive: bool = False,
        limit: float = np.inf,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The k clips of least score; most others are ruled out without computing their distance.

        Exact: the same clips as by `distances`, for any number of threads.

        Parameters
        ----------
        query
            the clip to look for.
        k
            how many; fewer where there are fewer.
        hubs
            what is taken off the distances; None = nothing, the score is the distance.
        member
            the query is one of the clips, as for `Hubs.scores`.
        leave_out
            shape (C,) bool: clips not to look at.
        exhaustive
            compute every distance.
        limit
            clips of a larger score are not wanted.

        Returns
        -------
        Places, distances and scores, shape (K,), by score; of equal ones in the order of the names.

        Raises
        ------
        FormatError
            if the query was embedded by another model.
        """
        hubs = hubs or Hubs.none(len(self))
        wanted = np.ones(len(self), bool) if leave_out is None else ~leave_out
        taps = constant_taps(query.times)
        if exhaustive or taps is None or not self._order or self._terms is None:
            found = self.distances(query)
        else:
            check_same_model(self.clips[0], query)
            found = self._pruned(query, taps, min(k, len(self)), hubs, member, wanted, limit)
        scores = np.where(wanted & (found < np.inf), hubs.scores(found, member=member), np.inf)
        worst = np.partition(scores, min(k, len(self)) - 1)[min(k, len(self)) - 1]
        near = np.flatnonzero((scores <= min(worst, limit)) & (scores < np.inf))
        near = np.array(sorted(near, key=lambda c: (scores[c], self.names[c]))[:k], np.int64)
        return near, found[near], scores[near]

    def _pruned(
        self,
        query: Embeddings,
        taps: np.ndarray,
        k: int,
        hubs: Hubs,
        member: bool,
        wanted: np.ndarray,
        limit: float,
    ) -> np.ndarray:
        """Distances (C,), inf for clips that are sure not to be among the nearest."""
        out = np.full(len(self), np.inf)
        for c in self._uneven:
            out[c] = _one_distance(query, self.clips[c]) if wanted[c] else np.inf
        asked = query_of(query, taps, self._terms[1])
        bounds = _kernels.floors(asked, self._balls, self._bounded, self._terms[0])
        correction = _correction(hubs, self._order, member)
        least = np.where(wanted[self._order], bounds - correction.lift, np.inf)
        order = np.argsort(least, kind="stable")[: np.isfinite(least).sum()]
        best, threads = np.full(k, limit), numba.get_num_threads()

        def search(some: np.ndarray, chunk: int) -> np.ndarray:
            return _kernels.nearest(
                asked,
                self._frames,
                self._bounded,
                some,
                bounds,
                correction,
                best,
                chunk,
                self._terms[0],
                *kernel_sigmoid(query, softness=SOFTNESS),
                np.float32(MISSING_COST),
            )

        found = search(order[:_PROBE], 1)
        if len(order) > 2 * _PROBE and np.isfinite(found[order[:_PROBE]]).mean() > 0.5:
            return self.distances(query)  # all are about as near: little is ruled out
        rest = search(order[_PROBE:], 1 if threads == 1 else _CHUNK * threads)
        out[self._order] = np.minimum(found, rest)
        return out

    @cached_property
    def _terms(self) -> tuple[np.ndarray, np.float32] | None:
        """What `_kernels.floors` takes of the sigmoid, and the second rate; None = no bounds.

        There are bounds where the sigmoid is a sum of decays with positive weights, as a softened
        one is.
        """
        waves, decays = kernel_sigmoid(self.clips[0], softness=SOFTNESS)
        if len(waves) or not len(decays) or (decays[:, 1] < 0).any():
            return None
        (first, weight), *more = sorted(decays.tolist())
        second = more[0][0] if more else first
        scale = 0.5 * np.log2(np.e)
        weights = [weight, sum(w for _, w in more)]
        return np.float32([*weights, scale * first, scale * second]), np.float32(second)

    @cached_property
    def _bounded(self) -> _kernels.Clips:
        """The clips as the lower bounds want them."""
        lengths = self._starts[:, 1] - self._starts[:, 0]
        missing = np.add.reduceat(~self._known, self._starts.ravel()[:-1])[::2]
        whole = (missing == 0) & (lengths > 2 * self._clip_taps.max(axis=1))
        return _kernels.Clips(
            self._mean, self._var, self._known, self._starts, self._clip_taps, whole
        )

    @cached_property
    def _balls(self) -> _kernels.Points:
        return self._points(_kernels.BALL)

    @cached_property
    def _frames(self) -> _kernels.Points:
        return self._points(1)

    def _points(self, size: int) -> _kernels.Points:
        """Balls of a few frames of all clips, in the order in which they are laid out."""
        return points(self._mean, self._var, self._known, self._starts, self._terms[1], size)


def _correction(hubs: Hubs, order: Sequence[int], member: bool) -> _kernels.Correction:
    """Lay out what is taken off the distances, in the order of the clips."""
    shift = 0.5 * hubs.mean[order]
    if not (member and hubs.count):
        never = np.full(len(shift), -np.inf)
        return _kernels.Correction(shift, shift, never, np.zeros(len(shift)), 1)
    last, following = hubs.last[order], hubs.following[order]
    lift = shift + 0.5 * following / hubs.count
    return _kernels.Correction(shift, lift, last, following, hubs.count)


def _groups(starts: np.ndarray, taps: Sequence[tuple[int, ...]]) -> np.ndarray:
    """First clip of every group and the number of clips: one rate and few frames per group."""
    groups = []
    for c, (first, _) in enumerate(starts):
        if not groups or taps[c] != taps[groups[-1]] or first - starts[groups[-1], 0] > _GROUP:
            groups.append(c)
    return np.array([*groups, len(starts)], np.int64)


def _one_distance(a: Embeddings, b: Embeddings) -> float:
    """Distance of two clips, of which one has a variable frame rate."""
    cost = atrous(frame_costs(a, b), a.times, b.times)
    return _kernels.dtw_mean(cost, np.inf, np.empty((2, len(b))), np.empty((2, len(b)), np.int32))
