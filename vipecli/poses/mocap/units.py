"""Length units and up axes of recorded motion, inferred from size and stance of the body."""

import numpy as np

from vipecli.poses.skeleton import (
    LEFT_ANKLE,
    LEFT_HIP,
    LEFT_SHOULDER,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)
from vipecli.poses.up_axis import Y_UP, turn_upright, up_axis

_TORSO_M = 0.5  # from mid-hip to mid-shoulder of an adult
_METRES = (0.2, 1.0)  # torsos that are taken to be in metres
_LIKELY_M = (0.3, 0.75)  # torsos of adults and older children
_UNITS = {"centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}


def in_metres(joints: np.ndarray) -> tuple[np.ndarray, str]:
    """Joints in metres with y up.

    Parameters
    ----------
    joints
        shape (T, 13, 3), any length unit, any axis up; NaN where missing.

    Returns
    -------
    The joints, and in words what was converted, empty if nothing was. A torso of 0.2 to 1 is in
    metres; else the unit is the first of centimetres, millimetres and inches that makes it as long
    as people's, and one of no known unit is scaled to 0.5 m.
    """
    torso = torso_length(joints)
    if not np.isfinite(torso) or torso <= 0:
        return joints, ""
    remarks = []
    if not _METRES[0] <= torso <= _METRES[1]:
        known = {
            name: factor
            for name, factor in _UNITS.items()
            if _LIKELY_M[0] <= torso * factor <= _LIKELY_M[1]
        }
        name, factor = next(iter(known.items()), ("an unknown unit", _TORSO_M / torso))
        joints = joints * np.float32(factor)
        remarks.append(f"lengths in {name}")
    feet, shoulders = (LEFT_ANKLE, RIGHT_ANKLE), (LEFT_SHOULDER, RIGHT_SHOULDER)
    up = up_axis(joints, feet=feet, shoulders=shoulders)
    if up != Y_UP:
        joints = turn_upright(joints, up)
        remarks.append(up)
    return joints, ", ".join(remarks)


def torso_length(joints: np.ndarray) -> float:
    """Median distance from mid-hip to mid-shoulder, in the unit of the joints; NaN if unknown."""
    shoulders = joints[:, [LEFT_SHOULDER, RIGHT_SHOULDER]].mean(axis=1)
    hips = joints[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1)
    lengths = np.linalg.norm(shoulders - hips, axis=-1)
    lengths = lengths[np.isfinite(lengths)]
    return float(np.median(lengths)) if len(lengths) else float("nan")
