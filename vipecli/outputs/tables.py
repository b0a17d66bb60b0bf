"""Results as pandas tables. Needs the extra `tables`."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError, import_extra
from vipecli.poses.formats.text import read_json

FRAMES = "frames"
"""Name of the table whose rows are frames, steps of a path, or parts of a movement."""

_NAMED = "names"  # what the second axis of arrays stands for, where a result has it
_ASIDE = {_NAMED, "inputs", "size"}  # lists that are no column
_AXES = ("x", "y", "z")


def to_pandas(result: Any) -> dict[str, Any]:
    """All tables in a result, by name.

    Lists of records become tables of their own, such as ``neighbours``, ``hits``, ``trials`` or
    ``turning_points``. Columns of equal length become one table, `FRAMES`; those of several clips
    or repetitions ``clips frames`` or ``repetitions frames``, with a number. What is said once,
    such as the distance, stands in the ``attrs`` of every table.

    Parameters
    ----------
    result
        what a function of `vipecli` returned, a file that ``--json`` wrote, or its content.

    Returns
    -------
    `pandas.DataFrame` by name; missing numbers are NaN.

    Raises
    ------
    FormatError
        if it is no result, or a file that is none.
    MissingExtraError
        if pandas is not installed.

    Examples
    --------
    >>> to_pandas("squat.json")["trials"]  # doctest: +SKIP
    """
    pandas = import_extra("pandas", "tables", "a table of pandas")
    if isinstance(result, str | PathLike):
        data = read_json(Path(result))
    else:
        data = result.as_dict() if hasattr(result, "as_dict") else result
    if not isinstance(data, Mapping):
        raise FormatError(f"{result if isinstance(result, str | PathLike) else 'this'}: no result")
    once = {name: value for name, value in data.items() if not isinstance(value, Mapping | list)}
    tables = {}
    for name, rows in _tables(data).items():
        tables[name] = pandas.DataFrame(rows)
        tables[name].attrs.update(once)
    return tables


def _tables(data: Mapping[str, Any]) -> dict[str, dict[str, list]]:
    """Columns by table."""
    found: dict[str, dict[str, list]] = {}
    columns: dict[str, list] = {}
    for name, value in data.items():
        if _is_records(value):
            found |= _records(name, value)
        elif name not in _ASIDE:
            columns |= _columns(name, value, data.get(_NAMED))
    longest = max(map(len, columns.values()), default=0)
    if longest:
        same = {name: values for name, values in columns.items() if len(values) == longest}
        found[FRAMES] = same
    return found


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)


def _records(name: str, records: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, list]]:
    """A row per record; tables inside of them one below the other, with the number of the record.

    Lists of numbers inside of records become columns if they are short (a range), tables else.
    """
    rows: list[dict[str, Any]] = []
    inner: dict[str, list[dict[str, Any]]] = {}
    for number, record in enumerate(records):
        flat, nested = _split(record)
        rows.append(flat)
        for kind, columns in _tables(nested).items():
            table = f"{name} {FRAMES}" if kind == FRAMES else kind
            length = max(map(len, columns.values()))
            for i in range(length):
                row = {column: values[i] for column, values in columns.items()}
                inner.setdefault(table, []).append(
                    {f"{name.removesuffix('s')}_number": number, **row}
                )
    found = {name: _turned(rows)}
    return found | {table: _turned(some) for table, some in inner.items()}


def _split(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is said once of a record, and what is a table in it."""
    flat: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= {f"{name} {key}": one for key, one in value.items()}
        elif isinstance(value, list) and len(value) <= len(_AXES) and not _is_records(value):
            flat |= {f"{name} {i + 1}": one for i, one in enumerate(value)}
        elif isinstance(value, list):
            nested[name] = value
        else:
            flat[name] = value
    return flat, nested


def _turned(rows: Sequence[Mapping[str, Any]]) -> dict[str, list]:
    """Columns of rows, in the order in which they first come up."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in names}


def _columns(name: str, value: Any, names: Sequence[str] | None) -> dict[str, list]:
    """Columns of one entry of a result: a list, one per key, or one per joint and axis."""
    if isinstance(value, Mapping):
        parts = [_columns(f"{name} {key}", one, names) for key, one in value.items()]
        return {column: values for part in parts for column, values in part.items()}
    if not isinstance(value, list) or not value:
        return {}
    first = next((one for one in value if one is not None), None)
    if not isinstance(first, list):
        return {name: value}
    if names and len(first) == len(names):
        shape = np.shape(first)
        rows = [np.full(shape, np.nan) if row is None else np.asarray(row, float) for row in value]
        table = np.stack(rows)
        if len(shape) == 1:
            return {f"{joint} {name}": table[:, i].tolist() for i, joint in enumerate(names)}
        return {
            f"{joint} {axis}": table[:, i, k].tolist()
            for i, joint in enumerate(names)
            for k, axis in enumerate(_AXES)
        }
    return {f"{name} {i + 1}": row for i, row in enumerate(value) if isinstance(row, list)}
