"""Pairs of films of one movement, with a known difference or with none: for `vipe compare`.

    from examples.pairs import make_pair

    pair = make_pair("squat", "side", rng=np.random.default_rng(1), occluder="table", differs=True)
    pair.a.shot.path, pair.planted.angle

Both performers are of other proportions, dress otherwise, keep a clock of their own and wobble in
their own way; the second camera stands a few degrees beside the first. In the second film one knee,
hip, elbow or shoulder may be bent 15 degrees more or less over a known stretch. A rack or a table
may stand between the camera and the hips or the knees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from examples.camera import Camera
from examples.film import Shot, film, proportions, uneven_times
from examples.motions import perform
from examples.person import Look, unit
from examples.rig import Body, Style, turned
from examples.studio import Prop, Scene
from vipecli.alignment.joint_angles import ANGLES, joint_angles
from vipecli.poses import skeleton as sk

FPS = 15.0
SIZE = (320, 320)
PLANTED_DEG = 15.0
VIEWS = {"front": 0.0, "oblique": 45.0, "side": 90.0}
"""Azimuths of the camera, degrees; see `examples.camera.Camera`."""

KINDS = "knee", "hip", "elbow", "shoulder"
OCCLUDERS = "rack", "table"
_SECONDS = 2.6
_WOBBLE = 0.3  # of the usual one: a few degrees at most
_RAMP = 0.08  # of the movement, over which the difference comes and goes
_STRETCH = 0.35  # of the movement, for which it lasts
_WIDEST_DEG, _NARROWEST_DEG = 150.0, 45.0  # beyond these an angle is bent inwards
_HEIGHTS_M = {"hips": 0.9, "knees": 0.5}
_BEFORE_M = 0.75  # from the person to what hides them


@dataclass(frozen=True)
class Planted:
    """What differs: the angles (keys of `compare.ANGLES`), by how much, and from when to when.

    `first` and `last` are phases of the movement, 0 to 1, between which all of it is there.
    """

    angles: tuple[str, ...]
    degrees: float
    first: float
    last: float


@dataclass(frozen=True)
class Film:
    """One performance: its shot, the phase of the movement (T,), and what stands before it.

    `free` is (T, 13) bool: joints that are in the picture and not behind the furniture, even if the
    person's own limbs cover them.
    """

    shot: Shot
    phase: np.ndarray
    free: np.ndarray

    def angles(self, phase: np.ndarray) -> np.ndarray:
        """True angles (P, 8) at phases (P,), degrees."""
        own = joint_angles(self.shot.joints)
        return np.stack([np.interp(phase, self.phase, column) for column in own.T], axis=1)

    def seen(self, phase: np.ndarray) -> np.ndarray:
        """Shape (P, 8) bool: whether all three joints of an angle are seen at phases (P,)."""
        return self._of_angles(self.shot.visible, phase)

    def before_all(self, phase: np.ndarray) -> np.ndarray:
        """Shape (P, 8) bool: whether no furniture hides a joint of an angle at phases (P,)."""
        return self._of_angles(self.free, phase)

    def _of_angles(self, joints: np.ndarray, phase: np.ndarray) -> np.ndarray:
        frames = np.searchsorted(self.phase, phase).clip(0, len(self.phase) - 1)
        return np.stack(
            [joints[frames][:, list(three)].all(axis=1) for three in ANGLES.values()], 1
        )


@dataclass(frozen=True)
class Pair:
    """Two films of one movement; `planted` is None where they are the same."""

    action: str
    view: str
    occluder: str | None
    a: Film
    b: Film
    planted: Planted | None


def make_pair(
    action: str,
    view: str,
    *,
    rng: np.random.Generator,
    out: tuple[Path, Path],
    occluder: str | None = None,
    differs: bool = False,
    other_view: str | None = None,
) -> Pair:
    """Film one movement twice.

    Parameters
    ----------
    action
        a key of `examples.motions.ACTIONS`.
    view, other_view
        keys of `VIEWS`, for the first and the second film; None = the same one.
    rng
        makes every pair another one.
    out
        the two films to write.
    occluder
        one of `OCCLUDERS`, or None.
    differs
        whether a difference is planted in the second film.
    """
    body, style = Body.random(rng), replace(Style.random(rng), wobble=_WOBBLE)
    clocks = [_clock(rng) for _ in range(2)]
    moves = [
        perform(action, phase=phase, body=body, style=replace(style, seed=int(rng.integers(2**31))))
        for phase in clocks
    ]
    joints = [move.joints.astype(float) for move in moves]
    planted = None
    if differs:
        planted = _plan(rng, joints[1], clocks[1], str(rng.choice(KINDS)))
        joints[1] = _bent(joints[1], clocks[1], planted)
    height = float(_HEIGHTS_M[str(rng.choice(list(_HEIGHTS_M)))])
    films = []
    for k, azimuth in enumerate((VIEWS[view], VIEWS[other_view or view])):
        azimuth += rng.uniform(-6, 6)
        camera = Camera(azimuth, elevation_deg=rng.uniform(1, 9), facing_deg=0.0)
        factors = rng.uniform(0.94, 1.06, 5)
        names = "size", "legs", "arms", "torso", "shoulders"
        shaped = proportions(joints[k], **dict(zip(names, factors, strict=True)))
        props = [] if occluder is None else _hide(occluder, len(shaped), azimuth, height)
        shot = film(
            shaped.astype(np.float32), out[k], fps=FPS, camera=camera, look=Look().random(rng),
            size=SIZE, props=props, scene=Scene(floor_m=None),
        )  # fmt: skip
        films.append(Film(shot, clocks[k], _free(shot, props)))
    return Pair(action, view, occluder, films[0], films[1], planted)


def _clock(rng: np.random.Generator) -> np.ndarray:
    """Phase of each frame: one repetition at an uneven speed."""
    at = uneven_times(_SECONDS, rng, fps=FPS, slowest=0.7, fastest=1.5)
    return at / _SECONDS * (1 - 1e-9)


def _plan(rng: np.random.Generator, joints: np.ndarray, phase: np.ndarray, kind: str) -> Planted:
    """Choose which angle is changed, when, and in which direction."""
    first = float(rng.uniform(0.2, 0.75 - _STRETCH))
    last = first + _STRETCH
    sides = ("left", "right") if kind == "hip" else (str(rng.choice(["left", "right"])),)
    names = tuple(f"{side} {kind}" for side in sides)
    there = (phase >= first) & (phase <= last)
    usual = joint_angles(joints)[there][:, list(ANGLES).index(names[0])]
    sign = float(rng.choice([-1.0, 1.0]))
    if usual.max() > _WIDEST_DEG:
        sign = -1.0
    elif usual.min() < _NARROWEST_DEG:
        sign = 1.0
    return Planted(names, sign * PLANTED_DEG, first, last)


def _bent(joints: np.ndarray, phase: np.ndarray, planted: Planted) -> np.ndarray:
    """Joints with the angle changed: what lies beyond the joint is turned about it."""
    ramp = np.array([planted.first - _RAMP, planted.first, planted.last, planted.last + _RAMP])
    degrees = planted.degrees * np.interp(phase, ramp, [0, 1, 1, 0])
    degrees = (
        planted.degrees * (degrees / planted.degrees) ** 2 * (3 - 2 * degrees / planted.degrees)
    )
    name = planted.angles[0]
    near, middle, far = ANGLES[name]
    if name.endswith("hip"):  # the trunk leans about both hips
        left = unit(joints[:, sk.LEFT_HIP] - joints[:, sk.RIGHT_HIP])
        moved = [j for j in range(len(sk.JOINTS)) if j < sk.LEFT_HIP]
        pivot = joints[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(axis=1)
        return _turned_about(joints, moved, pivot, left, -degrees)
    if name.endswith("shoulder"):  # the arm moves, not the trunk
        near, far, moved = far, near, [near, near + 2]
    else:
        moved = [far]
    u, v = joints[:, near] - joints[:, middle], joints[:, far] - joints[:, middle]
    normal = unit(np.cross(u, v))
    return _turned_about(joints, moved, joints[:, middle], normal, degrees)


def _turned_about(
    joints: np.ndarray, moved: list[int], pivot: np.ndarray, axis: np.ndarray, degrees: np.ndarray
) -> np.ndarray:
    out = joints.copy()
    for j in moved:
        out[:, j] = pivot + turned(axis, degrees, joints[:, j] - pivot)
    return out


def _hide(kind: str, frames: int, azimuth_deg: float, height: float) -> list[Prop]:
    """A rack or a table between the camera and the person, with its middle at a height."""
    a = np.radians(azimuth_deg)
    ahead, across = np.array([np.sin(a), 0, np.cos(a)]), np.array([np.cos(a), 0, -np.sin(a)])
    place = _BEFORE_M * ahead

    def rod(x0: float, y0: float, x1: float, y1: float, radius: float) -> Prop:
        ends = (place + x * across + np.array([0, y, 0]) for x, y in ((x0, y0), (x1, y1)))
        first, second = (np.tile(end, (frames, 1)) for end in ends)
        return first, second, radius

    if kind == "table":
        top = [rod(-0.8, height + up, 0.8, height + up, 0.09) for up in (-0.13, 0.0, 0.13)]
        return [*top, *(rod(x, 0, x, height, 0.03) for x in (-0.7, 0.7))]
    bars = [rod(-0.6, height + up, 0.6, height + up, 0.05) for up in (-0.09, 0.09)]
    plates = [rod(x, height - 0.06, x, height + 0.06, 0.17) for x in (-0.3, 0.3)]
    return [*bars, *plates, *(rod(x, 0, x, 2.1, 0.04) for x in (-0.6, 0.6))]


def _free(shot: Shot, props: list[Prop]) -> np.ndarray:
    """Joints (T, 13) in the picture that no rod covers."""
    view, joints = shot.view, shot.joints.astype(float)
    xy, away = view.project(joints), view.to_camera(joints)[..., 2]
    free = ((xy >= 0) & (xy < view.size)).all(axis=-1)
    for first, second, radius in props:
        share = np.linspace(0, 1, 200)[:, None, None]
        points = first * (1 - share) + second * share  # (200, T, 3)
        near = view.to_camera(points)[..., 2]
        gap = np.linalg.norm(view.project(points)[:, :, None] - xy, axis=-1)
        covers = (gap < (radius * view.focal_px / near)[..., None]) & (near[..., None] < away)
        free &= ~covers.any(axis=0)
    return free
