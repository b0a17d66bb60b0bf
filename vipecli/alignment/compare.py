"""Differences between two aligned performances of one movement."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.time_map import warp
from vipecli.alignment.turning_points import Turn, common_turns
from vipecli.alignment.warping_path import Alignment
from vipecli.errors import NoPoseError
from vipecli.poses import skeleton as sk
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import from_mediapipe

ANGLES = {
    "left elbow": (sk.LEFT_SHOULDER, sk.LEFT_ELBOW, sk.LEFT_WRIST),
    "right elbow": (sk.RIGHT_SHOULDER, sk.RIGHT_ELBOW, sk.RIGHT_WRIST),
    "left shoulder": (sk.LEFT_ELBOW, sk.LEFT_SHOULDER, sk.LEFT_HIP),
    "right shoulder": (sk.RIGHT_ELBOW, sk.RIGHT_SHOULDER, sk.RIGHT_HIP),
    "left hip": (sk.LEFT_SHOULDER, sk.LEFT_HIP, sk.LEFT_KNEE),
    "right hip": (sk.RIGHT_SHOULDER, sk.RIGHT_HIP, sk.RIGHT_KNEE),
    "left knee": (sk.LEFT_HIP, sk.LEFT_KNEE, sk.LEFT_ANKLE),
    "right knee": (sk.RIGHT_HIP, sk.RIGHT_KNEE, sk.RIGHT_ANKLE),
}
"""Angles by name: the joints at the end of one bone, between both, and at the end of the other.

180 degrees are a straight knee or elbow, a trunk in line with the thigh, an arm overhead. Turning
the camera or the body changes none of them, where the joints are known in 3D.
"""

SMOOTH_S = 0.1
"""Half-width of the window over which angles are smoothed, seconds: a detector trembles."""

SEEN = 0.5
"""An angle counts as known where all three joints are seen at least this surely."""

LEAST_KNOWN = 0.25
"""Least share of the matched time in which an angle is known in both clips, to be reported."""

APART_S = 0.4
"""Least distance of two moments of large difference in one angle, seconds."""

Source = Callable[[Poses], NDArray[np.float64]]
"""From poses to joints (T, 13, 2) or (T, 13, 3), any unit, NaN where not known."""


@dataclass(frozen=True)
class Moment:
    """A moment at which one angle differs much.

    Attributes
    ----------
    angle
        key of `ANGLES`.
    time_a, time_b
        seconds.
    a_deg, b_deg
        the angle in a and in b.
    """

    angle: str
    time_a: float
    time_b: float
    a_deg: float
    b_deg: float

    @property
    def difference_deg(self) -> float:
        """B less a."""
        return self.b_deg - self.a_deg


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
        where they differ most, largest first, in angles known for `LEAST_KNOWN` of the time.
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


def picture(poses: Poses) -> NDArray[np.float64]:
    """Joints (T, 13, 2) as the camera shows them, pixels; NaN where they are not surely seen."""
    return np.where((poses.score >= SEEN)[..., None], poses.xy, np.nan)


def lifted(poses: Poses) -> NDArray[np.float64]:
    """Joints (T, 13, 3) lifted to space by V-VIPE, torso units; NaN where not surely seen.

    Not smoothed by it: the angles are.
    """
    from vipecli.lifting.lift import lift

    return np.where((poses.score >= SEEN)[..., None], lift(poses, smooth_s=0).joints, np.nan)


def world(poses: Poses) -> NDArray[np.float64]:
    """Joints (T, 13, 3) as the detector guesses them in space, metres; NaN where not surely seen.

    Raises
    ------
    NoPoseError
        if the poses hold no 3D joints, such as those of most keypoint files.
    """
    if poses.world is None:
        raise NoPoseError(
            f"{poses.source or 'poses'}: no joints in space from a detector; use --pose lifted"
        )
    return np.where((poses.score >= SEEN)[..., None], from_mediapipe(poses.world), np.nan)


SOURCES: dict[str, Source] = {"2d": picture, "world": world, "lifted": lifted}
"""Where the joints come from, by name."""


def joint_angles(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angle between the two bones that meet in a joint.

    Parameters
    ----------
    joints
        shape (T, 13, C), C = 2 or 3, any unit.

    Returns
    -------
    shape (T, 8), degrees in [0, 180], in the order of `ANGLES`; NaN where a joint is missing or two
    fall together.

    Examples
    --------
    >>> import numpy as np
    >>> joints = np.zeros((1, 13, 2))
    >>> joints[0, [7, 9, 11]] = [(0, 0), (0, 1), (1, 1)]  # left hip, knee and ankle
    >>> float(joint_angles(joints)[0, list(ANGLES).index("left knee")])
    90.0
    """
    first, middle, last = np.array(list(ANGLES.values())).T
    u, v = (joints[:, end].astype(np.float64) - joints[:, middle] for end in (first, last))
    lengths = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(lengths > 0, (u * v).sum(axis=-1) / lengths, np.nan)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


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
        how many moments of large difference to name.

    Raises
    ------
    NoPoseError
        if the source knows no joints, or no angle is known in both clips.
    """
    matched = (a.times >= alignment.times_a[0]) & (a.times <= alignment.times_a[-1])
    times_a = a.times[matched]
    times_b = warp(alignment, times_a)
    angles_a, angles_b = (smoothed_angles(poses, source) for poses in (a, b))
    if mirrored:
        angles_b = angles_b[:, [k ^ 1 for k in range(len(ANGLES))]]
    a_deg, there = angles_a[matched], _between(times_b, b.times, angles_b)
    if not np.isfinite(a_deg - there).any():
        raise NoPoseError(
            f"{a.source or 'a'}, {b.source or 'b'}: no angle is seen surely enough in both clips"
        )
    return Comparison(
        times_a=times_a,
        times_b=times_b,
        a_deg=a_deg,
        b_deg=there,
        moments=_moments(times_a, times_b, a_deg, there, most),
        turns=common_turns(alignment, ANGLES, (a.times, angles_a), (b.times, angles_b)),
        ranges=_ranges(a_deg, there),
    )


def smoothed_angles(poses: Poses, source: Source) -> NDArray[np.float64]:
    """Angles (T, 8) of poses, degrees, each the weighted mean of its neighbourhood of `SMOOTH_S`.

    What is missing stays missing, and is left out of the means beside it.
    """
    angles = joint_angles(source(poses))
    known = np.isfinite(angles)
    values, out = np.where(known, angles, 0), np.full(angles.shape, np.nan)
    for i, time_s in enumerate(poses.times):
        near = slice(*np.searchsorted(poses.times, (time_s - SMOOTH_S, time_s + SMOOTH_S)))
        away = np.abs(poses.times[near] - time_s) / SMOOTH_S
        weight = ((1 - away.clip(0, 1) ** 3) ** 3)[:, None] * known[near]
        with np.errstate(invalid="ignore"):
            mean = (weight * values[near]).sum(axis=0) / weight.sum(axis=0)
        out[i] = np.where(known[i], mean, np.nan)
    return out


def _between(
    at: NDArray[np.float64], times: NDArray[np.float64], angles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Angles at other times by straight lines; NaN beside a missing one."""
    columns: list[NDArray[np.float64]] = [np.interp(at, times, column) for column in angles.T]
    return np.stack(columns, axis=1)


def _moments(
    times_a: NDArray[np.float64],
    times_b: NDArray[np.float64],
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    most: int,
) -> tuple[Moment, ...]:
    """Largest differences, no two of them in one angle within `APART_S`."""
    size = np.nan_to_num(np.abs(b - a), nan=-1.0)
    size[:, np.isfinite(b - a).mean(axis=0) < LEAST_KNOWN] = -1.0
    found: list[Moment] = []
    while len(found) < most and size.max(initial=-1.0) > 0:
        i, k = np.unravel_index(int(size.argmax()), size.shape)
        name = list(ANGLES)[k]
        found.append(Moment(name, *(float(v) for v in (times_a[i], times_b[i], a[i, k], b[i, k]))))
        size[np.abs(times_a - times_a[i]) < APART_S, k] = -1.0
    return tuple(found)


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
