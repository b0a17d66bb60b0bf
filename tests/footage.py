"""Makers of videos and pictures as people have them: each takes the folder to write into."""

import base64
import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.stream import Disposition
from PIL import Image

Maker = Callable[[Path], Path]
FPS, COUNT, SIZE = 30, 60, (128, 96)
GOP = 15  # frames from key frame to key frame
X264 = f"keyint={GOP}:min-keyint={GOP}:scenecut=0"
OPEN = {"x264-params": f"open-gop=1:bframes=3:{X264}"}
CLOSED = {"x264-params": f"bframes=2:{X264}"}
HEVC = {"x265-params": f"open-gop=1:bframes=4:{X264}:log-level=none"}
MPEG2 = {"bf": "2", "b": "3000000", "g": str(GOP)}

TILES = base64.b64decode(
    "AAAAIGZ0eXBhdmlmAAAAAGF2aWZtaWYxbWlhZk1BMUIAAAHhbWV0YQAAAAAAAAAoaGRscgAAAAAAAAAAcGljdAAAAAAA"
    "AAAAAAAAAGxpYmF2aWYAAAAADnBpdG0AAAAAAAEAAABWaWxvYwAAAABEAAAFAAEAAAABAAACCQAAAAgAAgAAAAEAAAIR"
    "AAAAHwADAAAAAQAAAjAAAAAfAAQAAAABAAACTwAAAB8ABQAAAAEAAAJuAAAAGAAAAJBpaW5mAAAAAAAFAAAAGmluZmUC"
    "AAAAAAEAAGdyaWRDb2xvcgAAAAAaaW5mZQIAAAEAAgAAYXYwMUNvbG9yAAAAABppbmZlAgAAAQADAABhdjAxQ29sb3IA"
    "AAAAGmluZmUCAAABAAQAAGF2MDFDb2xvcgAAAAAaaW5mZQIAAAEABQAAYXYwMUNvbG9yAAAAACBpcmVmAAAAAAAAABRk"
    "aW1nAAEABAACAAMABAAFAAAAmWlwcnAAAABfaXBjbwAAABRpc3BlAAAAAAAAAIAAAACAAAAAEHBpeGkAAAAAAwgICAAA"
    "ABNjb2xybmNseAABAA0ABoAAAAAUaXNwZQAAAAAAAABAAAAAQAAAAAxhdjFDgQAMAAAAADJpcG1hAAAAAAAAAAUAAQMB"
    "AgMAAgQEAoUDAAMEBAKFAwAEBAQChQMABQQEAoUDAAAAhW1kYXQAAAEBAIAAgBIACgkYFX//kgIaDQgyEBtAAABAAAoF"
    "flGSyNZvcMoSAAoJGBV//5ICGg0IMhAbQAAAQAAKAbJp8pxea5woEgAKCRgVf/+SAhoNCDIQG0AAAEAACgV5Wr66jRtc"
    "4BIACgkYFX//kgIaDQgyCRtAAABAAAoAwA=="
)
"""AVIF picture in four tiles."""


def numbered(index: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Picture that holds its number in eight fields at its lower edge, BGR."""
    width, height = size
    image = np.full((height, width, 3), 60, np.uint8)
    for bit in range(8):
        left, right = bit * width // 8, (bit + 1) * width // 8
        image[height * 3 // 4 :, left:right] = 230 if index >> bit & 1 else 20
    return image


def number(image: np.ndarray) -> int:
    """Number of the picture that `numbered` made."""
    height, width = image.shape[:2]
    row = image[height * 7 // 8].mean(axis=1)
    return sum((row[(2 * bit + 1) * width // 16] > 125) << bit for bit in range(8))


def corners() -> np.ndarray:
    """Picture whose corners are red, green, blue and grey, row by row, BGR."""
    image = np.zeros((*SIZE[::-1], 3), np.uint8)
    image[:48, :64], image[:48, 64:] = (0, 0, 250), (0, 250, 0)
    image[48:, :64], image[48:, 64:] = (250, 0, 0), (120, 120, 120)
    return image


def seen(image: np.ndarray) -> str:
    """Colours of the corners of a picture, row by row: ``rgbk`` as `corners` made it."""
    height, width = image.shape[:2]
    places = [(y, x) for y in (height // 8, -height // 8) for x in (width // 8, -width // 8)]
    out = ""
    for blue, green, red in (image[place].astype(int) for place in places):
        high = {"r": red, "g": green, "b": blue}
        out += max(high, key=high.__getitem__) if max(high.values()) > 180 else "k"
    return out


def video(
    name: str,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    *,
    images: list[np.ndarray] | None = None,
    times: list[int] | None = None,
    sound_s: float = 0.0,
    setup: Callable[["av.VideoStream"], object] | None = None,
    muxer: dict[str, str] | None = None,
    form: str | None = None,
    streamed: bool = False,
    held_s: float = 0.0,
    pix_fmt: str = "yuv420p",
    fps: int = FPS,
) -> Maker:
    """Video of pictures at times in frames, `COUNT` numbered ones by default."""

    def make(folder: Path) -> Path:
        shown = images or [numbered(i) for i in range(COUNT)]
        path = folder / name
        with (
            opened(path, streamed) as target,
            av.open(target, "w", format=form, options=muxer or {}) as container,
        ):
            stream = container.add_stream(codec, rate=fps)
            stream.height, stream.width = shown[0].shape[:2]
            stream.pix_fmt, stream.options = pix_fmt, options or {}
            if "bf" in stream.options:
                stream.codec_context.max_b_frames = int(stream.options["bf"])
            if setup:
                setup(stream)
            track = container.add_stream("aac", rate=48000, layout="mono") if sound_s else None
            for i, image in zip(times or range(len(shown)), shown, strict=True):
                form_in = "bgr24" if image.dtype == np.uint8 else "rgb48le"
                frame = av.VideoFrame.from_ndarray(image, form_in)
                frame.pts, frame.time_base = i, Fraction(1, fps)
                container.mux(stream.encode(frame))
            packets = stream.encode(None)
            if held_s:
                last = max(packets, key=lambda packet: packet.pts)
                last.duration = round(held_s / last.time_base)
            container.mux(packets)
            if track:
                hum(container, track, sound_s)
        return path

    return make


@contextlib.contextmanager
def opened(path: Path, streamed: bool) -> "Iterator[str | Pipe]":
    """Name of a file, or a file that can only be written on, as a pipe."""
    if not streamed:
        yield str(path)
        return
    pipe = Pipe(path)
    yield pipe
    pipe.file.close()


class Pipe:
    """A file that cannot be sought in."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")

    def write(self, data: bytes) -> int:
        """Write on."""
        return self.file.write(data)


def hum(container: "av.container.OutputContainer", track: "av.AudioStream", seconds: float) -> None:
    """Write a tone of some length."""
    wave = 0.3 * np.sin(np.arange(int(48000 * seconds)) * 0.06)
    for first in range(0, len(wave) - 1023, 1024):
        part = wave[None, first : first + 1024].astype(np.float32)
        whole = track.format.name in ("s16", "s16p")
        part = (32767 * part).astype(np.int16) if whole else part
        frame = av.AudioFrame.from_ndarray(part, track.format.name, "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, first, Fraction(1, 48000)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def displayed(degrees: int, *, flipped: bool, name: str = "phone.mp4") -> Maker:
    """Video with a display matrix: turned counter-clockwise, then mirrored."""
    return video(
        name,
        images=[corners()] * 3,
        setup=lambda stream: stream.set_display_rotation(degrees, hflip=flipped),
    )


def pictures(suffix: str, orientation: int) -> Maker:
    """Folder of pictures with an EXIF orientation."""

    def make(folder: Path) -> Path:
        (folder / "frames").mkdir()
        exif = Image.Exif()
        exif[0x0112] = orientation
        for i in range(3):
            image = Image.fromarray(np.ascontiguousarray(corners()[..., ::-1]))
            image.save(folder / "frames" / f"{i}{suffix}", exif=exif)
        return folder / "frames"

    return make


def picture(name: str, orientation: int = 1) -> Maker:
    """One picture with an EXIF orientation."""
    suffix = Path(name).suffix

    def make(folder: Path) -> Path:
        return (pictures(suffix, orientation)(folder) / f"0{suffix}").rename(folder / name)

    return make


def animated(name: str) -> Maker:
    """Pictures that move, as Pillow writes them."""

    def make(folder: Path) -> Path:
        first, *others = (Image.fromarray(numbered(i)) for i in range(9))
        first.save(folder / name, save_all=True, append_images=others, duration=33)
        return folder / name

    return make


def written(name: str, data: bytes) -> Maker:
    """File of some bytes."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def joined(name: str, *makers: Maker) -> Maker:
    """Files behind each other in one."""

    def make(folder: Path) -> Path:
        parts = []
        for i, maker in enumerate(makers):
            (folder / f"part{i}").mkdir()
            parts.append(maker(folder / f"part{i}").read_bytes())
        (folder / name).write_bytes(b"".join(parts))
        return folder / name

    return make


def beside_a_preview(name: str, *, size: tuple[int, int], every: int, default: bool) -> Maker:
    """Video whose first stream is a preview: smaller, or of few pictures."""

    def make(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            small = container.add_stream("libx264", rate=FPS)
            film = container.add_stream("libx264", rate=FPS)
            for stream, (width, height) in ((small, size), (film, (256, 192))):
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if default:
                small.disposition = 1
            for i in range(COUNT):
                for stream, shown in ((small, i % every == 0), (film, True)):
                    if shown:
                        image = numbered(i, (stream.width, stream.height))
                        frame = av.VideoFrame.from_ndarray(image, "bgr24")
                        frame.pts, frame.time_base = i, Fraction(1, FPS)
                        container.mux(stream.encode(frame))
            for stream in (small, film):
                container.mux(stream.encode(None))
        return folder / name

    return make


def in_hdr(transfer: str, *, stated: str = "all") -> Maker:
    """The picture `standard` in HLG or PQ of BT.2020, as a phone films it, 10 bit.

    The stream states ``all`` of its colours, its ``curve`` alone, or only the ``container`` does.
    """
    light = (standard() / 255.0) ** 2.4  # of a display, in 100 cd/m2
    light = light @ np.linalg.inv(TO_BT709).T
    if transfer == "smpte2084":
        y = (light / 100) ** 0.1593017578125
        signal = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    else:
        scene = (light / 10) ** (1 / 1.2)
        log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
        signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)
    if stated == "all":
        return of_bt2020(signal, transfer, "bt2020nc")
    if stated == "curve":
        return of_bt2020(signal, transfer, "undef", "undef", name="phone.hevc")
    return of_bt2020(signal, transfer, "undef", "undef", is_bare=True)


def of_constant_luminance() -> Maker:
    """The picture `standard` in BT.2020 of constant luminance."""
    light = (standard() / 255.0) ** 2.4 @ np.linalg.inv(TO_BT709).T
    luma = np.array([0.2627, 0.678, 0.0593])
    y, red, blue = ((part ** (1 / 2.4)) for part in (light @ luma, light[..., 0], light[..., 2]))
    red, blue = red - y, blue - y
    red = y + 1.4746 * red / np.where(red <= 0, 1.7184, 0.9938)  # as the usual matrix has it
    blue = y + 1.8814 * blue / np.where(blue <= 0, 1.9404, 1.5816)
    green = (y - luma[0] * red - luma[2] * blue) / luma[1]
    signal = np.stack([red, green, blue], axis=-1)
    return of_bt2020(signal, "bt2020-10", "bt2020c", name="phone.hevc")


def of_bt2020(
    signal: np.ndarray,
    transfer: str,
    matrix: str,
    primaries: str = "bt2020",
    name: str = "phone.mov",
    is_bare: bool = False,
) -> Maker:
    """Video of an RGB signal in [0, 1], converted with the usual matrix of BT.2020."""
    curve = "undef" if is_bare else transfer
    params = f"colorprim={primaries}:transfer={curve}:colormatrix={matrix}:range=limited"

    def tagged(stream: "av.VideoStream") -> None:
        context = stream.codec_context
        context.color_primaries, context.colorspace, context.color_range = 9, 9, 1
        context.color_trc = {"arib-std-b67": 18, "smpte2084": 16, "bt2020-10": 14}[transfer]

    return video(
        name,
        "libx265",
        {"x265-params": f"{params}:log-level=none:crf=8"},
        images=[np.round(65535 * signal.clip(0, 1)).astype(np.uint16)] * 3,
        pix_fmt="yuv420p10le",
        setup=tagged,
    )


TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


def standard() -> np.ndarray:
    """Patches from black to near white, and colours of skin, grass, sky and cloth, RGB."""
    patches = np.array(
        [
            *((20, 20, 20), (70, 70, 70), (130, 130, 130), (190, 190, 190), (225, 225, 225)),
            *((205, 150, 120), (90, 130, 60), (110, 160, 220), (180, 40, 50), (40, 60, 150)),
        ],
        np.uint8,
    )
    return cv2.resize(patches.reshape(2, 5, 3), (160, 64), interpolation=cv2.INTER_NEAREST)


def with_another_length(maker: Maker, factor: float) -> Maker:
    """Matroska file whose header states a multiple of its length."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = bytearray(path.read_bytes())
        place = data.index(b"\x44\x89\x88") + 3  # element Duration, a number of eight bytes
        (length,) = struct.unpack(">d", data[place : place + 8])
        data[place : place + 8] = struct.pack(">d", factor * length)
        path.write_bytes(data)
        return path

    return make


def cut_short(maker: Maker, share: float) -> Maker:
    """File of which only the beginning is there."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = path.read_bytes()
        path.write_bytes(data[: int(share * len(data))])
        return path

    return make


def counted(name: str, maker: Maker) -> Maker:
    """Bare stream in a file whose packets are stamped one after another, as careless copies are."""

    def make(folder: Path) -> Path:
        with av.open(str(maker(folder))) as bare, av.open(str(folder / name), "w") as copy:
            stream = copy.add_stream_from_template(bare.streams.video[0])
            packets = [packet for packet in bare.demux(video=0) if packet.size]
            for number, packet in enumerate(packets):
                packet.pts = packet.dts = number
                packet.time_base, packet.stream = Fraction(1, FPS), stream
                copy.mux(packet)
        return folder / name

    return make


def from_the_middle(maker: Maker) -> Maker:
    """Transport stream without its first third, as a recording starts: tables, then anything."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        data = path.read_bytes()
        path.write_bytes(data[: 3 * 188] + data[len(data) // 188 // 3 * 188 :])
        return path

    return make


def frames(*names: str) -> Maker:
    """Folder of pictures that hold their numbers, in the order of the names."""

    def make(folder: Path) -> Path:
        (folder / "frames").mkdir()
        for i, name in enumerate(names):
            cv2.imwrite(str(folder / "frames" / name), numbered(i))
        return folder / "frames"

    return make


def beside_no_picture(maker: Maker) -> Maker:
    """Folder of pictures, with a pipe and a folder that are named like pictures, and a cover."""

    def make(folder: Path) -> Path:
        path = maker(folder)
        os.mkfifo(path / "4.png")
        (path / "5.png").mkdir()
        cv2.imwrite(str(path / "0.png"), numbered(0, (200, 150)))
        return path

    return make


def naming_another(name: str, text: str) -> Maker:
    """Text that names a video beside it, as ``{0}`` by its whole path, as ``{1}`` by its name."""

    def make(folder: Path) -> Path:
        (folder / "other").mkdir()
        other = video("film.ts", sound_s=1)(folder / "other")
        (folder / name).write_text(text.format(other, "other/film.ts"))
        return folder / name

    return make


def beside_others(name: str) -> Maker:
    """File whose name stands for others in FFmpeg, beside those; it is no picture itself."""

    def make(folder: Path) -> Path:
        frames(*(f"{i:03d}.png" for i in range(4)))(folder)
        (folder / "frames" / name).write_bytes(b"\n")
        return folder / "frames" / name

    return make


def gif(width: int, height: int) -> Maker:
    """GIF of a few bytes that claims a size."""

    def make(folder: Path) -> Path:
        size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
        picture = b"!\xf9\x04\x04\x0a\0\0\0,\0\0\0\0\2\0\2\0\0\x02\x03\x84\x51\x05\0"
        head = b"GIF89a" + size + b"\x80\0\0\0\0\0\xff\xff\xff"
        (folder / "a.gif").write_bytes(head + 9 * picture + b";")
        return folder / "a.gif"

    return make


def png(width: int, height: int) -> Maker:
    """PNG of a few bytes that claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(99))), chunk(b"IEND", b"")
    return written("a.png", b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def discs(name: str, *shapes: tuple[int, int, float]) -> Maker:
    """Streams behind each other, of a disc in pictures of some width, height and pixel aspect."""

    def one(i: int, width: int, height: int, aspect: float) -> Maker:
        image = np.zeros((height, width, 3), np.uint8)
        radius = min(width * aspect, height) / 3
        axes = round(radius / aspect), round(radius)
        cv2.ellipse(image, (width // 2, height // 2), axes, 0, 0, 360, (0, 255, 0), -1)
        return video(
            f"{i}{Path(name).suffix}",
            images=[image] * 10,
            setup=lambda stream: setattr(stream, "sample_aspect_ratio", aspect),
        )

    return joined(name, *(one(i, *shape) for i, shape in enumerate(shapes)))


def tagged(name: str, codec: str = "libx264", **tags: str) -> Maker:
    """Video with tags of the whole file."""

    def make(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            container.metadata.update(tags)
            stream = container.add_stream(codec, rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            for i in range(5):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), "bgr24")))
            container.mux(stream.encode(None))
        return folder / name

    return make


def trimmed(maker: Maker, count: int) -> Maker:
    """MP4 whose first frames are there but not shown: its edit list starts behind them."""

    def make(folder: Path) -> Path:
        with av.open(str(maker(folder))) as whole, av.open(str(folder / "t.mp4"), "w") as part:
            stream = part.add_stream_from_template(whole.streams.video[0])
            for packet in whole.demux(video=0):
                if packet.dts is not None:
                    shift = round(count / FPS / packet.time_base)
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    packet.stream = stream
                    part.mux(packet)
        return folder / "t.mp4"

    return make


def with_tracks(
    name: str, *tracks: tuple[float, Disposition], codecs: tuple[str, ...] = ("aac", "aac")
) -> Maker:
    """Video with sound tracks of some length in seconds and disposition."""

    def make(folder: Path) -> Path:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("libx264", rate=FPS)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            sound = [container.add_stream(codec, rate=48000, layout="mono") for codec in codecs]
            for track, (_, disposition) in zip(sound, tracks, strict=True):
                track.disposition = disposition
            for i in range(COUNT):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(i), "bgr24")))
            container.mux(stream.encode(None))
            for track, (length_s, _) in zip(sound, tracks, strict=True):
                hum(container, track, length_s)
        return folder / name

    return make
