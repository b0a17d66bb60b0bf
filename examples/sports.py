"""More actions by rule, of sport and music: each a function of the phase of one repetition."""

from __future__ import annotations

import numpy as np

from examples.person import unit
from examples.rig import Stage, X, Y, Z, arms, barbell, feet, legs, standing, trunk, turned, vec

_AHEAD = [Z, Z]  # knees
_OUT = [np.array([1.0, -0.6, -0.3]), np.array([-1.0, -0.6, -0.3])]  # elbows


def jump_rope(s: Stage) -> np.ndarray:
    """Small hops with both feet, or with one after the other; hands circle at the hips."""
    b, y = s.body, s.style
    air = np.maximum(np.abs(np.sin(2 * np.pi * s.phase)) - 0.3, 0) / 0.7
    hop = air * (0.05 + 0.06 * y.amplitude)
    pelvis = vec(0, standing(b, 0.07, 0.03) + hop, 0) + 0.01 * s.noise(2)
    joints = trunk(s, pelvis, turned(X, 3 + 0.5 * y.lean_deg, Y), X)
    apart = 0.07 * y.stance
    run = y.bend > 0.6  # one foot after the other
    ankles = []
    for k, sign in ((0, 1), (1, -1)):
        kick = np.maximum(np.sin(2 * np.pi * (s.phase + 0.5 * k)), 0) * 0.22 * y.amplitude * run
        ankles.append(vec(sign * apart, b.ankle + hop + kick, -0.05 - 0.5 * kick))
        s.contact[:, 11 + k] = (hop == 0) & (kick < 1e-3)
    legs(s, joints, ankles, _AHEAD)
    turn = 2 * np.pi * s.phase * 2
    wrists = []
    for k, sign in ((0, 1), (1, -1)):
        level = joints[:, 7 + k] + vec(sign * (0.22 + 0.12 * y.stance), 0.10 + 0.12 * y.bend, 0.12)
        wrists.append(level + 0.06 * vec(0, np.cos(turn), np.sin(turn)))
    arms(s, joints, wrists, [np.array([0.3, -0.4, -1]), np.array([-0.3, -0.4, -1])])
    return joints


def strum_guitar(s: Stage) -> np.ndarray:
    """Sitting or standing, the left hand along the neck, the right one up and down the strings."""
    b, y = s.body, s.style
    sits = y.bend < 0.65
    lean = 6 + abs(y.lean_deg)
    if sits:
        seat = b.ankle + 0.9 * b.shank * (0.9 + 0.2 * y.bend)
        pelvis = vec(0, seat, 0) + 0.006 * s.noise(2)
        reach = 0.9 * b.thigh
        ankles = [
            np.array([sign * (0.12 + 0.1 * y.stance), b.ankle, reach * (1 - 0.3 * k * y.asymmetry)])
            for k, sign in ((0, 1), (1, -1))
        ]
        s.hold(11, 12)
    else:
        half = 0.13 * y.stance
        pelvis = vec(0, standing(b, half, 0.02), 0) + 0.012 * s.noise(2)
        ankles = feet(s, half)
    joints = trunk(
        s, pelvis, turned(X, lean, Y), X, turned(Y, np.full(len(s.phase), -6.0), X), nod=14
    )
    legs(s, joints, ankles, _AHEAD)
    middle = joints[:, 7:9].mean(1)
    low = 0.20 * b.torso + 0.14
    stroke = np.sin(2 * np.pi * 2 * s.phase)
    slide = 0.08 * s.noise(5)[:, :1]
    neck = unit(np.array([1.0, 0.42 + 0.3 * y.asymmetry, 0.25]))
    fret = middle + vec(0.12, low + 0.05, 0.22) + (0.34 + 0.6 * slide) * neck
    strum = middle + vec(-0.10, low + 0.03 + 0.06 * y.amplitude * stroke, 0.24)
    arms(s, joints, [fret, strum], [np.array([0.5, -1, 0]), np.array([-1, -0.1, -0.3])])
    return joints


def clean_and_jerk(s: Stage) -> np.ndarray:
    """A bar from the floor to the shoulders out of a squat, then overhead with the feet split."""
    b, y = s.body, s.style
    low = s.keys((0, 1), (0.10, 1), (0.24, 0.1), (0.32, 0.95), (0.38, 0.9), (0.52, 0), (0.6, 0.12),
                 (0.66, 0.35), (0.8, 0.05), (0.9, 0), (0.95, 0.4), (1, 1))  # fmt: skip
    bow = s.keys(
        (0, 62), (0.10, 58), (0.24, -2), (0.32, 14), (0.52, 2), (0.8, 0), (0.9, 4), (1, 62)
    )
    split = s.keys((0, 0), (0.6, 0), (0.66, 1), (0.74, 1), (0.84, 0), (1, 0)) * (y.bend > 0.4)
    half = 0.17 * y.stance
    rest = standing(b, half, 0.02)
    pelvis = vec(0, rest - 0.82 * b.thigh * low * min(y.amplitude, 1.05), -0.25 * low * b.thigh)
    joints = trunk(
        s, pelvis + 0.006 * s.noise(2), turned(X, bow + 0.4 * y.lean_deg, Y), X, nod=-0.3 * bow
    )
    lift = 0.05 * np.sin(np.pi * np.clip(split, 0, 1)) * (split < 0.99)
    ankles = [
        vec(half, b.ankle + lift, 0.32 * b.leg * split),
        vec(-half, b.ankle + lift, -0.36 * b.leg * split),
    ]
    s.contact[:, 11:] = ((split == 0) & (lift < 1e-6))[:, None]
    legs(s, joints, ankles, [vec(0.3, 0, 1.0), vec(-0.3, 0, 1.0)])
    width = b.shoulders / 2 + 0.08 * y.stance
    middle = joints[:, 1:3].mean(1)
    hang_y = np.maximum(0.22, middle[:, 1] - 0.97 * b.arm)
    rack = middle + vec(0, -0.05, 0.13)
    over = middle + vec(0, 0.96 * b.arm, 0.02)
    below = np.stack([middle[:, 0], hang_y, np.full(len(s.phase), 0.08)], 1)
    to_rack = s.keys((0, 0), (0.18, 0), (0.27, 0.9), (0.32, 1), (0.88, 1), (0.96, 0), (1, 0))[
        :, None
    ]
    up = s.keys((0, 0), (0.58, 0), (0.66, 1), (0.84, 1), (0.9, 0), (1, 0))[:, None]
    grip = below * (1 - to_rack) + to_rack * (rack * (1 - up) + over * up)
    wrists = [grip + sign * width * X for sign in (1, -1)]
    arms(s, joints, wrists, [np.array([1, -0.4, 0.5]), np.array([-1, -0.4, 0.5])])
    barbell(s, joints)
    return joints


def bowl(s: Stage) -> np.ndarray:
    """One hand swings a ball back and forward, into a lunge on the other foot."""
    b, y = s.body, s.style
    back = s.keys((0, 0.25), (0.12, 0.3), (0.5, -1), (0.72, 0.9), (0.85, 1.2), (1, 0.25))
    down = s.keys((0, 0), (0.2, 0.15), (0.55, 0.6), (0.74, 1), (0.85, 0.8), (1, 0)) * y.amplitude
    stride = s.keys((0, 0), (0.3, 0.15), (0.66, 1), (0.85, 1), (1, 0))
    rear = s.keys((0, 0), (0.5, 0), (0.75, 1), (0.85, 1), (1, 0))
    rise = 0.06 * s.keys((0, 0), (0.3, 0), (0.48, 1), (0.66, 0), (1, 0))
    pelvis = vec(0, standing(b, 0.1, 0.03) - 0.32 * b.thigh * down, 0.35 * b.leg * stride)
    bow = 10 + (34 + y.lean_deg) * np.minimum(down, 1)
    twist = turned(Y, 12 * (1 - back), X)
    joints = trunk(s, pelvis + 0.006 * s.noise(2), turned(X, bow, Y), X, twist, nod=-0.5 * bow)
    front = vec(0.09, b.ankle + rise, 0.60 * b.leg * stride)
    behind = vec(-0.09 + 0.35 * rear * y.bend, b.ankle + 0.08 * rear, -0.12 * b.leg * rear)
    s.contact[:, 12] = rear < 1e-6
    legs(s, joints, [front, behind], [vec(0.1, 0, 1.0), vec(-0.1, 0, 1.0)])
    a = np.radians(80 * back * min(y.amplitude, 1.05))
    swing = joints[:, 2] + 0.96 * b.arm * unit(vec(-0.12, -np.cos(a), np.sin(a)))
    carried = s.keys((0, 1), (0.12, 1), (0.3, 0), (0.9, 0), (1, 1))[:, None]
    held = joints[:, 1:3].mean(1) + vec(-0.05, -0.28, 0.28)
    aside = joints[:, 1] + 0.85 * b.arm * unit(vec(0.8, -0.5, -0.1 + 0.2 * back))
    arms(
        s, joints,
        [held * carried + aside * (1 - carried) + 0.06 * X, held * carried + swing * (1 - carried)],
        [np.array([0.6, -1, -0.4]), np.array([-0.4, -0.3, -1])],
    )  # fmt: skip
    return joints


def _stroke(s: Stage, hand: np.ndarray, chest: np.ndarray, hips: np.ndarray, other: np.ndarray):
    """Stand with one foot ahead, turn, and bring the right hand to `hand`, from the shoulders."""
    b, y = s.body, s.style
    half = 0.22 * y.stance
    shift = s.keys((0, -0.02), (0.4, -0.10), (0.62, 0.10), (0.8, 0.10), (1, -0.02))
    sink = 0.04 + 0.08 * y.bend * s.keys((0, 0.5), (0.42, 1), (0.62, 0.2), (0.85, 0.3), (1, 0.5))
    pelvis = vec(shift, standing(b, half, sink), 0) + 0.006 * s.noise(2)
    up = turned(X, 8 + 0.6 * y.lean_deg, Y)
    joints = trunk(
        s, pelvis, np.broadcast_to(up, (len(s.phase), 3)), turned(Y, hips, X), turned(Y, chest, X)
    )
    legs(s, joints, feet(s, half), [np.array([0.3, 0, 1]), np.array([-0.3, 0, 1])])
    middle = joints[:, 1:3].mean(1)
    arms(s, joints, [middle + b.arm * other, joints[:, 2] + b.arm * hand],
         [np.array([0.5, -1, -0.2]), np.array([-0.5, -1, -0.2])])  # fmt: skip
    return joints


def tennis_forehand(s: Stage) -> np.ndarray:
    """The right hand goes back, low, through the ball ahead and over the other shoulder."""
    y = s.style
    a = s.keys(
        (0, 0.1), (0.15, 0.1), (0.42, -1), (0.48, -1), (0.62, 0.35), (0.78, 1), (0.86, 1), (1, 0.1)
    )
    a = a * min(y.amplitude, 1.05)
    chest = np.interp(a, [-1, 0.1, 1], [-88, -20, 70])
    hips = 0.6 * chest
    height = np.interp(a, [-1, -0.5, 0.3, 1], [-0.25, -0.55, -0.25, 0.22]) + 0.1 * y.asymmetry
    way = np.radians(np.interp(a, [-1, 0.35, 1], [-120, 0, 95]))
    reach = np.interp(a, [-1, 0.3, 1], [0.9, 0.92, 0.62])
    hand = reach[:, None] * unit(vec(np.sin(way), height, np.cos(way)))
    aside = np.interp(a, [-1, 0.2, 1], [0, 0.6, 1])
    other = unit(vec(0.3 + 0.5 * aside, -0.35 - 0.2 * aside, 0.8 - 0.6 * aside)) * 0.75
    return _stroke(s, hand, chest, hips, other)


def tennis_serve(s: Stage) -> np.ndarray:
    """The left hand throws the ball up, the right one goes behind the head, up and down across."""
    y = s.style
    t = s.keys(
        (0, 0), (0.12, 0.05), (0.40, 1), (0.50, 1.1), (0.62, 2), (0.78, 3), (0.88, 3), (1, 0)
    )
    at = [0, 0.5, 1, 1.5, 2, 2.5, 3]
    hand = vec(
        np.interp(t, at, [0.1, -0.5, -0.35, -0.2, 0.05, 0.4, 0.75]),
        np.interp(t, at, [-0.45, -0.5, 0.15, 0.5, 0.97, 0.2, -0.5]),
        np.interp(t, at, [0.6, -0.4, -0.25, -0.15, 0.2, 0.75, 0.35]),
    )
    chest = np.interp(t, [0, 1, 2, 3], [-40, -75, 5, 45]) * min(y.amplitude, 1.05)
    other = vec(
        np.interp(t, [0, 1, 1.5, 2, 3], [0.1, 0.25, 0.25, 0.3, 0.3]),
        np.interp(t, [0, 1, 1.5, 2, 3], [-0.45, 0.9, 0.6, -0.2, -0.4]),
        np.interp(t, [0, 1, 1.5, 2, 3], [0.6, 0.3, 0.4, 0.3, 0.2]),
    )
    return _stroke(s, 0.98 * hand, chest, 0.6 * chest, other)


def baseball_pitch(s: Stage) -> np.ndarray:
    """Hands together, the left knee up, a long step, and the right arm over the top."""
    b, y = s.body, s.style
    knee = s.keys((0, 0), (0.1, 0), (0.3, 1), (0.36, 1), (0.56, 0), (1, 0))
    step = s.keys((0, 0), (0.34, 0.05), (0.58, 1), (0.84, 1), (1, 0))
    throw = s.keys(
        (0, 0), (0.36, 0), (0.52, 1), (0.60, 1.6), (0.68, 2.4), (0.8, 3), (0.88, 3), (1, 0)
    )
    long = 0.72 * b.leg * y.stance**0.5
    pelvis = vec(
        0.62 * long * step, standing(b, 0.1, 0.03) - 0.42 * b.thigh * step * y.amplitude, 0
    )
    bow = s.keys((0, 4), (0.36, 0), (0.6, 8), (0.8, 48), (0.88, 48), (1, 4))
    hips = s.keys((0, 0), (0.36, -25), (0.6, 50), (0.8, 90), (0.88, 90), (1, 0))
    chest = s.keys((0, 0), (0.36, -25), (0.56, 5), (0.68, 90), (0.8, 115), (0.88, 115), (1, 0))
    up = turned(Z, -bow, Y)
    joints = trunk(s, pelvis + 0.006 * s.noise(2), up, turned(Y, hips, X), turned(Y, chest, X))
    rear = s.keys((0, 0), (0.6, 0), (0.8, 1), (0.88, 1), (1, 0))
    front = vec(0.10 + (long - 0.1) * step, b.ankle + 0.75 * b.thigh * knee, 0.30 * knee)
    behind = vec(-0.10 + 0.15 * rear, b.ankle + 0.25 * rear, -0.1 * rear)
    s.contact[:, 12] = rear < 1e-6
    legs(s, joints, [front, behind], [vec(0.5, 0, 1.0), vec(0.2, 0, 1.0)])
    middle = joints[:, 1:3].mean(1)
    left = turned(Y, chest, X)
    ahead = np.cross(left, up)
    together = middle + 0.28 * ahead - 0.12 * up
    at = [0, 1, 1.6, 2.4, 3]
    path = (
        [-0.1, -0.75, -0.6, -0.35, 0.35],
        [-0.2, 0.1, 0.65, 0.7, -0.55],
        [0.3, -0.35, -0.25, 0.6, 0.55],
    )
    place = [np.interp(throw, at, along)[:, None] for along in path]
    hand = joints[:, 2] + b.arm * (place[0] * left + place[1] * up + place[2] * ahead)
    free = np.clip(throw, 0, 1)[:, None]
    glove = joints[:, 1] + b.arm * (
        0.75 * (2 - throw.clip(1, 2))[:, None] * left + 0.25 * ahead - 0.25 * up
    )
    arms(
        s, joints, [together * (1 - free) + glove * free, together * (1 - free) + hand * free], _OUT
    )
    return joints
