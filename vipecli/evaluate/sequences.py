"""What context over time is good for: hidden joints, the same pose again, 3D, alignment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vipecli.alignment.align import align
from vipecli.embedding.distance import frame_costs
from vipecli.embedding.embed import Model, embed
from vipecli.evaluate import alignment
from vipecli.evaluate.lifting import Method as Lifting
from vipecli.evaluate.metrics import np_mpjpe_pairs
from vipecli.evaluate.retrieval import Noise
from vipecli.evaluate.views import CAMERAS, detected, in_camera, project
from vipecli.poses.canonical import canonical, mid_hip, torso
from vipecli.poses.gaps import fill_gaps
from vipecli.poses.poses import Poses
from vipecli.sequence.gap_filling import fill_in_context
from vipecli.sequence.posebert import PoseBert, in_context

HIDDEN_S = (0.2, 0.5, 1.0, 2.0)
"""How long joints are hidden, seconds."""

ALIGNED_GAP_S = 1.0
"""How long a person is hidden in clips that are aligned."""

_AROUND_S = 0.7  # known on both sides of what is hidden, at least
_HIDDEN = {"person": range(13), "arm": (3, 5), "leg": (9, 11)}
_LONGEST_S = 6.0  # of a clip that is filmed
_ANY_S = 1e3
_TINY = 1e-9


@dataclass(frozen=True)
class Filmed:
    """A motion as one camera of a rig saw it: poses, and the truth in the picture and in its axes.

    Attributes
    ----------
    name
        of the clip.
    poses
        as detected.
    exact
        shape (T, 13, 2), pixels.
    truth
        shape (T, 13, 3), metres, in camera axes.
    """

    name: str
    poses: Poses
    exact: np.ndarray
    truth: np.ndarray


def filmed(
    clips: dict[str, tuple[np.ndarray, float]], *, seed: int = 0, at_most: int = 200
) -> list[Filmed]:
    """Clips (T, 13, 3) with their frames per second, each by a random camera of the rig ``all``.

    Joints as a detector would find them; of a long clip some seconds of its middle.
    """
    rng = np.random.default_rng(seed)
    names = sorted(clips)
    out = []
    for name in (names[i] for i in np.sort(rng.permutation(len(names))[:at_most])):
        joints, fps = clips[name]
        joints = joints[np.isfinite(joints).all(axis=(1, 2))].astype(np.float64)
        spare = max(0, len(joints) - int(_LONGEST_S * fps)) // 2
        joints = joints[spare : len(joints) - spare]
        camera = CAMERAS["all"][rng.integers(len(CAMERAS["all"]))]
        room = _in_room(joints, rng)
        exact = project(room, camera)
        xy = detected(exact, Noise(), seed=int(rng.integers(1 << 30)))
        times = np.arange(len(xy)) / fps
        poses = Poses(xy, np.ones(xy.shape[:2], np.float32), times, (1000, 1000), name)
        out.append(Filmed(name, poses, exact, in_camera(room, camera)))
    return out


def _in_room(joints: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The motion about the middle of the room, on its floor, turned as a whole."""
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    middle = mid_hip(joints).mean(axis=0) * np.array([1, 0, 1])
    return (joints - middle - np.array([0, joints[..., 1].min(), 0])) @ turn.T


def hide(
    poses: Poses, hidden_s: float, joints: Sequence[int] = range(13)
) -> tuple[Poses, np.ndarray] | None:
    """The poses with joints hidden in the middle, and in which frames (T,).

    The known frames on both sides are `hidden_s` and a frame apart. None = the clip is too short.
    """
    times = poses.times
    if times[-1] - times[0] < hidden_s + 2 * _AROUND_S:
        return None
    start = (times[0] + times[-1] - hidden_s) / 2
    inside = (times >= start) & (times < start + hidden_s - 1e-6)
    xy, score = poses.xy.copy(), poses.score.copy()
    rows = np.ix_(inside, joints)
    xy[rows], score[rows] = np.nan, 0
    return replace(poses, xy=xy, score=score), inside


def gap_filling(films: Sequence[Filmed], model: PoseBert) -> list[dict[str, Any]]:
    """Error of hidden joints in the picture, beside that of straight lines.

    Returns
    -------
    One row per kind of gap and length: ``hidden``, ``hidden_s``, ``clips``, ``posebert`` and
    ``lines`` (mean distance from the truth, percent of the torso's length in the picture),
    ``ratio``, and ``expected``: the expected error over the true one.
    """
    rows = []
    for name, joints in _HIDDEN.items():
        for hidden_s in HIDDEN_S:
            errors = [_filled_error(film, list(joints), hidden_s, model) for film in films]
            found = [error for error in errors if error is not None]
            if not found:
                continue
            ours, lines, expected = np.mean(found, axis=0)
            head = {"hidden": name, "hidden_s": hidden_s, "clips": len(found)}
            figures = {
                "posebert": 100 * ours,
                "lines": 100 * lines,
                "ratio": ours / max(lines, _TINY),
            }
            rows.append(head | figures | {"expected": expected / ours})
    return rows


def _filled_error(
    film: Filmed, joints: list[int], hidden_s: float, model: PoseBert
) -> tuple[float, float, float] | None:
    """Errors of PoseBERT and of straight lines, and what PoseBERT expects, torsos."""
    seen = hide(film.poses, hidden_s, joints)
    if seen is None:
        return None
    poses, inside = seen
    ours = fill_in_context(poses, model, max_gap_s=_ANY_S, min_gap_s=0)
    lines = fill_gaps(poses, max_gap_s=_ANY_S)
    size = np.median(torso(np.pad(film.exact, ((0, 0), (0, 0), (0, 1)))))
    rows = np.ix_(inside, joints)

    def error(xy: np.ndarray) -> float:
        return float(np.linalg.norm(xy[rows] - film.exact[rows], axis=-1).mean() / size)

    return error(ours.poses.xy), error(lines.xy), float(ours.error_px[rows].mean() / size)


def aligned_with_gaps(
    takes: Sequence[alignment.Take],
    bert: PoseBert,
    model: Model,
    *,
    hidden_s: float = ALIGNED_GAP_S,
    warps: int = 3,
    seed: int = 0,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """Alignment error where nobody is seen for a while in the middle of both clips.

    Returns
    -------
    Rows as of `alignment.alignment`: without gaps, with the gaps left open, filled by straight
    lines, and in context.
    """

    def gone(poses: Poses) -> Poses:
        hidden = hide(poses, hidden_s)
        return hidden[0] if hidden else poses

    ways: dict[str, Callable[[Poses], Poses]] = {
        "nobody hidden": lambda poses: poses,
        "hidden, left open": gone,
        "hidden, straight lines": lambda poses: fill_gaps(gone(poses), max_gap_s=_ANY_S),
        "hidden, PoseBERT": lambda poses: fill_in_context(gone(poses), bert).poses,
    }
    methods = [_embedded_after(name, way, model) for name, way in ways.items()]
    return alignment.alignment(takes, methods, warps=warps, seed=seed, progress=progress)


def _embedded_after(name: str, prepare: Callable[[Poses], Poses], model: Model) -> alignment.Method:
    return alignment.Method(name, lambda poses: embed(prepare(poses), model), frame_costs, align)


Space = Callable[[Poses], np.ndarray]
"""Vectors (T, D) of the frames of a clip, compared by plain distances."""


def contextual(bert: PoseBert, single: Model) -> Space:
    """The embedding of PoseBERT."""
    return lambda poses: in_context(poses, bert, single=single).mean


def posed(method: Lifting) -> Space:
    """The canonical 3D pose that a method lifts."""
    return lambda poses: canonical(method.lift(poses))[0].reshape(len(poses), -1)


def by_embedding(model: Model) -> Space:
    """The means of an embedding, of single frames or of several."""
    return lambda poses: embed(poses, model).mean


def nearest(
    queries: Sequence[Filmed], index: Sequence[Filmed], spaces: dict[str, Space], *, every: int = 3
) -> list[dict[str, Any]]:
    """3D error of the nearest frame of other people's clips.

    Returns
    -------
    One row per space: ``method``, ``queries``, ``np_mpjpe`` (torsos, after the best similarity) and
    ``mpjpe_mm`` (mid-hip on mid-hip, turned about the vertical of the body alike, as
    `canonical`).
    """
    truth = [np.concatenate([f.truth[::every] for f in films]) for films in (queries, index)]
    upright = [canonical(poses)[0] for poses in truth]
    size = float(np.mean(torso(truth[0])))
    rows = []
    for name, space in spaces.items():
        a, b = (
            np.concatenate([space(f.poses)[::every] for f in films]) for films in (queries, index)
        )
        found = _nearest_rows(a, b)
        pairs = np.stack([np.arange(len(found)), found], axis=1)
        gap = np_mpjpe_pairs(truth[0].astype(np.float32), truth[1].astype(np.float32), pairs)
        plain = np.linalg.norm(upright[0] - upright[1][found], axis=-1).mean(axis=-1)
        errors = {"np_mpjpe": float(gap.mean()), "mpjpe_mm": 1000 * size * float(plain.mean())}
        rows.append({"method": name, "queries": len(found)} | errors)
    return rows


def _nearest_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Row of b (M, D) nearest to each of a (N, D)."""
    square = np.square(b).sum(axis=1)
    parts = [(square - 2 * a[i : i + 512] @ b.T).argmin(axis=1) for i in range(0, len(a), 512)]
    return np.concatenate(parts)


def by_context(name: str, bert: PoseBert, single: Model) -> Lifting:
    """Lifting by PoseBERT, from 2D joints."""
    return Lifting(name, lambda poses: in_context(poses, bert, single=single).pose)
