"""The pictures in a folder of frames: which, in what order, and when each was taken."""

import re
import statistics
from itertools import pairwise
from pathlib import Path

from vipecli.errors import VideoError

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
