"""3D points of a file as a camera in front of the person sees them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.up_axis import turn_upright, up_axis

_SIDES = ("left", "right")


def seen_from_front(
    path: Path, xyz: np.ndarray, places: Mapping[str, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Picture of 3D points by a camera in front of the person, five body heights away.

    What has z or x up, or y down, is turned. The embedding does not depend on where the camera
    stands.

    Parameters
    ----------
    path
        of the file, for messages.
    xyz
        shape (T, K, 3), NaN where missing.
    places
        of the points, by the names of `skeleton.JOINTS`.

    Returns
    -------
    Points (T, K, 2) in pixels, y down, and the size of the picture.

    Raises
    ------
    FormatError
        if the points have no front.
    """
    try:
        left, right = (places[f"{side}_hip"] for side in _SIDES)
    except KeyError:
        raise FormatError(
            f"{path}: 3D markers without LHip and RHip, so that it has no front; convert it to 2D"
        ) from None
    feet, shoulders = (
        [places[name] for side in _SIDES if (name := f"{side}_{part}") in places]
        for part in ("ankle", "shoulder")
    )
    if feet and shoulders:
        xyz = turn_upright(xyz, up_axis(xyz, feet=feet, shoulders=shoulders))
    across = xyz[:, left] - xyz[:, right]
    across = across[np.isfinite(across).all(axis=1)].sum(axis=0) * [1, 0, 1]
    if not np.linalg.norm(across) > 0:
        raise FormatError(f"{path}: its hips are nowhere to be seen, so that it has no front")
    across /= np.linalg.norm(across)
    ahead = np.cross(across, [0.0, 1.0, 0.0])  # y up: left x up points to the front
    low, high = np.nanmin(xyz, axis=(0, 1)), np.nanmax(xyz, axis=(0, 1))
    middle, height = (low + high) / 2, float(np.linalg.norm(high - low))
    offset = xyz - middle
    depth = 5 * height - offset @ ahead
    # From the front the person's left is on the right.
    picture = np.stack([offset @ across, -offset[..., 1]], axis=-1) / depth[..., None]
    return into_picture(picture)


def into_picture(xy: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Points moved and scaled, alike in x and y, into a picture a thousand pixels high."""
    low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
    side = max(float((high - low).max()), 1e-9)
    scale, margin = 800 / side, 100
    size = np.round((high - low) * scale).astype(int) + 2 * margin
    return (xy - low) * scale + margin, (int(size[0]), int(size[1]))
