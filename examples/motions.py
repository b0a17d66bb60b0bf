"""Exercises made by rule: a few curves over the phase of a repetition, hands or feet held fast.

    motion = perform("push_up", seconds=4.0, rng=np.random.default_rng(7))
    motion.joints  # (T, 13, 3) metres, y up, floor at 0, the person faces +z at the start
    motion.phase   # (T,) repetitions done; phase 1.5 = half-way through the second

An action is a function of phase, body and style; whatever the clock does with the phase (tempo,
pauses, a planted time warp), the pose at a phase is the same, so the truth about the timing of
two clips is known exactly. With a `rng` each performer differs: bone lengths, tempo, amplitude,
stance, lean, asymmetry, and a slow wobble. Limbs are solved as two-link chains, so bone lengths
hold and contacts stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from examples import exercises, sports
from examples.rig import Body, Stage, Style, two_link
from vipecli.poses.skeleton import MIRROR

__all__ = ["ACTIONS", "Body", "Motion", "Style", "mirrored", "perform", "two_link"]

ACTIONS: dict[str, Callable[[Stage], np.ndarray]] = {
    "squat": exercises.squat,
    "jumping_jack": exercises.jumping_jack,
    "arm_raise": exercises.arm_raise,
    "overhead_press": exercises.overhead_press,
    "lunge": exercises.lunge,
    "push_up": exercises.push_up,
    "sit_up": exercises.sit_up,
    "pull_up": exercises.pull_up,
    "bench_press": exercises.bench_press,
    "golf_swing": exercises.golf_swing,
    "bat_swing": exercises.bat_swing,
    "jump_rope": sports.jump_rope,
    "strum_guitar": sports.strum_guitar,
    "clean_and_jerk": sports.clean_and_jerk,
    "bowl": sports.bowl,
    "tennis_forehand": sports.tennis_forehand,
    "tennis_serve": sports.tennis_serve,
    "baseball_pitch": sports.baseball_pitch,
    "toe_touch": exercises.toe_touch,
}
"""Actions by name."""

# seconds that one repetition usually takes
_TEMPO_S = {
    "jumping_jack": 1.2, "golf_swing": 2.6, "bat_swing": 2.2, "push_up": 2.0, "arm_raise": 2.6,
    "jump_rope": 1.0, "strum_guitar": 1.2, "clean_and_jerk": 5.0, "bowl": 3.0,
    "tennis_forehand": 2.0, "tennis_serve": 4.0, "baseball_pitch": 4.0,
}  # fmt: skip


@dataclass(frozen=True)
class Motion:
    """A motion and the truth about it.

    Attributes
    ----------
    joints
        (T, 13, 3) float32 metres, y up, floor at y = 0.
    phase
        (T,) repetitions done, from 0.
    contact
        (T, 13) bool: the joint is held in place by floor or bar from this frame to the next.
    props
        things to draw: (ends a (T, 3), ends b (T, 3), radius m), for `examples.film.film`.
    action, fps, body, style
        what was performed, and how.
    """

    joints: np.ndarray
    phase: np.ndarray
    contact: np.ndarray
    props: list[tuple[np.ndarray, np.ndarray, float]]
    action: str
    fps: float
    body: Body
    style: Style


def perform(
    action: str,
    *,
    seconds: float = 4.0,
    fps: float = 30.0,
    reps: float | None = None,
    phase: np.ndarray | None = None,
    body: Body | None = None,
    style: Style | None = None,
    rng: np.random.Generator | None = None,
) -> Motion:
    """Perform an action.

    Parameters
    ----------
    action
        a key of `ACTIONS`.
    seconds, fps
        length and frame rate.
    reps
        repetitions in that time; None = as many as the usual tempo gives (with `rng` 0.75 to 1.35
        times as fast).
    phase
        shape (T,): repetitions done at each frame; overrides seconds and reps. Plant a time warp
        here.
    body, style
        who and how; None = the usual ones, or random ones if there is a `rng`.
    rng
        makes every performance another one.

    Raises
    ------
    ValueError
        if there is no such action.
    """
    if action not in ACTIONS:
        raise ValueError(f"no action {action!r}; there are {', '.join(ACTIONS)}")
    body = body or (Body() if rng is None else Body.random(rng))
    style = style or (Style() if rng is None else Style.random(rng))
    if phase is None:
        tempo = 1.0 if rng is None else rng.uniform(0.75, 1.35)
        total = reps or max(1.0, round(seconds * tempo / _TEMPO_S.get(action, 3.0)))
        phase = np.linspace(0, total, max(2, round(seconds * fps)))
    phase = np.asarray(phase, float)
    stage = Stage(phase % 1.0, body, style, len(phase) / fps)
    joints = ACTIONS[action](stage).astype(np.float32)
    return Motion(joints, phase, stage.contact, stage.props, action, fps, body, style)


def mirrored(motion: Motion) -> Motion:
    """Return the left-handed version: left and right exchanged, x negated."""
    flip = np.array([-1.0, 1.0, 1.0], np.float32)
    order = list(MIRROR)
    return replace(
        motion,
        joints=motion.joints[:, order] * flip,
        contact=motion.contact[:, order],
        props=[(a * flip, b * flip, r) for a, b, r in motion.props],
    )
