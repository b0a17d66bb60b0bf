"""MediaPipe's pose landmarker: everyone in each picture of a clip."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.people import XY, Track, Tracks, body_size, distance, distinct, torso_angle
from vipecli.windows import Window, tiles

MEASURES = frozenset(["again", "turn", "small"])
"""What `BlazePose` does for people who are hard to find."""

# The detector's default of 0.5 loses frames of small people; 0.2 sees people in trees.
_DETECTION_CONFIDENCE = 0.3
_MOST_PEOPLE = {"one": 1, "survey": 4, "near": 2}  # found at a time, by use of a session
# With one person to follow MediaPipe runs its detector only where it lost them, twice as fast
# as with several, and smooths; with several it drops some of them in many frames. So follow one
# always, look for others now and then, and look again, from near, for whoever is missing then.
_SURVEY_S = 0.5  # twice that after a survey that saw nobody else, up to:
_LONGEST_SURVEY_S = 1.0
_SOUGHT_S = 1.5  # how long to look in every frame for somebody who is missing
_UPRIGHT_DEG = 45.0  # trunks that lean more are looked at twice, since MediaPipe errs there
_AGREE = 0.12  # body sizes between two looks at one person that tell the same
_PATCH = 0.01  # half a side of the square whose colour a landmark has, body sizes
_OBLONG = 1.2  # sides of a picture that is looked at in parts even where somebody is found
_TILES = (1.0, 0.5)  # windows in which small people are sought, by the picture's shorter side
_MOST_FRAMES = 3000  # per session: long sessions leak memory in some versions
_LARGEST_SIDE = 1920  # pixels; larger pictures only cost time, MediaPipe shrinks them itself


class BlazePose:
    """People in the pictures of one clip, given in order; a context manager.

    Parameters
    ----------
    model
        pose landmarker bundle, as `vipecli.landmarker.model_path` gives it.
    measures
        what is done beside following people over the whole picture: ``again`` looks from near
        for who is missing, ``turn`` looks twice at who is not upright, in a window in which they
        are, ``small`` looks in parts of the picture where nobody is found. `benchmarks.poses`
        tells what each of them is good for.
    """

    def __init__(self, model: Path, *, measures: frozenset[str] = MEASURES) -> None:
        self._model = model
        self._measures = measures
        self._sessions: dict[str, _Session] = {}
        self._next_survey_s = -np.inf
        self._survey_s = _SURVEY_S
        self._tracks = Tracks()
        self._frames = 0

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
        look = _Look(rgb, time_s, size)
        found = [_coloured(look, person) for person in self._wide(look)]
        found = self._checked(look, found)
        found = distinct(found + self._missing(look, found))
        found = [_coloured(look, person) for person in found]
        self._tracks.add(self._frames, time_s, found)
        self._frames += 1
        return found

    def _wide(self, look: "_Look") -> list[np.ndarray]:
        """People found in the whole picture, and in parts of it where that shows nobody."""
        found = self._session("one").people(look.rgb, look.time_s, look.size)
        if look.time_s < self._next_survey_s:
            return found
        found = distinct(found + self._session("survey").people(look.rgb, look.time_s, look.size))
        if "small" in self._measures:
            found = self._in_parts(look, found)
        self._survey_s = _SURVEY_S if len(found) > 1 else min(2 * self._survey_s, _LONGEST_SURVEY_S)
        self._next_survey_s = look.time_s + self._survey_s
        return found

    def _in_parts(self, look: "_Look", found: list[np.ndarray]) -> list[np.ndarray]:
        """The same people, and those whom parts of the picture show, smaller ones if need be."""
        for share in _TILES:
            if share == 1 and max(look.size) < _OBLONG * min(look.size):
                continue
            if share < 1 and (found or self._sought(look)):
                break
            parts = [self._through(look, window, "survey") for window in tiles(look.size, share)]
            found = distinct(found + [person for part in parts for person in part])
        return found

    def _sought(self, look: "_Look") -> list[int]:
        """Tracks of the people who should be in view."""
        tracks = self._tracks.tracks
        return [i for i, one in enumerate(tracks) if look.time_s - one.last_s <= _SOUGHT_S]

    def _missing(self, look: "_Look", found: list[np.ndarray]) -> list[np.ndarray]:
        """People who should be in view, found by looking where they should be."""
        if "again" not in self._measures:
            return []
        there = set(self._tracks.match(look.time_s, found).values())
        again = []
        for t in self._sought(look):
            if t not in there:
                expected = self._tracks.tracks[t].expected(look.time_s)
                again += self._near(look, expected)
        return again

    def _checked(self, look: "_Look", found: list[np.ndarray]) -> list[np.ndarray]:
        """The same people, looked at twice where they are not upright: two looks out of three."""
        if "turn" not in self._measures:
            return found
        owners = self._tracks.match(look.time_s, found)
        return [
            self._second_opinion(look, person, self._tracks.tracks[owners[p]])
            if p in owners
            else person
            for p, person in enumerate(found)
        ]

    def _second_opinion(self, look: "_Look", person: np.ndarray, track: Track) -> np.ndarray:
        before = track.people[-1]
        if max(abs(torso_angle(person)), abs(torso_angle(before))) < _UPRIGHT_DEG:
            return person
        expected = track.expected(look.time_s)
        second = self._near(look, expected)
        if not second or distance(second[0], person) < _AGREE:
            return person
        third = self._near(look, expected, 180.0)
        if third and distance(third[0], person) < _AGREE:
            return person
        if not third or distance(third[0], second[0]) > _AGREE:
            return min(person, second[0], *third[:1], key=lambda one: distance(one, expected))
        self._session("one").forget(look)
        return second[0]

    def _near(self, look: "_Look", person: np.ndarray, turn_deg: float = 0.0) -> list[np.ndarray]:
        """Who is found where a person should be, upright there; the likeliest first."""
        angle = torso_angle(person) if "turn" in self._measures else 0.0
        found = self._through(look, Window.around(person, angle + turn_deg), "near")
        return sorted(found, key=lambda one: distance(one, person))

    def _through(self, look: "_Look", window: Window, use: str) -> list[np.ndarray]:
        scale = look.rgb.shape[1] / look.size[0]
        part = window.cut(look.rgb, scale)
        found = self._session(use).people(part, look.time_s, part.shape[1::-1])
        return [window.back(person, scale) for person in found]

    def _session(self, use: str) -> "_Session":
        """Session for a use, fresh at first and where the last one is worn."""
        session = self._sessions.get(use)
        if session is None or session.frames >= _MOST_FRAMES:
            if session:
                session.close()
            session = _Session(self._model, _MOST_PEOPLE[use], video=use == "one")
            self._sessions[use] = session
        return session

    def __enter__(self) -> "BlazePose":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the native sessions."""
        for session in self._sessions.values():
            session.close()


def prepare(rgb: np.ndarray) -> np.ndarray:
    """Picture for `BlazePose.people`, at most 1920 pixels on its longer side."""
    scale = _LARGEST_SIDE / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    import cv2

    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class _Look:
    """One picture: (H, W, 3), its time, and the width and height that coordinates refer to."""

    rgb: np.ndarray
    time_s: float
    size: tuple[int, int]


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

    def forget(self, look: "_Look") -> None:
        """Lose sight of the person, so that the next picture is looked at afresh."""
        self.people(np.zeros_like(look.rgb), look.time_s, look.size)

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


def _coloured(look: _Look, person: np.ndarray) -> np.ndarray:
    """Add the colour of the picture at each landmark, a mean over a small square; black outside."""
    import cv2

    scale = look.rgb.shape[1] / look.size[0]
    reach = max(1, round(_PATCH * body_size(person) * scale))
    colours = np.zeros((len(person), 3), np.float32)
    low = np.maximum(0, person[:, XY] * scale - reach).astype(int)
    high = np.maximum(0, person[:, XY] * scale + reach + 1).astype(int)
    for i, ((left, top), (right, bottom)) in enumerate(zip(low, high, strict=True)):
        if (patch := look.rgb[top:bottom, left:right]).size:
            colours[i] = cv2.mean(patch)[:3]
    return np.column_stack([person[:, :7], colours])


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
