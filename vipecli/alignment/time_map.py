"""The time map of an alignment: corresponding times, and relative speed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate  # pyright: ignore[reportMissingTypeStubs]

from vipecli.alignment.warping_path import Alignment

_SPLINES: Any = interpolate  # it has no types
_STIFFNESS = 0.4  # fourth root of the spline's lambda in seconds, as a part of the time constant
_LEAST_KNOTS = 5  # of a smoothing spline
_KNOT_S = 0.005  # knots that are nearer to each other are one
_PIN = 1000  # weight of the first and last moment: the ends of the map are those of the path

SPEED_STEP_S = 0.1
"""Grid on which `speed` looks for changes, seconds."""

MERGE_LOG2 = 0.2
"""Speeds that differ by less than this many octaves (about 15 %) are one segment."""

SHORTEST_S = 0.4
"""Shortest segment of `speed`, seconds."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a in which b runs at one speed.

    Attributes
    ----------
    start_s, end_s
        in the time of a.
    ratio
        speed of b relative to a: 0.5 where b takes twice as long for the same movement.
    """

    start_s: float
    end_s: float
    ratio: float


def warp(
    alignment: Alignment, times: NDArray[np.float64], *, onto: str = "a"
) -> NDArray[np.float64]:
    """Map times of one clip to the corresponding times of the other.

    A warping path is a staircase: played back as it is, the warped clip would stop and jump. So
    a cubic smoothing spline goes through the mean time per frame, weighted by the matching
    probability: where a pose is ambiguous or occluded, the map passes smoothly. It is made
    non-decreasing and joined by a monotone cubic. Its ends are the ends of the path.

    Parameters
    ----------
    alignment
        of the clips a and b.
    times
        shape (T,), seconds in the clip `onto`; outside of the clip the map stays at its end.
    onto
        ``"a"``: from times of a to times in b; ``"b"``: from times of b to times in a.

    Returns
    -------
    shape (T,) float64, seconds in the other clip; non-decreasing where `times` is.

    Raises
    ------
    ValueError
        if `onto` is neither.
    """
    if onto not in ("a", "b"):
        raise ValueError(f"onto is {onto!r}; use 'a' or 'b'")
    knots, values = _knots(alignment, onto)
    times = np.asarray(times, np.float64)
    if len(knots) == 1:
        return np.full(times.shape, values[0])
    there = _SPLINES.PchipInterpolator(knots, values)(times.clip(knots[0], knots[-1]))
    return there.clip(values[0], values[-1])  # the cubic may miss its ends by a rounding


def speed(alignment: Alignment) -> list[Segment]:
    """Stretches of a in which b runs faster or slower.

    The time map is cut into stretches of constant speed, from the bottom up: the two neighbours
    that are most alike are joined until all neighbours differ by 15 % and last 0.4 s.

    Returns
    -------
    Segments in order, without gaps, from the first to the last moment of a; none for a clip of
    one frame.
    """
    start, end = alignment.times_a[0], alignment.times_a[-1]
    if end <= start:
        return []
    steps = max(1, round((end - start) / SPEED_STEP_S))
    edges = _grid(start, end, steps)
    there = warp(alignment, edges)
    cuts = _merge(edges, there)
    edges, ratios = edges[cuts], _ratios(edges[cuts], there[cuts])
    return [
        Segment(float(edges[k]), float(edges[k + 1]), float(ratio))
        for k, ratio in enumerate(ratios)
    ]


def _grid(start: float, end: float, steps: int) -> NDArray[np.float64]:
    """Moments from start to end, `steps` apart, both included."""
    linspace: Callable[..., NDArray[np.float64]] = np.linspace
    return linspace(start, end, steps + 1)


def _ratios(edges: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Speed of b relative to a from each moment to the next, within 1/16 to 16."""
    return (np.diff(edges) / np.maximum(np.diff(there), 1e-9)).clip(1 / 16, 16)


def _merge(edges: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.int64]:
    """Grid points at which the speed changes, the two ends included."""
    cuts = np.arange(len(edges))
    while len(cuts) > 2:
        octaves = np.log2(_ratios(edges[cuts], there[cuts]))
        lasts = np.diff(edges[cuts])
        shorter = np.minimum(lasts[1:], lasts[:-1])
        gap = np.abs(np.diff(octaves))
        done = (gap >= MERGE_LOG2) & (shorter >= SHORTEST_S - 1e-9)
        if done.all():
            break
        # what joining costs: the variance that two speeds in one segment leave
        loss = gap**2 * lasts[1:] * lasts[:-1] / (lasts[1:] + lasts[:-1])
        cuts = np.delete(cuts, int(np.where(done, np.inf, loss).argmin()) + 1)
    return cuts


def _knots(alignment: Alignment, onto: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One smoothed, non-decreasing target time per distinct source time."""
    source, target = alignment.times_a, alignment.times_b
    if onto == "b":
        source, target = target, source
    _, owner, count = np.unique(np.round(source / _KNOT_S), return_inverse=True, return_counts=True)
    knots, values = (np.bincount(owner, times) / count for times in (source, target))
    if len(knots) >= _LEAST_KNOTS and alignment.smooth_s > 0:
        weights = np.bincount(owner, alignment.match_probability) / count * np.gradient(knots)
        weights[[0, -1]] *= _PIN
        stiffness = (_STIFFNESS * alignment.smooth_s) ** 4
        spline = _SPLINES.make_smoothing_spline(
            knots, values, weights / weights.mean(), lam=stiffness
        )
        values = spline(knots)
        values[[0, -1]] = target[0], target[-1]
    return knots, np.maximum.accumulate(values.clip(target[0], target[-1]))
