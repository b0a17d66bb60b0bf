"""Windows of mocap as a camera and a detector show them, with what was hidden for a while."""

from dataclasses import dataclass, replace

import numpy as np
import pydantic
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from vipecli.poses.anatomy import bones, put_together
from vipecli.poses.canonical import mid_hip, torso
from vipecli.poses.skeleton import LEFT_HIP, LEFT_SHOULDER, MIRROR
from vipecli.sequence.paths import smooth, straight
from vipecli.train.motion_clips import MotionClips
from vipecli.train.setting_types import CHECKED, Range, Share

_LIMBS = ((3, 5), (4, 6), (9, 11), (10, 12), (3, 4, 5, 6), (9, 10, 11, 12), (0,), (5,), (6,))
_SIDES = (range(LEFT_SHOULDER, LEFT_HIP), range(LEFT_HIP, 13))  # what swaps left and right
_LENGTH_STD = 0.08  # of the logarithm of bone lengths
_FACTORS = np.array((1, 1, 1, 1.3, 1.3, 1.8, 1.8, 1, 1, 1.2, 1.2, 1.6, 1.6), np.float32)  # of noise
_NEAREST = 0.6  # depth, torso units
_KNOWN = 4  # frames in which somebody is seen, at least


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Filming:
    """How windows are filmed and what is hidden.

    Attributes
    ----------
    fps
        range of frames per second, log-uniform.
    elevation_deg, roll_deg, distance
        of the camera, as `Augmentation`; torso units.
    noise
        greatest std of the errors of joints, torso units; a part of them lasts.
    outlier
        share of joints that are far off, for a frame.
    guessed
        share of windows in which a limb is found in a wrong place for a while, with a low score.
    swapped
        share of windows in which arms or legs change sides for a while.
    person
        share of windows in which the whole person is hidden for a while.
    limb
        share of windows in which some joints are.
    hidden_s
        range of how long.
    ends
        share of windows that begin or end with nobody.
    masked
        share of tokens that are hidden in spans for the contrastive task.
    """

    fps: Range = (12.0, 30.0)
    elevation_deg: NonNegativeFloat = 30.0
    roll_deg: NonNegativeFloat = 8.0
    distance: Range = (4.0, 12.0)
    noise: NonNegativeFloat = 0.06
    outlier: Share = 0.01
    guessed: Share = 0.2
    swapped: Share = 0.15
    person: Share = 0.7
    limb: Share = 0.4
    hidden_s: Range = (0.15, 2.2)
    ends: Share = 0.1
    masked: Share = 0.3


@dataclass(frozen=True)
class Windows:
    """Filmed windows, B of T frames.

    Attributes
    ----------
    joints
        shape (B, T, 13, 2) as detected; hidden ones where straight lines in time put them.
    visibility
        shape (B, T, 13), 0 = hidden.
    times
        shape (B, T), seconds.
    truth
        shape (B, T, 13, 2) without noise.
    pose
        shape (B, T, 13, 3): right, down, forward about the mid-hip, torso units.
    away, smooth
        shapes (B, T, 13, 2), as `sequence.paths` gives them.
    known
        shape (B, T, 13), 1 where `truth` is what a joint is to be, else 0.
    labelled
        shape (B,), 1 where `pose` is known, else 0.
    """

    joints: Tensor
    visibility: Tensor
    times: Tensor
    truth: Tensor
    pose: Tensor
    away: Tensor
    smooth: Tensor
    known: Tensor
    labelled: Tensor

    def and_then(self, other: "Windows") -> "Windows":
        """These windows, and others of as many frames."""
        pairs = ((getattr(self, n), getattr(other, n)) for n in self.__dataclass_fields__)
        return Windows(*(torch.cat(pair) for pair in pairs))


class Studio:
    """Draws windows from clips.

    Parameters
    ----------
    clips
        13 joints, y up.
    filming
        see `Filming`.
    frames
        T.
    power
        as `MotionClips.weights`.
    """

    def __init__(
        self, clips: MotionClips, filming: Filming, *, frames: int, power: float = 0.5
    ) -> None:
        self.clips, self.filming, self.frames = clips, filming, frames
        self.weights = clips.weights(span_s=(frames - 1) / filming.fps[1], power=power)
        lag = np.arange(frames)[:, None] - np.arange(frames)
        slow = np.exp(-0.5 * np.square(lag / 5.0))
        slow = slow / np.sqrt(np.square(slow).sum(axis=1, keepdims=True))
        self._slow = slow.astype(np.float32)

    def motions(
        self, count: int, rng: np.random.Generator, among: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joints (count, T, 13, 3) of people of many sizes, and times (count, T).

        `among`, shape (clips,) bool, limits the clips.
        """
        weights = self.weights if among is None else self.weights * among
        clip = rng.choice(len(weights), count, p=weights / weights.sum())
        length = (self.clips.length[clip] - 1) / self.clips.fps[clip]
        low, high = self.filming.fps
        least = np.clip((self.frames - 1) / length, low, high)
        fps = np.exp(rng.uniform(np.log(least), np.log(high)))
        times = np.arange(self.frames) / fps[:, None]
        start = rng.random(count) * np.maximum(length - times[:, -1], 0)
        out = self.clips.windows(clip, start, times).astype(np.float32)
        flip = rng.random(count) < 0.5
        out[flip] = out[flip][:, :, list(MIRROR)] * np.array([-1, 1, 1], np.float32)
        directions, lengths = bones(out)
        lengths = np.median(lengths, axis=1)
        lengths = lengths * np.exp(_LENGTH_STD * rng.standard_normal(lengths.shape))
        place = mid_hip(out)[:, :, None]
        joints = put_together(directions, lengths[:, None].astype(np.float32)) + place
        return joints.astype(np.float32), times

    def film(
        self, motions: np.ndarray, times: np.ndarray, rng: np.random.Generator, *, hide: bool = True
    ) -> Windows:
        """Windows as one random camera each shows them; `hide`: for a while not everything."""
        seen, truth = self.exact(motions, rng)
        noise, score = self.noise(truth.shape, rng)
        found = truth + noise
        if hide:
            self._swap(found, rng)
            score = np.where(hidden_for_a_while(times, self.filming, rng), score, 0)
        return windows(truth, found, score, times, seen)

    def exact(self, motions: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Joints in axes of random cameras, torso units, and as these see them.

        Shapes (B, T, 13, 3) and (B, T, 13, 2).
        """
        size = np.median(torso(motions), axis=1)[:, None, None, None]
        about = (motions - mid_hip(motions).mean(axis=1)[:, None, None]) / size
        seen = about @ self._turns(len(motions), rng)[:, None]
        distance = np.exp(rng.uniform(*np.log(self.filming.distance), size=len(seen)))
        distance = distance.astype(np.float32)[:, None, None]
        depth = np.maximum(seen[..., 2] + distance, _NEAREST)
        return seen, seen[..., :2] * (distance / depth)[..., None]

    def _turns(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Matrices (B, 3, 3) that rows of joints, y up, are multiplied by to face cameras."""
        yaw = rng.uniform(-np.pi, np.pi, count)
        tilt = np.radians(self.filming.elevation_deg) * rng.uniform(-1, 1, count)
        roll = np.radians(self.filming.roll_deg) * rng.uniform(-1, 1, count)
        turn = about_axis(yaw, 1) @ about_axis(tilt, 0) @ about_axis(roll, 2)
        return (turn * np.array([1, -1, -1])).astype(np.float32)

    def noise(
        self, shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Errors (B, T, 13, 2) of joints, and the scores (B, T, 13) that they come with."""
        count = shape[0]
        std = (self.filming.noise * rng.random(count, np.float32))[:, None, None] * _FACTORS
        lasting = rng.random((count, 1, 1, 1), np.float32)
        quick, slow = (rng.standard_normal(shape, np.float32) for _ in range(2))
        slow = self._along_time(slow)
        noise = np.sqrt(1 - lasting) * quick + np.sqrt(lasting) * slow
        std = std * np.where(rng.random(shape[:3], np.float32) < self.filming.outlier, 6, 1)
        told = rng.random((count, 1, 1), np.float32) < 0.5
        score = np.where(told, rng.uniform(0.6, 1.0, shape[:3]), 1.0).astype(np.float32)
        for row in np.flatnonzero(rng.random(count) < self.filming.guessed):
            joints = list(_LIMBS[rng.integers(len(_LIMBS))])
            inside = _span(rng, self.frames, round(self.frames * rng.uniform(0.05, 0.5)))
            std[row, inside, joints] = rng.uniform(0.1, 0.4)
            noise[row, inside, joints] = slow[row, inside, joints]
            score[row, inside, joints] = rng.uniform(0.1, 0.6) if told[row] else 1.0
        return noise * std[..., None], score

    def _along_time(self, noise: np.ndarray) -> np.ndarray:
        """The noise (B, T, ...), smooth in time, of the same variance."""
        flat = noise.reshape(*noise.shape[:2], -1)
        return (self._slow @ flat).reshape(noise.shape)

    def _swap(self, found: np.ndarray, rng: np.random.Generator) -> None:
        """Exchange left and right of arms or legs for a while; in place."""
        for row in np.flatnonzero(rng.random(len(found)) < self.filming.swapped):
            joints = list(_SIDES[rng.integers(2)])
            inside = _span(rng, self.frames, int(rng.integers(1, 1 + self.frames // 6)))
            swapped = found[row, inside][:, [MIRROR[j] for j in joints]]
            found[row, inside, joints] = swapped.swapaxes(0, 1)

    def masked(
        self, filmed: Windows, rng: np.random.Generator, *, chunk: int
    ) -> tuple[Windows, Tensor]:
        """The windows with about `masked` of the tokens hidden in spans, and which (B, tokens)."""
        count, frames = filmed.times.shape
        hidden = np.zeros((count, frames // chunk), bool)
        for row in hidden:
            while row.mean() < self.filming.masked:
                span = rng.integers(1, max(2, len(row) // 4) + 1)
                begin = rng.integers(0, len(row) - span + 1)
                row[begin : begin + span] = True
        score = filmed.visibility.numpy() * ~np.repeat(hidden, chunk, axis=1)[..., None]
        arrays = (getattr(filmed, n).numpy() for n in ("truth", "joints"))
        times, seen = filmed.times.numpy(), filmed.pose.numpy()
        again = windows(*arrays, score, times, seen)
        again = replace(again, known=filmed.known, labelled=filmed.labelled)
        return again, torch.from_numpy(hidden)


def about_axis(angle: np.ndarray, axis: int) -> np.ndarray:
    """Rotations (B, 3, 3) by angles (B,), radians, about a coordinate axis."""
    out = np.zeros((len(angle), 3, 3))
    first, second = [k for k in range(3) if k != axis]
    out[:, axis, axis] = 1
    out[:, first, first] = out[:, second, second] = np.cos(angle)
    out[:, first, second] = -np.sin(angle)
    out[:, second, first] = np.sin(angle)
    return out


def hidden_for_a_while(times: np.ndarray, filming: Filming, rng: np.random.Generator) -> np.ndarray:
    """What is seen (B, T, 13) at times (B, T) of a person whom something hides for a while."""
    count, frames = times.shape
    visible = np.ones((count, frames, 13), bool)

    def span(step: float) -> slice:
        hidden = round(rng.uniform(*filming.hidden_s) / step)
        return _span(rng, frames, min(hidden, frames - 8))

    for row, step in enumerate(times[:, 1] - times[:, 0]):
        if rng.random() < filming.person:
            visible[row, span(step)] = False
        if rng.random() < filming.limb:
            for _ in range(rng.integers(1, 4)):
                joints = list(_LIMBS[rng.integers(len(_LIMBS))])
                visible[row, span(step), joints] = False
        if rng.random() < filming.ends:
            cut = int(rng.integers(1, frames // 2))
            visible[row, slice(cut) if rng.random() < 0.5 else slice(-cut, None)] = False
    lost = visible.any(axis=2).sum(axis=1) < _KNOWN
    visible[lost] = True
    return visible


def _span(rng: np.random.Generator, window: int, frames: int) -> slice:
    """A stretch of `frames` frames somewhere in a window."""
    frames = min(max(frames, 1), window - 2)
    first = int(rng.integers(0, window - frames + 1))
    return slice(first, first + frames)


def windows(
    truth: np.ndarray,
    found: np.ndarray,
    score: np.ndarray,
    times: np.ndarray,
    seen: np.ndarray,
    *,
    known: np.ndarray | bool = True,
    labelled: bool = True,
) -> Windows:
    """Filmed windows, hidden joints on straight lines; arrays as the attributes of `Windows`."""
    joints, away = straight(found, score, times)
    pose = seen - mid_hip(seen)[:, :, None]
    path = smooth(found, score, times)
    times = times - times.mean(axis=1, keepdims=True)
    exact, labels = np.broadcast_to(known, score.shape), np.full(len(score), labelled)
    arrays = joints, score, times, truth, pose, away, path, exact, labels
    return Windows(*(torch.from_numpy(np.array(a, np.float32)) for a in arrays))
