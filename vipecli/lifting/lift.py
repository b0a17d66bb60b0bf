"""3D poses from one view: 2D joints to V-VIPE's latent, and from there to a canonical pose."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import BATCH, MIN_JOINTS, embed
from vipecli.embedding.model import Embeddings
from vipecli.lifting.context import with_context
from vipecli.lifting.lifter import Lifter, default_lifter, in_batches
from vipecli.poses import skeleton as sk
from vipecli.poses.anatomy import bones, put_together
from vipecli.poses.canonical import canonical, rotation_onto, torso
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses

SMOOTH_S = 0.05
"""Std of the Gaussian that lifted joints are smoothed with, seconds."""

SAMPLES = 16
"""Poses drawn from the latent's Gaussian for the uncertainty of each joint."""

_FLIP = np.array([-1.0, 1, 1])  # x, in the axes of the camera
_POINT = 1e-3  # std of a point of the latent
_LONGEST_GAP_S = 0.5  # a longer time without the person stays empty, as does what is at the ends


@dataclass(frozen=True, repr=False)
class Lifted:
    """3D poses of one person over the frames of a clip.

    Attributes
    ----------
    joints
        shape (T, 13, 3) float32 in the canonical frame: mid-hip at 0, x to the person's left, y
        up the spine, z forward, in units of the torso; a frame without a person is NaN.
    rotation
        shape (T, 3, 3): canonical axes in those of the camera (right, down, forward).
    std
        shape (T, 13): expected error of each joint, torso units.
    latent, latent_std
        shape (T, D): the latent's Gaussian, not smoothed.
    times
        shape (T,), presentation times in seconds.
    model
        which weights made it, one or two with a blank between them.
    """

    joints: NDArray[np.floating[Any]]
    rotation: NDArray[np.float64]
    std: NDArray[np.float64]
    latent: NDArray[np.float32]
    latent_std: NDArray[np.float32]
    times: NDArray[np.float64]
    model: str

    def __len__(self) -> int:
        """Return the number of frames, T."""
        return len(self.times)

    def __repr__(self) -> str:
        """One line: frames, frames with a pose, and model."""
        known = int(np.isfinite(self.joints).all(axis=(1, 2)).sum())
        return f"Lifted({len(self)} frames, {known} with a pose, model {self.model!r})"

    def in_camera(self) -> NDArray[Any]:
        """Joints (T, 13, 3) in axes right, down, forward of the camera, about the mid-hip."""
        return in_camera(self.joints, self.rotation)


def lift(
    poses: Poses,
    lifter: Lifter | None = None,
    *,
    smooth_s: float = SMOOTH_S,
    world: bool = True,
    context: bool = True,
) -> Lifted:
    """3D pose of the person in every frame, from the 2D joints.

    Parameters
    ----------
    poses
        T frames; missing joints are NaN with score 0, and are inferred by the network.
    lifter
        None = the one that comes with vipe.
    smooth_s
        std of the Gaussian over time, seconds; 0 = each frame by itself, and with bones of
        its own. Otherwise all frames get the clip's median bone lengths.
    world
        take the detector's own 3D landmarks into account, where `poses` has them.
    context
        take what is before and after a frame into account (`context.with_context`), where
        `smooth_s` is not 0.

    Returns
    -------
    T rows. NaN where fewer than `MIN_JOINTS` joints are known, but for gaps of up to half a
    second, which smoothing fills.

    Examples
    --------
    >>> lift(detect("squat.mp4")).joints.shape  # doctest: +SKIP
    (90, 13, 3)
    """
    lifter = lifter or default_lifter()
    mean, std, joints, rotation = _each_frame(poses, lifter, world=world)
    error = _uncertainty(mean, std, lifter)
    nobody = (poses.score > 0).sum(axis=1) < MIN_JOINTS
    for array in (joints, rotation, error, mean, std):
        array[nobody] = np.nan
    joints, rotation = _with_mirror_image(joints, rotation, poses, lifter, world=world)
    model = lifter.mapper.id
    if context and smooth_s > 0:
        joints, rotation, other = with_context(joints, rotation, poses)
        model = f"{model} {other}".rstrip()
    out = Lifted(joints, rotation, error, mean, std, poses.times, model)
    out = smoothed(out, smooth_s=smooth_s) if smooth_s > 0 else out
    return replace(out, joints=out.joints.astype(np.float32))


def _each_frame(
    poses: Poses, lifter: Lifter, *, world: bool
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean and std (T, D) of the latent, canonical poses (T, 13, 3), rotations (T, 3, 3)."""
    mean, std, rotation = _map(poses, lifter)
    joints = lifter.decode(mean)[0].astype(np.float64)
    if world and poses.world is not None and lifter.refiner is not None:
        joints, rotation = _refined(joints, rotation, poses, lifter)
    return mean, std, joints, rotation


def _with_mirror_image(
    joints: NDArray[Any], rotation: NDArray[Any], poses: Poses, lifter: Lifter, *, world: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The mean with what is lifted from the mirror image, mirrored back; rows of NaN stay.

    What a network gets wrong to one side by chance goes (flipping at test, Pavllo et al. 2019).
    """
    known = np.isfinite(joints).all(axis=(1, 2))
    if not known.any():
        return joints, rotation
    _, _, theirs, turn = _each_frame(mirrored(poses), lifter, world=world)
    other = in_camera(theirs, turn)[:, sk.MIRROR] * _FLIP
    joints, rotation = joints.copy(), rotation.copy()
    mean = (in_camera(joints[known], rotation[known]) + other[known]) / 2
    joints[known], rotation[known] = canonical(mean)
    return joints, rotation


def in_camera(joints: NDArray[Any], rotation: NDArray[Any]) -> NDArray[Any]:
    """Canonical poses (T, 13, 3), turned by rotations (T, 3, 3) into the axes of the camera."""
    return np.einsum("tij,tkj->tki", rotation, joints)


def in_latent(poses: Poses, lifter: Lifter | None = None) -> Embeddings:
    """Every frame as a point of the latent of 3D poses, to be compared by plain distances.

    The latent's own variance says how far joints may be off, not how alike two poses are: in its
    place stands the same small one for all.
    """
    found = embed(poses, (lifter or default_lifter()).mapper)
    return replace(found, std=np.where(np.isfinite(found.std), np.float32(_POINT), np.nan))


def _map(poses: Poses, lifter: Lifter) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Mean and std (T, D) of the latent, and rotations (T, 3, 3)."""
    known = poses.score > 0
    joints = np.where(known[..., None], poses.xy, 0).astype(np.float32)
    feed = {"joints": joints, "visibility": poses.score.astype(np.float32)}
    mean, std, rotation = in_batches(lifter.mapper.session, ("mean", "std", "rotation"), feed)
    return mean, std, rotation


def _uncertainty(
    mean: NDArray[Any], std: NDArray[Any], lifter: Lifter, seed: int = 0
) -> NDArray[Any]:
    """Root mean square distance (T, 13) of the joints of sampled latents from their mean."""
    rng = np.random.default_rng(seed)
    total, square = np.zeros((2, len(mean), 13, 3))
    for _ in range(SAMPLES):
        drawn = lifter.decode(mean + std * rng.standard_normal(mean.shape))[0]
        total += drawn
        square += np.square(drawn, dtype=np.float64)
    variance = (square - total**2 / SAMPLES).sum(axis=-1) / SAMPLES
    return np.sqrt(variance.clip(0)) * lifter.spread


def _refined(
    joints: NDArray[Any], rotation: NDArray[Any], poses: Poses, lifter: Lifter
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Poses and rotations with the detector's own 3D landmarks taken into account.

    Those are in camera axes, too, right, down and forward: the rotation is the mean of what the
    network says and of what brings the pose onto them.
    """
    world = sk.from_mediapipe(poses.world)
    usable = np.isfinite(world).all(axis=(1, 2)) & (torso(world) > 0)
    if not usable.any():
        return joints, rotation
    joints, rotation, world = joints.copy(), rotation.copy(), world[usable]
    feed = {
        "pose": joints[usable],
        "world": world,
        "visibility": poses.score[usable],
        "camera": rotation[usable][:, 2],
    }
    feed = {name: values.astype(np.float32) for name, values in feed.items()}
    joints[usable] = in_batches(lifter.refiner, ("refined",), feed)[0]
    theirs = rotation_onto(joints[usable], world.astype(np.float64))
    rotation[usable] = _nearest_rotation(rotation[usable] + theirs)
    return joints, rotation


def smoothed(lifted: Lifted, *, smooth_s: float = SMOOTH_S) -> Lifted:
    """Lifted poses with a Gaussian mean over time, and one set of bone lengths.

    Frames count by their certainty; gaps of up to half a second between two known frames are
    filled.

    Parameters
    ----------
    smooth_s
        std of the Gaussian, seconds, above 0.

    Raises
    ------
    ValueError
        if `smooth_s` is not above 0.
    """
    if smooth_s <= 0:
        raise ValueError(f"smooth_s is {smooth_s}; give a time above 0 s")
    known = np.isfinite(lifted.joints).all(axis=(1, 2))
    if known.sum() < 2:
        return lifted
    weight = 1 / np.square(lifted.std[known].mean(axis=1).clip(1e-3))

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        flat = values[known].reshape(known.sum(), -1)
        out = _mean_over_time(lifted.times, known, weight, flat, smooth_s)
        return out.reshape(len(values), *values.shape[1:])

    directions, lengths = bones(mean(lifted.joints))
    median = np.median(bones(lifted.joints[known])[1], axis=0)
    joints, turn = canonical(put_together(directions, np.broadcast_to(median, lengths.shape)))
    rotation = _nearest_rotation(mean(lifted.rotation)) @ turn
    return replace(lifted, joints=joints, rotation=rotation, std=mean(lifted.std))


def _mean_over_time(
    times: NDArray[Any],
    known: NDArray[Any],
    weight: NDArray[Any],
    values: NDArray[Any],
    smooth_s: float,
) -> NDArray[Any]:
    """Gaussian means (T, F) over the known frames' values (K, F); NaN far from all of them."""
    at = times[known]
    reach = 5 * smooth_s + _LONGEST_GAP_S
    out = np.full((len(times), values.shape[1]), np.nan)
    for start in range(0, len(times), BATCH):
        rows = slice(start, start + BATCH)
        now = times[rows]
        near = slice(*np.searchsorted(at, [now[0] - reach, now[-1] + reach]))
        if near.start == near.stop:
            continue
        gap = np.abs(now[:, None] - at[near])
        kernel = np.exp(-0.5 * np.square(gap / smooth_s)) * weight[near]
        nearest = gap.min(axis=1, keepdims=True)
        thin = nearest[:, 0] > 4 * smooth_s  # inside a gap: the ends of the gap, as far as they go
        kernel[thin] = gap[thin] <= nearest[thin] + 1e-9
        close = known[rows] | _between(at, now)
        mean = kernel @ values[near] / kernel.sum(axis=1, keepdims=True)
        out[rows] = np.where(close[:, None], mean, np.nan)
    return out


def _between(at: NDArray[Any], now: NDArray[Any]) -> NDArray[Any]:
    """Whether times `now` (T,) lie in a gap between known times `at` that is filled."""
    after = np.searchsorted(at, now)
    inside = (after > 0) & (after < len(at))
    gap = at[after.clip(max=len(at) - 1)] - at[(after - 1).clip(0)]
    return inside & (gap <= _LONGEST_GAP_S + 1e-6)


def _nearest_rotation(matrices: NDArray[Any]) -> NDArray[Any]:
    """The rotation nearest to each matrix (T, 3, 3); NaN stays NaN."""
    out = np.full_like(matrices, np.nan)
    usable = np.isfinite(matrices).all(axis=(1, 2))
    u, _, vt = np.linalg.svd(matrices[usable])
    u[..., 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    out[usable] = u @ vt
    return out
