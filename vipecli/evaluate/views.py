"""3D poses projected into known cameras, with detector noise: the data of retrieval."""

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.embedding.window import Window
from vipecli.errors import FormatError
from vipecli.evaluate.metrics import np_mpjpe
from vipecli.poses.mocap.clips import clips
from vipecli.poses.mocap.units import in_metres
from vipecli.poses.skeleton import (
    LEFT_HIP,
    LEFT_SHOULDER,
    MIRROR,
    RIGHT_ANKLE,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)

HELD_OUT = ("uiprmd/*_s09_*", "uiprmd/*_s10_*", "amc/13_*", "amc/14_*", "amc/86_*", "amc/131_*")
"""Clips that stay out of training, by name: two subjects of UI-PRMD and four of CMU."""

_FPS, _UIPRMD_FPS = 30.0, 20.0  # of arrays, which have no rate
DUPLICATE_AT = 0.02
"""NP-MPJPE up to which two poses are near-duplicates (paper, section 4.2)."""

_FLOOR_M = 0.05  # an ankle joint above the floor
_ROAM_M = 0.6  # people stand up to this far from the origin, along both axes of the floor
_FOCAL_PX = 1145.0  # Human3.6M; what is measured does not depend on it
_CENTER_PX = 1000.0


@dataclass(frozen=True)
class Camera:
    """Position of a camera that points at the vertical axis, `aim_m` above the floor."""

    azimuth_deg: float
    distance_m: float
    height_m: float
    aim_m: float = 0.9


CAMERAS: dict[str, tuple[Camera, ...]] = {
    # Human3.6M, subject 1: four corners of a room of 4 x 3 m, all at chest height.
    "chest": (
        Camera(69.6, 5.29, 1.56),
        Camera(-70.9, 5.37, 1.61),
        Camera(109.5, 5.53, 1.49),
        Camera(-115.7, 4.13, 1.57),
    ),
    # MPI-INF-3DHP without the ceiling: five at chest height all around, five from above that look
    # down at 45 degrees, one from knee height that looks up (Mehta et al. 2017, section 4).
    "all": (
        *(Camera(72.0 * i, 4.0, 1.4) for i in range(5)),
        *(Camera(36.0 + 72.0 * i, 3.2, 4.1) for i in range(5)),
        Camera(20.0, 3.5, 0.4, aim_m=1.1),
    ),
}
"""Camera sets of the paper's tables, by name."""


@dataclass(frozen=True)
class Noise:
    """Noise model of a detector.

    Gaussian errors with a standard deviation of `std` times the size of the torso in the picture
    (the largest distance among shoulders and hips), times the joint's factor; a few joints far
    off; now and then both arms or both legs with left and right exchanged. Between two frames the
    errors are independent. The detector does not know that it errs: scores stay 1.

    Attributes
    ----------
    std
        about what fine-tuned detectors reach on Human3.6M (5 px of a torso of 115 px).
    outlier, outlier_factor
        share of joints with a larger error, and how much larger.
    swap
        chance that the arms change sides, and that the legs do.
    factors
        per joint in the order of `skeleton.JOINTS`: ends of limbs are found less well.
    """

    std: float = 0.035
    outlier: float = 0.01
    outlier_factor: float = 8.0
    swap: float = 0.01
    factors: tuple[float, ...] = (1, 1, 1, 1.3, 1.3, 1.8, 1.8, 1, 1, 1.2, 1.2, 1.6, 1.6)


def held_out_patterns(paths: Iterable[Path]) -> tuple[str, ...]:
    """Patterns of the clips to measure on: `HELD_OUT`, or all where no clip fits these.

    Raises
    ------
    FormatError
        as `load_mocap`.
    """
    fits = any(fnmatch.fnmatch(clip.name, p) for clip in clips(list(paths)) for p in HELD_OUT)
    return HELD_OUT if fits else ("*",)


def load_mocap(
    paths: Iterable[Path],
    *,
    include: Sequence[str] = HELD_OUT,
    remark: Callable[[str], object] = str,
) -> np.ndarray:
    """Poses of all clips whose name fits a pattern.

    Parameters
    ----------
    paths
        files and folders that `poses.mocap.clips` reads.
    include
        shell patterns of clip names.
    remark
        called with a line about clips whose units or axes were converted.

    Returns
    -------
    shape (P, 13, 3) float32, metres, y up; frames with a NaN left out.

    Raises
    ------
    FormatError
        if a file is unreadable, a clip has another shape, or no clip fits.
    """
    return middle(load_windows(paths, Window(1, 1.0), include=include, remark=remark))


def load_windows(
    paths: Iterable[Path],
    window: Window,
    *,
    include: Sequence[str] = HELD_OUT,
    remark: Callable[[str], object] = str,
) -> np.ndarray:
    """The poses of `load_mocap` with the frames around them, (P, F, 13, 3).

    NaN in places where a clip has no frame. Parameters and errors as those of `load_mocap`.
    """
    found = []
    for joints, fps in load_clips(paths, include=include, remark=remark).values():
        known = np.isfinite(joints).all(axis=(1, 2))
        rows = window.rows(np.arange(len(joints)) / fps, np.flatnonzero(known))
        there = (rows >= 0) & known[rows]
        found.append(np.where(there[..., None, None], joints[rows], np.nan).astype(np.float32))
    return np.concatenate(found)


def load_clips(
    paths: Iterable[Path],
    *,
    include: Sequence[str] = HELD_OUT,
    remark: Callable[[str], object] = str,
) -> dict[str, tuple[np.ndarray, float]]:
    """Clips (T, 13, 3) whose name fits a pattern, by name, and their frames per second.

    Arrays have no rate: those of UI-PRMD run at 20, others are taken as 30. Parameters and errors
    as those of `load_mocap`.
    """
    paths = list(paths)
    found: dict[str, tuple[np.ndarray, float]] = {}
    converted: dict[str, list[str]] = {}
    for clip in clips(paths):
        if not any(fnmatch.fnmatch(clip.name, pattern) for pattern in include):
            continue
        array, rate = clip.read()
        joints, how = in_metres(array)
        if how:
            converted.setdefault(how, []).append(clip.name)
        usual = _UIPRMD_FPS if clip.name.startswith("uiprmd/") else _FPS
        found[clip.name] = joints, rate or usual
    if not sum(np.isfinite(joints).all(axis=(1, 2)).sum() for joints, _ in found.values()):
        raise FormatError(
            f"{', '.join(map(str, paths))}: no clip whose name fits {' '.join(include)}; "
            "see --held-out"
        )
    for how, names in converted.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        remark(f"{names[0]}{more}: {how}; converted to metres, y up")
    return found


def distinct(poses: np.ndarray, *, at_most: int, seed: int = 0) -> np.ndarray:
    """Poses drawn at random, none within `DUPLICATE_AT` of another.

    Parameters
    ----------
    poses
        shape (P, 13, 3).
    at_most
        enough.
    seed
        fixes the draw.

    Returns
    -------
    shape (at most `at_most`, 13, 3).
    """
    return poses[distinct_rows(poses, at_most=at_most, seed=seed)]


def distinct_rows(poses: np.ndarray, *, at_most: int, seed: int = 0) -> np.ndarray:
    """Rows of the poses that `distinct` gives."""
    order = np.random.default_rng(seed).permutation(len(poses))
    kept = np.empty(0, int)
    for start in range(0, len(order), 256):
        rows = order[start : start + 256]
        if len(kept):
            rows = rows[np_mpjpe(poses[rows], poses[kept]).min(axis=1) > DUPLICATE_AT]
        near = np_mpjpe(poses[rows], poses[rows]) <= DUPLICATE_AT
        chosen: list[int] = []
        for i in range(len(rows)):
            if not near[i, chosen].any():
                chosen.append(i)
        kept = np.concatenate([kept, rows[chosen]])
        if len(kept) >= at_most:
            break
    return kept[:at_most]


def placed(poses: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Return poses (P, 13, 3) placed on the floor at random positions, facing any direction.

    Windows (P, F, 13, 3) by their middle poses.
    """
    if poses.ndim == 4:
        flat = poses.reshape(len(poses), -1, 3)
        return _placed(flat, middle(poses), seed).reshape(poses.shape)
    return _placed(poses, poses, seed)


def middle(windows: np.ndarray) -> np.ndarray:
    """Middle frames (P, ...) of windows (P, F, ...)."""
    return windows[:, windows.shape[1] // 2]


def _placed(points: np.ndarray, poses: np.ndarray, seed: int) -> np.ndarray:
    """Points (P, N, 3) placed as the poses (P, 13, 3) that they belong to."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, len(poses))
    c, s = np.cos(angle), np.sin(angle)
    zero, one = np.zeros_like(c), np.ones_like(c)
    turn = np.array([[c, zero, s], [zero, one, zero], [-s, zero, c]]).transpose(2, 0, 1)
    pelvis = poses[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    out = np.einsum("pij,pkj->pki", turn, points - pelvis)
    out[:, :, 1] += _FLOOR_M - (poses - pelvis)[:, :, 1].min(axis=1, keepdims=True)
    out[:, :, [0, 2]] += rng.uniform(-_ROAM_M, _ROAM_M, (len(poses), 1, 2))
    return out


def project(poses: np.ndarray, camera: Camera) -> np.ndarray:
    """Return pixels (P, 13, 2), y down, of poses (P, 13, 3) in the world; azimuth 0 is at +z."""
    seen = in_camera(poses, camera)
    depth = np.maximum(seen[..., 2:], 0.1)
    return (_FOCAL_PX * seen[..., :2] / depth + _CENTER_PX / 2).astype(np.float32)


def in_camera(poses: np.ndarray, camera: Camera) -> np.ndarray:
    """Return poses (P, 13, 3) in the camera's axes: right, down, forward, metres."""
    turn = np.radians(camera.azimuth_deg)
    position = np.array(
        [
            camera.distance_m * np.sin(turn),
            camera.height_m,
            camera.distance_m * np.cos(turn),
        ]
    )
    forward = np.array([0, camera.aim_m, 0]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 1, 0])
    right /= np.linalg.norm(right)
    axes = np.stack([right, np.cross(forward, right), forward])
    return (poses - position) @ axes.T


def detected(xy: np.ndarray, noise: Noise, *, seed: int = 0) -> np.ndarray:
    """Joints (P, 13, 2) as a detector would find them; see `Noise`."""
    rng = np.random.default_rng(seed)
    torso = xy[:, [LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP]]
    size = np.linalg.norm(torso[:, :, None] - torso[:, None], axis=-1).max(axis=(1, 2))
    far = rng.random(xy.shape[:2]) < noise.outlier
    std = noise.std * np.array(noise.factors) * np.where(far, noise.outlier_factor, 1)
    errors = rng.standard_normal(xy.shape) * (std * size[:, None])[..., None]
    joints = np.arange(13)
    for first, last in ((LEFT_SHOULDER, RIGHT_WRIST), (LEFT_HIP, RIGHT_ANKLE)):
        inside = (joints >= first) & (joints <= last)
        other_side = np.where(inside, np.array(MIRROR), joints)
        swapped = rng.random(len(xy)) < noise.swap
        xy = np.where(swapped[:, None, None], xy[:, other_side], xy)
    return (xy + errors).astype(np.float32)


def occlusions(poses: int, count: int, *, seed: int = 0) -> np.ndarray:
    """Scores (P, 13) float32: 0 for `count` joints of each pose, drawn at random, 1 for others."""
    ranks = np.random.default_rng(seed).random((poses, 13)).argsort(axis=1).argsort(axis=1)
    return (ranks >= count).astype(np.float32)
