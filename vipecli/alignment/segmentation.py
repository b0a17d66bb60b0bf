"""Repetitions of a movement within one clip, found without a template.

A repetition is an excursion from a rest pose: the embedding leaves the neighbourhood of a pose that
the person keeps returning to, and comes back. Every slow moment of the clip is tried as that pose;
taken is the one whose excursions resemble each other most. Excursions unlike the others (an aborted
attempt, a bar that is put away) are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.ndimage import gaussian_filter1d, median_filter

from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError

LEAST = 2
"""Fewer repetitions than this cannot be distinguished from a single movement."""

_SMOOTH_S, _SPEED_S = 0.12, 0.1  # standard deviations of the filters over embedding and speed
_MEDIAN_FRAMES = 5  # against single frames with swapped sides
_MOST_RESTS = 40  # slow moments that are tried as rest pose
_AWAY, _FAR, _BACK = 0.35, 0.65, 0.12
# Shares of the range of distances to the rest pose: an excursion is above the first, reaches the
# second, and begins and ends at the third.
_REST_PERCENTILE, _FAR_PERCENTILE = 10, 95  # of distances: the ends of that range
_LEAST_REACH = 0.3  # of the distance at which two poses match by even chance: less is tremble
_SAMPLES = 24  # of an excursion, evenly over its time, to compare it with others
_ALIKE = 3.0  # times the median distance of excursions to their nearest one: at most so far off
_ALIKE_SHARE = 0.45  # or this share of the range
_LEAST_PEAK = 0.7  # of the median peak
_SHORTEST, _LONGEST = 0.4, 2.6  # of the median duration
_UNLIKE = 1.5  # times the median distance to the nearest one: excursions of another kind
_TAKE_TURNS = 0.7  # of the neighbours, at least, are of two kinds
_AT_ONCE = 0.5  # of the other pause: one kind follows the other without a rest
_END_S = 0.3  # what counts as the beginning and the end of the clip


@dataclass(frozen=True)
class Repetition:
    """One repetition.

    Attributes
    ----------
    start_s, end_s
        when the person leaves the rest pose, and when they are back; seconds.
    unlikeness
        mean distance of the embedding to the most typical repetition, phase by phase, as a share of
        the range of the movement; 0 for the typical one itself.
    """

    start_s: float
    end_s: float
    unlikeness: float


@dataclass(frozen=True)
class _Candidate:
    """Excursions from one rest pose."""

    score: float
    spans: list[tuple[int, int]]  # frames, the last one excluded
    distance: np.ndarray  # (T,) to the rest pose
    low: float  # distance at rest
    reach: float  # range of distances
    between: np.ndarray  # (R, R) mean distances of excursions


def find_repetitions(clip: Embeddings) -> list[Repetition]:
    """Return the repetitions of a movement within one clip.

    Parameters
    ----------
    clip
        T frames; missing ones are bridged by straight lines.

    Returns
    -------
    In the order of time; empty where nothing comes back at least `LEAST` times.

    Raises
    ------
    NoPoseError
        if fewer than two frames show the person.
    """
    path, rate = _smooth_path(clip)
    speed = gaussian_filter1d(np.linalg.norm(np.gradient(path, axis=0), axis=1), _SPEED_S * rate)
    tried = (_excursions(path, rest, rate) for rest in _slow_moments(speed))
    best = max((one for one in tried if one), key=lambda one: one.score, default=None)
    steepness, offset = clip.sigmoid
    if best is None or best.reach < _LEAST_REACH * offset / steepness:
        return []
    typical = int(np.median(best.between, axis=1).argmin())
    kept = [k for k in range(len(best.spans)) if _belongs(best, k, typical)]
    if len(kept) < LEAST:
        return []
    return [
        Repetition(
            *(float(clip.times[i]) for i in _extended(best, *best.spans[k])),
            float(best.between[typical, k] / best.reach),
        )
        for k in kept
    ]


def _smooth_path(clip: Embeddings) -> tuple[np.ndarray, float]:
    """Means (T, D) without gaps and tremble, and the frame rate."""
    known = np.flatnonzero(np.isfinite(clip.mean).all(axis=1))
    if len(known) < 2:
        raise NoPoseError("fewer than two frames show the person; repetitions need a movement")
    frames = np.arange(len(clip.times))
    mean = np.stack([np.interp(frames, known, column[known]) for column in clip.mean.T], axis=1)
    rate = (len(frames) - 1) / float(clip.times[-1] - clip.times[0])
    steady = median_filter(mean, size=(_MEDIAN_FRAMES, 1), mode="nearest")
    return gaussian_filter1d(steady, _SMOOTH_S * rate, axis=0, mode="nearest"), rate


def _slow_moments(speed: np.ndarray) -> list[int]:
    """Frames at which the movement is slowest for a moment, and both ends of the clip."""
    inner = speed[1:-1]
    turns = (inner <= speed[:-2]) & (inner <= speed[2:]) & (inner < np.median(speed))
    slow = np.flatnonzero(turns) + 1
    if len(slow) > _MOST_RESTS:
        slow = slow[np.linspace(0, len(slow) - 1, _MOST_RESTS).astype(int)]
    return sorted({0, *map(int, slow), len(speed) - 1})


def _excursions(path: np.ndarray, rest: int, rate: float) -> _Candidate | None:
    """Return the excursions from the pose of one frame, with their score as repetitions."""
    distance = np.linalg.norm(path - path[rest], axis=1)
    low, far = np.percentile(distance, (_REST_PERCENTILE, _FAR_PERCENTILE))
    reach = float(far - low)
    spans = _above(distance, low + _AWAY * reach, low + _FAR * reach) if reach > 0 else []
    spans = _joined(path, spans)
    if len(spans) < LEAST:
        return None
    between = _distances(path, spans)
    spread = np.median(between[np.triu_indices(len(spans), 1)]) / far
    whole = np.mean([start > 0 and end < len(path) for start, end in spans])
    ends = max(1, round(_END_S * rate))
    # a clip mostly begins and ends at rest
    outside = (distance[:ends].min() + distance[-ends:].min()) / far
    score = float(0.3 * whole - spread - 0.25 * outside)
    return _Candidate(score, spans, distance, float(low), reach, between)


def _above(distance: np.ndarray, low: float, high: float) -> list[tuple[int, int]]:
    """Runs of frames above `low` that reach `high`, and lead there and back.

    At the ends of the clip a run may be cut, but not so far out that one of its ways is missing: of
    a single squat the ways down and up are no two excursions from its lowest pose.
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], distance > low, [False]]).astype(int)))
    runs = edges.reshape(-1, 2)
    return [
        (int(i), int(j))
        for i, j in runs
        if distance[i:j].max() >= high > max(distance[i], distance[j - 1])
    ]


def phase_distances(paths: Sequence[np.ndarray]) -> np.ndarray:
    """Mean distance (R, R) of movements, phase by phase.

    Parameters
    ----------
    paths
        R arrays (T, D) of any lengths; frames with NaN are bridged by straight lines.
    """
    shapes = np.stack([_resampled(path) for path in paths])
    return np.linalg.norm(shapes[:, None] - shapes[None], axis=-1).mean(axis=-1)


def _resampled(path: np.ndarray) -> np.ndarray:
    """Path (S, D) at evenly spaced moments."""
    known = np.flatnonzero(np.isfinite(path).all(axis=1))
    if not len(known):
        raise NoPoseError("no frame shows the person; repetitions need a movement")
    phase = np.linspace(0, len(path) - 1, _SAMPLES)
    return np.stack([np.interp(phase, known, column[known]) for column in path.T], axis=1)


def _distances(path: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
    """Mean distance (R, R) of excursions, phase by phase."""
    return phase_distances([path[i:j] for i, j in spans])


def _joined(path: np.ndarray, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join pairs of excursions that are one repetition: a golf swing passes its address at impact.

    They are where excursions of two kinds take turns and one kind follows the other at once, while
    the person rests before the next pair. A lunge to the left and one to the right stay two.
    """
    if len(spans) < 2 * LEAST:
        return spans
    first_kind = _kinds(_distances(path, spans))
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    changes = first_kind[:-1] != first_kind[1:]
    if changes.mean() < _TAKE_TURNS:
        return spans
    turns = {kind: np.flatnonzero(changes & (first_kind[:-1] == kind)) for kind in (True, False)}
    typical = {kind: np.median([gaps[k] for k in places]) for kind, places in turns.items()}
    leading = min(typical, key=lambda kind: typical[kind])
    if typical[leading] > _AT_ONCE * typical[not leading]:
        return spans
    limit = (typical[leading] + typical[not leading]) / 2
    starts = {k for k in turns[leading] if gaps[k] < limit}
    return [
        (start, spans[k + 1][1] if k in starts else end)
        for k, (start, end) in enumerate(spans)
        if k - 1 not in starts
    ]


def _kinds(between: np.ndarray) -> np.ndarray:
    """Whether each excursion (R,) resembles the most typical one more than what is unlike that."""
    one = int(np.median(between, axis=1).argmin())
    nearest = np.median((between + np.diag(np.full(len(between), np.inf))).min(axis=1))
    unlike = np.flatnonzero(between[one] > _UNLIKE * nearest)
    if not len(unlike):
        return np.ones(len(between), bool)
    other = unlike[int(np.median(between[np.ix_(unlike, unlike)], axis=1).argmin())]
    return between[one] < between[other]


def _belongs(found: _Candidate, k: int, typical: int) -> bool:
    """Whether an excursion is like the typical one."""
    peaks = np.array([found.distance[i:j].max() for i, j in found.spans])
    lengths = np.diff(found.spans, axis=1)[:, 0]
    away = found.between[typical]
    nearest = (found.between + np.diag(np.full(len(peaks), np.inf))).min(axis=1)
    limit = max(_ALIKE * np.median(nearest), _ALIKE_SHARE * found.reach)
    share = lengths[k] / np.median(lengths)
    return bool(
        peaks[k] > _LEAST_PEAK * np.median(peaks)
        and _SHORTEST < share < _LONGEST
        and away[k] < limit
    )


def _extended(found: _Candidate, start: int, end: int) -> tuple[int, int]:
    """First and last frame of an excursion, down to where it leaves the rest pose."""
    low, distance = found.low + _BACK * found.reach, found.distance
    first, last = start, end - 1
    while first > 0 and distance[first] > low and distance[first - 1] <= distance[first]:
        first -= 1
    while (
        last < len(distance) - 1 and distance[last] > low and distance[last + 1] <= distance[last]
    ):
        last += 1
    return first, last
