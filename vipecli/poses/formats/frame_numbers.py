"""Frame numbers from the names of pictures, and the refusal of frames of several videos."""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from pathlib import PurePosixPath

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.text import last_number, number, whole
from vipecli.video.image_sequence import natural

KEEP_ONE = "keep those of one video in the file"
CHOOSE_ONE = "choose one of them with --video NAME"
"""What to do with a file of several videos."""

STATED = ("frame", "frame_id", "frame_number", "frame_idx", "frame_index", "frame_num")
STATED += ("frameId", "frameNumber", "frameIndex")
"""Keys under which files of JSON number their frames."""

_DIGITS = re.compile(r"\d{1,15}")
_MOST_NAMED = 6  # videos in a message
_SPARSE, _FREE = 50, 1000  # numbers farther apart than this per name, and in all, count no frames


def stated_number(frame: Mapping[str, object], place: int) -> int:
    """Number that a frame states of itself, also in a name such as ``frame_0012``; else its place.

    Raises
    ------
    ValueError, TypeError
        if it is no whole number.
    """
    value = next((frame[key] for key in STATED if frame.get(key) is not None), place)
    if isinstance(value, str) and np.isnan(number(value)):
        value = last_number(value)
    return place if value is None else whole(value)


def number_frames(names: Iterable[str], *, remedy: str = KEEP_ONE) -> dict[str, int]:
    """Frame number by the name of each picture, such as ``clip/frame_0012.png``.

    The last group of digits that differs in every name is the number. Names without one, and
    numbers that lie too far apart to count frames, are numbered in their natural order.

    Parameters
    ----------
    names
        of the pictures; the same one may come several times.
    remedy
        what to do if they are of several videos.

    Raises
    ------
    FormatError
        if the pictures lie in several folders, or their names differ in more than the number, so
        that they are of several videos.
    """
    names = list(dict.fromkeys(names))
    for videos in _by_names(names):
        refuse_several(videos, remedy)
    groups = [_DIGITS.findall(_path(name).stem) for name in names]
    columns: list[list[int]] = []
    if len({len(group) for group in groups}) == 1:
        columns = [[int(value) for value in column] for column in zip(*groups, strict=True)]
    for numbers in reversed(columns):
        if len(set(numbers)) == len(names):
            return dict(zip(names, _counted(numbers), strict=True))
    order = sorted(names, key=natural)
    return {name: number for number, name in enumerate(order)}


def _counted(numbers: list[int]) -> list[int]:
    """Return the numbers, or their ranks if they are too far apart to be frame numbers."""
    if max(numbers) - min(numbers) <= _SPARSE * len(numbers) + _FREE:
        return numbers
    ranks = {number: rank for rank, number in enumerate(sorted(numbers))}
    return [ranks[number] for number in numbers]


def videos_of(names: Iterable[str]) -> dict[str, str]:
    """Video of each picture, by its name, where the names tell of several; else nothing."""
    names = list(dict.fromkeys(names))
    found = next((videos for videos in _by_names(names) if _are_several(videos)), {})
    return {name: _shown(video) for name, video in found.items()}


def _by_names(names: list[str]) -> Iterator[dict[str, Hashable]]:
    """Ways to tell by their names to which videos pictures belong."""
    yield {name: str(_path(name).parent) for name in names}
    yield {name: _DIGITS.sub("", _path(name).stem) for name in names}
    groups = [_DIGITS.findall(_path(name).stem) for name in names]
    if len({len(group) for group in groups}) != 1 or len(groups[0]) < 2:
        return
    if not any(len(set(column)) == len(names) for column in zip(*groups, strict=True)):
        last = [group[-1] for group in groups]
        yield {n: _path(n).stem.rpartition(g)[0] for n, g in zip(names, last, strict=True)}


def refuse_several(videos: Mapping[str, Hashable], remedy: str = KEEP_ONE) -> None:
    """Refuse pictures of several videos.

    Parameters
    ----------
    videos
        by the name of each picture, what it belongs to.
    remedy
        what to do.

    Raises
    ------
    FormatError
        if there are several videos of two pictures or more, and none of a single one.
    """
    if _are_several(videos):
        raise FormatError(f"holds frames of {named(map(_shown, videos.values()))}; {remedy}")


def named(videos: Iterable[str]) -> str:
    """Number of different videos, and the names of the first ones."""
    names = list(dict.fromkeys(videos))
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return f"{len(names)} videos ({', '.join(names[:_MOST_NAMED])}{more})"


def _are_several(videos: Mapping[str, Hashable]) -> bool:
    counts = Counter(videos.values())
    return len(counts) > 1 and min(counts.values()) > 1


def _shown(video: Hashable) -> str:
    return str(video).strip("/_- ")[:60]


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))
