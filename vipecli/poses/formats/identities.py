"""People followed by the numbers that a file gives them, and by where they are."""

from collections.abc import Hashable, Sequence
from itertools import groupby

import numpy as np

from vipecli.poses.boxes import Boxes
from vipecli.poses.tracking import Track, Tracks, distance

_RECENT_S = 0.5  # since when somebody was seen whose place counts
_JUMP = 1.0  # body sizes; whoever moved farther meanwhile may be somebody else
_NEAR = 0.5  # body sizes; whoever is as near to where somebody was may be that one


def followed(
    order: Sequence[int],
    rows: np.ndarray,
    times: np.ndarray,
    people: np.ndarray,
    numbers: Sequence[Hashable],
) -> tuple[Tracks, float | None]:
    """Tracks of the people of a file.

    A number stands for a person, except where somebody else is meant all at once: where two
    people exchange their numbers, or somebody goes on under a new one. There places decide. Two
    numbers that are in one frame are two people.

    Parameters
    ----------
    order
        of the people, by frame.
    rows
        frame index of each.
    times
        of all frames, seconds.
    people
        shape (R, K, 7), as in `vipecli.poses.tracking`.
    numbers
        of the people, unique in a frame.

    Returns
    -------
    The tracks, and the time at which two people first exchange their numbers; None if none do.
    """
    places = _Places(people)
    known: dict[Hashable, int] = {}
    shown: dict[Hashable, set[int]] = {}
    for row in order:
        shown.setdefault(numbers[row], set()).add(int(rows[row]))
    exchanged = None
    for frame, group in groupby(order, key=lambda row: int(rows[row])):
        found, time_s = list(group), float(times[frame])
        owners = places.nearest({r: known[numbers[r]] for r in found if numbers[r] in known})
        moved = places.decided(found, owners, time_s)
        moved = {
            row: track
            for row, track in moved.items()
            if row in owners or _goes_on(numbers[row], track, frame, known, shown)
        }
        if exchanged is None and sum(row in owners for row in moved) > 1:
            exchanged = time_s
        owners |= moved
        for row in found:
            known[numbers[row]] = places.add(owners.get(row), row, frame, time_s)
    return places.tracks, exchanged


def _goes_on(
    number: Hashable,
    track: int,
    frame: int,
    known: dict[Hashable, int],
    shown: dict[Hashable, set[int]],
) -> bool:
    """Whether a track may go on under a new number: its own is in no frame with that one.

    Or it is in this one, and means somebody else from here on.
    """
    own = (shown[other] for other, owner in known.items() if owner == track)
    return all(frame in frames or frames.isdisjoint(shown[number]) for frames in own)


class _Places:
    """Tracks, and where each person was last."""

    def __init__(self, people: np.ndarray) -> None:
        self._people, boxes = people, Boxes(people)
        self._middles, self._sizes = boxes.middle.tolist(), boxes.size.tolist()
        self._last: list[int] = []  # row by track
        self.tracks = Tracks()

    def add(self, owner: int | None, row: int, frame: int, time_s: float) -> int:
        """Append a person to a track, or to a new one; return which."""
        if owner is None:
            owner = len(self.tracks.tracks)
            self.tracks.tracks.append(Track())
            self._last.append(row)
        self.tracks.tracks[owner].add(frame, time_s, self._people[row])
        self._last[owner] = row
        return owner

    def nearest(self, owners: dict[int, int]) -> dict[int, int]:
        """Tracks of rows, each track at the nearest row of those that claim it."""
        if len(set(owners.values())) == len(owners):
            return owners
        apart = sorted(
            (
                (distance(self._people[self._last[t]], self._people[row]), row, t)
                for row, t in owners.items()
            ),
            reverse=True,
        )
        rows = {t: row for _, row, t in apart}
        return {row: t for t, row in rows.items()}

    def decided(self, found: list[int], owners: dict[int, int], time_s: float) -> dict[int, int]:
        """Other tracks than those of their numbers, of people of whom places tell."""
        doubtful = [row for row in found if row not in owners or self._jumps(owners, row, time_s)]
        if not doubtful:
            return {}
        sure = {track for row, track in owners.items() if row not in doubtful}
        free = [t for t in range(len(self._last)) if t not in sure and self._is_recent(t, time_s)]
        apart = sorted(
            (distance(self._people[self._last[t]], self._people[row]), row, t)
            for row in doubtful
            for t in free
        )
        moved: dict[int, int] = {}
        for gap, row, t in apart:
            if gap <= _NEAR and row not in moved and t not in moved.values():
                moved[row] = t
        kept = {owners[row] for row in doubtful if row in owners and row not in moved}
        return {row: t for row, t in moved.items() if t not in kept and owners.get(row) != t}

    def _is_recent(self, track: int, time_s: float) -> bool:
        return time_s - self.tracks.tracks[track].last_s <= _RECENT_S

    def _jumps(self, owners: dict[int, int], row: int, time_s: float) -> bool:
        """Whether somebody moved too far since a moment ago."""
        track = owners[row]
        if not self._is_recent(track, time_s):
            return False
        (x, y), (u, v) = self._middles[row], self._middles[self._last[track]]
        size = max(self._sizes[row], self._sizes[self._last[track]])
        return (x - u) ** 2 + (y - v) ** 2 > (_JUMP * size) ** 2
