"""Read videos, folders of frames and keypoint files: upright pictures with presentation times."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from vipecli.errors import VideoError
from vipecli.video.container import check_input, open_media
from vipecli.video.decode import rate
from vipecli.video.decoded import Picture, as_picture, as_planes
from vipecli.video.image_sequence import probe_folder, read_folder
from vipecli.video.info import FOLDER_FPS, VideoInfo
from vipecli.video.planes import Planes
from vipecli.video.source import CANVAS_COLOUR, AnyClip, Canvas, ClipSource
from vipecli.video.video_file import SAME_S, probe_file, read_file, timecode

__all__ = ["VIDEO_SUFFIXES", "VideoInfo", "probe", "read_frames", "read_planes", "start_timecode"]

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("264", "265", "3g2", "3gp", "3gpp", "asf", "avi", "divx", "dv", "f4v", "flv", "gif"),
        *("h264", "h265", "hevc", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mjpg"),
        *("mkv", "mov", "mp4", "mpe", "mpeg", "mpg", "mpv", "mts", "mxf", "nut", "ogm", "ogv"),
        *("qt", "rm", "rmvb", "tp", "trp", "ts", "vob", "vvc", "webm", "wmv", "wtv", "y4m"),
    )
)
"""Extensions by which videos are found in a folder; a file named on its own may have any."""


def probe(clip: AnyClip, *, fps: float | None = None) -> VideoInfo:
    """Size, rate and length of a clip; reads its first picture.

    Parameters
    ----------
    clip
        video, folder of frames, or keypoint file with its canvas.
    fps
        rate of a folder of frames, ignored for a video; None = that of the clip, or
        `info.FOLDER_FPS`.

    Raises
    ------
    VideoError
        if there is nothing to read.
    """
    source = _checked(clip, fps)
    if source.canvas is not None:
        return _probe_canvas(source, source.canvas)
    return probe_folder(source) if source.path.is_dir() else probe_file(source)


def start_timecode(clip: AnyClip) -> tuple[str, float] | None:
    """Timecode of the first frame of a video, and the rate of its frames; None if there is none."""
    source = ClipSource.of(clip)
    if source.canvas is not None or not source.path.is_file():
        return None
    try:
        with open_media(source.path) as media:
            code = timecode(media)
            return (code, float(rate(media))) if code else None
    except VideoError:
        return None


def read_frames(
    clip: AnyClip,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    rgb: bool = False,
) -> Iterator[tuple[float, np.ndarray]]:
    """Frames of a clip one by one, upright, with their presentation times.

    Time 0 is where the file's own timeline starts, as in a player: if the picture starts half a
    second after the sound, the first frame is at 0.5 s. A damaged file gives what is readable
    and a `VideoWarning`.

    Parameters
    ----------
    clip
        video, folder of frames in natural order (9 before 10), or keypoint file with its canvas.
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
    source = _checked(clip, fps)
    if source.canvas is not None:
        read = _read_canvas(source.canvas, size)
    elif source.path.is_dir():
        read = read_folder(source, size)
    else:
        pixels = partial(as_picture, pixels="rgb24" if rgb else "bgr24")
        read, rgb = read_file(source, start_s, end_s, size, pixels), False
    if rgb:
        read = ((time_s, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)) for time_s, image in read)
    return _between(read, -math.inf if start_s is None else start_s, end_s)


def read_planes(
    clip: AnyClip, *, start_s: float | None = None, size: tuple[int, int] | None = None
) -> Iterator[tuple[float, Planes]]:
    """Frames as `read_frames` gives them, but as videos store them: for writing videos.

    What the decoder gives is passed on without a copy where possible: do not change the pictures.

    Parameters
    ----------
    clip, start_s, size
        as in `read_frames`.

    Raises
    ------
    VideoError
        as `read_frames`.
    """
    source = _checked(clip)
    if source.path.is_dir() or source.canvas is not None:
        frames = read_frames(source, start_s=start_s, size=size)
        return ((time_s, Planes.of(image)) for time_s, image in frames)
    read = read_file(source, start_s, None, size, as_planes)
    return _between(read, -math.inf if start_s is None else start_s, None)


def _checked(clip: AnyClip, fps: float | None = None) -> ClipSource:
    """Return the clip, with another rate if one is given."""
    source = ClipSource.of(clip)
    check_input(source.path)
    return replace(source, fps=fps) if fps else source


def _between(
    read: Iterator[tuple[float, Picture]], start_s: float, end_s: float | None
) -> Iterator[tuple[float, Picture]]:
    """Drop what lies outside, and end before more is decoded than needed."""
    with contextlib.closing(read):
        for time_s, image in read:
            if end_s is not None and time_s >= end_s - SAME_S:
                return
            if time_s >= start_s - SAME_S:
                yield time_s, image


def _read_canvas(
    canvas: Canvas, size: tuple[int, int] | None
) -> Iterator[tuple[float, np.ndarray]]:
    width, height = size or canvas.size
    for time_s in canvas.times.tolist():
        yield time_s, np.full((height, width, 3), CANVAS_COLOUR, np.uint8)


def _probe_canvas(source: ClipSource, canvas: Canvas) -> VideoInfo:
    times = canvas.times
    length_s = float(times[-1] - times[0]) if len(times) > 1 else 0.0
    fps = (len(times) - 1) / length_s if length_s > 0 else FOLDER_FPS
    return VideoInfo(source, *canvas.size, fps, len(times), length_s + 1 / fps)
