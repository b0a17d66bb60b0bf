"""The 13 joints as a BVH skeleton: a T pose, and the rotations that turn it into each frame."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from vipecli.poses.anatomy import BONES, LENGTHS, bones
from vipecli.poses.mocap.bvh import Joint

_LEFT, _UP, _DOWN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0)
_RIGHT, _FRONT = (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
_Offset = tuple[tuple[float, float, float], str, float]


@dataclass(frozen=True)
class _Node:
    """A joint of the BVH skeleton, which turns the bone that hangs on it.

    `offset` is its place in the parent: a direction in the rest pose, and a share of a bone length;
    `bone` the bone that it turns, None for a joint that turns none; `rest` where that bone points
    in the rest pose, a T; `end` the offset of the end site, where there is one.
    """

    name: str
    parent: str | None
    offset: _Offset
    bone: str | None
    rest: tuple[float, float, float] = _UP
    end: _Offset | None = None


_NODES = (
    _Node("Hips", None, (_UP, "spine", 0.0), "hips", _LEFT),
    _Node("Spine", "Hips", (_UP, "spine", 0.0), "spine", _UP),
    _Node("Chest", "Spine", (_UP, "spine", 1.0), "shoulders", _LEFT),
    _Node("Neck", "Chest", (_UP, "spine", 0.0), "head", _UP),
    # the skull's base and top: the model's head joint, the middle of the head, is their mean
    _Node("Head", "Neck", (_UP, "head", 0.6), None, end=(_UP, "head", 0.8)),
    *(
        node
        for side, out in (("Left", _LEFT), ("Right", _RIGHT))
        for node in (
            _Node(f"{side}Arm", "Chest", (out, "shoulders", 0.5), f"{side.lower()}_upper_arm", out),
            _Node(f"{side}ForeArm", f"{side}Arm", (out, "upper_arm", 1.0),
                  f"{side.lower()}_forearm", out),
            _Node(f"{side}Hand", f"{side}ForeArm", (out, "forearm", 1.0), None,
                  end=(out, "forearm", 0.3)),
            _Node(f"{side}UpLeg", "Hips", (out, "hips", 0.5), f"{side.lower()}_thigh", _DOWN),
            _Node(f"{side}Leg", f"{side}UpLeg", (_DOWN, "thigh", 1.0), f"{side.lower()}_shin",
                  _DOWN),
            _Node(f"{side}Foot", f"{side}Leg", (_DOWN, "shin", 1.0), None,
                  end=(_FRONT, "shin", 0.4)),
        )
    ),
)  # fmt: skip
_ORDER = "ZXY"  # of the rotation channels, as most programs write them


def skeleton_of(joints: np.ndarray) -> tuple[list[Joint], np.ndarray]:
    """Skeleton of a person and its channel values, for `write_bvh`.

    Parameters
    ----------
    joints
        shape (T, 13, 3), metres, y up, bones of constant length, no NaN.

    Returns
    -------
    The joints in the order of the file, and their values (T, C): the place of the hips in metres,
    then the rotations of each joint in degrees.
    """
    directions, lengths = bones(joints)
    listed: list[Joint] = []
    _append(_NODES[0], -1, dict(zip(LENGTHS, lengths[0], strict=True)), listed)
    angles = _angles(directions)
    place = joints[:, [7, 8]].mean(axis=1)
    turning = [angles[joint.name] for joint in listed if joint.channels]
    return listed, np.concatenate([place, *turning], axis=1)


def _append(node: _Node, parent: int, length: dict[str, float], listed: list[Joint]) -> None:
    """Append a joint and all below it, as the file lists them."""
    channels = [(axis, "rotation") for axis in _ORDER.lower()]
    if parent < 0:
        channels = [(axis, "position") for axis in "xyz"] + channels
    place = len(listed)
    listed.append(Joint(node.name, parent, _offset(node.offset, length), channels))
    for child in (other for other in _NODES if other.parent == node.name):
        _append(child, place, length, listed)
    if node.end:
        listed.append(Joint(f"{node.name} end", place, _offset(node.end, length)))


def _offset(offset: _Offset, length: dict[str, float]) -> np.ndarray:
    direction, name, share = offset
    return share * length[name] * np.array(direction)


def _angles(directions: np.ndarray) -> dict[str, np.ndarray]:
    """Euler angles (T, 3), degrees, without jumps, of every joint that turns a bone."""
    index = {name: i for i, name in enumerate(BONES)}
    turned: dict[str, Rotation] = {}
    out = {}
    for node in _NODES:
        above = turned.get(node.parent or "")
        if node.name == "Hips":
            local = _pelvis(directions[:, index["hips"]], directions[:, index["spine"]])
        elif node.bone is None:
            local = Rotation.identity(len(directions))
        else:
            bone = above.inv().apply(directions[:, index[node.bone]])
            local = _swing(np.array(node.rest), bone)
        turned[node.name] = local if above is None else above * local
        euler = local.as_euler(_ORDER)
        out[node.name] = np.degrees(_unwrapped(euler))
    return out


def _pelvis(hips: np.ndarray, spine: np.ndarray) -> Rotation:
    """The hips' frame: x along their line, y as near as can be to the spine."""
    up = spine - (spine * hips).sum(axis=1, keepdims=True) * hips
    up /= np.linalg.norm(up, axis=1, keepdims=True).clip(1e-9)
    return Rotation.from_matrix(np.stack([hips, up, np.cross(hips, up)], axis=2))


def _swing(rest: np.ndarray, to: np.ndarray) -> Rotation:
    """Shortest rotations that bring `rest` (3,) to unit vectors (T, 3)."""
    axis = np.cross(rest, to)
    sine, cosine = np.linalg.norm(axis, axis=1), to @ rest
    fallback = np.cross(rest, [0.0, 0.0, 1.0])  # for the opposite direction any axis is right
    axis = np.where(sine[:, None] > 1e-9, axis / np.maximum(sine, 1e-12)[:, None], fallback)
    return Rotation.from_rotvec(axis * np.arctan2(sine, cosine)[:, None])


def _unwrapped(euler: np.ndarray) -> np.ndarray:
    """The same rotations by angles (T, 3) that do not jump, as far as Euler angles can."""
    out = euler.copy()
    for before, now in pairwise(range(len(out))):
        other = out[now] * [1, -1, 1] + [np.pi, np.pi, np.pi]  # the same rotation (Z, X, Y)
        choices = [a + 2 * np.pi * np.round((out[before] - a) / (2 * np.pi))
                   for a in (out[now], other)]  # fmt: skip
        out[now] = min(choices, key=lambda a: np.abs(a - out[before]).sum())
    return out
