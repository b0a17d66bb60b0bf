"""Loss terms of one batch of anchors and positives."""

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from vipecli.train import losses
from vipecli.train.config import Config
from vipecli.train.model import PrVipe, fisher_moments
from vipecli.train.vvipe_model import canonical

Gaussians = tuple[Tensor, Tensor]
"""Means and standard deviations, each (2, B, D): of anchors and of positives."""


def embedding_terms(
    config: Config,
    net: PrVipe,
    heads: tuple[Tensor, Tensor, Tensor | None],
    poses: Tensor,
    others: Tensor,
) -> dict[str, Tensor]:
    """Loss terms, unweighted, by the name of their weight in the config.

    Parameters
    ----------
    heads
        of `PrVipe.heads` for 2 B pictures, anchors first.
    poses, others
        shape (B, 13, 3), y up: what anchors and positives show.
    """
    mean, std, up = heads
    if config.frozen:
        return {"vertical": losses.vertical(up, canonical(torch.cat([poses, others]))[1][:, 1])}
    terms = pair_terms(config, net, (mean.unflatten(0, (2, -1)), std.unflatten(0, (2, -1))), poses)
    terms["prior"] = losses.prior(mean, std)
    both = torch.cat([poses, others])
    if config.lift:
        lifted = net.lift(mean).view(-1, 13, 3)
        terms["lift"] = smooth_l1_loss(lifted, losses.canonical(both), beta=0.1)
    if up is None:
        return terms
    if config.vertical:
        terms["vertical"] = losses.vertical(up, canonical(both)[1][:, 1])
    if config.upright:
        above = pair_terms(config, net, _with_vertical(net, mean, std, up), losses.upright(poses))
        terms |= {name: terms[name] + config.upright * value for name, value in above.items()}
    return terms


def _with_vertical(net: PrVipe, mean: Tensor, std: Tensor, up: Tensor) -> Gaussians:
    moments = (net.vertical * part for part in fisher_moments(up))
    both = (torch.cat(parts, dim=1) for parts in zip((mean, std), moments, strict=True))
    first, second = (part.unflatten(0, (2, -1)) for part in both)
    return first, second


def pair_terms(config: Config, net: PrVipe, views: Gaussians, poses: Tensor) -> dict[str, Tensor]:
    """Terms that compare anchors with positives and negatives, mined by the NP-MPJPE of `poses`.

    `poses` (B, J, 3), as `losses.np_mpjpe` takes them.
    """
    mean, _ = views
    mined = losses.mine(mean, poses, candidates=config.candidates)
    own = torch.arange(len(poses), device=poses.device)
    positive, negative = (_distance(config, net, views, i) for i in (own, mined.negative))
    margin = losses.L2_MARGIN if config.kind == "l2vipe" else losses.MARGIN
    triplet = torch.relu(positive - negative + margin)
    active = mined.found & (triplet > 0)
    terms = {
        "ratio": (triplet * active).sum() / active.sum().clamp_min(1),
        "positive": positive.mean(),
    }
    if config.metric:
        terms["metric"] = losses.metric(mean, mined)
    if config.calibration:
        first, second = (
            (part[0][:, None] for part in views),
            (part[1][mined.index] for part in views),
        )
        match = losses.match_moments(tuple(first), tuple(second), net.a, net.b)
        terms["calibration"] = losses.calibration(match, mined)
    return terms


def _distance(config: Config, net: PrVipe, views: Gaussians, index: Tensor) -> Tensor:
    """Distance (B,) of each anchor to the positive at `index`, as the triplets take it."""
    mean, std = views
    first, second = (mean[0], std[0]), (mean[1][index], std[1][index])
    gap = first[0] - second[0]
    if config.kind == "l2vipe":
        return gap.square().sum(-1)
    if config.kind == "vipe":
        return -losses.probability(gap.norm(dim=-1), net.a, net.b).log()
    match = {"sampled": losses.match_sampled, "moments": losses.match_moments}
    return -match[config.match](first, second, net.a, net.b).log()
