"""A folder of frames: which pictures belong to it, in what order, and when each was taken."""

import re
import statistics
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from vipecli.errors import VideoError
from vipecli.video.container import decode, open_container
from vipecli.video.decoded import as_picture
from vipecli.video.info import FOLDER_FPS, VideoInfo
from vipecli.video.source import ClipSource
from vipecli.video.video_file import info_of, no_picture

IMAGE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
"""Extensions of the pictures in a folder of frames."""


def natural(name: str) -> list[str | int]:
    """Sort key in which 9 comes before 10."""
    parts = re.split(r"(\d{1,15})", name.lower())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]


def moments(paths: list[Path], fps: float) -> list[float]:
    """Time of each picture of a folder, seconds.

    Where the names differ in one number that counts up in equal steps, most of the time, a
    step that is missing leaves its moment empty.
    """
    parts = [re.split(r"(\d+)", path.stem) for path in paths]
    varying = {
        i
        for one in parts
        for i, (text, first) in enumerate(zip(one, parts[0], strict=False))
        if text != first
    }
    even = list(range(len(paths)))
    if len({len(part) for part in parts}) == 1 and len(varying) == 1 and (at := varying.pop()) % 2:
        numbers = [int(part[at]) for part in parts]
        steps = [after - before for before, after in pairwise(numbers)]
        step = max(1, statistics.mode(steps))
        if 2 * steps.count(step) > len(steps) and all(s > 0 and s % step == 0 for s in steps):
            even = [(number - numbers[0]) // step for number in numbers]
    return [index / fps for index in even]


def pictures(folder: Path) -> list[Path]:
    """Paths of the pictures in a folder, in the order of their numbers.

    Raises
    ------
    VideoError
        if there are none, or the folder cannot be read.
    """
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        ]
    except OSError as exc:
        raise VideoError(f"{folder}: cannot be read ({exc.strerror})") from exc
    if not found:
        raise VideoError(f"{folder}: holds no frames ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return sorted(found, key=lambda path: natural(path.name))


def read_folder(
    source: ClipSource, size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Times and pictures (H, W, 3) uint8 BGR of a folder of frames; damaged ones are left out.

    Raises
    ------
    VideoError
        if no picture can be decoded, or they differ in size.
    """
    paths, first, damaged = pictures(source.path), None, 0
    fps = source.fps or FOLDER_FPS
    times = moments(paths, fps)
    for time_s, path in zip(times, paths, strict=True):
        image = _load_image(path, size)
        if image is None:
            damaged += 1
            continue
        first = first or image.shape
        if image.shape != first:
            raise VideoError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels, the frames before it "
                f"{first[1]} x {first[0]}; frames of one clip have one size"
            )
        yield time_s, image
    if first is None:
        raise no_picture(source.path)
    if damaged:
        source.warn(f"{damaged} of {len(paths)} frames could not be decoded and were left out")
    if gap := round(times[-1] * fps) + 1 - len(paths):
        source.warn(f"{gap} frames are missing, by the numbers in their names")


def probe_folder(source: ClipSource) -> VideoInfo:
    """Size, rate and length of a folder of frames; reads its first picture.

    Raises
    ------
    VideoError
        if no picture can be decoded.
    """
    paths = pictures(source.path)
    image = next((i for i in map(_load_image, paths) if i is not None), None)
    if image is None:
        raise no_picture(source.path)
    height, width = image.shape[:2]
    fps = source.fps or FOLDER_FPS
    length_s = moments(paths, fps)[-1] + 1 / fps
    return VideoInfo(source, width, height, fps, len(paths), length_s, 0, False)


def _load_image(path: Path, size: tuple[int, int] | None = None) -> np.ndarray | None:
    """Upright BGR picture; None if the file is damaged."""
    try:
        with open_container(path) as container:
            frame = next(decode(path, container, []), None)
            if frame is None:
                return None
            info = info_of(ClipSource(path), container, frame)
            return as_picture(frame, size or (info.width, info.height), info.rotation)
    except VideoError:
        return None
