"""Loss terms of one batch of anchors and positives."""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from vipecli.train import losses
from vipecli.train.config import Config
from vipecli.train.model import PrVipe, fisher_moments
from vipecli.train.pool import Pool
from vipecli.train.vvipe_model import canonical

Gaussians = tuple[Tensor, Tensor]
"""Means and standard deviations, each (N, D)."""


def embedding_terms(
    config: Config,
    net: PrVipe,
    heads: tuple[Tensor, Tensor, Tensor | None],
    poses: Tensor,
    others: Tensor,
    pool: Pool | None = None,
) -> dict[str, Tensor]:
    """Loss terms, unweighted, by the name of their weight in the config.

    Parameters
    ----------
    heads
        of `PrVipe.heads` for 2 B pictures, anchors first.
    poses, others
        shape (B, 13, 3), y up: what anchors and positives show.
    pool
        more negatives; None = those of the batch alone.
    """
    mean, std, up = heads
    if config.frozen:
        return {"vertical": losses.vertical(up, canonical(torch.cat([poses, others]))[1][:, 1])}
    (all_mean, all_std, all_up), seen = pool.behind(heads, poses) if pool else (heads, poses)
    terms = pair_terms(config, net, (all_mean, all_std), seen, len(poses))
    terms["prior"] = losses.prior(mean, std)
    both = torch.cat([poses, others])
    if config.lift:
        lifted = net.lift(mean).view(-1, 13, 3)
        terms["lift"] = smooth_l1_loss(lifted, losses.canonical(both), beta=0.1)
    if up is None or all_up is None:
        return terms
    if config.vertical:
        terms["vertical"] = losses.vertical(up, canonical(both)[1][:, 1])
    if config.upright:
        whole = _with_vertical(net, all_mean, all_std, all_up)
        above = pair_terms(config, net, whole, losses.upright(seen), len(poses))
        terms |= {name: terms[name] + config.upright * value for name, value in above.items()}
    return terms


def _with_vertical(net: PrVipe, mean: Tensor, std: Tensor, up: Tensor) -> Gaussians:
    up_mean, up_std = (net.vertical * part for part in fisher_moments(up))
    return torch.cat([mean, up_mean], dim=1), torch.cat([std, up_std], dim=1)


def pair_terms(
    config: Config, net: PrVipe, views: Gaussians, poses: Tensor, count: int
) -> dict[str, Tensor]:
    """Terms that compare anchors with positives and negatives, mined by the NP-MPJPE of `poses`.

    Parameters
    ----------
    views
        of `count` anchors, as many positives, then any others.
    poses
        what positives and others show, (N, J, 3), as `losses.np_mpjpe` takes them.
    """
    (mean, others), (std, others_std) = ((part[:count], part[count:]) for part in views)
    mined = losses.mine(mean, others, poses, candidates=config.candidates)

    def distance(index: Tensor) -> Tensor:
        return _distance(config, net, (mean, std), (others[index], others_std[index]))

    margin = losses.L2_MARGIN if config.kind == "l2vipe" else losses.MARGIN
    positive = distance(torch.arange(count, device=poses.device))
    triplet = torch.relu(positive - distance(mined.negative) + margin)
    active = mined.found & (triplet > 0)
    terms = {
        "ratio": (triplet * active).sum() / active.sum().clamp_min(1),
        "positive": positive.mean(),
    }
    if config.metric:
        terms["metric"] = losses.metric(mean, others, mined)
    if config.calibration:
        second = others[mined.index], others_std[mined.index]
        match = losses.match_moments((mean[:, None], std[:, None]), second, net.a, net.b)
        terms["calibration"] = losses.calibration(match, mined)
    return terms


def _distance(config: Config, net: PrVipe, first: Gaussians, second: Gaussians) -> Tensor:
    """Distances (B,) of Gaussians, as the triplets take them."""
    gap = first[0] - second[0]
    if config.kind == "l2vipe":
        return gap.square().sum(-1)
    if config.kind == "vipe":
        return -losses.probability(gap.norm(dim=-1), net.a, net.b).log()
    match = {"sampled": losses.match_sampled, "moments": losses.match_moments}
    return -match[config.match](first, second, net.a, net.b).log()
