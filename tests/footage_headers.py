"""Makers of files whose header is changed by hand: cropping, edit lists, matrices, bare streams."""

import math
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image

from tests.footage import COUNT, FPS, Maker, corners, numbered, video

CROP = 8, 4, 24, 12
"""Pixels left, above, right and below of the pictures of `bordered`."""


def bordered() -> list[np.ndarray]:
    """Pictures that hold their number, in red borders of `CROP`."""
    left, top, right, bottom = CROP
    out = []
    for i in range(COUNT):
        inner = numbered(i)
        height, width = inner.shape[:2]
        image = np.full((height + top + bottom, width + left + right, 3), (0, 0, 250), np.uint8)
        image[top : top + height, left : left + width] = inner
        out.append(image)
    return out


def with_aperture(maker: Maker) -> Maker:
    """MP4 of H.264 whose clean aperture leaves out `CROP`."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = bytearray(path.read_bytes())
        start = data.index(b"avc1", data.index(b"stsd")) - 4
        width, height = struct.unpack(">2H", data[start + 32 : start + 36])
        left, top, right, bottom = CROP
        clean = width - left - right, height - top - bottom
        parts = clean[0], 1, clean[1], 1, left - right, 2, top - bottom, 2
        box = struct.pack(">I4s8i", 40, b"clap", *parts)
        (size,) = struct.unpack(">I", data[start : start + 4])
        data[start + size : start + size] = box
        for name in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
            at = start if name == b"avc1" else data.index(name) - 4
            (size,) = struct.unpack(">I", data[at : at + 4])
            data[at : at + 4] = struct.pack(">I", size + len(box))
        path.write_bytes(data)
        return path

    return make


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Identifier, start, start of the content and end of the elements of Matroska."""
    while start < end:
        wide = 9 - data[start].bit_length()
        name, at = int.from_bytes(data[start : start + wide], "big"), start + wide
        wide = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + wide], "big") & ((1 << 7 * wide) - 1)
        inner = at + wide
        after = end if size == (1 << 7 * wide) - 1 else inner + size
        yield name, start, inner, after
        start = after


def _element(name: int, content: bytes) -> bytes:
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (
        (len(content) | 1 << 56).to_bytes(8, "big") + content
    )


def with_pixel_crop(maker: Maker) -> Maker:
    """Live recording in Matroska whose header crops `CROP`."""
    crops = zip((0x54CC, 0x54BB, 0x54DD, 0x54AA), CROP, strict=True)
    more = b"".join(_element(name, bytes([value])) for name, value in crops)

    def rebuilt(data: bytes, start: int, end: int) -> bytes:
        out = b""
        for name, at, inner, after in _elements(data, start, end):
            if name == 0xE0:  # video
                out += _element(name, data[inner:after] + more)
            elif name == 0xAE:  # entry of a track
                out += _element(name, rebuilt(data, inner, after))
            else:
                out += data[at:after]
        return out

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = path.read_bytes()
        segment = next(e for e in _elements(data, 0, len(data)) if e[0] == 0x18538067)
        tracks = next(e for e in _elements(data, segment[2], segment[3]) if e[0] == 0x1654AE6B)
        whole = _element(0x1654AE6B, rebuilt(data, tracks[2], tracks[3]))
        path.write_bytes(data[: tracks[1]] + whole + data[tracks[3] :])
        return path

    return make


def edited(maker: Maker, *edits: tuple[float, float, float]) -> Maker:
    """MP4 with an edit list: duration and start in the media in seconds (-1 = a gap), and speed."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = bytearray(path.read_bytes())
        at = data.index(b"mvhd") + 16
        (movie,) = struct.unpack(">I", data[at : at + 4])
        at = data.index(b"mdhd") + 16
        (media,) = struct.unpack(">I", data[at : at + 4])
        rows = [
            struct.pack(
                ">Iii", round(d * movie), round(t * media) if t >= 0 else -1, round(s * 65536)
            )
            for d, t, s in edits
        ]
        box = struct.pack(">I4sII", 16 + 12 * len(rows), b"elst", 0, len(rows)) + b"".join(rows)
        start = data.index(b"edts") - 4
        (old,) = struct.unpack(">I", data[start : start + 4])
        data[start : start + old] = struct.pack(">I4s", 8 + len(box), b"edts") + box
        for name in (b"trak", b"moov"):
            at = data.index(name) - 4
            (size,) = struct.unpack(">I", data[at : at + 4])
            data[at : at + 4] = struct.pack(">I", size + 8 + len(box) - old)
        path.write_bytes(data)
        return path

    return make


def turned_by(degrees: float) -> Maker:
    """Video whose display matrix turns it by any angle, clockwise."""

    def make(folder: Path) -> Path:
        path = video("phone.mp4", images=[corners()] * 3)(folder)
        data = bytearray(path.read_bytes())
        at = data.index(b"tkhd") + 44
        c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        parts = [round(65536 * v) for v in (c, s, 0, -s, c, 0, 0, 0, 1 << 14)]
        data[at : at + 36] = struct.pack(">9i", *parts)
        path.write_bytes(data)
        return path

    return make


def of_three_fields(maker: Maker) -> Maker:
    """Bare MPEG-2 stream whose pictures are shown for three fields and two by turns."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data, at, count = bytearray(path.read_bytes()), 0, 0
        while (at := data.find(b"\0\0\1\xb5", at) + 4) > 3:
            kind = data[at] >> 4
            if kind == 1:
                data[at + 1] &= ~0x08  # the sequence is not progressive
            elif kind == 8:
                top, again = 0x80 * (count % 4 in (0, 1)), 0x02 * (count % 2 == 0)
                data[at + 3] = data[at + 3] & ~0x82 | top | again
                data[at + 4] |= 0x80
                count += 1
        path.write_bytes(data)
        return path

    return make


def photo(name: str) -> Maker:
    """Picture of more than the two kilobytes by which FFmpeg recognises one."""

    def make(folder: Path) -> Path:
        image = cv2.resize(corners(), (960, 640)).astype(int)
        image += np.random.default_rng(0).integers(-9, 9, image.shape)
        cv2.imwrite(str(folder / name), image.clip(0, 255).astype(np.uint8))
        return folder / name

    return make


def jpeg_in_tiff(folder: Path) -> Path:
    """TIFF that is compressed as JPEG."""
    image = Image.fromarray(np.ascontiguousarray(corners()[..., ::-1]))
    image.save(folder / "a.tif", compression="jpeg")
    return folder / "a.tif"


def counted_from_its_second(name: str, codec: str, options: dict[str, str]) -> Maker:
    """Video whose packets are stamped as they are decoded, the first one apart."""

    def make(folder: Path) -> Path:
        bare = video("a.m2v", codec, options)(folder)
        with av.open(str(bare)) as source, av.open(str(folder / name), "w") as copy:
            stream = copy.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            for number, packet in enumerate(packets):
                packet.dts, packet.pts = number - 1, max(0, number - 1)
                packet.time_base, packet.stream, packet.duration = Fraction(1, FPS), stream, 1
                copy.mux(packet)
        return folder / name

    return make


def in_avi_of_slots(folder: Path) -> Path:
    """AVI that counts two places for each frame, as programs that copy write it."""
    doubled = list(range(0, 2 * COUNT, 2))
    return video("a.avi", "mpeg4", fps=2 * FPS, times=doubled)(folder)


def begun_later(name: str, maker: Maker, frame: int) -> Maker:
    """Packets from the key frame before a frame on, as programs that cut without decoding copy."""

    def make(folder: Path) -> Path:
        with av.open(str(maker(folder))) as whole, av.open(str(folder / name), "w") as part:
            source = whole.streams.video[0]
            whole.seek(round(frame / FPS / source.time_base), stream=source)
            stream = part.add_stream_from_template(source)
            shift = None
            for packet in whole.demux(source):
                if packet.dts is not None:
                    shift = packet.pts if shift is None else shift
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    packet.stream = stream
                    part.mux(packet)
        return folder / name

    return make


def with_ticks(maker: Maker) -> Maker:
    """IVF that states its length in ticks of a fine clock, as FFmpeg 5 writes it."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = bytearray(path.read_bytes())
        data[24:28] = struct.pack("<I", 100 * COUNT)
        path.write_bytes(data)
        return path

    return make


def retimed(name: str, time_of: Callable[[int], int]) -> Maker:
    """Video whose frames have other times, in frames, by their numbers."""

    def make(folder: Path) -> Path:
        plain = video("a.mp4", options={"bf": "0"})(folder)
        with av.open(str(plain)) as source, av.open(str(folder / name), "w") as copy:
            stream = copy.add_stream_from_template(source.streams.video[0])
            packets = [packet for packet in source.demux(video=0) if packet.size]
            for number, packet in enumerate(packets):
                packet.pts = packet.dts = time_of(number)
                packet.time_base, packet.stream = Fraction(1, FPS), stream
                copy.mux(packet)
        return folder / name

    return make
