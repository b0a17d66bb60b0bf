"""Frames of a clip for a preview of its poses: evenly in time, at true speed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from vipecli.video.read import read_frames
from vipecli.video.source import AnyClip

_LARGEST = 720  # pixels of height


class Shown(NamedTuple):
    """A frame of a preview.

    Attributes
    ----------
    time_s
        its time in the clip, seconds.
    picture
        shape (H, W, 3) uint8 BGR, a new array.
    taken_s
        time of the clip's frame that is shown, seconds; not after `time_s`, but for rounding.
    over
        the clip has no more frames, its last picture stays.
    """

    time_s: float
    picture: np.ndarray
    taken_s: float
    over: bool


def preview_format(
    times: np.ndarray, size: tuple[int, int]
) -> tuple[float, float, tuple[int, int]]:
    """Return frames per second, scale, and even width and height of a preview of a clip.

    Parameters
    ----------
    times
        shape (T,), seconds; 30 frames per second if T is 1.
    size
        width and height of the clip, pixels.
    """
    fps = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 30.0
    scale = min(1.0, _LARGEST / size[1])
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    return float(fps), scale, (width, height)


def even_frames(
    clip: AnyClip, *, size: tuple[int, int], start_s: float, end_s: float, fps: float
) -> Iterator[Shown]:
    """Frames of a preview, `fps` a second; of more or uneven frames of the clip the latest.

    Parameters
    ----------
    clip
        video, or folder of frames.
    size
        width and height of the pictures.
    start_s, end_s
        times of the first frame, and up to which there are frames, seconds.

    Raises
    ------
    VideoError
        as `read_frames`.
    """
    step = 1 / fps
    count = int((end_s - start_s) / step + 1e-6) + 1
    done, taken_s, last = 0, start_s, None
    for time_s, image in read_frames(clip, size=size, start_s=start_s - 1e-6):
        while last is not None and done < count and start_s + done * step < time_s - step / 4:
            yield Shown(start_s + done * step, last.copy(), taken_s, over=False)
            done += 1
        if done == count:
            return
        taken_s, last = time_s, image
    while last is not None and done < count:
        now = start_s + done * step
        yield Shown(now, last.copy(), taken_s, over=now > taken_s + step / 4)
        done += 1
