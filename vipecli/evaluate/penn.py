"""Action recognition and alignment on Penn Action (Zhang, Zhu, Derpanis, ICCV 2013)."""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.engine import Executor, Local, Tick
from vipecli.errors import FormatError
from vipecli.evaluate.penn_order import tau, tau_count, tau_pairs
from vipecli.evaluate.penn_score import Table, answers, fold_tables
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.penn_action import PennClip, load

__all__ = ["PennClip", "distances", "evaluate", "load", "score", "split", "tau", "tau_pairs"]

VOTERS = 5
"""Clips that vote, as in `vipe classify`."""

_BLOCK = 50  # clips compared with all clips after the first of them


def thinned(clip: Embeddings, every: int) -> Embeddings:
    """Every so many frames of a clip."""
    return clip.part(slice(None, None, every))


def distances(
    queries: Sequence[Embeddings],
    index: Sequence[Embeddings] | None = None,
    *,
    every: int = 1,
    executor: Executor | None = None,
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
    executor
        computes blocks of rows; None = this process.
    progress
        called with the number of pairs of clips done since its last call.

    Returns
    -------
    shape (Q, I) float64. Mean atrous frame distance along the warping path.
    """
    rows = [thinned(clip, every) for clip in queries]
    columns = rows if index is None else [thinned(clip, every) for clip in index]
    table = np.zeros((len(rows), len(columns)))
    task = partial(_block, rows, None if index is None else columns)

    def tick(steps: int, *, ahead: int = 0) -> None:
        if progress and steps:
            progress(steps)

    starts = range(0, len(rows), _BLOCK)
    for outcome in (executor or Local()).run(task, starts, tick=tick):
        if outcome.error:
            raise outcome.error
        here = slice(outcome.item, outcome.item + _BLOCK)
        if index is None:
            table[here, outcome.item :] = outcome.result
            table[outcome.item :, here] = outcome.result.T
        else:
            table[here] = outcome.result
    return table


def _block(
    queries: list[Embeddings], index: list[Embeddings] | None, start: int, tick: Tick
) -> np.ndarray:
    """Distances of a block of clips to all, or without an index to those from its first on."""
    packed = NeighbourSearch([("", "", clip) for clip in index or queries[start:]])
    rows = queries[start : start + _BLOCK]
    out = np.empty((len(rows), len(packed)))
    for i, query in enumerate(rows):
        out[i] = packed.distances(query)
        tick(len(packed))
    return out


def score(
    distances: np.ndarray,
    queries: Sequence[PennClip],
    index: Sequence[PennClip] | None = None,
    *,
    index_distances: np.ndarray | None = None,
    hubs: int = 0,
    k: int = VOTERS,
    folds: int = 0,
) -> dict[str, Any]:
    """Accuracies of a table of distances, of the nearest clip and of a vote.

    Parameters
    ----------
    distances
        shape (Q, I), from `distances`.
    queries, index
        labels of the rows and columns; without an index the columns are the queries, and each is
        left out of its own index.
    index_distances
        shape (I, I), the index to itself, for the correction of hubs and the calibration of the
        vote; not needed without `index`.
    hubs
        neighbours for `metrics.without_hubs`, within each index used; 0 = leave distances alone.
    k
        neighbours that vote, as in `classify.classify`.
    folds
        without an index: answer each block of `penn_score.blocks` from the others; 0 = leave one
        clip out at a time.

    Returns
    -------
    All in [0, 1]. `accuracy`: the nearest clip of the full index has the right label;
    `accuracy_voted`: the most probable label of the vote is right, "none of these" or not, which
    is the answer to a share of `refused`. The same over index clips of other viewpoints than the
    query's, `accuracy_other_views`, `accuracy_voted_other_views`; and with an index of one
    viewpoint, see `metrics.one_view_accuracy`, mean over the viewpoints of `accuracy_per_view`:
    `accuracy_one_view`, `accuracy_voted_one_view`. `per_action`, `per_action_voted`: shares of
    right answers with the full index.
    """
    if index is None and folds:
        tables: Iterable[Table] = fold_tables(distances, queries, folds=folds, hubs=hubs, k=k)
    else:
        own = distances if index is None else index_distances
        items = queries if index is None else index
        tables = [Table(distances, own, queries, items, index is None, hubs, k)]
    counts = {"queries": len(queries), "index": distances.shape[1]}
    return answers(tables).figures() | counts


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
    k: int = VOTERS,
    folds: int = 0,
    executor: Executor | None = None,
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
    every, hubs, k, folds, executor
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
    work = {"every": every, "executor": executor}
    table = distances(*sides, **work, progress=report("distances", _cells(asked, index)))
    own = None
    if index is not None:
        cells = _cells(index, None)
        own = distances(sides[1], **work, progress=report("distances of the index", cells))
    pairs = tau_pairs(sides[0], asked, progress=report("order of frames", tau_count(asked)))

    def figures(rows: np.ndarray, columns: np.ndarray) -> dict[str, Any]:
        part = score(
            table[np.ix_(rows, columns)],
            [asked[i] for i in np.flatnonzero(rows)],
            None if index is None else [index[i] for i in np.flatnonzero(columns)],
            index_distances=None if own is None else own[np.ix_(columns, columns)],
            hubs=hubs,
            k=k,
            folds=folds,
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
    """Replace NaN by None, for JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
