"""A 3D pose as a trunk, limb directions and bone lengths, so that poses can be recombined.

Frames are right-handed, columns x = the person's left, y = up the spine, z = forward. All
functions work on batches of torch tensors.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vipecli.poses import skeleton as sk

# arm and leg as (left, right) chains of joints, root first
ARMS = ((sk.LEFT_SHOULDER, sk.LEFT_ELBOW, sk.LEFT_WRIST),
        (sk.RIGHT_SHOULDER, sk.RIGHT_ELBOW, sk.RIGHT_WRIST))  # fmt: skip
LEGS = ((sk.LEFT_HIP, sk.LEFT_KNEE, sk.LEFT_ANKLE),
        (sk.RIGHT_HIP, sk.RIGHT_KNEE, sk.RIGHT_ANKLE))  # fmt: skip

HIP_WIDTH, SHOULDER_WIDTH, SPINE, NECK, UPPER_ARM, FOREARM, THIGH, SHIN = range(8)


@dataclass(frozen=True)
class Body:
    """A batch of poses taken apart.

    Attributes
    ----------
    trunk
        shape (B, 3, 3): the trunk's frame in the world.
    hips, shoulders
        shape (B, 3): unit vectors from the right to the left joint, in the trunk's frame.
    head
        shape (B, 3): unit vector from the mid-shoulder, in the shoulders' frame.
    arms, legs
        shape (B, 2 sides, 2 bones, 3): unit vectors in the shoulders' and the hips' frame.
    lengths
        shape (B, 8): hip width, shoulder width, spine, neck, upper arm, forearm, thigh, shin;
        left and right averaged.
    """

    trunk: Tensor
    hips: Tensor
    shoulders: Tensor
    head: Tensor
    arms: Tensor
    legs: Tensor
    lengths: Tensor


def unit(v: Tensor) -> Tensor:
    """Vectors of length one along the last axis; zero vectors stay zero."""
    return v / v.norm(dim=-1, keepdim=True).clamp_min(1e-8)


def frame(up: Tensor, left: Tensor) -> Tensor:
    """Right-handed frame (..., 3, 3), columns (left, up, forward), with `up` kept exactly."""
    y = unit(up)
    x = unit(left - (left * y).sum(-1, keepdim=True) * y)
    return torch.stack([x, y, torch.linalg.cross(x, y, dim=-1)], dim=-1)


def _into(rotation: Tensor, v: Tensor) -> Tensor:
    """Vectors (B, ..., 3) of the world in the coordinates of frames (B, 3, 3)."""
    return torch.einsum("bji,b...j->b...i", rotation, v)


def _out_of(rotation: Tensor, v: Tensor) -> Tensor:
    """Inverse of `_into`."""
    return torch.einsum("bij,b...j->b...i", rotation, v)


def _segment_frames(trunk: Tensor, hips: Tensor, shoulders: Tensor) -> tuple[Tensor, Tensor]:
    """World frames of the hips and of the shoulders: the spine is `up` for both."""
    up = trunk[..., 1]
    return frame(up, _out_of(trunk, hips)), frame(up, _out_of(trunk, shoulders))


def take_apart(poses: Tensor) -> Body:
    """Body of each pose (B, 13, 3); `put_together` is the inverse, up to left/right lengths."""
    hip_line = poses[:, sk.LEFT_HIP] - poses[:, sk.RIGHT_HIP]
    shoulder_line = poses[:, sk.LEFT_SHOULDER] - poses[:, sk.RIGHT_SHOULDER]
    mid_hip = poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1)
    mid_shoulder = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1)
    spine = mid_shoulder - mid_hip
    neck = poses[:, sk.HEAD] - mid_shoulder
    trunk = frame(spine, unit(hip_line) + unit(shoulder_line))
    hips, shoulders = _into(trunk, unit(hip_line)), _into(trunk, unit(shoulder_line))
    hip_frame, shoulder_frame = _segment_frames(trunk, hips, shoulders)
    arms, legs = (
        torch.stack([poses[:, list(c[1:])] - poses[:, list(c[:-1])] for c in chains], 1)
        for chains in (ARMS, LEGS)
    )
    lengths = torch.stack(
        [v.norm(dim=-1) for v in (hip_line, shoulder_line, spine, neck)]
        + [limb.norm(dim=-1).mean(1)[:, bone] for limb in (arms, legs) for bone in (0, 1)],
        dim=1,
    )
    return Body(
        trunk,
        hips,
        shoulders,
        _into(shoulder_frame, unit(neck)),
        _into(shoulder_frame, unit(arms)),
        _into(hip_frame, unit(legs)),
        lengths,
    )


def put_together(body: Body) -> Tensor:
    """Poses (B, 13, 3) of the bodies, mid-hip at the origin."""
    hip_frame, shoulder_frame = _segment_frames(body.trunk, body.hips, body.shoulders)
    length = [body.lengths[:, i, None] for i in range(8)]
    mid_shoulder = body.trunk[..., 1] * length[SPINE]
    half_hips = _out_of(body.trunk, body.hips) * length[HIP_WIDTH] / 2
    half_shoulders = _out_of(body.trunk, body.shoulders) * length[SHOULDER_WIDTH] / 2
    joints: list[Tensor] = [mid_shoulder] * 13
    joints[sk.HEAD] = mid_shoulder + _out_of(shoulder_frame, body.head) * length[NECK]
    limbs = (
        (ARMS, _out_of(shoulder_frame, body.arms), mid_shoulder, half_shoulders, UPPER_ARM),
        (LEGS, _out_of(hip_frame, body.legs), torch.zeros_like(mid_shoulder), half_hips, THIGH),
    )
    for chains, directions, middle, half, first_bone in limbs:
        for side, (root, hinge, end) in enumerate(chains):
            joints[root] = middle + (half if side == 0 else -half)
            joints[hinge] = joints[root] + directions[:, side, 0] * length[first_bone]
            joints[end] = joints[hinge] + directions[:, side, 1] * length[first_bone + 1]
    return torch.stack(joints, dim=1)


def mirrored(body: Body) -> Body:
    """Bodies as seen in a mirror: left and right swapped, the trunk kept."""
    flip = torch.tensor([-1.0, 1.0, 1.0], device=body.head.device)
    # the line between two joints keeps its sense (right to left): its other parts flip instead
    return replace(
        body,
        hips=-body.hips * flip,
        shoulders=-body.shoulders * flip,
        head=body.head * flip,
        arms=body.arms.flip(1) * flip,
        legs=body.legs.flip(1) * flip,
    )
