"""Other performers and other clocks for a motion: bone lengths, speeds, time warps."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from examples.studio import floor_height


def warp(joints: np.ndarray, times: np.ndarray, *, fps: float = 30.0) -> np.ndarray:
    """Return the motion at other times: a planted time warp.

    Parameters
    ----------
    joints
        shape (T, 13, 3), frames at 0, 1/fps, 2/fps, ...
    times
        shape (N,) seconds into that motion, in any order; clipped to its ends.

    Returns
    -------
    shape (N, 13, 3), by a cubic spline through the frames.
    """
    own = np.arange(len(joints)) / fps
    at = np.clip(np.asarray(times, float), own[0], own[-1])
    return CubicSpline(own, joints, axis=0)(at).astype(np.asarray(joints).dtype)


def uneven_times(
    duration_s: float, rng: np.random.Generator, *, fps: float = 30.0, slowest=0.5, fastest=2.0
) -> np.ndarray:
    """Return times (N,) for `warp` that run through [0, duration_s] at a smoothly changing speed.

    Speed wanders between `slowest` and `fastest` on a logarithmic scale, with a bend about
    every second.
    """
    knots = max(4, int(np.ceil(duration_s)) + 2)
    low, high = np.log(slowest), np.log(fastest)
    speeds = CubicSpline(np.linspace(0, duration_s, knots), rng.uniform(low, high, knots))
    fine = np.linspace(0, duration_s, 2000)
    pace = np.exp(np.clip(speeds(fine), low, high))
    clock = np.concatenate([[0], np.cumsum(2 / (pace[1:] + pace[:-1])) * (fine[1] - fine[0])])
    return np.interp(np.arange(0, clock[-1], 1 / fps), clock, fine)


def proportions(
    joints: np.ndarray,
    *,
    size: float = 1.0,
    legs: float = 1.0,
    arms: float = 1.0,
    torso: float = 1.0,
    shoulders: float = 1.0,
    hips: float = 1.0,
    neck: float = 1.0,
) -> np.ndarray:
    """Give a motion to another performer: other bone lengths, the same bone directions.

    Each factor multiplies `size`. The pelvis's way through the room scales with the legs, about
    the floor, so that feet stay on the floor (they slide a little where hips and legs scale
    differently).

    Parameters
    ----------
    joints
        shape (T, 13, 3), metres, y up.
    """
    joints = np.asarray(joints, float)
    mid_hip, mid_shoulder = joints[:, 7:9].mean(1), joints[:, 1:3].mean(1)
    ground = np.array([0.0, floor_height(joints), 0.0])
    out = np.empty_like(joints)
    new_hip = ground + (mid_hip - ground) * size * legs
    new_shoulder = new_hip + (mid_shoulder - mid_hip) * size * torso
    out[:, 0] = new_shoulder + (joints[:, 0] - mid_shoulder) * size * neck
    for i in (1, 2):
        out[:, i] = new_shoulder + (joints[:, i] - mid_shoulder) * size * shoulders
    for i in (7, 8):
        out[:, i] = new_hip + (joints[:, i] - mid_hip) * size * hips
    for child, factor in ((3, arms), (4, arms), (9, legs), (10, legs)):
        for i in (child, child + 2):
            out[:, i] = out[:, i - 2] + (joints[:, i] - joints[:, i - 2]) * size * factor
    return out
