"""Clips of an index as rows of a Parquet table, and back."""

import re
import shlex
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, VipeError
from vipecli.poses.poses import Poses

if TYPE_CHECKING:
    import pyarrow

TEXTS = "name", "label", "viewpoint", "path", "key", "stamp", "source", "detector"
NUMBERS = {"start_s": "float64", "end_s": "float64", "width": "int32", "height": "int32"}
SERIES: dict[str, tuple[str, tuple[int, ...] | None]] = {
    "times": ("float64", ()),
    "xy": ("float32", (13, 2)),
    "score": ("float32", (13,)),
    "mean": ("float32", None),
    "std": ("float32", None),
}
"""Columns of lists: type of number, and shape per frame; None = the dimensions of the model."""
FACTS = (*TEXTS[:6], "start_s", "end_s")

_FARTHEST = 1e6  # of a mean or standard deviation; those of a model are below 100


@dataclass(frozen=True)
class Facts:
    """What an index knows of a clip besides its frames.

    Attributes
    ----------
    name
        of the clip, unique in the index: its path below the folder, and its part if it is one.
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


@dataclass(frozen=True)
class Space:
    """What all embeddings of an index have in common: as in `Embeddings`, and their dimensions."""

    model: str
    sigmoid: tuple[float, float]
    dims: int


def one_label(label: str) -> str:
    """A label in composed form (NFC): keyboards and file systems write one name in two ways."""
    return unicodedata.normalize("NFC", label)


def to_table(records: Sequence[Record]) -> "pyarrow.Table":
    """Clips as rows: facts, and the numbers of all frames in lists."""
    import pyarrow

    columns: dict[str, Any] = {}
    for name in TEXTS:
        owner = "poses" if name in ("source", "detector") else "facts"
        values = [stored_text(getattr(getattr(record, owner), name)) for record in records]
        columns[name] = pyarrow.array(values, pyarrow.string())
    for name in ("start_s", "end_s"):
        values = [getattr(record.facts, name) for record in records]
        columns[name] = pyarrow.array(values, pyarrow.float64())
    for i, name in enumerate(("width", "height")):
        columns[name] = pyarrow.array([r.poses.size[i] for r in records], pyarrow.int32())
    for name, (kind, _) in SERIES.items():
        owner = "embeddings" if name in ("mean", "std") else "poses"
        parts = [np.asarray(getattr(getattr(r, owner), name), kind).ravel() for r in records]
        ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)
        flat = pyarrow.array(np.concatenate(parts))
        columns[name] = pyarrow.LargeListArray.from_arrays(pyarrow.array(ends), flat)
    return pyarrow.table(columns)


# File names may hold bytes that are not valid UTF-8, which Python has as U+DC80 to U+DCFF and
# Parquet cannot store: they are spelled \udcXX, and a backslash before such letters \udc5c.


def stored_text(text: str) -> str:
    """Return a text as Parquet can store it."""
    if text.isascii() and "\\" not in text:
        return text
    escaped = re.sub(r"\\(?=udc[0-9a-f]{2})", r"\\udc5c", text)
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")


def nothing_left(folder: Path) -> VipeError:
    """Error for an index of which no clip is to be searched."""
    return VipeError(
        f"{folder}: no clip of its index is left to compare with; see `vipe index info "
        f"{shlex.quote(str(folder))}` for its labels and viewpoints, or leave fewer clips out"
    )


def original_text(text: str) -> str:
    """Return the text that was stored."""
    if "\\" not in text:
        return text

    def char(match: re.Match[str]) -> str:
        return "\\" if match[1] == "5c" else chr(0xDC00 + int(match[1], 16))

    return re.sub(r"\\udc(5c|[89a-f][0-9a-f])", char, text)


def facts_of(table: "pyarrow.Table") -> list[Facts]:
    """Facts of every row, given the columns `FACTS`.

    Raises
    ------
    FormatError
        if a name is empty, or a time is not a number.
    """
    rows: list[dict[str, Any]] = table.select(list(FACTS)).to_pylist()
    return [_facts(row) for row in rows]


def _facts(row: dict[str, Any]) -> Facts:
    texts = {name: original_text(row[name]) for name in TEXTS[:6]}
    name = texts["name"]
    if not name or "\0" in "".join(texts.values()):
        raise FormatError(f"{name or 'a clip'}: has an empty name, or a NUL character in a text")
    for time_s in (row["start_s"], row["end_s"]):
        if time_s is not None and not np.isfinite(time_s):
            raise FormatError(f"{name}: starts or ends at {time_s} s")
    texts["label"] = one_label(texts["label"])
    return Facts(**texts, start_s=row["start_s"], end_s=row["end_s"])


def lists(table: "pyarrow.Table", name: str) -> list[NDArray[Any]]:
    """One column of lists as a flat array per clip.

    Raises
    ------
    FormatError
        if a value is missing.
    """
    column: Any = table.column(name).combine_chunks()
    if hasattr(column, "chunks"):  # a chunked array, before pyarrow 23
        column = column.chunk(0) if column.num_chunks else column
    flat = column.flatten()
    if flat.null_count:
        raise FormatError(f"{name} lacks {flat.null_count} values")
    values = flat.to_numpy()
    ends = np.cumsum(column.value_lengths().to_numpy())
    return np.split(values, ends[:-1]) if len(ends) else []


def _frames(
    table: "pyarrow.Table", name: str, dims: int, times: Sequence[NDArray[Any]]
) -> list[NDArray[Any]]:
    """One column of lists as an array per clip, in the shape of its frames."""
    shape = SERIES[name][1]
    shape = (dims,) if shape is None else shape
    rows = lists(table, name)
    for place, (row, of_clip) in enumerate(zip(rows, times, strict=True)):
        if len(row) != len(of_clip) * int(np.prod(shape)):
            raise FormatError(
                f"clip {place}: {len(row)} values of {name} for {len(of_clip)} frames"
            )
    return [row.reshape(-1, *shape) for row in rows]


def embeddings_of(table: "pyarrow.Table", space: Space) -> list[Embeddings]:
    """Embeddings of every row.

    Raises
    ------
    FormatError
        if numbers are missing, not finite, or too few for the frames.
    """
    times = lists(table, "times")
    mean, std = (_frames(table, name, space.dims, times) for name in ("mean", "std"))
    names: list[str] = table.column("name").to_pylist()
    out: list[Embeddings] = []
    for name, *row in zip(names, mean, std, times, strict=True):
        clip = Embeddings(row[0], row[1], row[2], space.model, space.sigmoid)
        if fault := fault_of(clip):
            raise FormatError(f"{original_text(name)}: {fault}")
        out.append(clip)
    return out


def fault_of(clip: Embeddings) -> str | None:
    """What is wrong with the numbers of a clip; None = nothing."""
    if not len(clip):
        return "has no frames"
    times, least = clip.times, clip.std.min()
    most = max(clip.mean.max(), -clip.mean.min(), clip.std.max())
    whole = least >= 0 and most <= _FARTHEST  # False where a number is NaN
    if whole and -np.inf < times[0] and times[-1] < np.inf and (times[1:] > times[:-1]).all():
        return None
    if not (np.isfinite(clip.times).all() and (np.diff(clip.times) > 0).all()):
        return "its times do not increase"
    known, missing = np.isfinite(clip.mean), np.isnan(clip.mean)
    if not (known.all(axis=1) | missing.all(axis=1)).all():
        return "a mean is infinite or NaN"
    if not (np.isnan(clip.std) == missing).all() or np.isinf(clip.std).any():
        return "a standard deviation is infinite or NaN"
    with np.errstate(invalid="ignore"):
        if (clip.std < 0).any():
            return "a standard deviation is negative"
        far = (np.abs(clip.mean) > _FARTHEST).any() or (clip.std > _FARTHEST).any()
    return f"a mean or standard deviation is over {_FARTHEST:g}" if far else None


def records_of(table: "pyarrow.Table", space: Space) -> Iterator[Record]:
    """Clip of every row.

    Raises
    ------
    FormatError
        if numbers are missing, wrong, or too few for the frames.
    """
    times = lists(table, "times")
    joints = [_frames(table, name, space.dims, times) for name in ("xy", "score")]
    columns = [facts_of(table), *joints, embeddings_of(table, space)]
    rows = table.select(["source", "detector", "width", "height"]).to_pylist()
    for row, facts, xy, score, clip in zip(rows, *columns, strict=True):
        size, source = (row["width"], row["height"]), original_text(row["source"])
        try:
            poses = Poses(xy, score, clip.times, size, source, original_text(row["detector"]))
        except FormatError as exc:
            raise FormatError(f"{facts.name}: its poses are wrong ({exc})") from exc
        yield Record(facts, poses, clip)
