"""Tracking: people followed from frame to frame, and the choice of one of them.

A person in one frame is an array of shape (33, 7): x, y, z in pixels, visibility in [0, 1], and
x, y, z in metres from the mid-hip, for each of MediaPipe's landmarks. Three more columns may hold
the colour of the picture there, 0 to 255, which distinguishes people who pass each other.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vipecli.errors import NoPoseError
from vipecli.poses.boxes import Boxes
from vipecli.poses.observations import Observations

XY, XYZ, SEEN, WORLD, COLOUR = slice(0, 2), slice(0, 3), 3, slice(4, 7), slice(7, 10)
"""Columns of a person's array."""

CLOTHES = [11, 12, 23, 24, 25, 26]
"""Landmarks whose colours are compared: shoulders, hips, knees."""

Person = str | int | tuple[float, float]
"""Whom to follow: largest, center, longest, N or a point, as `choose` explains."""

# How far, in body sizes (mean over landmarks), a person may have moved to count as the same.
# Someone shoulder to shoulder is about 0.3 away; fast sport at 30 fps moves about 0.1.
_REACH = 0.25
_REACH_PER_S = 0.5  # added per second since the person was last seen
# Added to the distance per second unseen: where two people pass and one is detected, it is the one
# seen most recently rather than the occluded one.
_DOUBT_PER_S = 0.5
_COLOUR_WEIGHT = 4.0  # body sizes that the greatest difference in colour stands for
_COLOUR_PACE = 0.03  # weight of the newest observation in the running mean of a track's colours
# A detection this near, in body sizes, in clothes no farther off, is the same person in a leap.
_LEAP = 1.2
_ALIKE = 0.3
_OTHER = 1.0  # clothes this far off are of another person, even where nobody else was seen
# A track lost for this long may reappear anywhere, at up to twice or half the size.
_LOST_S = 2.0
_SIZE_RATIO = 2.0
# Two detections in one frame as near as this are one person. A second person right behind is
# dropped meanwhile, and re-acquired afterwards.
_TWIN = 0.15
# No track starts where the box shares this much of the smaller one with that of a known person.
_SAME = 0.6
_PACE_S = 0.25  # time over which a person's speed is measured
_LEAST_PACE_S = 0.06  # shortest such time; below, the speed would be noise
_COAST_S = 0.7  # how long an occluded person is assumed to keep moving
_BRIDGED_S = 0.5  # gap that counts as seen: others than the one followed are searched now and then
_LARGER = 1.5  # times as large: somebody whom the follower should have taken
_LEAST_SEEN = 0.5  # share of the frames from the first to the last, gaps of more left out
_SEEN_OFTEN = 5  # frames; what is seen less may be furniture
_BRIEF = 0.2  # share of the longest track below which a track is not counted as a person


@dataclass
class Track:
    """One person: indices of the frames, landmarks (33, 7) and time, seconds, in each."""

    frames: list[int] = field(default_factory=list)
    people: list[np.ndarray] | Observations = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    last_s: float = 0.0
    colours: np.ndarray | None = None  # of the clothes, (6, 3), a running mean

    def add(self, frame: int, time_s: float, person: np.ndarray) -> None:
        """Append the observation of this person in one frame."""
        self.frames.append(frame)
        self.people.append(person[:, :7].copy() if person.shape[1] > 7 else person)
        self.moments.append(time_s)
        self.last_s = time_s
        seen = person[CLOTHES, COLOUR] if person.shape[1] > 7 else None
        if self.colours is None or seen is None:
            self.colours = seen
        else:
            self.colours = (1 - _COLOUR_PACE) * self.colours + _COLOUR_PACE * seen

    def covered(self) -> float:
        """Return the number of frames in which the person was seen, short gaps included."""
        bridged = np.diff(self.moments) <= _BRIDGED_S
        return 1 + float(np.where(bridged, np.diff(self.frames), 1).sum())

    def forget(self, before_s: float) -> None:
        """Drop the observations before a time, but keep the last one; of tracks kept in lists."""
        count = min(bisect_left(self.moments, before_s), len(self.moments) - 1)
        for kept in (self.frames, self.people, self.moments):
            del kept[:count]

    def expected(self, time_s: float) -> np.ndarray:
        """Return the predicted landmarks (33, 7): as last seen, moved on at the recent speed."""
        last = self.people[-1]
        first = bisect_left(self.moments, self.last_s - _PACE_S)
        if self.last_s - self.moments[first] < _LEAST_PACE_S:
            return last
        way = (last[:, XY] - self.people[first][:, XY]).sum(axis=0) / len(last)
        pace = way / (self.last_s - self.moments[first])
        moved = last.copy()
        moved[:, XY] += pace * min(time_s - self.last_s, _COAST_S)
        return moved


class Tracks:
    """The tracks of everyone seen so far.

    Parameters
    ----------
    storage
        makes the container of a track's observations: `list`, or `Observations` for films of any
        length.
    """

    def __init__(self, storage: Callable[[], list | Observations] = list) -> None:
        self.tracks: list[Track] = []
        self._storage = storage

    def add(
        self,
        frame: int,
        time_s: float,
        people: list[np.ndarray],
        *,
        owners: dict[int, int] | None = None,
    ) -> None:
        """Append each person found in a frame to the track it continues, or start a track.

        `owners` is what `match` returned for them, if they are `distinct`; None = not known.
        """
        if owners is None:
            people = distinct(people)
            owners = self.match(time_s, people)
        for p, t in owners.items():
            self.tracks[t].add(frame, time_s, people[p])
        if len(owners) == len(people):
            return
        boxes, known = Boxes(people), list(owners)
        shared = boxes.shared(boxes)
        for p, person in enumerate(people):
            if p not in owners and (shared[p, known] < _SAME).all():
                self.tracks.append(Track(people=self._storage()))
                self.tracks[-1].add(frame, time_s, person)
                known.append(p)

    def match(self, time_s: float, people: Sequence[np.ndarray]) -> dict[int, int]:
        """Assign the people of a frame to tracks: track index by person index.

        Greedy, the nearest pair of person and track first. A person too far from every recent
        track continues one that was lost long enough to be anywhere, if any.
        """
        if not people or not self.tracks:
            return {}
        expected = [track.expected(time_s) for track in self.tracks]
        tracks_at, people_at = Boxes(expected), Boxes(people)
        gaps = time_s - np.array([track.last_s for track in self.tracks])
        pairs = _pairs(self.tracks, tracks_at, people, people_at, gaps)
        owners: dict[int, int] = {}
        taken: set[int] = set()
        for _, t, p in [*pairs, *_reappearing(tracks_at, people_at, gaps)]:
            if p not in owners and t not in taken:
                owners[p] = t
                taken.add(t)
        recent = np.flatnonzero(gaps <= _LOST_S).tolist()
        if not owners and len(people) == len(recent) == 1:  # nobody else it could be
            (t,) = recent
            near = distance(expected[t], people[0]) < _LEAP
            colours = _colour_distances(self.tracks, people, [t], [0])
            if near and not colours[0] >= _OTHER:
                owners[0] = t
        return owners

    def choose(self, person: Person, size: tuple[int, int]) -> Track:
        """Return the track of one person of the clip; see `choose`."""
        return choose(self.tracks, person, size)


def present(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks that count as people, from left to right by their first position.

    A track covering under a fifth of the time of the longest one does not count.
    """
    covered = [track.covered() for track in tracks]
    least = _BRIEF * max(covered, default=0.0)
    people = [track for track, frames in zip(tracks, covered, strict=True) if frames >= least]
    return sorted(people, key=lambda track: middle(track.people[0])[0])


def choose(tracks: Sequence[Track], person: Person, size: tuple[int, int]) -> Track:
    """Return the track of one person of a clip.

    Parameters
    ----------
    tracks
        of everyone seen; brief ones do not count, see `present`.
    person
        ``largest``: the most picture covered, added up over the clip; ``center``: on average
        nearest to the middle; ``longest``: seen in the most frames; N: the N-th from the left,
        each by its first position, 1 = leftmost; ``x,y``: the first person at this point, pixels
        of the upright picture, or, if nobody ever is, the one who comes nearest to it.
    size
        width and height of the picture, pixels.

    Raises
    ------
    NoPoseError
        if there is nobody, fewer than N people, or the point lies outside the picture.
    ValueError
        if `person` is none of these.
    """
    person, people = check_choice(person), present(tracks)
    if not people:
        raise NoPoseError("nobody was found")
    if person == "largest":
        return max(people, key=lambda track: _mean_area(track, size) * track.covered())
    if person == "longest":
        return max(people, key=Track.covered)
    if person == "center":
        center = np.array(size) / 2
        return min(people, key=lambda track: _mean_offset(track, center))
    if isinstance(person, tuple):
        return _at_point(people, person, size)
    if person > len(people):
        raise NoPoseError(
            f"person {person} was asked for, but only {len(people)} "
            f"{'was' if len(people) == 1 else 'were'} found"
        )
    return people[person - 1]


def overlooks_larger(tracks: Sequence[Track], size: tuple[int, int]) -> bool:
    """Whether the ``largest``, or somebody larger, may have been there, but was seldom looked for.

    So it is where MediaPipe follows a person in the background: of the others `Track.covered` knows
    only the frames in which they were sought.
    """
    if len(tracks) < 2:
        return False
    chosen = choose(tracks, "largest", size)
    if len(chosen.frames) < _LEAST_SEEN * chosen.covered():
        return True
    most = _LARGER * _mean_area(chosen, size) * chosen.covered()
    return any(
        track is not chosen
        and len(track.frames) >= _SEEN_OFTEN
        and _mean_area(track, size) * (track.frames[-1] - track.frames[0]) > most
        for track in tracks
    )


def check_choice(person: Person) -> Person:
    """Return the choice of a person, normalised: a word, a number or a point (x, y).

    Raises
    ------
    ValueError
        if it is none of those that `choose` knows.
    """
    if person in ("largest", "center", "longest"):
        return person
    parts = person if isinstance(person, tuple) else str(person).split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) == 2 and np.isfinite(values).all() and min(values) >= 0:
        return values[0], values[1]
    if len(values) == 1 and values[0] >= 1 and values[0].is_integer():
        return int(values[0])
    raise ValueError(
        "person must be largest, center, longest, a number from 1 or a point x,y in pixels, "
        f"not {person!r}"
    )


def _at_point(people: list[Track], point: tuple[float, float], size: tuple[int, int]) -> Track:
    """Return the track that is the first at a point, or comes nearest to it."""
    if not (0 <= point[0] <= size[0] and 0 <= point[1] <= size[1]):
        raise NoPoseError(
            f"the point {point[0]:g},{point[1]:g} is outside the picture of {size[0]} x {size[1]}"
        )
    at = np.array(point)

    def order(track: Track) -> tuple[float, float]:
        offsets = np.array([_outside(person, at) for person in track.people])
        there = np.flatnonzero(offsets == 0)
        if not len(there):
            return np.inf, float(offsets.min())
        first = int(there[0])
        return track.frames[first], float(np.hypot(*(middle(track.people[first]) - at)))

    return min(people, key=order)


def _outside(person: np.ndarray, point: np.ndarray) -> float:
    """Return the distance of a point from the box around the landmarks, pixels; 0 inside."""
    low, high = person[:, XY].min(axis=0), person[:, XY].max(axis=0)
    return float(np.hypot(*np.maximum(np.maximum(low - point, point - high), 0)))


def distinct(people: list[np.ndarray]) -> list[np.ndarray]:
    """Return the people of one frame without duplicates; the better seen one stays."""
    people = sorted(people, key=lambda p: -p[:, SEEN].mean())
    if len(people) < 2:
        return people
    boxes, kept = Boxes(people), []
    near = boxes.may_be_near(boxes, _TWIN)
    for p, person in enumerate(people):
        others = [people[k] for k in kept if near[p, k]]
        if all(distance(person, other) > _TWIN for other in others):
            kept.append(p)
    return [people[p] for p in kept]


def with_others(people: list[np.ndarray], found: list[np.ndarray]) -> list[np.ndarray]:
    """Return people plus those of `found` who are none of them."""
    others = [p for p in found if all(distance(p, other) > _TWIN for other in people)]
    return people + distinct(others)


def _pairs(
    tracks: Sequence[Track],
    tracks_at: Boxes,
    people: Sequence[np.ndarray],
    people_at: Boxes,
    gaps: np.ndarray,
) -> list[tuple[float, int, int]]:
    """Return the pairs (cost, track, person) that may be the same person, the nearest first.

    `tracks_at` is where the tracks are expected, `gaps` the time since each was seen, seconds.
    """
    recent, gaps = gaps <= _LOST_S, np.minimum(gaps, _LOST_S)
    reach = _REACH + _REACH_PER_S * gaps
    dressed = people[0].shape[1] > 7  # clothes are compared, too
    shared = tracks_at.shared(people_at)
    close = tracks_at.may_be_near(people_at, np.maximum(reach, _LEAP) if dressed else reach)
    t, p = np.nonzero(close | (shared > _SAME - 1e-3))
    apart = tracks_at.distances(people_at, t, p)
    colours = _colour_distances(tracks, people, t, p)
    near = apart <= reach[t]
    ratio = people_at.size[p] / tracks_at.size[t]
    alike = (ratio > 1 / _SIZE_RATIO) & (ratio < _SIZE_RATIO)
    # in place, but in another pose: the detector takes left for right
    placed = alike & (shared[t, p] >= _SAME)
    leapt = alike & recent[t] & (apart < _LEAP) & (colours < _ALIKE)
    costs = np.where(
        near,
        apart + _DOUBT_PER_S * gaps[t] + np.where(colours >= 0, colours, 0),
        apart + np.where(placed, 100, 200),
    )
    kept = near | placed | leapt
    return sorted(zip(*(one[kept].tolist() for one in (costs, t, p)), strict=True))


def _reappearing(tracks: Boxes, people: Boxes, gaps: np.ndarray) -> list[tuple[float, int, int]]:
    """Return pairs (cost, track, person) of lost tracks that may reappear, the nearest first.

    They rank after every near pair, so that they only serve people without one.
    """
    lost = np.flatnonzero(gaps > _LOST_S)
    if not len(lost):
        return []
    ratio = people.size / tracks.size[lost, None]
    t, p = np.nonzero((ratio > 1 / _SIZE_RATIO) & (ratio < _SIZE_RATIO))
    t = lost[t]
    cost = tracks.distances(people, t, p)
    order = np.lexsort((p, t, cost))
    return list(zip(*(values[order].tolist() for values in (cost, t, p)), strict=True))


def _colour_distances(
    tracks: Sequence[Track], people: Sequence[np.ndarray], t: Sequence[int], p: Sequence[int]
) -> np.ndarray:
    """Return the distance of people's colours from tracks', scaled to body sizes, per pair.

    NaN where the colours of one of the two are not known.
    """
    out = np.full(len(t), np.nan)
    for i, (track, person) in enumerate(zip(t, p, strict=True)):
        worn, seen = tracks[track].colours, people[person]
        if worn is not None and seen.shape[1] > 7:
            out[i] = np.abs(seen[CLOTHES, COLOUR] - worn).sum() / worn.size
    return out * (_COLOUR_WEIGHT / 255)


def body_size(person: np.ndarray) -> float:
    """Diagonal of the box around the landmarks, pixels."""
    return float(np.hypot(*np.ptp(person[:, XY], axis=0))) + 1e-6


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of two people's landmarks, in body sizes."""
    offset = np.hypot(*(a[:, XY] - b[:, XY]).T).mean()
    return float(offset / max(body_size(a), body_size(b)))


def torso_angle(person: np.ndarray) -> float:
    """Return the angle of the trunk from upright, degrees counter-clockwise in (-180, 180].

    Shape (33, 7) only: the trunk goes from the middle of the hips to that of the shoulders.
    """
    x, y = (person[11, XY] + person[12, XY] - person[23, XY] - person[24, XY]).tolist()
    return float(np.degrees(np.arctan2(-x, -y)))


def middle(person: np.ndarray) -> np.ndarray:
    """Centre of the box around the landmarks, (2,) pixels."""
    return (person[:, XY].min(axis=0) + person[:, XY].max(axis=0)) / 2


def _area(person: np.ndarray, size: tuple[int, int]) -> float:
    """Area of the box around the landmarks, inside the picture, square pixels."""
    return float(np.ptp(np.clip(person[:, XY], 0, size), axis=0).prod())


def _mean_area(track: Track, size: tuple[int, int]) -> float:
    return sum(_area(person, size) for person in track.people) / len(track.people)


def _mean_offset(track: Track, point: np.ndarray) -> float:
    """Mean distance of a person from a point, pixels."""
    return float(np.mean([np.hypot(*(middle(person) - point)) for person in track.people]))
