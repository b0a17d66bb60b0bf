"""One video file: what its headers state, and its pictures with their presentation times.

PyAV decodes, not OpenCV: a frame's own timestamp is exact where CAP_PROP_POS_MSEC is a rounded
guess that restarts at 0, damaged packets are skipped one by one instead of ending the clip, the
library is silent, the picture can be scaled on the way out of the decoder, and its FFmpeg is newer
than the one in OpenCV, so it opens all that OpenCV opens.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import av

from vipecli.errors import VideoError
from vipecli.video.clock import Clock
from vipecli.video.container import Media, open_media
from vipecli.video.decode import MOST_PIXELS, Progress, assumed_rate, decode, rate
from vipecli.video.decoded import Make, Picture, View
from vipecli.video.info import VideoInfo
from vipecli.video.integrity import is_cut_off
from vipecli.video.orientation import Orientation, has_more_pixels
from vipecli.video.source import ClipSource
from vipecli.video.survey import survey

SAME_S = 1e-6
"""Times that differ by less are the same: they come from fractions."""

_CLOCK_JUMP_S = 0.25  # times that fall back by more start a new count (joined program streams)
_ASPECT_LIMIT = 4.0  # wider or narrower pixels than this are a damaged header
_JOINED = ("mpegts", "mpeg")  # formats of files that can be put behind each other
_PARTLY_TIMED = "mpeg"  # program streams: after seeking, times are guesses
_GUESSED_LENGTH = ("mpeg", "avi")  # formats of which FFmpeg guesses it from a part, or bytes
_ODD_ANGLE = 2.0  # degrees; a display matrix that turns by more besides quarters is not followed
_STEPS_BACK_S = (0.0, 1.0, 4.0, 16.0, 64.0)  # from where seeking is tried
_DOLBY_VISION = ("dvh1", "dvhe")  # tags of streams that need not be plain HEVC
_ODD_COLOURS = {8: "YCgCo", 11: "Y'D'zD'x", 14: "ICtCp"}  # by ITU-T H.273: not converted
_UNNAMED = 2  # transfer function that a stream does not state


def probe_file(source: ClipSource) -> VideoInfo:
    """Size, rate and length of a video file; decodes its first picture.

    Raises
    ------
    VideoError
        if there is no picture in it.
    """
    with open_media(source.path) as media:
        frame = next(decode(media, Progress()), None)
        if frame is None:
            raise no_picture(source.path)
        info = info_of(source, media, frame, Orientation.of_frame(frame, source.path))
        frames = _frames(media, info.duration_s, info.fps)
        length_s, found = info.duration_s, survey(media)
        is_guessed = media.is_untimed or media.container.format.name in _GUESSED_LENGTH
        if length_s is None or is_guessed:
            if found and found.length_s and found.is_one_clock:
                length_s = found.length_s + 1 / info.fps
            elif frames:
                length_s = frames / info.fps
        return replace(info, frames=frames, duration_s=length_s)


def no_picture(path: Path) -> VideoError:
    """Error of a clip of which no picture can be decoded."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if (head := file.read(34)).startswith(b"RIFF") and head[30:] == b"ANIM":
            return VideoError(f"{path}: an animated WebP, which cannot be read; save it as MP4")
    if has_more_pixels(path, MOST_PIXELS):
        limit = f"{MOST_PIXELS / 1e6:.0f} million pixels"
        return VideoError(f"{path}: its picture is too large (limit: {limit}); scale it down")
    return VideoError(f"{path}: no picture in it can be decoded")


def read_file(
    source: ClipSource,
    start_s: float | None,
    end_s: float | None,
    size: tuple[int, int] | None,
    make: Make,
) -> Iterator[tuple[float, Picture]]:
    """Frames of a video file from a time on, made by a function of `decoded`.

    Raises
    ------
    VideoError
        if it cannot be opened, or holds no picture that can be decoded.
    """
    with contextlib.ExitStack() as stack:
        media, progress, frames = _frames_from(source.path, start_s or 0.0, stack)
        views = _Views(source, media, progress, size, is_part=bool(start_s))
        clock = Clock(media)
        for frame in frames:
            time_s = clock.time_of(frame)
            view = views.of(frame, time_s)
            if start_s is None or time_s >= start_s - SAME_S:
                yield time_s, make(frame, view)
        if clock.time_s is None:
            if start_s is None:
                raise no_picture(source.path)
        elif end_s is None:
            _report_damage(views.info, media, clock, progress)


# --- where to start ------------------------------------------------------------------------------


def _frames_from(
    path: Path, start_s: float, stack: contextlib.ExitStack
) -> tuple[Media, Progress, Iterator["av.VideoFrame"]]:
    """Open a file and decode at least the frames from a time on.

    In containers without an index, seeking is inexact. Its result is used if the first key frame
    after it is not later than the start; frames before a key frame may lack their references.
    Otherwise an earlier place is tried, and at last the file is read from its beginning.
    """
    media = stack.enter_context(open_media(path))
    if start_s > 0 and media.can_seek and _has_one_clock(media):
        for back in _STEPS_BACK_S:
            if start_s - back <= 0:
                break
            progress = Progress()
            placed = _placed(media, start_s - back, stack)
            frames = _frames_at_key(placed, progress, start_s) if placed else None
            if placed and frames:
                return placed, progress, frames
        media = stack.enter_context(open_media(path))
    progress = Progress()
    return media, progress, decode(media, progress)


def _has_one_clock(media: Media) -> bool:
    """Whether a timestamp stands for one place of the file: not in joined streams."""
    if media.container.format.name not in _JOINED:
        return True
    found = survey(media)
    return found is None or found.is_one_clock


def _placed(media: Media, time_s: float, stack: contextlib.ExitStack) -> Media | None:
    """File that is read from about a time on; None if there is no such place."""
    if media.container.format.name == _PARTLY_TIMED:
        return _skipped(media, time_s, stack)
    stream = media.video
    try:
        media.container.seek(int((time_s + media.origin_s) / stream.time_base), stream=stream)
    except av.FFmpegError:
        return None
    return media


def _skipped(media: Media, time_s: float, stack: contextlib.ExitStack) -> Media | None:
    """Program stream of which all packets before a key frame were read, but not decoded.

    Few of its packets carry times; those of the others are counted from the ones before.
    """
    count, latest_s, until_s = 0, -math.inf, time_s + media.origin_s + SAME_S
    with open_media(media.path) as other:
        for place, packet in enumerate(other.container.demux(other.video)):
            if packet.dts is None or packet.pts is None:
                continue
            decoded_s = float(packet.dts * packet.time_base)
            if decoded_s < latest_s - _CLOCK_JUMP_S:
                return None
            if decoded_s > until_s:
                break
            latest_s = max(latest_s, decoded_s)
            if packet.is_keyframe and float(packet.pts * packet.time_base) <= until_s:
                count = place
    if not count:
        return None
    media = stack.enter_context(open_media(media.path))
    for _ in islice(media.container.demux(media.video), count):
        pass
    return media


def _frames_at_key(
    media: Media, progress: Progress, start_s: float
) -> Iterator["av.VideoFrame"] | None:
    """Frames from the next key frame on; None if that is later than the start."""
    frames = decode(media, progress)
    latest_s = start_s + media.origin_s + SAME_S
    for frame in frames:
        base = frame.time_base or media.video.time_base
        if frame.pts is None or float(frame.pts * base) > latest_s:
            break
        if frame.key_frame:
            progress.damaged = 0  # what could not be decoded lies before the start
            return chain([frame], frames)
    frames.close()
    return None


# --- what is shown -------------------------------------------------------------------------------


class _Views:
    """How each frame is shown, and the file's facts once its first frame is there."""

    def __init__(
        self,
        source: ClipSource,
        media: Media,
        progress: Progress,
        size: tuple[int, int] | None,
        *,
        is_part: bool,
    ) -> None:
        self._source, self._media, self._progress, self._size = source, media, progress, size
        self._is_part = is_part
        self._known: tuple | None = None
        self._has_changed = False
        self.info: VideoInfo | None = None

    def of(self, frame: "av.VideoFrame", time_s: float) -> View:
        """View of a frame; where its shape changes it is fitted into that of the first."""
        if frame.key_frame or self.info is None:  # where another shape of pixels can start
            self._aspect = self._progress.aspect
        known = frame.width, frame.height, self._aspect
        if known == self._known:
            return self._view
        self._known = known
        if self.info is None:
            self._orientation = Orientation.of_frame(frame, self._source.path)
            self.info = self._facts(frame)
            self._warn_of_colours(frame)
            self._warn_of_header(frame)
        self._view = self._made(frame, time_s)
        return self._view

    def _facts(self, frame: "av.VideoFrame") -> VideoInfo:
        """What is known of the file: of its beginning, even where reading starts later."""
        if (frame.width, frame.height) != self._media.stated_shape[:2] and self._is_part:
            return probe_file(self._source)
        return info_of(self._source, self._media, frame, self._orientation)

    def _warn_of_colours(self, frame: "av.VideoFrame") -> None:
        """Say that colours are wrong where only a Dolby Vision player can show them."""
        context = self._media.video.codec_context
        if context.codec_tag in _DOLBY_VISION and frame.color_trc == _UNNAMED:
            self._source.warn(
                "Dolby Vision of profile 5: poses are found, but the colours cannot be shown as "
                "they are; for a film, export the clip as SDR, HLG or HDR10 first"
            )
        elif frame.colorspace in _ODD_COLOURS:
            self._source.warn(
                f"its colours are stored as {_ODD_COLOURS[frame.colorspace]}, and shown as far as "
                "another colour matrix fits"
            )

    def _warn_of_header(self, frame: "av.VideoFrame") -> None:
        """Say what the file asks of a player that is not done, or does not say."""
        angle, assumed = Orientation.odd_angle(frame), assumed_rate(self._media)
        if abs(angle) > _ODD_ANGLE:
            self._source.warn(
                f"is to be shown turned by {angle:.0f} degrees besides quarters; it is turned by "
                "quarters only"
            )
        if self._media.header.odd_edits:
            self._source.warn(
                "its edit list holds pauses, gaps or another speed, which are not followed: times "
                "differ from those in a player; export the clip first"
            )
        if assumed is not None:
            self._source.warn(
                f"states no frame rate; {assumed:g} per second are assumed; with the right one: "
                f"ffmpeg -r RATE -i {self._source.path.name} -c copy OUT.mp4"
            )

    def _made(self, frame: "av.VideoFrame", time_s: float) -> View:
        info = self.info or self._facts(frame)
        aspect = self._aspect if self._aspect != self._media.stated_shape[2] else None
        shape = shown_size(self._media, frame, self._orientation, aspect)
        view = View.fitting(
            self._size or (info.width, info.height),
            shape[0] / shape[1],
            info.width / info.height,
            self._orientation,
        )
        if shape != (info.width, info.height) and not self._has_changed:
            self._has_changed = True
            self._source.warn(
                f"its pictures change from {info.width} x {info.height} to {shape[0]} x "
                f"{shape[1]} pixels at {time_s:.2f} s; they are fitted into the first ones' shape"
            )
        return view


def shown_size(
    media: Media, frame: "av.VideoFrame", orientation: Orientation, aspect: float | None = None
) -> tuple[int, int]:
    """Width and height of a frame, upright and with square pixels.

    Parameters
    ----------
    media, frame, orientation
        the file, a frame of it, and how that is stored.
    aspect
        width over height of its pixels; None = as the file states.
    """
    aspect = float(aspect or media.video.sample_aspect_ratio or 1)
    if not 1 / _ASPECT_LIMIT <= aspect <= _ASPECT_LIMIT:
        aspect = 1.0
    return orientation.size(max(1, round(frame.width * aspect)), frame.height)


def info_of(
    source: ClipSource, media: Media, frame: "av.VideoFrame", orientation: Orientation
) -> VideoInfo:
    """What the headers and the first picture state, without the number of frames."""
    width, height = shown_size(media, frame, orientation)
    fps = rate(media)
    duration_s = _duration_s(media)
    return VideoInfo(
        source=source,
        width=width,
        height=height,
        fps=float(fps),
        frames=None,
        duration_s=duration_s,
        orientation=orientation,
        has_audio=media.audio is not None,
        timecode=timecode(media),
    )


def _duration_s(media: Media) -> float | None:
    """Time at which the pictures end on the timeline of the file, seconds, if it is stated."""
    stream, container = media.video, media.container
    if not media.states_length:
        return None
    if stream.duration:
        start_s = float((stream.start_time or 0) * stream.time_base) - media.origin_s
        return float(stream.duration * stream.time_base) + start_s
    end_s = container.duration / av.time_base if container.duration else None
    with contextlib.suppress(KeyError, ValueError):  # as FFmpeg writes Matroska files
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        end_s = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    if end_s and container.format.name.startswith("matroska") and end_s > media.origin_s:
        end_s -= media.origin_s  # these state where the last picture ends
    return end_s


def _frames(media: Media, duration_s: float | None, fps: float) -> int | None:
    """Number of frames: counted in small files, else stated, or by length and rate."""
    if found := survey(media):
        return found.frames
    if media.stated_frames:
        return media.stated_frames
    guess = round(duration_s * fps) if duration_s else 0
    return guess if guess > 1 else None


def timecode(media: Media) -> str | None:
    """Timecode of the first frame, as a camera wrote it; ``;`` or ``.`` mark drop frames."""
    for holder in (media.video, *media.container.streams, media.container):
        for name, code in holder.metadata.items():  # in capitals in Matroska
            if name.lower() == "timecode" and code:
                return code
    return None


def _report_damage(info: VideoInfo | None, media: Media, clock: Clock, progress: Progress) -> None:
    """Warn if a clip ended early, parts of it could not be decoded, or its times are odd."""
    if info is None:
        return
    for remark in clock.remarks():
        info.source.warn(remark)
    stated = max(info.duration_s or 0.0, media.stated_frames * clock.step_s)
    read_s = clock.reached_s(progress)
    if is_cut_off(info.path, stated, stated - read_s, clock.step_s):
        of_all = f" of {stated:.1f}" if stated > read_s + clock.step_s else ""
        info.source.warn(f"cut off; read {read_s:.1f}{of_all} s")
    elif progress.damaged:
        damaged = progress.damaged
        places = "one place" if damaged == 1 else f"{damaged} places"
        info.source.warn(f"damaged in {places}; what could not be decoded was left out")
