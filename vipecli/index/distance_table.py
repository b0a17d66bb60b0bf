"""Distances of the clips of an index to each other, stored beside it and computed for new clips."""

import io
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.files import read_regular, replacing
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.records import Facts
from vipecli.index.store import Index, store

FILE = "_neighbours.npz"
MOST = 3000
"""Clips up to which all distances are kept, 36 MB."""

Table = NDArray[np.float32]
Progress = Callable[[int, int], object]

_BLOCK = 50  # clips compared with all clips after the first of them
_MOST_BYTES = MOST * MOST * 4 + MOST * 200  # of a cache


def distance_table(
    index: Index,
    facts: Sequence[Facts],
    clips: Sequence[Embeddings],
    progress: Progress | None = None,
) -> Table:
    """Distances (C, C) float32 of the clips of an index to each other, cached as far as known.

    A missing or damaged cache is rebuilt; adding clips costs in proportion to their number.
    """
    ids = [_id(one, index.model) for one in facts]
    path = store(index.folder) / FILE
    known_ids, known = _cached(path)
    where = {name: i for i, name in enumerate(known_ids)}
    at = np.array([where.get(name, -1) for name in ids])
    fresh, have = np.flatnonzero(at < 0), np.flatnonzero(at >= 0)
    table = np.zeros((len(ids), len(ids)), np.float32)
    if len(have):
        table[np.ix_(have, have)] = known[np.ix_(at[have], at[have])]
    if len(fresh):
        _compute(table, have, fresh, clips, progress)
    if len(fresh) or len(known_ids) != len(ids):
        _keep(path, ids, table)
    return table


def _compute(
    table: Table,
    have: NDArray[np.intp],
    fresh: NDArray[np.intp],
    clips: Sequence[Embeddings],
    progress: Progress | None,
) -> None:
    """Fill in the distances of new clips to the others and to each other, each pair once."""
    total = len(fresh) * len(have) + len(fresh) * (len(fresh) + 1) // 2
    for start in range(0, len(fresh), _BLOCK):
        columns = np.array([*have.tolist(), *fresh[start:].tolist()], np.intp)
        packed = NeighbourSearch([(str(c), "", clips[c]) for c in map(int, columns)])
        for i, row in enumerate(fresh[start : start + _BLOCK]):
            table[row, columns] = table[columns, row] = packed.distances(clips[int(row)])
            if progress:
                progress(len(have) + len(fresh) - start - i, total)
    table[fresh, fresh] = 0


def _id(facts: Facts, model: str) -> str:
    """Return the identity of a clip for its distances: content, part and model."""
    text = f"{model} {facts.key} {facts.start_s} {facts.end_s}"
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _cached(path: Path) -> tuple[list[str], Table]:
    """Identities and distances from the cache; none if it is invalid."""
    try:
        data = io.BytesIO(read_regular(path, most=_MOST_BYTES))
        with zipfile.ZipFile(data) as members:
            if sum(one.file_size for one in members.infolist()) > _MOST_BYTES:
                raise ValueError("too large when unpacked")
        with np.load(data, allow_pickle=False) as archive:
            ids, table = archive["ids"], archive["distances"]
        if (
            table.shape != (len(ids), len(ids))
            or table.dtype != np.float32
            or ids.dtype.kind != "U"
        ):
            raise ValueError("shapes disagree")
        if not np.isfinite(table).all():
            raise ValueError("a distance is not finite")
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        MemoryError,
        zipfile.BadZipFile,
        RuntimeError,
    ):
        return [], np.zeros((0, 0), np.float32)
    names: list[str] = ids.tolist()
    return names, table


def _keep(path: Path, ids: Sequence[str], table: Table) -> None:
    """Write the cache; an index that cannot be written is used without."""
    with suppress(OSError), replacing(path) as part, part.open("wb") as file:
        np.savez(file, ids=np.array(ids), distances=table)
