"""MediaPipe's landmarkers: one that tracks a person over a clip, one for single pictures."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vipecli.errors import WeightsError
from vipecli.poses.tracking import XY, distinct

_DETECTION_CONFIDENCE = 0.3  # chosen in docs/detection.md
_LONGEST_REASON = 400  # characters, of what the native code says
MOST_PEOPLE = 2
"""People found at a time in a single picture; every one that might be there costs as much."""

_MOST_FRAMES = 200_000  # per landmarker, since some versions leak; see docs/detection.md
T = TypeVar("T")

_NATIVE_ERRORS = RuntimeError, ValueError, OSError, IndexError
"""What MediaPipe raises; which of them for the same fault depends on its release."""


class VideoLandmarker:
    """Landmarker of one person who is tracked from picture to picture of a clip.

    Parameters
    ----------
    model
        pose landmarker bundle.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._session: _Session | None = None

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        """Detect the tracked person; a list of one or none, as `vipecli.poses.tracking` describes.

        Parameters
        ----------
        rgb
            shape (H, W, 3) uint8.
        time_s
            presentation time, seconds, increasing.
        size
            width and height that the coordinates refer to, pixels.
        """
        self._session = _fresh(self._session, self._model, 1, video=True)
        return self._session.people(rgb, time_s, size)

    def forget(self, rgb: np.ndarray, time_s: float) -> None:
        """Drop the track, so that the person is re-detected in the next picture."""
        self.people(np.zeros_like(rgb), time_s, rgb.shape[1::-1])

    def close(self) -> None:
        """Free the native landmarker."""
        if self._session:
            self._session.close()
            self._session = None


class ImageLandmarker:
    """Landmarker of everyone in single pictures.

    All clips of a process share one native landmarker, since each takes 90 MB; it is there as
    long as one of them is. Get it by `still`, and call `close` as often.

    Parameters
    ----------
    model
        pose landmarker bundle.
    """

    def __init__(self, model: Path) -> None:
        self._model, self._lock, self._users = model, threading.Lock(), 0
        self._session: _Session | None = None

    def open(self) -> "ImageLandmarker":
        """Count one more user."""
        with self._lock:
            self._users += 1
        return self

    def people(self, rgb: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
        """Detect up to `MOST_PEOPLE`; parameters as those of `VideoLandmarker.people`."""
        with self._lock:
            self._session = _fresh(self._session, self._model, MOST_PEOPLE, video=False)
            return self._session.people(rgb, 0.0, size)

    def close(self) -> None:
        """Free the native landmarker if this was its last user."""
        with self._lock:
            self._users -= 1
            if self._session and not self._users:
                self._session.close()
                self._session = None


_still = functools.cache(ImageLandmarker)


def still(model: Path) -> ImageLandmarker:
    """Return the shared landmarker of single pictures; to be closed."""
    return _still(model).open()


def _fresh(session: "_Session | None", model: Path, most_people: int, *, video: bool) -> "_Session":
    """Return the session, or a new one if there is none, or it has been used up."""
    if session and session.frames < _MOST_FRAMES:
        return session
    if session:
        session.close()
    return _Session(model, most_people, video=video)


class _Session:
    """One native landmarker, which tracks people over the pictures given to it (video)."""

    def __init__(self, model: Path, most_people: int, *, video: bool) -> None:
        self._model = model
        with quiet():
            from mediapipe.tasks.python import BaseOptions, vision

            options = vision.PoseLandmarkerOptions(
                base_options=BaseOptions(model_asset_path=str(model)),
                running_mode=vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE,
                num_poses=most_people,
                min_pose_detection_confidence=_DETECTION_CONFIDENCE,
            )
            create = vision.PoseLandmarker.create_from_options
            self._native = self._blaming_the_model(lambda: create(options))
        self.frames = 0
        self._video, self._last_ms, self._found_one = video, -1, False

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        import mediapipe

        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        self.frames += 1
        # The native code complains on stderr at its first run and at the first person.
        with contextlib.nullcontext() if self._found_one else quiet():
            result = self._blaming_the_model(lambda: self._detect(image, time_s))
        self._found_one = self._found_one or bool(result.pose_landmarks)
        both = zip(result.pose_landmarks, result.pose_world_landmarks, strict=True)
        found = [as_array(image_points, world_points, size) for image_points, world_points in both]
        return distinct([person for person in found if _is_somebody(person)])

    def _detect(self, image: object, time_s: float) -> Any:
        if not self._video:
            return self._native.detect(image)
        # MediaPipe smooths by time, so tell it the true one, but it must increase strictly.
        self._last_ms = max(round(time_s * 1000), self._last_ms + 1)
        return self._native.detect_for_video(image, self._last_ms)

    def _blaming_the_model(self, call: Callable[[], T]) -> T:
        """Return what a call of the native code does; its complaint is one of the model file."""
        try:
            return call()
        except _NATIVE_ERRORS as exc:
            # the last line says what was wrong, those before where it came up
            reason = (str(exc).split("\n")[-1].strip() or type(exc).__name__)[:_LONGEST_REASON]
            message = f"{self._model}: the pose model cannot be used ({reason})"
            # frames of the native landmarker's methods would keep it beyond `close`
            raise WeightsError(message) from exc.with_traceback(None)

    def close(self) -> None:
        """Free the native landmarker.

        MediaPipe frees one that failed again in its ``__del__``: that complains, and waits for ever
        if the thread it needs was collected first. So the last reference goes here.
        """
        with quiet():
            try:
                self._native.close()
            except _NATIVE_ERRORS as exc:  # said before, by what was run
                exc.with_traceback(None)  # as above
            del self._native


def as_array(image_points: list, world_points: list, size: tuple[int, int]) -> np.ndarray:
    """Shape (33, 7) float32, as `vipecli.poses.tracking` describes; z is scaled like x."""
    width, height = size
    rows = [
        (i.x * width, i.y * height, i.z * width, i.visibility, w.x, w.y, w.z)
        for i, w in zip(image_points, world_points, strict=True)
    ]
    return np.array(rows, np.float32)


def _is_somebody(person: np.ndarray) -> bool:
    """Whether all is finite and not in one place, as a damaged model gives it."""
    return bool(np.isfinite(person).all() and np.ptp(person[:, XY], axis=0).min() > 0)


_stderr_lock = threading.Lock()
_stderr_quiet = 0  # how many threads are inside `quiet`
_stderr_saved = -1  # where file descriptor 2 pointed before the first of them


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep native code from writing to stderr: its logger obeys no environment variable."""
    global _stderr_quiet, _stderr_saved
    with _stderr_lock:
        if _stderr_quiet == 0:
            _stderr_saved = _silence_stderr()
        _stderr_quiet += 1
    try:
        yield
    finally:
        with _stderr_lock:
            _stderr_quiet -= 1
            if _stderr_quiet == 0 and _stderr_saved >= 0:
                os.dup2(_stderr_saved, 2)
                os.close(_stderr_saved)


def _silence_stderr() -> int:
    """Point file descriptor 2 at nothing; return a copy of it, or -1 if it is closed."""
    try:
        saved = os.dup(2)
    except OSError:
        return -1
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    return saved
