"""Images in planar YUV 4:2:0, as videos store them.

Videos are composed of such images without a detour by BGR, which would take longer than decoding
them. Only the parts that are drawn on are converted to BGR and back.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import av
import cv2
import numpy as np

from vipecli.video.orientation import Orientation

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


@dataclass(frozen=True, eq=False)
class Planes:
    """A picture in BT.709 of limited range, 4:2:0; may be a view of a part of another one.

    Attributes
    ----------
    y
        shape (H, W) uint8, luma.
    u, v
        shape (H / 2, W / 2) uint8, rounded up: chroma, one value for a square of four pixels.
    frame
        of PyAV, made for the encoder, that these are the planes of; None = they belong to others.
    """

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray
    frame: av.VideoFrame | None = None

    @classmethod
    def of(cls, image: np.ndarray) -> "Planes":
        """From a picture (H, W, 3) uint8 BGR; the last line of an odd side counts twice."""
        from vipecli._kernels import bgr_to_yuv420  # compiled code takes its time to load

        height, width = image.shape[:2]
        bottom, right = height % 2, width % 2
        if bottom or right:
            image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        planes = _empty(image.shape[1], image.shape[0])
        bgr_to_yuv420(np.ascontiguousarray(image), planes.y, planes.u, planes.v)
        return planes.part((0, 0, width, height)) if bottom or right else planes

    @classmethod
    def of_frame(cls, frame: av.VideoFrame) -> "Planes":
        """Of a frame, yuv420p in BT.709 of limited range; the memory is the frame's own."""
        return cls(*(_rows(plane)[:, : plane.width] for plane in frame.planes))

    @classmethod
    def filled(cls, size: tuple[int, int], colour: tuple[int, int, int]) -> "Planes":
        """One colour, BGR, at a size (width, height)."""
        planes = _empty(*size)
        planes.fill(colour)
        return planes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.y.shape[1], self.y.shape[0]

    def bgr(self) -> np.ndarray:
        """Picture (H, W, 3) uint8 BGR, a new array."""
        from vipecli._kernels import yuv420_to_bgr

        image = np.empty((*self.y.shape, 3), np.uint8)
        yuv420_to_bgr(*map(np.ascontiguousarray, self._all), image)  # compiled for one layout
        return image

    def part(self, box: Box) -> "Planes":
        """View of a part that lies inside, at an even place.

        Raises
        ------
        ValueError
            if x or y is odd.
        """
        x, y, width, height = box
        if x % 2 or y % 2:
            raise ValueError(f"colour is stored for 2 x 2 pixels: no part begins at {x},{y}")
        rows, columns = slice(y // 2, (y + height + 1) // 2), slice(x // 2, (x + width + 1) // 2)
        return Planes(
            self.y[y : y + height, x : x + width], self.u[rows, columns], self.v[rows, columns]
        )

    def copy(self) -> "Planes":
        """The same picture in memory of its own."""
        return Planes(*(plane.copy() for plane in self._all))

    def put(self, other: "Planes") -> None:
        """Take over another picture of the same size."""
        for own, theirs in zip(self._all, other._all, strict=True):
            own[:] = theirs

    def fill(self, colour: tuple[int, int, int]) -> None:
        """Take one colour, BGR, all over."""
        tint = Planes.of(np.full((2, 2, 3), colour, np.uint8))
        for own, value in zip(self._all, tint._all, strict=True):
            own[:] = value[0, 0]

    def blend(self, other: "Planes", share: float | np.ndarray) -> None:
        """Mix with another picture of the same size.

        Parameters
        ----------
        other
            the other picture.
        share
            how much of it counts, in [0, 1]: everywhere, or shape (height, width) float32.
        """
        for own, theirs in zip(self._all, other._all, strict=True):
            if not own.size:
                continue
            if isinstance(share, np.ndarray):
                weight = cv2.resize(share, own.shape[::-1], interpolation=cv2.INTER_AREA)
                own[:] = cv2.blendLinear(theirs.copy(), own.copy(), weight, 1 - weight)
            else:
                own[:] = cv2.addWeighted(theirs, share, own, 1 - share, 0)

    def mirrored(self) -> "Planes":
        """As a mirror shows it."""
        return Planes(*(plane[:, ::-1] for plane in self._all))

    def oriented(self, orientation: Orientation) -> "Planes":
        """As a picture that is stored in some orientation is shown."""
        return Planes(*(orientation.apply(plane) for plane in self._all))

    @contextlib.contextmanager
    def drawn(self, box: Box) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
        """Open a part for drawing: its picture, BGR, and the corner (x, y) where that lies.

        What is drawn is put back at the end of the block.

        Parameters
        ----------
        box
            of all that will be drawn; what of it lies outside is cut off.
        """
        width, height = self.size
        x, y, wide, high = box
        left, top = max(0, x) // 2 * 2, max(0, y) // 2 * 2
        right, bottom = min(width, (x + wide + 1) // 2 * 2), min(height, (y + high + 1) // 2 * 2)
        if right <= left or bottom <= top:
            yield np.empty((2, 2, 3), np.uint8), (left, top)  # OpenCV draws into no empty array
            return
        part = self.part((left, top, right - left, bottom - top))
        image = part.bgr()
        yield image, (left, top)
        part.put(Planes.of(image))

    def framed(self) -> "Planes":
        """As a frame for the encoder, of even sides: the last line of an odd one counts twice."""
        if self.frame is not None:
            return self
        width, height = self.size
        frame = av.VideoFrame(width + width % 2, height + height % 2, "yuv420p")
        planes = replace(Planes.of_frame(frame), frame=frame)
        planes.part((0, 0, width, height)).put(self)
        planes.y[height:, :width], planes.y[:, width:] = self.y[-1:], planes.y[:, width - 1 : width]
        return planes

    @property
    def _all(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.y, self.u, self.v


def mean(pictures: list[Planes], weights: np.ndarray) -> Planes:
    """Mean of pictures of one size, with weights that add up to 1."""
    planes = []
    for same in zip(*(picture._all for picture in pictures), strict=True):
        total = np.zeros(same[0].shape, np.float32)
        for weight, plane in zip(weights, same, strict=True):
            if weight:
                cv2.scaleAdd(plane.astype(np.float32), float(weight), total, total)
        planes.append(np.rint(total).astype(np.uint8))
    return Planes(*planes)


def _empty(width: int, height: int) -> Planes:
    """Room for a picture."""
    half = (height + 1) // 2, (width + 1) // 2
    return Planes(np.empty((height, width), np.uint8), *(np.empty(half, np.uint8) for _ in "uv"))


def _rows(plane: "av.video.plane.VideoPlane") -> np.ndarray:
    """Memory of a plane, row by row, each with the room at its end."""
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
