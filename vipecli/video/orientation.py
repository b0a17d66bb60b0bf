"""How a stored picture is turned and mirrored to stand as it was filmed."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData

_EXIF = {  # orientation tag: exchange rows and columns, flip left and right, flip up and down
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}
_ORIENTATION = 0x0112  # number of the tag in EXIF
_COMPRESSION, _JPEG = 0x0103, (6, 7)  # number of a tag of TIFF, and its values for JPEG
_WITH_EXIF = ("JPEG", "PNG", "TIFF", "WEBP")  # as Pillow names them
_TURNS = {90: 8, 180: 3, 270: 6}  # degrees counter-clockwise: EXIF orientation


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a picture is stored.

    Attributes
    ----------
    transposed
        rows and columns are exchanged, before the flips.
    flip_x, flip_y
        left and right, and up and down, are exchanged.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of_exif(cls, tag: int) -> "Orientation":
        """Orientation by the EXIF tag 274; as stored for a value that is not defined."""
        return cls(*_EXIF.get(tag, _EXIF[1]))

    @classmethod
    def of_matrix(cls, matrix: np.ndarray) -> "Orientation":
        """Orientation nearest to a display matrix.

        Parameters
        ----------
        matrix
            shape (9,), rows of FFmpeg's matrix: a pixel (x, y) is shown at
            (a x + c y, b x + d y) with a, b and c, d the first two of rows 0 and 1.
        """
        a, b, c, d = (float(matrix[i]) for i in (0, 1, 3, 4))
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @staticmethod
    def odd_angle(frame: "av.VideoFrame") -> float:
        """Degrees by which a frame is to be turned besides quarters, in (-45, 45]."""
        try:
            matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
        except ValueError:
            return 0.0
        if matrix is None:
            return 0.0
        a, b, *_ = np.frombuffer(bytes(matrix), np.int32).astype(float)
        return float((np.degrees(np.arctan2(b, a)) + 45) % 90 - 45)

    @classmethod
    def of_frame(cls, frame: "av.VideoFrame", path: Path | None = None) -> "Orientation":
        """Orientation that a decoded frame states.

        Parameters
        ----------
        frame
            the frame.
        path
            its file, for the EXIF data of a picture; None = it is no picture.
        """
        try:
            matrix = frame.side_data.get(SideData.DISPLAYMATRIX)
        except ValueError:  # EXIF, a kind of side data that PyAV does not know
            if path and (found := _of_picture(path)):
                return found
            turn = round(frame.rotation / 90) * 90 % 360
            return cls.of_exif(_TURNS.get(turn, 1))
        if matrix is None:
            return cls()
        return cls.of_matrix(np.frombuffer(bytes(matrix), np.int32))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture of a size as it is shown, and the other way round."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Picture (H, W, ...) as it is shown; a new array unless it is shown as stored."""
        if self.transposed:
            image = cv2.transpose(image)
        if self.flip_x and self.flip_y:
            return cv2.flip(image, -1)
        if self.flip_x or self.flip_y:
            return cv2.flip(image, 1 if self.flip_x else 0)
        return image


AS_STORED = Orientation()
"""Neither turned nor mirrored."""


def _of_picture(path: Path) -> Orientation | None:
    """Orientation that the EXIF data of a picture state; None where they cannot be read."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_WITH_EXIF) as image:
                return Orientation.of_exif(int(image.getexif().get(_ORIENTATION, 1)))
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
        return None


def has_more_pixels(path: Path, most: int) -> bool:
    """Whether a file is a picture whose header claims more pixels than some number."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=(*_WITH_EXIF, "BMP")) as image:
                return image.width * image.height > most
    except Image.DecompressionBombError:
        return True
    except (OSError, ValueError, SyntaxError, TypeError):
        return False


def is_jpeg_in_tiff(path: Path) -> bool:
    """Whether a file is a TIFF compressed as JPEG, of which FFmpeg makes a black picture."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("TIFF",)) as image:
                return image.tag_v2.get(_COMPRESSION) in _JPEG
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
        return False
