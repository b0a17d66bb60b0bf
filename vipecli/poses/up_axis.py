"""Up axis of recorded 3D motion: y by convention, z or x, or y downwards, in many exports."""

from collections.abc import Sequence

import numpy as np

_UPRIGHT = 0.7  # share of the way from feet to shoulders that goes along the axis that is up
_FLOOR = 0.3  # of that way: how far from 0 the lowest point may be to stand on the floor
_AXES = "xyz"

Y_UP = "y up"
"""As motion is kept here."""


def up_axis(points: np.ndarray, *, feet: Sequence[int], shoulders: Sequence[int]) -> str:
    """Axis that points up, and whether it does or points down: ``y up``, ``z down`` ...

    People stand, walk or sit in most recordings, so that the way from their feet to their
    shoulders goes up. Someone who lies on the floor or stands on the hands all the time, y up, is
    recognised by the floor: there the lowest y is about 0, and the lowest point along the body
    is not.

    Parameters
    ----------
    points
        shape (T, K, 3), NaN where missing.
    feet, shoulders
        places of the points whose means are taken.

    Returns
    -------
    `Y_UP` unless another axis is clearly the one.
    """
    with np.errstate(invalid="ignore"):
        way = points[:, list(shoulders)].mean(axis=1) - points[:, list(feet)].mean(axis=1)
    way = way[np.isfinite(way).all(axis=1)]
    if not len(way):
        return Y_UP
    way = np.median(way, axis=0)
    length = float(np.linalg.norm(way))
    axis = int(np.abs(way).argmax())
    is_up = way[axis] > 0
    if (axis == 1 and is_up) or abs(way[axis]) < _UPRIGHT * length:
        return Y_UP
    low = np.abs(np.nanmin(points, axis=(0, 1)))
    lowest = low[axis] if is_up else abs(np.nanmax(points[..., axis]))
    on_the_floor = low[1] < _FLOOR * length
    if on_the_floor and (axis == 1 or _FLOOR * length <= lowest):
        return Y_UP
    return f"{_AXES[axis]} {'up' if is_up else 'down'}"


def turn_upright(points: np.ndarray, up: str) -> np.ndarray:
    """Points (..., 3) with y up, turned about one axis; as they are where y is up already."""
    x, y, z = (points[..., axis] for axis in range(3))
    turned = {
        "x up": (-y, x, z),
        "x down": (y, -x, z),
        "y down": (x, -y, -z),
        "z up": (x, z, -y),
        "z down": (x, -z, y),
    }
    return np.stack(turned[up], axis=-1) if up in turned else points
