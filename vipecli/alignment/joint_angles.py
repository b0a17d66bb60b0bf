"""Angles of joints: from poses in the picture or in space, smoothed over time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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

Source = Callable[[Poses], NDArray[np.float64]]
"""From poses to joints (T, 13, 2) or (T, 13, 3), any unit, NaN where not known."""


def picture(poses: Poses) -> NDArray[np.float64]:
    """Joints (T, 13, 2) as the camera shows them, pixels; NaN where they are not surely seen."""
    return np.where((poses.score >= SEEN)[..., None], poses.xy, np.nan)


def lifted(poses: Poses) -> NDArray[np.float64]:
    """Joints (T, 13, 3) lifted to 3D by V-VIPE, torso units; NaN where not surely seen.

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


def between(
    at: NDArray[np.float64], times: NDArray[np.float64], angles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Angles (F, 8) of (T, 8) at other times (F,), by straight lines; NaN beside a missing one."""
    columns: list[NDArray[np.float64]] = [np.interp(at, times, column) for column in angles.T]
    return np.stack(columns, axis=1)
