"""Differences between two aligned performances of one movement."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment import differences
from vipecli.alignment.joint_angles import ANGLES, Source, between, picture, smoothed_angles
from vipecli.alignment.seen_angles import seen_angles
from vipecli.alignment.time_map import warp
from vipecli.alignment.turning_points import Turn, common_turns
from vipecli.alignment.warping_path import Alignment
from vipecli.errors import NoPoseError
from vipecli.poses.poses import Poses

LEAST_KNOWN = 0.25
"""Least share of the matched time in which an angle is known in both clips, to be reported."""


@dataclass(frozen=True)
class Moment:
    """A stretch in which one angle differs more than its uncertainty from how it usually differs.

    Attributes
    ----------
    angle
        key of `ANGLES`.
    time_a, time_b
        its middle, seconds.
    a_deg, b_deg
        mean of the angle over the stretch in a and in b.
    difference_deg
        by how much b less a differs there from b less a in the rest of the movement, by all that is
        known (`differences.evidence`).
    std_deg
        standard uncertainty of that.
    start_a, end_a
        from when to when, seconds of a.
    """

    angle: str
    time_a: float
    time_b: float
    a_deg: float
    b_deg: float
    difference_deg: float
    std_deg: float
    start_a: float
    end_a: float


@dataclass(frozen=True)
class Range:
    """Range of one angle in the matched part of both clips, degrees.

    Attributes
    ----------
    angle
        key of `ANGLES`.
    a_deg, b_deg
        smallest and largest value.
    mean_deg
        mean of the size of the difference, moment by moment.
    known
        share of the matched time in which the angle is known in both, in [0, 1]. The other figures
        are NaN where it is 0.
    """

    angle: str
    a_deg: tuple[float, float]
    b_deg: tuple[float, float]
    mean_deg: float
    known: float


@dataclass(frozen=True)
class Comparison:
    """Angles of two performances, moment by moment.

    Attributes
    ----------
    times_a, times_b
        shape (F,), moments that belong together: the frames of a that b shows, too, and where the
        time map puts them in b; seconds.
    a_deg, b_deg
        shape (F, 8), the angles in the order of `ANGLES`; NaN where a joint is not seen.
    moments
        differences that exceed their uncertainty, see `differences.stretches`.
    turns
        turning points that both show, in the order of a.
    ranges
        one per angle.
    """

    times_a: NDArray[np.float64]
    times_b: NDArray[np.float64]
    a_deg: NDArray[np.float64]
    b_deg: NDArray[np.float64]
    moments: tuple[Moment, ...]
    turns: tuple[Turn, ...]
    ranges: tuple[Range, ...]


def compare(
    alignment: Alignment,
    a: Poses,
    b: Poses,
    *,
    source: Source = picture,
    mirrored: bool = False,
    most: int = 8,
) -> Comparison:
    """Compare the angles of two aligned performances.

    Parameters
    ----------
    alignment
        of a and b.
    a, b
        their poses.
    source
        where the joints come from. Angles of `picture` change with the camera: of one movement
        seen from two sides they differ by 11 degrees in the median and 39 in the 90th percentile,
        those of `world` by 9 and 21, of `lifted` by 6 and 19 (``python -m benchmarks.angles``).
    mirrored
        whether b was taken mirrored: then its left is compared with the right of a.
    most
        how many differences to name, the most important ones.

    Raises
    ------
    NoPoseError
        if the source knows no joints, or no angle is known in both clips.
    """
    matched = (a.times >= alignment.times_a[0]) & (a.times <= alignment.times_a[-1])
    times_a = a.times[matched]
    times_b = warp(alignment, times_a)
    sides = [k ^ mirrored for k in range(len(ANGLES))]
    angles_a, angles_b = smoothed_angles(a, source), smoothed_angles(b, source)[:, sides]
    a_deg, there = angles_a[matched], between(times_b, b.times, angles_b)
    if not np.isfinite(a_deg - there).any():
        raise NoPoseError(
            f"{a.source or 'a'}, {b.source or 'b'}: no angle is seen surely enough in both clips"
        )
    seen = seen_angles(a).at(times_a, a.times), seen_angles(b, mirror=mirrored).at(times_b, b.times)
    found = differences.stretches(times_a, differences.evidence(*seen), differences.known(*seen))[
        :most
    ]
    return Comparison(
        times_a=times_a,
        times_b=times_b,
        a_deg=a_deg,
        b_deg=there,
        moments=tuple(_moment(one, times_a, times_b, a_deg, there) for one in found),
        turns=common_turns(alignment, ANGLES, (a.times, angles_a), (b.times, angles_b)),
        ranges=_ranges(a_deg, there),
    )


def _moment(
    one: differences.Stretch,
    times_a: NDArray[np.float64],
    times_b: NDArray[np.float64],
    a_deg: NDArray[np.float64],
    b_deg: NDArray[np.float64],
) -> Moment:
    span, k = slice(one.first, one.end), one.angle
    middle = (one.first + one.end - 1) // 2
    both = np.isfinite(a_deg[span, k] + b_deg[span, k])
    means = (float(v[span, k][both].mean()) if both.any() else np.nan for v in (a_deg, b_deg))
    values = (times_a[middle], times_b[middle], *means, one.size_deg, one.std_deg)
    ends = times_a[[one.first, one.end - 1]]
    return Moment(list(ANGLES)[k], *(float(v) for v in (*values, *ends)))


def _ranges(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[Range, ...]:
    known = np.isfinite(a) & np.isfinite(b)
    rows: list[Range] = []
    for k, name in enumerate(ANGLES):
        both = known[:, k]
        nothing = (float("nan"), float("nan"))
        of_a, of_b = (
            (float(v[both, k].min()), float(v[both, k].max())) if both.any() else nothing
            for v in (a, b)
        )
        mean = float(np.abs(b - a)[both, k].mean()) if both.any() else float("nan")
        rows.append(Range(name, of_a, of_b, mean, float(both.mean())))
    return tuple(rows)
