"""Turning points of joint angles, and those that two performances share."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.time_map import warp
from vipecli.alignment.warping_path import Alignment

SWING_DEG = 12.0
"""A turn of an angle counts where the way to it and from it is at least this long, degrees."""

REST_DEG = 1.0
"""An angle rests while it stays this close to its extreme, degrees."""

NEAR_S = 0.5
"""Turns of a and b belong together if they are at most this far apart on the time map, seconds."""


@dataclass(frozen=True)
class Turn:
    """A turning point of one angle that both performances show.

    Attributes
    ----------
    angle
        key of `compare.ANGLES`.
    kind
        ``smallest`` (most bent) or ``largest`` (straightest).
    time_a, time_b
        when each of them turns, seconds in its own clip.
    late_s
        how much later b turns than its time map says, seconds of b: later than the rest of its
        body, compared with a.
    a_deg, b_deg
        the angle there.
    """

    angle: str
    kind: str
    time_a: float
    time_b: float
    late_s: float
    a_deg: float
    b_deg: float


def common_turns(
    alignment: Alignment,
    names: Iterable[str],
    a: tuple[NDArray[np.float64], NDArray[np.float64]],
    b: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[Turn, ...]:
    """Turning points in the matched part of both, each joined to its nearest of the same kind.

    Parameters
    ----------
    alignment
        of the clips a and b.
    names
        of K angles.
    a, b
        times (T,), seconds, and angles (T, K), degrees, of each.
    """
    (times_a, angles_a), (times_b, angles_b) = a, b
    rows: list[Turn] = []
    for k, name in enumerate(names):
        of_a = _within(turning_points(times_a, angles_a[:, k]), alignment.times_a)
        of_b = _within(turning_points(times_b, angles_b[:, k]), alignment.times_b)
        expected = warp(alignment, np.array([time_s for time_s, _, _ in of_a]))
        back = warp(alignment, np.array([time_s for time_s, _, _ in of_b]), onto="b")
        for i, (time_a, kind, deg_a) in enumerate(of_a):
            j = _partner(expected[i], kind, of_b)
            if j is None or _partner(back[j], kind, of_a) != i:
                continue
            time_b, _, deg_b = of_b[j]
            rows.append(Turn(name, kind, time_a, time_b, time_b - expected[i], deg_a, deg_b))
    return tuple(sorted(rows, key=lambda turn: turn.time_a))


def _within(
    turns: list[tuple[float, str, float]], times: NDArray[np.float64]
) -> list[tuple[float, str, float]]:
    return [turn for turn in turns if times[0] < turn[0] < times[-1]]


def _partner(time_s: float, kind: str, turns: list[tuple[float, str, float]]) -> int | None:
    """Index of the nearest turn of a kind within `NEAR_S`."""
    near = [(abs(other - time_s), i) for i, (other, its, _) in enumerate(turns) if its == kind]
    away, i = min(near, default=(np.inf, None))
    return i if away <= NEAR_S else None


def turning_points(
    times: NDArray[np.float64], angle: NDArray[np.float64]
) -> list[tuple[float, str, float]]:
    """Moments at which an angle turns, small to-and-fro left out.

    Parameters
    ----------
    times
        shape (T,), seconds.
    angle
        shape (T,), degrees; NaN where not known.

    Returns
    -------
    Time in seconds, ``smallest`` or ``largest``, and the angle: alternating extremes whose way to
    the extreme before and behind is at least `SWING_DEG`. The first and the last known moment are
    none. Where an angle rests at its extreme, to within `REST_DEG`, the middle of the rest.
    """
    known = np.flatnonzero(np.isfinite(angle))
    found: list[tuple[float, str, float]] = []
    values = angle[known]
    for before, here in pairwise(_zigzag(values)):
        first, last = _rest(values, here)
        time_s = (times[known[first]] + times[known[last]]) / 2
        kind = "largest" if values[here] > values[before] else "smallest"
        found.append((float(time_s), kind, float(values[here])))
    return found


def _rest(values: NDArray[np.float64], here: int) -> tuple[int, int]:
    """First and last index of the run around an extreme that stays close to it."""
    close = np.abs(values - values[here]) <= REST_DEG
    behind, ahead = ~close[here::-1], ~close[here:]
    first = here - (int(behind.argmax()) - 1 if behind.any() else here)
    last = here + (int(ahead.argmax()) - 1 if ahead.any() else len(values) - 1 - here)
    return first, last


def _zigzag(values: NDArray[np.float64]) -> list[int]:
    """Indices of extremes, each `SWING_DEG` from the next; the first has no way before it."""
    low = high = 0
    turns: list[int] = []
    rising: bool | None = None
    for i, value in enumerate(values):
        low = i if value < values[low] else low
        high = i if value > values[high] else high
        if rising is not False and values[high] - value >= SWING_DEG:
            turns.append(high)
            rising, low = False, i
        elif rising is not True and value - values[low] >= SWING_DEG:
            turns.append(low)
            rising, high = True, i
    return turns
