"""From a decoded frame to an upright picture of a size: in colours, or as videos store it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import av
import cv2
import numpy as np

from vipecli.video import hdr
from vipecli.video.orientation import AS_STORED, Orientation
from vipecli.video.planes import Planes

_HD_LINES = 720  # from here on a file that names no colour matrix means BT.709
_UNNAMED, _NOT_STATED = 2, 0  # numbers of FFmpeg: colour matrix, range of luma
_BT709, _BT2020 = 1, 9  # colour matrices, by ITU-T H.273
_CONVERTED = (0, 1, 4, 5, 6, 7, 9)  # colour matrices that swscale knows; 0 = RGB
_SAME_SHAPE = 0.01  # aspects that differ by less are the same but for rounding
_BLACK = (0, 0, 0)


@dataclass(frozen=True)
class View:
    """How a stored picture is shown.

    Attributes
    ----------
    size
        (width, height) of what is made of it, upright, pixels.
    inner
        (width, height) of the picture in it, in the middle of black; the same as a rule.
    orientation
        how it is turned and mirrored.
    """

    size: tuple[int, int]
    inner: tuple[int, int]
    orientation: Orientation = AS_STORED

    @classmethod
    def fitting(
        cls, size: tuple[int, int], aspect: float, of_all: float, orientation: Orientation
    ) -> "View":
        """View of a picture of some aspect, in a clip whose pictures have another one."""
        if abs(aspect / of_all - 1) < _SAME_SHAPE:
            return cls(size, size, orientation)
        width, height = size
        if aspect > of_all:
            height = max(2, round(height * of_all / aspect))
        else:
            width = max(2, round(width * aspect / of_all))
        return cls(size, (width, height), orientation)

    @property
    def corner(self) -> tuple[int, int]:
        """Where the picture lies, at an even place."""
        x, y = ((whole - part) // 4 * 2 for whole, part in zip(self.size, self.inner, strict=True))
        return x, y


Picture = TypeVar("Picture", np.ndarray, Planes)
Make = Callable[["av.VideoFrame", View], Picture]
"""What turns a decoded frame into a picture."""


def as_picture(frame: "av.VideoFrame", view: View, pixels: str = "bgr24") -> np.ndarray:
    """Upright picture, BGR or RGB, from a decoded frame."""
    wide = hdr.is_wide(frame)
    with _known_matrix(frame):
        image = frame.to_ndarray(format="rgb48le" if wide else pixels, **_scaled(frame, view))
    if wide:
        image = hdr.as_standard(image, frame, rgb=pixels == "rgb24")
    image = np.ascontiguousarray(view.orientation.apply(image))  # the decoder pads its rows
    if view.inner == view.size:
        return image
    (x, y), (width, height), (own, high) = view.corner, view.size, view.inner
    sides = y, height - y - high, x, width - x - own
    return cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT, value=_BLACK)


def as_planes(frame: "av.VideoFrame", view: View) -> Planes:
    """Upright picture, as videos store it, from a decoded frame."""
    if hdr.is_wide(frame):
        return Planes.of(as_picture(frame, view))
    plain = frame.format.name == "yuv420p" and frame.color_range == _NOT_STATED
    with _known_matrix(frame):
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace="ITU709",
            src_color_range="MPEG" if plain else None,
            dst_color_range="MPEG",
            **_scaled(frame, view),
        )
    planes = Planes.of_frame(frame)
    if view.orientation != AS_STORED:
        planes = planes.oriented(view.orientation)
    if view.inner == view.size:
        return planes
    whole = Planes.filled(view.size, _BLACK)
    whole.part((*view.corner, *view.inner)).put(planes)
    return whole


def _scaled(frame: "av.VideoFrame", view: View) -> dict[str, object]:
    """How a decoded frame becomes a picture of a size, in the words of PyAV."""
    width, height = view.orientation.size(*view.inner)
    return {
        "width": width,
        "height": height,
        "interpolation": "AREA" if width < frame.width else "BICUBIC",
    }


@contextmanager
def _known_matrix(frame: "av.VideoFrame") -> Iterator[None]:
    """Have a frame state a colour matrix that swscale knows: its own, or the nearest one.

    As an attribute of the frame, since PyAV 17 takes no BT.2020 as a parameter.
    """
    stated = frame.colorspace
    if stated not in _CONVERTED and hdr.primaries(frame) == hdr.BT2020:
        frame.colorspace = _BT2020
    elif stated not in _CONVERTED and (stated != _UNNAMED or frame.height >= _HD_LINES):
        frame.colorspace = _BT709
    try:
        yield
    finally:
        frame.colorspace = stated
