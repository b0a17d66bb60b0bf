"""What a live session shows: the reference in step with the person, skeletons, match and count."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.online import Place
from vipecli.outputs.draw import draw_box, draw_skeleton, draw_text, elide, text_width
from vipecli.outputs.strip import BACKGROUND, BRIGHT, DIM, GRAPH, match_colour
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses
from vipecli.video.read import read_frames
from vipecli.video.source import ClipSource

HEIGHT_PX = 480
"""Height of both pictures."""

_QUALITY = 88  # of the pictures of the reference, which are held as JPEG: a minute takes 60 MB
_BAR_PX, _FONT_PX, _GAP_PX = 64, 20, 8
_WIDEST = 16 / 9  # of a picture; what is wider is cut at its sides
_STEADY_S = 0.2  # the reference does not go back by less


@dataclass(frozen=True)
class Status:
    """What stands below the pictures.

    Attributes
    ----------
    place
        where in the reference the person is; None = there is no reference.
    label
        name of the action; empty = not asked for, or none.
    delay_s
        from the frame to its picture here, seconds.
    fps
        frames per second that are shown.
    """

    place: Place | None
    label: str
    delay_s: float
    fps: float


class ReferenceFilm:
    """Pictures of the reference, to be shown in any order.

    Parameters
    ----------
    source
        video, folder of frames or keypoint file.
    poses
        joints of the person in it.
    flip
        show it as a mirror does.
    """

    def __init__(self, source: ClipSource, poses: Poses, *, flip: bool) -> None:
        self._times: list[float] = []
        self._pictures: list[NDArray[np.uint8]] = []
        poses = mirrored(poses) if flip else poses
        for time_s, image in read_frames(source):
            small = fitted(cv2.flip(image, 1) if flip else image)
            nearest = int(np.abs(poses.times - time_s).argmin())
            draw_skeleton(small, _scaled(poses, nearest, image.shape), poses.score[nearest])
            done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            if done:
                self._times.append(time_s)
                self._pictures.append(data)
        self.width = small.shape[1]
        self._shown_s = self._times[0]

    def picture(self, time_s: float) -> NDArray[np.uint8]:
        """Picture nearest to a moment, (HEIGHT_PX, W, 3) BGR; it does not tremble backwards."""
        if not 0 < self._shown_s - time_s < _STEADY_S:
            self._shown_s = time_s
        at = bisect_left(self._times, self._shown_s)
        near = range(max(0, at - 1), min(at + 1, len(self._times)))
        best = min(near, key=lambda i: abs(self._times[i] - self._shown_s))
        return cv2.imdecode(self._pictures[best], cv2.IMREAD_COLOR)


def fitted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Picture of `HEIGHT_PX`, cut at its sides where it is very wide, of an even width."""
    height, width = image.shape[:2]
    kept = min(width, round(_WIDEST * height))
    left = (width - kept) // 2
    size = max(2, round(kept * HEIGHT_PX / height / 2) * 2), HEIGHT_PX
    how = cv2.INTER_AREA if height > HEIGHT_PX else cv2.INTER_LINEAR
    return cv2.resize(image[:, left : left + kept], size, interpolation=how)


def _scaled(poses: Poses, frame: int, shape: Sequence[int]) -> NDArray[np.float32]:
    """Joints (13, 2) of a frame in the picture that `fitted` makes of one of a shape."""
    height, width = shape[:2]
    left = (width - min(width, round(_WIDEST * height))) // 2
    xy = poses.xy[frame] * np.divide((width, height), poses.size)
    return ((xy - (left, 0)) * HEIGHT_PX / height).astype(np.float32)


class View:
    """Draws the pictures of a session.

    Parameters
    ----------
    reference
        None = the person alone.
    flip
        show the person as a mirror does.
    """

    def __init__(self, reference: ReferenceFilm | None, *, flip: bool) -> None:
        self._reference, self._flip = reference, flip

    def draw(self, image: NDArray[np.uint8], poses: Poses, status: Status) -> NDArray[np.uint8]:
        """Picture (HEIGHT_PX + bar, W, 3) uint8 BGR of one moment.

        Parameters
        ----------
        image
            shape (H, W, 3) uint8 BGR, from the camera.
        poses
            one frame: joints in that.
        status
            what stands below.
        """
        shown = mirrored(poses) if self._flip else poses
        own = fitted(cv2.flip(image, 1) if self._flip else image)
        draw_skeleton(own, _scaled(shown, 0, image.shape), shown.score[0])
        parts = [own]
        if self._reference is not None and status.place is not None:
            gap = np.full((HEIGHT_PX, _GAP_PX, 3), BACKGROUND, np.uint8)
            parts = [self._reference.picture(status.place.reference_s), gap, own]
        pictures = np.hstack(parts)
        _badges(pictures, [part.shape[1] for part in parts])
        return np.vstack([pictures, _bar(pictures.shape[1], status)])


def _badges(image: NDArray[np.uint8], widths: list[int]) -> None:
    if len(widths) < 3:
        return
    for text, left in (("Reference", 0), ("You", widths[0] + widths[1])):
        width = text_width(text, _FONT_PX) + 20
        draw_box(image, (left + 10, 10, width, 30), BACKGROUND, radius=8, opacity=0.8)
        draw_text(image, text, (left + 20, 25), _FONT_PX, BRIGHT)


def _bar(width: int, status: Status) -> NDArray[np.uint8]:
    """The line below: match, repetitions, label; and how far behind it is."""
    bar = np.full((_BAR_PX, width, 3), BACKGROUND, np.uint8)
    middle, left = _BAR_PX / 2, 16.0
    place = status.place
    if place is not None:
        share = place.match
        text = "nobody seen" if np.isnan(share) else f"{share:.0%}"
        colour = DIM if np.isnan(share) else tuple(match_colour(np.float32(share)).tolist())
        draw_box(bar, (16, 22, 120, 20), GRAPH, radius=6)
        if not np.isnan(share):
            draw_box(bar, (16, 22, max(12, round(120 * share)), 20), colour, radius=6)
        draw_text(bar, text, (148, middle), 1.3 * _FONT_PX, colour, tabular=True)
        left = 230.0 if not np.isnan(share) else 310.0
        count = f"{place.repetitions} repetition" + "s" * (place.repetitions != 1)
        draw_text(bar, count, (left, middle), _FONT_PX, BRIGHT)
        left += text_width(count, _FONT_PX) + 28
    pace = f"{status.fps:.0f} fps, {1000 * status.delay_s:.0f} ms"
    room = width - 16 - text_width(pace, 0.7 * _FONT_PX)
    if room > left:
        draw_text(bar, pace, (width - 16, middle), 0.7 * _FONT_PX, DIM, anchor="right")
    if status.label and room - left > 60:
        draw_text(bar, elide(status.label, 1.1 * _FONT_PX, room - left - 20), (left, middle),
                  1.1 * _FONT_PX, BRIGHT)  # fmt: skip
    return bar
