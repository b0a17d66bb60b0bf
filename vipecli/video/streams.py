"""Choose the video stream and the sound track of a file, as a player does."""

import contextlib
from collections.abc import Callable, Iterable
from itertools import islice

import av
from av.stream import Disposition

from vipecli.errors import VideoError

Again = Callable[[], "contextlib.AbstractContextManager[av.container.InputContainer]"]
"""Opens the same file once more."""

_PACKETS = 3000  # counted at most where the file does not state how many a stream has
_TRIED = 64  # packets that are decoded to see in which order frames are shown
_SOUND_S = 60.0  # of sound, measured at most where the file does not state how long it is
_FEW = 0.4  # of the packets of the longest stream; a stream with fewer is a preview
_SHORT = 1 / 4  # of the longest track; a shorter one is not the sound of the film
_ABOUT_AS_MANY = 0.9
_SMALL = 1 / 16  # of the area of the largest stream; a smaller one is a preview

_NOT_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
_NOT_THE_AUDIO = (
    Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired
)  # fmt: skip


def choose_video(container: "av.container.InputContainer", again: Again) -> "av.VideoStream | None":
    """Video stream that a player would show; None if there is none.

    Cover art, thumbnails and previews (streams with few or small frames beside others) are passed
    over. Of the rest, a stream marked as default is preferred, then the one with the most frames,
    then the largest one. A part of a picture (a layer, a tile) is taken only where there is no
    whole one of its size.
    """
    found = [s for s in container.streams.video if not s.disposition & _NOT_THE_VIDEO]
    whole = [s for s in found if not s.disposition & Disposition.dependent]
    if whole and max(map(_area, whole)) == max(map(_area, found)):  # else a thumbnail and tiles
        found = whole
    if len(found) < 2:
        return found[0] if found else None
    counts = _counted(found, again)
    most = max(counts.values())
    found = [s for s in found if counts[s.index] >= _FEW * most]
    largest = max(_area(s) for s in found)
    found = [s for s in found if _area(s) >= _SMALL * largest]
    return max(
        found,
        key=lambda s: (
            bool(s.disposition & Disposition.default),
            counts[s.index] >= _ABOUT_AS_MANY * most,
            _area(s),
            -s.index,
        ),
    )


def choose_audio(container: "av.container.InputContainer", again: Again) -> "av.AudioStream | None":
    """Sound track that a player would play; None if there is none.

    Commentaries and descriptions come last; otherwise as `choose_video`, by length instead of
    frames, since packets of sound differ in length, and by channels for size.
    """
    found = list(container.streams.audio)
    if len(found) < 2:
        return found[0] if found else None
    lengths = _lengths(found, again)
    longest = max(lengths.values())
    return max(
        found,
        key=lambda s: (
            lengths[s.index] >= _SHORT * longest,
            not s.disposition & _NOT_THE_AUDIO,
            bool(s.disposition & Disposition.default),
            lengths[s.index] >= _ABOUT_AS_MANY * longest,
            s.codec_context.channels if s.codec_context else 0,
            -s.index,
        ),
    )


def lacks_display_times(index: int, again: Again) -> bool:
    """Whether packets are stamped as they are decoded, though frames are shown in another order.

    Parameters
    ----------
    index
        of a video stream.
    again
        opens its file once more.
    """
    latest: int | None = None
    with contextlib.suppress(VideoError, av.FFmpegError), again() as container:
        for place, packet in enumerate(islice(container.demux(container.streams[index]), _TRIED)):
            if place and packet.pts != packet.dts:  # the first one may be stamped by itself
                return False
            for frame in packet.decode():
                if latest is not None and frame.pts is not None and frame.pts < latest:
                    return True
                latest = frame.pts
    return False


def _lengths(found: Iterable["av.AudioStream"], again: Again) -> dict[int, float]:
    """Seconds by stream index: as the file states it, or of its first part."""
    lengths = {s.index: float((s.duration or 0) * s.time_base) for s in found}
    if all(lengths.values()):
        return lengths
    lengths = dict.fromkeys(lengths, 0.0)
    starts: dict[int, float] = {}
    with contextlib.suppress(VideoError, av.FFmpegError), again() as container:
        chosen = [stream for stream in container.streams if stream.index in lengths]
        for packet in container.demux(chosen):
            if packet.pts is None or not packet.size:
                continue
            at, base = packet.stream.index, packet.time_base
            start_s = starts.setdefault(at, float(packet.pts * base))
            end_s = float((packet.pts + (packet.duration or 0)) * base)
            lengths[at] = max(lengths[at], end_s - start_s)
            if lengths[at] >= _SOUND_S:
                break
    return lengths


def _area(stream: "av.VideoStream") -> int:
    context = stream.codec_context
    return context.width * context.height if context else 0


def _counted(found: Iterable["av.stream.Stream"], again: Again) -> dict[int, int]:
    """Number of packets by stream index: as the file states it, or of its first part."""
    counts = {stream.index: stream.frames for stream in found}
    if all(counts.values()):
        return counts
    counts = dict.fromkeys(counts, 0)
    with contextlib.suppress(VideoError, av.FFmpegError), again() as container:
        chosen = [stream for stream in container.streams if stream.index in counts]
        for packet in container.demux(chosen):
            counts[packet.stream.index] += packet.size > 0
            if max(counts.values()) >= _PACKETS:
                break
    return counts
