"""The labelled index as a Lance dataset, for millions of clips [extra lance].

It lives in the folder `FOLDER/.vipe/index.lance`, and `FOLDER/.vipe/index-lance.json` names the
version of the dataset that counts, with what all clips have in common: whenever a process is
killed, the old or the new state is there. One process changes an index at a time; readers keep the
version that they opened. The columns are those of `lance_records`.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, MissingExtraError, VipeError
from vipecli.files import read_regular, replacing
from vipecli.index import lance_records
from vipecli.index.lance_records import FRAMES, PLAIN, VECTOR, in_parts
from vipecli.index.manifest import Batch, digest
from vipecli.index.records import FACTS, Facts, Record, Space
from vipecli.index.tidying import lock
from vipecli.poses.poses import Poses

FOLDER, MANIFEST = "index.lance", "index-lance.json"
FORMAT, VERSION = "vipe index lance", 1
INDEXED = 20_000
"""Clips from which on vectors are searched through an approximate index."""

_MOST_BYTES = 1 << 24  # of a manifest
_PART = 1000  # clips that are read at a time
_FRAGMENT = 10_000  # clips that are written at a time
_DELETE = 500  # names in one condition
_PER_PARTITION = 4000  # clips in a partition of the vectors
_SUB_DIMS = 4  # dimensions of a vector that one code stands for
_DELTAS = 8  # of the vector index, after which they are merged
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
        """Return the dataset, with checked columns.

        Raises
        ------
        FormatError
            if it is damaged.
        """
        path = self.store / FOLDER
        try:
            data = _lance().dataset(str(path), version=self.data)
            lance_records.check_schema(data.schema, self.dims)
        except (ValueError, OSError, RuntimeError) as exc:
            raise self._damaged(exc) from exc
        return data

    def tables(self, columns: Sequence[str], *, where: str | None = None) -> Iterator[Any]:
        """Yield rows of some columns with their row ids, a part at a time.

        Raises
        ------
        FormatError
            if they cannot be read.
        """
        import pyarrow

        if not self.data:
            return
        scanner = self.dataset().scanner(
            columns=list(columns), filter=where, batch_size=_PART, with_row_id=True
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


def commit(
    index: LanceIndex, records: Iterable[Record], *, remove: Iterable[str] = (), **changes: Any
) -> LanceIndex:
    """Add clips to an index, remove others, and make that its state on disk.

    Parameters and errors are those of `commit.commit`. The cost is in proportion to the clips that
    are added, and to those that are removed.
    """
    folder = index.store / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder):
            return _commit(replace(index, **changes), records, set(remove))
    except OSError as exc:
        raise VipeError(f"{exc.filename or folder}: cannot be written ({exc.strerror})") from exc


def _commit(index: LanceIndex, records: Iterable[Record], gone: set[str]) -> LanceIndex:
    lance = _lance()
    _check_unchanged(index)
    data = _restored(index)
    for part in in_parts(records, _FRAGMENT):
        index = _of_model(index, part)
        if data is not None:
            data = _without(data, [*gone, *(record.facts.name for record in part)])
            gone = set()
        batch = lance_records.to_batch(part, index.dims)
        if data is None:
            data = lance.write_dataset([batch], str(index.store / FOLDER), schema=batch.schema)
        else:
            data.insert([batch], schema=batch.schema, mode="append")
    if data is None:
        return index
    data = _indexed(_without(data, list(gone)))
    return _written(replace(index, data=data.version))


def compact(index: LanceIndex) -> LanceIndex:
    """Merge small fragments, drop removed clips and old versions, and bring the vectors' index up.

    Readers that opened the index before have to open it again after an hour.

    Raises
    ------
    FormatError
        if the index has changed since it was loaded.
    """
    with lock(index.store / FOLDER):
        _check_unchanged(index)
        data = _restored(index)
        data.optimize.compact_files(target_rows_per_fragment=1 << 20)
        data = _indexed(data, merge=True)
        after = _written(replace(index, data=data.version))
        data.cleanup_old_versions(older_than=timedelta(hours=1))
        return after


def _check_unchanged(index: LanceIndex) -> None:
    if index.data and exists(index.store):
        with suppress(FormatError):
            if read(index.folder, index.store).data != index.data:
                raise VipeError(
                    f"{index.folder}: its index was changed meanwhile; run the command again"
                )


def _restored(index: LanceIndex) -> Any:
    """Dataset at the state of the index, without what a killed process added; None = none yet."""
    path = str(index.store / FOLDER)
    if not index.data:
        with suppress(ValueError, OSError):
            _lance().dataset(path)
            _lance().LanceDataset.drop(path)
        return None
    data = _lance().dataset(path)
    if data.version != index.data:
        data = data.checkout_version(index.data)
        data.restore()
    return data


def _of_model(index: LanceIndex, part: Sequence[Record]) -> LanceIndex:
    """The index with the model of its first clips, if that is the one it has."""
    first = part[0].embeddings
    model = index.model or first.model
    for record in part:
        if record.embeddings.model != model:
            raise FormatError(
                f"{record.facts.name}: embedded by {record.embeddings.model}, the index by "
                f"{model}; an index holds the clips of one model"
            )
    if index.model:
        return index
    return replace(index, model=model, sigmoid=first.sigmoid, dims=first.mean.shape[1])


def _without(data: Any, names: Sequence[str]) -> Any:
    """The dataset without clips of some names."""
    for start in range(0, len(names), _DELETE):
        some = ", ".join(map(quoted, names[start : start + _DELETE]))
        if some:
            data.delete(f"name IN ({some})")
    return data


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    from vipecli.index.records import stored_text

    escaped = stored_text(text).replace("'", "''")
    return f"'{escaped}'"


def _indexed(data: Any, *, merge: bool = False) -> Any:
    """The dataset with its indices brought up to date, where it is large enough for them."""
    count = data.count_rows()
    if count < INDEXED:
        return data
    named = {one["name"]: one for one in data.list_indices()}
    if "vector_idx" not in named:
        dims = data.schema.field(VECTOR).type.list_size
        data = data.create_index(
            VECTOR,
            "IVF_PQ",
            name="vector_idx",
            metric="l2",
            num_partitions=max(1, count // _PER_PARTITION),
            num_sub_vectors=dims // _SUB_DIMS if dims % _SUB_DIMS == 0 else dims,
        )
        for column, kind in (("name", "BTREE"), ("key", "BTREE"), ("label", "BITMAP")):
            data.create_scalar_index(column, kind, name=f"{column}_idx")
        data.create_scalar_index("viewpoint", "BITMAP", name="viewpoint_idx")
        return data
    data.optimize.optimize_indices(num_indices_to_merge=_DELTAS if merge else 0)
    return data


def _written(index: LanceIndex) -> LanceIndex:
    """Name the state that counts from now on."""
    content = {
        "model": index.model,
        "sigmoid": list(index.sigmoid),
        "dims": index.dims,
        "source": index.source,
        "excluded": sorted(index.excluded),
        "data": index.data,
    }
    top = {"format": FORMAT, "version": VERSION, "sha256": digest(content), "index": content}
    with replacing(index.store / MANIFEST) as part:
        text = json.dumps(top, indent=1, ensure_ascii=False) + "\n"
        part.write_bytes(text.encode("utf-8", "backslashreplace"))
    return index


def _lance() -> Any:
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        import lance
    except ImportError as exc:
        raise MissingExtraError(
            "Lance is not installed; pip install 'vipecli[lance]', or use --store parquet"
        ) from exc
    return lance
