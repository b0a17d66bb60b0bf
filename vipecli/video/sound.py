"""The sound of a clip as samples, on the clock of its pictures."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray

from vipecli.video.container import Media, open_media
from vipecli.video.source import ClipSource

RATE = 16_000
"""Samples per second that are read, fewer of long clips."""

MOST_SAMPLES = 1 << 22
"""Samples at most: 4 minutes at `RATE`, 35 minutes at 2,000 Hz."""

LEAST_RATE = 2_000
"""Samples per second at least; of clips too long for it the rest is left out."""


@dataclass(frozen=True, eq=False, repr=False)
class SoundTrack:
    """Sound of a clip, all channels in one.

    Attributes
    ----------
    samples
        shape (S,) float32, in [-1, 1]; 0 where a file has no sound.
    rate
        samples per second.
    start_s
        time of the first one on the clock of the pictures, seconds.
    """

    samples: NDArray[np.float32]
    rate: int
    start_s: float = 0.0

    @property
    def length_s(self) -> float:
        """Length, seconds."""
        return len(self.samples) / self.rate

    def __repr__(self) -> str:
        """One line: length and rate."""
        return f"SoundTrack({self.length_s:.2f} s from {self.start_s:.2f} s, {self.rate} Hz)"


def read_sound(
    clip: ClipSource, start_s: float | None = None, end_s: float | None = None
) -> SoundTrack | None:
    """Sound of a clip; None where there is none, or it cannot be decoded.

    Parameters
    ----------
    clip
        a video; folders of frames and keypoint files have no sound.
    start_s, end_s
        part of it, seconds; None = from its start, to its end.

    Raises
    ------
    VideoError
        if the file cannot be opened.
    """
    if clip.canvas is not None or not clip.path.is_file():
        return None
    with open_media(clip.path) as media:
        if media.audio is None or media.audio.codec_context is None:
            return None
        first = start_s or 0.0
        last = end_s if end_s is not None else _end_s(media)
        rate = int(np.clip(MOST_SAMPLES / max(last - first, 1.0), LEAST_RATE, RATE))
        out = np.zeros(min(MOST_SAMPLES, round(max(last - first, 0.0) * rate)), np.float32)
        reached = 0
        for at_s, part in _decoded(media, rate):
            at = round((at_s - first) * rate)
            if at >= len(out):
                break
            low, high = max(at, 0), min(at + len(part), len(out))
            if high > low:
                out[low:high] = part[low - at : high - at]
                reached = max(reached, high)
    return SoundTrack(out[:reached], rate, first) if reached else None


def _end_s(media: Media) -> float:
    """Length of a file as it states it; what can be held where it does not."""
    duration = media.container.duration
    return duration / av.time_base + 1.0 if duration else MOST_SAMPLES / RATE


def _decoded(media: Media, rate: int) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Time and samples of one piece after another; what is damaged ends it."""
    track, origin_s = media.audio, media.origin_s
    assert track is not None
    resampler = av.AudioResampler("fltp", "mono", rate)
    with contextlib.suppress(av.FFmpegError):
        for frame in media.container.decode(track):
            if frame.pts is None or frame.time_base is None:
                continue
            at_s = float(frame.pts * frame.time_base) - origin_s
            for part in resampler.resample(frame):
                # the resampler holds samples back: the time of a piece is that of its own first one
                if part.pts is not None and part.time_base is not None:
                    at_s = float(part.pts * part.time_base) - origin_s
                yield at_s, part.to_ndarray()[0].astype(np.float32, copy=False)
                at_s += part.samples / rate
