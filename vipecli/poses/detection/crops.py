"""Rotated square crops of a picture for re-detection, and the mapping back."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vipecli.poses.tracking import XY, middle

_MARGIN = 1.6  # side of the window by the longer side of the box around the person
_EDGE = 0.015  # of a window, which a person who is followed in it may not reach
_SHRUNK = 1.6  # times that a window may be larger than one around the person would be
_SIDE_PX = 384  # of the picture that is cut out; the landmarker takes 256


@dataclass(frozen=True)
class Window:
    """A square part of a picture.

    Attributes
    ----------
    x, y
        its middle, pixels.
    side
        pixels.
    angle_deg
        by which what it shows is turned clockwise to stand upright.
    """

    x: float
    y: float
    side: float
    angle_deg: float = 0.0

    @classmethod
    def around(cls, person: np.ndarray, angle_deg: float = 0.0) -> "Window":
        """Return the window around a person, turned by an angle."""
        side = _MARGIN * float(np.ptp(person[:, XY], axis=0).max())
        x, y = middle(person)
        return cls(float(x), float(y), side, angle_deg)

    def cut(self, rgb: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """Return the picture in the window, (384, 384, 3), or smaller where the picture is.

        `scale` is that of the picture in the window's pixels: 0.5 for one of half the size.
        """
        import cv2

        out = self._out(scale)
        turn = self._turn() * out / self.side
        shift = out / 2 - turn @ (self.x, self.y)
        way = np.column_stack([turn / scale, shift])
        return cv2.warpAffine(rgb, way, (out, out), flags=cv2.INTER_LINEAR)

    def back(self, person: np.ndarray, scale: float = 1.0) -> np.ndarray:
        """Return a person detected in the result of `cut` in pixels of the whole picture."""
        zoom, turn = self._out(scale) / self.side, self._turn()
        turned = person.copy()
        # rows times the turn: turned back
        turned[:, XY] = (person[:, XY] - self._out(scale) / 2) @ turn / zoom + (self.x, self.y)
        turned[:, 2] /= zoom
        turned[:, 4:6] = person[:, 4:6] @ turn
        return turned

    def _out(self, scale: float) -> int:
        return int(np.clip(self.side * scale, 64, _SIDE_PX))

    def _turn(self) -> np.ndarray:
        """Rotation from the picture to the window, (2, 2)."""
        cos, sin = np.cos(np.radians(self.angle_deg)), np.sin(np.radians(self.angle_deg))
        return np.array([[cos, -sin], [sin, cos]])


def fits(person: np.ndarray, side: int) -> bool:
    """Return whether a person detected in the result of `Window.cut` is well inside, and not small.

    `side` is that of the result, pixels.
    """
    low, high = person[:, XY].min(axis=0), person[:, XY].max(axis=0)
    inside = low.min() > _EDGE * side and high.max() < (1 - _EDGE) * side
    return bool(inside and (high - low).max() * _MARGIN * _SHRUNK > side)


def tiles(size: tuple[int, int], share: float) -> Iterator[Window]:
    """Yield windows that cover a picture, each overlapping the next by half.

    Parameters
    ----------
    size
        width and height of the picture, pixels.
    share
        side of a window by the shorter side of the picture.
    """
    side = share * min(size)
    across, down = (1 + round(max(0.0, length - side) / (side / 2)) for length in size)
    for y in np.linspace(side / 2, size[1] - side / 2, down):
        for x in np.linspace(side / 2, size[0] - side / 2, across):
            yield Window(float(x), float(y), side)
