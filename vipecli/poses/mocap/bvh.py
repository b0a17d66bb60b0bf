"""BVH motion files: a hierarchy of joints, then a row of channel values per frame."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.mocap.motion import (
    Motion,
    by_blocks,
    check_rate,
    check_size,
    euler,
    numbers,
    numbers_in,
    read_text,
    vector,
)

_CHANNEL = re.compile(r"([xyz])(position|rotation)", re.IGNORECASE)
_FRAMES = re.compile(r"\s*Frames\s*:\s*(\d{1,12})\s", re.IGNORECASE)
_FRAME_TIME = re.compile(r"\s*Frame\s+Time\s*:\s*(\S+)", re.IGNORECASE)
_MOTION = re.compile(r"^\s*MOTION\b", re.IGNORECASE | re.MULTILINE)


@dataclass
class Joint:
    """A joint or end site of a hierarchy.

    Attributes
    ----------
    name
        that of an end site is ``NAME end``.
    parent
        its index; -1 for a root.
    offset
        shape (3,), from the parent, in the file's length unit; None = not given yet.
    channels
        axis, one of ``xyz``, and kind, ``position`` or ``rotation``, in the order of the values.
    first
        column of its first value.
    """

    name: str
    parent: int
    offset: np.ndarray | None = None
    channels: list[tuple[str, str]] = field(default_factory=list)
    first: int = 0


def read_bvh(path: str | Path) -> Motion:
    """Joint positions of a BVH file.

    Rotation channels multiply from the left in the order they are listed. Position channels, on
    any joint, take the place of the joint's offset, as the programs that write them mean it.

    Parameters
    ----------
    path
        the file.

    Returns
    -------
    Joints and end sites in the order of the file.

    Raises
    ------
    FormatError
        if the hierarchy or the motion is malformed, or the values are not as many as declared.
    """
    path = Path(path)
    text = read_text(path)
    if not (motion := _MOTION.search(text)):
        raise FormatError(f"{path}: no MOTION section; is it a BVH file?")
    joints = _hierarchy(text[: motion.start()], path)
    values, fps = _motion(text[motion.end() :], sum(len(j.channels) for j in joints), path)
    check_size(len(values), len(joints), path)
    return Motion(
        names=tuple(j.name for j in joints),
        parents=tuple(j.parent for j in joints),
        positions=by_blocks(values, lambda block: _positions(joints, block)),
        fps=fps,
    )


def _hierarchy(text: str, path: Path) -> list[Joint]:
    """Joints in file order, parents before children."""
    lines = [s.strip() for s in re.sub(r"([{}])", r"\n\1\n", text).splitlines()]
    lines = [s for s in lines if s]
    if not lines or lines[0].upper() != "HIERARCHY":
        raise FormatError(f"{path}: it does not start with HIERARCHY; is it a BVH file?")
    joints: list[Joint] = []
    open_joints: list[int] = []
    for previous, line in pairwise(lines):
        keyword, *words = line.split()
        keyword = keyword.upper()
        if (previous.split()[0].upper() in ("ROOT", "JOINT", "END")) != (keyword == "{"):
            raise FormatError(f"{path}: misplaced or missing '{{' near '{line}'")
        if keyword in ("ROOT", "JOINT", "END"):
            joints.append(_opened(keyword, words, joints, open_joints, path))
            open_joints.append(len(joints) - 1)
        elif keyword == "}" and open_joints:
            open_joints.pop()
        elif keyword in ("OFFSET", "CHANNELS") and open_joints:
            _fill(joints, open_joints[-1], keyword, words, path)
        elif keyword != "{":
            raise FormatError(f"{path}: '{line}' is out of place in the hierarchy")
    if open_joints:
        raise FormatError(f"{path}: a '}}' is missing in the hierarchy")
    for joint in joints:
        if joint.offset is None:
            raise FormatError(f"{path}: {joint.name} has no OFFSET")
    return joints


def _opened(
    keyword: str, words: list[str], joints: list[Joint], open_joints: list[int], path: Path
) -> Joint:
    """New joint from the line that names it."""
    if (keyword == "ROOT") == bool(open_joints):
        raise FormatError(f"{path}: {keyword} {' '.join(words)} is out of place in the hierarchy")
    check_size(0, len(joints) + 1, path)
    parent = open_joints[-1] if open_joints else -1
    name = f"{joints[parent].name} end" if keyword == "END" else " ".join(words)
    return Joint(name, parent)


def _fill(joints: list[Joint], index: int, keyword: str, words: list[str], path: Path) -> None:
    """Take over one OFFSET or CHANNELS line."""
    joint = joints[index]
    if keyword == "OFFSET":
        joint.offset = vector(words, path, f"OFFSET of {joint.name}")
        return
    found = [_CHANNEL.fullmatch(word) for word in words[1:]]
    if not words or words[0] != str(len(found)) or None in found or joint.channels:
        raise FormatError(f"{path}: malformed CHANNELS {' '.join(words)} of {joint.name}")
    joint.first = sum(len(j.channels) for j in joints)
    joint.channels = [(m[1].lower(), m[2].lower()) for m in found]


def _motion(text: str, channels: int, path: Path) -> tuple[np.ndarray, float]:
    """Channel values (T, C) and frames per second."""
    count = _FRAMES.match(text)
    time = _FRAME_TIME.match(text, count.end()) if count else None
    if time is None:
        raise FormatError(f"{path}: MOTION has no 'Frames:' or 'Frame Time:' line")
    frame_time = numbers([time[1]], path, "Frame Time")[0]
    if frame_time <= 0:
        raise FormatError(f"{path}: a Frame Time of {frame_time:g} s")
    frames = int(count[1])
    if not frames or not channels:
        raise FormatError(f"{path}: no motion in it: {frames} frames of {channels} channels")
    values = numbers_in(text[time.end() :], path, "MOTION")
    if len(values) != frames * channels:
        raise FormatError(
            f"{path}: {len(values)} values, but {frames} frames of {channels} channels are declared"
        )
    return values.reshape(frames, channels), check_rate(1 / float(frame_time), path)


def _positions(joints: list[Joint], values: np.ndarray) -> np.ndarray:
    """Positions (T, J, 3) from channel values (T, C): forward kinematics."""
    positions = np.empty((len(values), len(joints), 3))
    turned: list[np.ndarray] = []  # global rotation (T, 3, 3) per joint
    for j, joint in enumerate(joints):
        offset, rotation = _local(joint, values)
        if joint.parent >= 0:
            above = turned[joint.parent]
            offset = positions[:, joint.parent] + np.einsum("tij,tj->ti", above, offset)
            rotation = above @ rotation if joint.channels else above
        positions[:, j] = offset
        turned.append(rotation)
    return positions


def _local(joint: Joint, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offset (T, 3) and rotation (T, 3, 3) of a joint in the frame of its parent."""
    offset = np.tile(joint.offset, (len(values), 1))
    axes, columns = "", []
    for column, (axis, kind) in enumerate(joint.channels, joint.first):
        if kind == "position":
            offset[:, "xyz".index(axis)] = values[:, column]
        else:
            axes += axis
            columns.append(column)
    return offset, euler(axes, np.radians(values[:, columns]))


def write_bvh(path: Path, joints: Sequence[Joint], values: np.ndarray, fps: float) -> None:
    """Write a BVH file.

    Parameters
    ----------
    path
        the file.
    joints
        one root first, every joint followed by all that hang on it; at least one end site each.
    values
        shape (T, C), of the channels in the order of the joints; rotations in degrees.
    fps
        frames per second.
    """
    lines = ["HIERARCHY"]
    open_joints: list[int] = []
    for index, joint in enumerate(joints):
        while open_joints and open_joints[-1] != joint.parent:
            lines.append(f"{'  ' * (len(open_joints) - 1)}}}")
            open_joints.pop()
        lines += _joint_lines(joint, "  " * len(open_joints))
        open_joints.append(index)
    lines += [f"{'  ' * depth}}}" for depth in reversed(range(len(open_joints)))]
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{v:.5f}" for v in row) for row in values]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _joint_lines(joint: Joint, pad: str) -> list[str]:
    """Opening lines of a joint, which stays open."""
    is_end = joint.name.endswith(" end") and not joint.channels
    head = "End Site" if is_end else f"{'JOINT' if joint.parent >= 0 else 'ROOT'} {joint.name}"
    place = np.zeros(3) if joint.offset is None else joint.offset
    offset = " ".join(f"{value + 0.0:.6f}" for value in place)
    lines = [f"{pad}{head}", f"{pad}{{", f"{pad}  OFFSET {offset}"]
    if not is_end:
        names = [f"{axis.upper()}{kind}" for axis, kind in joint.channels]
        lines.append(f"{pad}  CHANNELS {' '.join([str(len(names)), *names])}")
    return lines
