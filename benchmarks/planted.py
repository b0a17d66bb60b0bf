"""Pairs of takes with known timing: motion capture seen by two cameras and a detector that errs.

Takes of one moment in time are cut at both ends, play at a speed that wanders between 0.5x and
2x, and may hold a pause. No picture is rendered, so that hundreds of pairs take a minute.
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.interpolate import PchipInterpolator

from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.evaluate.views import HELD_OUT, Camera, Noise, detected, project
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import LEFT_HIP, RIGHT_HIP

RATE = 30.0
"""Frames per second of motions and takes."""

LENGTH_S = 4.0, 9.0
"""Shortest and longest motion."""

_SIZE = 1000, 1000  # pixels of the picture, as `project` has it
_BLEND = 10  # frames from one movement to the next


@dataclass(frozen=True)
class Plan:
    """What is done to a take.

    Attributes
    ----------
    cut
        largest share of the motion that is cut off at each end.
    speeds
        slowest and fastest; (1, 1) = as it is.
    pause_s
        longest pause, held half of the time; 0 = none.
    """

    cut: float = 0.3
    speeds: tuple[float, float] = (0.5, 2.0)
    pause_s: float = 0.0


@dataclass(frozen=True)
class Seen:
    """A take: its poses and embeddings, and the moment of the motion in each frame (T,)."""

    poses: Poses
    embeddings: Embeddings
    moment: np.ndarray


def motions(mocap: Path, count: int, *, seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """Name and joints (T, 13, 3) of motions that no weights were trained on, standing on a spot.

    In turn a window of a long CMU recording, and two or three different movements of UI-PRMD
    by one subject, joined.
    """
    rng = np.random.default_rng(seed)
    long = read(mocap / "cmu_joints13_30fps.npz", 4 * RATE)
    short = read(mocap / "uiprmd_joints13_20hz.npz", 20)
    out = []
    for number in range(count):
        if number % 2:
            name, joints = _joined(short, rng)
        else:
            name = sorted(long)[rng.integers(len(long))]
            want = min(len(long[name]), int(RATE * rng.uniform(*LENGTH_S)))
            start = rng.integers(len(long[name]) - want + 1)
            name, joints = f"{name}@{start}", long[name][start : start + want]
        out.append((name, grounded(joints)))
    return out


def read(path: Path, shortest: float) -> dict[str, np.ndarray]:
    """Clips of an archive that no weights were trained on, `shortest` frames long or more."""
    with np.load(path) as archive:
        names = [n for n in archive.files if any(fnmatch.fnmatch(n, p) for p in HELD_OUT)]
        clips = {n: archive[n].astype(np.float64) for n in names}
    return {n: x for n, x in clips.items() if len(x) >= shortest and np.isfinite(x).all()}


def _joined(clips: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[str, np.ndarray]:
    """Two or three movements of one subject at 30 frames/s, one into the other."""
    subject = ("_s09_", "_s10_")[rng.integers(2)]
    names = sorted(n for n in clips if subject in n and "/ok/" in n)
    kinds = sorted({n.split("/")[2].split("_")[0] for n in names})
    chosen = rng.choice(kinds, rng.integers(2, 4), replace=False)
    parts, labels = [], []
    for kind in chosen:
        own = [n for n in names if n.split("/")[2].startswith(kind + "_")]
        labels.append(own[rng.integers(len(own))])
        clip = clips[labels[-1]] - _pelvis(clips[labels[-1]])
        at = np.arange(0, len(clip) - 1, 20 / RATE)
        low = at.astype(int)
        share = (at - low)[:, None, None]
        part = clip[low] * (1 - share) + clip[low + 1] * share
        if parts:
            share = np.linspace(0, 1, _BLEND + 2)[1:-1, None, None]
            parts.append(parts[-1][-1] * (1 - share) + part[0] * share)
        parts.append(part)
    return "+".join(labels), np.concatenate(parts)


def _pelvis(joints: np.ndarray) -> np.ndarray:
    return joints[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)


def grounded(joints: np.ndarray) -> np.ndarray:
    """Joints with the pelvis above the origin, the lowest joint of the motion on the floor."""
    joints = joints.copy()
    joints[..., [0, 2]] -= _pelvis(joints)[..., [0, 2]]
    joints[..., 1] -= joints[..., 1].min() - 0.05
    return joints


def moments(frames: int, plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Moment of the motion, in its frames, that each frame of a take shows; non-decreasing."""
    last = frames - 1
    start, end = rng.uniform(0, plan.cut) * last, last - rng.uniform(0, plan.cut) * last
    knots = np.linspace(start, end, max(2, round((end - start) / RATE) + 1))
    octaves = rng.uniform(*np.log2(plan.speeds), len(knots))
    grid = np.linspace(start, end, 20 * len(knots))
    slowness = 2 ** -PchipInterpolator(knots, octaves)(grid)
    clock = np.concatenate([[0], np.cumsum((slowness[1:] + slowness[:-1]) / 2 * np.diff(grid))])
    at = np.interp(np.arange(0, clock[-1]), clock, grid)
    if plan.pause_s and rng.random() < 0.5:
        held = rng.integers(len(at))
        at = np.insert(at, held, np.full(int(RATE * rng.uniform(0.3, plan.pause_s)), at[held]))
    return at


def seen(
    joints: np.ndarray, at: np.ndarray, model: Model, *, camera: Camera, noise: Noise, seed: int
) -> Seen:
    """Film the moments `at` of a motion and embed what a detector finds."""
    low = np.minimum(at.astype(int), len(joints) - 2)
    share = (at - low)[:, None, None]
    xy = project(joints[low] * (1 - share) + joints[low + 1] * share, camera)
    xy = detected(xy, noise, seed=seed)
    score = np.ones(xy.shape[:2], np.float32)
    poses = Poses(xy, score, np.arange(len(xy)) / RATE, _SIZE)
    return Seen(poses, embed(poses, model), at / RATE)


def any_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera anywhere around, as people hold and place them."""
    return Camera(rng.uniform(0, 360), rng.uniform(3, 7), rng.uniform(0.7, 2.2))


def pairs(
    found: Sequence[tuple[str, np.ndarray]],
    model: Model,
    *,
    a: Plan | None = None,
    b: Plan | None = None,
    noise: Noise | None = None,
    seed: int = 0,
) -> list[tuple[Seen, Seen]]:
    """Two takes of each motion by two cameras; a is cut but plays as it is unless told."""
    rng = np.random.default_rng(seed)
    plans = a or Plan(speeds=(1, 1)), b or Plan()
    return [
        tuple(
            seen(
                joints,
                moments(len(joints), plan, rng),
                model,
                camera=any_camera(rng),
                noise=noise or Noise(),
                seed=int(rng.integers(1 << 31)),
            )
            for plan in plans
        )
        for _, joints in found
    ]
