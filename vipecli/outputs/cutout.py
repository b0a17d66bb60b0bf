"""People cut out of one picture and shown in another: tinted, or frozen where they were."""

from collections.abc import Sequence

import cv2
import numpy as np

from vipecli.outputs.draw import Colour
from vipecli.outputs.reel import Reel, turning_marks
from vipecli.outputs.silhouette import outline
from vipecli.video.planes import Planes

_TINT = 0.6  # how much of the colour of a tinted person is that of the tint
_OPACITY = 0.85  # of a tinted person
_FROZEN = 0.7  # opacity of a person at a key moment
_FEWEST, _MOST = 3, 8  # key moments of a movement
_EVENLY = 5  # of them where a movement has no turning points


def lay_tinted(
    view: Planes, picture: Planes, mask: np.ndarray, tint: Colour, line_px: float
) -> None:
    """Show the person of one picture in another, in a tint and with a line around.

    Parameters
    ----------
    view
        changed in place.
    picture
        with the person, of the same size.
    mask
        the person's share of each pixel, as `silhouette.silhouette` gives it.
    tint
        BGR.
    line_px
        width of the line around the person.
    """
    colour = Planes.filled(picture.size, tint)
    person = Planes(
        picture.y, *(_mixed(*pair) for pair in ((picture.u, colour.u), (picture.v, colour.v)))
    )
    view.blend(person, _OPACITY * mask)
    view.blend(colour, outline(mask, line_px))


def _mixed(own: np.ndarray, tint: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(own, 1 - _TINT, tint, _TINT, 0)


class Frozen:
    """The people of one clip, left standing where they were at key moments.

    Parameters
    ----------
    moments
        frames of the video at which the person is frozen.
    cuts
        frames at which everything starts over.
    """

    def __init__(self, moments: Sequence[int], cuts: Sequence[int]) -> None:
        self._moments, self._cuts = frozenset(moments), frozenset(cuts)
        self._picture: Planes | None = None
        self._mask = np.zeros((1, 1), np.float32)

    def show(self, view: Planes, person: np.ndarray, frame: int) -> None:
        """Add those frozen so far to a picture, behind the person; freeze the person if it is time.

        Parameters
        ----------
        view
            picture at this frame, changed in place.
        person
            the person's share (height, width) of each pixel of it.
        frame
            of the video, asked for in order.
        """
        if self._picture is None or frame in self._cuts:
            self._picture, self._mask = None, np.zeros_like(person)
        before = view.copy() if frame in self._moments else None
        if self._picture is not None:
            view.blend(self._picture, _FROZEN * self._mask * (1 - person))
        if before is None:
            return
        if self._picture is None:
            self._picture = before
        else:
            self._picture.blend(before, person)
        self._mask = np.maximum(self._mask, person)


def key_frames(reel: Reel) -> list[int]:
    """Frames of a reel at which its movement starts, turns and ends, eight at most.

    They are those of `reel.turning_marks`; of a movement without turning points five even ones.
    Where takes start over, so do the key moments.
    """
    marks = [] if reel.cuts else [mark.frame for mark in turning_marks(reel).marks]
    found: list[int] = []
    for start, end in zip((0, *reel.cuts), (*reel.cuts, len(reel)), strict=True):
        own = sorted({start, *(m for m in marks if start <= m < end)})
        if len(own) < _FEWEST:
            own = np.linspace(start, end - 1, _EVENLY).round().astype(int).tolist()
        elif len(own) > _MOST:
            own = [own[i] for i in np.linspace(0, len(own) - 1, _MOST).round().astype(int)]
        found += own
    return found
