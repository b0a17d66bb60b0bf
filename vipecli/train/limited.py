"""Limited supervision (Mitra et al. 2020): film by synchronised cameras, few of it with 3D labels.

What a picture shows is known, and which pictures were taken at one moment; 3D poses are known for a
few. `terms` turns the rest into losses that see no 3D.
"""

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vipecli.train.augment import Augmenter
from vipecli.train.data import Mocap
from vipecli.train.identity import Discriminator, subjects
from vipecli.train.vvipe_model import Mapper, PoseDecoder

RIG = 4
"""Cameras around a pose."""

CAMERA = (-1.0, -1.0, 1.0)  # the augmenter's left, up, away as right, down, forward

_TEMPERATURE = 2.0  # of the squared distances of synchronised pictures
_SUBJECT = re.compile(r".*_(s\d+)_|.*/(\d+)_")


@dataclass(frozen=True)
class Film:
    """P poses, each filmed once by `RIG` synchronised cameras.

    Attributes
    ----------
    joints, visibility
        shapes (P, RIG, 13, 2) and (P, RIG, 13), as a detector gives them.
    seen
        shape (P, RIG, 13, 3), the poses in the axes of each camera: right, down, forward.
    labelled
        which moments' poses may be used.
    who, clip
        shape (P,): who moves, see `identity.subjects`, and the number of the clip.
    """

    joints: Tensor
    visibility: Tensor
    seen: Tensor
    labelled: Tensor
    who: Tensor
    clip: Tensor

    @classmethod
    def of(
        cls,
        mocap: Mocap,
        weights: np.ndarray,
        augmenter: Augmenter,
        *,
        moments: int,
        labels: float,
        rng: np.random.Generator,
    ) -> "Film":
        """Film poses of the pool.

        Parameters
        ----------
        weights
            shape (number of poses,): how likely each is drawn, once at most.
        moments
            how many to film; fewer if the pool has fewer.
        labels
            share of the moments with labels, see `labelled`.
        """
        moments = min(moments, np.count_nonzero(weights))
        index = rng.choice(len(weights), moments, replace=False, p=weights / weights.sum())
        poses = torch.from_numpy(mocap.poses[index])
        takes = []
        for _ in range(RIG):
            joints, seen = augmenter.film(poses)
            takes.append((*augmenter.detect(joints), seen * torch.tensor(CAMERA)))
        parts = (torch.stack(part, 1) for part in zip(*takes, strict=True))
        known = labelled(mocap.clip[index], mocap.names, labels, rng)
        clip = mocap.clip[index]
        who = subjects(mocap.names)[clip]
        return cls(*parts, *(torch.from_numpy(x) for x in (known, who, clip)))

    def pictures(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Joints, visibility and poses of pictures with labels."""
        moment = self.labelled[torch.from_numpy(rng.integers(len(self.labelled), size=count))]
        view = torch.from_numpy(rng.integers(RIG, size=count))
        return tuple(x[moment, view] for x in (self.joints, self.visibility, self.seen))

    def pairs(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Joints (2, count, 13, 2), visibility (2, count, 13) of synchronised pictures, and who."""
        moment = torch.from_numpy(rng.integers(len(self.joints), size=count))
        view = torch.from_numpy(rng.permuted(np.tile(range(RIG), (count, 1)), axis=1)[:, :2].T)
        return self.joints[moment, view], self.visibility[moment, view], self.who[moment]


def labelled(
    clip: np.ndarray, names: tuple[str, ...], share: float, rng: np.random.Generator
) -> np.ndarray:
    """Indices of the moments that have labels: those of a few people, as in the paper.

    People follow each other in random order, and so do the takes of each, until `share` is reached.

    Parameters
    ----------
    clip
        shape (P,): which of `names` each moment is of.
    share
        in (0, 1].
    """
    subjects = [_subject(name) for name in names]
    turn = dict(zip(sorted(set(subjects)), rng.permutation(len(set(subjects))), strict=True))
    person, take = np.array([turn[s] for s in subjects]), rng.permutation(len(names))
    order = np.lexsort((take[clip], person[clip]))
    return np.sort(order[: max(1, round(share * len(clip)))])


def _subject(name: str) -> str:
    """Return the person in ``uiprmd/ok/m01_s03_e05`` or ``amc/13_29``; else the source."""
    source, found = name.split("/")[0], _SUBJECT.match(name)
    return f"{source}/{found[1] or found[2]}" if found else source


def terms(
    mapper: Mapper,
    decoder: PoseDecoder,
    joints: Tensor,
    visibility: Tensor,
    who: Tensor,
    *,
    judge: Discriminator | None = None,
    reversal: float = 0.0,
) -> dict[str, Tensor]:
    """Losses of synchronised pictures, without 3D.

    Parameters
    ----------
    joints, visibility, who
        see `Film.pairs`.
    judge, reversal
        who tells people apart by the latent, and the factor of what it teaches in reverse.

    Returns
    -------
    ``views``
        metric learning in the latent: each picture has to find its synchronised one in the batch.
    ``across``
        metric learning through the pose: how far the pose lifted from a picture, turned as the
        synchronised one says, is from the joints of that, see `misfit`.
    ``own``
        the same with the joints of the picture itself; this one needs no second camera.
    ``subject``
        with a discriminator: its loss, see `Discriminator.loss`.
    """
    means, _, turns = mapper(joints.flatten(0, 1), visibility.flatten(0, 1))
    poses = decoder(means)[0].unflatten(0, joints.shape[:2])
    turns = turns.unflatten(0, joints.shape[:2]).mT
    logits = -torch.cdist(*means.unflatten(0, joints.shape[:2])).square() / _TEMPERATURE
    own = torch.arange(len(logits))
    found = {
        "views": (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2,
        "across": misfit(poses.flip(0) @ turns, joints, visibility).mean(),
        "own": misfit(poses @ turns, joints, visibility).mean(),
    }
    if judge is not None:
        found["subject"] = judge.loss(means, who.repeat(len(joints)), reversal=reversal)
    return found


def misfit(poses: Tensor, joints: Tensor, visibility: Tensor) -> Tensor:
    """Mean distance (...) of joints from those of a pose seen from far, in the best place and size.

    Parameters
    ----------
    poses
        shape (..., 13, 3), axes right, down, forward.
    joints, visibility
        shapes (..., 13, 2) and (..., 13); joints count by their visibility. The unit of the result
        is their distance from their middle, root mean square.
    """
    weight = visibility / visibility.sum(-1, keepdim=True).clamp_min(1e-6)

    def mean(values: Tensor) -> Tensor:
        return (weight[..., None] * values).sum(-2, keepdim=True)

    flat, joints = poses[..., :2] - mean(poses[..., :2]), joints - mean(joints)
    size = mean(joints.square()).sum(-1, keepdim=True).sqrt().clamp_min(1e-6)
    joints = joints / size
    scale = mean(joints * flat).sum(-1, keepdim=True)
    scale = scale / mean(flat.square()).sum(-1, keepdim=True).clamp_min(1e-6)
    gap = (joints - scale.clamp_min(0.05) * flat).square().sum(-1)
    return (weight * (gap + 1e-6).sqrt()).sum(-1)  # steep only as far as noise does not reach
