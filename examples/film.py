"""Film people whose joints are known: a clip to look at and the truth about it.

    from examples.film import Camera, film
    from examples.motions import perform
    from examples.person import Look

    motion = perform("squat", seconds=3.0)
    shot = film(motion.joints, "squat.mp4", camera=Camera(azimuth_deg=120), look=Look())
    shot.xy  # (T, 13, 2) true joints in pixels
    shot.visible  # (T, 13) in the picture and not hidden

or from a shell: ``python -m examples.film squat squat.mp4 --azimuth 120``.

World axes: metres, y up, right-handed. Picture: pixels, y down, pixel centres at .5. Azimuth 0
looks the person in the face, 90 sees the person's left side, 180 the back, 270 the right side.
The camera stands still and looks at the mean place of the pelvis over the clip, half-way up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from examples.march import draw
from examples.person import JOINT_RADIUS_M, Look, Shapes, body, frame, unit, with_props

_FILL = 0.84  # share of the picture that the person's whole motion fills, if no distance is given
_NEAR_M = 0.15  # nearer than this to the camera nothing is drawn
_SHADOW_CELL_M = 0.015
_SUN = unit(np.array([0.45, 1.0, 0.35]))  # towards the light, in facing axes (left, up, forward)

Prop = tuple[np.ndarray, np.ndarray, float]
"""A rod to draw: ends (T, 3) and (T, 3) in metres, radius in metres."""


@dataclass(frozen=True)
class Camera:
    """Where the camera stands, relative to the person.

    Attributes
    ----------
    azimuth_deg
        0 = the person's face, 90 = the person's left, 180 = back, 270 = right.
    elevation_deg
        above (+) or below (-) the point looked at.
    distance_m
        to the point looked at; None = so far that the whole motion fills the picture.
    fov_deg
        vertical field of view.
    roll_deg
        turns the camera about its axis; the picture turns clockwise. 180 = upside down.
    facing_deg
        direction the person faces, azimuth 0, about the y axis from +z towards +x; None = as
        `facing` finds it.
    target
        point looked at, metres; None = mean of the pelvis over the clip, of all persons, at half
        the height that they reach.
    pan_px
        moves the picture right and down by so many pixels.
    """

    azimuth_deg: float = 0.0
    elevation_deg: float = 6.0
    distance_m: float | None = None
    fov_deg: float = 38.0
    roll_deg: float = 0.0
    facing_deg: float | None = None
    target: tuple[float, float, float] | None = None
    pan_px: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class View:
    """A camera put in its place.

    Attributes
    ----------
    rotation
        shape (3, 3), rows = picture's right, down and forward in world axes.
    position
        shape (3,), metres.
    focal_px, center
        pinhole: focal length and principal point, pixels.
    size
        width and height, pixels.
    facing_deg
        azimuth 0 of the camera, see `Camera`.
    """

    rotation: np.ndarray
    position: np.ndarray
    focal_px: float
    center: tuple[float, float]
    size: tuple[int, int]
    facing_deg: float

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Return world points (..., 3) in camera axes: right, down, forward, metres."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return the pixels (..., 2) of world points (..., 3); NaN behind the camera."""
        p = self.to_camera(np.asarray(points, float))
        with np.errstate(divide="ignore", invalid="ignore"):
            xy = self.focal_px * p[..., :2] / p[..., 2:] + np.asarray(self.center)
        return np.where(p[..., 2:] > _NEAR_M, xy, np.nan)


@dataclass(frozen=True)
class Shot:
    """What was filmed.

    Attributes
    ----------
    xy
        (T, 13, 2) float32, true joints in pixels; with several persons (P, T, 13, 2).
    visible
        (T, 13) bool, in the picture and not hidden by a body; with several (P, T, 13).
    joints
        (T, 13, 3) float32, metres, world axes, as drawn; with several (P, T, 13, 3).
    view
        the camera.
    fps
        frames per second.
    path
        the file, if one was written.
    """

    xy: np.ndarray
    visible: np.ndarray
    joints: np.ndarray
    view: View
    fps: float
    path: Path | None = None


@dataclass(frozen=True)
class Scene:
    """The room.

    Attributes
    ----------
    floor, wall
        colours (R, G, B): the two of the floor's tiles, and the wall.
    tile_m
        width of a tile.
    light
        factor on all brightness.
    noise, seed
        standard deviation of sensor noise in grey levels, and its seed.
    sun
        direction towards the light as (person's left, up, forward).
    floor_m
        height of the floor; None = where the lowest limb of the clip rests. Motions of
        `examples.motions` have it at 0.
    """

    floor: tuple[tuple[int, int, int], tuple[int, int, int]] = ((176, 168, 158), (150, 142, 133))
    wall: tuple[int, int, int] = (196, 208, 216)
    tile_m: float = 0.5
    light: float = 1.0
    noise: float = 0.0
    seed: int = 0
    sun: tuple[float, float, float] = tuple(_SUN)
    floor_m: float | None = None


def facing(joints: np.ndarray) -> float:
    """Direction a person faces, degrees about the y axis from +z towards +x.

    The mean horizontal direction of the chest. For somebody who lies, where that says little:
    prone, the direction of the head; supine, that of the feet (as after sitting up).

    Parameters
    ----------
    joints
        shape (T, 13, 3), metres, y up.
    """
    _, up, forward = frame(joints)
    mean = forward.mean(0)
    if np.hypot(mean[0], mean[2]) < 0.4:
        spine = up.mean(0)
        mean = spine if mean[1] < 0 else -spine
    return float(np.degrees(np.arctan2(mean[0], mean[2])))


def place(camera: Camera, people: Sequence[np.ndarray], size: tuple[int, int]) -> View:
    """Put a camera in its place before the people, each (T, 13, 3), in a picture (w, h)."""
    front = facing(people[0]) if camera.facing_deg is None else camera.facing_deg
    target = np.mean([p[:, 7:9].mean((0, 1)) for p in people], 0)
    heights = np.concatenate([p[..., 1].ravel() for p in people])
    target[1] = (heights.min() + heights.max()) / 2
    if camera.target is not None:
        target = np.asarray(camera.target, float)
    turn, rise = np.radians(front + camera.azimuth_deg), np.radians(camera.elevation_deg)
    out = np.array([np.sin(turn) * np.cos(rise), np.sin(rise), np.cos(turn) * np.cos(rise)])
    right = np.array([np.cos(turn), 0.0, -np.sin(turn)])
    down = np.cross(-out, right)
    roll = np.radians(camera.roll_deg)
    right, down = (
        np.cos(roll) * right - np.sin(roll) * down,
        np.sin(roll) * right + np.cos(roll) * down,
    )
    rotation = np.stack([right, down, -out])
    focal = size[1] / 2 / np.tan(np.radians(camera.fov_deg) / 2)
    distance = camera.distance_m
    if distance is None:
        points = np.concatenate([p.reshape(-1, 3) for p in people]) - target
        distance = _fit(points @ rotation.T, focal, size)
    center = (size[0] / 2 + camera.pan_px[0], size[1] / 2 + camera.pan_px[1])
    return View(rotation, target + distance * out, float(focal), center, tuple(size), front)


def _fit(points: np.ndarray, focal: float, size: tuple[int, int]) -> float:
    """Return the least distance at which camera-axes points (N, 3) stay in the picture."""
    margin = np.array([0.15, 0.2])  # flesh around the joints, metres
    half = np.array(size) / 2 * _FILL
    need = focal * (np.abs(points[:, :2]) + margin) / half - points[:, 2:]
    return float(max(need.max(), 1.5))


def frames(
    joints: np.ndarray | Sequence[np.ndarray],
    *,
    camera: Camera | None = None,
    look: Look | Sequence[Look] | None = None,
    size: tuple[int, int] = (480, 480),
    scene: Scene | None = None,
    props: Sequence[Prop] = (),
) -> Iterator[np.ndarray]:
    """Yield the pictures (h, w, 3) uint8 BGR one by one; arguments as `film`."""
    shot = _Studio(joints, camera, look, size, scene, props)
    for t in range(shot.length):
        yield shot.picture(t)[0]


def film(
    joints: np.ndarray | Sequence[np.ndarray],
    out: Path | str | None = None,
    *,
    fps: float = 30.0,
    camera: Camera | None = None,
    look: Look | Sequence[Look] | None = None,
    size: tuple[int, int] = (480, 480),
    scene: Scene | None = None,
    props: Sequence[Prop] = (),
    crf: int = 23,
) -> Shot:
    """Film one person or several and tell where their joints truly are.

    Parameters
    ----------
    joints
        shape (T, 13, 3) in metres, y up, right-handed, in the order of `vipecli.skeleton.JOINTS`;
        several persons as a list of such arrays of equal T, in one world.
    out
        an .mp4 to write as H.264; None = film without a file (no picture is drawn then but for
        `visible`).
    camera, look, scene
        `Camera`, `Look` (one per person) and `Scene`; defaults when None.
    size
        width and height in pixels, both even.
    props
        things to draw, see `examples.motions.Motion`: (ends (T, 3), ends (T, 3), radius).
    crf
        quality of the H.264 stream, lower is better and larger.

    Returns
    -------
    `Shot`. The floor lies where the lowest foot, hand or other joint of the clip needs it.
    """
    studio = _Studio(joints, camera, look, size, scene, props)
    visible = np.zeros((len(studio.people), studio.length, 13), bool)
    with _Writer(out, fps, size, crf) as writer:
        for t in range(studio.length):
            image, depth = studio.picture(t)
            visible[:, t] = studio.visible(t, depth)
            writer.write(image)
    world = np.stack(studio.people).astype(np.float32)
    xy = studio.view.project(world).astype(np.float32)
    if not isinstance(joints, (list, tuple)):
        world, xy, visible = world[0], xy[0], visible[0]
    return Shot(xy, visible, world, studio.view, fps, Path(out) if out else None)


class _Studio:
    """Camera, floor and background of one clip; draws its frames."""

    def __init__(self, joints, camera, look, size, scene, props=()) -> None:
        single = not isinstance(joints, (list, tuple))
        people = [joints] if single else list(joints)
        self.people = [np.asarray(p, np.float64) for p in people]
        if len({p.shape for p in self.people}) != 1 or self.people[0].shape[1:] != (13, 3):
            raise ValueError(f"joints: expected (T, 13, 3) each, got {[p.shape for p in people]}")
        self.length = len(self.people[0])
        looks = [look or Look()] if isinstance(look, Look) or look is None else list(look)
        self.looks = [looks[i % len(looks)] for i in range(len(self.people))]
        self.scene = scene or Scene()
        self.props = list(props)
        self.view = place(camera or Camera(), self.people, size)
        self.floor_m = self.scene.floor_m
        if self.floor_m is None:
            self.floor_m = min(floor_height(p) for p in self.people)
        turn = np.radians(self.view.facing_deg)
        spin = np.array(
            [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        )
        self.sun = spin @ unit(np.asarray(self.scene.sun, float))
        self.noise = np.random.default_rng(self.scene.seed)
        self._room()

    def _room(self) -> None:
        """Paint floor and wall once; remember which floor point each pixel shows."""
        w, h = self.view.size
        x, y = np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)
        rays = (
            np.stack(
                [
                    (x - self.view.center[0]),
                    (y - self.view.center[1]),
                    np.full_like(x, self.view.focal_px),
                ],
                axis=-1,
            )
            / self.view.focal_px
            @ self.view.rotation
        )
        drop = self.view.position[1] - self.floor_m
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(rays[..., 1] < -1e-4, -drop / rays[..., 1], np.inf)
        t = np.where(t > 0, t, np.inf)
        wall = np.array(self.scene.wall[::-1], float)
        # the wall pales upwards, so that it is not one flat colour
        steep = rays[..., 1] / np.linalg.norm(rays, axis=-1)
        image = wall * (1 + 0.12 * np.clip(steep, -0.3, 0.8))[..., None]
        reach = np.linalg.norm(self.view.position - np.mean(self.people[0][:, 7], 0)) + 6.0
        self.on_floor = t < reach
        t = np.where(self.on_floor, t, 0)
        spot = self.view.position + t[..., None] * rays
        self.spot = spot[..., [0, 2]].astype(np.float32)
        cell = self.spot / self.scene.tile_m
        # soft-edged checkers: their edge is about one pixel wide
        blur = np.maximum(t / self.view.focal_px / self.scene.tile_m * 2.0, 0.01)
        side = np.abs((cell % 2) - 1) - 0.5
        wave = np.clip(side / blur[..., None], -1, 1)
        mix = (0.5 + 0.5 * wave[..., 0] * wave[..., 1])[..., None]
        light, dark = (np.array(c[::-1], float) for c in self.scene.floor)
        fade = np.clip((reach - t) / 3.0, 0, 1)[..., None]
        floor = (light * mix + dark * (1 - mix)) * (0.80 + 0.2 * fade)
        self.background = np.where(self.on_floor[..., None], floor, image)

    def picture(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Return frame t (h, w, 3) uint8 BGR and its depth (h, w), inf where nobody stands."""
        shapes = [
            body(p[t], look, floor_m=self.floor_m)
            for p, look in zip(self.people, self.looks, strict=True)
        ]
        shapes[0] = with_props(shapes[0], [(a[t], b[t], r) for a, b, r in self.props])
        image = self.background * self._shadow(shapes)[..., None]
        depth = np.full(image.shape[:2], np.inf)
        for person, look in zip(shapes, self.looks, strict=True):
            self._draw(image, depth, person, look)
        if self.scene.noise:
            image += self.noise.normal(0, self.scene.noise, image.shape)
        return np.clip(image * self.scene.light, 0, 255).astype(np.uint8), depth

    def _draw(self, image: np.ndarray, depth: np.ndarray, s: Shapes, look: Look) -> None:
        """Turn the shapes into camera axes and hand them to the kernel."""
        view = self.view
        a, b = view.to_camera(s.a), view.to_camera(s.b)
        ba, rr = b - a, s.ra - s.rb
        l2 = np.maximum((ba**2).sum(-1), 1e-12)
        rows = np.zeros((len(a), 16))
        cone = s.kinds == 0
        rows[:, :3], rows[:, 3:6], rows[:, 6], rows[:, 7] = a, ba, s.ra, s.rb
        rows[:, 8], rows[:, 9], rows[:, 10], rows[:, 11] = l2, rr, l2 - rr * rr, 1 / l2
        turned = (s.axes @ view.rotation.T).reshape(-1, 9)
        rows[~cone, 3:12], rows[~cone, 12:15] = turned[~cone], s.radii[~cone]
        circles = _circles(a, b, s.ra, s.rb, 0.5 * s.melt[s.groups] + 0.004, view)
        ok = circles[:, 6] > 0
        if not ok.any():
            return
        low = (circles[ok, :4].reshape(-1, 2, 2) - circles[ok, 4:6, None]).min((0, 1))
        high = (circles[ok, :4].reshape(-1, 2, 2) + circles[ok, 4:6, None]).max((0, 1))
        low = np.clip(low - 2, 0, view.size).astype(np.int64)
        high = np.clip(high + 3, 0, view.size).astype(np.int64)
        center, axes, grow = s.head
        head = np.concatenate([view.to_camera(center), (axes @ view.rotation.T).ravel(), [grow]])
        torso = np.concatenate([view.to_camera(s.torso[0]), view.rotation @ s.torso[1]])
        sun = view.rotation @ self.sun
        fill = view.rotation @ unit(self.sun * np.array([-1.0, 0.3, -1.0]))
        draw(
            image, depth, rows, s.kinds, s.groups, s.melt, s.mats, s.split, circles,
            np.concatenate([low, high]), (view.focal_px, *view.center), head,
            {"none": -1, "short": 0, "long": 1}[look.hairstyle], torso, float(look.stripes),
            look.colors(), view.rotation[:, 1].copy(), sun, fill,
        )  # fmt: skip

    def _shadow(self, people: list[Shapes]) -> np.ndarray:
        """Return shape (h, w): how much light each background pixel keeps."""
        cell = _SHADOW_CELL_M
        ends = [np.concatenate([s.a, s.b]) for s in people]
        flat = [self._cast(e) for e in ends]
        low = np.min([f.min(0) for f in flat], 0) - 0.5
        size = np.ceil((np.max([f.max(0) for f in flat], 0) + 0.5 - low) / cell).astype(int)
        size = np.clip(size, 1, 1500)
        mask = np.zeros((size[1], size[0]), np.uint8)
        contact = np.zeros_like(mask)
        for s, f in zip(people, flat, strict=True):
            n = len(s.a)
            _stamp(mask, (f[:n] - low) / cell, (f[n:] - low) / cell, s.ra / cell, s.rb / cell, 255)
            under = np.minimum(s.a[:, 1], s.b[:, 1]) - self.floor_m < 0.25
            below = [(e[under][:, [0, 2]] - low) / cell for e in (s.a, s.b)]
            _stamp(contact, *below, s.ra[under] / cell, s.rb[under] / cell, 255)
        dark = cv2.GaussianBlur(mask, (0, 0), 2.5).astype(np.float32) * (0.38 / 255)
        dark += cv2.GaussianBlur(contact, (0, 0), 3.5).astype(np.float32) * (0.30 / 255)
        at = (self.spot - low.astype(np.float32)) / cell - 0.5
        cast = cv2.remap(1 - dark, at, None, cv2.INTER_LINEAR, borderValue=1.0)
        return np.where(self.on_floor, cast, 1.0)

    def _cast(self, points: np.ndarray) -> np.ndarray:
        """Return where on the floor (N, 2) = (x, z) the shadows of points (N, 3) fall."""
        drop = np.maximum(points[:, 1] - self.floor_m, 0) / self.sun[1]
        return (points - drop[:, None] * self.sun)[:, [0, 2]]

    def visible(self, t: int, depth: np.ndarray) -> np.ndarray:
        """Return shape (P, 13) bool: joints in the picture that no body hides."""
        w, h = self.view.size
        seen = []
        for joints in self.people:
            xy, z = self.view.project(joints[t]), self.view.to_camera(joints[t])[:, 2]
            inside = np.isfinite(xy).all(-1) & (xy >= 0).all(-1) & (xy < (w, h)).all(-1)
            col, row = np.where(inside[:, None], xy, 0).astype(int).T
            seen.append(inside & (depth[row, col] > z - JOINT_RADIUS_M - 0.05))
        return np.array(seen)


def floor_height(joints: np.ndarray) -> float:
    """Height of the floor under a clip (T, 13, 3): where its lowest limb rests, metres."""
    reach = JOINT_RADIUS_M.copy()
    reach[11:] = 0.085  # an ankle stands on its heel
    return float(np.percentile((joints[..., 1] - reach).min(-1), 2))


def _circles(a, b, ra, rb, swell, view: View) -> np.ndarray:
    """Return (S, 8): outlines of both ends in the picture and reach along the ray."""
    near = np.minimum(a[:, 2] - ra, b[:, 2] - rb)
    far = np.maximum(np.linalg.norm(a, axis=-1) + ra, np.linalg.norm(b, axis=-1) + rb)
    out = np.zeros((len(a), 8))
    out[:, 6], out[:, 7] = np.where(near > _NEAR_M, near, -1.0), far
    for k, (p, r) in enumerate(((a, ra), (b, rb))):
        z = np.maximum(p[:, 2], _NEAR_M)
        out[:, 2 * k : 2 * k + 2] = view.focal_px * p[:, :2] / z[:, None] + view.center
        # 1.1: a sphere off the axis has a wider outline; `swell`: where shapes melt together
        out[:, 4 + k] = 1.1 * view.focal_px * (r + swell) / np.maximum(z - r, _NEAR_M)
    return out


def _stamp(mask: np.ndarray, a, b, ra, rb, value: int) -> None:
    """Fill the outline of flat cones (discs at both ends and the strip between) in a mask."""
    for p, q, r, s in zip(a, b, ra, rb, strict=True):
        across = unit(np.array([q[1] - p[1], p[0] - q[0]]))
        strip = np.stack([p + r * across, q + s * across, q - s * across, p - r * across])
        cv2.fillConvexPoly(mask, np.round(strip * 16).astype(np.int32), value, cv2.LINE_8, 4)
        for center, radius in ((p, r), (q, s)):
            at = tuple(int(v) for v in np.round(center * 16))
            cv2.circle(mask, at, int(radius * 16), value, -1, cv2.LINE_8, 4)


class _Writer:
    """H.264 file of constant rate, or nothing when there is no path."""

    def __init__(self, path: Path | str | None, fps: float, size: tuple[int, int], crf: int):
        self.path = Path(path) if path else None
        self.rate, self.size, self.crf = Fraction(fps).limit_denominator(1001), size, crf

    def __enter__(self) -> _Writer:
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = av.open(str(self.path), "w", options={"movflags": "faststart"})
            self.stream = self.file.add_stream("libx264", rate=self.rate)
            self.stream.width, self.stream.height = self.size
            self.stream.pix_fmt = "yuv420p"
            # one thread: the same pictures give the same bytes on every machine
            self.stream.options = {"crf": str(self.crf), "preset": "slow", "threads": "1"}
        return self

    def write(self, image: np.ndarray) -> None:
        if self.path:
            for packet in self.stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")):
                self.file.mux(packet)

    def __exit__(self, kind, *_) -> None:
        if self.path:
            if kind is None:
                for packet in self.stream.encode():
                    self.file.mux(packet)
            self.file.close()
            if kind is not None:
                self.path.unlink(missing_ok=True)


def warp(joints: np.ndarray, times: np.ndarray, *, fps: float = 30.0) -> np.ndarray:
    """Return the motion at other times: a planted time warp.

    Parameters
    ----------
    joints
        shape (T, 13, 3), frames at 0, 1/fps, 2/fps, ...
    times
        shape (N,) seconds into that motion, in any order; clipped to its ends.

    Returns
    -------
    shape (N, 13, 3), by a cubic spline through the frames.
    """
    own = np.arange(len(joints)) / fps
    at = np.clip(np.asarray(times, float), own[0], own[-1])
    return CubicSpline(own, joints, axis=0)(at).astype(np.asarray(joints).dtype)


def uneven_times(
    duration_s: float, rng: np.random.Generator, *, fps: float = 30.0, slowest=0.5, fastest=2.0
) -> np.ndarray:
    """Return times (N,) for `warp` that run through [0, duration_s] at a smoothly changing speed.

    Speed wanders between `slowest` and `fastest` on a logarithmic scale, with a bend about
    every second.
    """
    knots = max(4, int(np.ceil(duration_s)) + 2)
    low, high = np.log(slowest), np.log(fastest)
    speeds = CubicSpline(np.linspace(0, duration_s, knots), rng.uniform(low, high, knots))
    fine = np.linspace(0, duration_s, 2000)
    pace = np.exp(np.clip(speeds(fine), low, high))
    clock = np.concatenate([[0], np.cumsum(2 / (pace[1:] + pace[:-1])) * (fine[1] - fine[0])])
    return np.interp(np.arange(0, clock[-1], 1 / fps), clock, fine)


def proportions(
    joints: np.ndarray,
    *,
    size: float = 1.0,
    legs: float = 1.0,
    arms: float = 1.0,
    torso: float = 1.0,
    shoulders: float = 1.0,
    hips: float = 1.0,
    neck: float = 1.0,
) -> np.ndarray:
    """Give a motion to another performer: other bone lengths, the same bone directions.

    Each factor multiplies `size`. The pelvis's way through the room scales with the legs, about
    the floor, so that feet stay on the floor (they slide a little where hips and legs scale
    differently).

    Parameters
    ----------
    joints
        shape (T, 13, 3), metres, y up.
    """
    joints = np.asarray(joints, float)
    mid_hip, mid_shoulder = joints[:, 7:9].mean(1), joints[:, 1:3].mean(1)
    ground = np.array([0.0, floor_height(joints), 0.0])
    out = np.empty_like(joints)
    new_hip = ground + (mid_hip - ground) * size * legs
    new_shoulder = new_hip + (mid_shoulder - mid_hip) * size * torso
    out[:, 0] = new_shoulder + (joints[:, 0] - mid_shoulder) * size * neck
    for i in (1, 2):
        out[:, i] = new_shoulder + (joints[:, i] - mid_shoulder) * size * shoulders
    for i in (7, 8):
        out[:, i] = new_hip + (joints[:, i] - mid_hip) * size * hips
    for child, factor in ((3, arms), (4, arms), (9, legs), (10, legs)):
        for i in (child, child + 2):
            out[:, i] = out[:, i - 2] + (joints[:, i] - joints[:, i - 2]) * size * factor
    return out


def main(arguments: list[str] | None = None) -> int:
    """Film one motion made by rule, or a clip of an .npz of mocap, from a shell."""
    from examples.motions import ACTIONS, perform

    parser = argparse.ArgumentParser(prog="python -m examples.film", description=main.__doc__)
    parser.add_argument("action", help=f"{', '.join(ACTIONS)}; or FILE.npz:CLIP")
    parser.add_argument("out", type=Path, help=".mp4 to write")
    parser.add_argument("--azimuth", type=float, default=0.0, help="0 face, 90 left side")
    parser.add_argument("--elevation", type=float, default=6.0)
    parser.add_argument("--distance", type=float, help="metres; so that all fits, if not given")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--fps", type=float, default=30.0)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 480), metavar=("W", "H"))
    parser.add_argument("--seed", type=int, help="another performer, dressed and moving otherwise")
    a = parser.parse_args(arguments)
    rng = None if a.seed is None else np.random.default_rng(a.seed)
    if ".npz:" in a.action:
        file, _, clip = a.action.rpartition(":")
        joints, props = np.load(file)[clip][: int(a.seconds * a.fps)], ()
    elif a.action in ACTIONS:
        motion = perform(a.action, seconds=a.seconds, fps=a.fps, rng=rng)
        joints, props = motion.joints, motion.props
    else:
        parser.error(f"no such action: {a.action}; choose from {', '.join(ACTIONS)}")
    look = Look() if rng is None else Look().random(rng)
    camera = replace(
        Camera(), azimuth_deg=a.azimuth, elevation_deg=a.elevation, distance_m=a.distance
    )
    shot = film(joints, a.out, fps=a.fps, camera=camera, look=look, size=tuple(a.size), props=props)
    print(f"{shot.path}: {len(shot.xy)} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
