"""3D motion in files: `.npz`, `.json`, `.trc` and `.c3d` (biomechanics), `.bvh` (animation)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vipecli import __version__
from vipecli.errors import FormatError, import_extra
from vipecli.files import replacing
from vipecli.lifting.bvh_skeleton import skeleton_of
from vipecli.lifting.lift import Lifted
from vipecli.lifting.placement import where
from vipecli.poses.anatomy import bones, put_together
from vipecli.poses.formats.text import own_name
from vipecli.poses.mocap.bvh import write_bvh
from vipecli.poses.mocap.clips import clips
from vipecli.poses.mocap.units import in_metres
from vipecli.poses.npz_reader import open_npz
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

FORMAT_VERSION = 1
RECORDED = (".bvh", ".amc")
"""Extensions of files that `recorded_motion` reads."""

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
    samples
        shape (K, T, 13, 3): other motions that are possible in its place; None = none. Only .npz
        and .json hold them.
    """

    joints: np.ndarray
    times: np.ndarray
    std: np.ndarray
    axes: str = ""
    source: str = ""
    model: str = ""
    samples: np.ndarray | None = None


def as_motion(
    lifted: Lifted,
    poses: Poses,
    *,
    source: str = "",
    torso_m: float = 0.5,
    camera: bool = False,
) -> Motion:
    """Lifted poses as motion in metres, y up.

    Parameters
    ----------
    lifted, poses
        joints in space, and those in the picture that they were lifted from.
    source
        name of the clip.
    torso_m
        from mid-hip to mid-shoulder, metres.
    camera
        in the axes of the camera, with the way through the picture, instead of the body's own.
    """
    joints, axes = lifted.joints, "x to the person's left, y up the spine, z forward"
    if camera:
        joints = lifted.in_camera() + where(lifted, poses)[:, None]
        joints = joints * np.array([1, -1, -1])  # down and forward as up and backward
        axes = "x to the right of the picture, y up, z to the camera"
    std = torso_m * lifted.std
    return Motion(torso_m * joints, lifted.times, std, axes, source, lifted.model)


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
    with open_npz(path, what="a file of 3D motion") as file:
        if int(file.read("format_version")) != FORMAT_VERSION or "joints" not in file:
            raise FormatError(f"{path}: not a file of 3D motion by this version of vipe")
        texts = {name: str(file.read(name)) for name in ("axes", "source", "model")}
        joints, times, std = (file.read(name) for name in ("joints", "times", "std"))
        samples = file.read("samples") if "samples" in file else None
    if joints.shape != (len(times), len(JOINTS), 3) or std.shape != joints.shape[:2]:
        raise FormatError(f"{path}: joints of shape {joints.shape} for {len(times)} times")
    return Motion(joints, times, std, **texts, samples=samples)


def recorded_motion(path: str | Path, *, remark: Callable[[str], object] = str) -> Motion:
    """Motion of a `.bvh` or `.amc` file, y up, in metres, with no expected error.

    Parameters
    ----------
    path
        one of `RECORDED`; an `.amc` has its `.asf` beside it.
    remark
        is told what was converted.

    Raises
    ------
    FormatError
        if it cannot be read.
    """
    path = Path(path)
    (clip,) = clips([path])
    array, fps = clip.read()
    joints, how = in_metres(array)
    if how:
        remark(f"{path}: {how}; converted to metres, y up")
    times = np.arange(len(joints)) / (fps or 30.0)
    axes = "of the recording, y up"
    return Motion(joints, times, np.zeros(joints.shape[:2]), axes, path.name)


def even(motion: Motion) -> tuple[np.ndarray, float]:
    """Joints at a constant rate and with bones of constant length: (F, 13, 3), frames per second.

    See `interpolated`.
    """
    joints, fps = interpolated(motion)
    directions, _ = bones(joints)
    known = np.isfinite(motion.joints).all(axis=(1, 2))
    lengths = np.median(bones(motion.joints[known])[1], axis=0)
    middle = joints[:, [7, 8]].mean(axis=1, keepdims=True)
    return middle + put_together(directions, np.broadcast_to(lengths, (len(joints), 8))), fps


def interpolated(motion: Motion) -> tuple[np.ndarray, float]:
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
    return np.stack(columns, axis=1).reshape(count, 13, 3), 1 / step


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
    if motion.samples is not None:
        arrays["samples"] = motion.samples.astype(np.float32)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def motion_data(motion: Motion) -> dict[str, Any]:
    """Content of the `.json`: plain lists, None in frames without a person."""

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
    if motion.samples is not None:
        head["samples"] = [rows(one, 4) for one in motion.samples]
    return head


def _write_json(motion: Motion, path: Path) -> None:
    head = motion_data(motion)
    lines = [f"  {json.dumps(k)}: {json.dumps(v, allow_nan=False)}" for k, v in head.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


# -- TRC ------------------------------------------------------------------------------------------


def _write_trc(motion: Motion, path: Path) -> None:
    """Marker trajectories; a frame without a person has empty cells."""
    step = float(np.median(np.diff(motion.times))) if len(motion.times) > 1 else 1 / 30
    rate, count = f"{1 / step:.6g}", len(motion.times)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{own_name(motion.source)}",
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
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_bvh(motion: Motion, path: Path) -> None:
    """Skeleton in a T pose, and joint rotations; metres, y up, constant rate."""
    joints, fps = even(motion)
    write_bvh(path, *skeleton_of(joints), fps)


def _write_c3d(motion: Motion, path: Path) -> None:
    """Markers in millimetres at a constant rate; frames in a gap have no markers."""
    ezc3d = import_extra("ezc3d", "formats", f"{motion.source or path.name}: writing .c3d")
    joints, fps = interpolated(motion)
    at = motion.times[0] + np.arange(len(joints)) / fps
    nearest = np.abs(motion.times[:, None] - at).argmin(axis=0)
    joints[~np.isfinite(motion.joints[nearest]).all(axis=(1, 2))] = np.nan
    points = np.ones((4, len(JOINTS), len(joints)))
    points[:3] = 1000 * joints.transpose(2, 1, 0)
    residuals = np.where(np.isfinite(points[:1]), 0.0, -1.0)  # below 0: not seen
    file = ezc3d.c3d()
    marks = file["parameters"]["POINT"]
    for name, value in (("RATE", [fps]), ("UNITS", ["mm"]), ("LABELS", list(JOINTS))):
        marks[name]["value"] = value
    file.add_parameter("POINT", "X_SCREEN", ["+X"])
    file.add_parameter("POINT", "Y_SCREEN", ["+Y"])
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = residuals
    file["data"]["meta_points"]["camera_masks"] = np.zeros((7, *points.shape[1:]), bool)
    file.write(str(path))


WRITERS: dict[str, Callable[[Motion, Path], None]] = {
    ".npz": _write_npz,
    ".json": _write_json,
    ".trc": _write_trc,
    ".bvh": _write_bvh,
    ".c3d": _write_c3d,
}
"""Writers by extension."""
