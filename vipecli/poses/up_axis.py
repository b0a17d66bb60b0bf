"""Up axis of recorded 3D motion: y by convention, z or x in many exports."""

from collections.abc import Sequence

import numpy as np

_UPRIGHT = 0.7  # share of the way from feet to shoulders that goes along the axis that is up
_FLOOR = 0.3  # of that way: how far from 0 the lowest point may be to stand on the floor


def up_axis(points: np.ndarray, *, feet: Sequence[int], shoulders: Sequence[int]) -> int:
    """Axis that points up: 0, 1 or 2.

    People stand, walk or sit in most recordings, so that the way from their feet to their
    shoulders goes up. Someone who lies on the floor all the time, y up, is recognised by the
    floor: there the lowest y is about 0, and the lowest value along the body is not.

    Parameters
    ----------
    points
        shape (T, K, 3), NaN where missing.
    feet, shoulders
        places of the points whose means are taken.

    Returns
    -------
    1 unless another axis is clearly the one.
    """
    with np.errstate(invalid="ignore"):
        way = points[:, list(shoulders)].mean(axis=1) - points[:, list(feet)].mean(axis=1)
    way = way[np.isfinite(way).all(axis=1)]
    if not len(way):
        return 1
    way = np.median(way, axis=0)
    length = float(np.linalg.norm(way))
    axis = int(way.argmax())
    if axis == 1 or way[axis] < _UPRIGHT * length:
        return 1
    low = np.abs(np.nanmin(points, axis=(0, 1)))
    lies = low[1] < _FLOOR * length <= low[axis]
    return 1 if lies else axis


def turn_upright(points: np.ndarray, axis: int) -> np.ndarray:
    """Points (..., 3) with y up, turned about one axis; as they are where y is up already."""
    if axis == 2:
        return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)
    if axis == 0:
        return np.stack([-points[..., 1], points[..., 0], points[..., 2]], axis=-1)
    return points
