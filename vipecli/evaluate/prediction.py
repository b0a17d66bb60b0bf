"""Prediction of motion: rules to compare with, the benchmark's two protocols, estimated poses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.evaluate import motion_windows as mw
from vipecli.sequence.predictor import Predictor

_LINE_FRAMES = 5  # that a line is laid through


@dataclass(frozen=True)
class Method:
    """A method of prediction: `predict` takes (B, seen, J, 3) and a number of frames."""

    name: str
    predict: Callable[[np.ndarray, int], np.ndarray]


def zero_velocity(seen: np.ndarray, frames: int) -> np.ndarray:
    """Return the last pose, held."""
    return np.repeat(seen[:, -1:], frames, axis=1)


def constant_speed(seen: np.ndarray, frames: int) -> np.ndarray:
    """Return the last step repeated."""
    ahead = np.arange(1, frames + 1)[:, None, None]
    return seen[:, -1:] + ahead * (seen[:, -1:] - seen[:, -2:-1])


def line(seen: np.ndarray, frames: int) -> np.ndarray:
    """From the last pose along the slope of the straight line through the last 5."""
    part = seen[:, -_LINE_FRAMES:]
    t = np.arange(part.shape[1]) - (part.shape[1] - 1) / 2
    slope = np.tensordot(part, t, axes=([1], [0])) / (t @ t)
    ahead = np.arange(1, frames + 1)[:, None, None]
    return seen[:, -1:] + ahead * slope[:, None]


RULES = (
    Method("zero velocity", zero_velocity),
    Method("linear", line),
    Method("constant speed", constant_speed),
)


def by_model(name: str, model: Predictor) -> Method:
    """Return the method of a network of joints."""
    return Method(name, lambda seen, frames: model.rollout(seen, frames)[0])


def benchmark(folder: Path, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Errors on the CMU prediction set by both protocols, in the papers' millimetres.

    Parameters
    ----------
    folder
        the files of `motion_windows.load_recordings`.
    methods
        what to compare; models of ``cmu-prediction``.

    Returns
    -------
    One row per protocol, method and action: ``protocol`` is ``all windows`` (25 joints) or ``8
    windows`` (all 38); errors by the horizons of the papers. ``mean`` is that of the five actions
    with training clips.
    """
    clips = {r.action: r.held() for r in mw.load_recordings(folder, "test")}
    rows = []
    for method in methods:
        for protocol, select in (("all windows", mw.all_windows), ("8 windows", mw.seeded_windows)):
            found = {a: _errors(method, clips[a], select) for a in mw.ACTIONS}
            found["mean"] = np.mean([found[a] for a in mw.TRAINED_ACTIONS], axis=0)
            for action, error in found.items():
                head = {"protocol": protocol, "method": method.name, "action": action}
                ahead = {ms: float(error[frame - 1]) for ms, frame in mw.HORIZONS.items()}
                rows.append(head | ahead)
    return rows


def _errors(
    method: Method, held: np.ndarray, select: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Mean error (future,) over windows and joints."""
    windows = select(held)
    moving = list(mw.JOINTS)
    seen, truth = windows[:, : mw.SEEN, moving], windows[:, mw.SEEN :]
    found = method.predict(seen, mw.FUTURE)
    if select is mw.seeded_windows:
        found = mw.whole(found, held[0])
    else:
        truth = truth[:, :, moving]
    return mw.MM * np.linalg.norm(found - truth, axis=-1).mean(axis=(0, 2))


def angle_benchmark(folder: Path, methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Angle errors of the older protocol; methods take exponential maps as (B, seen, 39, 3).

    Rows as of `benchmark`, ``protocol`` is ``angles``.
    """
    rows = []
    clips = {r.action: r.angles for r in mw.load_recordings(folder, "test")}
    for method in methods:
        found = {}
        for action in mw.ACTIONS:
            windows = mw.seeded_windows(clips[action])
            seen = windows[:, : mw.SEEN].reshape(len(windows), mw.SEEN, 39, 3)
            ahead = method.predict(seen, mw.FUTURE).reshape(len(windows), mw.FUTURE, 117)
            found[action] = mw.angle_error(ahead, windows[:, mw.SEEN :])
        found["mean"] = np.mean([found[a] for a in mw.TRAINED_ACTIONS], axis=0)
        for action, error in found.items():
            head = {"protocol": "angles", "method": method.name, "action": action}
            rows.append(head | {ms: float(error[n - 1]) for ms, n in mw.HORIZONS.items()})
    return rows
