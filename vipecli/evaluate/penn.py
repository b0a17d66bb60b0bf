"""Action recognition and alignment on Penn Action (Zhang, Zhu, Derpanis, ICCV 2013)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.errors import FormatError
from vipecli.evaluate.metrics import one_nn_correct, one_view_accuracy, without_hubs
from vipecli.evaluate.penn_order import tau, tau_count, tau_pairs
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.penn_action import PennClip, load

__all__ = ["PennClip", "distances", "evaluate", "load", "score", "split", "tau", "tau_pairs"]

_BLOCK = 50  # clips compared with all clips after the first of them


def thinned(clip: Embeddings, every: int) -> Embeddings:
    """Every so many frames of a clip."""
    return clip.part(slice(None, None, every))


def distances(
    queries: Sequence[Embeddings],
    index: Sequence[Embeddings] | None = None,
    *,
    every: int = 1,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Distance of clips to clips, as `vipe classify` measures it.

    Parameters
    ----------
    queries, index
        embeddings of one model; without an index the queries are compared with themselves, and
        every pair is computed once.
    every
        compare every so many frames only: 2 takes a quarter of the time.
    progress
        called with the number of pairs of clips done since its last call.

    Returns
    -------
    shape (Q, I) float64. Mean atrous frame distance along the warping path.
    """
    thin = [("", "", thinned(clip, every)) for clip in queries]
    if index is not None:
        return _rows(thin, [("", "", thinned(clip, every)) for clip in index], progress)
    table = np.zeros((len(thin), len(thin)))
    for start in range(0, len(thin), _BLOCK):
        rows = slice(start, start + _BLOCK)
        table[rows, start:] = _rows(thin[rows], thin[start:], progress)
        table[start:, rows] = table[rows, start:].T
    return table


def _rows(
    queries: list[tuple[str, str, Embeddings]],
    index: list[tuple[str, str, Embeddings]],
    progress: Callable[[int], object] | None,
) -> np.ndarray:
    packed = NeighbourSearch(index)
    out = np.empty((len(queries), len(index)))
    for i, (_, _, query) in enumerate(queries):
        out[i] = packed.distances(query)
        if progress:
            progress(len(index))
    return out


def score(
    distances: np.ndarray,
    queries: Sequence[PennClip],
    index: Sequence[PennClip] | None = None,
    *,
    index_distances: np.ndarray | None = None,
    hubs: int = 0,
) -> dict[str, Any]:
    """1-NN accuracies of a table of distances.

    Parameters
    ----------
    distances
        shape (Q, I), from `distances`.
    queries, index
        labels of the rows and columns; without an index the columns are the queries, and each is
        left out of its own index.
    index_distances
        shape (I, I), the index to itself, for the correction of hubs; not needed without `index`.
    hubs
        neighbours for `metrics.without_hubs`, within each index used; 0 = leave distances alone.

    Returns
    -------
    All in [0, 1]: `accuracy` with the full index; `accuracy_other_views`, index clips of the
    query's own viewpoint left out; `accuracy_one_view`, mean over the viewpoints of
    `accuracy_per_view`, see `metrics.one_view_accuracy`; `per_action`, share of right answers with
    the full index.
    """
    table = _Table.of(distances, queries, index, index_distances, hubs)
    every = np.ones(distances.shape[1], bool)
    full = one_nn_correct(table.from_index(every), table.actions, table.labels, table.allowed)
    other = np.zeros(len(queries), bool)
    one = {}
    for view in np.unique(table.query_views):
        rows = table.query_views == view
        other[rows] = table.correct(rows, table.views != view)
    for view in np.unique(table.views):
        items = table.views == view
        one |= one_view_accuracy(
            table.from_index(items)[:, items],
            table.actions,
            table.labels[items],
            table.views[items],
            table.allowed[:, items],
        )
    names = sorted(set(table.actions))
    return {
        "accuracy": float(full.mean()),
        "accuracy_other_views": float(other.mean()),
        "accuracy_one_view": float(np.nanmean(list(one.values()))),
        "accuracy_per_view": one,
        "per_action": {name: float(full[table.actions == name].mean()) for name in names},
        "queries": len(queries),
        "index": distances.shape[1],
    }


@dataclass(frozen=True)
class _Table:
    """Distances (Q, I) with the labels of both sides."""

    distances: np.ndarray
    allowed: np.ndarray
    actions: np.ndarray
    query_views: np.ndarray
    labels: np.ndarray
    views: np.ndarray
    members: np.ndarray
    own: np.ndarray | None
    hubs: int

    @classmethod
    def of(
        cls,
        distances: np.ndarray,
        queries: Sequence[PennClip],
        index: Sequence[PennClip] | None,
        own: np.ndarray | None,
        hubs: int,
    ) -> "_Table":
        items = queries if index is None else index
        if distances.shape != (len(queries), len(items)):
            raise ValueError(
                f"a table of shape {distances.shape} for {len(queries)} queries and "
                f"{len(items)} index clips"
            )
        if hubs and index is not None and own is None:
            raise ValueError("hub correction needs the distances of the index to itself")
        same = np.eye(*distances.shape, dtype=bool) if index is None else False
        return cls(
            distances,
            np.ones(distances.shape, bool) & ~np.asarray(same),
            np.array([c.action for c in queries]),
            np.array([c.viewpoint for c in queries]),
            np.array([c.action for c in items]),
            np.array([c.viewpoint for c in items]),
            np.full(len(queries), index is None),
            distances if index is None else own,
            hubs,
        )

    def from_index(self, items: np.ndarray) -> np.ndarray:
        """Distances to the index of some items (I,) bool, without hubs if so asked; the rest as is.

        A query counts as a member of that index where it is one of those items.
        """
        if not self.hubs:
            return self.distances
        out = self.distances.copy()
        members = self.members & items if self.members.any() else None
        out[:, items] = without_hubs(
            self.distances[:, items], self.own[np.ix_(items, items)], members, k=self.hubs
        )
        return out

    def correct(self, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether the nearest of some items has the query's label, for some queries."""
        cells = np.ix_(rows, items)
        near = self.from_index(items)[cells]
        return one_nn_correct(near, self.actions[rows], self.labels[items], self.allowed[cells])


def split(clips: Sequence[PennClip], queries: str) -> tuple[list[PennClip], list[PennClip] | None]:
    """Queries and index: training clips with themselves (no index), or test with training clips.

    Raises
    ------
    FormatError
        if clips of a split that is needed are not there.
    ValueError
        if `queries` is neither ``train`` nor ``test``.
    """
    if queries not in ("train", "test"):
        raise ValueError(f"queries is {queries!r}; use 'train' or 'test'")
    train = [clip for clip in clips if clip.train]
    test = [clip for clip in clips if not clip.train]
    if not train or (queries == "test" and not test):
        raise FormatError(
            f"no clips of the {'test' if train else 'training'} split among the labels"
        )
    return (train, None) if queries == "train" else (test, train)


def evaluate(
    clips: Sequence[PennClip],
    model: Model,
    *,
    queries: str = "train",
    every: int = 1,
    hubs: int = 0,
    progress: Callable[[str, int, int], object] | None = None,
) -> dict[str, Any]:
    """All figures of Penn Action for one model.

    Parameters
    ----------
    clips
        from `load`.
    model
        embeds them.
    queries
        ``train``: the training split alone, each clip left out of its own index; ``test``: the
        test clips against the training clips.
    every, hubs
        as in `distances` and `score`.
    progress
        called with the name of a stage, its number of steps, and the steps done since the last
        call.

    Returns
    -------
    The figures of `score` and `tau` (among the queries) over all clips, and the same under
    `visible_subset`, where queries and index hold `PennClip.visible` clips only. A figure that
    is not defined is None.
    """

    def report(stage: str, total: int) -> Callable[[int], object] | None:
        return (lambda done: progress(stage, total, done)) if progress else None

    asked, index = split(clips, queries)
    clips_in = asked if index is None else index
    sides = [_embedded(asked, model, report("embedding", len(asked)))]
    if index is not None:
        sides.append(_embedded(index, model, report("embedding of the index", len(index))))
    table = distances(*sides, every=every, progress=report("distances", _cells(asked, index)))
    own = None
    if index is not None and hubs:
        own = distances(
            sides[1], every=every, progress=report("distances of the index", _cells(index, None))
        )
    pairs = tau_pairs(sides[0], asked, progress=report("order of frames", tau_count(asked)))

    def figures(rows: np.ndarray, columns: np.ndarray) -> dict[str, Any]:
        part = score(
            table[np.ix_(rows, columns)],
            [asked[i] for i in np.flatnonzero(rows)],
            None if index is None else [index[i] for i in np.flatnonzero(columns)],
            index_distances=None if own is None else own[np.ix_(columns, columns)],
            hubs=hubs,
        )
        return _without_nan(part | tau(pairs, asked, rows))

    every_clip = figures(np.ones(len(asked), bool), np.ones(len(clips_in), bool))
    visible = np.array([c.visible for c in asked]), np.array([c.visible for c in clips_in])
    return every_clip | {"visible_subset": figures(*visible) if visible[0].any() else None}


def _embedded(
    clips: Sequence[PennClip], model: Model, progress: Callable[[int], object] | None
) -> list[Embeddings]:
    out = []
    for clip in clips:
        out.append(embed(clip.poses, model))
        if progress:
            progress(1)
    return out


def _cells(queries: Sequence[PennClip], index: Sequence[PennClip] | None) -> int:
    """Pairs of clips that `distances` computes."""
    if index is not None:
        return len(queries) * len(index)
    n = len(queries)
    return sum(min(_BLOCK, n - start) * (n - start) for start in range(0, n, _BLOCK))


def _without_nan(value: Any) -> Any:
    """NaN as None: JSON has no other word for it."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
