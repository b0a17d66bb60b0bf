"""The clips of a report: small H.264 files in which seeking is fast."""

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from vipecli.outputs.reel import rate
from vipecli.outputs.screen import Follower
from vipecli.poses.formats import is_pose_file
from vipecli.video.read import probe, read_planes
from vipecli.video.source import AnyClip, ClipSource
from vipecli.video.write import VideoWriter

HEIGHT = 480
"""Height of the pictures, pixels; less where a long clip would make the page too large."""

MOST_BITS_S = 3_500_000
"""Highest bit rate of a clip: two of 10 s stay below 13 MB in the page, whatever they show."""

MOST_BYTES = 40_000_000
"""All clips together, before base64; longer ones get a lower rate and smaller pictures."""

MOST_FPS = 60.0
"""Highest frame rate."""

KEY_FRAME_S = 0.25
"""Between key frames: what a player decodes at most after seeking."""

_CRF = "25"  # x264's quality; small pictures beside curves
_SMALL = ((1_000_000, 360), (400_000, 240))  # below this bit rate, this height


@dataclass(frozen=True)
class SmallClip:
    """A clip as a page carries it.

    Attributes
    ----------
    video
        H.264 in MP4; empty where there are poses but no pictures.
    times
        shape (F,), times of the clip that its frames show, seconds, evenly spaced.
    fps
        frames per second.
    """

    video: bytes
    times: np.ndarray
    fps: float


def encode_clips(
    clips: Sequence[tuple[AnyClip | None, np.ndarray]],
    progress: Callable[[int, int], object] | None = None,
) -> list[SmallClip]:
    """Make small videos of a few clips.

    Parameters
    ----------
    clips
        videos or folders of frames, or None where there is nothing to play, with the times of
        their frames, shape (T,), seconds.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VideoError
        if a clip cannot be read.
    """
    lengths = [float(times[-1] - times[0]) for _, times in clips]
    bits_s = int(min(MOST_BITS_S, MOST_BYTES * 8 / max(sum(lengths), 0.1)))
    grids = [_grid(times) for _, times in clips]
    total, done = sum(len(times) for times, _ in grids), 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    return [
        SmallClip(_encoded(clip, times, fps, bits_s, tick), times, fps)
        for (clip, _), (times, fps) in zip(clips, grids, strict=True)
    ]


def _grid(times: np.ndarray) -> tuple[np.ndarray, float]:
    """Evenly spaced times from the first frame of a clip to the last, and their rate."""
    fps = min(rate(times), MOST_FPS)
    count = int((times[-1] - times[0]) * fps + 1e-6) + 1
    return times[0] + np.arange(count) / fps, fps


def _encoded(
    clip: AnyClip | None, times: np.ndarray, fps: float, bits_s: int, tick: Callable[[], object]
) -> bytes:
    """Clip as a small H.264 file, one frame per time; empty where there is nothing to play."""
    if clip is None or is_pose_file(ClipSource.of(clip).path):
        return b""
    info = probe(clip)
    height = min([HEIGHT, info.height, *(h for below, h in _SMALL if bits_s < below)])
    size = max(2, round(height * info.width / info.height)), height
    options = {
        "crf": _CRF,
        "g": str(max(1, round(KEY_FRAME_S * fps))),
        "maxrate": str(bits_s),
        "bufsize": str(bits_s),
        "threads": "1",  # several keep to a bit rate in another way every time
    }
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip.mp4"
        follower = Follower(partial(read_planes, clip, size=size), float(times[0]))
        with (
            contextlib.closing(follower),
            VideoWriter(target, size=size, fps=fps, options=options) as writer,
        ):
            for time_s in times:
                writer.write(follower.nearest(float(time_s))[1])
                tick()
        return target.read_bytes()
