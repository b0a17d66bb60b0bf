"""Generation of 3D poses in V-VIPE's latent: around a pose, and between two."""

from dataclasses import dataclass

import numpy as np

from vipecli.lifting.lifter import Lifter, default_lifter
from vipecli.poses.anatomy import LIMITS, bones, excess, put_together
from vipecli.poses.canonical import canonical

SPREAD = 0.5
"""Default noise on the latent, in units of its spread over all poses."""

_ATTEMPTS = 20  # draws of a pose until it is within the limits; then half the noise, and so on
_ROUNDS = 6

__all__ = ["LIMITS", "Drawn", "between", "vary"]


@dataclass(frozen=True)
class Drawn:
    """Generated poses.

    Attributes
    ----------
    poses
        shape (N, 13, 3), canonical, torso units, all with the bone lengths of the source.
    latent
        shape (N, D).
    first_try
        share of the poses that were within `anatomy.LIMITS` when first drawn.
    """

    poses: np.ndarray
    latent: np.ndarray
    first_try: float


def vary(
    pose: np.ndarray | None,
    count: int,
    lifter: Lifter | None = None,
    *,
    spread: float = SPREAD,
    seed: int = 0,
) -> Drawn:
    """Poses like a given one: Gaussian noise on its latent.

    A pose that bends a joint farther than people can is drawn again, and after some attempts with
    less noise.

    Parameters
    ----------
    pose
        shape (13, 3), any axes and unit; None = the middle of the latent, a pose of anybody.
    count
        how many.
    lifter
        None = the one that comes with vipe.
    spread
        of the noise, in units of the latent's spread over all poses; 1 is as far as from one pose
        to any other.
    seed
        the same seed gives the same poses.

    Raises
    ------
    ValueError
        if `count` is below 1 or `spread` below 0.

    Examples
    --------
    >>> vary(pose, 8, spread=0.3).poses.shape  # doctest: +SKIP
    (8, 13, 3)
    """
    if count < 1 or spread < 0:
        raise ValueError(f"count {count} and spread {spread}: use at least 1 and 0")
    lifter = lifter or default_lifter()
    start, lengths = _source(pose, lifter)
    rng = np.random.default_rng(seed)
    latent = np.empty((count, lifter.dims))
    poses = np.empty((count, 13, 3))
    wrong = np.ones(count, bool)
    allowed = excess(_with_lengths(lifter.decode(start[None])[0], lengths))[0]
    first_try = 1.0
    for attempt in range(_ATTEMPTS * _ROUNDS):
        scale = spread * lifter.latent_std * 0.5 ** (attempt // _ATTEMPTS)
        latent[wrong] = start + scale * rng.standard_normal((wrong.sum(), lifter.dims))
        poses[wrong] = _with_lengths(lifter.decode(latent[wrong])[0], lengths)
        wrong[wrong] = excess(poses[wrong]) > allowed
        if attempt == 0:
            first_try = 1 - wrong.mean()
        if not wrong.any():
            break
    return Drawn(poses, latent, float(first_try))


def between(a: np.ndarray, b: np.ndarray, steps: int, lifter: Lifter | None = None) -> np.ndarray:
    """Poses on the way from a to b, both ends included: a straight line in the latent.

    Parameters
    ----------
    a, b
        shape (13, 3), any axes and unit.
    steps
        poses in all, at least 2.

    Returns
    -------
    Shape (steps, 13, 3), canonical; the bone lengths go from those of a to those of b.

    Raises
    ------
    ValueError
        if `steps` is below 2.
    """
    if steps < 2:
        raise ValueError(f"steps is {steps}; use at least 2")
    lifter = lifter or default_lifter()
    share = np.linspace(0, 1, steps)[:, None]
    (start, first), (end, last) = (_source(pose, lifter) for pose in (a, b))
    poses = lifter.decode(start + share * (end - start))[0]
    return _with_lengths(poses, first + share * (last - first))


def _source(pose: np.ndarray | None, lifter: Lifter) -> tuple[np.ndarray, np.ndarray]:
    """Latent (D,) and bone lengths (8,) of a pose."""
    if pose is None:
        middle = np.zeros(lifter.dims)
        return middle, bones(lifter.decode(middle[None])[0][0].astype(np.float64))[1]
    known = canonical(np.asarray(pose, np.float64))[0]
    return lifter.encode(known[None])[0][0].astype(np.float64), bones(known)[1]


def _with_lengths(poses: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Poses (N, 13, 3) with other bone lengths (8,) or (N, 8), canonical again."""
    directions, own = bones(poses.astype(np.float64))
    return canonical(put_together(directions, np.broadcast_to(lengths, own.shape)))[0]
