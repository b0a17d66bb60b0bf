"""MediaPipe's pose landmarker: everyone in each picture of a clip."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipecli.people import distinct

# The detector's default of 0.5 loses frames of small people; 0.2 sees people in trees.
_DETECTION_CONFIDENCE = 0.3
_MOST_PEOPLE = 4
# With one person to follow MediaPipe runs its detector only where it lost them, twice as fast
# as with several, and smooths; with several it drops some of them in many frames. So follow one
# always, look for others now and then, and follow several beside that only while there are.
_SURVEY_S = 0.5  # twice that after a survey that saw nobody else, up to:
_LONGEST_SURVEY_S = 1.0
_CROWD_S = 3.0  # how long to go on looking for several after the last sight of two
_MOST_FRAMES = 3000  # per session: long sessions leak memory in some versions
_LARGEST_SIDE = 1920  # pixels; larger pictures only cost time, MediaPipe shrinks them itself


class BlazePose:
    """People in the pictures of one clip, given in order; a context manager.

    Parameters
    ----------
    model
        pose landmarker bundle, as `vipecli.landmarker.model_path` gives it.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._sessions: dict[str, _Session] = {}
        self._next_survey_s = -np.inf
        self._survey_s = _SURVEY_S
        self._crowd_until_s = -np.inf

    @property
    def name(self) -> str:
        """Detector and version, for the record."""
        import mediapipe

        return f"mediapipe-{mediapipe.__version__}-full"

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        """Everyone found in the next picture, as arrays that `vipecli.people` describes.

        Parameters
        ----------
        rgb
            shape (H, W, 3) uint8, as `prepare` gives it.
        time_s
            presentation time, seconds, increasing.
        size
            width and height that the coordinates refer to, pixels.
        """
        found = self._session("one").people(rgb, time_s, size)
        if time_s < self._crowd_until_s:
            found += self._session("several").people(rgb, time_s, size)
        elif time_s >= self._next_survey_s:
            self._next_survey_s = time_s + self._survey_s
            self._survey_s = min(2 * self._survey_s, _LONGEST_SURVEY_S)
            found += self._session("survey").people(rgb, time_s, size)
        found = distinct(found)
        if len(found) > 1:
            self._crowd_until_s, self._survey_s = time_s + _CROWD_S, _SURVEY_S
        return found

    def _session(self, use: str) -> "_Session":
        """Session for a use, fresh at first and where the last one is worn."""
        session = self._sessions.get(use)
        if session is None or session.frames >= _MOST_FRAMES:
            if session:
                session.close()
            most_people = 1 if use == "one" else _MOST_PEOPLE
            session = _Session(self._model, most_people, video=use != "survey")
            self._sessions[use] = session
        return session

    def __enter__(self) -> "BlazePose":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the native sessions."""
        for session in self._sessions.values():
            session.close()


def prepare(bgr: np.ndarray) -> np.ndarray:
    """RGB picture for `BlazePose.people`, at most 1920 pixels on its longer side."""
    import cv2

    scale = _LARGEST_SIDE / max(bgr.shape[:2])
    if scale < 1:
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


class _Session:
    """One native landmarker, which follows people over the pictures given to it (video)."""

    def __init__(self, model: Path, most_people: int, *, video: bool) -> None:
        with _quiet():
            from mediapipe.tasks.python import BaseOptions, vision

            mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
            self._native = vision.PoseLandmarker.create_from_options(
                vision.PoseLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(model)),
                    running_mode=mode,
                    num_poses=most_people,
                    min_pose_detection_confidence=_DETECTION_CONFIDENCE,
                )
            )
        self.frames = 0
        self._video, self._last_ms, self._found_one = video, -1, False

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        import mediapipe

        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb)
        self.frames += 1
        # The native code complains on stderr at its first run and at the first person.
        with contextlib.nullcontext() if self._found_one else _quiet():
            result = self._detect(image, time_s)
        self._found_one = self._found_one or bool(result.pose_landmarks)
        return distinct(
            [
                _as_array(image_points, world_points, size)
                for image_points, world_points in zip(
                    result.pose_landmarks, result.pose_world_landmarks, strict=True
                )
            ]
        )

    def _detect(self, image: object, time_s: float) -> object:
        if not self._video:
            return self._native.detect(image)
        # MediaPipe smooths by time, so tell it the true one, but it must increase strictly.
        self._last_ms = max(round(time_s * 1000), self._last_ms + 1)
        return self._native.detect_for_video(image, self._last_ms)

    def close(self) -> None:
        self._native.close()


def _as_array(image_points: list, world_points: list, size: tuple[int, int]) -> np.ndarray:
    """Shape (33, 7) float32, as `vipecli.people` describes; z is scaled like x."""
    width, height = size
    rows = [
        (i.x * width, i.y * height, i.z * width, i.visibility, w.x, w.y, w.z)
        for i, w in zip(image_points, world_points, strict=True)
    ]
    return np.array(rows, np.float32)


_stderr_lock = threading.Lock()
_stderr_quiet = 0  # how many threads are inside `_quiet`
_stderr_saved = -1  # where file descriptor 2 pointed before the first of them


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
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
