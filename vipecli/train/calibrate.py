"""The sigmoid of the matching probability, fitted anew once the embedding stands still."""

import torch
from torch import Tensor

from vipecli.train import losses
from vipecli.train.augment import Augmenter
from vipecli.train.model import PrVipe

NEAREST = 20  # candidates per picture, as many as a search would show
RANDOM = 5  # and pairs that nobody would show, which should stay improbable


def calibrate(net: PrVipe, poses: Tensor, augmenter: Augmenter) -> tuple[float, float]:
    """Fit a and b of equation 5 so that a probability says how often such pairs match in 3D.

    The triplets of training are never told how often a near pair is a wrong one, so the sigmoid
    that training leaves is far too sure. Here each pose is filmed twice, each picture is compared
    with its nearest from the other view and with random ones, and the cross-entropy with
    NP-MPJPE <= 0.1 is minimised over a and b alone.

    Parameters
    ----------
    net
        embeds; its a and b are replaced.
    poses
        shape (P, 13, 3), not used for judging.
    augmenter
        films them as in training.

    Returns
    -------
    a and b.
    """
    views = [augmenter.detect(augmenter.project(poses)) for _ in range(2)]
    net.eval()
    with torch.no_grad():
        (mean, std), (other_mean, other_std) = (net(*view) for view in views)
        near = torch.cdist(mean, other_mean).topk(min(NEAREST, len(poses)), largest=False).indices
        index = torch.cat([near, torch.randint_like(near[:, :RANDOM], len(poses))], dim=1)
        anchors = poses[:, None].expand(*index.shape, 13, 3).reshape(-1, 13, 3)
        error = losses.np_mpjpe(anchors, poses[index].reshape(-1, 13, 3)).view(index.shape)
        match = error <= losses.MATCH_AT
    first = mean[:, None], std[:, None]
    second = other_mean[index], other_std[index]
    optimizer = torch.optim.LBFGS([net.raw_a, net.b], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        p = losses.match_moments(first, second, net.a, net.b)
        value = torch.nn.functional.binary_cross_entropy(p, match.to(p.dtype))
        value.backward()
        return value

    optimizer.step(loss)
    return net.a.item(), net.b.item()
