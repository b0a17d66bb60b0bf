"""What is known of a clip besides its file, for whoever reads its pictures.

A keypoint file has no pictures: it is read as a plain canvas, for the skeleton to be drawn on. A
folder of frames does not tell its rate. Both are told here once, by whoever knows.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

CANVAS_COLOUR = (30, 25, 22)
"""Blue, green, red of a plain canvas."""

_LONGEST_SIDE = 1920  # pixels of a canvas; the skeleton is scaled with it


@dataclass(frozen=True)
class Footage:
    """What was told.

    Attributes
    ----------
    size
        width and height of the canvas, pixels; None = the clip has pictures of its own.
    times
        shape (T,), seconds, of the frames of the canvas.
    fps
        rate of a folder of frames; None = not told.
    """

    size: tuple[int, int] | None = None
    times: np.ndarray | None = None
    fps: float | None = None


_told: dict[Path, Footage] = {}
_remarks: list[str] = []
_MOST_REMARKS = 1000


def tell_canvas(path: Path, size: tuple[int, int], times: np.ndarray) -> None:
    """From now on a keypoint file is a clip of plain pictures, in this process."""
    scale = min(1.0, _LONGEST_SIDE / max(size))
    width, height = (max(2, round(side * scale)) for side in size)
    _told[path.absolute()] = Footage((width, height), np.asarray(times, np.float64))


def tell_rate(path: Path, fps: float) -> None:
    """From now on a folder of frames has this rate, in this process."""
    _told[path.absolute()] = Footage(fps=fps)


def remark(text: str) -> None:
    """Remember what was said of a clip, ``PATH: text``, to say it again of its kept poses."""
    _remarks.append(text)
    del _remarks[:-_MOST_REMARKS]


def remarks_on(path: Path | str) -> tuple[str, ...]:
    """What was said of a clip in this process, without its name."""
    start = f"{path}: "
    return tuple(text[len(start) :] for text in _remarks if text.startswith(start))


def told(path: Path) -> Footage:
    """Return what was told of a clip."""
    return _told.get(path.absolute(), Footage())
