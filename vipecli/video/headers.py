"""What a file's header says besides what PyAV passes on: cropping, and unusual edit lists."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

EBML = b"\x1aE\xdf\xa3"
"""First bytes of a Matroska or WebM file."""

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
"""Names of the boxes that an MP4 or MOV file begins with, behind four bytes."""

_SEGMENT, _CLUSTER, _TRACKS, _ENTRY = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE
_TYPE, _VIDEO = 0x83, 0xE0
_CROPS = {0x54CC: 0, 0x54BB: 1, 0x54DD: 2, 0x54AA: 3}  # left, top, right, bottom
_PIXELS = {0xB0: 0, 0xBA: 1}  # width, height
_MOST = 10_000  # boxes, elements or edits that are looked at
_PICTURE_BYTES = 78  # of the description of a picture
_NORMAL_SPEED = 1 << 16


@dataclass(frozen=True)
class Header:
    """What the header says of a video stream.

    Attributes
    ----------
    crop
        pixels of a stored frame that are not shown: at its left, top, right and bottom.
    odd_edits
        whether its edit list holds pauses, gaps or another speed.
    """

    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    odd_edits: bool = False


PLAIN = Header()
"""Of a stream that is shown as it is stored."""


def read_header(path: Path, track: int, place: int) -> Header:
    """What the header of an MP4, MOV, Matroska or WebM file says; `PLAIN` of others.

    Parameters
    ----------
    path
        the file.
    track
        number that the file gives the stream.
    place
        of the stream among those of pictures, from 0.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(0)
            head = file.read(8)
            if head.startswith(EBML):
                return _matroska(file, length, place)
            return _mp4(file, length, track) if head[4:] in MP4_BOXES else PLAIN
    except (OSError, ValueError):
        return PLAIN


def read_number(file: BinaryIO, *, keep_marker: bool) -> int | None:
    """Number of variable length of EBML; None where it is unknown or the file ends."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    extra = 8 - first[0].bit_length()
    value = int.from_bytes(first + file.read(extra), "big")
    if keep_marker:
        return value
    value &= (1 << 7 * (extra + 1)) - 1
    return None if value == (1 << 7 * (extra + 1)) - 1 else value


# --- MP4 and MOV ---------------------------------------------------------------------------------


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each box of a part of a file."""
    for _ in range(_MOST):
        if start + 8 > end:
            return
        file.seek(start)
        head = file.read(16)
        size, skip = int.from_bytes(head[:4], "big"), 8
        if size == 1:
            size, skip = int.from_bytes(head[8:16], "big"), 16
        size = size or end - start
        if size < skip:
            return
        yield head[4:8], start + skip, min(start + size, end)
        start += size


def _inside(file: BinaryIO, start: int, end: int, *names: bytes) -> tuple[int, int] | None:
    """Start and end of the content of a box in a box in a box; None if there is none."""
    for name in names:
        found = next((box for box in _boxes(file, start, end) if box[0] == name), None)
        if found is None:
            return None
        start, end = found[1:]
    return start, end


def _mp4(file: BinaryIO, length: int, track: int) -> Header:
    movie = _inside(file, 0, length, b"moov")
    for name, start, end in _boxes(file, *movie) if movie else ():
        head = _inside(file, start, end, b"tkhd") if name == b"trak" else None
        if head is None:
            continue
        file.seek(head[0])
        data = file.read(24)
        number = data[20:24] if data[:1] == b"\x01" else data[12:16]
        if int.from_bytes(number, "big") == track:
            return Header(_aperture(file, start, end), _has_odd_edits(file, start, end))
    return PLAIN


def _has_odd_edits(file: BinaryIO, start: int, end: int) -> bool:
    """Whether an edit pauses, changes speed, or leaves a gap behind the first one."""
    found = _inside(file, start, end, b"edts", b"elst")
    if found is None:
        return False
    file.seek(found[0])
    data = file.read(min(found[1] - found[0], 20 * _MOST))
    wide = 8 if data[:1] == b"\x01" else 4
    step = 2 * wide + 4
    edits = [data[at : at + step] for at in range(8, len(data) - step + 1, step)]
    times = [int.from_bytes(edit[wide : 2 * wide], "big", signed=True) for edit in edits]
    speeds = [int.from_bytes(edit[2 * wide :], "big") for edit in edits]
    return any(
        (time == -1 and at > 0) or (time != -1 and speed != _NORMAL_SPEED)
        for at, (time, speed) in enumerate(zip(times, speeds, strict=True))
    )


def _aperture(file: BinaryIO, start: int, end: int) -> tuple[int, int, int, int]:
    """What lies outside of the clean aperture."""
    found = _inside(file, start, end, b"mdia", b"minf", b"stbl", b"stsd")
    first = next(_boxes(file, found[0] + 8, found[1]), None) if found else None
    if first is None:
        return PLAIN.crop
    file.seek(first[1])
    data = file.read(_PICTURE_BYTES)
    width, height = (int.from_bytes(data[at : at + 2], "big") for at in (24, 26))
    clean = _inside(file, first[1] + _PICTURE_BYTES, first[2], b"clap")
    if clean is None:
        return PLAIN.crop
    file.seek(clean[0])
    data = file.read(32)
    if len(data) < 32:
        return PLAIN.crop
    parts = [int.from_bytes(data[at : at + 4], "big", signed=True) for at in range(0, 32, 4)]
    sides = [a / b if b else 0.0 for a, b in zip(parts[::2], parts[1::2], strict=True)]
    left, top = (width - sides[0]) / 2 + sides[2], (height - sides[1]) / 2 + sides[3]
    crop = left, top, width - sides[0] - left, height - sides[1] - top
    return _checked(tuple(round(side) for side in crop), width, height)


def _checked(crop: tuple[int, ...], width: int, height: int) -> tuple[int, int, int, int]:
    """Return the crop if it leaves something of a picture of a size."""
    left, top, right, bottom = crop
    good = min(crop) >= 0 and left + right < width and top + bottom < height
    return (left, top, right, bottom) if good else PLAIN.crop


# --- Matroska and WebM ---------------------------------------------------------------------------


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Identifier, start and end of the content of each element of a part of a file."""
    for _ in range(_MOST):
        if start >= end:
            return
        file.seek(start)
        name = read_number(file, keep_marker=True)
        size = read_number(file, keep_marker=False)
        if name is None:
            return
        at = file.tell()
        start = end if size is None else min(at + size, end)  # a live recording goes on to the end
        yield name, at, start


def _matroska(file: BinaryIO, length: int, place: int) -> Header:
    for segment, start, end in _elements(file, 0, length):
        for name, inner, after in _elements(file, start, end) if segment == _SEGMENT else ():
            if name == _CLUSTER:
                return PLAIN
            if name == _TRACKS:
                return _of_track(file, inner, after, place)
    return PLAIN


def _of_track(file: BinaryIO, start: int, end: int, place: int) -> Header:
    for name, inner, after in _elements(file, start, end):
        parts = list(_elements(file, inner, after)) if name == _ENTRY else []
        if not any(part == _TYPE and _value(file, a, b) == 1 for part, a, b in parts):
            continue
        if place:
            place -= 1
            continue
        crop, size = [0, 0, 0, 0], [0, 0]
        for part, a, b in parts:
            for kind, c, d in _elements(file, a, b) if part == _VIDEO else ():
                if kind in _CROPS:
                    crop[_CROPS[kind]] = _value(file, c, d)
                elif kind in _PIXELS:
                    size[_PIXELS[kind]] = _value(file, c, d)
        return Header(_checked(tuple(crop), size[0], size[1]))
    return PLAIN


def _value(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(end - start, 8)), "big")
