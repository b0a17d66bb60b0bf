"""Alignment error of two clips with ground truth."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

from vipecli.alignment.align import Alignment, align, align_costs
from vipecli.alignment.time_map import warp
from vipecli.embedding.distance import frame_costs, order_distance
from vipecli.embedding.embed import Model, embed
from vipecli.errors import FormatError
from vipecli.evaluate.metrics import kendall_tau, np_mpjpe
from vipecli.files import read_regular
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import (
    LEFT_ANKLE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    MIRROR,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    from_mediapipe,
)

TAU_STEP_S = 1 / 6
"""Step of Kendall's tau: 5 frames at 30 frames/s, as in TCC."""

SPEEDS = 0.5, 2.0
"""Slowest and fastest that a planted warp plays."""

KNOT_S = 1.0
"""A planted warp draws a speed about this often."""

_MOST_BYTES = 64 << 20  # of truth.json

LONGEST_CUT = 0.15
"""Share of the clip that a planted warp cuts off at most at each end."""

_LEFT_ANGLES = (
    (LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST),
    (LEFT_HIP, LEFT_SHOULDER, LEFT_ELBOW),
    (LEFT_SHOULDER, LEFT_HIP, LEFT_KNEE),
    (LEFT_HIP, LEFT_KNEE, LEFT_ANKLE),
)
ANGLES = _LEFT_ANGLES + tuple(tuple(MIRROR[j] for j in angle) for angle in _LEFT_ANGLES)
"""Joints (from, at, to) of elbows, shoulders, hips and knees."""


@dataclass(frozen=True)
class Take:
    """A clip of a motion that other clips show too.

    Attributes
    ----------
    name
        of the clip.
    motion
        clips of the same motion are aligned with each other.
    poses
        as detected.
    moment
        shape (T,): moment of the motion that each frame shows, seconds, strictly increasing.
    """

    name: str
    motion: str
    poses: Poses
    moment: np.ndarray


@dataclass(frozen=True)
class Method:
    """A frame distance: prepares the poses of a clip once, then compares two clips.

    `costs` gives (N, M) float32, NaN where a frame says nothing. `align`, as `align.align` does it,
    if more than these make the alignment.
    """

    name: str
    prepare: Callable[[Poses], Any]
    costs: Callable[[Any, Any], np.ndarray]
    align: Callable[..., Alignment] | None = None

    def matched(self, a: Any, b: Any, times: tuple[np.ndarray, np.ndarray], ends: str) -> Alignment:
        """Alignment of two prepared clips."""
        if self.align:
            return self.align(a, b, ends=ends)
        return align_costs(self.costs(a, b), *times, ends=ends)


def embedding(name: str, model: Model) -> Method:
    """Frame distance of an embedding, and its alignment as `vipe align` does it."""
    return Method(name, lambda poses: embed(poses, model), frame_costs, align)


def _normalised(poses: Poses) -> np.ndarray:
    """Joints (T, 13, 2) about the mid-hip, the torso's largest extent 0.5; missing ones NaN."""
    xy = poses.xy.astype(np.float64)
    torso = xy[:, [LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP]]
    size = np.linalg.norm(torso[:, :, None] - torso[:, None], axis=-1).max(axis=(1, 2))
    middle = xy[:, [LEFT_HIP, RIGHT_HIP]].mean(axis=1, keepdims=True)
    return 0.5 * (xy - middle) / size[:, None, None]


def _mean_gap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean distance of the joints (T, J, 2) of all pairs of frames."""
    return np.stack([np.linalg.norm(one - b, axis=-1).mean(axis=-1) for one in a]).astype("f4")


def joint_angles(poses: Poses) -> np.ndarray:
    """Angles (T, 8) of `ANGLES` in the picture, degrees in [0, 180]; NaN for missing joints."""
    start, at, end = (poses.xy[:, [angle[k] for angle in ANGLES]] for k in range(3))
    u, v = start - at, end - at
    lengths = np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.degrees(np.arccos(np.clip((u * v).sum(-1) / lengths, -1, 1)))


def _mean_error(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean absolute difference of the angles (T, 8) of all pairs of frames, in units of 60 degrees.

    The unit brings it below the cost that `atrous` gives to frames without any neighbour.
    """
    return (np.abs(a[:, None] - b[None]).mean(axis=-1) / 60).astype(np.float32)


def _world(poses: Poses) -> np.ndarray:
    if poses.world is None:
        raise FormatError(f"{poses.source}: holds no 3D landmarks; detect it again with vipe")
    return from_mediapipe(poses.world)


BASELINES = (
    Method("2D joints", _normalised, _mean_gap),
    Method("2D joint angles", joint_angles, _mean_error),
    Method("BlazePose 3D, Procrustes", _world, np_mpjpe),
)
"""2D joints; joint angles as PoseSync; the detector's own 3D landmarks."""


def read_truth(folder: Path) -> list[tuple[Path, str, np.ndarray]]:
    """Clips of a folder of rendered clips, with what is known of them.

    Parameters
    ----------
    folder
        holds ``truth.json``: per clip (a path within the folder) its `label` and `source_s`, the
        moment of the motion that each frame shows.

    Returns
    -------
    File, motion and moments (T,) of each clip.

    Raises
    ------
    FormatError
        if the file is missing or damaged.
    """
    path = Path(folder) / "truth.json"
    try:
        truth = json.loads(read_regular(path, most=_MOST_BYTES))
        return [
            (Path(folder) / name, str(clip["label"]), np.asarray(clip["source_s"], np.float64))
            for name, clip in sorted(truth.items())
        ]
    except OSError as exc:
        raise FormatError(
            f"{path}: cannot be read ({exc.strerror}); give a folder of clips with their truth, or "
            "two synchronised videos or more"
        ) from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise FormatError(f"{path}: not the truth of rendered clips ({exc})") from exc


def warped(take: Take, *, seed: int) -> Take:
    """The same clip with both ends cut and the speed wandering between `SPEEDS`.

    Poses between two frames are joined by straight lines, so that no frame appears twice.
    """
    rng = np.random.default_rng(seed)
    times = take.poses.times
    length = times[-1] - times[0]
    start, end = times[0] + rng.uniform(0, LONGEST_CUT) * length, times[-1]
    end -= rng.uniform(0, LONGEST_CUT) * length
    knots = np.linspace(start, end, max(2, round((end - start) / KNOT_S) + 1))
    octaves = rng.uniform(*np.log2(SPEEDS), len(knots))
    grid = np.linspace(start, end, 20 * len(knots))
    slowness = 2 ** -PchipInterpolator(knots, octaves)(grid)
    clock = np.concatenate([[0], np.cumsum((slowness[1:] + slowness[:-1]) / 2 * np.diff(grid))])
    step = length / (len(times) - 1)
    new_times = np.arange(0, clock[-1], step)
    return _at(take, np.interp(new_times, clock, grid), new_times)


def _at(take: Take, old: np.ndarray, new: np.ndarray) -> Take:
    """Frames of a take at the times `old`, to be shown at the times `new`."""
    poses = take.poses
    right = np.searchsorted(poses.times, old).clip(1, len(poses) - 1)
    share = (old - poses.times[right - 1]) / (poses.times[right] - poses.times[right - 1])

    def between(values: np.ndarray) -> np.ndarray:
        weight = share.reshape(-1, *[1] * (values.ndim - 1))
        mixed = values[right - 1] * (1 - weight) + values[right] * weight
        return mixed.astype(values.dtype)

    score = np.minimum(poses.score[right - 1], poses.score[right])
    moved = replace(
        poses,
        xy=np.where(score[..., None] > 0, between(poses.xy), np.float32(np.nan)),
        score=score,
        times=new,
        landmarks=None,
        landmark_score=None,
        filled=None,
        world=None if poses.world is None else between(poses.world),
    )
    return replace(take, poses=moved, moment=np.interp(old, poses.times, take.moment))


def errors_s(alignment: Alignment, a: Take, b: Take) -> np.ndarray:
    """Error of the time map for every frame of a whose moment b shows too, seconds of b.

    The true time in b is that at which b shows the same moment.
    """
    shown = (a.moment >= b.moment[0]) & (a.moment <= b.moment[-1])
    truth = np.interp(a.moment[shown], b.moment, b.poses.times)
    return np.abs(warp(alignment, a.poses.times[shown]) - truth)


def order(costs: np.ndarray, a: Take, b: Take) -> float:
    """Kendall's tau between the frames of a and their nearest ones in b, both every 1/6 s.

    Only frames of a whose moment b shows count.
    """
    smooth = order_distance(costs, a.poses.times, b.poses.times)
    rows, columns = (_every(take.poses.times) for take in (a, b))
    moments = a.moment[rows]
    shown = (moments >= b.moment[0]) & (moments <= b.moment[-1])
    return kendall_tau(smooth[np.ix_(rows[shown], columns)].argmin(axis=1))


def _every(times: np.ndarray) -> np.ndarray:
    """Frames about `TAU_STEP_S` apart."""
    step = max(1, round(TAU_STEP_S * (len(times) - 1) / (times[-1] - times[0])))
    return np.arange(0, len(times), step)


def pairs(takes: Sequence[Take]) -> Iterator[tuple[Take, Take]]:
    """Ordered pairs of different clips of one motion."""
    return ((a, b) for a, b in itertools.permutations(takes, 2) if a.motion == b.motion)


def alignment(
    takes: Sequence[Take],
    methods: Sequence[Method],
    *,
    warps: int = 3,
    ends: str = "auto",
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """Error of the alignment of all ordered pairs of clips of one motion.

    Parameters
    ----------
    takes
        at least two of one motion.
    methods
        frame distances; those without an `align` of their own go through the same atrous mean and
        plain dynamic time warping.
    warps
        how often the second clip of a pair is cut and warped, each time differently; 0 = aligned
        as it is.
    ends
        as in `align.align`, for every method.
    seed
        fixes the warps.
    progress
        called with the number of pairs done since its last call.

    Returns
    -------
    One row per method: median, mean and 90th percentile of the error in frames of the second clip
    (the error in seconds times its mean rate), the median in seconds, mean Kendall's tau (None
    where one frame is nearest to all), and `frames`, the number of frames judged.

    Raises
    ------
    FormatError
        if there is no pair.
    """
    gaps: dict[str, list[np.ndarray]] = {one.name: [] for one in methods}
    frames: dict[str, list[np.ndarray]] = {one.name: [] for one in methods}
    taus: dict[str, list[float]] = {one.name: [] for one in methods}
    for number, (a, b) in enumerate(pairs(takes)):
        targets = [warped(b, seed=seed + 1000 * number + w) for w in range(warps)] or [b]
        for one in methods:
            ready = one.prepare(a.poses)
            for target in targets:
                other = one.prepare(target.poses)
                times = a.poses.times, target.poses.times
                error = errors_s(one.matched(ready, other, times, ends), a, target)
                gaps[one.name].append(error)
                frames[one.name].append(error * _rate(target.poses.times))
                taus[one.name].append(order(one.costs(ready, other), a, target))
        if progress:
            progress(1)
    if not any(gaps.values()):
        raise FormatError("no two clips of the same motion; alignment needs a pair")
    return [_row(one.name, gaps[one.name], frames[one.name], taus[one.name]) for one in methods]


def _rate(times: np.ndarray) -> float:
    return (len(times) - 1) / (times[-1] - times[0])


def _defined(taus: list[float]) -> list[float]:
    """Without the alignments in which one frame is nearest to all."""
    return [value for value in taus if not np.isnan(value)]


def _row(
    name: str, gaps: list[np.ndarray], frames: list[np.ndarray], taus: list[float]
) -> dict[str, Any]:
    in_frames = np.concatenate(frames)
    return {
        "method": name,
        "median_frames": float(np.median(in_frames)),
        "mean_frames": float(in_frames.mean()),
        "p90_frames": float(np.percentile(in_frames, 90)),
        "median_s": float(np.median(np.concatenate(gaps))),
        "kendall_tau": float(np.mean(defined)) if (defined := _defined(taus)) else None,
        "alignments": len(frames),
        "frames": len(in_frames),
    }
