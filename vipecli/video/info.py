"""What a clip is, before it is read."""

from dataclasses import dataclass
from pathlib import Path

from vipecli.video.orientation import AS_STORED, Orientation
from vipecli.video.source import ClipSource

FOLDER_FPS = 30.0
"""Rate of a folder of frames, and of videos that state none, unless another one is known."""


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, before it is read.

    Attributes
    ----------
    source
        the clip.
    width, height
        of the upright picture with square pixels.
    fps
        frames per second, on average where the rate varies.
    frames
        number of frames: counted in small files, else stated, or by duration and rate; None =
        unknown.
    duration_s
        length in seconds; None where the file does not say.
    has_audio
        whether there is sound.
    orientation
        how the picture is stored.
    timecode
        of the first frame, as a camera wrote it, such as ``10:20:30:15``, or ``10:20:30;15`` in
        drop frames; None = there is none.
    """

    source: ClipSource
    width: int
    height: int
    fps: float
    frames: int | None
    duration_s: float | None
    has_audio: bool = False
    orientation: Orientation = AS_STORED
    timecode: str | None = None

    @property
    def path(self) -> Path:
        """File or folder."""
        return self.source.path
