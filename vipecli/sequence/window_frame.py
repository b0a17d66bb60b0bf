"""Body-centred axes of Pose-GPT's input: those of the person at the last known frame."""

from dataclasses import dataclass

import numpy as np

from vipecli.poses import skeleton as sk
from vipecli.poses.canonical import mid_hip, torso

_FACING_FRAMES = 5  # last frames whose mean says which way the person faces
_TINY = 1e-6


@dataclass(frozen=True)
class WindowFrame:
    """Where windows (B, ...) stand, which way they face and how large their bodies are.

    Attributes
    ----------
    place
        shape (B, 3), mid-hip at the last known frame.
    turn
        shape (B, 3, 3), columns are left, up and forward of the person, up being the world's.
    size
        shape (B,), length of the torso.
    """

    place: np.ndarray
    turn: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, seen: np.ndarray) -> "WindowFrame":
        """Frame of known poses (B, T, 13, 3), y up, right-handed; no NaN.

        The person's left is the mean of the lines of hips and shoulders over the last frames,
        without its part along y. If that line is upright it is x.
        """
        last = seen[:, -_FACING_FRAMES:]
        left = last[:, :, sk.LEFT_HIP] - last[:, :, sk.RIGHT_HIP]
        left = left + last[:, :, sk.LEFT_SHOULDER] - last[:, :, sk.RIGHT_SHOULDER]
        left = left.mean(axis=1) * np.array([1.0, 0.0, 1.0])
        length = np.linalg.norm(left, axis=-1, keepdims=True)
        left = np.where(length > _TINY, left / np.maximum(length, _TINY), [1.0, 0.0, 0.0])
        up = np.broadcast_to([0.0, 1.0, 0.0], left.shape)
        turn = np.stack([left, up, np.cross(left, up)], axis=-1)
        size = np.maximum(np.median(torso(seen), axis=1), _TINY)
        return cls(mid_hip(seen[:, -1]), turn, size)

    def enter(self, poses: np.ndarray) -> np.ndarray:
        """Poses (B, T, 13, 3) in these axes, in units of the torso."""
        moved = poses - self.place[:, None, None]
        return np.einsum("btji,bik->btjk", moved, self.turn) / self.size[:, None, None, None]

    def leave(self, poses: np.ndarray) -> np.ndarray:
        """The inverse of `enter`."""
        turned = np.einsum("btjk,bik->btji", poses, self.turn)
        return turned * self.size[:, None, None, None] + self.place[:, None, None]

    def direction(self, world: np.ndarray) -> np.ndarray:
        """Unit vectors (B, 2), left and forward, of directions (B, 3) of the world along the floor.

        0 where a direction is 0 or points up.
        """
        here = np.einsum("bi,bik->bk", world, self.turn)[:, [0, 2]]
        length = np.linalg.norm(here, axis=-1, keepdims=True)
        return np.where(length > _TINY, here / np.maximum(length, _TINY), 0.0)


def without_depth(poses: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """Return poses without their translation along a direction that the camera cannot see.

    Parameters
    ----------
    poses
        shape (B, T, 13, 3), axes left, up, forward.
    unseen
        shape (B, 2), a unit vector along the floor, left and forward; 0 = all is seen.
    """
    flat = np.stack([unseen[:, 0], 0 * unseen[:, 0], unseen[:, 1]], axis=-1)
    along = np.einsum("bti,bi->bt", mid_hip(poses), flat)
    return poses - along[:, :, None, None] * flat[:, None, None, :]
