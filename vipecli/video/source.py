"""A clip as readers are given it: its file, and what the file does not say."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vipecli.errors import VideoWarning

CANVAS_COLOUR = (30, 25, 22)
"""Blue, green, red of a plain canvas."""

_LONGEST_SIDE = 1920  # pixels of a canvas; the skeleton is scaled with it


@dataclass(frozen=True, eq=False)
class Canvas:
    """Plain pictures in place of those that a keypoint file does not have.

    Attributes
    ----------
    size
        width and height, pixels.
    times
        shape (T,), presentation times of its frames, seconds.
    """

    size: tuple[int, int]
    times: NDArray[np.float64]

    @classmethod
    def fitted(cls, size: tuple[int, int], times: NDArray[np.float64]) -> "Canvas":
        """Canvas of the shape of a picture, scaled down where a video could not hold it."""
        scale = min(1.0, _LONGEST_SIDE / max(size))
        width, height = (max(2, round(side * scale)) for side in size)
        return cls((width, height), np.asarray(times, np.float64))


@dataclass(frozen=True, eq=False)
class ClipSource:
    """A clip: a video, a folder of frames or a keypoint file, with what is known besides it.

    Attributes
    ----------
    path
        file or folder.
    canvas
        what is shown of a keypoint file; None = the clip has pictures of its own.
    fps
        frames per second at which a folder of frames was taken; None = unknown.
    remarks
        what readers found wrong with the clip, in order; readers append to it.
    """

    path: Path
    canvas: Canvas | None = None
    fps: float | None = None
    remarks: list[str] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, clip: "AnyClip") -> "ClipSource":
        """Return the clip itself, or one of which only the path is known."""
        return clip if isinstance(clip, ClipSource) else cls(Path(clip))

    def warn(self, remark: str) -> None:
        """Warn of something that is wrong with the clip, and keep it in `remarks`."""
        self.remarks.append(remark)
        warnings.warn(f"{self.path}: {remark}", VideoWarning, stacklevel=3)


AnyClip = str | Path | ClipSource
"""What readers of clips take; a path alone where nothing else is known."""
