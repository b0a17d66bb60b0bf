"""A folder of frames: which pictures belong to it, in what order, and when each was taken."""

import re
import unicodedata
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
    parts = re.split(r"(\d{1,15})", unicodedata.normalize("NFC", name).lower())
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
    copy, a picture of the setup. Of several sequences that have the same numbers the largest is
    taken.

    Raises
    ------
    VideoError
        if there are none, or the folder cannot be read.
    """
    found = _pictures(folder)
    groups = _grouped(found, lambda path: re.sub(r"\d+", "#", _stem(path)))
    main = max(groups, key=len)
    if len({path.stem for path in main}) < len(main):  # each frame in two formats
        main = max(_grouped(main, lambda path: path.suffix.lower()), key=len)
    others = [group for group in groups if group is not main and _same_numbers(main, group)]
    if len(main) < 2 or 2 * (len(main) + sum(map(len, others))) < len(found):
        return Frames(tuple(found), tuple(_indices(found)))
    main = _one_camera(main)
    strays = tuple(path.name for path in found if path not in set(main))
    return Frames(tuple(main), tuple(_indices(main)), strays)


def _pictures(folder: Path) -> list[Path]:
    try:
        found = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in IMAGE_SUFFIXES
            and not path.name.startswith(".")
            and path.is_file()
        ]
    except OSError as exc:
        raise VideoError(f"{folder}: cannot be read ({exc.strerror})") from exc
    if not found:
        raise VideoError(f"{folder}: holds no frames ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return sorted(found, key=lambda path: natural(path.name))


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> list[list[Path]]:
    """Paths that have the same key, in their order."""
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return list(groups.values())


def _parts(path: Path) -> list[str]:
    """Words and numbers of a name, by turns; the first is a word."""
    return re.split(r"(\d+)", _stem(path))


def _stem(path: Path) -> str:
    """Name without extension, in small letters; the same however accents are spelled."""
    return unicodedata.normalize("NFC", path.stem).lower()


def _same_numbers(one: list[Path], two: list[Path]) -> bool:
    """Whether names of two groups have last numbers in common: at least half of the fewer."""
    numbers = [
        {int(_parts(path)[-2]) for path in group if _parts(path)[1:]} for group in (one, two)
    ]
    fewest = min(map(len, numbers))
    return fewest > 1 and 2 * len(numbers[0] & numbers[1]) >= fewest


def _varying(parts: list[list[str]]) -> list[int]:
    """Places at which names of as many parts differ."""
    return [i for i, same in enumerate(zip(*parts, strict=True)) if len(set(same)) > 1]


def _one_camera(paths: list[Path]) -> list[Path]:
    """Return the largest of sequences that a number behind a word tells apart: ``cam2_001``."""
    parts = [_parts(path) for path in paths]
    varying = _varying(parts)
    if len(varying) != 2 or not all(i % 2 for i in varying):  # a date and a time differ in more
        return paths
    which = varying[0]
    if not re.search(r"[^\W\d]", parts[0][which - 1]):
        return paths
    groups = _grouped(paths, lambda path: _parts(path)[which])
    if not all(_same_numbers(groups[0], group) for group in groups[1:]):
        return paths
    return max(groups, key=len)


def _indices(paths: list[Path]) -> list[int]:
    """Number of each picture on the time line, from 0.

    Where the names differ in one number that counts up in equal steps, most of the time, a step
    that is missing leaves its place empty. Half of the time is enough where few are missing.
    """
    parts = [_parts(path) for path in paths]
    even = list(range(len(paths)))
    if len({len(part) for part in parts}) > 1:
        return even
    varying = _varying(parts)
    if len(varying) == 1 and varying[0] % 2:
        numbers = [int(part[varying[0]]) for part in parts]
        steps = [after - before for before, after in pairwise(numbers)]
        step = max(1, min(steps))
        places = [(number - numbers[0]) // step for number in numbers]
        few_missing = places[-1] < 2 * len(places)
        if 2 * steps.count(step) + few_missing > len(steps) and all(
            s > 0 and s % step == 0 for s in steps
        ):
            return places
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
    frames, first, damaged = _without_cover(frames_of(source.path)), None, 0
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


def _without_cover(frames: Frames) -> Frames:
    """Leave out the first picture where it alone has another size than the next two."""
    sizes = [_stored_size(path) for path in frames.paths[:3]]
    if len(sizes) < 3 or None in sizes or sizes[0] == sizes[1] or sizes[1] != sizes[2]:
        return frames
    start = frames.indices[1]
    indices = tuple(index - start for index in frames.indices[1:])
    return Frames(frames.paths[1:], indices, (frames.paths[0].name, *frames.strays))


def _stored_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a picture; None if it cannot be read."""
    image = load_picture(path)
    return None if image is None else (image.shape[1], image.shape[0])


def _report(source: ClipSource, frames: Frames, damaged: int) -> None:
    """Warn of frames that are damaged or missing, and of pictures that are none of them."""
    count = len(frames.paths)
    if damaged:
        source.warn(f"{damaged} of {count} frames could not be decoded and were left out")
    if frames.missing:
        missing = "1 frame is" if frames.missing == 1 else f"{frames.missing} frames are"
        source.warn(f"{missing} missing, by the numbers in their names")
    if frames.strays:
        shown = ", ".join(frames.strays[:_SHOWN]) + (", ..." if len(frames.strays) > _SHOWN else "")
        source.warn(f"left out, since they do not belong to the other frames: {shown}")


def probe_folder(source: ClipSource) -> VideoInfo:
    """Size, rate and length of a folder of frames; reads its first picture.

    Raises
    ------
    VideoError
        if no picture can be decoded.
    """
    frames = _without_cover(frames_of(source.path))
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
