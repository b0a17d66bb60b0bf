"""A folder of frames: which pictures belong to it, in what order, and when each was taken."""

import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vipecli.errors import VideoError
from vipecli.video.container import open_picture
from vipecli.video.decode import Progress, decode
from vipecli.video.decoded import View, as_picture
from vipecli.video.info import FOLDER_FPS, VideoInfo
from vipecli.video.orientation import Orientation
from vipecli.video.source import ClipSource
from vipecli.video.video_file import no_picture, shown_size

IMAGE_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
"""Extensions of the pictures in a folder of frames."""

_SHOWN = 3  # names in a message


def natural(name: str) -> list[str | int]:
    """Sort key in which 9 comes before 10."""
    parts = re.split(r"(\d{1,15})", name.lower())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]


@dataclass(frozen=True)
class Frames:
    """The pictures of a folder that belong to its clip.

    Attributes
    ----------
    paths
        the pictures, in the order of their numbers.
    indices
        number of each on the clip's time line, from 0; numbers that are missing leave a gap.
    strays
        names of pictures that do not belong to it.
    """

    paths: tuple[Path, ...]
    indices: tuple[int, ...]
    strays: tuple[str, ...] = ()

    @property
    def missing(self) -> int:
        """How many numbers are missing."""
        return self.indices[-1] + 1 - len(self.indices)


def frames_of(folder: Path) -> Frames:
    """Pictures of a folder of frames, in order.

    Where most names differ in one number alone, the others do not belong to the clip: a cover, a
    copy, a picture of the setup.

    Raises
    ------
    VideoError
        if there are none, or the folder cannot be read.
    """
    found = _pictures(folder)
    main = _largest(found, lambda path: re.sub(r"\d+", "#", path.stem.lower()))
    if len({path.stem for path in main}) < len(main):  # each frame in two formats
        main = _largest(main, lambda path: path.suffix.lower())
    if len(main) < 2 or 2 * len(main) < len(found):
        return Frames(tuple(found), tuple(_indices(found)))
    strays = tuple(path.name for path in found if path not in set(main))
    return Frames(tuple(main), tuple(_indices(main)), strays)


def _pictures(folder: Path) -> list[Path]:
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


def _largest(paths: list[Path], key: Callable[[Path], str]) -> list[Path]:
    """The most paths that have the same key, in their order."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return max(groups.values(), key=len)


def _indices(paths: list[Path]) -> list[int]:
    """Number of each picture on the time line, from 0.

    Where the names differ in one number that counts up in equal steps, most of the time, a step
    that is missing leaves its place empty.
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
            return [(number - numbers[0]) // step for number in numbers]
    return even


def read_folder(
    source: ClipSource, size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    """Times and pictures (H, W, 3) uint8 BGR of a folder of frames; damaged ones are left out.

    Raises
    ------
    VideoError
        if no picture can be decoded, or they differ in size.
    """
    frames, first, damaged = frames_of(source.path), None, 0
    fps = source.fps or FOLDER_FPS
    for index, path in zip(frames.indices, frames.paths, strict=True):
        image = load_picture(path, size)
        if image is None:
            damaged += 1
            continue
        first = first or image.shape
        if image.shape != first:
            raise VideoError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels, the frames before it "
                f"{first[1]} x {first[0]}; frames of one clip have one size"
            )
        yield index / fps, image
    if first is None:
        raise no_picture(source.path)
    _report(source, frames, damaged)


def _report(source: ClipSource, frames: Frames, damaged: int) -> None:
    """Warn of frames that are damaged or missing, and of pictures that are none of them."""
    count = len(frames.paths)
    if damaged:
        source.warn(f"{damaged} of {count} frames could not be decoded and were left out")
    if frames.missing:
        source.warn(f"{frames.missing} frames are missing, by the numbers in their names")
    if frames.strays:
        shown = ", ".join(frames.strays[:_SHOWN]) + (", ..." if len(frames.strays) > _SHOWN else "")
        source.warn(f"left out, since their names are not those of the other frames: {shown}")


def probe_folder(source: ClipSource) -> VideoInfo:
    """Size, rate and length of a folder of frames; reads its first picture.

    Raises
    ------
    VideoError
        if no picture can be decoded.
    """
    frames = frames_of(source.path)
    image = next((i for i in map(load_picture, frames.paths) if i is not None), None)
    if image is None:
        raise no_picture(source.path)
    height, width = image.shape[:2]
    fps = source.fps or FOLDER_FPS
    length_s = (frames.indices[-1] + 1) / fps
    return VideoInfo(source, width, height, fps, len(frames.paths), length_s)


def load_picture(path: Path, size: tuple[int, int] | None = None) -> np.ndarray | None:
    """Upright picture (H, W, 3) uint8 BGR of a file; None if it is damaged or too large."""
    try:
        with open_picture(path) as media:
            frame = next(decode(media, Progress()), None)
            if frame is None:
                return None
            orientation = Orientation.of_frame(frame, path)
            shape = size or shown_size(media, frame, orientation)
            return as_picture(frame, View(shape, shape, orientation))
    except VideoError:
        return None
