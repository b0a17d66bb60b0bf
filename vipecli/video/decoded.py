"""From a decoded frame to an upright picture of a size: in colours, or as films store it."""

import av
import cv2
import numpy as np

from vipecli.video.planes import Planes

_QUARTER_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}
_HD_LINES = 720  # from here on a file that names no colour matrix means BT.709


def as_picture(
    frame: "av.VideoFrame", size: tuple[int, int], rotation: int, pixels: str = "bgr24"
) -> np.ndarray:
    """Upright picture of a size, BGR or RGB, from a decoded frame."""
    image = frame.to_ndarray(format=pixels, **_scaled(frame, size, rotation))
    if rotation:
        return cv2.rotate(image, _QUARTER_TURNS[rotation // 90])
    return np.ascontiguousarray(image)  # the decoder pads its rows


def as_planes(frame: "av.VideoFrame", size: tuple[int, int], rotation: int) -> Planes:
    """Upright picture of a size, as films store it, from a decoded frame."""
    plain = frame.format.name == "yuv420p" and frame.color_range == 0  # 0 = unspecified
    frame = frame.reformat(
        format="yuv420p",
        dst_colorspace="ITU709",
        src_color_range="MPEG" if plain else None,
        dst_color_range="MPEG",
        **_scaled(frame, size, rotation),
    )
    planes = Planes.of_frame(frame)
    return planes.turned(_QUARTER_TURNS[rotation // 90]) if rotation else planes


def _scaled(frame: "av.VideoFrame", size: tuple[int, int], rotation: int) -> dict[str, object]:
    """How a decoded frame becomes a picture of a size, in the words of PyAV."""
    width, height = size[::-1] if rotation in (90, 270) else size
    unnamed_hd = frame.colorspace == 2 and frame.height >= _HD_LINES  # 2 = unspecified
    return {
        "width": width,
        "height": height,
        "src_colorspace": "ITU709" if unnamed_hd else None,
        "interpolation": "AREA" if width < frame.width else "BICUBIC",
    }
