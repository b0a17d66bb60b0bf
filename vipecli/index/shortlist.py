"""A very large index on disk: a shortlist by pooled vectors, then the exact distances of those.

Every clip is one short vector, the mean of its embeddings over each quarter of its time. A query is
compared with all of them; the quarters of the nearest are warped onto its eighths, and its distance
to those that fit best is computed. Frames stay on disk and are mapped into memory where they are
needed.
"""

import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.distance import frame_costs
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.files import read_regular
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch

PARTS = 4
"""Parts of a clip that are pooled apart, equally long."""

SHORTLIST, MOST, PER_CANDIDATE = 3000, 10_000, 125
"""Clips whose distance is computed: at least and at most, and how many clips there are to each of
them; `benchmarks.large` measures how often the nearest is there."""

WIDER = 6
"""Times as many clips are nearest by their vectors, of which warping picks the shortlist."""

AT_ONCE = 1000
"""Clips whose frames are read at a time; of those after the first ones bounds rule out some."""

FACTS = "facts.json"
_QUERY_PARTS = 8  # of the query, that parts of clips are warped onto
_BLOCK = 1 << 15  # pooled vectors compared at a time
_MOST_BYTES = 1 << 16  # of the file of facts
_FILES = {"pooled": "<f2", "squares": "<f4", "frames": "<f4", "times": "<f8", "ends": "<i8"}


def shortlist_of(clips: int) -> int:
    """Return for how many of so many clips the distance is computed."""
    return min(max(clips // PER_CANDIDATE, SHORTLIST), MOST)


def pooled(clip: Embeddings) -> NDArray[Any]:
    """Mean embedding of each part of a clip, shape (PARTS * D,) float32.

    Of the whole clip where a part shows nobody.
    """
    return pooled_many([clip])[0]


def pooled_many(clips: Sequence[Embeddings], parts: int = PARTS) -> NDArray[Any]:
    """Pooled vectors of some clips of one model, shape (C, parts * D) float32, see `pooled`."""
    lengths = np.array([len(clip) for clip in clips])
    mean = np.concatenate([clip.mean for clip in clips]).astype(np.float32, copy=False)
    std = np.concatenate([clip.std for clip in clips])
    known = (np.isfinite(mean) & np.isfinite(std)).all(axis=1)
    # a last row, for parts without frames behind the last clip
    mean = np.append(np.where(known[:, None], mean, 0), np.zeros((1, mean.shape[1]), "f4"), axis=0)
    known = np.append(known, False)
    sizes = lengths[:, None] // parts + (np.arange(parts) < lengths[:, None] % parts)
    firsts = (np.cumsum(sizes) - sizes.ravel()).ravel()
    empty = sizes.ravel() == 0
    sums = np.add.reduceat(mean, firsts, axis=0)
    counts = np.add.reduceat(known.astype(np.int64), firsts)
    sums[empty], counts[empty] = 0, 0
    sums, counts = sums.reshape(len(clips), parts, -1), counts.reshape(len(clips), parts, 1)
    whole = sums.sum(axis=1, keepdims=True) / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), whole)
    return means.astype(np.float32).reshape(len(clips), -1)


def warped(query: Embeddings, vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Distances (C,) of a query to clips along the warping path of their parts, roughly.

    Parameters
    ----------
    query
        taken in eighths.
    vectors
        shape (C, PARTS * D): pooled vectors of the clips.
    """
    eighths = _as_frames(query, pooled_many([query], _QUERY_PARTS))
    costs = frame_costs(eighths, _as_frames(query, vectors)).reshape(_QUERY_PARTS, -1, PARTS)
    paths = np.full((PARTS + 1, len(vectors)), np.inf, np.float32)
    paths[0] = 0
    for cost in costs.transpose(0, 2, 1):
        here = np.full_like(paths, np.inf)
        for j in range(PARTS):
            here[j + 1] = cost[j] + np.minimum(np.minimum(paths[j], paths[j + 1]), here[j])
        paths = here
    return paths[-1]


def _as_frames(like: Embeddings, vectors: NDArray[Any]) -> Embeddings:
    """The parts of pooled vectors as frames of one clip, without variance."""
    mean = vectors.reshape(-1, like.mean.shape[1]).astype(np.float32, copy=False)
    times = np.arange(len(mean), dtype=np.float64)
    return Embeddings(mean, np.zeros_like(mean), times, like.model, like.sigmoid)


class Writer:
    """Writes the files of a `Shortlist`, some clips at a time."""

    def __init__(self, folder: Path, like: Embeddings, *, clips: int, frames: int) -> None:
        """Reserve space for clips and frames, embedded by the model of one given clip."""
        folder.mkdir(parents=True, exist_ok=True)
        dims = like.mean.shape[1]
        shapes = {
            "pooled": (clips, PARTS * dims),
            "squares": (clips,),
            "frames": (frames, 2, dims),
            "times": (frames,),
            "ends": (clips,),
        }
        self._files = {
            name: _begin(folder / f"{name}.npy", _FILES[name], shape)
            for name, shape in shapes.items()
        }
        self._folder, self._like, self._frames = folder, like, 0

    def add(self, clip: Embeddings) -> None:
        """Add one clip."""
        rows = np.stack([clip.mean, clip.std], axis=1)[None]
        self._add(rows, clip.times, pooled(clip)[None])

    def add_many(self, clips: NDArray[Any], times: NDArray[Any]) -> None:
        """Add clips of one length at once, shape (B, T, 2, D), without missing frames."""
        parts = np.array_split(np.arange(len(times)), PARTS)
        means = [clips[:, part, 0].mean(axis=1) for part in parts]
        self._add(clips, times, np.concatenate(means, axis=1))

    def _add(self, clips: NDArray[Any], times: NDArray[Any], vectors: NDArray[Any]) -> None:
        count, frames = clips.shape[:2]
        vectors = vectors.astype(np.float16)
        rows = {
            "pooled": vectors,
            "squares": np.square(vectors.astype(np.float32)).sum(axis=1),
            "frames": clips,
            "times": np.tile(times, count),
            "ends": self._frames + frames * np.arange(1, count + 1),
        }
        for name, content in rows.items():
            self._files[name].write(np.ascontiguousarray(content, _FILES[name]))
        self._frames += count * frames

    def close(self) -> None:
        """Finish: only now the files count."""
        for file in self._files.values():
            file.close()
        facts = {"model": self._like.model, "sigmoid": list(self._like.sigmoid)}
        (self._folder / FACTS).write_text(json.dumps(facts))


def _begin(path: Path, kind: str, shape: tuple[int, ...]) -> IO[bytes]:
    """An array in a file, to be written from its start to its end: mapped, it would fill memory."""
    file = path.open("wb")
    facts: dict[str, Any] = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, facts)  # pyright: ignore[reportUnknownMemberType]
    return file


def _mapped(path: Path, kind: str) -> NDArray[Any]:
    """An array that lies in a file, mapped into memory."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing, or not a regular file")
    found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if found.dtype != np.dtype(kind):
        raise ValueError(f"{path.name} is of type {found.dtype}")
    return found


def _belong_together(arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Return whether shapes agree and clips are contiguous."""
    pooled, frames, ends = arrays["pooled"], arrays["frames"], arrays["ends"]
    if (pooled.ndim, frames.ndim, ends.ndim) != (2, 3, 1) or not len(ends):
        return False
    counts = len(pooled) == len(ends) and arrays["squares"].shape == ends.shape
    dims = pooled.shape[1] == PARTS * frames.shape[2] and frames.shape[1] == 2
    whole = len(frames) == ends[-1] and arrays["times"].shape == (len(frames),)
    return bool(counts and dims and whole and ends[0] > 0 and (np.diff(ends) > 0).all())


Nearest = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Places, distances and scores of the nearest clips, each of shape (k,)."""


def nearest_of_both(a: Nearest, b: Nearest, k: int) -> Nearest:
    """Return the k nearest clips of two blocks, by score and, of equal ones, by place."""
    place, distance, score = (np.concatenate(pair) for pair in zip(a, b, strict=True))
    order = np.lexsort([place, score])[:k]
    return place[order], distance[order], score[order]


@dataclass(frozen=True)
class Shortlist:
    """Clips on disk, C of them with F frames in all; searched like `NeighbourSearch`.

    Attributes
    ----------
    pooled, squares
        shapes (C, P) float16 and (C,) float32: pooled vectors, and their squared lengths.
    frames, times
        shapes (F, 2, D) float32, mean and standard deviation, and (F,) float64, seconds; mapped,
        not read.
    ends
        shape (C,) int64: frames up to the end of each clip.
    model, sigmoid
        of all clips.
    names, labels
        of the clips; empty where nobody asks.
    """

    pooled: NDArray[Any]
    squares: NDArray[Any]
    frames: NDArray[Any]
    times: NDArray[Any]
    ends: NDArray[Any]
    model: str
    sigmoid: tuple[float, float]
    names: Sequence[str] = field(default=(), repr=False)
    labels: Sequence[str] = field(default=(), repr=False)

    @classmethod
    def open(
        cls, folder: Path, *, names: Sequence[str] = (), labels: Sequence[str] = ()
    ) -> "Shortlist":
        """Map the files of a `Writer`.

        Raises
        ------
        FormatError
            if they are missing or do not belong together.
        """
        try:
            facts = json.loads(read_regular(folder / FACTS, most=_MOST_BYTES))
            arrays = {name: _mapped(folder / f"{name}.npy", kind) for name, kind in _FILES.items()}
            model, (a, b) = str(facts["model"]), map(float, facts["sigmoid"])
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as exc:
            raise FormatError(f"{folder}: no shortlist, or a damaged one ({exc})") from exc
        arrays |= {name: np.asarray(arrays[name]) for name in ("squares", "ends")}
        if not _belong_together(arrays) or (names and len(names) != len(arrays["ends"])):
            raise FormatError(f"{folder}: its files do not belong together; rebuild them")
        return cls(**arrays, model=model, sigmoid=(a, b), names=names, labels=labels)

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return len(self.ends)

    @property
    def clips(self) -> "StoredClips":
        """The clips, each read when it is asked for."""
        return StoredClips(self)

    def clip(self, place: int) -> Embeddings:
        """Frames of one clip."""
        at = slice(self.ends[place - 1] if place else 0, self.ends[place])
        mean, std = np.moveaxis(np.array(self.frames[at]), 1, 0)
        return Embeddings(mean, std, np.array(self.times[at]), self.model, self.sigmoid)

    def candidates(
        self,
        query: Embeddings,
        count: int | None = None,
        *,
        leave_out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """Places of clips with near pooled vectors, those that are nearest when warped first.

        Clips that are left out, shape (C,) bool, take no places. `count` as for `nearest`.
        """
        vector = pooled(query)
        near = np.empty(len(self), np.float32)
        for start in range(0, len(self), _BLOCK):
            rows = slice(start, start + _BLOCK)
            near[rows] = self.squares[rows] - 2 * (self.pooled[rows].astype(np.float32) @ vector)
        left = len(self)
        if leave_out is not None:
            near[leave_out] = np.inf
            left -= int(leave_out.sum())
        count = shortlist_of(left) if count is None else count
        wide = min(WIDER * count, left)
        if not wide:
            return np.zeros(0, np.intp)
        some = np.sort(np.argpartition(near, wide - 1)[:wide])
        return some[np.argsort(warped(query, self.pooled[some]), kind="stable")[:count]]

    def nearest(
        self,
        query: Embeddings,
        k: int,
        *,
        hubs: Hubness | None = None,
        member: bool = False,
        leave_out: NDArray[Any] | None = None,
        exhaustive: bool = False,
        count: int | None = None,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The k nearest clips among the candidates, or of all, by their exact distance.

        Parameters
        ----------
        query, k, leave_out
            as in `NeighbourSearch.nearest`.
        hubs, member
            not used: so large an index is not corrected for hubs.
        exhaustive
            search all clips, in blocks.
        count
            how many candidates; None = as `shortlist_of` says of the clips that count.

        Returns
        -------
        As `NeighbourSearch.nearest`.
        """
        if exhaustive:
            places = np.arange(len(self))
        else:
            places, leave_out = self.candidates(query, count, leave_out=leave_out), None
        best = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        for start in range(0, len(places), AT_ONCE):
            some = np.sort(places[start : start + AT_ONCE])
            limit = best[2][k - 1] if len(best[2]) >= k else np.inf
            found = self._nearest_of(some, query, k, leave_out, limit=limit)
            best = nearest_of_both(best, found, k)
        if not exhaustive:
            self._let_go()
        return best

    def _let_go(self) -> None:
        """Drop the frames that were read from memory; the files are not touched."""
        mapped = self.frames.base
        if isinstance(mapped, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
            mapped.madvise(mmap.MADV_DONTNEED)

    def _nearest_of(
        self,
        places: NDArray[Any],
        query: Embeddings,
        k: int,
        leave_out: NDArray[Any] | None,
        *,
        limit: float = np.inf,
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        if leave_out is not None:
            places = places[~leave_out[places]]
        if not len(places):
            return np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
        packed = NeighbourSearch([(f"{place:012d}", "", self.clip(place)) for place in places])
        # candidates are about equally near: bounds would rule little out before one is computed
        every = limit == np.inf
        near, distances, scores = packed.nearest(query, k, limit=limit, exhaustive=every)
        return places[near], distances, scores


@dataclass(frozen=True)
class StoredClips:
    """Clips of a shortlist, each read when it is asked for by its place."""

    index: Shortlist

    def __len__(self) -> int:
        """Return the number of clips, C."""
        return len(self.index)

    def __getitem__(self, place: int) -> Embeddings:
        """Return the embeddings of one clip."""
        return self.index.clip(int(place))
