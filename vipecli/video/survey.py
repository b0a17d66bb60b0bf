"""Facts that take reading all packets of a file, without decoding: for small files only."""

import contextlib
import functools
from dataclasses import dataclass
from pathlib import Path

import av

from vipecli.errors import VideoError
from vipecli.video.container import Media, open_media

MOST_BYTES = 1 << 26
"""Larger files are not read for this."""

_DROPS_LEADING = ("hevc", "mpeg1video", "mpeg2video")  # decoders, frames without their references
_JUMP_S = 0.25  # by which times fall back where a new count starts


@dataclass(frozen=True)
class Survey:
    """Facts from the packets of a video stream.

    Attributes
    ----------
    frames
        number of coded frames that are shown: not those before the first key frame, nor those
        after it that refer to frames before.
    is_one_clock
        whether timestamps increase throughout; if not, files were concatenated.
    length_s
        from the first timestamp to the last, seconds.
    """

    frames: int
    is_one_clock: bool
    length_s: float = 0.0


def survey(media: Media) -> Survey | None:
    """Read the packets of the video stream; None if the file is too large or cannot be read."""
    try:
        stat = media.path.stat()
    except OSError:
        return None
    if stat.st_size > MOST_BYTES:
        return None
    return _survey(media.path, media.video.index, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _survey(path: Path, index: int, *_stamp: int) -> Survey | None:
    """Survey of a file that has not changed since."""
    count, early, first_s, latest_s, is_one_clock = 0, 0, 0.0, None, True
    with contextlib.suppress(VideoError, av.FFmpegError), open_media(path) as media:
        codec, key = media.video.codec_context, 0 if media.is_untimed else None
        drops = codec is not None and codec.name in _DROPS_LEADING
        for packet in media.container.demux(media.container.streams[index]):
            if key is None and packet.is_keyframe:
                key, early = packet.pts, count
            is_led = key is not None and packet.pts is not None and packet.pts < key
            is_before = packet.pts is None and packet.dts is None and not media.is_untimed
            is_lost = (key is not None and is_before) or (drops and is_led and is_one_clock)
            count += packet.size > 0 and not packet.is_discard and not is_lost
            if packet.dts is None or not packet.time_base:
                continue
            time_s = float(packet.dts * packet.time_base)
            if latest_s is not None and time_s < latest_s - _JUMP_S:
                is_one_clock = False
            first_s = time_s if latest_s is None else first_s
            latest_s = time_s if latest_s is None else max(latest_s, time_s)
    length_s = 0.0 if latest_s is None else latest_s - first_s
    return Survey(count - early, is_one_clock, length_s) if count else None
