"""Decode the frames of a media file; damaged ones are left out and counted."""

import contextlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import av
from av.stream import Disposition

from vipecli.errors import VideoError
from vipecli.video.container import Media
from vipecli.video.info import FOLDER_FPS
from vipecli.video.orientation import is_jpeg_in_tiff
from vipecli.video.survey import Survey, survey

MOST_PIXELS = 52_000_000
"""In one picture; a header that claims more is refused before memory is set aside for it."""

_MOST_BYTES = 160_000_000  # of one decoded picture: several are held at a time
_MOST_ANIMATED = 1 << 24  # pixels of formats in which a few bytes make a picture of any size
_ANIMATED = ("gif", "apng")
_UNNAMED = 2  # number of a property of colour that is not stated
_MOST_FPS = 1000  # of frames; so many ticks per second are those of a clock
_SAME_RATE = 0.02  # by which an average may differ from a rate that is kept
_OF_FIELDS = "mpegvideo"  # format whose frames may be shown for two fields or three
_WITHOUT_RATE = ("av1", "h264", "hevc", "m4v", "mjpeg", "obu", "vc1", "vvc")
_PICTURES = "jpeg_pipe"  # format of one picture, or of one after another
_MANY_PIXELS = 1 << 24  # from here on one picture is decoded at a time: each thread holds some


@dataclass
class Progress:
    """What decoding has found so far.

    Attributes
    ----------
    damaged
        places that could not be decoded.
    reached_s
        timestamp at which the last packet of video or sound ends, seconds.
    aspect
        width over height of a pixel, as the stream states it at this point.
    pending
        heap of decoding times of pictures not yet shown, where the container has no others.
    """

    damaged: int = 0
    reached_s: float = 0.0
    aspect: float = 1.0
    pending: list[int] = field(default_factory=list, repr=False)


def rate(media: Media) -> Fraction:
    """Frames per second: the average, or the encoder's figure where there are no timestamps.

    FFmpeg gives ticks of the clock for frames where it knows no better, and the average of an AVI
    counts places that are empty. Frames of a bare MPEG-2 stream may be shown for three fields, as
    films are on NTSC discs.
    """
    stream, kind = media.video, media.container.format.name
    ticks = 1 / stream.time_base if stream.time_base else 0
    stated = [stream.average_rate, stream.guessed_rate]
    found = survey(media) if kind in (_OF_FIELDS, "avi") else None
    for one in stated[::-1] if media.is_untimed or kind == "avi" else stated:
        if one and not (one == ticks and one > _MOST_FPS):
            counted = _counted_rate(found) or one
            return one if abs(counted / one - 1) < _SAME_RATE else counted
    return _counted_rate(survey(media)) or Fraction(FOLDER_FPS)


def _counted_rate(found: Survey | None) -> Fraction | None:
    """Frames per second by their number; None if it is not known."""
    if found and found.length_s > 0 and found.frames > 1:
        return Fraction((found.frames - 1) / found.length_s).limit_denominator(1001)
    return None


def assumed_rate(media: Media) -> float | None:
    """Frames per second that FFmpeg assumes of a bare stream; None if the file states them."""
    kind, context = media.container.format.name, media.video.codec_context
    if kind == _PICTURES:  # Motion JPEG whose pictures are large
        found = survey(media)
        return float(rate(media)) if found is None or found.frames > 1 else None
    if not media.is_untimed or kind not in _WITHOUT_RATE:
        return None
    return None if context is None or context.framerate else float(rate(media))


def check_size(media: Media) -> None:
    """Refuse pictures that would take too much memory, before any is set aside.

    Raises
    ------
    VideoError
        if there is no decoder for them, they are too large, or stored in tiles or as JPEG in TIFF.
    """
    context = media.video.codec_context
    if media.video.disposition & Disposition.dependent:
        raise VideoError(
            f"{media.path}: a picture stored in tiles, as phones write HEIC; save it as JPEG first"
        )
    if context is None:
        raise VideoError(
            f"{media.path}: its pictures are of a kind that cannot be decoded; convert it to H.264"
        )
    if context.name == "tiff" and is_jpeg_in_tiff(media.path):
        raise VideoError(
            f"{media.path}: a TIFF compressed as JPEG, which cannot be read; save as PNG"
        )
    bits = context.format.bits_per_pixel if context.format else 24
    most = min(MOST_PIXELS, 8 * _MOST_BYTES // max(bits, 1))
    if context.name in _ANIMATED:
        most = min(most, _MOST_ANIMATED)
    if context.width * context.height > most:
        raise VideoError(
            f"{media.path}: pictures of {context.width} x {context.height} pixels are too large "
            f"(limit: {most / 1e6:.0f} million); scale them down, or the file is damaged"
        )


def decode(media: Media, progress: Progress) -> Iterator["av.VideoFrame"]:
    """Every picture that can be decoded, in the order of display, progressive.

    The timestamps of frames are those of display even where the container has none.

    Parameters
    ----------
    media
        an open file; decoding starts where it stands.
    progress
        is kept up to date.

    Raises
    ------
    VideoError
        if there is no video stream, and as `check_size`.
    """
    stream = media.video
    check_size(media)
    context = stream.codec_context
    if not context.is_open:
        context.options = {"max_pixels": str(MOST_PIXELS)}  # the stream may say otherwise later on
        if context.width * context.height > _MANY_PIXELS:
            context.thread_count = 1
        stream.thread_type = "AUTO"
    frames = _timed(media, _decoded(media, progress), progress)
    if any(media.header.crop):
        frames = _cropped(media, frames)
    for frame in frames:
        if frame.interlaced_frame:
            yield from _deinterlaced(chain([frame], frames), stream)
        else:
            yield frame


def _decoded(media: Media, progress: Progress) -> Iterator["av.VideoFrame"]:
    """Frames as they come out of the decoder."""
    stream = media.video
    context = stream.codec_context
    packets = media.container.demux([s for s in (stream, media.audio) if s is not None])
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            break
        except av.FFmpegError:
            progress.damaged += 1
            with contextlib.suppress(av.FFmpegError):
                yield from context.decode(None)
            break
        _note_end(packet, progress)
        if packet.stream is not stream:
            continue
        is_shown = packet.size and packet.dts is not None and not packet.is_discard
        if media.is_timed_by_decoding and is_shown:
            heapq.heappush(progress.pending, packet.dts)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            progress.damaged += 1
            if packet.dts in progress.pending:
                progress.pending.remove(packet.dts)
                heapq.heapify(progress.pending)
            continue
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            progress.damaged += 1
        progress.aspect = float(context.sample_aspect_ratio or 1)
        yield from frames


def _note_end(packet: "av.Packet", progress: Progress) -> None:
    """Keep where the file's packets end."""
    stamp = packet.dts if packet.pts is None else packet.pts
    if stamp is not None and packet.time_base:
        end_s = float((stamp + (packet.duration or 0)) * packet.time_base)
        progress.reached_s = max(progress.reached_s, end_s)


def _timed(
    media: Media, frames: Iterator["av.VideoFrame"], progress: Progress
) -> Iterator["av.VideoFrame"]:
    """Frames with times of display, where the container carries none, and with its colours.

    What the stream itself says of colours counts first.
    """
    colours, shown = media.stated_colours, 0
    for number, frame in enumerate(frames):
        for name, value in colours.items():
            if getattr(frame, name) == _UNNAMED and not frame.format.is_rgb:
                setattr(frame, name, value)
        if media.is_untimed and media.container.format.name == _OF_FIELDS:
            base = frame.time_base or media.video.time_base
            frame.pts, shown = shown, shown + (frame.duration or round(1 / rate(media) / base))
        elif media.is_untimed:
            frame.pts, frame.time_base = number, 1 / rate(media)
        elif progress.pending:  # as many frames as packets: sorted, their times are those shown
            frame.pts = heapq.heappop(progress.pending)
        yield frame


def _cropped(media: Media, frames: Iterable["av.VideoFrame"]) -> Iterator["av.VideoFrame"]:
    """Frames without what the container says is not to be shown of them."""
    left, top, right, bottom = media.header.crop
    context, graph, made = media.video.codec_context, None, None
    stored = context.width, context.height
    for frame in frames:
        shape = (frame.width, frame.height, frame.format.name)
        if shape[:2] != stored:  # the rest of a file whose pictures change
            yield frame
            continue
        if graph is None or made != shape:
            size = f"{stored[0] - left - right}:{stored[1] - top - bottom}:{left}:{top}"
            graph = _filtering(frame.time_base or media.video.time_base, *shape, "crop", size)
            made = shape
        yield from _through(graph, frame)


def _deinterlaced(
    frames: Iterable["av.VideoFrame"], stream: "av.VideoStream"
) -> Iterator["av.VideoFrame"]:
    """As many frames, each of the time of its first field; progressive ones pass as they are."""
    graph, shape = None, None
    for frame in frames:
        if shape != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _through(graph, None)
            shape = (frame.width, frame.height, frame.format.name)
            base = frame.time_base or stream.time_base
            graph = _filtering(base, *shape, "yadif", "deint=interlaced")
        yield from _through(graph, frame)
    if graph is not None:
        yield from _through(graph, None)


def _filtering(
    time_base: Fraction, width: int, height: int, pix_fmt: str, name: str, options: str
) -> "av.filter.Graph":
    """One filter, by its name, for frames of a size and format."""
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format=pix_fmt, time_base=time_base)
    graph.link_nodes(source, graph.add(name, options), graph.add("buffersink"))
    graph.configure()
    return graph


def _through(graph: "av.filter.Graph", frame: "av.VideoFrame | None") -> Iterator["av.VideoFrame"]:
    """Frames that a filter returns for one more frame; for None, those that it still holds."""
    graph.push(frame)
    with contextlib.suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield graph.pull()
