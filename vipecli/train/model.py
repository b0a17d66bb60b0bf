"""The networks: normalisation, the residual backbone and its heads."""

import math

import torch
from torch import Tensor, nn

from vipecli.embedding.window import Window
from vipecli.poses import skeleton as sk
from vipecli.train.config import Network

KINDS = ("prvipe", "vipe", "l2vipe", "lifting")
UP_WIDTH = 128  # of the hidden layer in front of the vertical
LEAST_CONCENTRATION = 0.1
TORSO = (sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER, sk.LEFT_HIP, sk.RIGHT_HIP)


def _mean_of(joints: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (..., 1, 2) of the known joints, and whether there is any (..., 1, 1)."""
    count = known.sum(-1)[..., None, None]
    return (joints * known[..., None]).sum(-2, keepdim=True) / count.clamp_min(1), count > 0


def _widest(joints: Tensor, known: Tensor) -> Tensor:
    """Largest distance (..., 1, 1) between two known joints, 0 where there are fewer than two."""
    gap = (joints[..., :, None, :] - joints[..., None, :, :]).square().sum(-1)
    gap = gap * known[..., :, None] * known[..., None, :]
    return gap.amax((-1, -2))[..., None, None].clamp_min(1e-12).sqrt()


def normalise(joints: Tensor, visibility: Tensor) -> Tensor:
    """Joints relative to the mid-hip, the torso's largest extent 0.5, missing joints 0.

    The paper's instance normalisation: divide by the largest of the six distances among
    shoulders and hips. Where a hip is missing the other stands for both, where both are missing
    the shoulders, then all known joints; where fewer than two torso joints are known, half the
    extent of the known joints stands for the torso's.

    Parameters
    ----------
    joints
        shape (..., 13, 2), any unit, equal in x and y; finite also where missing.
    visibility
        shape (..., 13); 0 means missing.

    Returns
    -------
    shape (..., 13, 2).
    """
    known = (visibility > 0).to(joints.dtype)
    joints = joints * known[..., None]
    hips, torso = [sk.LEFT_HIP, sk.RIGHT_HIP], list(TORSO)
    centre, _ = _mean_of(joints, known)
    for subset in (torso[:2], hips):
        middle, any_known = _mean_of(joints[..., subset, :], known[..., subset])
        centre = torch.where(any_known, middle, centre)
    extent = _widest(joints[..., torso, :], known[..., torso])
    several = (known[..., torso].sum(-1) > 1)[..., None, None]
    extent = torch.where(several, extent, _widest(joints, known) / 2).clamp_min(1e-6)
    return (joints - centre) / extent * 0.5 * known[..., None]


class _Block(nn.Module):
    """Two layers with a shortcut around them (Martinez et al. 2017)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(*_layer(width, width, dropout), *_layer(width, width, dropout))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class _Linear(nn.Linear):
    """A linear layer that can multiply in bfloat16; weights and result stay as they are."""

    half_precision = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.half_precision:
            return super().forward(x)
        parts = (part.bfloat16() for part in (x, self.weight, self.bias))
        return nn.functional.linear(*parts).float()


def _layer(inputs: int, width: int, dropout: float) -> list[nn.Module]:
    return [_Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]


class PrVipe(nn.Module):
    """2D joints to a Gaussian (section 3.6): FC, residual blocks, heads for mean and std.

    With windows of F frames (`Network.frames`) joints are (B, F, 13, 2) and visibility (B, F, 13)
    throughout, and what comes out is of the middle frame.

    Parameters
    ----------
    size
        of the network, see `Network`.
    kind
        ``prvipe``; or a baseline of the paper (section 4.2): ``vipe``, a point embedding (its
        std a constant 1e-3); ``l2vipe``, the same of unit length; ``lifting``, whose mean is the
        3D pose in the camera's axes, D = 39.
    """

    def __init__(self, size: Network | None = None, *, kind: str = "prvipe") -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"kind is {kind!r}; use one of {', '.join(KINDS)}")
        size = size or Network()
        width, dims = size.width, 13 * 3 if kind == "lifting" else size.dims
        self.use_visibility, self.kind = size.use_visibility, kind
        middle = size.frames // 2
        self.window = Window(size.frames, size.step_s) if size.frames > 1 else None
        self.order = [middle, *(k for k in range(size.frames) if k != middle)]
        self.backbone = nn.Sequential(
            *_layer(size.frames * 13 * (3 if size.use_visibility else 2), width, size.dropout),
            *[_Block(width, size.dropout) for _ in range(size.blocks)],
        )
        self.mean = nn.Linear(width, dims)
        self.std = nn.Linear(width, dims)
        self.lift = (
            nn.Sequential(nn.Linear(dims, 256), nn.ReLU(), nn.Linear(256, 13 * 3))
            if size.lift
            else None
        )
        self.vertical = size.vertical
        self.up = (
            nn.Sequential(nn.Linear(width, UP_WIDTH), nn.ReLU(), nn.Linear(UP_WIDTH, 3))
            if size.vertical
            else None
        )
        nn.init.constant_(self.std.bias, _inverse_positive(size.start_std))
        self.raw_a = nn.Parameter(torch.tensor(float(_inverse_positive(size.start_a))))
        self.b = nn.Parameter(torch.tensor(float(size.start_b)))

    @property
    def a(self) -> Tensor:
        """Slope of the matching probability, positive (equation 5)."""
        return _positive(self.raw_a)

    def inputs(self, joints: Tensor, visibility: Tensor) -> Tensor:
        """What the backbone takes, (B, F x 39) or without visibility (B, F x 26).

        Each frame is normalised by itself. The middle one comes first, so that a network of single
        frames can be where training starts (`warm_start`).
        """
        x = normalise(joints, visibility).flatten(-2)
        x = torch.cat([x, visibility], dim=-1) if self.use_visibility else x
        return x if len(self.order) == 1 else x[:, self.order].flatten(1)

    def forward(self, joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, both (B, D), of joints (B, 13, 2) and visibility (B, 13).

        With a vertical (B, D + 3).
        """
        mean, std, up = self.heads(joints, visibility)
        if up is None:
            return mean, std
        up_mean, up_std = fisher_moments(up)
        mean = torch.cat([mean, self.vertical * up_mean], dim=1)
        return mean, torch.cat([std, self.vertical * up_std], dim=1)

    def in_half(self) -> None:
        """Multiply in bfloat16 within the blocks from here on."""
        for block in self.backbone:
            if isinstance(block, _Block):
                for layer in block.layers:
                    if isinstance(layer, _Linear):
                        layer.half_precision = True

    def heads(self, joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Mean and std (B, D) without the vertical, and the vertical's parameter (B, 3) if any.

        The parameter of a von Mises-Fisher distribution: its direction times its concentration.
        """
        x = self.backbone(self.inputs(joints, visibility))
        mean, up = self.mean(x), self.up(x) if self.up is not None else None
        if self.kind == "prvipe":
            return mean, _positive(self.std(x)) + 1e-4, up
        if self.kind == "l2vipe":
            mean = nn.functional.normalize(mean, dim=-1)
        return mean, torch.full_like(mean, 1e-3), up


def concentration(parameter: Tensor) -> Tensor:
    """Concentration (B, 1) of von Mises-Fisher distributions, kept off 0, of their parameters."""
    return (parameter.square().sum(-1, keepdim=True) + LEAST_CONCENTRATION**2).sqrt()


def fisher_moments(parameter: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per axis, both (B, 3), of von Mises-Fisher distributions.

    The mean is shorter than 1, the more so the less is known of the direction: coth k - 1/k for a
    concentration of k.
    """
    k = concentration(parameter)
    direction = parameter / k
    length = 1 / torch.tanh(k) - 1 / k
    across = length / k
    along = 1 - length.square() - 2 * across
    variance = across + direction.square() * (along - across)
    return length * direction, variance.clamp_min(1e-6).sqrt()


def _positive(x: Tensor) -> Tensor:
    """ELU(x) + 1, the authors' map to positive numbers."""
    return nn.functional.elu(x) + 1


def _inverse_positive(y: float) -> float:
    return math.log(y) if y < 1 else y - 1
