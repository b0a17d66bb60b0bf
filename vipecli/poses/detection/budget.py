"""Budget of extra detections: the cost of a clip stays near that of plain MediaPipe."""

# In units of the cost of tracking one person in a frame (docs/detection.md): a single picture, and
# each person found in it.
_PICTURE, _PERSON = 0.5, 1.05
_PER_FRAME = 0.3  # earned per frame in which MediaPipe tracks someone
_PER_EMPTY_FRAME = 0.6  # where it does not, and takes a half itself
_START, _MOST = 5.0, 20.0  # credit: at the start of a clip, and what can be saved up
_LEAST = -9.0  # debt at most, which a search of all parts of a frame leaves
_STEADY_WAIT_S = 0.06  # after a search that found the person: the frames between are filled in
_PATIENCE = 6  # failed searches for someone close to another person
_FIRST_WAIT_S = 0.07  # after a search that failed, twice that after the next one, ...
_LONGEST_WAIT_S = 2.0


class Budget:
    """Credit for detections in single pictures, earned frame by frame and spent on searches.

    A search may overdraw the credit, which the next frames have to earn back.

    Parameters
    ----------
    everyone
        whether everyone matters: then the credit never ends.
    """

    def __init__(self, *, everyone: bool = False) -> None:
        self._credit, self._everyone = _START, everyone

    def earn(self, *, followed: bool) -> None:
        """Add the credit of a frame, by whether someone was tracked in it."""
        earned = _PER_FRAME if followed else _PER_EMPTY_FRAME
        self._credit = min(_MOST, self._credit + earned)

    def spend(self, people: int) -> None:
        """Charge a detection in which so many people were found."""
        self._credit = max(_LEAST, self._credit - _PICTURE - _PERSON * people)

    def allows(self) -> bool:
        """Return whether the credit allows another detection."""
        return self._everyone or self._credit > 0


class Searches:
    """Schedule of the searches for each lost track, with growing pauses after failures.

    Parameters
    ----------
    everyone
        whether everyone matters: then the people found are searched in the next frame again.
    """

    def __init__(self, *, everyone: bool = False) -> None:
        self._steady_wait_s = 0.0 if everyone else _STEADY_WAIT_S
        self._last_s: dict[int, float] = {}
        self._failures: dict[int, int] = {}

    def due(self, tracks: dict[int, bool], time_s: float) -> list[int]:
        """Return the tracks that are due for a search, the one searched longest ago first.

        Of each track: whether the person is close to another one, where they are easily mixed up;
        they are searched in every frame, unless that was in vain several times.
        """
        ready = [
            t
            for t, close in tracks.items()
            if (close and self._failures.get(t, 0) < _PATIENCE)
            or time_s >= self._last_s.get(t, -1e9) + self._wait_s(t)
        ]
        return sorted(ready, key=lambda t: self._last_s.get(t, -1e9))

    def note(self, track: int, time_s: float, *, found: bool) -> None:
        """Record a search and whether it found the person."""
        self._last_s[track] = time_s
        self._failures[track] = 0 if found else self._failures.get(track, 0) + 1

    def _wait_s(self, track: int) -> float:
        failures = self._failures.get(track, 0)
        wait_s = _FIRST_WAIT_S * 2 ** (failures - 1) if failures else self._steady_wait_s
        return min(wait_s, _LONGEST_WAIT_S)
