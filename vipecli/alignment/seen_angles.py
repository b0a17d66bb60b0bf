"""How a clip shows the angles of a body: lifted to 3D, in the picture, and how surely."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.joint_angles import ANGLES, between, joint_angles
from vipecli.lifting.lift import Lifted, lift
from vipecli.lifting.lifter import Lifter, default_lifter
from vipecli.poses import skeleton as sk
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses

_SAMPLES = 16  # poses drawn from the latent
_STEP_DEG = 5.0  # by which a pose is turned to see how much its picture changes
_SHORTEST = 0.03  # a bone in the picture counts as at least so long, torsos

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeenAngles:
    """How a clip shows its angles, frame by frame; NaN in a frame without a person.

    Attributes
    ----------
    lifted, flat
        shape (T, 8), angles of the pose lifted to 3D, each frame by itself and without the
        detector's own 3D landmarks, and angles in the picture; degrees.
    std
        shape (T, 8), standard deviation of each angle over poses drawn from the latent's Gaussian,
        degrees.
    shortness
        shape (T, 8), how far an angle in the picture turns if joints move by independent errors of
        one torso, radians: large where bones point to the camera.
    by_turn
        shape (T, 8), how far an angle in the picture turns if the camera does, degrees per degree.
    score
        shape (T, 8), lowest score of the three joints of each angle.
    rotation
        shape (T, 3, 3), canonical axes of the body in those of the camera.
    body
        shape (T, 13, 3), lifted joints in axes of the camera.
    """

    lifted: Array
    flat: Array
    std: Array
    shortness: Array
    by_turn: Array
    score: Array
    rotation: Array
    body: Array

    def at(self, times: Array, own: Array) -> "SeenAngles":
        """That at some times (F,), seconds; `own` are those of the frames.

        Angles are interpolated, the rest is that of the nearest frames.
        """
        nearest = np.abs(own[:, None] - times).argmin(axis=0)
        values = {one.name: getattr(self, one.name)[nearest] for one in fields(self)}
        for name in ("lifted", "flat"):
            values[name] = between(times, own, getattr(self, name))
        return SeenAngles(**values)


def seen_angles(
    poses: Poses, lifter: Lifter | None = None, *, mirror: bool = False, seed: int = 0
) -> SeenAngles:
    """How a clip shows its angles, from lifting it to 3D.

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
    found = lift(shown, lifter, smooth_s=0, world=False)
    scores: NDArray[Any] = _seen(shown)[:, np.array(list(ANGLES.values()))]
    joints = np.where((shown.score > 0)[..., None], shown.xy, np.nan).astype(np.float64)
    body = found.in_camera().astype(np.float64)
    return SeenAngles(
        joint_angles(found.joints.astype(np.float64)),
        joint_angles(joints),
        _std(found, lifter, seed),
        _shortness(joints),
        _by_turn(body),
        scores.min(axis=-1).astype(np.float64),
        found.rotation,
        body,
    )


def turn_deg(a: SeenAngles, b: SeenAngles) -> float:
    """Median angle between the two cameras, as seen from the body, degrees; 180 if unknown."""
    product: Array = (a.rotation * b.rotation).sum(axis=(1, 2))  # traces of a^T b
    angles: Array = np.degrees(np.arccos(((product - 1) / 2).clip(-1, 1)))
    known = angles[np.isfinite(angles)]
    return float(np.median(known)) if len(known) else 180.0


def turn_between(a: SeenAngles, b: SeenAngles) -> Array:
    """Rotation (3, 3) from the axes of a's camera to those of b's: one for all frames."""
    turns = np.einsum("tij,tkj->tik", b.rotation, a.rotation)
    u, _, vt = np.linalg.svd(np.nanmedian(turns, axis=0))
    u[:, 2] *= np.sign(np.linalg.det(u @ vt))
    return np.asarray(u @ vt, np.float64)


def turned_to(one: SeenAngles, rotation: Array) -> Array:
    """Angles (T, 8) in the picture of a camera that is turned by a rotation (3, 3), degrees."""
    return joint_angles((one.body @ rotation.T)[..., :2])


def _seen(poses: Poses) -> NDArray[np.float32]:
    """Scores (T, 13), those of the hips no higher than those of their knees.

    MediaPipe is sure of hips even where a table hides them; of the knees below it then is not.
    """
    score = poses.score.copy()
    for hip, knee in ((sk.LEFT_HIP, sk.LEFT_KNEE), (sk.RIGHT_HIP, sk.RIGHT_KNEE)):
        score[:, hip] = np.minimum(score[:, hip], score[:, knee])
    return score


def _std(found: Lifted, lifter: Lifter, seed: int) -> Array:
    """Standard deviation (T, 8) of the angles over the latent's Gaussian."""
    rng = np.random.default_rng(seed)
    total, square = np.zeros((2, len(found), len(ANGLES)))
    for _ in range(_SAMPLES):
        latent = found.latent + found.latent_std * rng.standard_normal(found.latent.shape)
        angles = joint_angles(lifter.decode(latent)[0].astype(np.float64))
        total += angles
        square += angles**2
    return np.sqrt((square / _SAMPLES - (total / _SAMPLES) ** 2).clip(0))


def _shortness(joints: Array) -> Array:
    """As in `SeenAngles`, from joints (T, 13, 2) in pixels."""
    first, middle, last = np.array(list(ANGLES.values())).T
    torsos = np.linalg.norm(joints[:, [1, 2]] - joints[:, [7, 8]], axis=2)
    torso = np.nanmax(
        np.append(torsos, np.linalg.norm(joints[:, 1] - joints[:, 2], axis=1)), initial=1e-6
    )
    inverse: list[Array] = []
    for end in (first, last):
        bone = (joints[:, end] - joints[:, middle]) / torso
        length = np.linalg.norm(bone, axis=2).clip(_SHORTEST)
        inverse.append(bone / length[..., None] ** 2)
    parts = (*inverse, inverse[0] - inverse[1])
    return np.sqrt(sum((np.square(part).sum(axis=2) for part in parts), np.zeros(())))


def _by_turn(body: Array) -> Array:
    """As in `SeenAngles`, from joints (T, 13, 3) in axes of the camera."""
    c, s = np.cos(np.radians(_STEP_DEG)), np.sin(np.radians(_STEP_DEG))
    total = np.zeros((len(body), len(ANGLES)))
    for turn in ([[1, 0, 0], [0, c, -s], [0, s, c]], [[c, 0, s], [0, 1, 0], [-s, 0, c]]):
        there, back = np.array(turn), np.array(turn).T
        change = joint_angles((body @ there)[..., :2]) - joint_angles((body @ back)[..., :2])
        total += np.square(change / (2 * _STEP_DEG))
    return np.sqrt(total)
