"""The running score of a training run: retrieval across views on held-out poses."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vipecli.train import losses
from vipecli.train.augment import Augmentation, Augmenter
from vipecli.train.data import Mocap
from vipecli.train.model import PrVipe

VIEWS = Augmentation(roll_deg=10.0, distance=(4.0, 8.0), noise=0.03, outlier=0.01)


@dataclass(frozen=True)
class Retrieval:
    """Held-out poses, each seen by two random cameras with detector noise.

    Attributes
    ----------
    poses
        shape (P, 13, 3).
    joints, visibility
        shape (2 views, P, 13, 2) and (2, P, 13).
    """

    poses: Tensor
    joints: Tensor
    visibility: Tensor

    @classmethod
    def of(cls, mocap: Mocap, *, poses: int = 1000, seed: int = 0) -> "Retrieval":
        """Draw `poses` of the pool at random."""
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(mocap.poses), min(poses, len(mocap.poses)), replace=False)
        pool = torch.from_numpy(mocap.poses[chosen])
        augmenter = Augmenter(VIEWS, seed=seed)
        views = [augmenter.detect(augmenter.project(pool)) for _ in range(2)]
        joints, visibility = (torch.stack(part) for part in zip(*views, strict=True))
        return cls(pool, joints, visibility)

    def hit_at_1(self, net: PrVipe) -> float:
        """Share of poses whose nearest from the other view matches in 3D, in percent.

        Without the vertical, if the embedding has one.
        """
        device = next(net.parameters()).device
        net.eval()
        with torch.no_grad():
            first, second = (
                net.heads(self.joints[v].to(device), self.visibility[v].to(device))[0].cpu()
                for v in (0, 1)
            )
        nearest = torch.cdist(first, second).argmin(1)
        error = losses.np_mpjpe(self.poses, self.poses[nearest])
        return 100 * float((error <= losses.MATCH_AT).float().mean())
