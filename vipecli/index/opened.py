"""How the clips of an index lie to each other: kept beside it, and made only for what is new."""

import itertools
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.files import replacing
from vipecli.index import shortlist
from vipecli.index.classify import Calibration, calibrate
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.records import Facts
from vipecli.index.shortlist import Shortlist
from vipecli.index.store import Index, store
from vipecli.poses.poses import Poses

FILE = "_neighbours.npz"
MOST = 3000
"""Clips up to which all distances are kept, 36 MB; larger indices are not corrected for hubs."""

IN_MEMORY = 50_000
"""Clips up to which an index is searched in memory; larger ones through a shortlist."""

CALIBRATION = "_calibration.json"
SHORTLISTS = "_shortlist-"

_BLOCK = 50  # clips compared with all clips after the first of them
_SAMPLE = 200  # clips that calibrate a larger index


@dataclass(frozen=True)
class OpenedIndex:
    """An index that is loaded, and what classification takes from it.

    Attributes
    ----------
    index, facts
        where it comes from, and the C clips.
    packed
        their embeddings.
    hubs, calibration
        as `classify.classify` takes them.
    left_out
        shape (C,) bool: clips of a large index that are as good as not there; None = none.
    """

    index: Index
    facts: tuple[Facts, ...]
    packed: NeighbourSearch | Shortlist
    hubs: Hubness
    calibration: Calibration
    left_out: np.ndarray | None = None

    def poses(self, place: int) -> Poses:
        """Poses of one of the clips."""
        name = self.facts[place].name
        row = next(i for i, one in enumerate(self.index.facts()) if one.name == name)
        return self.index.poses([row])[row]


def open_for_search(
    index: Index,
    *,
    hubs: int,
    k: int,
    leave_out: Callable[[Facts], bool] = lambda facts: False,
    progress: Callable[[int, int], object] | None = None,
) -> OpenedIndex:
    """Load an index, and find out how near its clips are to each other.

    Parameters
    ----------
    index
        from `index.load`.
    hubs
        neighbours that correct for hubs; 0 = no correction, as there is none where the index does
        not hold twice as many clips.
    k
        how many neighbours will vote.
    leave_out
        clips that are as good as not there.
    progress
        called with the number of pairs of clips compared, and of all that are to be.

    Raises
    ------
    FormatError
        if the index is damaged, or holds no clips.
    """
    facts = index.facts()
    if len(facts) > IN_MEMORY:
        return _open_large(index, facts, k, leave_out)
    clips = index.embeddings()
    kept = [i for i, one in enumerate(facts) if not leave_out(one)]
    names = [(facts[i].name, facts[i].label, clips[i]) for i in kept]
    packed = NeighbourSearch(names)
    labels = np.array(packed.labels)
    chosen = tuple(facts[i] for i in kept)
    key = f"{index.version} {hubs} {k} {sha256(repr(kept).encode()).hexdigest()}"
    if len(facts) > MOST:
        near = Hubness.none(len(packed))
        sample = np.random.default_rng(0).choice(
            len(packed), min(_SAMPLE, len(packed)), replace=False
        )
        found = _calibrated(index, key, lambda: calibrate(packed, labels, near, k, sample))
    else:
        table = distance_table(index, facts, clips, progress)[np.ix_(kept, kept)]
        enough = hubs and len(packed) >= 2 * hubs
        near = Hubness.of(table, hubs) if enough else Hubness.none(len(packed))
        found = _calibrated(index, key, lambda: calibrate(table, labels, near, k))
    return OpenedIndex(index, chosen, packed, near, found)


def _open_large(
    index: Index, facts: list[Facts], k: int, leave_out: Callable[[Facts], bool]
) -> OpenedIndex:
    """An index that is searched through a shortlist, made beside it when it has changed."""
    folder = store(index.folder) / f"{SHORTLISTS}{index.version}"
    if not (folder / shortlist.FACTS).exists():
        for old in store(index.folder).glob(f"{SHORTLISTS}*"):
            shutil.rmtree(old, ignore_errors=True)
        records = index.records()
        first = next(records)
        size = {"clips": len(facts), "frames": sum(index.frames())}
        writer = shortlist.Writer(folder, first.embeddings, **size)
        for record in itertools.chain([first], records):
            writer.add(record.embeddings)
        writer.close()
    names, labels = [one.name for one in facts], [one.label for one in facts]
    large = shortlist.Shortlist.open(folder, names=names, labels=labels)
    out = np.array([leave_out(one) for one in facts])
    near = Hubness.none(0)
    sample = np.random.default_rng(0).choice(np.flatnonzero(~out), _SAMPLE, replace=False)
    key = f"{index.version} large {k} {sha256(out.tobytes()).hexdigest()}"
    found = _calibrated(index, key, lambda: calibrate(large, np.array(labels), near, k, sample))
    return OpenedIndex(index, tuple(facts), large, near, found, out)


def _calibrated(index: Index, key: str, make: Callable[[], Calibration]) -> Calibration:
    """Calibration from the cache, if it is that of this state of the index."""
    path = store(index.folder) / CALIBRATION
    try:
        data = json.loads(path.read_text())
        if data["key"] == key:
            return Calibration(float(data["temperature"]), float(data["none_at"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none, or not one of ours: made again
    found = make()
    with suppress(OSError), replacing(path) as part:
        part.write_text(json.dumps({"key": key} | vars(found)))
    return found


def distance_table(
    index: Index,
    facts: Sequence[Facts],
    clips: Sequence[Embeddings],
    progress: Callable[[int, int], object] | None = None,
) -> np.ndarray:
    """Distances (C, C) float32 of the clips of an index to each other, cached as far as known.

    The cache is made again where it is missing or damaged; what has been added costs its share.
    """
    ids = np.array([_id(one, index.model) for one in facts])
    path = store(index.folder) / FILE
    known_ids, known = _cached(path)
    where = {name: i for i, name in enumerate(known_ids)}
    at = np.array([where.get(name, -1) for name in ids])
    fresh = np.flatnonzero(at < 0)
    table = np.zeros((len(ids), len(ids)), np.float32)
    have = np.flatnonzero(at >= 0)
    if len(have):
        table[np.ix_(have, have)] = known[np.ix_(at[have], at[have])]
    if len(fresh):
        _compute(table, have, fresh, clips, progress)
    if len(fresh) or len(known_ids) != len(ids):
        _keep(path, ids, table)
    return table


def _compute(
    table: np.ndarray,
    have: np.ndarray,
    fresh: np.ndarray,
    clips: Sequence[Embeddings],
    progress: Callable[[int, int], object] | None,
) -> None:
    """Fill in the distances of new clips, to those that were there and to each other once."""
    total = len(fresh) * len(have) + len(fresh) * (len(fresh) + 1) // 2
    for start in range(0, len(fresh), _BLOCK):
        columns = np.concatenate([have, fresh[start:]])
        packed = NeighbourSearch([(str(c), "", clips[c]) for c in columns])
        for i, row in enumerate(fresh[start : start + _BLOCK]):
            table[row, columns] = table[columns, row] = packed.distances(clips[row])
            if progress:
                progress(len(have) + len(fresh) - start - i, total)
    table[fresh, fresh] = 0


def _id(facts: Facts, model: str) -> str:
    """What the distances of a clip depend on: its content, its part, the model."""
    text = f"{model} {facts.key} {facts.start_s} {facts.end_s}"
    return sha256(text.encode()).hexdigest()[:32]


def _cached(path: Path) -> tuple[list[str], np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            ids, table = archive["ids"], archive["distances"]
        if table.shape != (len(ids), len(ids)) or table.dtype != np.float32:
            raise ValueError("shapes disagree")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return [], np.zeros((0, 0), np.float32)
    return ids.tolist(), table


def _keep(path: Path, ids: np.ndarray, table: np.ndarray) -> None:
    """Write the cache; an index that cannot be written is used without."""
    with suppress(OSError), replacing(path) as part, part.open("wb") as file:
        np.savez(file, ids=ids, distances=table)
