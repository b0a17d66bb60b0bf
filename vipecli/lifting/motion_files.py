"""3D motion in files: `.npz`, `.json`, `.trc` (OpenSim) and `.bvh` (Blender and others)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.spatial.transform import Rotation

from vipecli import __version__
from vipecli.errors import FormatError
from vipecli.files import replacing
from vipecli.poses.anatomy import BONES, LENGTHS, bones, put_together
from vipecli.poses.skeleton import JOINTS

FORMAT_VERSION = 1
AXES = "x to the person's left or the right of the picture, y up, z forward or to the camera"


@dataclass(frozen=True)
class Motion:
    """Joints of one person over time, in metres.

    Attributes
    ----------
    joints
        shape (T, 13, 3), right-handed, y up; NaN in frames without a person.
    times
        shape (T,), seconds.
    std
        shape (T, 13): expected error of each joint, metres.
    axes
        which way x, y and z point.
    source, model
        what it was made from, and with which weights.
    """

    joints: np.ndarray
    times: np.ndarray
    std: np.ndarray
    axes: str = ""
    source: str = ""
    model: str = ""


def check_format(path: Path) -> None:
    """Refuse an extension that is none of `WRITERS`.

    Raises
    ------
    FormatError
        that names those that are.
    """
    if path.suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise FormatError(f"{path}: motion is not written as '{path.suffix}'; use {known}")


def save_motion(motion: Motion, path: str | Path) -> None:
    """Write a motion to a file, which appears complete or not at all; the extension decides.

    Raises
    ------
    FormatError
        if the extension is unknown, or there is no frame with a person to write.
    """
    path = Path(path)
    check_format(path)
    if not np.isfinite(motion.joints).any():
        raise FormatError(f"{path}: no frame has a pose; nothing to write")
    with replacing(path) as part:
        WRITERS[path.suffix.lower()](motion, part)


def load_motion(path: str | Path) -> Motion:
    """Motion from an `.npz` that `save_motion` wrote.

    Raises
    ------
    FormatError
        if it cannot be read, or is none.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["format_version"]) != FORMAT_VERSION or "joints" not in file.files:
                raise FormatError(f"{path}: not a file of 3D motion by this version of vipe")
            texts = {name: str(file[name]) for name in ("axes", "source", "model")}
            joints, times, std = (file[name] for name in ("joints", "times", "std"))
    except (OSError, ValueError, KeyError, EOFError, AttributeError, BadZipFile) as exc:
        raise FormatError(f"{path}: not a file of 3D motion ({exc})") from exc
    if joints.shape != (len(times), len(JOINTS), 3) or std.shape != joints.shape[:2]:
        raise FormatError(f"{path}: joints of shape {joints.shape} for {len(times)} times")
    return Motion(joints, times, std, **texts)


def even(motion: Motion) -> tuple[np.ndarray, float]:
    """Joints at a constant rate, for formats that know no times: (F, 13, 3) and frames per second.

    The rate is the usual one of the clip (the median step); frames between two known ones are
    interpolated, gaps are bridged, and the ends held.
    """
    known = np.isfinite(motion.joints).all(axis=(1, 2))
    times = motion.times
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1 / 30
    count = round((times[-1] - times[0]) / step) + 1
    at = times[0] + step * np.arange(count)
    flat = motion.joints[known].reshape(known.sum(), -1)
    columns = [np.interp(at, times[known], column) for column in flat.T]
    joints = np.stack(columns, axis=1).reshape(count, 13, 3)
    directions, _ = bones(joints)
    lengths = np.median(bones(motion.joints[known])[1], axis=0)
    middle = joints[:, [7, 8]].mean(axis=1, keepdims=True)
    return middle + put_together(directions, np.broadcast_to(lengths, (count, 8))), 1 / step


def _write_npz(motion: Motion, path: Path) -> None:
    arrays = {
        "format_version": np.int64(FORMAT_VERSION),
        "joints": motion.joints.astype(np.float32),
        "std": motion.std.astype(np.float32),
        "times": motion.times,
        "names": np.array(JOINTS),
        "axes": np.array(motion.axes),
        "source": np.array(motion.source),
        "model": np.array(motion.model),
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def _write_json(motion: Motion, path: Path) -> None:
    def rows(values: np.ndarray, digits: int) -> list:
        return [
            np.round(row.astype(np.float64), digits).tolist() if np.isfinite(row).all() else None
            for row in values
        ]

    head = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "source": motion.source,
        "model": motion.model,
        "unit": "m",
        "axes": motion.axes,
        "names": list(JOINTS),
        "times": np.round(motion.times, 6).tolist(),
        "joints": rows(motion.joints, 4),
        "std": rows(motion.std, 4),
    }
    lines = [f"  {json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in head.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


# -- TRC ------------------------------------------------------------------------------------------


def _write_trc(motion: Motion, path: Path) -> None:
    """Marker trajectories; a frame without a person has empty cells."""
    step = float(np.median(np.diff(motion.times))) if len(motion.times) > 1 else 1 / 30
    rate, count = f"{1 / step:.6g}", len(motion.times)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{Path(motion.source).stem}.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{rate}\t{rate}\t{count}\t{len(JOINTS)}\tm\t{rate}\t1\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(JOINTS) + "\t\t",
        "\t\t" + "\t".join(f"{a}{i + 1}" for i in range(len(JOINTS)) for a in "XYZ"),
        "",
    ]
    for number, (time_s, joints) in enumerate(zip(motion.times, motion.joints, strict=True), 1):
        cells = [f"{value:.5f}" if np.isfinite(value) else "" for value in joints.ravel()]
        lines.append(f"{number}\t{time_s:.6f}\t" + "\t".join(cells))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


# -- BVH ------------------------------------------------------------------------------------------

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


def _write_bvh(motion: Motion, path: Path) -> None:
    """Skeleton in a T pose, and joint rotations; metres, y up, constant rate."""
    joints, fps = even(motion)
    directions, lengths = bones(joints)
    length = dict(zip(LENGTHS, lengths[0], strict=True))
    lines = ["HIERARCHY", *_hierarchy(_NODES[0], length, 0)]
    place = joints[:, [7, 8]].mean(axis=1)
    angles = _angles(directions)
    ordered = [angles[node.name] for node in _in_file_order(_NODES[0])]
    values = np.concatenate([place, *ordered], axis=1)
    lines += ["MOTION", f"Frames: {len(values)}", f"Frame Time: {1 / fps:.8f}"]
    lines += [" ".join(f"{v:.5f}" for v in row) for row in values]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _children(node: _Node) -> list[_Node]:
    return [other for other in _NODES if other.parent == node.name]


def _in_file_order(node: _Node) -> list[_Node]:
    """The node and all below it as the file lists them."""
    return [node, *(found for child in _children(node) for found in _in_file_order(child))]


def _hierarchy(node: _Node, length: dict[str, float], depth: int) -> list[str]:
    """Lines of a joint and all below it."""
    pad, inner = "  " * depth, "  " * (depth + 1)
    rotations = " ".join(f"{axis}rotation" for axis in _ORDER)
    places = "Xposition Yposition Zposition "
    head = "ROOT" if node.parent is None else "JOINT"
    channels = f"CHANNELS 6 {places}{rotations}" if head == "ROOT" else f"CHANNELS 3 {rotations}"
    lines = [f"{pad}{head} {node.name}", f"{pad}{{", f"{inner}{_offset(node.offset, length)}"]
    lines.append(f"{inner}{channels}")
    for child in _children(node):
        lines += _hierarchy(child, length, depth + 1)
    if node.end:
        end = _offset(node.end, length)
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}  {end}", f"{inner}}}"]
    return [*lines, f"{pad}}}"]


def _offset(offset: _Offset, length: dict[str, float]) -> str:
    direction, name, share = offset
    return "OFFSET " + " ".join(f"{share * length[name] * d + 0.0:.6f}" for d in direction)


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
    fallback = np.cross(rest, [0.0, 0.0, 1.0])  # for the opposite direction any axis will do
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


WRITERS: dict[str, Callable[[Motion, Path], None]] = {
    ".npz": _write_npz,
    ".json": _write_json,
    ".trc": _write_trc,
    ".bvh": _write_bvh,
}
"""Writers by extension."""
