"""What a real detector said about poses that are known, to train and to measure on."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from vipecli import skeleton as sk
from vipecli.errors import FormatError


@dataclass(frozen=True)
class Detections:
    """Frames with what was found and what is true.

    Attributes
    ----------
    joints, visibility
        shapes (P, 13, 2) pixels and (P, 13).
    seen
        shape (P, 13, 3): true joints about the mid-hip, axes right, down, forward, spine 1.
    """

    joints: Tensor
    visibility: Tensor
    seen: Tensor

    @classmethod
    def load(cls, paths: list[Path]) -> "Detections":
        """Read files of ``python -m examples.make_detected``.

        Raises
        ------
        FormatError
            if a file is none.
        """
        parts = []
        for path in paths:
            try:
                with np.load(path, allow_pickle=False) as archive:
                    parts.append([archive[name] for name in ("xy", "score", "seen")])
            except (OSError, ValueError, KeyError, BadZipFile) as exc:
                raise FormatError(f"{path}: not a file of detections ({exc})") from exc
        joints, score, seen = (
            torch.from_numpy(np.concatenate(p)) for p in zip(*parts, strict=True)
        )
        spine = seen[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1).norm(dim=-1)
        return cls(joints, score, seen / spine[:, None, None])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Joints, visibility and poses of random frames, half mirrored, all rolled a little."""
        index = torch.from_numpy(rng.integers(len(self.joints), size=count))
        joints, visibility, seen = self.joints[index], self.visibility[index], self.seen[index]
        flip = torch.from_numpy(rng.random(count) < 0.5)
        mirror = list(sk.MIRROR)
        joints, visibility, seen = (
            torch.where(flip.view(-1, *[1] * (x.dim() - 1)), y, x)
            for x, y in (
                (joints, joints[:, mirror] * torch.tensor([-1.0, 1.0])),
                (visibility, visibility[:, mirror]),
                (seen, seen[:, mirror] * torch.tensor([-1.0, 1.0, 1.0])),
            )
        )
        angle = torch.from_numpy(rng.normal(0, np.radians(12), count)).float()
        c, s, zero, one = angle.cos(), angle.sin(), torch.zeros(count), torch.ones(count)
        roll = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).view(-1, 3, 3)
        return joints @ roll[:, :2, :2].mT, visibility, seen @ roll.mT
