"""Options of a synchronised video: style, resampling, captions, skeletons, sound."""

from dataclasses import dataclass
from enum import Enum


class Style(str, Enum):
    """How the clips are shown together."""

    SIDE = "side"
    STACK = "stack"
    GRID = "grid"
    OVERLAY = "overlay"
    WIPE = "wipe"
    STROBE = "strobe"


class Resample(str, Enum):
    """How a moment between two frames is shown."""

    NEAREST = "nearest"
    BLEND = "blend"


@dataclass(frozen=True)
class VideoOptions:
    """Options of a synchronised video; styles and resampling may be given by name.

    Attributes
    ----------
    style
        ``side``: in a row; ``stack``: in a column; ``grid``: in rows and columns; ``overlay``: the
        people of the others in the picture of the reference, cut out and tinted; ``wipe``: two
        clips, left and right of an edge that moves to and fro, both as `layout.shared` has them;
        ``strobe``: as a grid, with people frozen where they were at key moments.
    resample
        ``nearest`` or ``blend``, see `screen.Screen`.
    skeleton
        draw the joints.
    captions
        write names, times and speeds above the pictures, and the match below.
    chapters
        write the marks of the reel as chapters.
    audio
        number of the clip whose sound is kept, in step with its pictures; None = silent.
    height
        of the pictures in pixels; None = as filmed, see `layout.tiled`.
    flip
        show a clip that was taken mirrored as a mirror shows it; else as filmed.
    """

    style: Style = Style.SIDE
    resample: Resample = Resample.NEAREST
    skeleton: bool = True
    captions: bool = True
    chapters: bool = False
    audio: int | None = 0
    height: int | None = None
    flip: bool = True

    def __post_init__(self) -> None:
        """Turn names into members.

        Raises
        ------
        ValueError
            if a name is not known.
        """
        for field, kind in (("style", Style), ("resample", Resample)):
            given = getattr(self, field)
            try:
                object.__setattr__(self, field, kind(given))
            except ValueError:
                known = ", ".join(member.value for member in kind)
                raise ValueError(f"{field} is {given!r}; use one of {known}") from None


def default_style(clips: int) -> Style:
    """Side by side for two clips, a grid for more."""
    return Style.GRID if clips > 2 else Style.SIDE
