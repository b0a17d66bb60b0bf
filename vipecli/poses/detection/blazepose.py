"""Detection of everyone in each frame of a clip with MediaPipe's pose landmarker.

With one person to follow MediaPipe runs its detector only where it lost them, twice as fast as
with several, and smooths; with several it drops some of them in many frames. So it follows one
person in every frame. The others are found in single pictures, as often as the `Budget` allows, or
in every frame if everyone matters: surveys of the whole frame for new people, and searches in a
window around a lost track.
"""

import importlib.metadata
from pathlib import Path

import numpy as np

from vipecli.poses.boxes import Boxes
from vipecli.poses.detection.background import Background, Frame
from vipecli.poses.detection.budget import Budget, Searches
from vipecli.poses.detection.crops import Window, fits, tiles
from vipecli.poses.detection.mediapipe_session import (
    MOST_PEOPLE,
    ImageLandmarker,
    VideoLandmarker,
    still,
)
from vipecli.poses.tracking import (
    CLOTHES,
    XY,
    Tracks,
    body_size,
    distance,
    distinct,
    torso_angle,
    with_others,
)

MEASURES = frozenset(["again", "turn", "small"])
"""Extra steps of `BlazePose` for people who are hard to detect."""

_SURVEY_S = 0.5  # between surveys; twice that after each that found nobody new, up to:
_LONGEST_SURVEY_S = 2.0  # with one person in view:
_LONGEST_ALONE_S = 1.0
_SURVEY_FRAMES = 5  # between surveys at least, where frames are few
_SEARCH_S = 1.5  # how long a lost track is searched
_MISSED = 1  # frames without the person who is followed, until they are followed in a window
_UPRIGHT_DEG = 45.0  # trunks that lean more are verified, since MediaPipe errs there
# Two detections that agree are not repeated for this long, while the person moves as expected:
_TRUST_S = 0.2
_STEADY = 0.05  # body sizes from what is expected
_AGREE = 0.12  # body sizes between two detections of one person that agree
_REMEMBERED_S = 2.0  # of a track, more than what is expected of it depends on
_PATCH = 0.01  # half a side of the square whose colour a landmark has, body sizes
_OBLONG = 1.2  # ratio of the sides of a frame that is searched in parts even where someone is found
_TILES = (1.0, 0.5)  # windows in which small people are searched, by the frame's shorter side
_LARGER = 1.25  # times the size of the one followed in a window: to be followed instead
_LARGEST_SIDE = 1920  # pixels; larger pictures only cost time, MediaPipe shrinks them itself


class BlazePose:
    """Detector of the people in the frames of one clip, given in order; a context manager.

    Parameters
    ----------
    model
        pose landmarker bundle, as `vipecli.poses.detection.model_file.model_path` gives it.
    measures
        what is done beside following a person over whole frames: ``again`` searches lost tracks
        in a window around the expected place, ``turn`` verifies people who are not upright in a
        window in which they are, ``small`` searches parts of the frame. `benchmarks.poses`
        shows what each of them brings.
    everyone
        look for everyone in every frame, at the cost of half as much again as of the first one for
        each; False = the largest one matters, and others are found as often as is cheap.

    Attributes
    ----------
    owners
        of the people in the newest frame those who continue a track, as `Tracks.match` returns it,
        if every frame is added to tracks.
    """

    def __init__(
        self, model: Path, *, measures: frozenset[str] = MEASURES, everyone: bool = False
    ) -> None:
        self._model = model
        self._measures = measures
        self._everyone = everyone
        self._one = VideoLandmarker(model)
        self._still: ImageLandmarker | None = None
        self._window: Window | None = None
        self._missed = 0  # frames in a row in which MediaPipe followed nobody
        self._budget = Budget(everyone=everyone)
        self._searches = Searches(everyone=everyone)
        self._next_survey = (-np.inf, 0)  # not before this time, nor before this frame
        self._survey_s, self._surveys, self._surveyed_s = _SURVEY_S, 0, -np.inf
        self._background: Background | None = None
        self._tracks = Tracks()
        self.owners: dict[int, int] | None = None
        self._trusted_until_s: dict[int, float] = {}  # by track, as `_TRUST_S` says
        self._frames = 0

    @property
    def name(self) -> str:
        """Name and version of the detector."""
        return f"mediapipe-{importlib.metadata.version('mediapipe')}-full"

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        """Detect everyone in the next frame; arrays as `vipecli.poses.tracking` describes.

        Parameters
        ----------
        rgb
            shape (H, W, 3) uint8, as `prepare` gives it.
        time_s
            presentation time, seconds, increasing.
        size
            width and height that the coordinates refer to, pixels.
        """
        frame = Frame(rgb, time_s, size)
        followed = self._followed(frame)
        surveyed = self._surveyed(frame, followed)
        self._turn_to_larger(frame, followed, surveyed)
        found = [_coloured(frame, person) for person in surveyed]
        owners = self._tracks.match(time_s, found)
        verified = self._verified(frame, found, owners)
        changed = any(a is not b for a, b in zip(verified, found, strict=True))
        if changed:
            verified = [p if p.shape[1] > 7 else _coloured(frame, p) for p in verified]
            owners = self._tracks.match(time_s, verified)
        lost = self._lost(frame, verified, owners) if "again" in self._measures else []
        more = self._redetected(frame, verified, lost)
        found = with_others(verified, [_coloured(frame, person) for person in more])
        if changed or more:
            found = distinct(found)
            owners = self._tracks.match(time_s, found)
        self._tracks.add(self._frames, time_s, found, owners=owners)
        self.owners = owners
        for track in self._tracks.tracks:
            track.forget(time_s - _REMEMBERED_S)
        self._missed = 0 if followed else self._missed + 1
        if found and self._missed >= _MISSED:
            self._window = self._around(max(found, key=body_size))
        self._frames += 1
        return found

    def _followed(self, frame: Frame) -> list[np.ndarray]:
        """Return the person whom MediaPipe follows, in the whole frame or in a window around them.

        The window is for people whom MediaPipe's detector does not find in the whole frame: those
        who are small, or half hidden. It stays where it is while they are well inside, since the
        follower expects them where they were in the picture before.
        """
        if self._window is None:
            found = self._one.people(frame.rgb, frame.time_s, frame.size)
            self._budget.earn(followed=bool(found))
            return found
        scale = frame.rgb.shape[1] / frame.size[0]
        part = self._window.cut(frame.rgb, scale)
        inside = self._one.people(part, frame.time_s, part.shape[1::-1])
        found = [self._window.back(person, scale) for person in inside]
        if not found:
            self._window = None
        elif not fits(inside[0], part.shape[0]):
            self._window = self._around(found[0])
            self._one.forget(part, frame.time_s)
        return found

    def _turn_to_larger(
        self, frame: Frame, followed: list[np.ndarray], surveyed: list[np.ndarray]
    ) -> None:
        """Follow somebody new in a window who is larger than the one followed there so far."""
        if self._window is None or not followed:
            return
        largest = max(surveyed, key=body_size)
        if body_size(largest) > _LARGER * body_size(followed[0]):
            self._window = self._around(largest)
            self._one.forget(frame.rgb, frame.time_s)

    def _surveyed(self, frame: Frame, found: list[np.ndarray]) -> list[np.ndarray]:
        """Return the people, plus new ones if a survey is due and the background has changed.

        While someone is followed in a window the rest of the frame is surveyed now and then
        whatever it costs.
        """
        earliest_s, earliest_frame = self._next_survey
        due = frame.time_s >= earliest_s and self._frames >= earliest_frame
        unseen = self._window and frame.time_s >= self._surveyed_s + _LONGEST_ALONE_S
        if not due or not (self._budget.allows() or unseen):
            return found
        self._surveyed_s, paid = frame.time_s, self._budget.allows()
        background = Background.of(frame, found)
        if self._background is None or background.may_show_others(self._background):
            known, alone = len(self._recent(frame)), len(found) <= 1
            found = self._survey(frame, found, in_parts=paid)
            nobody_new = len(found) <= max(known, 1)
            longest = _LONGEST_ALONE_S if len(found) <= 1 else _LONGEST_SURVEY_S
            longest = _SURVEY_S if self._everyone else longest
            self._survey_s = min(2 * self._survey_s, longest) if nobody_new else _SURVEY_S
            self._background = background if alone and len(found) == 1 else None
        self._next_survey = (frame.time_s + self._survey_s, self._frames + _SURVEY_FRAMES)
        return found

    def _survey(self, frame: Frame, found: list[np.ndarray], *, in_parts: bool) -> list[np.ndarray]:
        """Return the people, plus the others in view.

        A tracked person keeps the joints of the tracker: those of the single picture lie
        10 to 18 pixels beside them on real film, and would make them leap for one frame.
        """
        self._surveys += 1
        more = True
        while more:  # a single picture shows a few people at most
            others = self._without(frame, found, self._absent(frame, found))
            new = self._detect(others.rgb, frame.size)
            more = len(new) == MOST_PEOPLE and len(with_others(found, new)) > len(found)
            found = with_others(found, new)
        small = "small" in self._measures and in_parts
        return self._in_parts(frame, found) if small else found

    def _in_parts(self, frame: Frame, found: list[np.ndarray]) -> list[np.ndarray]:
        """Return the people, plus those found in parts of the frame, smaller parts if need be."""
        for share in _TILES:
            if share == 1 and max(frame.size) < _OBLONG * min(frame.size):
                continue
            if share < 1 and (found or self._recent(frame)):
                break
            windows = list(tiles(frame.size, share))
            if found and self._surveys > 1:  # one part at a time, in turn: others are known by now
                windows = [windows[self._surveys % len(windows)]]
            others = self._without(frame, found, self._absent(frame, found))
            parts = [self._detect_in(others, window) for window in windows]
            found = with_others(found, [person for part in parts for person in part])
        return found

    def _recent(self, frame: Frame) -> list[int]:
        """Return the tracks of the people who should be in view."""
        tracks = self._tracks.tracks
        return [i for i, one in enumerate(tracks) if frame.time_s - one.last_s <= _SEARCH_S]

    def _absent(self, frame: Frame, found: list[np.ndarray]) -> list[np.ndarray]:
        """Return where the people should be who should be in view and were not found."""
        there = set(self._tracks.match(frame.time_s, found).values())
        absent = [self._tracks.tracks[t] for t in self._recent(frame) if t not in there]
        return [track.expected(frame.time_s) for track in absent]

    @staticmethod
    def _without(frame: Frame, found: list[np.ndarray], lost: list[np.ndarray]) -> Frame:
        """Return the frame without the people found but those who may hide a lost one."""
        if not found or not lost:
            return frame.without(found)
        hiding = (Boxes(found).shared(Boxes(lost)) > 0).any(axis=1)
        return frame.without([p for p, hides in zip(found, hiding, strict=True) if not hides])

    def _lost(self, frame: Frame, found: list[np.ndarray], owners: dict[int, int]) -> list[int]:
        """Return the lost tracks of people who should be in view and are due for a search."""
        there = set(owners.values())
        absent = {}
        for t in self._recent(frame):
            if t not in there:
                expected = self._tracks.tracks[t].expected(frame.time_s)
                absent[t] = bool(found) and bool((Boxes([expected]).shared(Boxes(found)) > 0).any())
        return self._searches.due(absent, frame.time_s)

    def _redetected(
        self, frame: Frame, found: list[np.ndarray], lost: list[int]
    ) -> list[np.ndarray]:
        """Return the people of lost tracks re-detected where predicted, within the budget."""
        out: list[np.ndarray] = []
        for t in lost:
            if not self._budget.allows():
                break
            expected = self._tracks.tracks[t].expected(frame.time_s)
            near = self._near(self._without(frame, found, [expected]), expected)
            matched = t in self._tracks.match(frame.time_s, near).values()
            self._searches.note(t, frame.time_s, found=matched)
            out += near
        return out

    def _verified(
        self, frame: Frame, found: list[np.ndarray], owners: dict[int, int]
    ) -> list[np.ndarray]:
        """Return the people; those not upright as two of three detections agree."""
        if "turn" not in self._measures:
            return found
        return [
            self._second_opinion(frame, person, owners[p]) if p in owners else person
            for p, person in enumerate(found)
        ]

    def _second_opinion(self, frame: Frame, person: np.ndarray, number: int) -> np.ndarray:
        """Return the person of a track, or the pose on which two of three detections agree."""
        if not self._is_doubtful(frame, person, number):
            return person
        expected = self._tracks.tracks[number].expected(frame.time_s)
        second = self._near(frame, expected)
        if not second:
            return person
        if distance(second[0], person) < _AGREE:
            self._trusted_until_s[number] = frame.time_s + _TRUST_S
            return person
        third = self._near(frame, expected, 180.0)
        if third and distance(third[0], person) < _AGREE:
            return person
        if not third or distance(third[0], second[0]) > _AGREE:
            return min(person, second[0], *third[:1], key=lambda one: distance(one, expected))
        self._one.forget(frame.rgb, frame.time_s)
        return second[0]

    def _is_doubtful(self, frame: Frame, person: np.ndarray, number: int) -> bool:
        """Return whether a person is not upright and has not been verified recently."""
        track = self._tracks.tracks[number]
        if max(abs(torso_angle(person)), abs(torso_angle(track.people[-1]))) < _UPRIGHT_DEG:
            return False
        trusted = frame.time_s < self._trusted_until_s.get(number, -np.inf)
        if trusted and distance(person, track.expected(frame.time_s)) < _STEADY:
            return False
        return self._budget.allows()

    def _around(self, person: np.ndarray, turn_deg: float = 0.0) -> Window:
        """Return the window around a person, in which they are upright, turned by an angle."""
        angle = torso_angle(person) if "turn" in self._measures else 0.0
        return Window.around(person, angle + turn_deg)

    def _near(self, frame: Frame, person: np.ndarray, turn_deg: float = 0.0) -> list[np.ndarray]:
        """Detect people around a predicted one, turned upright there; the likeliest first."""
        found = self._detect_in(frame, self._around(person, turn_deg))
        return sorted(found, key=lambda one: distance(one, person))

    def _detect_in(self, frame: Frame, window: Window) -> list[np.ndarray]:
        """Detect everyone in a part of a frame."""
        scale = frame.rgb.shape[1] / frame.size[0]
        part = window.cut(frame.rgb, scale)
        found = self._detect(part, part.shape[1::-1])
        return [window.back(person, scale) for person in found]

    def _detect(self, rgb: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
        """Detect everyone in a single picture, charged to the budget."""
        if self._still is None:
            self._still = still(self._model)
        found = self._still.people(rgb, size)
        self._budget.spend(len(found))
        return found

    def __enter__(self) -> "BlazePose":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Free the native landmarkers."""
        self._one.close()
        if self._still:
            self._still.close()
            self._still = None


def prepare(rgb: np.ndarray) -> np.ndarray:
    """Return a picture for `BlazePose.people`, at most 1920 pixels on its longer side."""
    scale = _LARGEST_SIDE / max(rgb.shape[:2])
    if scale >= 1:
        return rgb
    import cv2

    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _coloured(frame: Frame, person: np.ndarray) -> np.ndarray:
    """Append the colours of the clothes, each the mean of a small square; black outside."""
    import cv2

    scale = frame.rgb.shape[1] / frame.size[0]
    reach = max(1, round(_PATCH * body_size(person) * scale))
    colours = np.zeros((len(person), 3), np.float32)
    low = np.maximum(0, person[CLOTHES, XY] * scale - reach).astype(int).tolist()
    high = np.maximum(0, person[CLOTHES, XY] * scale + reach + 1).astype(int).tolist()
    for i, (left, top), (right, bottom) in zip(CLOTHES, low, high, strict=True):
        if (patch := frame.rgb[top:bottom, left:right]).size:
            colours[i] = cv2.mean(patch)[:3]
    return np.column_stack([person[:, :7], colours])
