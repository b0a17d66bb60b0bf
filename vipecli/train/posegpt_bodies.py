"""Training windows of 13 joints for Pose-GPT: body sizes, cameras, and errors of lifting."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from vipecli.poses.anatomy import bones, put_together
from vipecli.poses.canonical import mid_hip
from vipecli.sequence.window_frame import WindowFrame, without_depth

if TYPE_CHECKING:
    from vipecli.train.posegpt_config import Config

_LENGTH_STD = 0.08  # of the logarithm of each bone length
_TILT_STD_DEG = 6.0  # of a camera's up against the world's
_FILMED = 0.7  # share of windows whose way along one direction is not seen
_CLEAN = 0.3  # share of windows without noise
_SLOW_FRAMES = 8.0  # std of the Gaussian that makes an error of lifting last, frames
_QUICK = 0.3  # share of the error that is another one in every frame


class Bodies:
    """Sampler of seen and future frames from mocap windows (B, seen + future, 13, 3)."""

    def __init__(self, config: "Config") -> None:
        self.seen, self.noise = config.seen, config.input_noise

    def prepare(self, windows: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Seen frames (B, seen, 39), future ones (B, future, 39), and unseen directions (B, 2)."""
        windows = _resized(windows.astype(np.float64), rng)
        windows = np.einsum("btji,bki->btjk", windows, _tilts(len(windows), rng))
        size = WindowFrame.of(windows[:, : self.seen]).size
        noisy = windows[:, : self.seen] + size[:, None, None, None] * self._errors(windows, rng)
        frame = WindowFrame.of(noisy)
        angle = rng.uniform(0, 2 * np.pi, len(windows))
        unseen = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        unseen[rng.random(len(windows)) >= _FILMED] = 0
        seen, future = frame.enter(noisy), frame.enter(windows[:, self.seen :])
        # the future is relative to the true position of the mid-hip
        truly = frame.enter(windows[:, self.seen - 1 : self.seen])
        future = future - mid_hip(truly)[:, :, None]
        parts = [without_depth(x, unseen) for x in (seen, future)]
        flat = [torch.from_numpy(x.astype(np.float32)).flatten(2) for x in parts]
        return *flat, torch.from_numpy(unseen.astype(np.float32))

    def _errors(self, windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Errors (B, seen, 13, 3) of lifted joints, torso units: some lasting, some not."""
        shape = len(windows), self.seen, 13, 3
        slow = gaussian_filter1d(rng.standard_normal(shape), _SLOW_FRAMES, axis=1, mode="wrap")
        slow /= slow.std()
        size = self.noise * rng.random(len(windows)) * (rng.random(len(windows)) >= _CLEAN)
        errors = (1 - _QUICK) * slow + _QUICK * rng.standard_normal(shape)
        return size[:, None, None, None] * errors


def _resized(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same motions by people with other bones."""
    directions, lengths = bones(windows)
    lengths = np.median(lengths, axis=1)
    factor = np.exp(_LENGTH_STD * rng.standard_normal(lengths.shape))
    legs = (lengths * factor)[:, -2:].sum(axis=-1) / lengths[:, -2:].sum(axis=-1)
    place = mid_hip(windows) * legs[:, None, None]
    return put_together(directions, (lengths * factor)[:, None]) + place[:, :, None]


def _tilts(count: int, rng: np.random.Generator) -> np.ndarray:
    """Small rotations (count, 3, 3) about axes in the floor."""
    pitch, roll = np.radians(_TILT_STD_DEG) * rng.standard_normal((2, count))
    one, zero = np.ones(count), np.zeros(count)
    about_x = np.stack(
        [
            np.stack([one, zero, zero], -1),
            np.stack([zero, np.cos(pitch), -np.sin(pitch)], -1),
            np.stack([zero, np.sin(pitch), np.cos(pitch)], -1),
        ],
        axis=1,
    )
    about_z = np.stack(
        [
            np.stack([np.cos(roll), -np.sin(roll), zero], -1),
            np.stack([np.sin(roll), np.cos(roll), zero], -1),
            np.stack([zero, zero, one], -1),
        ],
        axis=1,
    )
    return about_x @ about_z
