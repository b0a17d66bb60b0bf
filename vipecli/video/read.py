"""Read videos and folders of frames: upright pictures with true presentation times.

PyAV decodes, not OpenCV: a frame's own timestamp is exact where CAP_PROP_POS_MSEC is a rounded
guess that restarts at 0, damaged packets are skipped one by one instead of ending the clip, the
library is silent, the picture can be scaled on the way out of the decoder, and its FFmpeg is newer
than the one in OpenCV, so it opens all that OpenCV opens.
"""

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

import av
import cv2
import numpy as np

from vipecli.errors import VideoError, VideoWarning
from vipecli.video import source
from vipecli.video.container import check_input, decode, open_container, origin_s, picture_stream
from vipecli.video.decoded import as_picture, as_planes
from vipecli.video.image_sequence import moments, pictures
from vipecli.video.planes import Planes

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("3gp", "asf", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg"),
        *("mts", "mxf", "ogv", "ts", "vob", "webm", "wmv"),
    )
)
"""Extensions by which videos are found in a folder; a file named on its own may have any."""

FOLDER_FPS = 30.0
"""Rate at which a folder of frames was taken, unless told otherwise."""

_CLOCK_JUMP_S = 1.0  # times that fall back by more start a new count (joined transport streams)
_SMALLEST_STEP_S = 1e-3  # between frames whose timestamps do not increase
_SHORT_BY_S = 0.5  # a clip that ends this much before its stated end was cut off
_ASPECT_LIMIT = 4.0  # wider or narrower pixels than this are a damaged header
_Picture = TypeVar("_Picture", np.ndarray, Planes)


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, before it is read.

    Attributes
    ----------
    path
        file or folder.
    width, height
        of the upright picture with square pixels.
    fps
        frames per second, on average where the rate varies.
    frames
        number of frames as the file states it, or by duration and rate; None where it does not
        say. Only reading tells for sure.
    duration_s
        length in seconds; None where the file does not say.
    rotation
        degrees counter-clockwise by which the stored picture is turned to stand upright.
    has_audio
        whether there is sound.
    """

    path: Path
    width: int
    height: int
    fps: float
    frames: int | None
    duration_s: float | None
    rotation: int
    has_audio: bool


def probe(path: str | Path, *, fps: float | None = None) -> VideoInfo:
    """Size, rate and length of a video or a folder of frames; reads its first picture.

    Parameters
    ----------
    path
        video, folder of frames, or keypoint file of which a canvas is told in `footage`.
    fps
        rate of a folder of frames, ignored for a video; None = as told in `footage`, or
        `FOLDER_FPS`.

    Raises
    ------
    VideoError
        if there is nothing to read.
    """
    path = check_input(path)
    known = source.told(path)
    if known.size is not None:
        return _probe_canvas(path, known)
    if path.is_dir():
        return _probe_folder(path, fps or known.fps or FOLDER_FPS)
    with open_container(path) as container:
        if picture_stream(container) is None:
            raise VideoError(f"{path}: holds no picture, only sound or text")
        frame = next(decode(path, container, []), None)
        if frame is None:
            raise _no_picture(path)
        return _info(path, container, frame)


def read_frames(
    path: str | Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    rgb: bool = False,
) -> Iterator[tuple[float, np.ndarray]]:
    """Frames of a video or a folder one by one, upright, with their presentation times.

    Time 0 is where the file's own timeline starts, as in a player: if the picture starts half a
    second after the sound, the first frame is at 0.5 s. A damaged file gives what is readable
    and a `VideoWarning`.

    Parameters
    ----------
    path
        video, folder of frames in natural order (9 before 10), or keypoint file of which a
        canvas is told in `footage`.
    start_s, end_s
        frames with start_s <= time < end_s; None = from the first, to the last.
    size
        (width, height) to scale to; None = as filmed.
    fps
        as in `probe`.
    rgb
        pictures in RGB, straight from the decoder.

    Yields
    ------
    time in seconds, strictly increasing, and picture (height, width, 3) uint8, BGR or RGB. One
    frame is held at a time, and each is a new array.

    Raises
    ------
    VideoError
        if the file cannot be opened, or holds no picture that can be decoded.

    Examples
    --------
    >>> for time_s, image in read_frames("squat.mp4"):  # doctest: +SKIP
    ...     print(time_s, image.shape)
    """
    path = check_input(path)
    known = source.told(path)
    if known.size is not None:
        read = _read_canvas(known, size)
    elif path.is_dir():
        read = _read_folder(path, fps or known.fps or FOLDER_FPS, size)
    else:
        pixels = partial(as_picture, pixels="rgb24" if rgb else "bgr24")
        read, rgb = _read_video(path, start_s, end_s, size, pixels), False
    if rgb:
        read = ((time_s, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for time_s, image in read)
    return _between(read, -math.inf if start_s is None else start_s, end_s)


def read_planes(
    path: str | Path, *, start_s: float | None = None, size: tuple[int, int] | None = None
) -> Iterator[tuple[float, Planes]]:
    """Frames as `read_frames` gives them, but as films store them: for writing films.

    What the decoder gives is handed on as it is where it can be, so pictures are not to be changed.

    Parameters
    ----------
    path, start_s, size
        as in `read_frames`.

    Raises
    ------
    VideoError
        as `read_frames`.
    """
    path = check_input(path)
    if path.is_dir() or source.told(path).size is not None:
        frames = read_frames(path, start_s=start_s, size=size)
        return ((time_s, Planes.of(image)) for time_s, image in frames)
    read = _read_video(path, start_s, None, size, as_planes)
    return _between(read, -math.inf if start_s is None else start_s, None)


def _between(
    read: Iterator[tuple[float, _Picture]], start_s: float, end_s: float | None
) -> Iterator[tuple[float, _Picture]]:
    """Drop what lies outside, and end before more is decoded than needed."""
    with contextlib.closing(read):
        for time_s, image in read:
            if end_s is not None and time_s >= end_s:
                return
            if time_s >= start_s:
                yield time_s, image


# --- videos --------------------------------------------------------------------------------------


def _read_video(
    path: Path,
    start_s: float | None,
    end_s: float | None,
    size: tuple[int, int] | None,
    make: Callable[["av.VideoFrame", tuple[int, int], int], _Picture],
) -> Iterator[tuple[float, _Picture]]:
    with open_container(path) as container:
        stream, damage = picture_stream(container), []
        if stream is None:
            raise VideoError(f"{path}: holds no picture, only sound or text")
        origin, step = origin_s(container), 1 / _rate(stream)
        if start_s is not None and start_s > 0:
            _seek(container, stream, start_s + origin)
        time_s, info = None, None
        for frame in decode(path, container, damage):
            info = info or _info(path, container, frame)
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
            raise _no_picture(path)
        if end_s is None and time_s is not None:
            _tell_damage(info, time_s + step, len(damage))


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


def _tell_damage(info: VideoInfo, read_s: float, damaged: int) -> None:
    """Warn if a clip ended early, or parts of it could not be decoded."""
    stated = info.duration_s or 0.0
    if stated - read_s > max(_SHORT_BY_S, 0.02 * stated):
        _warn(f"{info.path}: cut off; read {read_s:.1f} of {stated:.1f} s")
    elif damaged:
        places = "one place" if damaged == 1 else f"{damaged} places"
        _warn(f"{info.path}: damaged in {places}; what could not be decoded was left out")


def _warn(text: str) -> None:
    source.remark(text)
    warnings.warn(text, VideoWarning, stacklevel=2)


def _no_picture(path: Path) -> VideoError:
    return VideoError(f"{path}: no picture in it can be decoded")


def _rate(stream: "av.VideoStream") -> Fraction:
    return stream.average_rate or stream.guessed_rate or Fraction(FOLDER_FPS)


def _info(
    path: Path, container: "av.container.InputContainer", frame: "av.VideoFrame"
) -> VideoInfo:
    """What the headers and the first picture tell."""
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
        path=path,
        width=width,
        height=height,
        fps=float(fps),
        frames=stream.frames or (guess if guess > 1 else None),
        duration_s=duration_s,
        rotation=rotation,
        has_audio=bool(container.streams.audio),
    )


# --- folders of frames ---------------------------------------------------------------------------


def _load_image(path: Path, size: tuple[int, int] | None = None) -> np.ndarray | None:
    """Upright BGR picture; None if the file is damaged."""
    try:
        with open_container(path) as container:
            frame = next(decode(path, container, []), None)
            if frame is None:
                return None
            info = _info(path, container, frame)
            return as_picture(frame, size or (info.width, info.height), info.rotation)
    except VideoError:
        return None


def _read_folder(
    folder: Path, fps: float, size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    paths, first, damaged = pictures(folder), None, 0
    times = moments(paths, fps)
    for time_s, path in zip(times, paths, strict=True):
        image = _load_image(path, size)
        if image is None:
            damaged += 1
            continue
        first = first or image.shape
        if image.shape != first:
            raise VideoError(
                f"{path}: {image.shape[1]} x {image.shape[0]} pixels, the frames before it "
                f"{first[1]} x {first[0]}; frames of one clip have one size"
            )
        yield time_s, image
    if first is None:
        raise _no_picture(folder)
    if damaged:
        _warn(f"{folder}: {damaged} of {len(paths)} frames could not be decoded and were left out")
    if gap := round(times[-1] * fps) + 1 - len(paths):
        _warn(f"{folder}: {gap} frames are missing, by the numbers in their names")


def _probe_folder(folder: Path, fps: float) -> VideoInfo:
    paths = pictures(folder)
    image = next((i for i in map(_load_image, paths) if i is not None), None)
    if image is None:
        raise _no_picture(folder)
    height, width = image.shape[:2]
    length_s = moments(paths, fps)[-1] + 1 / fps
    return VideoInfo(folder, width, height, fps, len(paths), length_s, 0, False)


# --- keypoint files ------------------------------------------------------------------------------


def _read_canvas(
    known: source.Footage, size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    width, height = size or known.size
    for time_s in known.times.tolist():
        yield time_s, np.full((height, width, 3), source.CANVAS_COLOUR, np.uint8)


def _probe_canvas(path: Path, known: source.Footage) -> VideoInfo:
    times = known.times
    length_s = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    fps = (len(times) - 1) / length_s if length_s > 0 else FOLDER_FPS
    return VideoInfo(path, *known.size, fps, len(times), length_s + 1 / fps, 0, False)
