"""One Parquet file of an index, read within bounds that its footer is checked against first.

An index may come from an untrusted source: a few kilobytes of Parquet can decode to gigabytes, and
a footer can declare any number of rows.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow
from pyarrow import parquet

from vipecli.index.records import NUMBERS, SERIES, TEXTS

LEAST_LIMIT = 1 << 28
"""Decoded bytes that any file may have: 256 MiB."""

MOST_RATIO = 16
"""Decoded bytes per byte of a larger file; coordinates and embeddings hardly compress."""

_TYPES: dict[str, tuple[pyarrow.DataType, ...]] = {
    **{name: (pyarrow.string(), pyarrow.large_string()) for name in TEXTS},
    **{name: (pyarrow.type_for_alias(kind),) for name, kind in NUMBERS.items()},
    **{
        name: tuple(of(pyarrow.type_for_alias(kind)) for of in (pyarrow.large_list, pyarrow.list_))
        for name, (kind, _) in SERIES.items()
    },
}
"""Columns of a clip, each with the types that it may have."""

_OPTIONAL = frozenset(["start_s", "end_s"])
_ENCODINGS = frozenset(["PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"])
_PER_VALUE = 16  # bytes that a value takes with its levels, at most, besides text


def limit_of(size: int) -> int:
    """Most bytes that a file of this size may take when decoded."""
    return max(LEAST_LIMIT, MOST_RATIO * size)


def read_table(
    data: bytes, columns: Sequence[str] | None, *, clips: int, limit: int
) -> pyarrow.Table:
    """Return the columns of a file as a table, with types and number of rows checked.

    Parameters
    ----------
    data
        the file.
    columns
        names; None = all that a clip needs. Others are not read.
    clips
        number of rows that there have to be.
    limit
        bytes that the columns may take when decoded.

    Raises
    ------
    ValueError
        with what is wrong.
    """
    wanted = list(_TYPES) if columns is None else list(columns)
    try:
        # no threads of Arrow's: they may abort a process that ends while they start
        file = parquet.ParquetFile(pyarrow.BufferReader(data), pre_buffer=False)
        _check_rows(file.metadata, clips)
        _check_types(file.schema_arrow, wanted)
        _check_size(file.metadata, wanted, limit)
        table = file.read(columns=wanted, use_threads=False)
    except (pyarrow.ArrowException, OSError, MemoryError, OverflowError) as exc:
        problem = str(exc).splitlines() or [type(exc).__name__]
        raise ValueError(problem[0]) from exc
    if table.num_rows != clips:
        raise ValueError(f"{table.num_rows} clips, not {clips}")
    for name in wanted:
        if name not in _OPTIONAL and table.column(name).null_count:
            raise ValueError(f"{name} is missing for a clip")
    return table.select(wanted)


def _check_rows(metadata: Any, clips: int) -> None:
    groups = sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))
    for rows in (metadata.num_rows, groups):
        if rows != clips:
            raise ValueError(f"{rows} clips, not {clips}")


def _check_types(schema: pyarrow.Schema, wanted: Sequence[str]) -> None:
    for name in wanted:
        places = schema.get_all_field_indices(name)
        if len(places) != 1:
            raise ValueError(f"column {name} is there {len(places)} times")
        found = schema.field(places[0]).type
        if found not in _TYPES[name]:
            raise ValueError(f"column {name} is of type {str(found)[:60]}")


def _check_size(metadata: Any, wanted: Sequence[str], limit: int) -> None:
    """Refuse columns that would take more than `limit` bytes when decoded."""
    total = sum(_decoded_size(name, chunk) for name, chunk in _chunks(metadata) if name in wanted)
    if total > limit:
        raise ValueError(
            f"{total / 1e6:.0f} MB when decoded, over the limit of {limit / 1e6:.0f} MB"
        )


def _chunks(metadata: Any) -> Iterator[tuple[str, Any]]:
    """Column chunks of a file with the names of their columns."""
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for i in range(chunks.num_columns):
            chunk = chunks.column(i)
            yield str(chunk.path_in_schema).split(".")[0], chunk


def _decoded_size(name: str, chunk: Any) -> int:
    """Upper bound of the bytes that a column chunk takes when decoded."""
    encodings = {str(one) for one in chunk.encodings}
    if odd := ", ".join(sorted(encodings - _ENCODINGS)):
        raise ValueError(f"column {name} is encoded as {odd}")
    size, values = int(chunk.total_uncompressed_size), int(chunk.num_values)
    if size < 0 or values < 0:
        raise ValueError(f"column {name} has a negative size")
    # an entry of a dictionary may stand for every value
    repeated = chunk.has_dictionary_page or any("DICTIONARY" in one for one in encodings)
    text = chunk.physical_type == "BYTE_ARRAY" and repeated
    return size + values * (size if text else _PER_VALUE)
