"""The rows of an index: clips as a table of Parquet, and back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.poses.poses import Poses

if TYPE_CHECKING:
    import pyarrow

_TEXTS = "name", "label", "viewpoint", "path", "key", "stamp", "source", "detector"
_NUMBERS = {"start_s": "float64", "end_s": "float64", "width": "int32", "height": "int32"}
_SERIES = {
    "times": ("float64", ()),
    "xy": ("float32", (13, 2)),
    "score": ("float32", (13,)),
    "mean": ("float32", None),
    "std": ("float32", None),
}
"""Columns of lists: kind of number, and shape per frame; None = the dimensions of the model."""
FACTS = (*_TEXTS[:6], "start_s", "end_s")


@dataclass(frozen=True)
class Facts:
    """What an index knows of a clip besides its frames.

    Attributes
    ----------
    name
        of the clip, once per index: its path below the folder, and its part if it is one.
    label, viewpoint
        what it shows and from where; the viewpoint may be empty.
    path
        of the video or keypoint file, relative to the folder or absolute; empty if there is none.
    key
        hash of what the poses were made from.
    stamp
        size and time of the file, by which an unchanged one is recognised without reading it.
    start_s, end_s
        part of the video, seconds; None = from its start, to its end.
    """

    name: str
    label: str
    viewpoint: str = ""
    path: str = ""
    key: str = ""
    stamp: str = ""
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True)
class Record:
    """One clip as it goes into an index."""

    facts: Facts
    poses: Poses
    embeddings: Embeddings


def to_table(records: Sequence[Record]) -> "pyarrow.Table":
    """Clips as rows: facts, and the numbers of all frames in lists."""
    import pyarrow

    columns: dict[str, Any] = {}
    for name in _TEXTS:
        owner = "poses" if name in ("source", "detector") else "facts"
        values = [getattr(getattr(record, owner), name) for record in records]
        columns[name] = pyarrow.array(values, pyarrow.string())
    for name in ("start_s", "end_s"):
        values = [getattr(record.facts, name) for record in records]
        columns[name] = pyarrow.array(values, pyarrow.float64())
    for i, name in enumerate(("width", "height")):
        columns[name] = pyarrow.array([r.poses.size[i] for r in records], pyarrow.int32())
    for name, (kind, _) in _SERIES.items():
        owner = "embeddings" if name in ("mean", "std") else "poses"
        parts = [np.asarray(getattr(getattr(r, owner), name), kind).ravel() for r in records]
        ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        flat = pyarrow.array(np.concatenate(parts))
        columns[name] = pyarrow.LargeListArray.from_arrays(pyarrow.array(ends), flat)
    return pyarrow.table(columns)


def _frames(table: "pyarrow.Table", name: str, dims: int) -> list[np.ndarray]:
    """One column of lists as an array per clip, in the shape of its frames."""
    shape = _SERIES[name][1]
    shape = (dims,) if shape is None else shape
    return [row.reshape(-1, *shape) if shape else row for row in lists(table, name)]


def lists(table: "pyarrow.Table", name: str) -> list[np.ndarray]:
    """One column of lists as a flat array per clip."""
    column = table.column(name).combine_chunks()
    if hasattr(column, "chunks"):  # a chunked array, before pyarrow 23
        column = column.chunk(0) if column.num_chunks else column
    values = column.flatten().to_numpy()
    ends = np.cumsum(column.value_lengths().to_numpy())
    return np.split(values, ends[:-1]) if len(ends) else []


def embeddings_of(
    table: "pyarrow.Table", model: str, sigmoid: tuple[float, float], dims: int
) -> list[Embeddings]:
    """Embeddings of every row."""
    columns = [_frames(table, name, dims) for name in ("mean", "std", "times")]
    return [Embeddings(*row, model, sigmoid) for row in zip(*columns, strict=True)]


def records_of(
    table: "pyarrow.Table", model: str, sigmoid: tuple[float, float], dims: int
) -> Iterator[Record]:
    """Clip of every row."""
    series = [_frames(table, name, dims) for name in ("xy", "score", "times")]
    clips = embeddings_of(table, model, sigmoid, dims)
    rows = table.select([*_TEXTS, *_NUMBERS]).to_pylist()
    for row, xy, score, times, clip in zip(rows, *series, clips, strict=True):
        size = row["width"], row["height"]
        poses = Poses(xy, score, times, size, row["source"], row["detector"])
        yield Record(Facts(**{name: row[name] for name in FACTS}), poses, clip)
