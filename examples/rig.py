"""What exercises are made of: performers, styles, and a trunk with limbs that reach for things."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from examples.person import reject, unit

X, Y, Z = np.eye(3)
"""The person's left, up and forward at the start."""

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


@dataclass
class Stage:
    """What an action is given: (T,) phase within the repetition, body, style, wobble."""

    phase: np.ndarray
    body: Body
    style: Style
    seconds: float
    contact: np.ndarray = field(init=False)
    props: list = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with nothing held."""
        self.contact = np.zeros((len(self.phase), 13), bool)

    def keys(self, *pairs: tuple[float, float]) -> np.ndarray:
        """Return (T,) values of a curve through (phase, value) pairs, without overshoot."""
        at, value = np.array(pairs).T
        return PchipInterpolator(at, value)(self.phase)

    def noise(self, key: int) -> np.ndarray:
        """Return shape (T, 3): the slow wobble, its own for each key."""
        return self.style.noise(len(self.phase), key, self.seconds)

    def hold(self, *joints: int) -> None:
        """Say that these joints do not move."""
        self.contact[:, list(joints)] = True

    def prop(self, a: np.ndarray, b: np.ndarray, radius: float) -> None:
        """Add a rod to draw: ends (T, 3) or (3,), radius in metres."""
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


def vec(x, y, z) -> np.ndarray:
    """Return (..., 3) from three coordinates, broadcast."""
    return np.stack(np.broadcast_arrays(x, y, z), -1).astype(float)


def trunk(s: Stage, pelvis, up, left, chest_left=None, nod=0.0) -> np.ndarray:
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


def legs(s: Stage, joints, ankles, pole) -> None:
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


def arms(s: Stage, joints, wrists, pole) -> None:
    """Put the hands at `wrists`, a pair of (T, 3) or (3,); elbows bend to the pair `pole`."""
    for side in (0, 1):
        target = np.broadcast_to(wrists[side], joints[:, 0].shape)
        joints[:, 3 + side], joints[:, 5 + side] = two_link(
            joints[:, 1 + side], target, s.body.upper_arm, s.body.forearm, pole[side]
        )


def standing(b: Body, half: float, sink: np.ndarray | float = 0.0) -> np.ndarray | float:
    """Return the pelvis height over ankles `half` to either side, lowered by `sink`."""
    return b.ankle + np.sqrt(b.leg**2 - (half - b.hips / 2) ** 2) - 0.005 - sink


def feet(s: Stage, half: float, z: float = 0.0) -> list[np.ndarray]:
    """Return ankles that stand still, `half` to either side."""
    s.hold(11, 12)
    return [np.array([sign * half, s.body.ankle, z]) for sign in (1, -1)]


def hang(s: Stage, joints, out: float = 0.12) -> list[np.ndarray]:
    """Return wrist targets of arms that hang at the sides."""
    drop = s.body.arm * (0.985 - 0.02 * s.style.bend)
    return [
        joints[:, 1 + k] + drop * unit(np.array([sign * out, -1.0, 0.10]))
        for k, sign in ((0, 1), (1, -1))
    ]


def side_arms(s: Stage, joints, degrees: np.ndarray, forward: float = 0.0) -> None:
    """Swing both arms in the frontal plane: 0 = hanging, 90 = level, 180 = overhead."""
    wrists, poles = [], []
    for k, sign in ((0, 1), (1, -1)):
        angle = degrees + sign * 8 * s.style.asymmetry * np.sin(np.radians(degrees))
        a = np.radians(np.clip(angle, 5, 176))
        way = unit(vec(sign * np.sin(a), -np.cos(a), 0.08 + forward * np.sin(a)))
        reach = s.body.arm * (1 - 0.07 * s.style.bend)
        wrists.append(joints[:, 1 + k] + reach * way + 0.008 * s.noise(3 + k))
        poles.append(vec(sign * np.cos(a) * 0.2, -0.3 * np.sin(a), -1.0))
    arms(s, joints, wrists, poles)


def barbell(s: Stage, joints) -> None:
    """Put a bar with plates through both hands."""
    middle = joints[:, 5:7].mean(1)
    along = unit(joints[:, 5] - joints[:, 6])
    grip = middle + 0.07 * unit(joints[:, 5:7].mean(1) - joints[:, 3:5].mean(1))
    s.prop(grip - 0.62 * along, grip + 0.62 * along, 0.012)
    for sign in (1, -1):
        s.prop(grip + sign * 0.55 * along, grip + sign * 0.58 * along, 0.10)
