"""Where the camera stands, and which pixel a point of the world falls on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from examples.person import frame

NEAR_M = 0.15
"""Nearer than this to the camera nothing is drawn."""

_FILL = 0.84  # share of the picture that the person's whole motion fills, if no distance is given


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
        return np.where(p[..., 2:] > NEAR_M, xy, np.nan)


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
