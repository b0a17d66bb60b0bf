"""3D error of poses lifted from one view: cameras by rule, a real detector, two real cameras."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.embedding.embed import Model
from vipecli.errors import FormatError
from vipecli.evaluate.metrics import np_mpjpe_pairs
from vipecli.evaluate.retrieval import Settings, embedded, pictures
from vipecli.evaluate.views import CAMERAS, in_camera, placed
from vipecli.lifting.lift import Lifted, lift
from vipecli.lifting.lifter import Lifter
from vipecli.poses.canonical import mid_hip, torso
from vipecli.poses.npz_reader import open_npz
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import from_mediapipe


@dataclass(frozen=True)
class Method:
    """A method of lifting: `lift` gives joints (T, 13, 3) in axes right, down, forward."""

    name: str
    lift: Callable[[Poses], np.ndarray]


def by_vvipe(
    name: str,
    lifter: Lifter,
    *,
    smooth_s: float = 0.0,
    world: bool = True,
    context: bool = False,
) -> Method:
    """V-VIPE, frame by frame, or smoothed and in context as a video is."""
    how = {"smooth_s": smooth_s, "world": world, "context": context}
    return Method(name, lambda poses: lift(poses, lifter, **how).in_camera())


def by_network(name: str, model: Model) -> Method:
    """A network that lifts directly, as `vipe train` writes with ``kind = "lifting"``."""
    return Method(
        name, lambda poses: embedded(model, poses.xy, poses.score).mean.reshape(-1, 13, 3)
    )


def by_detector(name: str, *, smooth_s: float = 0.0) -> Method:
    """The detector's own 3D landmarks."""

    def world(poses: Poses) -> np.ndarray:
        if poses.world is None:
            raise FormatError(f"{poses.source}: holds no 3D landmarks")
        points = from_mediapipe(poses.world).astype(np.float64)
        return _gaussian(points, poses.times, smooth_s) if smooth_s else points

    return Method(name, world)


def _gaussian(values: np.ndarray, times: np.ndarray, smooth_s: float) -> np.ndarray:
    """The same Gaussian mean over time that lifted joints get, for a fair comparison."""
    known = np.isfinite(values).all(axis=(1, 2))
    kernel = np.exp(-0.5 * np.square((times[:, None] - times[known]) / smooth_s))
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.einsum("tk,kij->tij", kernel, values[known])


def errors(lifted: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PA-MPJPE and MPJPE (T,) of poses (T, 13, 3), in units of the truth.

    PA-MPJPE: after the best similarity. MPJPE: mid-hip on mid-hip, the lifted torso as long as the
    true one, in camera axes.
    """
    same = np.repeat(np.arange(len(truth))[:, None], 2, axis=1)
    aligned = np_mpjpe_pairs(lifted.astype(np.float32), truth.astype(np.float32), same)
    size = torso(truth)
    placed_there = (lifted - mid_hip(lifted)[:, None]) / torso(lifted)[:, None, None]
    gap = size[:, None, None] * placed_there - (truth - mid_hip(truth)[:, None])
    return aligned * size, np.linalg.norm(gap, axis=-1).mean(axis=-1)


def by_cameras(
    poses: np.ndarray, methods: Sequence[Method], settings: Settings
) -> list[dict[str, Any]]:
    """Errors over all cameras of each set, joints exact and as a detector would find them.

    Parameters
    ----------
    poses
        shape (P, 13, 3), metres.
    methods
        what to compare.
    settings
        cameras, noise, occluded joints.

    Returns
    -------
    One row per camera set, kind of joints and method: `pa_mpjpe_mm`, `mpjpe_mm`, `np_mpjpe`
    (PA-MPJPE in torso units).
    """
    rows = []
    world = placed(poses, seed=settings.seed)
    for cameras in settings.cameras:
        for noisy in ([False] if settings.exact else []) + [True]:
            seen = pictures(poses, cameras, settings, noisy=noisy)
            for method in methods:
                found = []
                for (xy, score), camera in zip(seen, CAMERAS[cameras], strict=True):
                    lifted = method.lift(_separate(xy, score))
                    found.append(errors(lifted, in_camera(world, camera)))
                head = {"cameras": cameras, "joints": "detected" if noisy else "exact"}
                rows.append(head | _row(method, found, torso(world)))
    return rows


def _separate(xy: np.ndarray, score: np.ndarray) -> Poses:
    """Pictures as frames of a clip; occluded joints missing."""
    xy = np.where(score[..., None] > 0, xy, np.float32(np.nan))
    return Poses(xy, score, np.arange(len(xy), dtype=np.float64), (1000, 1000))


def _row(
    method: Method, found: list[tuple[np.ndarray, np.ndarray]], sizes: np.ndarray
) -> dict[str, Any]:
    aligned = np.concatenate([a for a, _ in found])
    plain = np.concatenate([b for _, b in found])
    return {
        "method": method.name,
        "pa_mpjpe_mm": 1000 * float(np.nanmean(aligned)),
        "mpjpe_mm": 1000 * float(np.nanmean(plain)),
        "np_mpjpe": float(np.nanmean(aligned / np.tile(sizes, len(aligned) // len(sizes)))),
    }


@dataclass(frozen=True)
class Filmed:
    """A stretch of film of a known motion, with what the detector found."""

    poses: Poses
    truth: np.ndarray
    name: str = ""


def load_filmed(path: Path) -> list[Filmed]:
    """Takes of a file that ``python -m examples.make_detected`` wrote.

    Raises
    ------
    FormatError
        if it is none.
    """
    names = "xy", "score", "world", "seen", "times", "take"
    with open_npz(path, what="a file of `python -m examples.make_detected`") as archive:
        xy, score, world, seen, times, take = (archive.read(name) for name in names)
        source = archive.read("source") if "source" in archive else np.full(len(take), "")
    out = []
    for number in np.unique(take):
        rows = take == number
        full = np.full((rows.sum(), 33, 3), np.nan, np.float32)
        full[:, list(_WORLD_AT)] = world[rows]
        full[:, [7, 8]] = world[rows][:, :1]
        poses = Poses(xy[rows], score[rows], times[rows], (320, 320), path.name, world=full)
        name = str(source[rows][0])
        out.append(Filmed(poses, seen[rows].astype(np.float64), name))
    return out


_WORLD_AT = (7, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # MediaPipe's number of each joint


def by_film(takes: Sequence[Filmed], methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Errors over takes that went through the real detector; rows as of `by_cameras`."""
    rows = []
    for method in methods:
        found = [errors(method.lift(one.poses), one.truth) for one in takes]
        sizes = np.concatenate([torso(one.truth) for one in takes])
        rows.append(_row(method, found, sizes))
    return rows


def agreement(a: Poses, b: Poses, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """How far poses lifted from two synchronised cameras differ, NP-MPJPE in torso units.

    Frame i of one is compared with the frame of the other that is nearest in time.
    """
    nearest = np.abs(a.times[:, None] - b.times).argmin(axis=1)
    pairs = np.stack([np.arange(len(a)), nearest], axis=1)
    rows = []
    for method in methods:
        first, second = (method.lift(poses).astype(np.float32) for poses in (a, b))
        gap = np_mpjpe_pairs(first, second, pairs)
        rows.append(
            {
                "method": method.name,
                "median": float(np.nanmedian(gap)),
                "p90": float(np.nanpercentile(gap, 90)),
                "frames": int(np.isfinite(gap).sum()),
            }
        )
    return rows


def certainty(lifted: Sequence[Lifted], takes: Sequence[Filmed]) -> float:
    """Rank correlation of the expected with the true error of each joint, after alignment."""
    from scipy.stats import spearmanr

    from vipecli.poses.canonical import rotation_onto

    expected, true = [], []
    for one, take in zip(lifted, takes, strict=True):
        unit = take.truth / torso(take.truth)[:, None, None]
        turn = rotation_onto(one.joints.astype(np.float64), unit)
        gap = one.joints @ np.swapaxes(turn, -1, -2) - (unit - mid_hip(unit)[:, None])
        expected.append(one.std.ravel())
        true.append(np.linalg.norm(gap, axis=-1).ravel())
    return float(spearmanr(np.concatenate(expected), np.concatenate(true)).statistic)
