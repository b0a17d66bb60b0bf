"""Nearest-neighbour search among embedded clips, exact, under the DTW distance of embeddings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

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
from vipecli.index.hubness import Hubness
from vipecli.index.lower_bounds import bounding_spheres, query_of

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Found = tuple[IntArray, FloatArray, FloatArray]
"""Places, distances and scores of the clips that were found, each of shape (K,)."""

_GROUP = 1024  # frames of the index in one table; with a query of 56 frames, half a megabyte
_TOGETHER = 1000  # clips that are laid out together
_CHUNK = 4  # clips per thread before the best score is updated
_PROBE = 64  # clips whose distances show whether lower bounds are worth computing


@dataclass(frozen=True)
class SideBySide:
    """Clips of constant frame rate in one array, sorted by rate, with gaps between them.

    `order` are their places among all clips; `taps` (C, 7) the offsets of their atrous windows.
    """

    order: IntArray
    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    known: NDArray[np.bool_]
    gap: int
    starts: IntArray
    taps: IntArray

    @cached_property
    def groups(self) -> _kernels.Groups:
        """The clips as `_kernels.distances_to_all` takes them."""
        firsts = _groups(self.starts, self.taps)
        return _kernels.Groups(
            self.mean, self.var, self.known, self.gap, self.starts, firsts, self.taps[firsts[:-1]]
        )

    @cached_property
    def bounded(self) -> _kernels.Clips:
        """The clips as the lower bounds take them."""
        lengths = self.starts[:, 1] - self.starts[:, 0]
        missing = np.add.reduceat(~self.known, self.starts.ravel()[:-1])[::2]
        whole = (missing == 0) & (lengths > 2 * self.taps.max(axis=1))
        return _kernels.Clips(self.mean, self.var, self.known, self.starts, self.taps, whole)


class NeighbourSearch:
    """Labelled clips laid out in memory for search: built once, queried many times.

    Attributes
    ----------
    names, labels
        of the C clips.
    clips
        the C embeddings, all of one model.
    """

    names: Sequence[str]
    labels: Sequence[str]
    clips: Sequence[Embeddings]

    def __init__(self, clips: Iterable[tuple[str, str, Embeddings]]) -> None:
        """Lay out clips, given as name, label and embeddings of each.

        Raises
        ------
        FormatError
            if there are none, one is without frames, or they come from different models.
        """
        listed = list(clips)
        if not listed:
            raise FormatError("the index holds no clips; add labelled videos to it")
        self.names = tuple(name for name, _, _ in listed)
        self.labels = tuple(label for _, label, _ in listed)
        self.clips = tuple(clip for _, _, clip in listed)
        for name, clip in zip(self.names, self.clips, strict=True):
            check_same_model(self.clips[0], clip)
            if not len(clip):
                raise FormatError(f"{name}: a clip without frames; remove it from the index")
        found = _taps_of(self.clips)
        self._uneven = [c for c, offsets in enumerate(found) if offsets is None]
        even = [(c, offsets) for c, offsets in enumerate(found) if offsets is not None]
        self._even = _side_by_side(self.clips, sorted(even, key=lambda one: tuple(one[1])))

    @classmethod
    def of_frames(cls, frames: int, interval_s: float, joined: Embeddings) -> "NeighbourSearch":
        """Lay out many clips of one length and rate, given in one array (C * frames, D).

        Their names are their places; the times of `joined` are ignored.
        """
        self = cls.__new__(cls)
        mean, std = joined.mean, joined.std
        times, count = np.arange(frames) * interval_s, len(mean) // frames
        parts = (slice(c * frames, (c + 1) * frames) for c in range(count))
        self.clips = tuple(
            Embeddings(mean[p], std[p], times, joined.model, joined.sigmoid) for p in parts
        )
        self.names, self.labels = [str(c) for c in range(count)], ("",) * count
        taps = constant_taps(times)
        assert taps is not None, "multiples of one interval have a constant rate"
        gap = int(taps.max())
        first = gap + (frames + gap) * np.arange(count)

        def spread(values: NDArray[Any]) -> NDArray[Any]:
            out = np.zeros((values.shape[1], count * (frames + gap) + gap), values.dtype)
            blocks = out[:, :-gap].reshape(len(out), count, frames + gap) if gap else out[:, None]
            blocks[:, :, gap:] = values.T.reshape(len(out), count, frames)
            return out

        known = (np.isfinite(mean) & np.isfinite(std)).all(axis=1)
        self._uneven = []
        self._even = SideBySide(
            np.arange(count),
            spread(np.where(known[:, None], mean, 0)),
            spread(np.where(known[:, None], np.square(std), 0)),
            spread(known[:, None])[0],
            gap,
            np.stack([first, first + frames], axis=1),
            np.tile(taps, (count, 1)),
        )
        return self

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return len(self.clips)

    def distances(self, query: Embeddings) -> FloatArray:
        """Mean atrous frame distance along the warping path between the query and every clip.

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
        for c in self._uneven if taps is not None else range(len(self)):
            out[c] = _one_distance(query, self.clips[c])
        if taps is not None and len(self._even.order):
            mean, var = filled(query)
            asked = _kernels.Clip(mean, var, known_frames(query), taps)
            costs = _costs(query, np.zeros(4, np.float32))
            out[self._even.order] = _kernels.distances_to_all(asked, self._even.groups, costs)
        return out

    def nearest(
        self,
        query: Embeddings,
        k: int,
        *,
        hubs: Hubness | None = None,
        member: bool = False,
        leave_out: NDArray[np.bool_] | None = None,
        exhaustive: bool = False,
        limit: float = np.inf,
    ) -> Found:
        """Find the k clips of lowest score; lower bounds rule most others out.

        Exact: the same clips as by `distances`, for any number of threads.

        Parameters
        ----------
        query
            the clip whose neighbours are searched.
        k
            how many; fewer where there are fewer.
        hubs
            hubness correction of the distances; None = the score is the distance.
        member
            the query is one of the clips, see `Hubness.scores`.
        leave_out
            shape (C,) bool: clips to ignore.
        exhaustive
            compute every distance.
        limit
            clips of a larger score are ignored.

        Returns
        -------
        Places, distances and scores, shape (K,), by score; equal ones in the order of their names.

        Raises
        ------
        FormatError
            if the query was embedded by another model.
        """
        hubs = hubs or Hubness.none(len(self))
        wanted = np.ones(len(self), bool) if leave_out is None else ~leave_out
        taps, terms = constant_taps(query.times), self._terms
        k = min(k, len(self))
        if exhaustive or taps is None or terms is None or not len(self._even.order):
            found = self.distances(query)
        else:
            check_same_model(self.clips[0], query)
            asked = query_of(query, taps, terms[1])
            correction = _correction(hubs, self._even.order, member)
            found = self._pruned(query, asked, correction, wanted, np.full(k, limit))
        scores = np.where(wanted & (found < np.inf), hubs.scores(found, member=member), np.inf)
        worst = np.partition(scores, k - 1)[k - 1]
        close = np.flatnonzero((scores <= min(worst, limit)) & (scores < np.inf))
        near = np.array(sorted(close, key=lambda c: (scores[c], self.names[c]))[:k], np.int64)
        return near, found[near], scores[near]

    def _pruned(
        self,
        query: Embeddings,
        asked: _kernels.Query,
        correction: _kernels.Correction,
        wanted: NDArray[np.bool_],
        best: FloatArray,
    ) -> FloatArray:
        """Distances (C,), inf for clips that cannot be among the nearest."""
        out = np.full(len(self), np.inf)
        for c in self._uneven:
            out[c] = _one_distance(query, self.clips[c]) if wanted[c] else np.inf
        assert self._terms is not None, "there are no lower bounds for this sigmoid"
        clips, costs = self._even.bounded, _costs(query, self._terms[0])
        some = wanted[self._even.order]
        bounds = np.full(len(some), np.inf)
        spheres = self._spheres._replace(starts=self._spheres.starts[some])
        bounds[some] = _kernels.lower_bounds(asked, spheres, _some_of(clips, some), costs.terms)
        lowest = bounds - correction.lift
        order = np.argsort(lowest, kind="stable")[: int(np.isfinite(lowest).sum())]
        threads, limited = numba.get_num_threads(), best[-1] < np.inf

        def search(some: IntArray, chunk: int) -> FloatArray:
            return _kernels.nearest(
                asked, self._frames, clips, some, bounds, correction, best, chunk, costs
            )

        found = search(order[:_PROBE], 1)
        few = limited or len(order) <= 2 * _PROBE
        if not few and np.isfinite(found[order[:_PROBE]]).mean() > 0.5:
            return self.distances(query)  # all are about equally near: little is ruled out
        rest = search(order[_PROBE:], 1 if threads == 1 else _CHUNK * threads)
        out[self._even.order] = np.minimum(found, rest)
        return out

    @cached_property
    def _terms(self) -> tuple[NDArray[np.float32], np.float32] | None:
        """Terms of the sigmoid for `_kernels.lower_bounds`, and its second rate; None = no bounds.

        There are bounds where the sigmoid is a sum of decays with positive weights, as a softened
        one is.
        """
        waves, decays = kernel_sigmoid(self.clips[0], softness=SOFTNESS)
        if len(waves) or not len(decays) or (decays[:, 1] < 0).any():
            return None
        pairs: list[list[float]] = sorted(decays.tolist())
        first, weight = pairs[0]
        second = pairs[1][0] if len(pairs) > 1 else first
        scale = 0.5 * np.log2(np.e)
        others = sum(w for _, w in pairs[1:])
        terms = np.array([weight, others, scale * first, scale * second], np.float32)
        return terms, np.float32(second)

    @cached_property
    def _spheres(self) -> _kernels.Spheres:
        return self._bounding(_kernels.SPHERE_FRAMES)

    @cached_property
    def _frames(self) -> _kernels.Spheres:
        return self._bounding(1)

    def _bounding(self, size: int) -> _kernels.Spheres:
        """Bounding spheres of `size` consecutive frames of all clips, in the order of the array."""
        assert self._terms is not None, "there are no lower bounds for this sigmoid"
        return bounding_spheres(self._even.bounded, self._terms[1], size)


def _some_of(clips: _kernels.Clips, some: NDArray[np.bool_]) -> _kernels.Clips:
    """Some of the clips that lie side by side."""
    return clips._replace(starts=clips.starts[some], taps=clips.taps[some], whole=clips.whole[some])


def _taps_of(clips: Sequence[Embeddings]) -> list[IntArray | None]:
    """Offsets of the atrous window of each clip; many clips have the same times."""
    known: dict[bytes, IntArray | None] = {}
    out: list[IntArray | None] = []
    for clip in clips:
        key = clip.times.tobytes()
        if key not in known:
            known[key] = constant_taps(clip.times)
        out.append(known[key])
    return out


def _side_by_side(clips: Sequence[Embeddings], even: Sequence[tuple[int, IntArray]]) -> SideBySide:
    """Clips of constant rate in one array, in the order given, with the taps of each."""
    taps = np.array([offsets for _, offsets in even], np.int64).reshape(-1, 7)
    gap = int(taps.max(initial=0))
    lengths = np.array([len(clips[c]) for c, _ in even], np.int64)
    ends = np.cumsum(lengths + gap)
    starts = np.stack([ends - lengths, ends], axis=1)
    frames = int(ends[-1]) + gap if even else 0
    dims = clips[0].mean.shape[1]
    all_mean, all_var = (np.zeros((frames, dims), np.float32) for _ in range(2))
    all_known = np.zeros(frames, bool)
    for first in range(0, len(even), _TOGETHER):
        some = [clips[c] for c, _ in even[first : first + _TOGETHER]]
        spans: list[tuple[int, int]] = starts[first : first + _TOGETHER].tolist()
        at: IntArray = np.concatenate([np.arange(a, b) for a, b in spans])
        joined = replace(
            some[0],
            mean=np.concatenate([clip.mean for clip in some]),
            std=np.concatenate([clip.std for clip in some]),
            times=np.concatenate([clip.times for clip in some]),
        )
        all_mean[at], all_var[at] = filled(joined)
        all_known[at] = known_frames(joined)
    order = np.array([c for c, _ in even], np.int64)
    return SideBySide(order, _columns(all_mean), _columns(all_var), all_known, gap, starts, taps)


def _columns(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows as columns, in C order."""
    return np.ascontiguousarray(rows.T)


def _costs(query: Embeddings, terms: NDArray[np.float32]) -> _kernels.Costs:
    waves, decays = kernel_sigmoid(query, softness=SOFTNESS)
    return _kernels.Costs(waves, decays, np.float32(MISSING_COST), terms)


def _correction(hubs: Hubness, order: IntArray, member: bool) -> _kernels.Correction:
    """Lay out the hubness correction in the order of the clips."""
    shift = 0.5 * hubs.mean[order]
    if not (member and hubs.count):
        never = np.full(len(shift), -np.inf)
        return _kernels.Correction(shift, shift, never, np.zeros(len(shift)), 1)
    last, following = hubs.last[order], hubs.following[order]
    lift = shift + 0.5 * following / hubs.count
    return _kernels.Correction(shift, lift, last, following, hubs.count)


def _groups(starts: IntArray, taps: IntArray) -> IntArray:
    """First clip of every group, and the number of clips: one rate and few frames per group."""
    groups: list[int] = []
    for c, (first, _) in enumerate(starts):
        same = bool(groups) and bool((taps[c] == taps[groups[-1]]).all())
        if not same or first - starts[groups[-1], 0] > _GROUP:
            groups.append(c)
    return np.array([*groups, len(starts)], np.int64)


def _one_distance(a: Embeddings, b: Embeddings) -> float:
    """Distance of two clips, one of them of variable frame rate."""
    cost = atrous(frame_costs(a, b), a.times, b.times)
    return _kernels.dtw_mean(cost, np.inf, np.empty((2, len(b))), np.empty((2, len(b)), np.int32))
