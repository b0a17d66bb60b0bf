"""Accuracies of a table of distances between labelled clips: the nearest one, and a vote."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vipecli.evaluate.metrics import LEAST_INDEX_CLIPS, without_hubs
from vipecli.index.calibration import calibrate
from vipecli.index.classify import Calibration, most_probable
from vipecli.index.hubness import Hubness
from vipecli.index.penn_action import PennClip


@dataclass(frozen=True)
class Answers:
    """Correctness of the answers to queries.

    Attributes
    ----------
    actions
        shape (Q,): true labels.
    nearest, voted
        shape (Q,) bool, with the full index: the nearest clip's label, and that of a vote.
    refused
        shape (Q,) bool: the vote says "none of these".
    other_views, voted_other_views
        shape (Q,) bool, clips of the query's own viewpoint left out.
    one_view, voted_one_view
        by viewpoint of the index, shape (Q,): 1 and 0, NaN for actions with fewer than two clips
        in that viewpoint.
    """

    actions: np.ndarray
    nearest: np.ndarray
    voted: np.ndarray
    refused: np.ndarray
    other_views: np.ndarray
    voted_other_views: np.ndarray
    one_view: dict[str, np.ndarray]
    voted_one_view: dict[str, np.ndarray]

    def figures(self) -> dict[str, Any]:
        """Shares in [0, 1]: see `penn.score`."""
        one, voted = (
            {view: _known_mean(right) for view, right in part.items()}
            for part in (self.one_view, self.voted_one_view)
        )
        return {
            "accuracy": float(self.nearest.mean()),
            "accuracy_voted": float(self.voted.mean()),
            "refused": float(self.refused.mean()),
            "accuracy_other_views": float(self.other_views.mean()),
            "accuracy_voted_other_views": float(self.voted_other_views.mean()),
            "accuracy_one_view": _known_mean(np.array(list(one.values()))),
            "accuracy_voted_one_view": _known_mean(np.array(list(voted.values()))),
            "accuracy_per_view": one,
            "per_action": self._by_action(self.nearest),
            "per_action_voted": self._by_action(self.voted),
        }

    def _by_action(self, right: np.ndarray) -> dict[str, float]:
        return {a: float(right[self.actions == a].mean()) for a in sorted(set(self.actions))}

    @classmethod
    def joined(cls, parts: Sequence["Answers"]) -> "Answers":
        """Answers to all queries of several sets."""
        views = sorted({view for part in parts for view in part.one_view})

        def together(name: str) -> np.ndarray | dict[str, np.ndarray]:
            columns = [getattr(part, name) for part in parts]
            if not isinstance(columns[0], dict):
                return np.concatenate(columns)
            unknown = [np.full(len(part.actions), np.nan) for part in parts]
            return {
                view: np.concatenate(
                    [c.get(view, u) for c, u in zip(columns, unknown, strict=True)]
                )
                for view in views
            }

        return cls(**{name: together(name) for name in cls.__dataclass_fields__})


def _known_mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)] if values.size else values
    return float(known.mean()) if known.size else float("nan")


@dataclass(frozen=True)
class Table:
    """Distances of Q queries to I clips of an index, with the labels of both.

    Attributes
    ----------
    distances, own
        shape (Q, I), and (I, I) of the index to itself, which may be None without `hubs` and `k`.
    queries, index
        the clips.
    leave_one_out
        the queries are the clips of the index, and each is left out of its own index.
    hubs
        neighbours for `metrics.without_hubs`, within each index used; 0 = leave distances alone.
    k
        neighbours that vote.
    """

    distances: np.ndarray
    own: np.ndarray | None
    queries: Sequence[PennClip]
    index: Sequence[PennClip]
    leave_one_out: bool
    hubs: int
    k: int

    def __post_init__(self) -> None:
        """Check the shapes once.

        Raises
        ------
        ValueError
            if the table does not fit the clips, or the index's own distances are missing.
        """
        if self.distances.shape != (len(self.queries), len(self.index)):
            raise ValueError(
                f"a table of shape {self.distances.shape} for {len(self.queries)} queries and "
                f"{len(self.index)} index clips"
            )
        if self.hubs and self.own is None:
            raise ValueError("hub correction needs the distances of the index to itself")

    def answers(self) -> Answers:
        """Answer every query with every index asked for."""
        actions, views = _labels(self.queries)
        labels, index_views = _labels(self.index)
        everything = np.ones(len(labels), bool)
        nearest, voted, refused = self._right(everything)
        other = np.zeros((2, len(actions)), bool)
        one: dict[str, np.ndarray] = {}
        voted_one: dict[str, np.ndarray] = {}
        for view in np.unique(views):
            rows = views == view
            other[:, rows] = np.array(self._right(index_views != view)[:2])[:, rows]
        for view in np.unique(index_views):
            names, counts = np.unique(labels[index_views == view], return_counts=True)
            kept = names[counts >= LEAST_INDEX_CLIPS]
            items, asked = (index_views == view) & np.isin(labels, kept), np.isin(actions, kept)
            right = np.array(self._right(items)[:2], float)
            right[:, ~asked] = np.nan
            one[view.item()], voted_one[view.item()] = right
        return Answers(actions, nearest, voted, refused, *other, one, voted_one)

    def _right(self, items: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether the nearest of some items (I,) bool, and the vote, are right; and refusals."""
        (actions, _), (labels, _) = _labels(self.queries), _labels(self.index)
        labels, count = labels[items], int(items.sum())
        if not count:
            return (np.zeros(len(actions), bool),) * 3
        scores = self._scores(items)
        own = None if self.own is None else self.own[np.ix_(items, items)]
        k = min(self.k, count)
        order = np.argsort(scores, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(scores, order, axis=1)
        calibration = self._calibration(own, labels)
        voted, refused = most_probable(near, labels[order], calibration)
        same = actions[:, None] == labels
        right = np.where(same, scores, np.inf).min(axis=1)
        wrong = np.where(same, np.inf, scores).min(axis=1)
        return right < wrong, voted == actions, refused

    def _scores(self, items: np.ndarray) -> np.ndarray:
        """Distances to some items, without hubs if so asked, inf for the query itself."""
        out = self.distances[:, items].astype(np.float64)
        if self.hubs:
            members = items if self.leave_one_out else None
            out = without_hubs(out, self.own[np.ix_(items, items)], members, k=self.hubs)
        if self.leave_one_out:
            out = np.where(np.eye(len(self.queries), dtype=bool)[:, items], np.inf, out)
        return out

    def _calibration(self, own: np.ndarray | None, labels: np.ndarray) -> Calibration:
        """As `vipe classify` fits it to an index."""
        if own is None or len(labels) < 2:
            return Calibration.default(None)
        hubs = self._hubs(own)
        return calibrate(own, labels, hubs, self.k)

    def _hubs(self, own: np.ndarray) -> Hubness:
        return Hubness.of(own, self.hubs) if self.hubs else Hubness.none(len(own))


def _labels(clips: Sequence[PennClip]) -> tuple[np.ndarray, np.ndarray]:
    """Actions and viewpoints."""
    return np.array([c.action for c in clips]), np.array([c.viewpoint for c in clips])


def blocks(clips: Sequence[PennClip], folds: int) -> np.ndarray:
    """Fold (C,) of each clip: the clips of an action, by id, in contiguous blocks.

    Neighbouring ids are often parts of one film: a quarter of the nearest clips are among the three
    neighbours. Queries of a block are compared with the other blocks only.
    """
    out = np.zeros(len(clips), np.int64)
    actions, _ = _labels(clips)
    for action in np.unique(actions):
        own = np.flatnonzero(actions == action)
        own = own[np.argsort([clips[i].id for i in own], kind="stable")]
        out[own] = np.arange(len(own)) * folds // len(own)
    return out


def fold_tables(
    distances: np.ndarray, clips: Sequence[PennClip], *, folds: int, hubs: int, k: int
) -> Iterator[Table]:
    """One table per block: its clips are the queries, the others the index."""
    fold = blocks(clips, folds)
    for number in np.unique(fold):
        asked, items = (np.flatnonzero(part) for part in (fold == number, fold != number))
        yield Table(
            distances[np.ix_(asked, items)],
            distances[np.ix_(items, items)],
            [clips[i] for i in asked],
            [clips[i] for i in items],
            False,
            hubs,
            k,
        )


def answers(tables: Iterable[Table]) -> Answers:
    """Answers to the queries of all tables."""
    return Answers.joined([table.answers() for table in tables])
