"""Prediction of 3D poses from those known so far."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.embedding.model import default_weights
from vipecli.errors import NoPoseError, WeightsError
from vipecli.poses.anatomy import bones, put_together
from vipecli.poses.canonical import mid_hip
from vipecli.sequence.predictor import Predictor
from vipecli.sequence.window_frame import WindowFrame, without_depth

PREDICT_WEIGHTS = "posegpt.onnx"
LONGEST_S = 1.0
"""Farthest ahead that is predicted, seconds."""

LONGEST_GAP_S = 0.5
"""Motion before a longer time without the person is not used."""


@dataclass(frozen=True)
class Future:
    """Predicted poses of one person.

    Attributes
    ----------
    joints
        shape (F, 13, 3), the axes and unit of what was known.
    std
        shape (F, 13): expected error of each joint, the same unit; never falls over time.
    samples
        shape (K, F, 13, 3): possible futures; K may be 0.
    times
        shape (F,), seconds; the first is one frame after the last known one.
    model
        which weights made it.
    """

    joints: np.ndarray
    std: np.ndarray
    samples: np.ndarray
    times: np.ndarray
    model: str


@functools.cache
def default_predictor(path: Path | None = None) -> Predictor:
    """The predictor of a file, read once per process; None = the one that comes with vipe.

    Raises
    ------
    WeightsError
        if it cannot be read, or predicts other joints.
    """
    path = path or default_weights().with_name(PREDICT_WEIGHTS)
    model = Predictor.load(path)
    if model.data != "mocap":
        raise WeightsError(f"{path}: predicts the joints of a benchmark, not the 13 of vipe")
    return model


def predict(
    joints: np.ndarray,
    times: np.ndarray,
    model: Predictor | None = None,
    *,
    seconds: float = LONGEST_S,
    samples: int = 0,
    unseen: np.ndarray | None = None,
    seed: int = 0,
) -> Future:
    """Poses of the time after the last one that is known.

    Parameters
    ----------
    joints
        shape (T, 13, 3), right-handed, y up, any unit; frames with a NaN are not known. Gaps of up
        to `LONGEST_GAP_S` are bridged by straight lines.
    times
        shape (T,), seconds, strictly increasing; the rate may vary.
    model
        None = the one that comes with vipe.
    seconds
        how far ahead, in (0, `LONGEST_S`].
    samples
        futures to draw beside the middle one.
    unseen
        shape (3,), a direction along which the camera cannot see the body move in the world;
        None = the whole way is known.
    seed
        fixes what is drawn.

    Returns
    -------
    Frames at the model's rate from the last known one on, all with the same bone lengths.

    Raises
    ------
    NoPoseError
        if too little is known.
    ValueError
        if `seconds` is out of range.

    Examples
    --------
    >>> motion = load_motion("walk.npz")  # doctest: +SKIP
    >>> predict(motion.joints, motion.times, seconds=0.5).joints.shape  # doctest: +SKIP
    (15, 13, 3)
    """
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f"seconds is {seconds}; give a time above 0, at most {LONGEST_S:g}")
    model = model or default_predictor()
    known, last = _evenly(joints, times, model)
    frame = WindowFrame.of(known)
    direction = np.zeros((1, 2))
    if unseen is not None:
        direction = frame.direction(np.asarray(unseen, float)[None])
    seen = without_depth(frame.enter(known), direction)
    count = max(1, round(seconds * model.fps))
    middle, std = model.rollout(seen, count, known=direction)
    lengths = np.median(bones(known)[1], axis=1)
    drawn = [np.empty((0, count, 13, 3))]
    if samples:
        rng = np.random.default_rng(seed)
        many = [np.repeat(x, samples, axis=0) for x in (seen, direction)]
        drawn.append(model.rollout(many[0], count, known=many[1], rng=rng)[0])
    spread = frame.size[0]
    futures = [_placed(x, frame, lengths) for x in (middle, np.concatenate(drawn))]
    at = last + np.arange(1, count + 1) / model.fps
    return Future(futures[0][0], std[0] * spread, futures[1], at, model.id)


def _evenly(joints: np.ndarray, times: np.ndarray, model: Predictor) -> tuple[np.ndarray, float]:
    """The last known poses (1, N, 13, 3) at the model's rate, and the time of the last of them."""
    known = np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))
    if not len(known):
        raise NoPoseError("no frame shows the whole person")
    at = times[known]
    gaps = np.flatnonzero(np.diff(at) > LONGEST_GAP_S)
    if len(gaps):
        known, at = known[gaps[-1] + 1 :], at[gaps[-1] + 1 :]
    count = min(model.seen, int(np.floor((at[-1] - at[0]) * model.fps + 1e-6)) + 1)
    if count < model.least * model.chunk:
        raise NoPoseError(
            f"the person is known for {at[-1] - at[0]:.2f} s without a break; prediction wants "
            f"{model.shortest_s:.2f} s"
        )
    grid = at[-1] - np.arange(count)[::-1] / model.fps
    flat = joints[known].reshape(len(known), -1)
    even = np.stack([np.interp(grid, at, column) for column in flat.T], axis=1)
    return even.reshape(1, count, 13, 3), float(at[-1])


def _placed(poses: np.ndarray, frame: WindowFrame, lengths: np.ndarray) -> np.ndarray:
    """Predicted poses (K, F, 13, 3) in the axes of what was known, with the person's own bones."""
    if not len(poses):
        return poses
    each = len(poses)
    many = WindowFrame(*(np.repeat(x, each, axis=0) for x in (frame.place, frame.turn, frame.size)))
    poses = many.leave(poses)
    directions, _ = bones(poses)
    return put_together(directions, lengths[:, None]) + mid_hip(poses)[:, :, None]


def error_of(future: Future, joints: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Mean distance (F,) of the predicted joints from what came, each about its own mid-hip.

    Parameters
    ----------
    future
        what was predicted.
    joints, times
        shapes (T, 13, 3) and (T,) of what came, in the axes and unit of the prediction; NaN where
        it is not known. Frames beyond it, or far from a known one, are NaN.
    """
    known = np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))
    out = np.full(len(future.times), np.nan)
    if not len(known):
        return out
    at = times[known]
    right = np.searchsorted(at, future.times).clip(1, max(1, len(at) - 1))
    if len(at) < 2:
        return out
    inside = (future.times >= at[0] - 1e-6) & (future.times <= at[-1] + 1e-6)
    inside &= at[right] - at[right - 1] <= LONGEST_GAP_S
    flat = joints[known].reshape(len(known), -1)
    came = np.stack([np.interp(future.times, at, column) for column in flat.T], axis=1)
    came = came.reshape(-1, 13, 3)
    gap = (future.joints - mid_hip(future.joints)[:, None]) - (came - mid_hip(came)[:, None])
    out[inside] = np.linalg.norm(gap, axis=-1).mean(axis=-1)[inside]
    return out
