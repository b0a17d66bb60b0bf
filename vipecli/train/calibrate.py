"""The sigmoid of the matching probability, refitted once the embedding is trained."""

from collections.abc import Callable

import torch
from torch import Tensor

from vipecli.train import losses
from vipecli.train.model import PrVipe

NEAREST = 20  # candidates per picture, as many as a search would show
RANDOM = 5  # and pairs that nobody would show, which should stay improbable
STEEPEST = 12.0  # slope; steeper ones leave the softened distance no way to tell far from farther


def calibrate(
    net: PrVipe, views: list[tuple[Tensor, Tensor]], poses: Tensor
) -> list[tuple[float, float]]:
    """Fit a and b of equation 5 so that a probability says how often such pairs match in 3D.

    Triplets do not measure how often a near pair is wrong, so the sigmoid
    that training leaves is far too sure. Here each pose was filmed twice, each picture is compared
    with its nearest from the other view and with random ones, and the cross-entropy with
    NP-MPJPE <= 0.1 is minimised over a and b alone.

    Parameters
    ----------
    net
        embeds; its a and b are replaced.
    views
        two of each pose, joints and visibility as the network takes them.
    poses
        shape (P, 13, 3), y up, not used for judging.

    Returns
    -------
    a and b of the whole embedding, and, where it holds the vertical, those without it: there lying
    and standing match.
    """
    net.eval()
    with torch.no_grad():
        first, second = (net(*view) for view in views)
    if not net.vertical:
        return [_fit(net, first, second, poses)]
    dims = net.mean.out_features
    free = _fit(net, *(tuple(x[:, :dims] for x in view) for view in (first, second)), poses)
    return [_fit(net, first, second, losses.upright(poses)), free]


def _fit(
    net: PrVipe, first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], poses: Tensor
) -> tuple[float, float]:
    """Fit a and b of the network, in place, to two views (mean, std) of poses (P, J, 3)."""
    with torch.no_grad():
        near = torch.cdist(first[0], second[0]).topk(min(NEAREST, len(poses)), largest=False)
        index = torch.cat(
            [near.indices, torch.randint_like(near.indices[:, :RANDOM], len(poses))], 1
        )
        anchors = poses[:, None].expand(*index.shape, -1, 3).flatten(0, 1)
        error = losses.np_mpjpe(anchors, poses[index].flatten(0, 1)).view(index.shape)
        match = error <= losses.MATCH_AT
    one, other = (x[:, None] for x in first), (x[index] for x in second)
    pairs = tuple(one), tuple(other)

    def loss() -> Tensor:
        net.zero_grad()
        p = losses.match_moments(*pairs, net.a, net.b)
        value = torch.nn.functional.binary_cross_entropy(p, match.to(p.dtype))
        value.backward()
        return value

    _minimise(loss, [net.raw_a, net.b])
    if net.a.item() > STEEPEST:  # the std alone explains what matches: any steep slope would do
        with torch.no_grad():
            net.b.mul_(STEEPEST / net.a)  # from where matches are as likely as not, as it was
            net.raw_a.add_(STEEPEST - net.a)
        _minimise(loss, [net.b])
    return net.a.item(), net.b.item()


def _minimise(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    torch.optim.LBFGS(parameters, max_iter=100, line_search_fn="strong_wolfe").step(loss)
