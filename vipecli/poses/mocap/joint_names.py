"""The model's 13 joints from skeletons of motion capture, found by the names of the joints."""

import re
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.mocap.motion import Motion
from vipecli.poses.skeleton import JOINTS

# Names of the joint at the top of a limb segment, the least ambiguous first: LeftShoulder is the
# collar bone if there is a LeftArm too, and LeftFoot the toes if there is a LeftAnkle.
_NAMES = {
    "shoulder": ("upperarm", "uparm", "uarm", "humerus", "arm", "shldr", "shoulder"),
    "elbow": ("forearm", "lowerarm", "lowarm", "farm", "radius", "elbow"),
    "wrist": ("wrist", "hand"),
    "hip": ("upleg", "upperleg", "thigh", "femur", "hip"),
    "knee": ("lowerleg", "lowleg", "loleg", "shin", "calf", "tibia", "knee", "leg"),
    "ankle": ("ankle", "foot"),
}
_HEAD = ("head", "chead", "skull")
_HEAD_TOPS = ("headend", "headtopend", "headtop", "headnub", "headendsite")
# A bone ends at the joint below it: these joints are the far end of the bone above.
_BONE_ABOVE = {"elbow": "shoulder", "wrist": "elbow", "knee": "hip", "ankle": "knee"}
_PREFIX = re.compile(r"^(.*:|(j_?)?bip\d*|mixamorig\d*|character\d*|robot|def|org)[\W_]*", re.I)


def joints_of_bvh(motion: Motion, path: Path) -> np.ndarray:
    """Return the model's joints, shape (T, 13, 3) float32, from the joints of a BVH file.

    The head is the middle between the head joint and the point on top of it, where there is one.

    Raises
    ------
    FormatError
        if a joint is missing; the text lists the names found.
    """
    names = _normalised(motion.names)
    sources = {joint: _find(joint, names) for joint in JOINTS}
    if sources["head"]:
        sources["head"] += _head_top(sources["head"][0], names, motion.parents)
    return _means(motion, sources, path)


def joints_of_amc(motion: Motion, path: Path) -> np.ndarray:
    """Return the model's joints, shape (T, 13, 3) float32, from the bone ends of an AMC file.

    Hips and shoulders are where thigh and upper arm start, the head is the middle of its bone.

    Raises
    ------
    FormatError
        if a bone is missing; the text lists the names found.
    """
    names = _normalised(motion.names)
    sources = {}
    for joint in JOINTS:
        side, _, part = joint.rpartition("_")
        if part in _BONE_ABOVE:
            sources[joint] = _find(f"{side}_{_BONE_ABOVE[part]}", names)
            continue
        bone = _find(joint, names)
        start = tuple(motion.parents[index] for index in bone)
        sources[joint] = bone + start if joint == "head" else start
    return _means(motion, sources, path)


def _normalised(names: tuple[str, ...]) -> list[str]:
    """Return names as lower-case letters and digits, without the prefix of a program or person."""
    word = re.match(r"[^\W_]+[\W_]+", names[0])
    if word and len(names) > 1 and all(name.startswith(word[0]) for name in names):
        names = tuple(name[word.end() :] for name in names)
    return [re.sub(r"[\W_]", "", _PREFIX.sub("", name)).lower() for name in names]


def _find(joint: str, names: list[str]) -> tuple[int, ...]:
    """Return the index of a joint by its least ambiguous name, a tuple of one; empty if missing."""
    side, _, part = joint.rpartition("_")
    if not side:
        wanted = _HEAD
    else:
        letter = side[0]
        forms = ("{side}{part}", "{part}{side}", "{letter}{part}", "{part}{letter}")
        wanted = tuple(
            form.format(side=side, letter=letter, part=name)
            for name in _NAMES[part]
            for form in forms
        )
    return next(((names.index(name),) for name in wanted if name in names), ())


def _head_top(head: int, names: list[str], parents: tuple[int, ...]) -> tuple[int, ...]:
    """Return the index of the point on top of the head, a tuple of one; empty if missing."""
    children = [index for index, parent in enumerate(parents) if parent == head]
    return tuple(index for index in children if names[index].endswith(_HEAD_TOPS))[:1]


def _means(motion: Motion, sources: dict[str, tuple[int, ...]], path: Path) -> np.ndarray:
    """Return each joint as the mean of its points."""
    if missing := [joint for joint, points in sources.items() if not points]:
        raise FormatError(
            f"{path}: found no {', '.join(missing)} among its joints: "
            f"{_listed(motion.names)}; rename them, for example LeftUpLeg, LeftLeg, LeftFoot, "
            "LeftArm, LeftForeArm, LeftHand, Head"
        )
    return np.stack([motion.positions[:, points].mean(axis=1) for points in sources.values()], 1)


def _listed(names: tuple[str, ...], most: int = 60) -> str:
    """Return the names of the joints, without end sites, in one line of bounded length."""
    shown = [name[:40] for name in names if not name.endswith(" end")]
    return ", ".join(shown[:most]) + (" and more" if len(shown) > most else "")
