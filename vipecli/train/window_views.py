"""Windows of motion as two cameras see them, for an embedding of several frames."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vipecli.evaluate.views import middle
from vipecli.poses import skeleton as sk
from vipecli.train.augment import Augmenter
from vipecli.train.detected import FILM_JITTER, FILM_ROLL_DEG, Detections, upwards, wanted
from vipecli.train.posebert_film import Studio, about_axis

STEPS = (2, 2, 3)  # frames of film, at 30 per second, from one frame of a window to the next
_CUT = 0.15  # share of the windows whose first or last frames are missing
_PASSING = 0.5  # share of the windows in a part of which only joints are hidden
_MIRRORED = np.array([-1.0, 1.0, 1.0], np.float32)

Views = tuple[Tensor, Tensor]
"""Joints (B, F, 13, 2) and visibility (B, F, 13)."""


class WindowFilm:
    """What a real detector found, as windows.

    Parameters
    ----------
    film
        takes of 30 frames per second; None = the user gave none.
    frames
        F, odd.

    Raises
    ------
    FormatError
        if there is none.
    """

    def __init__(self, film: Detections | None, frames: int) -> None:
        film = wanted(film)
        parts = (film.joints, film.visibility, film.seen, film.up, film.take)
        self._joints, self._visibility, self._seen, self._up, self._take = (
            part.numpy() for part in parts
        )
        self._places = np.arange(frames) - frames // 2

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Joints (N, F, 13, 2), visibility (N, F, 13), true motion (N, F, 13, 3), y up.

        Half of the windows are mirrored, all are rolled a little. Beyond the ends of a take joints
        are missing, and the person stands still.
        """
        half = rng.integers(len(self._take), size=count)
        rows = half[:, None] + rng.choice(STEPS, (count, 1)) * self._places
        inside = (rows >= 0) & (rows < len(self._take))
        rows = np.where(inside, rows, half[:, None])
        inside &= self._take[rows] == self._take[half][:, None]
        rows = np.where(inside, rows, half[:, None])
        joints, seen = self._joints[rows].copy(), self._seen[rows].copy()
        visibility, up = self._visibility[rows] * inside[..., None], self._up[half].copy()
        flip = rng.random(count) < 0.5
        joints[flip] = joints[flip][:, :, list(sk.MIRROR)] * _MIRRORED[:2]
        visibility[flip] = visibility[flip][:, :, list(sk.MIRROR)]
        seen[flip] = seen[flip][:, :, list(sk.MIRROR)] * _MIRRORED
        up[flip] *= _MIRRORED
        roll = about_axis(np.radians(FILM_ROLL_DEG) * rng.standard_normal(count), 2)
        joints, seen = joints @ roll[:, None, :2, :2], seen @ roll[:, None]
        up = np.einsum("bi,bij->bj", up, roll)
        width = np.ptp(middle(joints), axis=1).max(axis=1)
        jitter = FILM_JITTER * width[:, None, None, None]
        joints = joints + jitter * rng.standard_normal(joints.shape)
        upright = upwards(torch.from_numpy(up).float()).numpy()
        motion = np.einsum("bij,btkj->btki", upright, seen)
        return tuple(part.astype(np.float32) for part in (joints, visibility, motion))


@dataclass(frozen=True)
class WindowStudio:
    """Draws windows: motion, poses that are held, and film.

    Attributes
    ----------
    studio
        of the motion, its windows F frames long.
    augmenter
        turns some bodies freely, hides joints.
    film
        None = there is none.
    detected
        share of film.
    """

    studio: Studio
    augmenter: Augmenter
    film: WindowFilm | None = None
    detected: float = 0.0

    def motions(self, poses: Tensor, count: int, rng: np.random.Generator) -> np.ndarray:
        """Motions (count, F, 13, 3), y up, the first ones of poses (N, 13, 3) that are held."""
        held = self.augmenter.poses(poses).numpy()
        held = np.repeat(held[:, None], self.studio.frames, axis=1)
        moving, _ = self.studio.motions(count - len(held), rng)
        both = torch.from_numpy(np.concatenate([held, moving]))
        turned = self.augmenter.turned(both.flatten(1, 2))
        return turned.view(both.shape).numpy()

    def detect(self, motions: np.ndarray, rng: np.random.Generator, *, hide: bool = True) -> Views:
        """What a detector would find of motions (B, F, 13, 3), each before a camera of its own."""
        _, exact = self.studio.exact(motions, rng)
        noise, score = self.studio.noise(exact.shape, rng)
        joints = torch.from_numpy((exact + noise).astype(np.float32))
        visibility = torch.from_numpy(score)
        return joints, self.hidden(joints, visibility, rng) if hide else visibility

    def twice(
        self, motions: np.ndarray, rng: np.random.Generator, *, hide: bool = False
    ) -> tuple[list[Views], Tensor]:
        """Two views of motions (B, F, 13, 3), and their middle poses (B, 13, 3)."""
        views = [self.detect(motions, rng, hide=hide) for _ in range(2)]
        return views, torch.from_numpy(middle(motions).copy())

    def hidden(self, joints: Tensor, visibility: Tensor, rng: np.random.Generator) -> Tensor:
        """Visibility (B, F, 13) behind things, out of the picture, beyond the ends of a clip."""
        count, frames = visibility.shape[:2]
        seen = self.augmenter.seen(count) * self.augmenter.inside(joints.mean(1))
        passing = torch.from_numpy(rng.random(count) < _PASSING)
        first, last = np.sort(rng.integers(0, frames + 1, (2, count)), axis=0)[..., None]
        at = np.arange(frames)
        within = torch.from_numpy((at >= first) & (at < last)) | ~passing[:, None]
        visibility = visibility * torch.where(within[..., None], seen[:, None], 1.0)
        cut = np.where(rng.random(count) < _CUT, rng.integers(1, frames // 2 + 1, count), 0)
        early = rng.random(count) < 0.5
        begin, end = np.where(early, cut, 0)[:, None], np.where(early, 0, cut)[:, None]
        there = torch.from_numpy((at >= begin) & (at < frames - end))
        return visibility * there[..., None]

    def batch(
        self, poses: Tensor, count: int, rng: np.random.Generator, *, film: bool
    ) -> tuple[list[Views], Tensor]:
        """Two views of `count` windows, anchors and positives, and their middle poses (B, 13, 3).

        `poses` (N, 13, 3) are held in some of them; `film`: a share is film, its anchors as found.
        """
        real = round(self.detected * count) if film and self.film else 0
        motions = self.motions(poses, count - real, rng)
        found = self.film.draw(real, rng) if real and self.film else None
        if found:
            motions = np.concatenate([found[2], motions])
        (anchors, positives), poses = self.twice(motions, rng, hide=True)
        if found:
            joints, visibility = (torch.from_numpy(part) for part in found[:2])
            visibility = self.hidden(joints, visibility, rng)
            anchors = (
                torch.cat([joints, anchors[0][real:]]),
                torch.cat([visibility, anchors[1][real:]]),
            )
        return [anchors, positives], poses
