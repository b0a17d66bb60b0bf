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
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from examples.person import reject, unit

_X, _Y, _Z = np.eye(3)
_STRETCH = 0.995  # a limb never gets quite straight: the joint's plane stays defined


@dataclass(frozen=True)
class Body:
    """Bone lengths in metres; `ankle` is the ankle's height above the floor."""

    shank: float = 0.42
    thigh: float = 0.43
    torso: float = 0.50
    shoulders: float = 0.36
    hips: float = 0.19
    upper_arm: float = 0.29
    forearm: float = 0.26
    neck: float = 0.25
    ankle: float = 0.085

    @classmethod
    def random(cls, rng: np.random.Generator) -> Body:
        """Return a performer of 0.88 to 1.12 times the usual size, each bone +-7 % besides."""
        base, size = cls(), rng.uniform(0.88, 1.12)
        lengths = {k: v * size * rng.uniform(0.93, 1.07) for k, v in vars(base).items()}
        return cls(**{**lengths, "ankle": base.ankle * size})

    @property
    def leg(self) -> float:
        """Hip to ankle, stretched."""
        return (self.shank + self.thigh) * _STRETCH

    @property
    def arm(self) -> float:
        """Shoulder to wrist, stretched."""
        return (self.upper_arm + self.forearm) * _STRETCH


@dataclass(frozen=True)
class Style:
    """How one performer does it; 1 or 0 = as in the book.

    Attributes
    ----------
    amplitude
        factor on how far the movement goes, about 0.8 to 1.15.
    stance
        factor on the distance between feet or hands.
    lean_deg
        trunk leans forward by so much more.
    asymmetry
        -1 to 1: how much more one side does than the other.
    bend
        0 to 1: how much the arms stay bent; also picks between variants.
    wobble
        size of the slow wobble of trunk and hands, 1 = about 1 cm and 1 degree.
    seed
        of the wobble.
    """

    amplitude: float = 1.0
    stance: float = 1.0
    lean_deg: float = 0.0
    asymmetry: float = 0.0
    bend: float = 0.3
    wobble: float = 0.0
    seed: int = 0

    @classmethod
    def random(cls, rng: np.random.Generator) -> Style:
        """Return the style of one performer out of many."""
        return cls(
            amplitude=rng.uniform(0.8, 1.12),
            stance=rng.uniform(0.8, 1.25),
            lean_deg=rng.normal(0, 5),
            asymmetry=rng.normal(0, 0.35),
            bend=rng.uniform(0, 1),
            wobble=rng.uniform(0.5, 1.5),
            seed=int(rng.integers(2**31)),
        )

    def noise(self, n: int, key: int, seconds: float) -> np.ndarray:
        """Return shape (n, 3): slow noise of unit size, its own for each `key`."""
        rng = np.random.default_rng([self.seed, key])
        knots = max(4, int(seconds / 0.7) + 3)
        values = rng.normal(0, 1, (knots, 3))
        return self.wobble * CubicSpline(np.linspace(0, 1, knots), values)(np.linspace(0, 1, n))


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


@dataclass
class _Stage:
    """What an action is given: (T,) phase within the repetition, body, style, wobble."""

    phase: np.ndarray
    body: Body
    style: Style
    seconds: float
    contact: np.ndarray = field(init=False)
    props: list = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contact = np.zeros((len(self.phase), 13), bool)

    def keys(self, *pairs: tuple[float, float]) -> np.ndarray:
        """Return (T,) values of a curve through (phase, value) pairs, without overshoot."""
        at, value = np.array(pairs).T
        return PchipInterpolator(at, value)(self.phase)

    def noise(self, key: int) -> np.ndarray:
        return self.style.noise(len(self.phase), key, self.seconds)

    def hold(self, *joints: int) -> None:
        self.contact[:, list(joints)] = True

    def prop(self, a: np.ndarray, b: np.ndarray, radius: float) -> None:
        n = len(self.phase)
        self.props.append((np.broadcast_to(a, (n, 3)), np.broadcast_to(b, (n, 3)), radius))


def two_link(
    root: np.ndarray, target: np.ndarray, upper: float, lower: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bend a limb of two bones so that its end reaches a target.

    Parameters
    ----------
    root, target
        shape (..., 3).
    upper, lower
        bone lengths.
    pole
        shape (..., 3): the side to which the middle joint bends.

    Returns
    -------
    middle joint and end, (..., 3); a target out of reach is approached as far as it goes.
    """
    way = target - root
    far, close = (upper + lower) * _STRETCH, abs(upper - lower) + 0.05 * min(upper, lower)
    reach = np.clip(np.linalg.norm(way, axis=-1, keepdims=True), close, far)
    along = unit(way)
    foot = (upper**2 - lower**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0))
    middle = root + along * foot + reject(np.broadcast_to(pole, along.shape), along) * height
    return middle, root + along * reach


def turned(axis: np.ndarray, degrees: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return v (3,) or (T, 3) turned about a unit axis (3,) or (T, 3) by (T,) degrees."""
    a = np.radians(np.asarray(degrees))[..., None]
    dot = (axis * v).sum(-1, keepdims=True)
    return v * np.cos(a) + np.cross(axis, v) * np.sin(a) + axis * dot * (1 - np.cos(a))


def _vec(x, y, z) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y, z), -1).astype(float)


def _trunk(s: _Stage, pelvis, up, left, chest_left=None, nod=0.0) -> np.ndarray:
    """Return joints (T, 13, 3) with hips, shoulders and head set; `nod` degrees of the head."""
    b, n = s.body, len(s.phase)
    wobble = 0.012 * s.noise(1)
    up = unit(np.broadcast_to(up, (n, 3)) + wobble)
    left = reject(np.broadcast_to(left, (n, 3)), up)
    chest = left if chest_left is None else reject(chest_left, up)
    joints = np.zeros((n, 13, 3))
    pelvis = np.broadcast_to(pelvis, (n, 3))
    top = pelvis + b.torso * up
    joints[:, 7], joints[:, 8] = pelvis + left * b.hips / 2, pelvis - left * b.hips / 2
    joints[:, 1], joints[:, 2] = top + chest * b.shoulders / 2, top - chest * b.shoulders / 2
    joints[:, 0] = top + b.neck * turned(chest, 12.0 + np.broadcast_to(nod, (n,)), up)
    return joints


def _legs(s: _Stage, joints, ankles, pole) -> None:
    """Put the feet at `ankles`, a pair of (T, 3) or (3,); knees bend to the pair `pole`.

    The body sinks just as far as the legs need to reach the feet.
    """
    lower = np.zeros(len(joints))
    for side in (0, 1):
        way = np.broadcast_to(ankles[side], joints[:, 0].shape) - joints[:, 7 + side]
        aside = way[:, 0] ** 2 + way[:, 2] ** 2
        lower = np.maximum(lower, -way[:, 1] - np.sqrt(np.maximum(s.body.leg**2 - aside, 0)))
    joints[..., 1] -= lower[:, None]
    for side in (0, 1):
        target = np.broadcast_to(ankles[side], joints[:, 0].shape)
        joints[:, 9 + side], joints[:, 11 + side] = two_link(
            joints[:, 7 + side], target, s.body.thigh, s.body.shank, pole[side]
        )


def _arms(s: _Stage, joints, wrists, pole) -> None:
    """Put the hands at `wrists`, a pair of (T, 3) or (3,); elbows bend to the pair `pole`."""
    for side in (0, 1):
        target = np.broadcast_to(wrists[side], joints[:, 0].shape)
        joints[:, 3 + side], joints[:, 5 + side] = two_link(
            joints[:, 1 + side], target, s.body.upper_arm, s.body.forearm, pole[side]
        )


def _standing(b: Body, half: float, sink: np.ndarray | float = 0.0) -> np.ndarray | float:
    """Return the pelvis height over ankles `half` to either side, lowered by `sink`."""
    return b.ankle + np.sqrt(b.leg**2 - (half - b.hips / 2) ** 2) - 0.005 - sink


def _feet(s: _Stage, half: float, z: float = 0.0) -> list[np.ndarray]:
    s.hold(11, 12)
    return [np.array([sign * half, s.body.ankle, z]) for sign in (1, -1)]


def _hang(s: _Stage, joints, out: float = 0.12) -> list[np.ndarray]:
    """Return wrist targets of arms that hang at the sides."""
    drop = s.body.arm * (0.985 - 0.02 * s.style.bend)
    return [
        joints[:, 1 + k] + drop * unit(np.array([sign * out, -1.0, 0.10]))
        for k, sign in ((0, 1), (1, -1))
    ]


def _squat(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.46, 1), (0.54, 1), (0.94, 0), (1, 0)) * y.amplitude
    half = 0.19 * y.stance * b.leg / 0.85
    sink = down * 0.88 * b.thigh
    sway = 0.010 * s.noise(2)
    pelvis = _vec(
        sway[:, 0] + 0.02 * y.asymmetry * down, 0, -0.20 * down * b.thigh / 0.43 + sway[:, 2]
    )
    pelvis[:, 1] = _standing(b, half, 0.01 + sink)
    up = turned(_X, 3 + (38 + y.lean_deg) * down, _Y)
    joints = _trunk(s, pelvis, up, _X, nod=-20 * down)
    flare = 0.30 * y.stance
    _legs(s, joints, _feet(s, half), [np.array([flare, 0, 1]), np.array([-flare, 0, 1])])
    lift = down if y.bend < 0.7 else np.ones_like(down)
    wrists = []
    for hang, sign, k in zip(_hang(s, joints), (1, -1), (0, 1), strict=True):
        ahead = joints[:, 1 + k] + b.arm * 0.96 * unit(np.array([-0.12 * sign, 0.12, 1.0]))
        angle = lift[:, None]
        way = (1 - angle) * hang + angle * ahead + 0.25 * b.arm * angle * (1 - angle) * _Z
        wrists.append(way + 0.01 * s.noise(3 + k))
    _arms(s, joints, wrists, [np.array([0.8, -0.6, -0.3]), np.array([-0.8, -0.6, -0.3])])
    return joints


def _side_arms(s: _Stage, joints, degrees: np.ndarray, forward: float = 0.0) -> None:
    """Swing both arms in the frontal plane: 0 = hanging, 90 = level, 180 = overhead."""
    wrists, poles = [], []
    for k, sign in ((0, 1), (1, -1)):
        angle = degrees + sign * 8 * s.style.asymmetry * np.sin(np.radians(degrees))
        a = np.radians(np.clip(angle, 5, 176))
        way = unit(_vec(sign * np.sin(a), -np.cos(a), 0.08 + forward * np.sin(a)))
        reach = s.body.arm * (1 - 0.07 * s.style.bend)
        wrists.append(joints[:, 1 + k] + reach * way + 0.008 * s.noise(3 + k))
        poles.append(_vec(sign * np.cos(a) * 0.2, -0.3 * np.sin(a), -1.0))
    _arms(s, joints, wrists, poles)


def _jumping_jack(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    spread = s.keys((0, 0), (0.04, 0), (0.42, 1), (0.5, 1), (0.9, 0), (1, 0))
    air = s.keys((0, 0), (0.06, 0), (0.24, 1), (0.40, 0), (0.52, 0), (0.72, 1), (0.88, 0), (1, 0))
    half = 0.09 + 0.30 * spread * y.amplitude * y.stance * b.leg / 0.85
    hop = 0.07 * air * y.amplitude
    # knees give a little when the feet are on the floor
    pelvis = _vec(0, _standing(b, half, 0.035 * (1 - air)) + hop, 0) + 0.008 * s.noise(2)
    joints = _trunk(s, pelvis, turned(_X, 3 + 0.4 * y.lean_deg, _Y), _X)
    ankles = [_vec(sign * half, b.ankle + hop, 0.0) for sign in (1, -1)]
    _legs(s, joints, ankles, [np.array([0.3, 0, 1]), np.array([-0.3, 0, 1])])
    s.contact[:, 11:] = ((air < 1e-3) & (np.abs(np.gradient(spread)) < 1e-9))[:, None]
    _side_arms(s, joints, 10 + (162 * min(y.amplitude, 1.02)) * spread, 0.1)
    return joints


def _arm_raise(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.56, 1), (0.95, 0), (1, 0))
    half = 0.11 * y.stance
    pelvis = _vec(0, _standing(b, half, 0.01), 0) + 0.006 * s.noise(2)
    joints = _trunk(s, pelvis, turned(_X, 2 + 0.3 * y.lean_deg - 3 * lift, _Y), _X)
    _legs(s, joints, _feet(s, half), [_Z, _Z])
    _side_arms(s, joints, 8 + 165 * min(y.amplitude, 1.0) * lift, 0.15)
    return joints


def _overhead_press(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.44, 1), (0.56, 1), (0.94, 0), (1, 0)) * min(
        y.amplitude, 1.05
    )
    half = 0.16 * y.stance
    pelvis = _vec(0, _standing(b, half, 0.012), 0) + 0.006 * s.noise(2)
    joints = _trunk(s, pelvis, turned(_X, 2 - 5 * (1 - lift), _Y), _X)
    _legs(s, joints, _feet(s, half), [_Z, _Z])
    width = b.shoulders / 2 + 0.10 * y.stance
    middle = joints[:, 1:3].mean(1)
    top = np.sqrt((b.arm * 0.985) ** 2 - (width - b.shoulders / 2) ** 2)
    height = middle[:, 1] - 0.03 + (top + 0.03) * np.minimum(lift, 1)
    z = middle[:, 2] + 0.17 * (1 - lift) + 0.03
    tilt = 0.03 * y.asymmetry * lift
    wrists = [_vec(sign * width, height + sign * tilt, z) for sign in (1, -1)]
    _arms(s, joints, wrists, [np.array([0.7, -1, 0.25]), np.array([-0.7, -1, 0.25])])
    _barbell(s, joints)
    return joints


def _barbell(s: _Stage, joints) -> None:
    """Put a bar with plates through both hands."""
    middle = joints[:, 5:7].mean(1)
    along = unit(joints[:, 5] - joints[:, 6])
    grip = middle + 0.07 * unit(joints[:, 5:7].mean(1) - joints[:, 3:5].mean(1))
    s.prop(grip - 0.62 * along, grip + 0.62 * along, 0.012)
    for sign in (1, -1):
        s.prop(grip + sign * 0.55 * along, grip + sign * 0.58 * along, 0.10)


def _lunge(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    step = s.keys((0, 0), (0.05, 0), (0.32, 1), (0.68, 1), (0.95, 0), (1, 0))
    swing = s.keys((0, 0), (0.05, 0), (0.18, 1), (0.32, 0), (0.68, 0), (0.82, 1), (0.95, 0), (1, 0))
    down = s.keys((0, 0), (0.22, 0.1), (0.48, 1), (0.54, 1), (0.78, 0.1), (1, 0)) * y.amplitude
    long = 0.80 * b.leg * y.stance**0.5
    half = 0.10 * y.stance
    front = _vec(-half, b.ankle + 0.10 * swing, long * step)
    # the rear foot stays on its ball: the heel rises as the knee goes down
    back = _vec(half, b.ankle + 0.10 * np.minimum(down, 1) * step, 0.05 * down * step)
    still = np.abs(np.gradient(step)) < 1e-9
    s.contact[:, 12] = still & (swing < 1e-3)
    s.contact[:, 11] = down * step < 1e-9
    low = b.ankle + b.shank * 0.98 + 0.02
    stand = _standing(b, half, 0.01)
    # as low as the stretched step allows even before the knees bend
    open_height = b.ankle + np.sqrt(np.maximum((0.985 * b.leg) ** 2 - (long * step / 2) ** 2, 0.1))
    height = np.minimum(stand, open_height)
    height = height + np.minimum(down, 1.05) * np.minimum(low - height, 0)
    pelvis = _vec(0.01 * y.asymmetry, height, long * step * 0.48) + 0.006 * s.noise(2)
    joints = _trunk(s, pelvis, turned(_X, 4 + (6 + y.lean_deg) * np.minimum(down, 1), _Y), _X)
    _legs(s, joints, [back, front], [_vec(0.05, -0.2, 1.0), _vec(-0.1, 0.2, 1.0)])
    if y.bend < 0.5:
        wrists = _hang(s, joints)
        pole = [np.array([0.3, 0, -1]), np.array([-0.3, 0, -1])]
    else:
        wrists = [joints[:, 7 + k] + np.array([w, 0.10, 0.05]) for k, w in ((0, 0.07), (1, -0.07))]
        pole = [np.array([1, 0, -0.4]), np.array([-1, 0, -0.4])]
    _arms(s, joints, [w + 0.01 * s.noise(3) for w in wrists], pole)
    return joints


def _push_up(s: _Stage) -> np.ndarray:
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
    up = _vec(0, np.sin(rise), np.cos(rise))
    sag = np.clip(0.02 * y.lean_deg / 5, -0.05, 0.04)
    pelvis = (
        _vec(0, foot, heel)
        + up * (b.leg * 0.993)
        + _vec(0, -sag, 0)
        + 0.003 * s.noise(2) * [1, 1, 0.3]
    )
    up = unit(_vec(0, foot, heel) + up * line - pelvis)
    joints = _trunk(s, pelvis, up, _X, nod=-22)
    s.hold(11, 12, 5, 6)
    ankles = [np.array([sign * half, foot, heel]) for sign in (1, -1)]
    _legs(s, joints, ankles, [-_Y, -_Y])
    tuck = 0.35 + 0.9 * y.bend
    wrists = [np.array([sign * width, hand, 0.03]) for sign in (1, -1)]
    _arms(s, joints, wrists, [np.array([tuck, 0.3, -1]), np.array([-tuck, 0.3, -1])])
    return joints


def _sit_up(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.45, 1), (0.54, 1), (0.94, 0), (1, 0))
    raised = 5 + (70 * min(y.amplitude, 1.1) + 0.5 * y.lean_deg) * lift
    a = np.radians(raised)
    pelvis = _vec(0, 0.115, 0) + 0.003 * s.noise(2)
    curl = s.keys((0, 0), (0.25, 1), (0.5, 0.3), (0.75, 1), (1, 0))
    joints = _trunk(s, pelvis, _vec(0, np.sin(a), -np.cos(a)), _X, nod=10 + 22 * curl)
    reach = 0.62 * b.leg * (1 + 0.1 * (y.stance - 1))
    ankles = [np.array([sign * 0.12 * y.stance, b.ankle, reach]) for sign in (1, -1)]
    s.hold(11, 12)
    _legs(s, joints, ankles, [np.array([0.1, 1, 0]), np.array([-0.1, 1, 0])])
    up = unit(joints[:, 1:3].mean(1) - joints[:, 7:9].mean(1))
    ahead = np.cross(_X, up)
    if y.bend < 0.6:  # hands beside the head
        place = joints[:, 0] - 0.02 * up + 0.01 * ahead
        wrists = [place + sign * 0.13 * _X for sign in (1, -1)]
        pole = [_X + 0.35 * up + 0.3 * ahead, -_X + 0.35 * up + 0.3 * ahead]
    else:  # arms crossed on the chest
        place = joints[:, 1:3].mean(1) - 0.12 * up + 0.15 * ahead
        wrists = [place - sign * 0.09 * _X for sign in (1, -1)]
        pole = [_X - 0.7 * up + 0.4 * ahead, -_X - 0.7 * up + 0.4 * ahead]
    _arms(s, joints, [w + 0.006 * s.noise(3) for w in wrists], pole)
    return joints


def _pull_up(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    lift = s.keys((0, 0), (0.08, 0), (0.46, 1), (0.54, 1), (0.94, 0), (1, 0))
    width = b.shoulders / 2 + 0.10 * y.stance
    bar = b.ankle + b.leg + b.torso + b.arm + 0.28
    low = bar - np.sqrt((0.985 * b.arm) ** 2 - (width - b.shoulders / 2) ** 2)
    high = bar - 0.13
    shoulder = low + (high - low) * lift * min(y.amplitude, 1.05)
    lean = -4 - 10 * lift
    up = turned(_X, lean, _Y)
    swing = 0.015 * s.noise(2)
    pelvis = _vec(swing[:, 0], shoulder, -0.06 - 0.08 * lift + 0.02) - b.torso * up
    joints = _trunk(s, pelvis, up, _X, nod=-12 * lift)
    fold = 0.10 + 0.35 * y.bend
    ankles = [
        joints[:, 7 + k] + b.leg * unit(_vec(0.03 * sign, -1, -fold)) * (1 - 0.35 * y.bend)
        for k, sign in ((0, 1), (1, -1))
    ]
    _legs(s, joints, ankles, [_Z, _Z])
    s.hold(5, 6)
    wrists = [np.array([sign * width, bar - 0.05, 0.0]) for sign in (1, -1)]
    _arms(s, joints, wrists, [np.array([0.8, -1, -0.1]), np.array([-0.8, -1, -0.1])])
    s.prop(np.array([-0.9, bar + 0.02, 0.0]), np.array([0.9, bar + 0.02, 0.0]), 0.016)
    return joints


def _bench_press(s: _Stage) -> np.ndarray:
    b, y = s.body, s.style
    down = s.keys((0, 0), (0.06, 0), (0.44, 1), (0.52, 1), (0.93, 0), (1, 0)) * min(
        y.amplitude, 1.05
    )
    seat = 0.56
    up = unit(np.array([0, 0.02, -1.0]))
    joints = _trunk(s, _vec(0, seat, 0) + 0.003 * s.noise(2), up, _X, nod=6)
    ankles = [np.array([sign * 0.22 * y.stance, b.ankle, 0.30]) for sign in (1, -1)]
    s.hold(11, 12)
    _legs(s, joints, ankles, [np.array([0.3, 0.4, 1]), np.array([-0.3, 0.4, 1])])
    middle = joints[:, 1:3].mean(1)
    width = b.shoulders / 2 + 0.11 * y.stance
    top = np.sqrt((0.985 * b.arm) ** 2 - (width - b.shoulders / 2) ** 2)
    height = middle[:, 1] + top + (0.17 - top) * down
    z = middle[:, 2] + 0.04 + 0.14 * down
    wrists = [_vec(sign * width, height + sign * 0.01 * y.asymmetry, z) for sign in (1, -1)]
    _arms(s, joints, wrists, [np.array([1, -0.8, 0.35]), np.array([-1, -0.8, 0.35])])
    _barbell(s, joints)
    for x in (-0.09, 0.0, 0.09):
        s.prop(np.array([x, seat - 0.17, 0.16]), np.array([x, seat - 0.17, -b.torso - 0.4]), 0.05)
    for z_leg in (0.1, -b.torso - 0.3):
        s.prop(np.array([0.0, seat - 0.2, z_leg]), np.array([0.0, 0.03, z_leg]), 0.03)
    return joints


def _swing(s: _Stage, plane_deg: float, bend_deg: float, club_m: float, high: float) -> np.ndarray:
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
    pelvis = _vec(shift, _standing(b, half, 0.05), -0.05) + 0.004 * s.noise(2)
    rise = s.keys((0, 0), (0.55, 0), (0.78, 1), (0.84, 1), (1, 0))
    up = turned(_X, (bend_deg + 0.6 * y.lean_deg) * (1 - 0.75 * rise), _Y)
    joints = _trunk(
        s, pelvis, up, turned(_Y, hips, _X), turned(up, chest, np.broadcast_to(_X, up.shape)),
        nod=8 * (1 - rise),
    )  # fmt: skip
    _legs(s, joints, _feet(s, half), [np.array([0.25, 0, 1]), np.array([-0.25, 0, 1])])
    tilt = np.radians(plane_deg)
    down = np.array([0.0, -np.sin(tilt), np.cos(tilt)])
    a = np.radians(hands)[:, None]
    fold = np.abs(turn) ** 3
    reach = b.arm * (0.90 - 0.22 * fold)[:, None]
    middle = joints[:, 1:3].mean(1)
    ahead = np.cross(unit(joints[:, 1] - joints[:, 2]), up)
    grip = middle + reach * (np.sin(a) * _X + np.cos(a) * down) + 0.16 * fold[:, None] * ahead
    way = unit(grip - middle)
    _arms(
        s, joints, [grip - 0.03 * way + 0.02 * _X, grip + 0.03 * way - 0.02 * _X],
        [0.5 * _X - _Y - 0.3 * ahead, -0.5 * _X - _Y - 0.3 * ahead],
    )  # fmt: skip
    cock = np.radians(hands + 75 * np.tanh(2.0 * turn))[:, None]
    head = unit(np.sin(cock) * _X + np.cos(cock) * down)
    held = joints[:, 5:7].mean(1)
    s.prop(held, held + club_m * head, 0.011)
    return joints


def _golf_swing(s: _Stage) -> np.ndarray:
    return _swing(s, 62.0, 32.0, 0.85, 138.0)


def _bat_swing(s: _Stage) -> np.ndarray:
    return _swing(s, 28.0, 14.0, 0.75, 112.0)


ACTIONS: dict[str, Callable[[_Stage], np.ndarray]] = {
    "squat": _squat,
    "jumping_jack": _jumping_jack,
    "arm_raise": _arm_raise,
    "overhead_press": _overhead_press,
    "lunge": _lunge,
    "push_up": _push_up,
    "sit_up": _sit_up,
    "pull_up": _pull_up,
    "bench_press": _bench_press,
    "golf_swing": _golf_swing,
    "bat_swing": _bat_swing,
}
"""Actions by name."""

# seconds that one repetition usually takes
_TEMPO_S = {
    "jumping_jack": 1.2, "golf_swing": 2.6, "bat_swing": 2.2, "push_up": 2.0, "arm_raise": 2.6,
}  # fmt: skip


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
    stage = _Stage(phase % 1.0, body, style, len(phase) / fps)
    joints = ACTIONS[action](stage).astype(np.float32)
    return Motion(joints, phase, stage.contact, stage.props, action, fps, body, style)


def mirrored(motion: Motion) -> Motion:
    """Return the left-handed version: left and right exchanged, x negated."""
    from vipecli.skeleton import MIRROR

    flip = np.array([-1.0, 1.0, 1.0], np.float32)
    order = list(MIRROR)
    return replace(
        motion,
        joints=motion.joints[:, order] * flip,
        contact=motion.contact[:, order],
        props=[(a * flip, b * flip, r) for a, b, r in motion.props],
    )
