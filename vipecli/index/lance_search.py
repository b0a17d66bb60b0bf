"""Nearest clips of an index in Lance: a shortlist by pooled vectors, then exact distances."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.index.hubness import Hubness
from vipecli.index.lance_records import FRAMES, VECTOR, embedded_clips, vectors_of
from vipecli.index.lance_store import LanceIndex, quoted
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.records import original_text
from vipecli.index.shortlist import (
    AT_ONCE,
    WIDER,
    nearest_of_both,
    pooled,
    shortlist_of,
    warped,
)

PROBES = 64
"""Partitions of the vector index that are searched; docs/scale.md has their recall."""

_KEPT = ("name", "label", FRAMES)


@dataclass(frozen=True)
class LanceSearch:
    """Clips of an index in Lance; searched like `Shortlist`, but places are row ids.

    Attributes
    ----------
    index
        the state that is searched.
    where
        condition in SQL that clips have to meet; empty = all.
    found
        names, labels and embeddings of the clips of the last search, by row id.
    """

    index: LanceIndex
    where: str = ""
    found: dict[int, tuple[str, str, Embeddings]] = field(
        default_factory=dict[int, tuple[str, str, Embeddings]], repr=False
    )

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return len(self.index)

    @cached_property
    def count(self) -> int:
        """Clips that meet the condition."""
        return self.index.dataset().count_rows(self.where or None)

    @property
    def names(self) -> "_Found":
        """Names of the clips that were found, by row id."""
        return _Found(self, 0)

    @property
    def labels(self) -> "_Found":
        """Labels of the clips that were found, by row id."""
        return _Found(self, 1)

    @property
    def clips(self) -> "_Found":
        """Embeddings of the clips that were found, by row id."""
        return _Found(self, 2)

    def candidates(self, query: Embeddings, count: int | None = None) -> Any:
        """Return clips with near vectors, those that are nearest when warped first, as a table."""
        count = shortlist_of(self.count) if count is None else count
        near = {"column": VECTOR, "q": pooled(query), "k": WIDER * count, "nprobes": PROBES}
        try:
            table = (
                self.index.dataset()
                .scanner(
                    columns=[*_KEPT, VECTOR, "_distance"],
                    nearest=near,
                    filter=self.where or None,
                    prefilter=True,
                    with_row_id=True,
                )
                .to_table()
            )
        except (ValueError, OSError, RuntimeError) as exc:
            raise FormatError(
                f"{self.index.folder}: its vectors cannot be searched ({exc})"
            ) from exc
        order = np.argsort(warped(query, vectors_of(table)), kind="stable")[:count]
        return table.drop_columns([VECTOR]).take(order)

    def nearest(
        self,
        query: Embeddings,
        k: int,
        *,
        hubs: Hubness | None = None,
        member: bool = False,
        leave_out: NDArray[Any] | None = None,
        exhaustive: bool = False,
        count: int | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return the k nearest clips among the candidates, or of all, by their exact distance.

        Parameters
        ----------
        query, k, hubs, member, exhaustive, count
            as in `Shortlist.nearest`.
        leave_out
            row ids of clips that do not count; None = all do.
        """
        tables = self._all() if exhaustive else _in_parts(self.candidates(query, count))
        best = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        self.found.clear()
        for table in tables:
            limit = best[2][k - 1] if len(best[2]) >= k else np.inf
            here = self._nearest_of(table, query, k, leave_out, limit)
            best = nearest_of_both(best, here, k)
            for place in set(self.found) - set(best[0].tolist()):
                del self.found[place]
        return best

    def _all(self) -> Iterator[Any]:
        return self.index.tables(_KEPT, where=self.where or None)

    def _nearest_of(
        self,
        table: Any,
        query: Embeddings,
        k: int,
        leave_out: NDArray[Any] | None,
        limit: float,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Nearest of some clips, none above a limit; their names and frames are kept."""
        ids = np.array(table["_rowid"].to_pylist(), np.int64)
        keep = np.flatnonzero(~np.isin(ids, [] if leave_out is None else leave_out))
        keep = keep[np.argsort(ids[keep])]
        if not len(keep):
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        places = ids[keep]
        rows = table.select(list(_KEPT)).take(keep.tolist()).to_pydict()
        clips = list(
            embedded_clips(self.index.dataset(), places.tolist(), rows[FRAMES], self.index.space)
        )
        packed = NeighbourSearch([(f"{i:06d}", "", clip) for i, clip in enumerate(clips)])
        # candidates are about equally near: bounds would rule little out before one is computed
        every = limit == np.inf
        near, distances, scores = packed.nearest(query, k, limit=limit, exhaustive=every)
        for i in near.tolist():
            name, label = original_text(rows["name"][i]), original_text(rows["label"][i])
            self.found[int(places[i])] = (name, label, clips[i])
        return places[near], distances, scores


@dataclass(frozen=True)
class _Found:
    """Names (0), labels (1) or frames (2) of the clips that were found last, by row id."""

    search: LanceSearch
    column: int

    def __getitem__(self, place: int) -> Any:
        """Return that of one clip."""
        return self.search.found[int(place)][self.column]


def condition(labels: Sequence[str], viewpoints: Sequence[str]) -> str:
    """Return the condition in SQL for clips of some labels and viewpoints; none = all."""
    parts: list[str] = []
    for column, values in (("label", labels), ("viewpoint", viewpoints)):
        if values:
            parts.append(f"{column} IN ({', '.join(map(quoted, values))})")
    return " AND ".join(parts)


def _in_parts(table: Any) -> Iterator[Any]:
    """Rows of a table, so many at a time."""
    for start in range(0, table.num_rows, AT_ONCE):
        yield table.slice(start, AT_ONCE)
