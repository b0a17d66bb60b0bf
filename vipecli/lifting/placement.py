"""Position of a lifted body in the view of a far camera, and the scale of that view."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.lifting.lift import Lifted
from vipecli.poses.poses import Poses


def where(lifted: Lifted, poses: Poses) -> NDArray[Any]:
    """Place of the mid-hip (T, 3) as a far camera sees it: right and down in torso units, 0 deep.

    The scale is the clip's median, so that a walk across the picture is a walk, and one towards
    the camera stands still. The middle of the picture is 0. NaN where `lifted` is.
    """
    return _seen_from_far(lifted, poses)[0]


def pixels_per_torso(lifted: Lifted, poses: Poses) -> float:
    """Scale of `where`: a joint at (x, y) of it is that many times (x, y) from the middle."""
    return _seen_from_far(lifted, poses)[1]


def _seen_from_far(lifted: Lifted, poses: Poses) -> tuple[np.ndarray, float]:
    """Places (T, 3), and pixels per torso."""
    flat = lifted.in_camera()[..., :2]
    weight = np.where(poses.score > 0, poses.score, 0)[..., None]
    xy = np.nan_to_num(poses.xy)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight.sum(axis=1)
        mean_xy, mean_flat = (xy * weight).sum(axis=1) / total, (flat * weight).sum(axis=1) / total
        a, b = xy - mean_xy[:, None], flat - mean_flat[:, None]
        scale = (a * b * weight).sum(axis=(1, 2)) / (b * b * weight).sum(axis=(1, 2))
        scale = np.nanmedian(np.where(scale > 0, scale, np.nan))
        place = (mean_xy - np.array(poses.size) / 2) / scale - mean_flat
    found, seen = np.isfinite(flat).all(axis=(1, 2)), np.isfinite(place).all(axis=1)
    if seen.any():  # a gap that smoothing filled is crossed on a straight line
        for side in place.T:
            side[found] = np.interp(lifted.times[found], lifted.times[seen], side[seen])
    return np.concatenate([place, 0 * place[:, :1]], axis=1), float(scale)
