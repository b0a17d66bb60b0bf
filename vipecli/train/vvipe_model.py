"""V-VIPE's networks (Levy & Shrivastava): the 3D pose VAE, and the map from 2D into its latent.

Poses are in the canonical frame: mid-hip at the origin, spine of length 1, hips and spine as near
as they can be to the x and y axes.
"""

import torch
from torch import Tensor, nn

from vipecli.poses import skeleton as sk
from vipecli.train.body import frame, unit
from vipecli.train.config import Network
from vipecli.train.model import PrVipe, _Block, _layer, _positive

# what the decoder gives: directions of 12 bones, and 7 lengths in units of the spine
_DIRECTIONS, _LENGTHS = 12, 7
MEAN_LENGTHS = (0.42, 0.68, 0.46, 0.53, 0.48, 0.77, 0.76)
"""Hip width, shoulder width, neck, upper arm, forearm, thigh, shin: where the decoder starts."""


def canonical(poses: Tensor) -> tuple[Tensor, Tensor]:
    """Poses in the canonical frame, and that frame's axes.

    Kabsch for hip line and spine as unit vectors: the best rotation brings the two, which need
    not be at right angles, equally near to the x and y axes. For two vectors it is closed: their
    sum and difference are at right angles and go to the diagonals.

    Parameters
    ----------
    poses
        shape (B, 13, 3), any axes and unit.

    Returns
    -------
    Poses (B, 13, 3) centred on the mid-hip, spine 1; rotations (B, 3, 3) from canonical axes into
    those of the input: ``poses = rotation @ canonical``, up to place and size.
    """
    poses = poses - poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
    spine = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1)
    left, up = unit(poses[:, sk.LEFT_HIP] - poses[:, sk.RIGHT_HIP]), unit(spine)
    plus, minus = unit(up + left), unit(up - left)
    x, y = unit(plus - minus), unit(plus + minus)
    rotation = torch.stack([x, y, _cross(x, y)], dim=-1)
    scale = spine.norm(dim=-1).clamp_min(1e-6)[:, None, None]
    return poses @ rotation / scale, rotation


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product over the last axis, in operations that every ONNX runtime has."""
    return a.roll(-1, -1) * b.roll(-2, -1) - a.roll(-2, -1) * b.roll(-1, -1)


def skeleton(directions: Tensor, lengths: Tensor) -> Tensor:
    """Joints (B, 13, 3), mid-hip at the origin, from bone directions and lengths.

    Parameters
    ----------
    directions
        shape (B, 12, 3), unit vectors: hips and shoulders (right to left), spine, head, then
        upper arm, forearm, thigh and shin, the left one first.
    lengths
        shape (B, 7), as `MEAN_LENGTHS`; the spine is 1, left and right are alike.
    """
    hips, shoulders, spine, head, *limbs = directions.unbind(1)
    hip, shoulder, neck, *bones = lengths[:, :, None].unbind(1)
    joints: list[Tensor] = [spine] * 13
    joints[sk.HEAD] = spine + neck * head
    joints[sk.LEFT_SHOULDER] = spine + shoulder / 2 * shoulders
    joints[sk.RIGHT_SHOULDER] = spine - shoulder / 2 * shoulders
    joints[sk.LEFT_HIP], joints[sk.RIGHT_HIP] = hip / 2 * hips, -hip / 2 * hips
    for bone, first in enumerate((sk.LEFT_ELBOW, sk.LEFT_WRIST, sk.LEFT_KNEE, sk.LEFT_ANKLE)):
        for side in (0, 1):
            joint = first + side
            joints[joint] = joints[joint - 2] + bones[bone] * limbs[2 * bone + side]
    return torch.stack(joints, dim=1)


class PoseEncoder(nn.Module):
    """Canonical poses (B, 13, 3) to Gaussians of the latent: mean and std (B, D)."""

    def __init__(self, *, dims: int, width: int, blocks: int) -> None:
        super().__init__()
        self.backbone = _backbone(13 * 3, width, blocks)
        self.mean, self.std = nn.Linear(width, dims), nn.Linear(width, dims)
        nn.init.constant_(self.std.bias, -2.0)

    def forward(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation."""
        x = self.backbone(poses.flatten(1))
        return self.mean(x), _positive(self.std(x)) + 1e-3


class PoseDecoder(nn.Module):
    """Latents (B, D) to canonical poses (B, 13, 3) and bone lengths (B, 7).

    It gives directions and lengths of bones and puts the skeleton together from them, so that
    left and right limbs are of one length whatever the latent.

    Parameters
    ----------
    realign
        bring the pose into the canonical frame; False for the ablation without one.
    """

    def __init__(self, *, dims: int, width: int, blocks: int, realign: bool = True) -> None:
        super().__init__()
        self.backbone = _backbone(dims, width, blocks)
        self.head = nn.Linear(width, _DIRECTIONS * 3 + _LENGTHS)
        self.register_buffer("start", torch.tensor(MEAN_LENGTHS))
        self.realign = realign

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Poses and lengths."""
        x = self.head(self.backbone(latent))
        directions = unit(x[:, : _DIRECTIONS * 3].unflatten(1, (_DIRECTIONS, 3)))
        lengths = self.start * (0.5 * x[:, _DIRECTIONS * 3 :].tanh()).exp()
        poses = skeleton(directions, lengths)
        return canonical(poses)[0] if self.realign else poses, lengths


def _backbone(inputs: int, width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*_layer(inputs, width, 0.0), *[_Block(width, 0.0) for _ in range(blocks)])


class Mapper(PrVipe):
    """2D joints and visibility to the latent's Gaussian, and to how the body is turned.

    The network of Pr-VIPE with one more head: six numbers that span the rotation from the
    canonical frame into camera axes (Zhou et al. 2019).
    """

    def __init__(self, *, dims: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__(Network(dims, width, blocks, dropout, start_a=2.0, start_std=0.5))
        self.turn = nn.Linear(width, 6)
        self.kind = "vvipe"

    def forward(self, joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and std (B, D), rotations (B, 3, 3) into axes right, down, forward."""
        x = self.backbone(self.inputs(joints, visibility))
        turn = self.turn(x)
        rotation = frame(turn[:, :3], turn[:, 3:])
        return self.mean(x), _positive(self.std(x)) + 1e-3, rotation


class Lifter(PrVipe):
    """The baseline: the same backbone with one layer more, straight to 39 coordinates.

    The extra layer stands for V-VIPE's decoder and has more weights than it.
    """

    def __init__(self, *, width: int, blocks: int, dropout: float) -> None:
        super().__init__(Network(width=width, blocks=blocks, dropout=dropout), kind="lifting")
        self.more = nn.Sequential(*_layer(width, width, dropout))

    def forward(self, joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Poses (B, 39) in camera axes, and a constant std."""
        mean = self.mean(self.more(self.backbone(self.inputs(joints, visibility))))
        return mean, torch.full_like(mean, 1e-3)


class Gaussian(nn.Module):
    """A `Mapper` without its rotation: what fits the matching probability takes two outputs."""

    vertical = 0.0  # the latent knows none

    def __init__(self, mapper: Mapper) -> None:
        super().__init__()
        self.mapper, self.raw_a, self.b = mapper, mapper.raw_a, mapper.b

    @property
    def a(self) -> Tensor:
        """Slope of the matching probability."""
        return self.mapper.a

    def forward(self, joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation."""
        return self.mapper(joints, visibility)[:2]
