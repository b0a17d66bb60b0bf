"""Who is who: people followed from frame to frame, and the choice of one of them.

A person in one frame is an array of shape (33, 7): x, y, z in pixels, visibility in [0, 1], and
x, y, z in metres from the mid-hip, for each of MediaPipe's landmarks.
"""

from dataclasses import dataclass, field

import numpy as np

from vipecli.errors import NoPoseError

XY, XYZ, SEEN, WORLD = slice(0, 2), slice(0, 3), 3, slice(4, 7)
"""Columns of a person's array."""

# How far, in body sizes (mean over landmarks), a person may have moved to count as the same.
# Someone shoulder to shoulder is about 0.3 away; fast sport at 30 fps moves about 0.1.
_REACH = 0.25
_REACH_PER_S = 0.5  # added per second since the person was last seen
# After this long unseen a person may come back anywhere, at up to twice or half the size.
_LOST_S = 2.0
_SIZE_RATIO = 2.0
# Two detections in one frame whose boxes share this much of the smaller one are one person. A
# real second person right behind is dropped while there, and followed again after.
_SAME = 0.6
_BRIEF = 0.2  # share of the longest track below which a track is not counted as a person


@dataclass
class Track:
    """One person: indices of the frames, and the landmarks in each, (33, 7)."""

    frames: list[int] = field(default_factory=list)
    people: list[np.ndarray] = field(default_factory=list)
    last_s: float = 0.0

    def add(self, frame: int, time_s: float, person: np.ndarray) -> None:
        """Append what was seen of this person in one frame."""
        self.frames.append(frame)
        self.people.append(person)
        self.last_s = time_s


class Tracks:
    """Everyone seen so far, frame by frame."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []

    def add(self, frame: int, time_s: float, people: list[np.ndarray]) -> None:
        """Hand each person found in a frame to the track that it continues, or start one.

        The nearest pair of person and track goes first. Who is too far from every track seen
        lately continues one that was lost long enough to be anywhere, if any.
        """
        people = distinct(people)
        pairs = sorted(
            (cost, t, p)
            for t, track in enumerate(self.tracks)
            for p, person in enumerate(people)
            if (cost := _cost(track, person, time_s)) is not None
        )
        taken_tracks, taken_people = set(), set()
        for _, t, p in pairs:
            if t not in taken_tracks and p not in taken_people:
                self.tracks[t].add(frame, time_s, people[p])
                taken_tracks.add(t)
                taken_people.add(p)
        for p, person in enumerate(people):
            if p not in taken_people:
                self.tracks.append(Track())
                self.tracks[-1].add(frame, time_s, person)

    def choose(self, person: str | int, size: tuple[int, int]) -> Track:
        """Pick one person of the clip.

        Parameters
        ----------
        person
            ``largest``: the most picture covered, added up over the clip; ``center``: on
            average nearest to the middle; N: the N-th from the left, each judged by the place
            of first appearance, 1 = leftmost. Someone seen for under a fifth of the time of the
            one seen longest counts for neither.
        size
            width and height of the picture, pixels.

        Raises
        ------
        NoPoseError
            if there is nobody, or fewer than N people.
        """
        longest = max((len(track.frames) for track in self.tracks), default=0)
        people = [track for track in self.tracks if len(track.frames) >= _BRIEF * longest]
        if not people:
            raise NoPoseError("nobody was found")
        if person == "largest":
            return max(people, key=lambda track: sum(_area(p, size) for p in track.people))
        if person == "center":
            middle = np.array(size) / 2
            return min(people, key=lambda track: _mean_offset(track, middle))
        people.sort(key=lambda track: _middle(track.people[0])[0])
        if int(person) > len(people):
            raise NoPoseError(
                f"person {person} was asked for, but only {len(people)} "
                f"{'was' if len(people) == 1 else 'were'} found"
            )
        return people[int(person) - 1]


def check_choice(person: str | int) -> str | int:
    """Return the choice of a person, ``largest``, ``center`` or a number as an int.

    Raises
    ------
    ValueError
        if it is none of these.
    """
    if person in ("largest", "center"):
        return person
    try:
        number = int(person)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError(f"person must be largest, center or a number from 1, not {person!r}")
    return number


def distinct(people: list[np.ndarray]) -> list[np.ndarray]:
    """Drop people found twice in one frame; the better seen one stays."""
    kept: list[np.ndarray] = []
    for person in sorted(people, key=lambda p: -p[:, SEEN].mean()):
        if all(_shared(person, other) < _SAME for other in kept):
            kept.append(person)
    return kept


def _cost(track: Track, person: np.ndarray, time_s: float) -> float | None:
    """How unlike the track's last sight a person is; None if it cannot be the same."""
    last, gap_s = track.people[-1], time_s - track.last_s
    distance = _distance(last, person)
    if distance <= _REACH + _REACH_PER_S * min(gap_s, _LOST_S):
        return distance
    ratio = body_size(person) / body_size(last)
    if gap_s > _LOST_S and 1 / _SIZE_RATIO < ratio < _SIZE_RATIO:
        return 1000 + distance  # only after everyone who is within reach of somebody
    return None


def body_size(person: np.ndarray) -> float:
    """Diagonal of the box around the landmarks, pixels."""
    return float(np.hypot(*np.ptp(person[:, XY], axis=0))) + 1e-6


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean distance of two people's landmarks, in body sizes."""
    offset = np.hypot(*(a[:, XY] - b[:, XY]).T).mean()
    return float(offset / max(body_size(a), body_size(b)))


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    """Share of the smaller of two people's boxes that lies in the other one."""
    (low_a, high_a), (low_b, high_b) = ((p[:, XY].min(0), p[:, XY].max(0)) for p in (a, b))
    overlap = np.clip(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0, None).prod()
    return float(overlap / (min((high_a - low_a).prod(), (high_b - low_b).prod()) + 1e-6))


def _middle(person: np.ndarray) -> np.ndarray:
    """Centre of the box around the landmarks, (2,) pixels."""
    return (person[:, XY].min(axis=0) + person[:, XY].max(axis=0)) / 2


def _area(person: np.ndarray, size: tuple[int, int]) -> float:
    """Area of the box around the landmarks, inside the picture, square pixels."""
    return float(np.ptp(np.clip(person[:, XY], 0, size), axis=0).prod())


def _mean_offset(track: Track, middle: np.ndarray) -> float:
    """Mean distance of a person from a point, pixels."""
    return float(np.mean([np.hypot(*(_middle(person) - middle)) for person in track.people]))
