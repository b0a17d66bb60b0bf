"""Changes of an index in Lance: versions are added, then one atomic step names the one that counts.

Clips are written as they come, in one version; of a killed change nothing is seen.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from vipecli.errors import FormatError, VipeError
from vipecli.files import replacing
from vipecli.index import lance_records
from vipecli.index.lance_records import VECTOR, in_parts
from vipecli.index.lance_store import (
    FOLDER,
    FORMAT,
    MANIFEST,
    VERSION,
    LanceIndex,
    exists,
    lance,
    quoted,
    read,
)
from vipecli.index.manifest import digest
from vipecli.index.records import Record
from vipecli.index.tidying import lock

if TYPE_CHECKING:
    pass

INDEXED = 20_000
"""Clips from which on vectors are searched through an approximate index."""

_PART = 1000  # clips that are written at a time
_DELETE = 500  # clips in one condition
_PER_PARTITION = 4000  # clips in a partition of the vectors
_SUB_DIMS = 4  # dimensions of a vector that one code stands for
_DELTAS = 8  # of the vector index, after which they are merged


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
    _check_unchanged(index)
    data = _restored(index)
    if data is not None:
        data = _without(data, "name", map(quoted, gone))
    parts = in_parts(records, _PART)
    if first := next(parts, None):
        index = _of_model(index, first)
        data = _appended(index, data, chain([first], parts))
    if data is None:
        return index
    data = _indexed(data)
    return _written(replace(index, data=data.version))


def _appended(index: LanceIndex, data: Any, parts: Iterable[Sequence[Record]]) -> Any:
    """The dataset with further clips, written as they come; those of the same names go."""
    import pyarrow

    names: list[str] = []
    failures: list[BaseException] = []

    def batches() -> Iterator[pyarrow.RecordBatch]:
        try:
            for part in parts:
                _of_model(index, part)
                if data is not None:
                    names.extend(quoted(record.facts.name) for record in part)
                yield lance_records.to_batch(part, index.dims)
        except BaseException as exc:  # to be raised as it is, not as Arrow passes it on
            failures.append(exc)
            raise

    schema = lance_records.schema(index.dims)
    reader = pyarrow.RecordBatchReader.from_batches(schema, batches())
    path, mode = str(index.store / FOLDER), "create" if data is None else "append"
    try:
        after = lance().write_dataset(reader, data or path, schema=schema, mode=mode)
    except Exception as exc:
        raise (failures or [exc])[0] from None
    if failures:
        raise failures[0]
    return after if data is None else _without(after, "_rowid", _places(data, names))


def _places(data: Any, names: Sequence[str]) -> list[str]:
    """Row ids of clips of some names, in text."""
    found: list[str] = []
    for some in _listed(names):
        table = data.to_table(columns=[], filter=f"name IN ({some})", with_row_id=True)
        found += map(str, table["_rowid"].to_pylist())
    return found


def compact(index: LanceIndex) -> LanceIndex:
    """Merge small fragments, drop removed clips and old versions, and bring the vectors' index up.

    Readers that opened the index before have to open it again after an hour.

    Raises
    ------
    VipeError
        if the index has changed since it was loaded, or cannot be read or written.
    """
    try:
        with lock(index.store / FOLDER):
            _check_unchanged(index)
            data = _restored(index)
            data.optimize.compact_files(target_rows_per_fragment=1 << 20)
            data = _indexed(data, merge=True)
            after = _written(replace(index, data=data.version))
            data.cleanup_old_versions(older_than=timedelta(hours=1))
            return after
    except (ValueError, OSError, RuntimeError) as exc:
        problem = (str(exc).splitlines() or [type(exc).__name__])[0][:200]
        raise VipeError(
            f"{index.folder}: its index cannot be compacted ({problem}); see whether it is damaged "
            f"with `vipe index verify {shlex.quote(str(index.folder))}`"
        ) from exc


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
            lance().dataset(path)
            lance().LanceDataset.drop(path)
        return None
    data = lance().dataset(path)
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


def _without(data: Any, column: str, values: Iterable[str]) -> Any:
    """The dataset without clips of some values, given as SQL has them."""
    for some in _listed(list(values)):
        data.delete(f"{column} IN ({some})")
    return data


def _listed(values: Sequence[str]) -> Iterator[str]:
    """Values as lists in SQL, some at a time."""
    for start in range(0, len(values), _DELETE):
        yield ", ".join(values[start : start + _DELETE])


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
