"""The action in a clip, from the labelled clips nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vipecli import _kernels
from vipecli.align import align
from vipecli.distance import (
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
from vipecli.embed import Embeddings
from vipecli.errors import FormatError, NoPoseError

VOTE_POWER = 8
"""A neighbour's vote is (nearest distance / its distance) to this power: steep, because an index
may hold fewer clips of the right label than neighbours are asked for."""

_GROUP = 1024  # frames of the index per table; with a query of 56 frames, half a megabyte


@dataclass(frozen=True)
class Neighbour:
    """One clip of the index, as near to the query as it is.

    Attributes
    ----------
    clip, label
        as in the index.
    distance
        mean atrous frame distance along the warping path, in [0.05, 3.0].
    match_probability
        mean matching probability of the frames along the path, in (0.05, 0.95).
    """

    clip: str
    label: str
    distance: float
    match_probability: float


@dataclass(frozen=True)
class Ranking:
    """Label of a clip, and what it rests on.

    Attributes
    ----------
    label
        the one with the largest vote; of equal votes, that of the nearer clip.
    confidence
        its share of the vote, in [0, 1].
    neighbours
        the k nearest clips, nearest first.
    """

    label: str
    confidence: float
    neighbours: tuple[Neighbour, ...]


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


def _groups(starts: np.ndarray, taps: Sequence[tuple[int, ...]]) -> np.ndarray:
    """First clip of every group and the number of clips: one rate and few frames per group."""
    groups = []
    for c, (first, _) in enumerate(starts):
        if not groups or taps[c] != taps[groups[-1]] or first - starts[groups[-1], 0] > _GROUP:
            groups.append(c)
    return np.array([*groups, len(starts)], np.int64)


def classify(
    query: Embeddings, clips: Packed | Sequence[tuple[str, str, Embeddings]], *, k: int = 5
) -> Ranking:
    """Label a clip by the labelled clips nearest to it (paper, section 4.3).

    Parameters
    ----------
    query
        the clip to label.
    clips
        labelled clips: (name, label, embeddings) of each, or `Packed` for many queries.
    k
        how many neighbours vote, at least 1; fewer where the index holds fewer.

    Returns
    -------
    The vote of a neighbour falls steeply with its distance; see `VOTE_POWER`.

    Raises
    ------
    FormatError
        if there are no clips to compare with, or models differ.
    NoPoseError
        if nobody is seen in the query.
    ValueError
        if `k` is below 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}; at least one neighbour has to vote")
    packed = clips if isinstance(clips, Packed) else Packed(clips)
    if not known_frames(query).any():
        raise NoPoseError("nobody is seen in the clip, so it cannot be labelled")
    distances = packed.distances(query)
    nearest = sorted(range(len(packed)), key=lambda c: (distances[c], packed.names[c]))[:k]
    neighbours = tuple(
        Neighbour(
            packed.names[c],
            packed.labels[c],
            float(distances[c]),
            float(align(query, packed.clips[c], ends="closed").match_probability.mean()),
        )
        for c in nearest
    )
    label, confidence = _vote(neighbours)
    return Ranking(label, confidence, neighbours)


def _vote(neighbours: Sequence[Neighbour]) -> tuple[str, float]:
    """Label with the largest share of the vote, and that share."""
    votes: dict[str, float] = {}
    for neighbour in neighbours:
        weight = (neighbours[0].distance / neighbour.distance) ** VOTE_POWER
        votes[neighbour.label] = votes.get(neighbour.label, 0.0) + weight
    label = max(votes, key=votes.__getitem__)  # of equals the first, whose clip is the nearest
    return label, votes[label] / sum(votes.values())


def _one_distance(a: Embeddings, b: Embeddings) -> float:
    """Distance of two clips, of which one has a variable frame rate."""
    cost = atrous(frame_costs(a, b), a.times, b.times)
    return _kernels.dtw_mean(cost, np.inf, np.empty((2, len(b))), np.empty((2, len(b)), np.int32))
