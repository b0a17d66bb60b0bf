"""Little media files with known content, made by PyAV itself."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vipecli.video.container import open_media

BLACK, STEP, MOST = 16, 12, 20  # grey of frame 0, what each frame adds, and after how many
BIAS = 2  # greys get a little darker on the way: exact conversion takes three times as long


def grey(index: int, size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Picture whose brightness tells its number (0 to 19, then again)."""
    return np.full((size[1], size[0], 3), BLACK + STEP * (index % MOST), np.uint8)


def number(image: np.ndarray) -> int:
    """Number of the frame that `grey` made."""
    return round((float(image.mean()) - BLACK + BIAS) / STEP)


def corner(size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """Black picture with a red quarter at its top left."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[: size[1] // 2, : size[0] // 2] = (0, 0, 255)
    return image


def make_video(
    path: Path,
    times_ms: Sequence[int] = tuple(range(0, 800, 40)),
    *,
    size: tuple[int, int] = (96, 64),
    images: Sequence[np.ndarray] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    audio: str | None = None,
    audio_s: float = 0.8,
    options: dict[str, str] | None = None,
) -> Path:
    """Write pictures at times in ms, grey ones that tell their number by default."""
    images = images or [grey(i, size) for i in range(len(times_ms))]
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        sound = container.add_stream(audio, rate=48000, layout="mono") if audio else None
        for time_ms, image in zip(times_ms, images, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            _hum(container, sound, audio_s)
    return path


def assert_same_video(one: Path, two: Path) -> None:
    """Two files hold the same packets at the same times, and pictures that nobody could tell apart.

    Not always the same bytes: x264, given the same pictures, now and then rounds otherwise in a
    process that has worked before.
    """
    times, pictures = [], []
    for path in (one, two):
        with av.open(str(path)) as container:
            packets = [p for p in container.demux() if p.size]
            times.append([(p.stream.type, p.pts, p.time_base) for p in packets])
        with av.open(str(path)) as container:
            pictures.append([f.to_ndarray(format="gray") for f in container.decode(video=0)])
    assert times[0] == times[1]
    assert len(pictures[0]) == len(pictures[1])
    for a, b in zip(*pictures, strict=True):
        assert np.square(a.astype(int) - b).mean() < 4, "below 42 dB"


def _hum(container: "av.container.OutputContainer", stream: "av.AudioStream", seconds: float):
    """Silence, and from the middle on a tone, so that the shift of a track can be measured."""
    t = np.arange(int(seconds * 48000)) / 48000
    wave = (0.5 * np.sin(2 * np.pi * 440 * t) * (t >= seconds / 2)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(wave[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = 48000, 0
    context = stream.codec_context
    resampler = av.AudioResampler(context.format, "mono", 48000, context.frame_size or None)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))


def tone_starts_s(path: Path) -> float:
    """Moment of a file's timeline at which its tone begins."""
    with open_media(path) as media:
        for frame in media.container.decode(media.audio):
            loud = np.flatnonzero(np.abs(_samples(frame)) > 0.1)
            if len(loud):
                starts_s = float(frame.pts * frame.time_base) + loud[0] / frame.sample_rate
                return starts_s - media.origin_s
    return float("nan")


def _samples(frame: "av.AudioFrame") -> np.ndarray:
    samples = frame.to_ndarray()[0].astype(np.float64)
    return samples / 32768 if "16" in frame.format.name else samples
