"""Windows: the frames around one that a model sees at once."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_REACH_S = 10.0
"""Seconds that a window may reach to either side."""

_MOST_FRAMES = 99


@dataclass(frozen=True)
class Window:
    """Frames of a clip at equal distances in time, around a middle one.

    Attributes
    ----------
    frames
        F, odd.
    step_s
        seconds from one to the next.
    """

    frames: int
    step_s: float

    def __post_init__(self) -> None:
        """Check both once.

        Raises
        ------
        ValueError
            if F is not odd or too large, or the window has no length or too much of it.
        """
        if type(self.frames) is not int or not 1 <= self.frames <= _MOST_FRAMES:
            raise ValueError(f"{self.frames!r} is no number of frames up to {_MOST_FRAMES}")
        if self.frames % 2 == 0:
            raise ValueError(f"a window of {self.frames} frames has no middle one")
        if type(self.step_s) not in (int, float) or not 0 < self.step_s <= MOST_REACH_S:
            raise ValueError(f"{self.step_s!r} is no number of seconds up to {MOST_REACH_S:g}")
        if self.reach_s > MOST_REACH_S:
            raise ValueError(f"a window reaches up to {MOST_REACH_S:g} s, not {self.reach_s:g} s")

    @property
    def reach_s(self) -> float:
        """Seconds before and after the middle frame in which the others may lie."""
        return (self.frames // 2 + 0.5) * self.step_s

    def rows(self, times: NDArray[np.float64], middle: NDArray[np.int64]) -> NDArray[np.int64]:
        """Frames in the places of windows.

        The place k of the window around time t is taken by the frame nearest to t + k step_s, the
        earlier one of two, where one is within half a step.

        Parameters
        ----------
        times
            shape (T,), seconds, strictly increasing.
        middle
            shape (P,), the frames in the middle.

        Returns
        -------
        shape (P, F), places in order of time; -1 where no frame is near enough, as beyond the ends
        of the clip.
        """
        places = np.arange(self.frames) - self.frames // 2
        wanted = times[middle, None] + self.step_s * places
        after = np.searchsorted(times, wanted).clip(max=len(times) - 1)
        before = (after - 1).clip(min=0)
        nearest = np.where(wanted - times[before] <= times[after] - wanted, before, after)
        return np.where(np.abs(times[nearest] - wanted) <= self.step_s / 2, nearest, -1)
