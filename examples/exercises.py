"""The exercises: each a function of the phase of one repetition, [0, 1), to joints."""

from __future__ import annotations

import numpy as np

from examples.person import unit
from examples.rig import (
    Stage,
    X,
    Y,
    Z,
    arms,
    barbell,
    feet,
    hang,
    legs,
    side_arms,
    standing,
    trunk,
    turned,
    vec,
)  # fmt: skip


def squat(s: Stage) -> np.ndarray:
    """Both feet flat; the arms come forward, or stay there."""
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.46, 1), (0.54, 1), (0.94, 0), (1, 0)) * y.amplitude
    half = 0.19 * y.stance * b.leg / 0.85
    sink = down * 0.88 * b.thigh
    sway = 0.010 * s.noise(2)
    pelvis = vec(
        sway[:, 0] + 0.02 * y.asymmetry * down, 0, -0.20 * down * b.thigh / 0.43 + sway[:, 2]
    )
    pelvis[:, 1] = standing(b, half, 0.01 + sink)
    up = turned(X, 3 + (38 + y.lean_deg) * down, Y)
    joints = trunk(s, pelvis, up, X, nod=-20 * down)
    flare = 0.30 * y.stance
    legs(s, joints, feet(s, half), [np.array([flare, 0, 1]), np.array([-flare, 0, 1])])
    lift = down if y.bend < 0.7 else np.ones_like(down)
    wrists = []
    for down_there, sign, k in zip(hang(s, joints), (1, -1), (0, 1), strict=True):
        ahead = joints[:, 1 + k] + b.arm * 0.96 * unit(np.array([-0.12 * sign, 0.12, 1.0]))
        angle = lift[:, None]
        way = (1 - angle) * down_there + angle * ahead + 0.25 * b.arm * angle * (1 - angle) * Z
        wrists.append(way + 0.01 * s.noise(3 + k))
    arms(s, joints, wrists, [np.array([0.8, -0.6, -0.3]), np.array([-0.8, -0.6, -0.3])])
    return joints


def jumping_jack(s: Stage) -> np.ndarray:
    """Feet leave the floor on the way out and on the way in."""
    b, y = s.body, s.style
    spread = s.keys((0, 0), (0.04, 0), (0.42, 1), (0.5, 1), (0.9, 0), (1, 0))
    air = s.keys((0, 0), (0.06, 0), (0.24, 1), (0.40, 0), (0.52, 0), (0.72, 1), (0.88, 0), (1, 0))
    half = 0.09 + 0.30 * spread * y.amplitude * y.stance * b.leg / 0.85
    hop = 0.07 * air * y.amplitude
    # knees give a little when the feet are on the floor
    pelvis = vec(0, standing(b, half, 0.035 * (1 - air)) + hop, 0) + 0.008 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 3 + 0.4 * y.lean_deg, Y), X)
    ankles = [vec(sign * half, b.ankle + hop, 0.0) for sign in (1, -1)]
    legs(s, joints, ankles, [np.array([0.3, 0, 1]), np.array([-0.3, 0, 1])])
    s.contact[:, 11:] = ((air < 1e-3) & (np.abs(np.gradient(spread)) < 1e-9))[:, None]
    side_arms(s, joints, 10 + (162 * min(y.amplitude, 1.02)) * spread, 0.1)
    return joints


def arm_raise(s: Stage) -> np.ndarray:
    """Straight arms from the sides to overhead."""
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.56, 1), (0.95, 0), (1, 0))
    half = 0.11 * y.stance
    pelvis = vec(0, standing(b, half, 0.01), 0) + 0.006 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 2 + 0.3 * y.lean_deg - 3 * lift, Y), X)
    legs(s, joints, feet(s, half), [Z, Z])
    side_arms(s, joints, 8 + 165 * min(y.amplitude, 1.0) * lift, 0.15)
    return joints


def overhead_press(s: Stage) -> np.ndarray:
    """A barbell from the shoulders to overhead."""
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.44, 1), (0.56, 1), (0.94, 0), (1, 0)) * min(
        y.amplitude, 1.05
    )
    half = 0.16 * y.stance
    pelvis = vec(0, standing(b, half, 0.012), 0) + 0.006 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 2 - 5 * (1 - lift), Y), X)
    legs(s, joints, feet(s, half), [Z, Z])
    width = b.shoulders / 2 + 0.10 * y.stance
    middle = joints[:, 1:3].mean(1)
    top = np.sqrt((b.arm * 0.985) ** 2 - (width - b.shoulders / 2) ** 2)
    height = middle[:, 1] - 0.03 + (top + 0.03) * np.minimum(lift, 1)
    z = middle[:, 2] + 0.17 * (1 - lift) + 0.03
    tilt = 0.03 * y.asymmetry * lift
    wrists = [vec(sign * width, height + sign * tilt, z) for sign in (1, -1)]
    arms(s, joints, wrists, [np.array([0.7, -1, 0.25]), np.array([-0.7, -1, 0.25])])
    barbell(s, joints)
    return joints


def lunge(s: Stage) -> np.ndarray:
    """The right foot steps forward, the left knee goes down, and back."""
    b, y = s.body, s.style
    step = s.keys((0, 0), (0.05, 0), (0.32, 1), (0.68, 1), (0.95, 0), (1, 0))
    swing = s.keys((0, 0), (0.05, 0), (0.18, 1), (0.32, 0), (0.68, 0), (0.82, 1), (0.95, 0), (1, 0))
    down = s.keys((0, 0), (0.22, 0.1), (0.48, 1), (0.54, 1), (0.78, 0.1), (1, 0)) * y.amplitude
    long = 0.80 * b.leg * y.stance**0.5
    half = 0.10 * y.stance
    front = vec(-half, b.ankle + 0.10 * swing, long * step)
    # the rear foot stays on its ball: the heel rises as the knee goes down
    back = vec(half, b.ankle + 0.10 * np.minimum(down, 1) * step, 0.05 * down * step)
    still = np.abs(np.gradient(step)) < 1e-9
    s.contact[:, 12] = still & (swing < 1e-3)
    s.contact[:, 11] = down * step < 1e-9
    low = b.ankle + b.shank * 0.98 + 0.02
    stand = standing(b, half, 0.01)
    # as low as the stretched step allows even before the knees bend
    open_height = b.ankle + np.sqrt(np.maximum((0.985 * b.leg) ** 2 - (long * step / 2) ** 2, 0.1))
    height = np.minimum(stand, open_height)
    height = height + np.minimum(down, 1.05) * np.minimum(low - height, 0)
    pelvis = vec(0.01 * y.asymmetry, height, long * step * 0.48) + 0.006 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 4 + (6 + y.lean_deg) * np.minimum(down, 1), Y), X)
    legs(s, joints, [back, front], [vec(0.05, -0.2, 1.0), vec(-0.1, 0.2, 1.0)])
    if y.bend < 0.5:
        wrists = hang(s, joints)
        pole = [np.array([0.3, 0, -1]), np.array([-0.3, 0, -1])]
    else:
        wrists = [joints[:, 7 + k] + np.array([w, 0.10, 0.05]) for k, w in ((0, 0.07), (1, -0.07))]
        pole = [np.array([1, 0, -0.4]), np.array([-1, 0, -0.4])]
    arms(s, joints, [w + 0.01 * s.noise(3) for w in wrists], pole)
    return joints


def push_up(s: Stage) -> np.ndarray:
    """Toes and hands fixed, the body a plank; arms tucked or flared."""
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.54, 1), (0.94, 0), (1, 0))
    half, width = 0.09 * y.stance, b.shoulders / 2 + 0.09 * y.stance
    foot, hand = 0.155 * b.ankle / 0.085, 0.06
    top = hand + np.sqrt((0.94 * b.arm) ** 2 - (width - b.shoulders / 2) ** 2)
    low = 0.17
    shoulder = top + (low - top) * down * min(0.9 * y.amplitude, 1.0)
    line = b.leg * 0.993 + b.torso
    # feet at the origin's back, hands under the shoulders' highest place
    rise = np.arcsin(np.clip((shoulder - foot) / line, -0.5, 0.9))
    highest = np.arcsin((top - foot) / line)
    heel = -line * np.cos(highest)
    up = vec(0, np.sin(rise), np.cos(rise))
    sag = np.clip(0.02 * y.lean_deg / 5, -0.05, 0.04)
    pelvis = (
        vec(0, foot, heel)
        + up * (b.leg * 0.993)
        + vec(0, -sag, 0)
        + 0.003 * s.noise(2) * [1, 1, 0.3]
    )
    up = unit(vec(0, foot, heel) + up * line - pelvis)
    joints = trunk(s, pelvis, up, X, nod=-22)
    s.hold(11, 12, 5, 6)
    ankles = [np.array([sign * half, foot, heel]) for sign in (1, -1)]
    legs(s, joints, ankles, [-Y, -Y])
    tuck = 0.35 + 0.9 * y.bend
    wrists = [np.array([sign * width, hand, 0.03]) for sign in (1, -1)]
    arms(s, joints, wrists, [np.array([tuck, 0.3, -1]), np.array([-tuck, 0.3, -1])])
    return joints


def sit_up(s: Stage) -> np.ndarray:
    """Knees bent, feet fixed; hands beside the head, or arms crossed."""
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.45, 1), (0.54, 1), (0.94, 0), (1, 0))
    raised = 5 + (70 * min(y.amplitude, 1.1) + 0.5 * y.lean_deg) * lift
    a = np.radians(raised)
    pelvis = vec(0, 0.115, 0) + 0.003 * s.noise(2)
    curl = s.keys((0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0))
    joints = trunk(s, pelvis, vec(0, np.sin(a), -np.cos(a)), X, nod=10 + 22 * curl)
    reach = 0.62 * b.leg * (1 + 0.1 * (y.stance - 1))
    ankles = [np.array([sign * 0.12 * y.stance, b.ankle, reach]) for sign in (1, -1)]
    s.hold(11, 12)
    legs(s, joints, ankles, [np.array([0.1, 1, 0]), np.array([-0.1, 1, 0])])
    up = unit(joints[:, 1:3].mean(1) - joints[:, 7:9].mean(1))
    ahead = np.cross(X, up)
    if y.bend < 0.6:  # hands beside the head
        place = joints[:, 0] - 0.02 * up + 0.01 * ahead
        wrists = [place + sign * 0.13 * X for sign in (1, -1)]
        pole = [X + 0.35 * up + 0.3 * ahead, -X + 0.35 * up + 0.3 * ahead]
    else:  # arms crossed on the chest
        place = joints[:, 1:3].mean(1) - 0.12 * up + 0.15 * ahead
        wrists = [place - sign * 0.09 * X for sign in (1, -1)]
        pole = [X - 0.7 * up + 0.4 * ahead, -X - 0.7 * up + 0.4 * ahead]
    arms(s, joints, [w + 0.006 * s.noise(3) for w in wrists], pole)
    return joints


def pull_up(s: Stage) -> np.ndarray:
    """Hands fixed on a bar, chin over it; knees folded more or less."""
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.46, 1), (0.54, 1), (0.94, 0), (1, 0))
    width = b.shoulders / 2 + 0.10 * y.stance
    bar = b.ankle + b.leg + b.torso + b.arm + 0.28
    low = bar - np.sqrt((0.985 * b.arm) ** 2 - (width - b.shoulders / 2) ** 2)
    high = bar - 0.13
    shoulder = low + (high - low) * lift * min(y.amplitude, 1.05)
    lean = -4 - 10 * lift
    up = turned(X, lean, Y)
    swing = 0.015 * s.noise(2)
    pelvis = vec(swing[:, 0], shoulder, -0.06 - 0.08 * lift + 0.02) - b.torso * up
    joints = trunk(s, pelvis, up, X, nod=-12 * lift)
    fold = 0.10 + 0.35 * y.bend
    ankles = [
        joints[:, 7 + k] + b.leg * unit(vec(0.03 * sign, -1, -fold)) * (1 - 0.35 * y.bend)
        for k, sign in ((0, 1), (1, -1))
    ]
    legs(s, joints, ankles, [Z, Z])
    s.hold(5, 6)
    wrists = [np.array([sign * width, bar - 0.05, 0.0]) for sign in (1, -1)]
    arms(s, joints, wrists, [np.array([0.8, -1, -0.1]), np.array([-0.8, -1, -0.1])])
    s.prop(np.array([-0.9, bar + 0.02, 0.0]), np.array([0.9, bar + 0.02, 0.0]), 0.016)
    return joints


def bench_press(s: Stage) -> np.ndarray:
    """On a bench, a barbell from the chest to straight arms."""
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.52, 1), (0.93, 0), (1, 0)) * min(
        y.amplitude, 1.05
    )
    seat = 0.56
    up = unit(np.array([0, 0.02, -1.0]))
    joints = trunk(s, vec(0, seat, 0) + 0.003 * s.noise(2), up, X, nod=6)
    ankles = [np.array([sign * 0.22 * y.stance, b.ankle, 0.30]) for sign in (1, -1)]
    s.hold(11, 12)
    legs(s, joints, ankles, [np.array([0.3, 0.4, 1]), np.array([-0.3, 0.4, 1])])
    middle = joints[:, 1:3].mean(1)
    width = b.shoulders / 2 + 0.11 * y.stance
    top = np.sqrt((0.985 * b.arm) ** 2 - (width - b.shoulders / 2) ** 2)
    height = middle[:, 1] + top + (0.17 - top) * down
    z = middle[:, 2] + 0.04 + 0.14 * down
    wrists = [vec(sign * width, height + sign * 0.01 * y.asymmetry, z) for sign in (1, -1)]
    arms(s, joints, wrists, [np.array([1, -0.8, 0.35]), np.array([-1, -0.8, 0.35])])
    barbell(s, joints)
    for x in (-0.09, 0.0, 0.09):
        s.prop(np.array([x, seat - 0.17, 0.16]), np.array([x, seat - 0.17, -b.torso - 0.4]), 0.05)
    for z_leg in (0.1, -b.torso - 0.3):
        s.prop(np.array([0.0, seat - 0.2, z_leg]), np.array([0.0, 0.03, z_leg]), 0.03)
    return joints


def swing(s: Stage, plane_deg: float, bend_deg: float, club_m: float, high: float) -> np.ndarray:
    """Swing both hands about the chest in a tilted plane, right-handed: a club or a bat.

    `plane_deg`: 90 = upright plane, 0 = level; `high`: hands' angle at the top, degrees.
    """
    b, y = s.body, s.style
    turn = s.keys(
        (0, 0), (0.08, 0), (0.42, -1), (0.48, -1), (0.60, 0.0), (0.74, 1), (0.84, 1), (1, 0)
    )
    hands = turn * high * np.where(turn < 0, 1.0, 1.05) * min(y.amplitude, 1.05)
    hips = s.keys((0, 0), (0.10, 0), (0.44, -38), (0.60, 30), (0.76, 75), (0.84, 75), (1, 0))
    chest = np.clip(turn * 82 * y.amplitude, -95, 95)
    half = 0.24 * y.stance * b.leg / 0.85
    shift = s.keys((0, 0), (0.40, -0.05), (0.60, 0.06), (0.78, 0.11), (0.84, 0.11), (1, 0))
    pelvis = vec(shift, standing(b, half, 0.05), -0.05) + 0.004 * s.noise(2)
    rise = s.keys((0, 0), (0.55, 0), (0.78, 1), (0.84, 1), (1, 0))
    up = turned(X, (bend_deg + 0.6 * y.lean_deg) * (1 - 0.75 * rise), Y)
    joints = trunk(
        s, pelvis, up, turned(Y, hips, X), turned(up, chest, np.broadcast_to(X, up.shape)),
        nod=8 * (1 - rise),
    )  # fmt: skip
    legs(s, joints, feet(s, half), [np.array([0.25, 0, 1]), np.array([-0.25, 0, 1])])
    tilt = np.radians(plane_deg)
    down = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    a = np.radians(hands)[:, None]
    fold = np.abs(turn) ** 3
    reach = b.arm * (0.90 - 0.22 * fold)[:, None]
    middle = joints[:, 1:3].mean(1)
    ahead = np.cross(unit(joints[:, 1] - joints[:, 2]), up)
    grip = middle + reach * (np.sin(a) * X + np.cos(a) * down) + 0.16 * fold[:, None] * ahead
    way = unit(grip - middle)
    arms(
        s, joints, [grip - 0.03 * way + 0.02 * X, grip + 0.03 * way - 0.02 * X],
        [0.5 * X - Y - 0.3 * ahead, -0.5 * X - Y - 0.3 * ahead],
    )  # fmt: skip
    cock = np.radians(hands + 75 * np.tanh(2.0 * turn))[:, None]
    head = unit(np.sin(cock) * X + np.cos(cock) * down)
    held = joints[:, 5:7].mean(1)
    s.prop(held, held + club_m * head, 0.011)
    return joints


def golf_swing(s: Stage) -> np.ndarray:
    """A club in a steep plane."""
    return swing(s, 62.0, 32.0, 0.85, 138.0)


def bat_swing(s: Stage) -> np.ndarray:
    """A bat in a flat plane."""
    return swing(s, 28.0, 14.0, 0.75, 112.0)


def toe_touch(s: Stage) -> np.ndarray:
    """The trunk bends down over straight legs until the hands are near the feet, and back."""
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.54, 1), (0.94, 0), (1, 0)) * y.amplitude
    half = 0.11 * y.stance
    pelvis = vec(0, standing(b, half, 0.01), -0.10 * down) + 0.006 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 3 + (96 + y.lean_deg) * down, Y), X, nod=12 * down)
    legs(s, joints, feet(s, half), [Z, Z])
    drop = b.arm * (0.985 - 0.02 * y.bend)
    wrists = [
        joints[:, 1 + k] + drop * unit(vec(0.06 * sign, -1.0, 0.10 - 0.05 * down))
        for k, sign in ((0, 1), (1, -1))
    ]
    arms(s, joints, [w + 0.01 * s.noise(3) for w in wrists], [X - Z, -X - Z])
    return joints
