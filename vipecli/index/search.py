"""Search an index for frames that show a pose, whatever the camera (paper, figure 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.distance import (
    EstimatorName,
    check_same_model,
    frame_distance,
    known_frames,
    match_of,
    matching_probability,
)
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError

APART_S = 0.5
"""Hits of one clip are at least this far apart, seconds: its next frames show the same pose."""

_FRAMES = 1 << 16  # frames of the index compared at a time


@dataclass(frozen=True)
class Hit:
    """One frame of an index.

    Attributes
    ----------
    clip
        index among the clips searched.
    frame, time_s
        of the clip.
    match_probability
        that it shows the same pose as the query, in [0.05, 0.95].
    distance
        as `distance.frame_distance`; hits are sorted by it.
    """

    clip: int
    frame: int
    time_s: float
    match_probability: float
    distance: float

    @property
    def match(self) -> float:
        """`distance.match_of` the distance."""
        return float(match_of(np.asarray(self.distance, np.float64)))


def search(
    query: Embeddings,
    clips: Sequence[Embeddings],
    *,
    top: int = 12,
    per_clip: int = 1,
    leave_out: NDArray[Any] | None = None,
    match: EstimatorName = "expected",
) -> list[Hit]:
    """Return the frames whose pose matches best.

    Parameters
    ----------
    query
        a single frame.
    clips
        to search, embedded by the same model.
    top
        largest number of hits.
    per_clip
        largest number of hits of one clip, at least `APART_S` apart.
    leave_out
        shape (C,) bool: clips to exclude.
    match
        as in `distance.matching_probability`.

    Raises
    ------
    FormatError
        if a clip was embedded by another model.
    NoPoseError
        if nobody is seen in the query.
    ValueError
        if the query is not one frame, or a number is below 1.
    """
    if len(query) != 1 or top < 1 or per_clip < 1:
        raise ValueError("search takes one frame, and finds one hit at least")
    if not known_frames(query).any():
        raise NoPoseError("nobody is seen in the picture, so there is no pose to search for")
    hits: list[Hit] = []
    for places in _groups(clips, leave_out):
        joined = _joined([clips[place] for place in places], query)
        distance = frame_distance(query, joined, match=match)[0]
        distance[~known_frames(joined)] = np.inf
        ends = np.cumsum([0, *(len(clips[place]) for place in places)])
        for place, first, last in zip(places, ends, ends[1:], strict=False):
            part = distance[first:last]
            for frame in _apart(part, clips[place].times, per_clip):
                time_s = float(clips[place].times[frame])
                hits.append(Hit(place, frame, time_s, 0.0, float(part[frame])))
    best = sorted(hits, key=lambda hit: (hit.distance, hit.clip, hit.frame))[:top]
    return [_with_probability(hit, query, clips[hit.clip], match) for hit in best]


def one_frame(clip: Embeddings, frame: int) -> Embeddings:
    """Return a frame of a clip as a clip of one frame."""
    at = slice(frame, frame + 1)
    return Embeddings(clip.mean[at], clip.std[at], clip.times[at], clip.model, clip.sigmoid)


def _groups(clips: Sequence[Embeddings], leave_out: NDArray[Any] | None) -> list[list[int]]:
    """Return the indices of the clips to search, in groups of about `_FRAMES` frames."""
    groups: list[list[int]] = [[]]
    frames = 0
    for place, clip in enumerate(clips):
        if leave_out is not None and leave_out[place]:
            continue
        if frames > _FRAMES:
            groups.append([])
            frames = 0
        groups[-1].append(place)
        frames += len(clip)
    return [group for group in groups if group]


def _joined(clips: Sequence[Embeddings], query: Embeddings) -> Embeddings:
    for clip in clips:
        check_same_model(query, clip)
    mean, std = (np.concatenate([getattr(c, name) for c in clips]) for name in ("mean", "std"))
    return Embeddings(mean, std, np.arange(len(mean), dtype=float), query.model, query.sigmoid)


def _apart(distance: NDArray[Any], times: NDArray[Any], count: int) -> list[int]:
    """Return the nearest frames of one clip, at least `APART_S` apart."""
    if count == 1:
        best = int(np.argmin(distance))
        return [best] if distance[best] < np.inf else []
    left = distance.astype(np.float64)
    found: list[int] = []
    while len(found) < count and left.min() < np.inf:
        best = int(np.argmin(left))
        found.append(best)
        left[np.abs(times - times[best]) < APART_S] = np.inf
    return found


def _with_probability(hit: Hit, query: Embeddings, clip: Embeddings, match: EstimatorName) -> Hit:
    p = float(matching_probability(query, one_frame(clip, hit.frame), match=match)[0, 0])
    return Hit(hit.clip, hit.frame, hit.time_s, p, hit.distance)
