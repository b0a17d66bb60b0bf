"""Floor, wall, light and shadow around the people: one clip, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from examples.camera import NEAR_M, Camera, View, place
from examples.march import draw
from examples.person import JOINT_RADIUS_M, Look, Shapes, body, unit, with_props

Prop = tuple[np.ndarray, np.ndarray, float]
"""A rod to draw: ends (T, 3) and (T, 3) in metres, radius in metres."""

_SHADOW_CELL_M = 0.015
_SUN = unit(np.array([0.45, 1.0, 0.35]))  # towards the light, in facing axes (left, up, forward)


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


class Studio:
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
    out[:, 6], out[:, 7] = np.where(near > NEAR_M, near, -1.0), far
    for k, (p, r) in enumerate(((a, ra), (b, rb))):
        z = np.maximum(p[:, 2], NEAR_M)
        out[:, 2 * k : 2 * k + 2] = view.focal_px * p[:, :2] / z[:, None] + view.center
        # 1.1: a sphere off the axis has a wider outline; `swell`: where shapes melt together
        out[:, 4 + k] = 1.1 * view.focal_px * (r + swell) / np.maximum(z - r, NEAR_M)
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
