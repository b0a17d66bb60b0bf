"""New motions from windows of the benchmark's 25 joints, whose root is held."""

import numpy as np
import pydantic
from pydantic import NonNegativeFloat
from scipy.spatial.transform import Rotation

from vipecli.evaluate.motion_windows import JOINTS
from vipecli.train.setting_types import CHECKED, Share

LEGS = tuple(JOINTS.index(j) for j in JOINTS if j <= 12)
ARMS = tuple(tuple(JOINTS.index(j) for j in JOINTS if a <= j <= b) for a, b in ((20, 28), (29, 37)))
_CHEST = JOINTS.index(15)  # where both arms hang


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Variation:
    """How windows are varied; probabilities per window, all 0 = not at all.

    Attributes
    ----------
    legs, arms
        probability that these move as in another window.
    offset
        greatest share of the difference of two other poses that is added to a window's every frame.
    turn_deg, tilt_deg
        std of a rotation about the vertical and about the other axes.
    size_std
        of the logarithm of the size.
    backwards
        probability that a window runs backwards.
    """

    legs: Share = 0.0
    arms: Share = 0.0
    offset: NonNegativeFloat = 0.0
    turn_deg: NonNegativeFloat = 0.0
    tilt_deg: NonNegativeFloat = 0.0
    size_std: NonNegativeFloat = 0.0
    backwards: Share = 0.0

    def apply(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Varied windows (B, T, 25, 3), float32."""
        out, count = windows.copy(), len(windows)
        if self.backwards:
            flip = rng.random(count) < self.backwards
            out[flip] = out[flip, ::-1]
        legs = rng.random(count) < self.legs
        out[np.ix_(legs, range(out.shape[1]), LEGS)] = _taken(windows, legs, LEGS, rng)
        for arm in ARMS:
            chosen = rng.random(count) < self.arms
            hung = windows - windows[:, :, _CHEST, None]
            moved = _taken(hung, chosen, arm, rng) + out[chosen][:, :, _CHEST, None]
            out[np.ix_(chosen, range(out.shape[1]), arm)] = moved
        a, b = (windows[rng.permutation(count), -1] for _ in range(2))
        share = self.offset * rng.random(count)
        out += (share[:, None, None] * (a - b))[:, None].astype(np.float32)
        turn = _rotations(count, self.turn_deg, self.tilt_deg, rng)
        turn *= np.exp(self.size_std * rng.standard_normal(count))[:, None, None]
        return np.einsum("btji,bki->btjk", out, turn).astype(np.float32)


def _taken(
    windows: np.ndarray, chosen: np.ndarray, joints: tuple[int, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return joints of another window for each chosen window."""
    return windows[rng.integers(len(windows), size=chosen.sum())][:, :, list(joints)]


def _rotations(count: int, turn: float, tilt: float, rng: np.random.Generator) -> np.ndarray:
    """Rotations (count, 3, 3)."""
    vectors = np.radians([tilt, turn, tilt]) * rng.standard_normal((count, 3))
    return Rotation.from_rotvec(vectors).as_matrix()
