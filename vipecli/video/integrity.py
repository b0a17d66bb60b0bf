"""Whether a media file ends where its structure says, or was cut off."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from vipecli.video.headers import EBML, MP4_BOXES, read_number

_SEGMENT = 0x18538067  # identifier of what a Matroska file holds
_SHORT_BY_S = 0.5  # a clip that ends this much before its stated end was cut off
_SHORT_STEPS = 1.5  # the same, in frames, where its structure says that it is not whole
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of a RIFF chunk that was never filled in
_TAG_BYTES = 11  # header of a tag of Flash video
_HEAD = 1024  # bytes that tell a format
_OGG_PAGE = 27 + 255 + 255 * 255  # bytes of the largest page
_PICTURE = 1 << 24  # bytes, more than a picture of Motion JPEG has
_TS_SYNC = 0x47
_TS_PACKETS = ((0, 188), (4, 192), (0, 204))  # first mark, and bytes, of packets
_DV_PAL, _DV_NTSC = 144_000, 120_000  # bytes of a frame
_Y4M_COLOURS = re.compile(r"(mono|4\d\d)(?:jpeg|mpeg2|paldv|alpha)?(?:p?(9|1\d))?")
_SIDE = re.compile(r"[0-9]{1,5}")
_CHROMA = {"mono": (0, 0), "420": (2, 2), "422": (2, 1), "444": (1, 1), "411": (4, 1)}
"""Pixels that share one value of colour, across and down, by the name of Y4M."""


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
    try:
        if breaks_off(path):
            return True
        whole = is_whole(path)
    except OSError:
        whole = None
    if missing_s <= _SHORT_STEPS * step_s:
        return False
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
        if head[4:8] in MP4_BOXES:
            check = _boxes
        elif head.startswith(EBML):
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
        name = read_number(file, keep_marker=True)
        size = read_number(file, keep_marker=False)
        if name is None or size is None:
            return None
        if name == _SEGMENT:
            return file.tell() + size <= length
        file.seek(size, os.SEEK_CUR)
    return None


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


# --- formats that state no length ----------------------------------------------------------------


def breaks_off(path: Path) -> bool:
    """Whether a file of a format that states no length ends within a picture or a block.

    Read are GIF, Ogg, Y4M, IVF, DV, Motion JPEG and MPEG transport streams.
    """
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(_HEAD)
        for start, ends in _ENDINGS.items():
            if head.startswith(start):
                return not ends(file, length, head)
        packet = _packet_of_stream(head)
    return packet is not None and length % packet != 0


def _packet_of_stream(head: bytes) -> int | None:
    """Bytes of a packet of a transport stream; None if it is none."""
    for first, size in _TS_PACKETS:
        if len(head) > first + 4 * size and all(
            head[at] == _TS_SYNC for at in range(first, first + 5 * size, size)
        ):
            return size
    return None


def _gif(file: BinaryIO, length: int, head: bytes) -> bool:
    """Blocks follow each other up to the trailer."""
    file.seek(13 + _palette(head[10]))
    while kind := file.read(1):
        if kind == b";":
            return True
        if kind == b",":
            here = file.read(9)
            if len(here) < 9:
                return False
            file.seek(_palette(here[8]) + 1, os.SEEK_CUR)
        elif kind == b"!":
            file.seek(1, os.SEEK_CUR)
        else:
            return True  # something else behind the pictures
        while size := file.read(1):
            if size == b"\0":
                break
            file.seek(size[0], os.SEEK_CUR)
    return False


def _palette(flags: int) -> int:
    """Bytes of a palette of GIF."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _ogg(file: BinaryIO, length: int, _head: bytes) -> bool:
    """The last page is as long as it says."""
    start = max(0, length - _OGG_PAGE)
    file.seek(start)
    data = file.read(_OGG_PAGE)
    at = data.rfind(b"OggS")
    if at < 0:
        return True
    sizes = data[at + 27 : at + 27 + data[at + 26]] if at + 26 < len(data) else b""
    whole = at + 26 < len(data) and len(sizes) == data[at + 26]
    return whole and at + 27 + len(sizes) + sum(sizes) <= len(data)


def _y4m(_file: BinaryIO, length: int, head: bytes) -> bool:
    """Behind the header lie frames of one size."""
    line, _, rest = head.partition(b"\n")
    tags = {tag[:1]: tag[1:].decode("ascii", "replace") for tag in line.split(b" ")[1:]}
    sides = [tags.get(side, "") for side in (b"W", b"H")]
    if not rest.startswith(b"FRAME\n") or not all(_SIDE.fullmatch(side) for side in sides):
        return True
    width, height = map(int, sides)
    match = _Y4M_COLOURS.fullmatch(tags.get(b"C", "420"))
    if match is None:
        return True
    across, down = _CHROMA[match[1]]
    planes = width * height * (2 if "alpha" in tags.get(b"C", "") else 1)
    if across:
        planes += 2 * (-(-width // across)) * (-(-height // down))
    return (length - len(line) - 1) % (6 + planes * (2 if match[2] else 1)) == 0


def _ivf(file: BinaryIO, length: int, head: bytes) -> bool:
    """Frames follow each other, each as long as it says."""
    at = int.from_bytes(head[6:8], "little")
    while at < length:
        file.seek(at)
        at += 12 + int.from_bytes(file.read(4), "little")
    return at == length


def _dv(_file: BinaryIO, length: int, head: bytes) -> bool:
    """Frames of one size."""
    return length % (_DV_PAL if head[3] & 0x80 else _DV_NTSC) == 0


def _jpegs(file: BinaryIO, length: int, _head: bytes) -> bool:
    """The last picture that begins also ends; a photo may have a film behind it."""
    file.seek(max(0, length - _PICTURE))
    data = file.read(_PICTURE)
    return data.rfind(b"\xff\xd9") >= data.rfind(b"\xff\xd8\xff")


_ENDINGS: dict[bytes, Callable[[BinaryIO, int, bytes], bool]] = {
    b"GIF8": _gif,
    b"OggS": _ogg,
    b"YUV4MPEG2 ": _y4m,
    b"DKIF": _ivf,
    b"\x1f\x07\x00": _dv,
    b"\xff\xd8\xff": _jpegs,
}
