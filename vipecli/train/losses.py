"""Losses of Pr-VIPE (sections 3.2 to 3.4) and the mining of its triplets."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from vipecli.embedding.distance import FLOOR, RANGE
from vipecli.evaluate.metrics import MATCH_AT
from vipecli.poses import skeleton as sk
from vipecli.train.body import frame
from vipecli.train.model import concentration

MARGIN = math.log(2)  # alpha = log(beta), section 3.6
L2_MARGIN = 0.2  # of the triplets of L2-VIPE, on the squared distance of unit vectors (FaceNet's)


def np_mpjpe(a: Tensor, b: Tensor) -> Tensor:
    """NP-MPJPE (B,) of poses (B, J, 3): section 3.1; reflections are not allowed.

    The first 13 points are the joints; more may follow, see `upright`.

    Both are centred on the mid-hip and scaled to a spine of 1, then b is brought onto a by the
    best similarity (Horn's quaternion, least squares).
    """

    def normal(p: Tensor) -> Tensor:
        p = p - p[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
        spine = p[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1, keepdim=True)
        return p / spine.norm(dim=-1, keepdim=True).clamp_min(1e-6)

    a, b = normal(a), normal(b)
    mean_a, mean_b = a.mean(1, keepdim=True), b.mean(1, keepdim=True)
    ca, cb = a - mean_a, b - mean_b
    s = torch.einsum("bni,bnj->bij", cb, ca)
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = (row.unbind(-1) for row in s.unbind(1))
    n = torch.stack(
        [
            xx + yy + zz, yz - zy, zx - xz, xy - yx,
            yz - zy, xx - yy - zz, xy + yx, zx + xz,
            zx - xz, xy + yx, yy - xx - zz, yz + zy,
            xy - yx, zx + xz, yz + zy, zz - xx - yy,
        ],
        dim=-1,
    ).view(-1, 4, 4)  # fmt: skip
    value, vector = torch.linalg.eigh(n)
    axis = vector[:, 1:, -1]
    real = vector[:, None, :1, -1]
    axis = axis[:, None].expand_as(cb)
    twice = 2 * torch.linalg.cross(axis, cb, dim=-1)
    turned = cb + real * twice + torch.linalg.cross(axis, twice, dim=-1)
    scale = value[:, -1] / cb.square().sum((1, 2)).clamp_min(1e-12)
    return (turned * scale[:, None, None] - ca).norm(dim=-1).mean(-1)


def upright(poses: Tensor, *, arm: float = 2.0) -> Tensor:
    """Poses (B, 13, 3), y up, with two points more, above and below the pelvis: (B, 15, 3).

    With them NP-MPJPE tells lying from standing.

    Parameters
    ----------
    arm
        how far above and below, spine lengths.
    """
    pelvis = poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1)
    spine = (poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1) - pelvis).norm(dim=-1)
    rise = torch.zeros_like(pelvis)
    rise[:, 1] = arm * spine
    return torch.cat([poses, torch.stack([pelvis + rise, pelvis - rise], dim=1)], dim=1)


def vertical(parameter: Tensor, up: Tensor) -> Tensor:
    """Mean negative log likelihood of directions (B, 3) under von Mises-Fisher distributions.

    `parameter` (B, 3) as in `model.PrVipe.heads`; up to the constant log(2 pi).
    """
    k = concentration(parameter)[:, 0]
    log_norm = k + torch.log1p(-torch.exp(-2 * k)) - k.log()
    return (log_norm - (parameter * up).sum(-1)).mean()


def canonical(poses: Tensor) -> Tensor:
    """Poses (B, 13, 3) centred on the mid-hip, spine 1, in the frame of spine and hips."""
    poses = poses - poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
    spine = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1)
    basis = frame(spine, poses[:, sk.LEFT_HIP] - poses[:, sk.RIGHT_HIP])
    return torch.einsum("bji,bkj->bki", basis, poses) / spine.norm(dim=-1)[:, None, None]


def probability(distance: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Matching probability of two points at a distance (equation 5, with the authors' floor)."""
    return RANGE * torch.sigmoid(b - a * distance) + FLOOR


def match_sampled(
    first: tuple[Tensor, Tensor],
    second: tuple[Tensor, Tensor],
    a: Tensor,
    b: Tensor,
    samples: int = 20,
) -> Tensor:
    """Matching probability (B,) of Gaussians (mean, std), K x K samples (equation 7)."""
    z1, z2 = (
        mean[:, None] + std[:, None] * torch.randn(len(mean), samples, mean.shape[1]).to(mean)
        for mean, std in (first, second)
    )
    return probability(_distances(z1, z2), a, b).mean((1, 2))


def _distances(z1: Tensor, z2: Tensor) -> Tensor:
    square = (
        z1.square().sum(-1)[..., :, None]
        + z2.square().sum(-1)[..., None, :]
        - 2 * z1 @ z2.transpose(-1, -2)
    )
    return square.clamp_min(1e-8).sqrt()


def match_moments(
    first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], a: Tensor, b: Tensor
) -> Tensor:
    """The same expectation without samples, for any broadcastable shapes (..., D).

    The distance r is taken as normal, its mean and variance from the first two moments of r^2,
    the mean of the sigmoid by the probit approximation. Smooth, and exact enough to train with.
    """
    delta2 = (first[0] - second[0]).square()
    variance = first[1].square() + second[1].square()
    k1 = (delta2 + variance).sum(-1)
    k2 = (2 * variance.square() + 4 * variance * delta2).sum(-1)
    spread = k2 / (4 * k1).clamp_min(1e-8)
    mean = (k1 - spread).clamp_min(1e-8).sqrt()
    scale = torch.rsqrt(1 + math.pi / 8 * a**2 * spread)
    return RANGE * torch.sigmoid((b - a * mean) * scale) + FLOOR


@dataclass(frozen=True)
class Mined:
    """Candidates for negatives, and the one taken for each anchor.

    Attributes
    ----------
    index
        shape (B, C): the positives nearest to each anchor beyond its own, then 4 random ones,
        then its own; `near` (B, C) marks those to count: its own, and all that are farther.
    npmpjpe
        shape (B, C): their 3D distance to the anchor.
    negative, found
        shape (B,): the nearest whose NP-MPJPE is at least `MATCH_AT`, and whether there is one.
    """

    index: Tensor
    near: Tensor
    npmpjpe: Tensor
    negative: Tensor
    found: Tensor


def mine(anchors: Tensor, others: Tensor, poses: Tensor, *, candidates: int = 8) -> Mined:
    """Semi-hard negatives of each anchor: the closest that are farther than its positive.

    Parameters
    ----------
    anchors, others
        shapes (B, D) and (N, D), N >= B: embedding means; the first others are the positives.
    poses
        shape (N, J, 3): the 3D poses of the others, as `np_mpjpe` takes them.
    candidates
        how many of the nearest are checked in 3D.
    """
    with torch.no_grad():
        distance = torch.cdist(anchors, others)
        positive = distance.diagonal()[:, None].clone()
        distance = distance.masked_fill(distance <= positive, torch.inf)
        distance.fill_diagonal_(torch.inf)
        index = distance.topk(min(candidates, len(poses) - 1), largest=False).indices
        own = torch.arange(len(anchors), device=anchors.device)[:, None]
        index = torch.cat([index, torch.randint_like(index[:, :4], len(poses)), own], dim=1)
        near = distance.gather(1, index)
        near[:, -1] = 0
        b, c = index.shape
        repeated = poses[:b, None].expand(b, c, -1, 3).flatten(0, 1)
        npmpjpe = np_mpjpe(repeated, poses[index].flatten(0, 1)).view(b, c)
        usable = (npmpjpe >= MATCH_AT) & near.isfinite()
        first = usable.to(torch.int8).argmax(1)
        return Mined(
            index, near.isfinite(), npmpjpe, index.gather(1, first[:, None])[:, 0], usable.any(1)
        )


def metric(anchors: Tensor, others: Tensor, mined: Mined, *, scale: float = 4.0) -> Tensor:
    """Error of the embedding distance as an estimate of `scale` times the NP-MPJPE.

    Taken over the mined candidates, near and random ones and the positive; means as `mine` takes
    them.
    """
    distance = (anchors[:, None] - others[mined.index]).square().sum(-1).add(1e-8).sqrt()
    error = smooth_l1_loss(distance, scale * mined.npmpjpe, reduction="none", beta=0.5)
    return (error * mined.near).sum() / mined.near.sum().clamp_min(1)


def calibration(probability: Tensor, mined: Mined) -> Tensor:
    """Cross-entropy of the matching probabilities (B, C) of the candidates with the 3D truth."""
    p = ((probability - FLOOR) / RANGE).clamp(1e-4, 1 - 1e-4)
    match = mined.npmpjpe <= MATCH_AT
    loss = -torch.where(match, p.log(), (1 - p).log())
    return (loss * mined.near).sum() / mined.near.sum().clamp_min(1)


def prior(mean: Tensor, std: Tensor) -> Tensor:
    """KL divergence to the unit Gaussian, summed over D, mean over the batch (equation 8)."""
    return 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).sum(-1).mean()
