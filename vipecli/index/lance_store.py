"""The labelled index as a Lance dataset, for millions of clips [extra lance].

It lives in the folder `FOLDER/.vipe/index.lance`, and `FOLDER/.vipe/index-lance.json` names the
version of the dataset that counts, with what all clips have in common: whenever a process is
killed, the old or the new state is there. One process changes an index at a time; readers keep the
version that they opened. The columns are those of `lance_records`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, MissingExtraError
from vipecli.files import read_regular
from vipecli.index import lance_records
from vipecli.index.lance_records import FRAMES, PLAIN
from vipecli.index.manifest import Batch, digest
from vipecli.index.records import FACTS, Facts, Record, Space
from vipecli.poses.poses import Poses

FOLDER, MANIFEST = "index.lance", "index-lance.json"
FORMAT, VERSION = "vipe index lance", 1

_MOST_BYTES = 1 << 24  # of a manifest
_PART = 1000  # clips that are read at a time
_FIELDS = {
    "model": str,
    "sigmoid": list,
    "dims": int,
    "source": dict,
    "excluded": list,
    "data": int,
}


@dataclass(frozen=True)
class LanceIndex:
    """One state of an index in Lance; fields and methods as those of `store.Index`."""

    folder: Path
    store: Path = Path()
    model: str = ""
    sigmoid: tuple[float, float] = (0.0, 0.0)
    dims: int = 0
    source: dict[str, Any] = field(default_factory=dict[str, Any])
    excluded: tuple[str, ...] = ()
    data: int = 0
    """Version of the dataset; 0 = there is none."""

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return self.dataset().count_rows() if self.data else 0

    @property
    def version(self) -> str:
        """Text that changes with the clips."""
        return f"lance {self.model} {self.data}"

    @property
    def space(self) -> Space:
        """What all embeddings have in common."""
        return Space(self.model, self.sigmoid, self.dims)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """Fragments of the dataset."""
        if not self.data:
            return ()
        root = self.store / FOLDER / "data"
        found: list[Batch] = []
        for one in self.dataset().get_fragments():
            files = [root / file.path for file in one.data_files()]
            size = sum(path.stat().st_size for path in files if path.exists())
            found.append(Batch(str(files[0].name), "", size, one.count_rows()))
        return tuple(found)

    def dataset(self) -> Any:
        """Return the dataset, with checked columns; opened once, it keeps what it has read.

        Raises
        ------
        FormatError
            if it is damaged.
        """
        return self._opened

    @cached_property
    def _opened(self) -> Any:
        path = self.store / FOLDER
        try:
            data = lance().dataset(str(path), version=self.data)
            lance_records.check_schema(data.schema, self.dims)
        except (ValueError, OSError, RuntimeError) as exc:
            raise self._damaged(exc) from exc
        return data

    def tables(
        self, columns: Sequence[str], *, where: str | None = None, rows: int = _PART
    ) -> Iterator[Any]:
        """Yield rows of some columns with their row ids, so many at a time.

        Raises
        ------
        FormatError
            if they cannot be read.
        """
        import pyarrow

        if not self.data:
            return
        scanner = self.dataset().scanner(
            columns=list(columns), filter=where, batch_size=rows, with_row_id=True
        )
        try:
            for batch in scanner.to_batches():
                yield pyarrow.Table.from_batches([batch])
        except (ValueError, OSError, RuntimeError) as exc:
            raise self._damaged(exc) from exc

    def facts(self) -> list[Facts]:
        """Facts of all clips; of a million they take a gigabyte."""
        return [one for table in self.tables(FACTS) for one in lance_records.facts_in(table)]

    def frames(self) -> list[int]:
        """Number of frames of every clip."""
        return [n for table in self.tables([FRAMES]) for n in table[FRAMES].to_pylist()]

    def embeddings(self, *, progress: Callable[[int], object] | None = None) -> list[Embeddings]:
        """Embeddings of all clips."""
        out: list[Embeddings] = []
        for table in self.tables([FRAMES]):
            ids, frames = table["_rowid"].to_pylist(), table[FRAMES].to_pylist()
            data = self.dataset()
            out += lance_records.embedded_clips(data, ids, frames, self.space)
            if progress:
                progress(len(ids))
        return out

    def poses(self, rows: Iterable[int]) -> dict[int, Poses]:
        """Poses of some clips, by their place in the order of the clips."""
        wanted, first = set(rows), 0
        out: dict[int, Poses] = {}
        for table in self.tables(PLAIN):
            here = [row for row in range(first, first + len(table)) if row in wanted]
            some = table.take([row - first for row in here])
            found = lance_records.to_records(self.dataset(), some, self.space)
            out |= {row: record.poses for row, record in zip(here, found, strict=True)}
            first += len(table)
        return out

    def records(self, *, verify: bool = False) -> Iterator[Record]:
        """All clips, some at a time.

        Raises
        ------
        FormatError
            if the index is damaged.
        """
        for table in self.tables(PLAIN):
            yield from lance_records.to_records(self.dataset(), table, self.space, verify=verify)

    def _damaged(self, exc: BaseException) -> FormatError:
        problem = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
        return FormatError(
            f"{self.store / FOLDER}: damaged ({problem}); rebuild the index with `vipe index build "
            f"{self.folder} --store lance --force`"
        )


def exists(store: Path) -> bool:
    """Return whether there is an index in Lance, be it damaged."""
    return (store / MANIFEST).exists()


def read(folder: Path, store: Path) -> LanceIndex:
    """Return the index of a folder.

    Raises
    ------
    FormatError
        if it is damaged, or of a later version of vipe.
    MissingExtraError
        if Lance is not installed.
    """
    path = store / MANIFEST
    try:
        top = json.loads(read_regular(path, most=_MOST_BYTES))
        content = _checked(top)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as exc:
        raise FormatError(
            f"{path}: damaged ({exc}); rebuild the index with `vipe index build {folder} "
            "--store lance --force`"
        ) from exc
    a, b = content.pop("sigmoid")
    content["excluded"] = tuple(content["excluded"])
    index = LanceIndex(folder, store, sigmoid=(float(a), float(b)), **content)
    index.dataset()
    return index


def _checked(top: Any) -> dict[str, Any]:
    if top["format"] != FORMAT or type(top["version"]) is not int:
        raise ValueError("not the manifest of an index in Lance")
    if top["version"] > VERSION:
        raise ValueError(f"of version {top['version']}, this vipe reads {VERSION}; upgrade vipe")
    content = top["index"]
    if top["sha256"] != digest(content):
        raise ValueError("its checksum is wrong")
    if set(content) != set(_FIELDS) or not all(
        type(content[name]) is kind for name, kind in _FIELDS.items()
    ):
        raise ValueError("its fields are wrong")
    if not 1 <= content["dims"] <= 4096 or not content["data"] >= 1:
        raise ValueError("its dimensions or version are wrong")
    return dict(content)


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    from vipecli.index.records import stored_text

    escaped = stored_text(text).replace("'", "''")
    return f"'{escaped}'"


def lance() -> Any:
    """Return the library.

    Raises
    ------
    MissingExtraError
        if it is not installed.
    """
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        import lance as library
    except ImportError as exc:
        raise MissingExtraError(
            "Lance is not installed; pip install 'vipecli[lance]', or use --store parquet"
        ) from exc
    return library
