"""An index in Lance opened for search, with the calibration of its scores."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.files import replacing
from vipecli.index.calibration import calibrate_by_sample, fit, read_calibration
from vipecli.index.classify import Calibration
from vipecli.index.hubness import Hubness
from vipecli.index.lance_records import (
    FRAMES,
    PLAIN,
    VECTOR,
    embedded_clips,
    facts_in,
    to_records,
    vectors_of,
)
from vipecli.index.lance_search import LanceSearch, condition
from vipecli.index.lance_store import LanceIndex, quoted
from vipecli.index.records import FACTS, Facts, Record, nothing_left, original_text
from vipecli.poses.poses import Poses

CALIBRATION = "index-lance-calibration.json"

_AT_ONCE = 1 << 14  # clips whose vectors are read at a time
_WAY = 1  # of sampling: stored calibrations of another one are not used


@dataclass(frozen=True)
class OpenedLance:
    """A loaded index in Lance; used like `opened.OpenedIndex`, but places are row ids.

    Attributes
    ----------
    index
        as loaded.
    packed
        its clips, to be searched.
    left_out
        row ids of clips that count as not there.
    calibration
        as `classify.classify` takes it.
    """

    index: LanceIndex
    packed: LanceSearch
    left_out: NDArray[np.int64]
    calibration: Calibration
    hubs: Hubness = field(default_factory=lambda: Hubness.none(0))

    def copies(self, key: str) -> list[int]:
        """Return the places of clips made from the same file."""
        return [
            place
            for table in self.index.tables(["name"], where=f"key = {quoted(key)}")
            for place in table["_rowid"].to_pylist()
        ]

    def votes_not(self, copies: Sequence[int]) -> NDArray[np.int64] | None:
        """Return what `classify` leaves out: some clips, and those that count as not there."""
        return np.union1d(self.left_out, np.array(copies, np.int64)) if copies else self.left_out

    def place_of(self, name: str) -> int:
        """Return the place of a clip."""
        tables = self.index.tables(["name"], where=f"name = {quoted(name)}")
        return next(place for table in tables for place in table["_rowid"].to_pylist())

    def facts_of(self, place: int) -> Facts:
        """Return the facts of a clip."""
        table = _table(self.index, [place], FACTS)
        return facts_in(table)[0]

    def clip(self, place: int) -> Embeddings:
        """Return the embeddings of a clip."""
        return self._record(place).embeddings

    def poses(self, place: int) -> Poses:
        """Return the poses of a clip."""
        return self._record(place).poses

    def durations_s(self, most: int = 1000) -> list[float]:
        """Return the lengths of some of the clips, seconds."""
        table = next(self.index.tables([FRAMES]))
        ids, frames = table["_rowid"].to_pylist()[:most], table[FRAMES].to_pylist()[:most]
        clips = embedded_clips(self.index.dataset(), ids, frames, self.index.space)
        return [float(clip.times[-1] - clip.times[0]) for clip in clips]

    def _record(self, place: int) -> Record:
        table = _table(self.index, [place], PLAIN)
        return next(to_records(self.index.dataset(), table, self.index.space))


def open_lance(
    index: LanceIndex,
    *,
    k: int,
    exclude: Sequence[str] = (),
    labels: Sequence[str] = (),
    viewpoints: Sequence[str] = (),
) -> OpenedLance:
    """Load an index in Lance for search.

    Parameters
    ----------
    index
        as read.
    k
        how many neighbours will vote.
    exclude
        shell patterns; clips whose name matches count as not there.
    labels, viewpoints
        clips of others count as not there; none = all count.

    Raises
    ------
    VipeError
        if all clips are left out.
    """
    where = condition(labels, viewpoints)
    text = f"{index.version} {k} {sorted(exclude)} {where} {_WAY}"
    key = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
    path = index.store / CALIBRATION
    out = _excluded(index, exclude, where)
    search = LanceSearch(index, where)
    if search.count == len(out):
        raise nothing_left(index.folder)
    if (found := read_calibration(path, key)) is None:
        found = _calibrated(index, k, where, out)
        with suppress(OSError), replacing(path) as part:
            part.write_text(json.dumps({"key": key} | vars(found)))
    return OpenedLance(index, search, out, found)


def _table(index: LanceIndex, places: Sequence[int], columns: Sequence[str]) -> Any:
    """Rows of some columns at some places, in the order of the places, with their row ids."""
    import pyarrow

    where = f"_rowid IN ({', '.join(map(str, places))})"
    tables = list(index.tables(columns, where=where))
    if sum(map(len, tables)) != len(places):
        raise FormatError(f"{index.folder}: a clip of the index is gone; run the command again")
    table = pyarrow.concat_tables(tables)
    at = {place: i for i, place in enumerate(table["_rowid"].to_pylist())}
    return table.take([at[place] for place in places])


def _excluded(index: LanceIndex, patterns: Sequence[str], where: str) -> NDArray[np.int64]:
    """Row ids of clips that meet a condition, and whose name matches a pattern."""
    out: list[int] = []
    for table in index.tables(["name"], where=where or None) if patterns else ():
        names = map(original_text, table["name"].to_pylist())
        places = table["_rowid"].to_pylist()
        for place, name in zip(places, names, strict=True):
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                out.append(place)
    return np.array(out, np.int64)


def _calibrated(index: LanceIndex, k: int, where: str, out: NDArray[np.int64]) -> Calibration:
    """Temperature and threshold from a sample of clips that are left out, as for large indices."""
    import pyarrow

    plain: list[Any] = []
    vectors: list[NDArray[np.float16]] = []
    columns = [VECTOR, "label", FRAMES]
    for table in index.tables(columns, where=where or None, rows=_AT_ONCE):
        vectors.append(vectors_of(table).astype(np.float16))
        plain.append(table.drop_columns([VECTOR]))
    if not plain:
        return fit([], [], k, Calibration.default(None))
    facts = pyarrow.concat_tables(plain)
    ids = facts["_rowid"].to_numpy().astype(np.int64)
    labels = pyarrow.concat_arrays(facts["label"].chunks).dictionary_encode()
    codes = labels.indices.to_numpy().astype(np.int64)
    frames = facts[FRAMES].to_numpy()

    def read(some: NDArray[np.int64]) -> Iterator[Embeddings]:
        counts = frames[some].tolist()
        return embedded_clips(index.dataset(), ids[some].tolist(), counts, index.space)

    there = ~np.isin(ids, out)
    return calibrate_by_sample(read, np.concatenate(vectors), codes, there, k)
