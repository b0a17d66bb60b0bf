"""Pictures of 3D skeletons: a view from any side, a turntable beside the video, a sheet."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from vipecli.lifting.lift import Lifted
from vipecli.lifting.placement import where
from vipecli.outputs.draw import Colour, draw_skeleton, draw_text
from vipecli.outputs.preview import even_frames, preview_format
from vipecli.poses.poses import Poses
from vipecli.video.source import AnyClip, ClipSource
from vipecli.video.write import VideoWriter

BACKGROUND: Colour = (30, 26, 24)
_FLOOR: Colour = (74, 66, 62)
_TEXT: Colour = (200, 196, 192)
_TURN_S = 9.0  # for the skeleton to turn once
_ELEVATION_DEG = 12.0  # of the virtual camera
_FILL = 0.2  # of the height of the picture for one torso length, where nothing else is known
_ROOM = 0.44  # of height and width, from the middle to the farthest joint of a figure that fits
_VIEWS_DEG = 0.0, 60.0  # of a sheet
_UNCLEAR = 0.3  # torso units: joints less certain than this are drawn thin
_HALF_BODY = 1.75  # torso units: from the middle of the picture to the floor
_FLOOR_S = 1.5  # the floor is where the lowest joint mostly is over this time
_DOWN = np.array([0.0, 1.0, 0.0])


def draw_pose(
    image: np.ndarray,
    joints: np.ndarray,
    *,
    azimuth_deg: float = 0.0,
    floor: float | None = None,
    std: np.ndarray | None = None,
    fill: float = _FILL,
) -> None:
    """Draw a 3D skeleton into a picture, seen from some side, a little from above.

    Parameters
    ----------
    image
        shape (H, W, 3) uint8 BGR, changed in place.
    joints
        shape (13, 3) about the middle of the picture, axes right, down, forward, torso units.
    azimuth_deg
        how far the person is turned before, about the vertical.
    floor
        height at which a round floor is drawn; None = none.
    std
        shape (13,), torso units: uncertain joints are drawn thin.
    fill
        size of a torso length, see `fitting`.
    """
    if floor is not None:
        for ring in _floor(floor):
            points = _project(ring, azimuth_deg, image.shape, fill)
            cv2.polylines(image, [np.round(points * 16).astype(np.int32)], False, _FLOOR, 1,
                          cv2.LINE_AA, 4)  # fmt: skip
    if not np.isfinite(joints).all():
        return
    score = np.ones(13) if std is None else np.where(std < _UNCLEAR, 1.0, 0.3)
    draw_skeleton(image, _project(joints, azimuth_deg, image.shape, fill), score)


def fitting(poses: np.ndarray, azimuths_deg: Sequence[float], shape: tuple[int, ...]) -> float:
    """Size of a torso length at which every pose fits into a picture from every side.

    Parameters
    ----------
    poses
        shape (K, 13, 3) about the middle of the picture, torso units; NaN is left out.
    azimuths_deg
        the sides.
    shape
        (height, width) of the picture, pixels.

    Returns
    -------
    Share of the picture's height, or of 1.25 widths where that is less; `draw_pose` takes it.
    """
    middle = np.array([shape[1], shape[0]]) / 2
    views = [np.abs(_project(poses, side, shape, 1.0) - middle) for side in azimuths_deg]
    reach = np.nanmax(np.reshape(views, (-1, 2)), axis=0, initial=1.0)
    return float((_ROOM * np.array([shape[1], shape[0]]) / reach).min())


def _project(
    points: np.ndarray, azimuth_deg: float, shape: tuple[int, ...], fill: float
) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3), from a far camera."""
    turn, rise = np.radians(azimuth_deg), np.radians(_ELEVATION_DEG)
    c, s = np.cos(turn), np.sin(turn)
    about_y = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(rise), -np.sin(rise)], [0, np.sin(rise), np.cos(rise)]]
    )
    seen = points @ (about_x @ about_y).T
    middle = np.array([shape[1] / 2, shape[0] / 2])
    return seen[..., :2] * fill * min(shape[0], 1.25 * shape[1]) + middle


def _floor(height: float) -> Iterator[np.ndarray]:
    """Rings and spokes (K, 3) of a round floor."""
    angle = np.linspace(0, 2 * np.pi, 49)
    circle = np.stack([np.cos(angle), 0 * angle, np.sin(angle)], axis=1)
    for radius in (0.6, 1.2, 1.8):
        yield radius * circle + height * _DOWN
    for spoke in circle[:24:6]:
        yield np.stack([-1.8 * spoke, 1.8 * spoke]) + height * _DOWN


def write_preview(
    lifted: Lifted,
    poses: Poses,
    clip: AnyClip,
    out: str | Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write the clip with its 2D joints beside the turning 3D skeleton, at true speed.

    Parameters
    ----------
    lifted, poses
        of the clip.
    clip
        video, or folder of frames.
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    progress
        called with the number of frames written, after each.

    Raises
    ------
    VipeError
        if the clip cannot be read or the video cannot be written; nothing is left behind then.
    """
    times = lifted.times
    fps, scale, (width, height) = preview_format(times, poses.size)
    side = max(height * 3 // 4 // 2 * 2, 2)
    joints, floor = on_floor(lifted, poses)
    middle = np.nanmean([np.nanmin(joints[..., 1], initial=floor), floor])
    joints, floor = joints - middle * _DOWN, floor - middle
    fill = fitting(joints, range(0, 180, 30), (height, side))
    picture = np.empty((height, width + side, 3), np.uint8)
    with VideoWriter(
        out,
        size=(width + side, height),
        fps=fps,
        audio_from=clip,
        audio_times=times[:1],
        inputs=(ClipSource.of(clip).path,),
    ) as writer:
        span = {"start_s": times[0], "end_s": times[-1], "fps": fps}
        for shown in even_frames(clip, size=(width, height), **span):
            i = int(np.abs(times - shown.taken_s).argmin())
            picture[:, :width], picture[:, width:] = shown.picture, BACKGROUND
            filled = None if poses.filled is None else poses.filled[i]
            draw_skeleton(picture[:, :width], poses.xy[i] * scale, poses.score[i], filled=filled)
            panel = picture[:, width:]
            azimuth = 360 * (shown.time_s - times[0]) / _TURN_S
            draw_pose(
                panel, joints[i], azimuth_deg=azimuth, floor=floor, std=lifted.std[i], fill=fill
            )
            writer.write(picture)
            if progress:
                progress(i + 1)


def on_floor(lifted: Lifted, poses: Poses) -> tuple[np.ndarray, float]:
    """Put the body where it is drawn: the mid-hip in the middle, feet on the floor.

    The height of the body is taken from the picture. The floor is where the lowest joint
    mostly is over about a second and a half: who squats stays down on it, who jumps leaves it.

    Parameters
    ----------
    lifted, poses
        of the clip.

    Returns
    -------
    Joints (T, 13, 3), axes right, down, forward, torso units, and the height of the floor.
    """
    joints = lifted.in_camera().astype(np.float64)
    known = np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))
    if not len(known):
        return joints, _HALF_BODY
    high = where(lifted, poses)[known, 1]
    low = high + joints[known, :, 1].max(axis=1)
    times = lifted.times[known]
    ground = np.array([np.percentile(low[np.abs(times - at) <= _FLOOR_S / 2], 80) for at in times])
    sigma = _FLOOR_S / 4 * len(known) / max(times[-1] - times[0], _FLOOR_S / 4)
    ground = gaussian_filter1d(ground, sigma, mode="nearest")
    joints[known, :, 1] += (high - ground + _HALF_BODY)[:, None]
    return joints, _HALF_BODY


def sheet(rows: Sequence[np.ndarray], labels: Sequence[str], *, cell: int = 220) -> np.ndarray:
    """One picture of many poses, each from the front and from the side.

    Parameters
    ----------
    rows
        canonical poses (13, 3), torso units.
    labels
        what stands below each.
    cell
        width of a pose, pixels.

    Returns
    -------
    Shape (H, W, 3) uint8 BGR.
    """
    columns = max(1, min(len(rows), 5))
    lines = -(-len(rows) // columns)
    high = round(2.9 * cell)
    image = np.full((lines * high, columns * cell, 3), BACKGROUND, np.uint8)
    # as seen from the front: the person's left on the right, y down
    figures = np.asarray(rows) * np.array([1.0, -1.0, -1.0])
    figures -= (figures.min(axis=1, keepdims=True) + figures.max(axis=1, keepdims=True)) / 2
    tile = round(1.3 * cell), cell
    fill = fitting(figures, _VIEWS_DEG, tile)
    for i, (seen, label) in enumerate(zip(figures, labels, strict=True)):
        top, left = i // columns * high, i % columns * cell
        for view, azimuth in enumerate(_VIEWS_DEG):
            start = top + view * tile[0]
            part = image[start : start + tile[0], left : left + cell]
            floor = float(seen[:, 1].max())
            draw_pose(part, seen, azimuth_deg=azimuth, floor=floor, fill=fill)
        at = (left + cell / 2, top + high - 0.12 * cell)
        draw_text(image, label, at, cell / 14, _TEXT, anchor="middle")
    return image
