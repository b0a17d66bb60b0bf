"""A part of a video without decoding it: its packets, as they are."""

import math
from collections.abc import Iterator
from pathlib import Path

import av

from vipecli.errors import VideoError
from vipecli.files import replacing
from vipecli.video.container import Media, open_media

_PICTURES = {"av1", "h264", "hevc", "mpeg4", "vp9"}  # codecs that an .mp4 holds and players know
_SOUNDS = {"aac", "ac3", "alac", "eac3", "mp3", "opus"}
_FORMATS = {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2"}  # whose key frames can be sought for sure
_LEAST_FPS = 10.0  # assumed of a file that states fewer: a start is met to half a frame


def copy_part(source: Path, out: Path, start_s: float, end_s: float) -> bool:
    """Copy a part of a video with its sound, if that begins with a key frame.

    Pictures and sound stay as they are, orientation and colours included; up to a few frames more
    come along at the end, where those before refer to them.

    Parameters
    ----------
    source
        the video.
    out
        an ``.mp4``, whole or not at all.
    start_s, end_s
        of the part, seconds on the timeline of `video.read`.

    Returns
    -------
    False, and nothing written, where no key frame lies within half a frame of the start, or where
    the codecs are not ones that every player finds in an ``.mp4``.
    """
    try:
        with open_media(source) as media:
            if not _is_copyable(media):
                return False
            start = _key_frame_at(media, start_s)
            if start is None:
                return False
            with replacing(out) as part:
                _copy(media, part, start, end_s + media.origin_s)
    except (av.FFmpegError, VideoError):
        return False  # what is wrong with it is told by whoever decodes it
    return True


def _is_copyable(media: Media) -> bool:
    codec = media.video.codec_context.codec.canonical_name
    sound = media.audio and media.audio.codec_context.codec.canonical_name
    known = codec in _PICTURES and (sound is None or sound in _SOUNDS)
    return known and media.can_seek and media.container.format.name in _FORMATS


def _key_frame_at(media: Media, start_s: float) -> int | None:
    """Timestamp of the key frame that is nearest to a moment; None if it is not near enough."""
    stream = media.video
    rate = float(stream.average_rate or 0)
    half_s = 0.5 / max(rate, _LEAST_FPS)
    to_s = start_s + media.origin_s
    base = stream.time_base
    media.container.seek(int((to_s + half_s) / base), stream=stream)
    for packet in media.container.demux(stream):
        if packet.pts is None:
            continue
        is_near = abs(float(packet.pts * base) - to_s) <= half_s + 1e-6
        return packet.pts if packet.is_keyframe and not packet.is_discard and is_near else None
    return None


def _copy(media: Media, out: Path, start: int, end_s: float) -> None:
    """Write the packets from a key frame, by its timestamp, to a time of the file's own clock."""
    streams = [media.video, *([media.audio] if media.audio else [])]
    start_s = float(start * media.video.time_base)
    media.container.seek(start, stream=media.video)
    options = {"fflags": "+bitexact", "movflags": "+faststart"}
    with av.open(str(out.absolute()), "w", format="mp4", options=options) as target:
        places = {stream.index: target.add_stream_from_template(stream) for stream in streams}
        shifts = {one.index: math.floor(start_s / one.time_base + 0.5) for one in streams}
        open_streams = set(places)
        for packet in _with_decoding_times(media, streams):
            index = packet.stream_index
            if packet.pts is None or packet.dts is None or packet.pts < shifts[index]:
                continue  # frames shown before the key frame refer to what is not there
            if float(packet.dts * packet.time_base) >= end_s:
                open_streams.discard(index)
                if not open_streams:
                    break
                continue
            packet.pts, packet.dts = packet.pts - shifts[index], packet.dts - shifts[index]
            packet.stream = places[index]
            target.mux(packet)


def _with_decoding_times(media: Media, streams: "list[av.stream.Stream]") -> "Iterator[av.Packet]":
    """Packets from where the file stands, the first pictures with times of decoding, too.

    Matroska states none, and FFmpeg leaves out those of the pictures with which reading starts.
    """
    video = media.video
    step = max(1, round(1 / (video.average_rate or _LEAST_FPS) / video.time_base))
    packets = media.container.demux(streams)
    first: list[av.Packet] = []
    for packet in packets:
        first.append(packet)
        if packet.stream_index == video.index and (packet.dts is not None or packet.pts is None):
            break
    untimed = [p for p in first if p.stream_index == video.index and p.dts is None and p.size]
    stamps = [p.dts for p in first if p.stream_index == video.index and p.dts is not None]
    least = stamps[0] if stamps else min((p.pts for p in untimed if p.pts is not None), default=0)
    for back, packet in enumerate(reversed(untimed), start=1):
        packet.dts = least - back * step
    yield from first
    yield from packets
