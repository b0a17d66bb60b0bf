"""Changes of an index: new files are written, then one atomic step replaces the old state."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from vipecli.errors import FormatError, VipeError
from vipecli.files import replacing
from vipecli.index.manifest import MANIFEST, Batch, dump
from vipecli.index.records import Record, to_table
from vipecli.index.store import BATCH, Index, exists, read, store
from vipecli.index.tidying import lock, settle

_MERGE = 8  # files of about one size that are merged into one


def commit(
    index: Index, records: Iterable[Record], *, remove: Iterable[str] = (), **changes: Any
) -> Index:
    """Add clips to an index, remove others, and make that its state on disk.

    Costs in proportion to the clips that are added, and to the files that lose some.

    Parameters
    ----------
    index
        as it was loaded, or a new `Index`.
    records
        clips to add; they are written as they come, `BATCH` at a time. One of the same name as a
        clip in the index takes its place.
    remove
        names of clips to take out.
    changes
        other fields of `Index` to set.

    Raises
    ------
    FormatError
        if the index has changed on disk since it was loaded, or models differ.
    VipeError
        if it cannot be written.
    """
    folder = store(index.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder):
            _roll_forward(index)
            try:
                return _commit(folder, index, records, set(remove), changes)
            except BaseException:
                _roll_back(index)
                raise
    except OSError as exc:
        raise VipeError(f"{exc.filename or folder}: cannot be written ({exc.strerror})") from exc


def _commit(
    folder: Path, index: Index, records: Iterable[Record], gone: set[str], changes: dict[str, Any]
) -> Index:
    index = replace(index, **changes)
    added: list[Batch] = []
    for part in _parts(records):
        names = {record.facts.name for record in part}
        gone |= names
        index = _with_model(index, part)
        added.append(_write(folder, part))
    kept: list[Batch] = []
    for batch in index.batches:
        kept += _without(folder, index, batch, gone)
    after = replace(index, batches=tuple(_merged(folder, index, [*kept, *added])))
    content = {
        "model": after.model,
        "sigmoid": list(after.sigmoid),
        "dims": after.dims,
        "source": after.source,
        "excluded": sorted(after.excluded),
        "batches": [vars(batch) for batch in after.batches],
    }
    with replacing(folder / MANIFEST) as part:
        _write_bytes(part, dump(content))
    settle(folder, after.batches)
    return after


def _roll_forward(index: Index) -> None:
    """Complete the change of a killed process, and refuse to build on an outdated state."""
    try:
        on_disk = read(index.folder)
    except FormatError:
        return  # there is none, or it is damaged and about to be replaced
    if index.batches and on_disk.version != index.version:
        raise FormatError(f"{index.folder}: its index was changed meanwhile; run the command again")
    settle(store(index.folder), on_disk.batches)


def _roll_back(index: Index) -> None:
    """Delete the files of a change that failed."""
    folder = store(index.folder)
    if not exists(index.folder):
        settle(folder, ())
    else:
        with suppress(FormatError):
            settle(folder, read(index.folder).batches)


def _with_model(index: Index, part: Sequence[Record]) -> Index:
    """The index with the model of its first clips, if that is the one it has."""
    first = part[0].embeddings
    for record in part:
        clip = record.embeddings
        if clip.model != first.model or (index.model and clip.model != index.model):
            raise FormatError(
                f"{record.facts.name}: embedded by {clip.model}, the index by "
                f"{index.model or first.model}; an index holds the clips of one model"
            )
    if index.model:
        return index
    return replace(index, model=first.model, sigmoid=first.sigmoid, dims=first.mean.shape[1])


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    part: list[Record] = []
    for record in records:
        part.append(record)
        if len(part) == BATCH:
            yield part
            part = []
    if part:
        yield part


def _without(folder: Path, index: Index, batch: Batch, gone: set[str]) -> list[Batch]:
    """The file, or one in its place without some clips."""
    if not gone:
        return [batch]
    names = index.names_in(batch)
    if gone.isdisjoint(names):
        return [batch]
    kept = [r for r in index.records_in(batch) if r.facts.name not in gone]
    return [_write(folder, kept)] if kept else []


def _merged(folder: Path, index: Index, batches: list[Batch]) -> Iterator[Batch]:
    """Merge files when there are many of about one size, so that there never are very many.

    A clip is written again once for every power of `_MERGE` up to `BATCH`, three times.
    """
    bound = 1
    while bound < BATCH:
        bound = min(bound * _MERGE, BATCH)
        small = [batch for batch in batches if batch.clips < bound]
        if len(small) >= _MERGE:
            records = (r for batch in small for r in index.records_in(batch))
            merged = [_write(folder, part) for part in _parts(records)]
            batches = [batch for batch in batches if batch not in small] + merged
    yield from batches


def _write(folder: Path, records: Sequence[Record]) -> Batch:
    """Write one file under its hidden name."""
    import pyarrow
    from pyarrow import parquet

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(
        to_table(records), sink, compression="zstd", use_dictionary=["label", "viewpoint"]
    )
    data = sink.getvalue().to_pybytes()
    checksum = sha256(data).hexdigest()
    batch = Batch(f"clips-{checksum[:24]}.parquet", checksum, len(data), len(records))
    path = folder / f".{batch.file}"
    with replacing(path) as part:
        _write_bytes(part, data)
    return batch


def _write_bytes(path: Path, data: bytes) -> None:
    """Write, and wait until it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
