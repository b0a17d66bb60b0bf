"""Stretches of film that a real detector looked at, as windows to train on."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vipecli.poses.npz_reader import open_npz
from vipecli.poses.skeleton import MIRROR
from vipecli.train.detected import Detections, upwards
from vipecli.train.posebert_film import Windows, about_axis, windows

_ROLL_DEG = 10.0  # std of the rotation in the picture's plane that varies a take
_FPS = 30.0
_MIRRORED = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Takes:
    """Takes of `python -m examples.make_detected`, each cut or padded to the frames of a window.

    Attributes
    ----------
    joints, score
        shapes (N, T, 13, 2) and (N, T, 13); score 0 after the end of a take.
    times
        shape (N, T), seconds.
    seen
        shape (N, T, 13, 3): true joints about the mid-hip, torso units, right, down, forward;
        after the end as in the last frame.
    up
        shape (N, 3): the vertical in the same axes.
    """

    joints: np.ndarray
    score: np.ndarray
    times: np.ndarray
    seen: np.ndarray
    up: np.ndarray

    @classmethod
    def load(cls, paths: list[Path], *, frames: int) -> "Takes":
        """Read files of takes.

        Raises
        ------
        FormatError
            if a file is none.
        """
        film = Detections.load(paths)
        times = np.concatenate([_times(path) for path in paths])
        rows = []
        for number in np.unique(film.take.numpy()):
            own = np.flatnonzero(film.take.numpy() == number)[:frames]
            more = frames - len(own)
            padded = np.concatenate([own, np.repeat(own[-1:], more)])
            score = film.visibility.numpy()[padded].copy()
            score[len(own) :] = 0
            later = times[own[-1]] + np.arange(1, more + 1) / _FPS
            when = np.concatenate([times[own], later])
            seen = film.seen.numpy()[padded]
            rows.append((film.joints.numpy()[padded], score, when, seen, film.up.numpy()[own[0]]))
        return cls(*(np.stack(column) for column in zip(*rows, strict=True)))

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Windows, np.ndarray]:
        """Windows, some mirrored, all rolled; and their motions (count, T, 13, 3), y up.

        What is exact in the picture is not known: no joint is `known`.
        """
        rows = rng.integers(len(self.joints), size=count)
        chosen = replace(self, **{n: getattr(self, n)[rows] for n in self.__dataclass_fields__})
        joints, seen, score, up = chosen.joints, chosen.seen, chosen.score, chosen.up.copy()
        flip = rng.random(count) < 0.5
        joints[flip] = joints[flip][:, :, list(MIRROR)] * _MIRRORED[:2]
        seen[flip] = seen[flip][:, :, list(MIRROR)] * _MIRRORED
        score[flip] = score[flip][:, :, list(MIRROR)]
        up[flip] = up[flip] * _MIRRORED
        turn = about_axis(np.radians(_ROLL_DEG) * rng.standard_normal(count), 2)
        joints, seen = joints @ turn[:, None, :2, :2], seen @ turn[:, None]
        up = np.einsum("bi,bij->bj", up, turn)
        upright = upwards(torch.from_numpy(up).float()).numpy()
        motions = np.einsum("bij,btkj->btki", upright, seen).astype(np.float32)
        return windows(joints, joints, score, chosen.times, seen, known=False), motions


def _times(path: Path) -> np.ndarray:
    with open_npz(path, what="a file of detections") as archive:
        return archive.read("times")
