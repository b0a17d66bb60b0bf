"""The action in a clip, from the labelled clips nearest to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.align import probability_along
from vipecli.alignment.dtw import cheapest
from vipecli.embedding.distance import EstimatorName, known_frames, match_of, window_distance
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities.

    A clip of score s votes for its label with weight exp(-s / temperature), and "none of these"
    has the weight of one clip of score `none_at`.
    """

    temperature: float = 0.12
    none_at: float = 1.6

    @classmethod
    def default(cls, hubs: Hubness | None) -> "Calibration":
        """Return the default for an index too small to fit one, for corrected scores or not."""
        shift = 0.5 * float(np.mean(hubs.mean)) if hubs is not None and hubs.count else 0.0
        return cls(none_at=cls.none_at - shift)


@dataclass(frozen=True)
class Neighbour:
    """One clip of the index, as near to the query as it is.

    Attributes
    ----------
    clip, label
        as in the index.
    distance
        mean atrous frame distance along the warping path, in [0.05, 3.0].
    score
        the distance, corrected for hubs if so asked; may be negative.
    match_probability
        mean matching probability of the frames along the path, in (0.05, 0.95).
    match
        `distance.match_of` the distance.
    """

    clip: str
    label: str
    distance: float
    score: float
    match_probability: float
    match: float = field(init=False)

    def __post_init__(self) -> None:
        """Derive the match."""
        object.__setattr__(self, "match", float(match_of(np.asarray(self.distance, np.float64))))


@dataclass(frozen=True)
class Ranking:
    """Label of a clip, and the neighbours behind it.

    Attributes
    ----------
    label
        the most probable; None for "none of these".
    confidence
        its probability, in [0, 1].
    probabilities
        of every label among the neighbours, the most probable first.
    none
        probability of "none of these".
    neighbours
        the k nearest clips by score, nearest first.
    """

    label: str | None
    confidence: float
    probabilities: dict[str, float] = field(default_factory=dict[str, float])
    none: float = 0.0
    neighbours: tuple[Neighbour, ...] = ()


class ClipSearch(Protocol):
    """Labelled clips that can be searched: `NeighbourSearch`, `Shortlist` or `LanceSearch`."""

    @property
    def names(self) -> Any:
        """Name of a clip by its place."""

    @property
    def labels(self) -> Any:
        """Label of a clip by its place."""

    @property
    def clips(self) -> Any:
        """Embeddings of a clip by its place."""

    def nearest(
        self,
        query: Embeddings,
        k: int,
        *,
        hubs: Hubness | None = None,
        member: bool = False,
        leave_out: NDArray[Any] | None = None,
        exhaustive: bool = False,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Places, distances and scores of the k nearest clips."""
        ...


def classify(
    query: Embeddings,
    clips: ClipSearch | Sequence[tuple[str, str, Embeddings]],
    *,
    k: int = 5,
    hubs: Hubness | None = None,
    calibration: Calibration | None = None,
    leave_out: NDArray[Any] | None = None,
    exhaustive: bool = False,
    match: EstimatorName = "expected",
) -> Ranking:
    """Label a clip by the labelled clips nearest to it (paper, section 4.3).

    Parameters
    ----------
    query
        the clip to label.
    clips
        labelled clips: (name, label, embeddings) of each; a `NeighbourSearch` for many queries, or
        a `Shortlist` for very many clips.
    k
        how many neighbours vote, at least 1; fewer where the index holds fewer.
    hubs
        correction for clips that are near to everything; None = no.
    calibration
        from `calibrate`; None = the default.
    leave_out
        shape (C,) bool: clips that have no vote, such as the query itself.
    exhaustive
        compute every distance; the result is the same.
    match
        as in `distance.matching_probability`, for that of the neighbours; distances are expected
        ones.

    Returns
    -------
    The vote of a neighbour falls exponentially with its score; see `Calibration`.

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
    packed: ClipSearch = NeighbourSearch(clips) if isinstance(clips, Sequence) else clips
    if not known_frames(query).any():
        raise NoPoseError("nobody is seen in the clip, so it cannot be labelled")
    member = leave_out is not None and bool(leave_out.any())
    places, distances, scores = packed.nearest(
        query, k, hubs=hubs, member=member, leave_out=leave_out, exhaustive=exhaustive
    )
    neighbours = tuple(
        Neighbour(
            packed.names[c],
            packed.labels[c],
            float(distance),
            float(score),
            _match_probability(query, packed.clips[c], match),
        )
        for c, distance, score in zip(map(int, places), distances, scores, strict=True)
    )
    return _vote(neighbours, calibration or Calibration.default(hubs))


def _match_probability(query: Embeddings, clip: Embeddings, match: EstimatorName) -> float:
    """Mean matching probability along the cheapest path."""
    path = cheapest(window_distance(query, clip), ends="closed")
    return float(probability_along(query, clip, path, match=match).mean())


def _vote(neighbours: Sequence[Neighbour], calibration: Calibration) -> Ranking:
    """Label with the largest share of the vote, and all shares."""
    if not neighbours:
        return Ranking(None, 1.0, {}, 1.0, ())
    scores = np.array([one.score for one in neighbours])
    weights, none = vote_shares(scores[None], calibration)
    votes: dict[str, float] = {}
    for one, weight in zip(neighbours, weights[0], strict=True):
        votes[one.label] = votes.get(one.label, 0.0) + float(weight)
    votes = dict(sorted(votes.items(), key=lambda item: -item[1]))  # equal: the nearer clip's
    label, share = next(iter(votes.items()))
    refused = float(none[0])
    if refused > share:
        return Ranking(None, refused, votes, refused, tuple(neighbours))
    return Ranking(label, share, votes, refused, tuple(neighbours))


def most_probable(
    scores: NDArray[Any], labels: NDArray[Any], calibration: Calibration
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Labels that win the vote of `classify`, for many queries at once.

    Parameters
    ----------
    scores, labels
        shape (Q, k), of the neighbours of every query, nearest first; a score of inf has no vote.
    calibration
        as in `classify`.

    Returns
    -------
    The most probable label (Q,), whether or not "none of these" is more probable, and where it is,
    shape (Q,) bool.
    """
    weights, none = vote_shares(scores, calibration)
    shares = (weights[:, :, None] * (labels[:, :, None] == labels[:, None])).sum(axis=1)
    best = shares.argmax(axis=1)  # equal: the nearer clip's
    every = np.arange(len(scores))
    return labels[every, best], none > shares[every, best]


def vote_shares(
    scores: NDArray[Any], calibration: Calibration
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Share of the vote of every neighbour (Q, k), and of none of them (Q,)."""
    logits = np.column_stack([-scores, np.full(len(scores), -calibration.none_at)])
    logits = (logits - logits.max(axis=1, keepdims=True)) / calibration.temperature
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares[:, :-1], shares[:, -1]
