"""The newest frame of a camera, or of a clip that runs at its own speed; late ones are dropped."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.errors import VideoError
from vipecli.video.read import read_frames
from vipecli.video.source import AnyClip

_PATIENCE_S = 5.0  # without a picture a camera counts as gone

Frames = Iterator[tuple[float, float, NDArray[np.uint8]]]
"""Presentation time, the moment of `time.perf_counter` at which it was due, and BGR picture."""


@dataclass(frozen=True)
class Frame:
    """One frame as it came.

    Attributes
    ----------
    time_s
        presentation time, seconds.
    due_s
        when it was there to be shown, on the clock of `time.perf_counter`.
    image
        shape (H, W, 3) uint8 BGR.
    """

    time_s: float
    due_s: float
    image: NDArray[np.uint8]


class Feed:
    """Frames that come on their own, of which the newest counts; a context manager.

    Parameters
    ----------
    frames
        opens the frames, `camera` or `paced`; runs in a thread.

    Examples
    --------
    >>> with Feed(lambda: paced("squat.mp4")) as feed:  # doctest: +SKIP
    ...     while frame := feed.newest():
    ...         print(frame.time_s, feed.dropped)
    """

    def __init__(self, frames: Callable[[], Frames]) -> None:
        self._frames = frames
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._error: BaseException | None = None
        self._ended = self._stopped = False
        self.dropped = 0

    def newest(self) -> Frame | None:
        """Newest frame, once there is one that was not given before; None at the end.

        Raises
        ------
        VideoError
            if the frames cannot be read, or none came for 5 seconds.
        """
        with self._changed:
            came = self._changed.wait_for(lambda: self._newest or self._ended, _PATIENCE_S)
            if not came:
                raise VideoError(f"no picture for {_PATIENCE_S:g} s; is the camera still there?")
            frame, self._newest = self._newest, None
            if frame is None and self._error is not None:
                raise self._error
            return frame

    def _read(self) -> None:
        try:
            with contextlib.closing(self._frames()) as frames:  # type: ignore[type-var]
                for one in frames:
                    if self._stopped:
                        return
                    self._put(Frame(*one))
        except Exception as exc:  # handed over, not swallowed
            self._error = exc
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _put(self, frame: Frame) -> None:
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = frame
            self._changed.notify_all()

    def __enter__(self) -> "Feed":
        """Start reading."""
        self._thread = threading.Thread(target=self._read, name="vipe-feed", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop reading, and close the camera or the clip."""
        self._stopped = True
        self._thread.join(_PATIENCE_S)


def paced(clip: AnyClip, **options: Any) -> Frames:
    """Frames of a clip, each at its moment; options as those of `read.read_frames`.

    One that is decoded after its moment is due then, as with a camera that is slow.
    """
    offset_s: float | None = None
    for time_s, image in read_frames(clip, **options):
        now = time.perf_counter()
        if offset_s is None:
            offset_s = now - time_s
        due_s = offset_s + time_s
        time.sleep(max(0.0, due_s - now))
        yield time_s, max(due_s, now), image


def camera(number: int) -> Frames:
    """Frames of a camera of this machine, as fast as it gives them; times count from the first.

    Parameters
    ----------
    number
        0 is the first.

    Raises
    ------
    VideoError
        if there is no such camera, or it is in use.
    """
    import cv2

    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise VideoError(
                f"camera {number}: cannot be opened; close other programs that use it, or take "
                "another number; --source CLIP plays a clip instead"
            )
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use
        first_s: float | None = None
        while True:
            came, image = device.read()
            now = time.perf_counter()
            if not came:
                raise VideoError(f"camera {number}: gives no more pictures")
            first_s = now if first_s is None else first_s
            yield now - first_s, now, image.astype(np.uint8, copy=False)
    finally:
        device.release()
