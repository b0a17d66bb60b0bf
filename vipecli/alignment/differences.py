"""Differences of joint angles that exceed the uncertainty of both.

An angle of a pose that one camera sees is uncertain: by the variance of its embedding, by joints
that are hidden, by matched moments that are a frame or so apart. Two clips from one side share most
of the error of lifting, two from different sides do not.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.joint_angles import ANGLES, joint_angles
from vipecli.alignment.same_action import mirrored
from vipecli.lifting.lift import lift
from vipecli.lifting.lifter import Lifter, default_lifter
from vipecli.poses.poses import Poses

SURELY_SEEN = 0.95
"""Least score of the three joints of an angle, in both clips, for a difference to be listed."""

LEAST_S = 0.4
"""Least duration of a difference to be listed, seconds."""

CERTAINTY = 1.0
"""Least size of a difference to be listed, in standard uncertainties."""

SHOWN = 0.5
"""Of a difference between clips from one side the pictures show at least this share: what lifting
alone says is depth that it has guessed."""

LIMB_WEIGHT = 1.5
"""Hips and knees are listed first, unless a shoulder or elbow differs this many times as much."""

_SAMPLES = 16  # poses drawn from the latent
_SPREAD = 0.8  # error of an angle, as a share of the standard deviation over those
_SHARED = 0.75  # correlation of the errors of two clips from one side
_TURN_DEG = 20.0  # standard deviation of that correlation over the angle between the cameras
_LEAST_DEG = 2.0  # noise of a detector
_LATE_S = 0.03  # error of the time map

Angles = NDArray[np.float64]


@dataclass(frozen=True)
class Sight:
    """How well the angles of a clip are known.

    Attributes
    ----------
    std
        shape (T, 8), standard deviation of each angle over poses drawn from the latent's Gaussian,
        degrees; NaN in a frame without a person.
    rotation
        shape (T, 3, 3), canonical axes of the body in those of the camera.
    score
        shape (T, 8), lowest score of the three joints of each angle.
    """

    std: Angles
    rotation: NDArray[np.float64]
    score: Angles

    def at(self, times: Angles, own: Angles) -> "Sight":
        """That of the frames nearest to some times (F,), seconds; `own` are those of the frames."""
        nearest = np.abs(own[:, None] - times).argmin(axis=0)
        return Sight(self.std[nearest], self.rotation[nearest], self.score[nearest])


@dataclass(frozen=True)
class Stretch:
    """Frames `first` to before `end` in which one angle differs, most at `peak`."""

    angle: int
    first: int
    end: int
    peak: int


def sight(
    poses: Poses, lifter: Lifter | None = None, *, mirror: bool = False, seed: int = 0
) -> Sight:
    """How well the angles of a clip are known, from lifting it to 3D.

    Parameters
    ----------
    poses
        T frames.
    lifter
        None = the one that comes with vipe.
    mirror
        take them as a mirror shows them.
    seed
        of the samples.
    """
    lifter = lifter or default_lifter()
    shown = mirrored(poses) if mirror else poses
    found, rng = lift(shown, lifter, smooth_s=0, world=False), np.random.default_rng(seed)
    total, square = np.zeros((2, len(poses), len(ANGLES)))
    for _ in range(_SAMPLES):
        latent = found.latent + found.latent_std * rng.standard_normal(found.latent.shape)
        angles = joint_angles(lifter.decode(latent)[0].astype(np.float64))
        total += angles
        square += angles**2
    std = np.sqrt((square / _SAMPLES - (total / _SAMPLES) ** 2).clip(0))
    scores: NDArray[Any] = shown.score[:, np.array(list(ANGLES.values()))]
    return Sight(std, found.rotation, scores.min(axis=-1).astype(np.float64))


def uncertainty(a: Sight, b: Sight, rates: Angles) -> Angles:
    """Standard uncertainty (F, 8) of the difference of two angles, degrees; NaN where one is NaN.

    Parameters
    ----------
    a, b
        of F matched moments.
    rates
        shape (F, 8), how fast the angles change, degrees per second.
    """
    shared = _SHARED * np.exp(-0.5 * np.square(_turn_deg(a, b) / _TURN_DEG))
    of_pose = a.std**2 + b.std**2 - 2 * shared * a.std * b.std
    of_time = np.square(_LATE_S * np.nan_to_num(rates))
    return np.sqrt(_SPREAD**2 * of_pose + of_time + _LEAST_DEG**2)


def _turn_deg(a: Sight, b: Sight) -> float:
    """Median angle between the two cameras, as seen from the body, degrees; 180 if unknown."""
    product: Angles = (a.rotation * b.rotation).sum(axis=(1, 2))  # traces of a^T b
    angles: Angles = np.degrees(np.arccos(((product - 1) / 2).clip(-1, 1)))
    known = angles[np.isfinite(angles)]
    return float(np.median(known)) if len(known) else 180.0


def certain(
    difference: Angles, std: Angles, a: Sight, b: Sight, *, in_picture: Angles
) -> NDArray[np.bool_]:
    """Where (F, 8) a difference exceeds its uncertainty, of joints that are surely seen in both.

    Parameters
    ----------
    difference, std
        shape (F, 8), degrees; `std` from `uncertainty`.
    a, b
        of the F moments.
    in_picture
        shape (F, 8), difference of the angles as the cameras show them, degrees; see `SHOWN`.
    """
    listed = np.minimum(a.score, b.score) >= SURELY_SEEN
    with np.errstate(invalid="ignore"):
        listed &= np.abs(difference) > CERTAINTY * std
        if _turn_deg(a, b) < _TURN_DEG:
            listed &= np.sign(difference) * in_picture >= SHOWN * np.abs(difference)
    return listed


def stretches(times: Angles, difference: Angles, listed: NDArray[np.bool_]) -> list[Stretch]:
    """Runs of one sign of at least `LEAST_S`, most important first; see `LIMB_WEIGHT`.

    Parameters
    ----------
    times
        shape (F,), seconds.
    difference
        shape (F, 8), degrees.
    listed
        shape (F, 8), from `certain`.
    """
    found: list[Stretch] = []
    for k in range(difference.shape[1]):
        for sign in (1.0, -1.0):
            size = np.where(listed[:, k], sign * difference[:, k], 0.0)
            inside = np.concatenate([[0], (size > 0).astype(np.int64), [0]])
            for first, end in np.flatnonzero(np.diff(inside)).reshape(-1, 2).tolist():
                if times[end - 1] - times[first] >= LEAST_S:
                    peak = first + int(size[first:end].argmax())
                    found.append(Stretch(k, first, end, peak))
    weights = [1.0 if name.endswith(("hip", "knee")) else 1 / LIMB_WEIGHT for name in ANGLES]
    return sorted(found, key=lambda one: -weights[one.angle] * abs(difference[one.peak, one.angle]))
