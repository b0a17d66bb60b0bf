"""Choose the video stream and the sound track of a file, as a player does."""

import contextlib
from collections.abc import Callable, Iterable

import av
from av.stream import Disposition

from vipecli.errors import VideoError

Again = Callable[[], "contextlib.AbstractContextManager[av.container.InputContainer]"]
"""Opens the same file once more."""

_PACKETS = 3000  # counted at most where the file does not state how many a stream has
_FEW = 1 / 4  # of the packets of the longest stream; a stream with fewer is a preview
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
    then the largest one.
    """
    found = [s for s in container.streams.video if not s.disposition & _NOT_THE_VIDEO]
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

    Commentaries and descriptions come last; otherwise as `choose_video`, by channels for size.
    """
    found = list(container.streams.audio)
    if len(found) < 2:
        return found[0] if found else None
    counts = _counted(found, again)
    most = max(counts.values())
    return max(
        found,
        key=lambda s: (
            counts[s.index] >= _FEW * most,
            not s.disposition & _NOT_THE_AUDIO,
            bool(s.disposition & Disposition.default),
            counts[s.index] >= _ABOUT_AS_MANY * most,
            s.codec_context.channels if s.codec_context else 0,
            -s.index,
        ),
    )


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
