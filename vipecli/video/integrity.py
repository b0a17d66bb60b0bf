"""Whether a media file ends where its structure says, or was cut off."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_SEGMENT = 0x18538067  # identifier of what a Matroska file holds
_EBML = b"\x1aE\xdf\xa3"
_SHORT_BY_S = 0.5  # a clip that ends this much before its stated end was cut off
_SHORT_STEPS = 1.5  # the same, in frames, where its structure says that it is not whole
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of a RIFF chunk that was never filled in
_TAG_BYTES = 11  # header of a tag of Flash video


def is_cut_off(path: Path, stated_s: float, missing_s: float, step_s: float) -> bool:
    """Whether a file ends before it should: by its structure, or long before its stated end.

    Parameters
    ----------
    path
        the file.
    stated_s, missing_s
        length that its header states, and how much of it could not be read, seconds.
    step_s
        between frames.
    """
    if missing_s <= _SHORT_STEPS * step_s:
        return False
    try:
        whole = is_whole(path)
    except OSError:
        whole = None
    return whole is False or (whole is None and missing_s > max(_SHORT_BY_S, 0.02 * stated_s))


def is_whole(path: Path) -> bool | None:
    """Whether a file is as long as its structure says; None = that does not say.

    Read are the lengths that MP4 and MOV, Matroska and WebM, AVI and FLV state, without the
    content.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(12)
        check: Callable[[BinaryIO, int], bool | None] | None = None
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
            check = _boxes
        elif head.startswith(_EBML):
            check = _segment
        elif head.startswith(b"RIFF"):
            check = _chunks
        elif head.startswith(b"FLV"):
            check = _tags
        file.seek(0)
        return None if check is None else check(file, length)


def _boxes(file: BinaryIO, length: int) -> bool:
    """Boxes of MP4 and MOV follow each other up to the end."""
    at = 0
    while at + 8 <= length:
        file.seek(at)
        head = file.read(16)
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        elif size == 0:  # up to the end of the file
            return True
        if size < 8:
            return False
        at += size
    return at <= length


def _segment(file: BinaryIO, length: int) -> bool | None:
    """The segment of a Matroska file states its length; live recordings do not."""
    while file.tell() < length:
        name = _number(file, keep_marker=True)
        size = _number(file, keep_marker=False)
        if name is None or size is None:
            return None
        if name == _SEGMENT:
            return file.tell() + size <= length
        file.seek(size, os.SEEK_CUR)
    return None


def _number(file: BinaryIO, *, keep_marker: bool) -> int | None:
    """Number of variable length; None where it is unknown or the file ends."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra), "big")
    if keep_marker:
        return value
    value &= (1 << 7 * (extra + 1)) - 1
    return None if value == (1 << 7 * (extra + 1)) - 1 else value


def _chunks(file: BinaryIO, length: int) -> bool:
    """Chunks of RIFF; AVI files beyond 1 GB are several of them.

    A recording into a pipe does not know its length: then whatever is there is all.
    """
    at = 0
    while at + 8 <= length:
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return True  # data behind the last chunk is not part of the video
        size = int.from_bytes(head[4:], "little")
        if size in _UNKNOWN_SIZES:
            return True
        at += 8 + size + size % 2
    return at <= length + 1


def _tags(file: BinaryIO, length: int) -> bool:
    """A whole FLV file ends with the size of its last tag, and that tag is there."""
    file.seek(max(0, length - 4))
    size = int.from_bytes(file.read(4), "big")
    start = length - 4 - size
    if size < _TAG_BYTES or start < 0:
        return False
    file.seek(start)
    head = file.read(4)
    return int.from_bytes(head[1:], "big") + _TAG_BYTES == size
