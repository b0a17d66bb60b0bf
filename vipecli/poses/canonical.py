"""The canonical frame of 3D poses, and the best rotation between two poses."""

import numpy as np

from vipecli.poses.skeleton import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER

_TINY = 1e-9


def mid_hip(poses: np.ndarray) -> np.ndarray:
    """Middle of the hips, shape (..., 3), of poses (..., 13, 3)."""
    return poses[..., [LEFT_HIP, RIGHT_HIP], :].mean(axis=-2)


def torso(poses: np.ndarray) -> np.ndarray:
    """Length from mid-hip to mid-shoulder, shape (...), of poses (..., 13, 3)."""
    top = poses[..., [LEFT_SHOULDER, RIGHT_SHOULDER], :].mean(axis=-2)
    return np.linalg.norm(top - mid_hip(poses), axis=-1)


def canonical(poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses in the canonical frame, and that frame's axes (Levy & Shrivastava, section 3.1).

    The mid-hip is the origin, the spine 1 long; x points to the person's left, y up the spine,
    z forward. Hip line and spine need not be at right angles: the rotation brings both, as unit
    vectors, as near as it can to the x and y axes (Kabsch). For two vectors that is closed: their
    sum and difference are at right angles and go to the diagonals.

    Parameters
    ----------
    poses
        shape (..., 13, 3), any right-handed axes and unit; NaN stays NaN.

    Returns
    -------
    Poses (..., 13, 3), and rotations (..., 3, 3) whose columns are the canonical axes in those of
    the input: ``poses = canonical @ rotation.T``, up to place and size.

    Examples
    --------
    >>> pose = np.random.default_rng(0).normal(size=(13, 3))
    >>> turned, _ = canonical(3 * pose[:, [1, 2, 0]] + 5)
    >>> bool(np.allclose(canonical(pose)[0], turned))
    True
    """
    poses = poses - mid_hip(poses)[..., None, :]
    up = _unit(poses[..., [LEFT_SHOULDER, RIGHT_SHOULDER], :].mean(axis=-2))
    left = _unit(poses[..., LEFT_HIP, :] - poses[..., RIGHT_HIP, :])
    plus, minus = _unit(up + left), _unit(up - left)
    x, y = _unit(plus - minus), _unit(plus + minus)
    rotation = np.stack([x, y, np.cross(x, y)], axis=-1)
    scale = np.maximum(torso(poses), _TINY)[..., None, None]
    return poses @ rotation / scale, rotation


def rotation_onto(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) that bring poses a (..., J, 3) nearest to b: ``a @ rotation.T``.

    Kabsch: least squares about the means, no reflection. Without a NaN.
    """
    a = a - a.mean(axis=-2, keepdims=True)
    b = b - b.mean(axis=-2, keepdims=True)
    u, _, vt = np.linalg.svd(np.swapaxes(b, -1, -2) @ a)
    sign = np.sign(np.linalg.det(u @ vt))
    u = np.concatenate([u[..., :2], u[..., 2:] * sign[..., None, None]], axis=-1)
    return u @ vt


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), _TINY)
