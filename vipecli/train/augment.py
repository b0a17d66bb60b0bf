"""Augmentation of mocap poses, and simulated cameras and detections."""

import math
from dataclasses import replace

import pydantic
import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from vipecli.poses import skeleton as sk
from vipecli.train.body import (
    FOREARM,
    SHOULDER_WIDTH,
    UPPER_ARM,
    Body,
    mirrored,
    put_together,
    take_apart,
    unit,
)
from vipecli.train.setting_types import CHECKED, Range, Share

_FROM_TRUNK = (0.0,) * 3 + (0.5, 0.5, 1.0, 1.0) + (0.0,) * 2 + (0.5, 0.5, 1.0, 1.0)
FLIP_X = (-1.0, 1.0, 1.0)  # a limb's directions on the other side of the body


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Augmentation:
    """How poses are varied and filmed. Probabilities are per pose unless said otherwise.

    The defaults of the paper (section 3.6) are `PAPER`.
    """

    recombine: Share = 0.0  # arms or legs of other poses
    symmetric: Share = 0.0  # right limb = mirrored left limb
    procedural: Share = 0.0  # limbs from joint angles within anatomical limits
    reach: Share = 0.0  # both hands at a common target, or at mirrored ones
    mirror: Share = 0.0
    length_std: NonNegativeFloat = 0.0  # of the logarithm of each bone length
    positive_length_std: NonNegativeFloat = 0.0  # the same between anchor and positive
    turn: Share = 0.0  # whole body turned freely
    elevation_deg: NonNegativeFloat = 30.0
    roll_deg: NonNegativeFloat = 30.0
    distance: Range = (2.0, 2.0)  # torso units, log-uniform
    noise: NonNegativeFloat = 0.0  # std of detected joints, torso units of the picture
    ends: NonNegativeFloat = 1.0  # wrists and ankles err so many times as much, elbows half-way
    outlier: Share = 0.0  # per joint: error 8 times larger
    swap: Share = 0.0  # left and right of the arms or of the legs exchanged
    uncertain: Share = 0.0  # per joint: low visibility, larger error
    drop_joint: Share = 0.0  # per joint
    drop_limb: Share = 0.0  # one whole limb, or everything below the hips
    hide: Share = 0.0  # 1 to `hide_most` joints at random, torso or not
    hide_most: PositiveInt = 4
    crop: Share = 0.0  # part of the body out of the picture, below it most often


PAPER = Augmentation()


def _where(chosen: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`torch.where` with a condition (B,) over tensors (B, ...)."""
    return torch.where(chosen.view(-1, *[1] * (no.dim() - 1)), yes, no)


class Augmenter:
    """Draws training poses and their views from a seeded generator.

    Parameters
    ----------
    options
        see `Augmentation`.
    device
        where poses are drawn.
    seed
        the same seed draws the same poses on the same device.
    """

    def __init__(self, options: Augmentation, *, device: str = "cpu", seed: int = 0) -> None:
        self.options = options
        self.generator = torch.Generator(device).manual_seed(seed)
        self.device = device

    # -- randomness ---------------------------------------------------------------------------

    def _uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        draw = torch.rand(*shape, generator=self.generator, device=self.device)
        return low + (high - low) * draw

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.generator, device=self.device)

    def _chance(self, probability: float, *shape: int) -> Tensor:
        return self._uniform(*shape) < probability

    # -- poses --------------------------------------------------------------------------------

    def poses(self, poses: Tensor) -> Tensor:
        """Vary mocap poses (B, 13, 3): recombined, procedural and mirrored limbs, new lengths."""
        body = self._recombined(take_apart(poses))
        body = self._procedural(body)
        body = self._symmetric(body)
        body = self._reaching(body)
        flipped = mirrored(body)
        chosen = self._chance(self.options.mirror, len(poses))
        parts = {
            name: _where(chosen, getattr(flipped, name), getattr(body, name))
            for name in ("hips", "shoulders", "head", "arms", "legs")
        }
        body = replace(body, **parts, lengths=self._lengths(body, self.options.length_std))
        return put_together(body)

    def _lengths(self, body: Body, std: float) -> Tensor:
        return body.lengths * torch.exp(std * self._normal(*body.lengths.shape))

    def resized(self, poses: Tensor) -> Tensor:
        """Return the same poses (B, 13, 3) by people of slightly other proportions."""
        if not self.options.positive_length_std:
            return poses
        body = take_apart(poses)
        std = self.options.positive_length_std
        return put_together(replace(body, lengths=self._lengths(body, std)))

    def _recombined(self, body: Body) -> Body:
        """Arms, legs or one limb of another pose of the batch, each in its own body frame."""
        n = len(body.head)
        parts = {}
        for name in ("arms", "legs"):
            limbs = getattr(body, name)
            other = limbs[torch.randperm(n, generator=self.generator, device=self.device)]
            sides = self._chance(2 / 3, n, 2)  # both limbs in 4 of 9 cases, one in another 4
            sides &= self._chance(self.options.recombine, n)[:, None]
            parts[name] = torch.where(sides[:, :, None, None], other, limbs)
        return replace(body, **parts)

    def _symmetric(self, body: Body) -> Body:
        flip = torch.tensor(FLIP_X, device=self.device)
        parts = {}
        for name in ("arms", "legs"):
            limbs = getattr(body, name)
            jitter = 0.15 * self._normal(len(limbs), 2, 3)
            same = torch.stack([limbs[:, 0], unit(limbs[:, 0] * flip + jitter)], 1)
            parts[name] = _where(self._chance(self.options.symmetric, len(limbs)), same, limbs)
        return replace(body, **parts)

    def _procedural(self, body: Body) -> Body:
        n = len(body.head)
        chance = self.options.procedural
        arms = torch.where(
            self._chance(chance, n, 2)[:, :, None, None], self._free_arms(n), body.arms
        )
        legs = torch.where(
            self._chance(chance, n, 2)[:, :, None, None], self._free_legs(n), body.legs
        )
        return replace(body, arms=arms, legs=legs)

    def _free_arms(self, n: int) -> Tensor:
        """Arms (n, 2, 2, 3): upper arm anywhere but behind the back, elbow 0 to 150 degrees."""
        upper = unit(self._normal(n, 2, 3))
        # behind and across the back (for the left arm): push out to the side and forward
        behind = (-0.7 * upper[..., 0] - 0.7 * upper[..., 2]).clamp_min(0.35) - 0.35
        upper = unit(upper + behind[..., None] * torch.tensor([1.6, 0, 1.6], device=self.device))
        side = unit(torch.linalg.cross(upper, unit(self._normal(n, 2, 3)), dim=-1))
        # a hanging or level forearm does not bend backwards
        wrong = (side[..., 2] < -0.2) & (upper[..., 1] < 0.4)
        side = torch.where(wrong[..., None], -side, side)
        bend = self._uniform(n, 2, 1, high=math.radians(150))
        fore = upper * bend.cos() + side * bend.sin()
        return self._both_sides(torch.stack([upper, fore], dim=2))

    def _free_legs(self, n: int) -> Tensor:
        """Legs (n, 2, 2, 3): hip flexion -25 to 125, abduction -15 to 60, knee 0 to 145 degrees."""
        flexion = self._uniform(n, 2, low=math.radians(-25), high=math.radians(125))
        abduction = self._uniform(n, 2, low=math.radians(-15), high=math.radians(60))
        abduction = abduction * self._uniform(n, 2)
        thigh = torch.stack(
            [
                abduction.sin(),
                -abduction.cos() * flexion.cos(),
                abduction.cos() * flexion.sin(),
            ],
            dim=-1,
        )
        lateral = torch.tensor([1.0, 0.0, 0.0], device=self.device).expand_as(thigh)
        back = unit(torch.linalg.cross(lateral, thigh, dim=-1))  # the way the shin folds
        out = torch.linalg.cross(thigh, back, dim=-1)
        rotation = self._uniform(n, 2, 1, low=math.radians(-35), high=math.radians(45))
        fold = back * rotation.cos() + out * rotation.sin()
        bend = self._uniform(n, 2, 1, high=math.radians(145)) * self._uniform(n, 2, 1).sqrt()
        shin = thigh * bend.cos() + fold * bend.sin()
        return self._both_sides(torch.stack([thigh, shin], dim=2))

    def _both_sides(self, limbs: Tensor) -> Tensor:
        """Mirror the second limb, drawn as a left one, to the right side."""
        return torch.stack([limbs[:, 0], limbs[:, 1] * torch.tensor(FLIP_X, device=self.device)], 1)

    def _reaching(self, body: Body) -> Body:
        """Both hands on one thing: a bat, a bar, the head, the floor (two-bone inverse kinematics).

        Targets are points of the shoulders' frame: a common one (with the hands a grip apart) or
        two mirrored ones (a bar, the hips, the head).
        """
        n = len(body.head)
        reach = (body.lengths[:, UPPER_ARM] + body.lengths[:, FOREARM])[:, None]
        half = body.lengths[:, SHOULDER_WIDTH, None] / 2
        centre = torch.cat(
            [
                0.7 * (self._uniform(n, 1) - 0.5),
                self._uniform(n, 1, low=-1.0, high=1.0),
                self._uniform(n, 1, low=-0.1, high=0.9),
            ],
            dim=1,
        )
        common = self._chance(0.5, n)[:, None]
        grip = torch.where(common, 0.06, self._uniform(n, 1, low=0.1, high=1.0)) * reach
        lateral = torch.tensor([1.0, 0.0, 0.0], device=self.device)
        middle = centre * reach * torch.where(common, 1.0, 1 - lateral)
        targets = torch.stack([middle + lateral * grip, middle - lateral * grip], dim=1)
        roots = torch.stack([lateral * half, -lateral * half], dim=1)
        arms = self._two_bones(targets - roots, body.lengths[:, UPPER_ARM : FOREARM + 1])
        return replace(body, arms=_where(self._chance(self.options.reach, n), arms, body.arms))

    def _two_bones(self, to_target: Tensor, lengths: Tensor) -> Tensor:
        """Directions (n, 2, 2, 3) of upper arm and forearm that bring the wrist to the target.

        Targets out of reach are approached as far as the arm goes. The elbow swivels about the
        line from shoulder to wrist, by 45 degrees (std) around down-and-outward.
        """
        first, second = lengths[:, None, :1], lengths[:, None, 1:]
        distance = to_target.norm(dim=-1, keepdim=True)
        distance = distance.clamp_min(0.3 * (first + second)).minimum(0.999 * (first + second))
        along = unit(to_target)
        side = torch.tensor([[0.6, -1.0, -0.3], [-0.6, -1.0, -0.3]], device=self.device)
        u = unit(side - (side * along).sum(-1, keepdim=True) * along)
        v = torch.linalg.cross(along, u, dim=-1)
        swivel = math.radians(45) * self._normal(*distance.shape)
        out = u * swivel.cos() + v * swivel.sin()
        cosine = (first**2 + distance**2 - second**2) / (2 * first * distance)
        cosine = cosine.clamp(-1, 1)
        upper = along * cosine + out * (1 - cosine**2).clamp_min(0).sqrt()
        fore = unit(along * distance - upper * first)
        return torch.stack([upper, fore], dim=2)

    # -- views --------------------------------------------------------------------------------

    def turned(self, poses: Tensor) -> Tensor:
        """Return some of the poses (B, 13, 3) turned freely: lying, hanging, upside down."""
        n = len(poses)
        q = unit(self._normal(n, 4))
        w, x, y, z = q.unbind(-1)
        free = torch.stack(
            [
                1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
                2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
                2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
            ],
            dim=-1,
        ).view(n, 3, 3)  # fmt: skip
        chosen = self._chance(self.options.turn, n)
        return _where(chosen, torch.einsum("bij,bkj->bki", free, poses), poses)

    def project(self, poses: Tensor) -> Tensor:
        """Joints (B, 13, 2) of each pose (B, 13, 3) as a camera of its own sees them."""
        return self.film(poses)[0]

    def film(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Joints (B, 13, 2), and the poses (B, 13, 3) in the axes of the camera that filmed them.

        Camera augmentation of section 3.5: azimuth +-180, elevation and roll uniform; the body,
        scaled to a spine of 1, stands `distance` in front of a pinhole with f = 1; y points down.
        The pose in camera axes is relative to the mid-hip: x to the left, y up, z away.
        """
        n, o = len(poses), self.options
        centred = poses - poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
        spine = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1, keepdim=True)
        spine = spine - poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
        centred = centred / spine.norm(dim=-1, keepdim=True).clamp_min(1e-6)
        azimuth = self._uniform(n, low=-math.pi, high=math.pi)
        elevation = math.radians(o.elevation_deg) * self._uniform(n, low=-1)
        roll = math.radians(o.roll_deg) * self._uniform(n, low=-1)
        seen = torch.einsum("bij,bkj->bki", _view(azimuth, elevation, roll), centred)
        near, far = math.log(o.distance[0]), math.log(o.distance[1])
        depth = seen[..., 2] + torch.exp(self._uniform(n, 1, low=near, high=far))
        # looking along +z with y up, +x points to the left of the picture
        return -seen[..., :2] / depth.clamp_min(0.1)[..., None], seen

    def detect(self, joints: Tensor) -> tuple[Tensor, Tensor]:
        """Noisy joints (B, 13, 2) and their visibility (B, 13), as a detector would give them."""
        n, o = len(joints), self.options
        visibility = torch.where(
            self._chance(o.uncertain, n, 13),
            self._uniform(n, 13, low=0.05, high=0.9),
            1 - 0.1 * self._uniform(n, 13),
        )
        torso = joints[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER, sk.LEFT_HIP, sk.RIGHT_HIP]]
        extent = (torso[:, :, None] - torso[:, None]).square().sum(-1).amax((1, 2)).sqrt()
        std = o.noise * self._uniform(n, 1, low=0.3, high=1.7)
        std = std * (1 + (o.ends - 1) * torch.tensor(_FROM_TRUNK, device=self.device))
        std = std * (1 + 6 * (1 - visibility - 0.1).clamp_min(0))
        std = torch.where(self._chance(o.outlier, n, 13), 8 * std, std)
        joints = self._swapped(joints)
        joints = joints + (std * extent[:, None])[..., None] * self._normal(n, 13, 2)
        return joints, visibility * self.seen(n) * self.inside(joints)

    def found(self, joints: Tensor, visibility: Tensor, jitter: float) -> tuple[Tensor, Tensor]:
        """Joints (B, 13, 2) that a real detector found, and their visibility, some joints dropped.

        Its own errors are in them; `jitter`, in widths of the person, keeps a net from learning
        single pictures by heart.
        """
        n = len(joints)
        extent = (joints.amax(1) - joints.amin(1)).amax(1)[:, None, None]
        joints = joints + jitter * extent * self._normal(n, 13, 2)
        return joints, visibility * self.seen(n) * self.inside(joints)

    def inside(self, joints: Tensor) -> Tensor:
        """1 for joints (B, 13) that are in the picture; the nearer half of the body always is.

        The picture ends below in three of five cases, else to the left or right.
        """
        n = len(joints)
        if not self.options.crop:
            return torch.ones(n, 13, device=self.device)
        ways = torch.tensor([[0, 1], [0, 1], [0, 1], [1, 0], [-1, 0]], device=self.device)
        pick = torch.randint(len(ways), (n,), generator=self.generator, device=self.device)
        along = (joints * ways[pick][:, None]).sum(-1)
        middle, end = along.median(1).values, along.amax(1)
        edge = middle + self._uniform(n) * (end - middle)
        inside = (along <= edge[:, None]) | ~self._chance(self.options.crop, n)[:, None]
        return inside.to(joints.dtype)

    def _swapped(self, joints: Tensor) -> Tensor:
        mirror = torch.tensor(sk.MIRROR, device=self.device)
        for first, last in ((sk.LEFT_SHOULDER, sk.RIGHT_WRIST), (sk.LEFT_HIP, sk.RIGHT_ANKLE)):
            part = torch.arange(13, device=self.device)
            part[first : last + 1] = mirror[first : last + 1]
            chosen = self._chance(self.options.swap, len(joints))
            joints = _where(chosen, joints[:, part], joints)
        return joints

    def seen(self, n: int) -> Tensor:
        """1 for seen joints, 0 for dropped ones (n, 13); shoulders and hips go less often."""
        chance = torch.full((13,), float(self.options.drop_joint), device=self.device)
        chance[[sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER, sk.LEFT_HIP, sk.RIGHT_HIP]] /= 2
        seen = self._uniform(n, 13) >= chance
        limbs = torch.tensor(
            [
                [sk.LEFT_ELBOW, sk.LEFT_WRIST],
                [sk.RIGHT_ELBOW, sk.RIGHT_WRIST],
                [sk.LEFT_KNEE, sk.LEFT_ANKLE],
                [sk.RIGHT_KNEE, sk.RIGHT_ANKLE],
                [sk.LEFT_ANKLE, sk.RIGHT_ANKLE],
                [sk.LEFT_KNEE, sk.RIGHT_KNEE],
            ],
            device=self.device,
        )
        pick = torch.randint(len(limbs), (n,), generator=self.generator, device=self.device)
        gone = torch.zeros(n, 13, dtype=torch.bool, device=self.device)
        gone.scatter_(1, limbs[pick], True)
        both_knees = (pick == len(limbs) - 1)[:, None]  # then the ankles are out of view as well
        ankles = torch.tensor([sk.LEFT_ANKLE, sk.RIGHT_ANKLE], device=self.device)
        gone[:, ankles] |= both_knees
        seen &= ~(gone & self._chance(self.options.drop_limb, n)[:, None])
        if self.options.hide:
            seen &= ~self._hidden(n)
        return seen.to(torch.float32)

    def _hidden(self, n: int) -> Tensor:
        """Joints (n, 13) behind something: in `hide` of the poses, up to `hide_most` anywhere."""
        rank = self._uniform(n, 13).argsort(dim=1)
        count = torch.randint(
            1, self.options.hide_most + 1, (n, 1), generator=self.generator, device=self.device
        )
        return (rank < count) & self._chance(self.options.hide, n)[:, None]


def _view(azimuth: Tensor, elevation: Tensor, roll: Tensor) -> Tensor:
    """Rotations (B, 3, 3) into camera axes: about y, then about x, then about the optical axis."""
    zero, one = torch.zeros_like(azimuth), torch.ones_like(azimuth)

    def matrix(*rows: Tensor) -> Tensor:
        return torch.stack(rows, dim=-1).view(-1, 3, 3)

    ca, sa, ce, se = azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin()
    cr, sr = roll.cos(), roll.sin()
    about_y = matrix(ca, zero, sa, zero, one, zero, -sa, zero, ca)
    about_x = matrix(one, zero, zero, zero, ce, -se, zero, se, ce)
    about_z = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return about_z @ about_x @ about_y
