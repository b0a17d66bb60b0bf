"""Frame numbers from the names of pictures, and the refusal of frames of several videos."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from pathlib import PurePosixPath

from vipecli.errors import FormatError
from vipecli.video.image_sequence import natural

_DIGITS = re.compile(r"\d{1,15}")
_MOST_NAMED = 6  # videos in a message
_SPARSE, _FREE = 50, 1000  # numbers farther apart than this per name, and in all, count no frames


def number_frames(names: Iterable[str]) -> dict[str, int]:
    """Frame number by the name of each picture, such as ``clip/frame_0012.png``.

    The last group of digits that differs in every name is the number. Names without one, and
    numbers that lie too far apart to count frames, are numbered in their natural order.

    Raises
    ------
    FormatError
        if the pictures lie in several folders, or their names differ in more than the number, so
        that they are of several videos.
    """
    names = list(dict.fromkeys(names))
    refuse_several({name: str(_path(name).parent) for name in names})
    refuse_several({name: _DIGITS.sub("", _path(name).stem) for name in names})
    groups = [_DIGITS.findall(_path(name).stem) for name in names]
    columns: list[list[int]] = []
    if len({len(group) for group in groups}) == 1:
        columns = [[int(value) for value in column] for column in zip(*groups, strict=True)]
    for numbers in reversed(columns):
        if len(set(numbers)) == len(names):
            return dict(zip(names, _counted(numbers), strict=True))
    if len(columns) > 1:
        last = [group[-1] for group in groups]
        before = [_path(n).stem.rpartition(g)[0] for n, g in zip(names, last, strict=True)]
        refuse_several(dict(zip(names, before, strict=True)))
    order = sorted(names, key=natural)
    return {name: number for number, name in enumerate(order)}


def _counted(numbers: list[int]) -> list[int]:
    """Return the numbers, or their ranks if they are too far apart to be frame numbers."""
    if max(numbers) - min(numbers) <= _SPARSE * len(numbers) + _FREE:
        return numbers
    ranks = {number: rank for rank, number in enumerate(sorted(numbers))}
    return [ranks[number] for number in numbers]


def refuse_several(videos: dict[str, Hashable]) -> None:
    """Refuse pictures of several videos.

    Parameters
    ----------
    videos
        by the name of each picture, what it belongs to.

    Raises
    ------
    FormatError
        if there are several videos of two pictures or more, and none of a single one.
    """
    members: dict[Hashable, list[str]] = defaultdict(list)
    for name, video in videos.items():
        members[video].append(name)
    if len(members) > 1 and min(map(len, members.values())) > 1:
        named = ", ".join(str(video).strip("/_- ")[:60] for video in list(members)[:_MOST_NAMED])
        more = ", ..." if len(members) > _MOST_NAMED else ""
        raise FormatError(
            f"holds frames of {len(members)} videos ({named}{more}); keep those of one video in "
            "the file"
        )


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))
