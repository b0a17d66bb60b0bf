"""An index opened for search: its clips in memory or on disk, hubness and calibration."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.files import replacing
from vipecli.index import shortlist
from vipecli.index.calibration import calibrate, calibrate_by_sample, coded, read_calibration
from vipecli.index.classify import Calibration
from vipecli.index.distance_table import MOST, Progress, distance_table
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.records import Facts, nothing_left
from vipecli.index.shortlist import Shortlist, StoredClips
from vipecli.index.store import Index, store
from vipecli.poses.poses import Poses

IN_MEMORY = 50_000
"""Clips up to which an index is searched in memory; larger ones through a shortlist."""

CALIBRATION = "_calibration.json"
SHORTLISTS = "_shortlist-"

_POOLED = 1000  # clips whose vectors are computed together
_WAY = 2  # of sampling: stored calibrations of another one are not used


@dataclass(frozen=True)
class OpenedIndex:
    """A loaded index with hubness and calibration.

    Attributes
    ----------
    index, facts
        where it comes from, and the C clips.
    packed
        their embeddings, laid out for search.
    hubs, calibration
        as `classify.classify` takes them.
    left_out
        shape (C,) bool: clips of a large index that count as not there; None = none.
    """

    index: Index
    facts: tuple[Facts, ...]
    packed: NeighbourSearch | Shortlist
    hubs: Hubness
    calibration: Calibration
    left_out: NDArray[np.bool_] | None = None

    def copies(self, key: str) -> list[int]:
        """Return the places of clips made from the same file."""
        return [i for i, one in enumerate(self.facts) if one.key == key]

    def votes_not(self, copies: Sequence[int]) -> NDArray[np.bool_] | None:
        """Return what `classify` leaves out: some clips, and those that count as not there."""
        if not len(copies):
            return self.left_out
        out = np.zeros(len(self.facts), bool) if self.left_out is None else self.left_out.copy()
        out[list(copies)] = True
        return out

    def place_of(self, name: str) -> int:
        """Return the place of a clip."""
        return list(self.packed.names).index(name)

    def facts_of(self, place: int) -> Facts:
        """Return the facts of a clip."""
        return self.facts[place]

    def clip(self, place: int) -> Embeddings:
        """Return the embeddings of a clip."""
        return self.packed.clips[place]

    def durations_s(self, most: int = 1000) -> list[float]:
        """Return the lengths of some of the clips, seconds."""
        some = [self.packed.clips[i] for i in range(min(len(self.facts), most))]
        return [float(clip.times[-1] - clip.times[0]) for clip in some]

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
    progress: Progress | None = None,
) -> OpenedIndex:
    """Load an index with its hubness and calibration, which are kept beside it.

    Parameters
    ----------
    index
        from `store.load`.
    hubs
        neighbours of the hubness correction; 0 = none. There is none either where the index does
        not hold twice as many clips, or more than `distance_table.MOST`.
    k
        how many neighbours will vote.
    leave_out
        clips that count as not there.
    progress
        called with the number of pairs of clips compared, and of all to compare.

    Raises
    ------
    FormatError
        if the index is damaged, or holds no clips.
    VipeError
        if all its clips are left out.
    """
    facts = index.facts()
    if len(facts) > IN_MEMORY:
        return _open_large(index, facts, k, leave_out)
    clips = index.embeddings()
    kept = [i for i, one in enumerate(facts) if not leave_out(one)]
    if facts and not kept:
        raise nothing_left(index.folder)
    packed = NeighbourSearch([(facts[i].name, facts[i].label, clips[i]) for i in kept])
    labels = np.array(packed.labels)
    chosen = tuple(facts[i] for i in kept)
    key = f"{index.version} {hubs} {k} {sha256(repr(kept).encode()).hexdigest()}"
    if len(facts) > MOST:
        near = Hubness.none(len(packed))
        found = _calibrated(
            index, f"{key} {_WAY}", lambda: _by_sample(packed.clips, packed.labels, k)
        )
    else:
        table = distance_table(index, facts, clips, progress)[np.ix_(kept, kept)]
        enough = hubs and len(packed) >= 2 * hubs
        near = Hubness.of(table, hubs) if enough else Hubness.none(len(packed))
        found = _calibrated(index, key, lambda: calibrate(table, labels, near, k))
    return OpenedIndex(index, chosen, packed, near, found)


def _by_sample(clips: Sequence[Embeddings], labels: Sequence[str], k: int) -> Calibration:
    parts = (clips[start : start + _POOLED] for start in range(0, len(clips), _POOLED))
    vectors = np.concatenate([shortlist.pooled_many(part) for part in parts])
    there = np.ones(len(labels), bool)
    return calibrate_by_sample(_reading(clips), vectors, coded(labels), there, k)


def _reading(
    clips: Sequence[Embeddings] | StoredClips,
) -> Callable[[NDArray[np.int64]], list[Embeddings]]:
    return lambda places: [clips[int(place)] for place in places]


def _open_large(
    index: Index, facts: list[Facts], k: int, leave_out: Callable[[Facts], bool]
) -> OpenedIndex:
    """An index that is searched through a shortlist, which is rebuilt when it has changed."""
    large = _shortlist(index, facts)
    out = np.array([leave_out(one) for one in facts])
    if out.all():
        raise nothing_left(index.folder)
    key = f"{index.version} large {k} {sha256(out.tobytes()).hexdigest()} {_WAY}"
    found = _calibrated(
        index,
        key,
        lambda: calibrate_by_sample(
            _reading(large.clips), large.pooled, coded(large.labels), ~out, k
        ),
    )
    return OpenedIndex(index, tuple(facts), large, Hubness.none(0), found, out)


def _shortlist(index: Index, facts: list[Facts]) -> Shortlist:
    """The shortlist of this state of an index, built unless a valid one exists."""
    folder = store(index.folder) / f"{SHORTLISTS}{index.version}"
    names, labels = [one.name for one in facts], [one.label for one in facts]
    with suppress(FormatError):
        return Shortlist.open(folder, names=names, labels=labels)
    for old in store(index.folder).glob(f"{SHORTLISTS}*"):
        shutil.rmtree(old, ignore_errors=True)
    none = np.zeros((0, index.dims), np.float32)
    like = Embeddings(none, none, np.zeros(0), index.model, index.sigmoid)
    size = {"clips": len(facts), "frames": sum(index.frames())}
    writer = shortlist.Writer(folder, like, **size)
    for record in index.records():
        writer.add(record.embeddings)
    writer.close()
    return Shortlist.open(folder, names=names, labels=labels)


def _calibrated(index: Index, key: str, fit: Callable[[], Calibration]) -> Calibration:
    """Calibration stored beside the index, if it is that of this state, else a new one."""
    path = store(index.folder) / CALIBRATION
    if (stored := read_calibration(path, key)) is not None:
        return stored
    found = fit()
    with suppress(OSError), replacing(path) as part:
        part.write_text(json.dumps({"key": key} | vars(found)))
    return found
