"""One video file: what its headers state, and its pictures with their presentation times.

PyAV decodes, not OpenCV: a frame's own timestamp is exact where CAP_PROP_POS_MSEC is a rounded
guess that restarts at 0, damaged packets are skipped one by one instead of ending the clip, the
library is silent, the picture can be scaled on the way out of the decoder, and its FFmpeg is newer
than the one in OpenCV, so it opens all that OpenCV opens.
"""

import contextlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from vipecli.errors import VideoError
from vipecli.video.container import decode, open_container, origin_s, picture_stream
from vipecli.video.info import FOLDER_FPS, VideoInfo
from vipecli.video.planes import Planes
from vipecli.video.source import ClipSource

_CLOCK_JUMP_S = 1.0  # times that fall back by more start a new count (joined transport streams)
_SMALLEST_STEP_S = 1e-3  # between frames whose timestamps do not increase
_SHORT_BY_S = 0.5  # a clip that ends this much before its stated end was cut off
_ASPECT_LIMIT = 4.0  # wider or narrower pixels than this are a damaged header

Picture = TypeVar("Picture", np.ndarray, Planes)


def probe_file(source: ClipSource) -> VideoInfo:
    """Size, rate and length of a video file; decodes its first picture.

    Raises
    ------
    VideoError
        if there is no picture in it.
    """
    path = source.path
    with open_container(path) as container:
        if picture_stream(container) is None:
            raise VideoError(f"{path}: holds no picture, only sound or text")
        frame = next(decode(path, container, []), None)
        if frame is None:
            raise no_picture(path)
        return info_of(source, container, frame)


def read_file(
    source: ClipSource,
    start_s: float | None,
    end_s: float | None,
    size: tuple[int, int] | None,
    make: Callable[["av.VideoFrame", tuple[int, int], int], Picture],
) -> Iterator[tuple[float, Picture]]:
    """Frames of a video file from a time on, made by a function of `decoded`.

    Raises
    ------
    VideoError
        if it cannot be opened, or holds no picture that can be decoded.
    """
    path = source.path
    with open_container(path) as container:
        stream, damage = picture_stream(container), []
        if stream is None:
            raise VideoError(f"{path}: holds no picture, only sound or text")
        origin, step = origin_s(container), 1 / _rate(stream)
        if start_s is not None and start_s > 0:
            _seek(container, stream, start_s + origin)
        time_s, info = None, None
        for frame in decode(path, container, damage):
            info = info or info_of(source, container, frame)
            base = frame.time_base or stream.time_base  # what is left at the end may have none
            raw = None if frame.pts is None else float(frame.pts * base)
            if time_s is None:
                time_s = 0.0 if raw is None else raw - origin
            else:
                time_s, origin = _next_time(time_s, raw, origin, step)
            if start_s is None or time_s >= start_s:
                wanted = size or (info.width, info.height)
                yield time_s, make(frame, wanted, info.rotation)
        if info is None and start_s is None:
            raise no_picture(path)
        if end_s is None and time_s is not None:
            _report_damage(info, time_s + step, len(damage))


def _seek(container: "av.container.InputContainer", stream: "av.VideoStream", to_s: float) -> None:
    """Go to the last key frame before a time; files without an index are read from the start."""
    with contextlib.suppress(av.FFmpegError):
        container.seek(int(to_s / stream.time_base), stream=stream)


def _next_time(before: float, raw: float | None, origin: float, step: float) -> tuple[float, float]:
    """Time of the next frame, later than that of the one before, and the origin from there on."""
    if raw is None:
        return before + step, origin
    time_s = raw - origin
    if time_s < before - _CLOCK_JUMP_S:
        return before + step, raw - before - step
    return max(time_s, before + _SMALLEST_STEP_S), origin


def _report_damage(info: VideoInfo, read_s: float, damaged: int) -> None:
    """Warn if a clip ended early, or parts of it could not be decoded."""
    stated = info.duration_s or 0.0
    if stated - read_s > max(_SHORT_BY_S, 0.02 * stated):
        info.source.warn(f"cut off; read {read_s:.1f} of {stated:.1f} s")
    elif damaged:
        places = "one place" if damaged == 1 else f"{damaged} places"
        info.source.warn(f"damaged in {places}; what could not be decoded was left out")


def no_picture(path: Path) -> VideoError:
    """Error of a clip of which no picture can be decoded."""
    return VideoError(f"{path}: no picture in it can be decoded")


def _rate(stream: "av.VideoStream") -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(FOLDER_FPS)


def info_of(
    source: ClipSource, container: "av.container.InputContainer", frame: "av.VideoFrame"
) -> VideoInfo:
    """What the headers and the first picture state."""
    stream = picture_stream(container)
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _ASPECT_LIMIT <= aspect <= _ASPECT_LIMIT:
        aspect = 1.0
    width, height = max(1, round(frame.width * aspect)), frame.height
    rotation = round(frame.rotation / 90) * 90 % 360
    if rotation in (90, 270):
        width, height = height, width
    duration_s = None
    if stream.duration:
        duration_s = float(stream.duration * stream.time_base)
    elif container.duration:
        duration_s = container.duration / av.time_base
    fps = _rate(stream)
    guess = round(duration_s * fps) if duration_s else 0
    return VideoInfo(
        source=source,
        width=width,
        height=height,
        fps=float(fps),
        frames=stream.frames or (guess if guess > 1 else None),
        duration_s=duration_s,
        rotation=rotation,
        has_audio=bool(container.streams.audio),
    )
