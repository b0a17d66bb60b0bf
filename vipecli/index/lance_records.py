"""Clips as rows of a Lance table, and back.

The frames of a clip are two blobs, which are read for the clips that are asked for and whose sizes
are known before: `EMBEDDED` (times, means, standard deviations) and `JOINTS` (xy, scores).
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.index.records import (
    FACTS,
    NUMBERS,
    TEXTS,
    Facts,
    Record,
    Space,
    facts_of,
    fault_of,
    original_text,
    stored_text,
)
from vipecli.index.shortlist import PARTS, pooled_many
from vipecli.poses.poses import Poses

EMBEDDED, JOINTS, VECTOR, FRAMES, DIGEST = "embedded", "joints", "vector", "frames", "digest"
PLAIN = (*TEXTS, *NUMBERS, FRAMES, DIGEST)
"""Columns besides vectors and blobs."""

_KINDS = "<f8", "<f4", "<f4"  # of times, means and standard deviations
_BLOB = {"lance-encoding:blob": "true"}
_JOINTS_BYTES = 13 * 3 * 4  # per frame
_MOST_BYTES = 1 << 28  # of blobs that are read at once: 256 MiB
_AT_ONCE = 500  # clips whose blobs are read together


def schema(dims: int) -> pyarrow.Schema:
    """Return the columns of a clip, for embeddings of so many dimensions."""
    numbers = [(name, pyarrow.type_for_alias(kind)) for name, kind in NUMBERS.items()]
    plain = [(name, pyarrow.string()) for name in TEXTS] + numbers
    return pyarrow.schema(
        [
            *plain,
            (FRAMES, pyarrow.int32()),
            (DIGEST, pyarrow.string()),
            (VECTOR, pyarrow.list_(pyarrow.float32(), PARTS * dims)),
            pyarrow.field(EMBEDDED, pyarrow.large_binary(), metadata=_BLOB),
            pyarrow.field(JOINTS, pyarrow.large_binary(), metadata=_BLOB),
        ]
    )


def to_batch(records: Sequence[Record], dims: int) -> pyarrow.RecordBatch:
    """Return clips as rows."""
    clips, poses = [r.embeddings for r in records], [r.poses for r in records]
    embedded = [
        [np.ascontiguousarray(x, kind) for x, kind in zip(arrays, _KINDS, strict=True)]
        for arrays in ((clip.times, clip.mean, clip.std) for clip in clips)
    ]
    joints = [[np.ascontiguousarray(x, "<f4") for x in (one.xy, one.score)] for one in poses]
    vectors = pyarrow.array(pooled_many(clips).ravel())
    digests = [digest_of(*a, *b) for a, b in zip(embedded, joints, strict=True)]
    columns = {
        **{name: [stored_text(getattr(r.facts, name)) for r in records] for name in TEXTS[:6]},
        "source": [stored_text(one.source) for one in poses],
        "detector": [stored_text(one.detector) for one in poses],
        "start_s": [r.facts.start_s for r in records],
        "end_s": [r.facts.end_s for r in records],
        "width": [one.size[0] for one in poses],
        "height": [one.size[1] for one in poses],
        FRAMES: [len(clip) for clip in clips],
        DIGEST: digests,
        VECTOR: pyarrow.FixedSizeListArray.from_arrays(vectors, PARTS * dims),
        EMBEDDED: _joined(embedded),
        JOINTS: _joined(joints),
    }
    kinds = schema(dims)
    arrays = [
        found if isinstance(found, pyarrow.Array) else pyarrow.array(found, kinds.field(name).type)
        for name, found in ((name, columns[name]) for name in kinds.names)
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=kinds)


def _joined(parts: Sequence[Sequence[NDArray[Any]]]) -> pyarrow.Array:
    """One blob per clip, the bytes of its arrays one after another."""
    ends = np.cumsum([0, *(sum(x.nbytes for x in one) for one in parts)], dtype=np.int64)
    data = b"".join(x.data for one in parts for x in one)
    buffers = [None, pyarrow.py_buffer(ends), pyarrow.py_buffer(data)]
    return pyarrow.LargeBinaryArray.from_buffers(pyarrow.large_binary(), len(parts), buffers)


def digest_of(*parts: bytes | NDArray[Any]) -> str:
    """Return the checksum of the blobs of a clip, given in one piece or more."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def check_schema(found: pyarrow.Schema, dims: int) -> None:
    """Refuse a table whose columns are not those of an index.

    Raises
    ------
    ValueError
        with what is wrong.
    """
    for field in schema(dims):
        places = found.get_all_field_indices(field.name)
        if len(places) != 1:
            raise ValueError(f"column {field.name} is there {len(places)} times")
        kind = found.field(places[0]).type
        blob = getattr(kind, "extension_name", "").startswith("lance.blob")
        if kind != field.type and not (blob and field.name in (EMBEDDED, JOINTS)):
            raise ValueError(f"column {field.name} is of type {str(kind)[:60]}")


def vectors_of(table: pyarrow.Table) -> NDArray[np.float32]:
    """Pooled vectors of rows, shape (C, P)."""
    flat = table[VECTOR].combine_chunks().flatten().to_numpy()
    return flat.reshape(len(table), table.schema.field(VECTOR).type.list_size)


def blobs(data: Any, column: str, ids: Sequence[int], sizes: Sequence[int]) -> Iterator[bytes]:
    """Yield one blob of every clip, if they are as large as their frames say.

    Parameters
    ----------
    data
        the Lance dataset.
    column
        `EMBEDDED` or `JOINTS`.
    ids
        row ids of the clips.
    sizes
        bytes that each has to have.

    Raises
    ------
    FormatError
        if a size is wrong, or all of them would take too much memory.
    """
    for start in range(0, len(ids), _AT_ONCE):
        part, due = list(ids[start : start + _AT_ONCE]), list(sizes[start : start + _AT_ONCE])
        if not np.array_equal(_sizes(data, column, part), due):
            raise FormatError(f"{column} of a clip is not as large as its frames")
        if sum(due) > _MOST_BYTES:
            raise FormatError(f"{column} of {len(part)} clips would take {sum(due) / 1e6:.0f} MB")
        yield from (blob for _, blob in data.read_blobs(column, ids=part, preserve_order=True))


def _sizes(data: Any, column: str, ids: Sequence[int]) -> NDArray[np.int64]:
    """Bytes of one blob of every clip, without reading it; 0 = it is not there."""
    where = f"_rowid IN ({', '.join(map(str, ids))})"
    table = data.to_table(columns=[column], filter=where, with_row_id=True)
    rows = table["_rowid"].to_numpy().astype(np.int64)
    if not len(rows):
        return np.zeros(len(ids), np.int64)
    sizes = pyarrow.compute.struct_field(table[column], "size").fill_null(0).to_numpy()
    order = np.argsort(rows)
    at = order[np.searchsorted(rows[order], ids).clip(0, len(rows) - 1)]
    return np.where(rows[at] == ids, sizes[at].astype(np.int64), 0)


def embedded_clips(
    data: Any, ids: Sequence[int], frames: Sequence[int], space: Space
) -> Iterator[Embeddings]:
    """Yield the embeddings of clips, given their row ids and numbers of frames.

    Raises
    ------
    FormatError
        if they are damaged.
    """
    sizes = [_frames(count) * (8 + 8 * space.dims) for count in frames]
    for count, data_ in zip(frames, blobs(data, EMBEDDED, ids, sizes), strict=True):
        yield _embeddings(data_, count, space)


def _frames(count: Any) -> int:
    if not isinstance(count, int) or count < 1:
        raise FormatError("a clip has no frames")
    return count


def _embeddings(data: bytes, frames: int, space: Space) -> Embeddings:
    times = np.frombuffer(data, "<f8", frames)
    values: NDArray[np.float32] = np.frombuffer(data, "<f4", offset=8 * frames)
    mean, std = values.reshape(2, frames, space.dims)
    clip = Embeddings(mean, std, times, space.model, space.sigmoid)
    if fault := fault_of(clip):
        raise FormatError(f"a clip {fault}")
    return clip


def to_records(
    data: Any, table: pyarrow.Table, space: Space, *, verify: bool = False
) -> Iterator[Record]:
    """Yield the clips of rows that hold the columns `PLAIN` and ``_rowid``.

    Raises
    ------
    FormatError
        if they are damaged; with `verify`, also if a checksum is wrong.
    """
    ids, counts = table["_rowid"].to_pylist(), table[FRAMES].to_pylist()
    sizes = [_frames(count) for count in counts]
    embedded = blobs(data, EMBEDDED, ids, [n * (8 + 8 * space.dims) for n in sizes])
    joints = blobs(data, JOINTS, ids, [n * _JOINTS_BYTES for n in sizes])
    rows = table.select(["source", "detector", "width", "height", DIGEST]).to_pylist()
    for facts, row, count, a, b in zip(facts_in(table), rows, sizes, embedded, joints, strict=True):
        if verify and row[DIGEST] != digest_of(a, b):
            raise FormatError(f"{facts.name}: its checksum is wrong")
        try:
            clip = _embeddings(a, count, space)
            xy, score = np.split(np.frombuffer(b, "<f4"), [count * 26])
            poses = Poses(
                xy.reshape(-1, 13, 2),
                score.reshape(-1, 13),
                clip.times,
                (row["width"], row["height"]),
                original_text(row["source"]),
                original_text(row["detector"]),
            )
        except (FormatError, TypeError) as exc:
            raise FormatError(f"{facts.name}: damaged ({exc})") from exc
        yield Record(facts, poses, clip)


def facts_in(table: pyarrow.Table) -> list[Facts]:
    """Return the facts of rows.

    Raises
    ------
    FormatError
        if a text is missing, a name empty, or a time not a number.
    """
    for name in TEXTS:
        if name in table.column_names and table[name].null_count:
            raise FormatError(f"{name} is missing for a clip")
    return facts_of(table.select(list(FACTS)))


def in_parts(records: Iterable[Record], count: int) -> Iterator[list[Record]]:
    """Yield records some at a time."""
    part: list[Record] = []
    for record in records:
        part.append(record)
        if len(part) == count:
            yield part
            part = []
    if part:
        yield part
