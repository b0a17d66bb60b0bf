"""3D poses to test on: somebody who stands, others like that, somebody who waves."""

import numpy as np

from vipecli.evaluate.views import CAMERAS, project
from vipecli.poses import skeleton as sk
from vipecli.poses.poses import Poses

STANDING = np.array(
    [
        [0, 1.65, 0.05],
        [0.2, 1.4, 0], [-0.2, 1.4, 0], [0.25, 1.1, 0], [-0.25, 1.1, 0],
        [0.27, 0.85, 0.1], [-0.27, 0.85, 0.1],
        [0.1, 0.9, 0], [-0.1, 0.9, 0], [0.1, 0.5, 0.05], [-0.1, 0.5, 0.05],
        [0.1, 0.1, 0], [-0.1, 0.1, 0],
    ]
)  # fmt: skip


def people(count: int = 30, seed: int = 0) -> np.ndarray:
    """Return poses (count, 13, 3) around one that stands."""
    return STANDING + np.random.default_rng(seed).normal(0, 0.04, (count, 13, 3))


def seen(motion: np.ndarray, camera: int = 0, fps: float = 30.0) -> Poses:
    """Return the poses (T, 13, 3) as a camera sees them."""
    xy = project(motion, CAMERAS["chest"][camera])
    return Poses(xy, np.ones(xy.shape[:2], np.float32), np.arange(len(xy)) / fps, (1000, 1000))


def waving(frames: int = 40) -> np.ndarray:
    """Return somebody who raises the left forearm, shape (frames, 13, 3)."""
    motion = np.repeat(STANDING[None], frames, axis=0)
    angle = np.linspace(0, 2, frames)
    elbow = motion[:, sk.LEFT_ELBOW]
    reach = np.stack([0 * angle, -np.cos(angle), np.sin(angle)], 1) * 0.25
    motion[:, sk.LEFT_WRIST] = elbow + reach
    return motion
