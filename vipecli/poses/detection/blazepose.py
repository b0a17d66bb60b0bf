"""Everyone in each picture of a clip, by MediaPipe's pose landmarker."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.poses.detection.crops import Window, tiles
from vipecli.poses.detection.mediapipe_session import Following, Still, still
from vipecli.poses.tracking import (
    CLOTHES,
    XY,
    Tracks,
    body_size,
    distance,
    torso_angle,
    with_others,
)

MEASURES = frozenset(["again", "turn", "small"])
"""What `BlazePose` does for people who are hard to find."""

# With one person to follow MediaPipe runs its detector only where it lost them, twice as fast
# as with several, and smooths; with several it drops some of them in many frames. So follow one
# always, look for others now and then, and look again, from near, for whoever is missing then.
_SURVEY_S = 0.5  # twice that after a survey that saw nobody else, up to:
_LONGEST_SURVEY_S = 1.0
# With one person in view there is nobody new to see where the rest of the picture stays as it was;
# look all the same after:
_REST_S = 20.0
_SCENE_PX = 128  # longer side of the picture in which changes are sought
_CHANGE = 8.0  # levels of grey; noise leaves 1 or 2 in so small a picture
_AROUND = 0.25  # body sizes around a person in which the picture may change
_SMALLEST = 1 / 8  # of the picture's shorter side: who is smaller is not found; a shadow may be
_SOUGHT_S = 1.5  # how long to look in every frame for somebody who is missing
_UPRIGHT_DEG = 45.0  # trunks that lean more are looked at twice, since MediaPipe errs there
# Two looks that agree are not repeated for this long, while the person goes on as expected:
_TRUST_S = 0.2
_STEADY = 0.05  # body sizes from what is expected
_AGREE = 0.12  # body sizes between two looks at one person that tell the same
_REMEMBERED_S = 2.0  # of those who were seen, more than what is expected of them depends on
_PATCH = 0.01  # half a side of the square whose colour a landmark has, body sizes
_OBLONG = 1.2  # sides of a picture that is looked at in parts even where somebody is found
_TILES = (1.0, 0.5)  # windows in which small people are sought, by the picture's shorter side
_LARGEST_SIDE = 1920  # pixels; larger pictures only cost time, MediaPipe shrinks them itself


class BlazePose:
    """People in the pictures of one clip, given in order; a context manager.

    Parameters
    ----------
    model
        pose landmarker bundle, as `vipecli.poses.detection.model_file.model_path` gives it.
    measures
        what is done beside following people over the whole picture: ``again`` looks from near
        for who is missing, ``turn`` looks twice at who is not upright, in a window in which they
        are, ``small`` looks in parts of the picture where nobody is found. `benchmarks.poses`
        tells what each of them is good for.
    """

    def __init__(self, model: Path, *, measures: frozenset[str] = MEASURES) -> None:
        self._model = model
        self._measures = measures
        self._one = Following(model)
        self._still: Still | None = None
        self._next_survey_s = -np.inf
        self._survey_s = _SURVEY_S
        self._scene: _Scene | None = None
        self._tracks = Tracks()
        self._trusted_until_s: dict[int, float] = {}  # by track, as `_TRUST_S` says
        self._frames = 0

    @property
    def name(self) -> str:
        """Detector and version, for the record."""
        return f"mediapipe-{importlib.metadata.version('mediapipe')}-full"

    def people(self, rgb: np.ndarray, time_s: float, size: tuple[int, int]) -> list[np.ndarray]:
        """Everyone found in the next picture, as arrays that `vipecli.poses.tracking` describes.

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
        found = with_others(found, self._missing(look, found))
        found = [p if p.shape[1] > 7 else _coloured(look, p) for p in found]
        self._tracks.add(self._frames, time_s, found)
        for track in self._tracks.tracks:
            track.forget(time_s - _REMEMBERED_S)
        self._frames += 1
        return found

    def _wide(self, look: "_Look") -> list[np.ndarray]:
        """People found in the whole picture, and in parts of it where that shows nobody."""
        found = self._one.people(look.rgb, look.time_s, look.size)
        if look.time_s < self._next_survey_s:
            return found
        scene = _Scene.of(look, found)
        if self._scene is None or scene.may_show_others(self._scene):
            found = self._survey(look, found)
            alone = len(found) <= 1
            self._survey_s = min(2 * self._survey_s, _LONGEST_SURVEY_S) if alone else _SURVEY_S
            self._scene = scene if len(found) == 1 else None
        self._next_survey_s = look.time_s + self._survey_s
        return found

    def _survey(self, look: "_Look", found: list[np.ndarray]) -> list[np.ndarray]:
        """The same people, and the others in view.

        Whoever is followed keeps the joints that following gives: those of the single picture lie
        10 to 18 pixels beside them on real film, and would make them leap for one frame.
        """
        found = with_others(found, self._stills(look.rgb, look.size))
        return self._in_parts(look, found) if "small" in self._measures else found

    def _in_parts(self, look: "_Look", found: list[np.ndarray]) -> list[np.ndarray]:
        """The same people, and those whom parts of the picture show, smaller ones if need be."""
        for share in _TILES:
            if share == 1 and max(look.size) < _OBLONG * min(look.size):
                continue
            if share < 1 and (found or self._sought(look)):
                break
            parts = [self._through(look, window) for window in tiles(look.size, share)]
            found = with_others(found, [person for part in parts for person in part])
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
            self._second_opinion(look, person, owners[p]) if p in owners else person
            for p, person in enumerate(found)
        ]

    def _second_opinion(self, look: "_Look", person: np.ndarray, number: int) -> np.ndarray:
        """The same person of a track, or as two looks out of three see them."""
        track = self._tracks.tracks[number]
        before = track.people[-1]
        if max(abs(torso_angle(person)), abs(torso_angle(before))) < _UPRIGHT_DEG:
            return person
        expected = track.expected(look.time_s)
        trusted = look.time_s < self._trusted_until_s.get(number, -np.inf)
        if trusted and distance(person, expected) < _STEADY:
            return person
        second = self._near(look, expected)
        if not second:
            return person
        if distance(second[0], person) < _AGREE:
            self._trusted_until_s[number] = look.time_s + _TRUST_S
            return person
        third = self._near(look, expected, 180.0)
        if third and distance(third[0], person) < _AGREE:
            return person
        if not third or distance(third[0], second[0]) > _AGREE:
            return min(person, second[0], *third[:1], key=lambda one: distance(one, expected))
        self._one.forget(look.rgb, look.time_s)
        return second[0]

    def _near(self, look: "_Look", person: np.ndarray, turn_deg: float = 0.0) -> list[np.ndarray]:
        """Who is found where a person should be, upright there; the likeliest first."""
        angle = torso_angle(person) if "turn" in self._measures else 0.0
        found = self._through(look, Window.around(person, angle + turn_deg))
        return sorted(found, key=lambda one: distance(one, person))

    def _through(self, look: "_Look", window: Window) -> list[np.ndarray]:
        scale = look.rgb.shape[1] / look.size[0]
        part = window.cut(look.rgb, scale)
        found = self._stills(part, part.shape[1::-1])
        return [window.back(person, scale) for person in found]

    def _stills(self, rgb: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
        """Everyone in a picture, by itself."""
        if self._still is None:
            self._still = still(self._model)
        return self._still.people(rgb, size)

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


@dataclass(frozen=True)
class _Scene:
    """What a picture shows besides the people found in it.

    Attributes
    ----------
    grey
        the picture, small, (h, w) float32.
    people
        where somebody is, (h, w) bool.
    alone
        whether that is one person.
    time_s
        of the picture.
    """

    grey: np.ndarray
    people: np.ndarray
    alone: bool
    time_s: float

    @classmethod
    def of(cls, look: _Look, found: list[np.ndarray]) -> "_Scene":
        """Scene of a picture and the people in it."""
        import cv2

        scale = _SCENE_PX / max(look.rgb.shape[:2])
        small = cv2.resize(look.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        people = np.zeros(grey.shape, bool)
        for person in found:
            points, margin = person[:, XY], _AROUND * body_size(person)
            scaled = np.divide(grey.shape[::-1], look.size)
            low = np.maximum((points.min(axis=0) - margin) * scaled, 0).astype(int)
            high = np.maximum((points.max(axis=0) + margin) * scaled + 1, 0).astype(int)
            people[low[1] : high[1], low[0] : high[0]] = True
        return cls(grey, people, len(found) == 1, look.time_s)

    def may_show_others(self, before: "_Scene") -> bool:
        """Whether somebody may be in view who was not when one person was seen before."""
        import cv2

        if not self.alone or self.time_s - before.time_s >= _REST_S:
            return True
        changed = (np.abs(self.grey - before.grey) > _CHANGE) & ~(self.people | before.people)
        joined = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
        boxes = cv2.connectedComponentsWithStats(joined)[2][1:, 2:4] - 2  # widths, heights
        return bool((boxes >= _SMALLEST * min(self.grey.shape)).any())


def _coloured(look: _Look, person: np.ndarray) -> np.ndarray:
    """Add the colours of the clothes, each the mean of a small square; black outside."""
    import cv2

    scale = look.rgb.shape[1] / look.size[0]
    reach = max(1, round(_PATCH * body_size(person) * scale))
    colours = np.zeros((len(person), 3), np.float32)
    low = np.maximum(0, person[CLOTHES, XY] * scale - reach).astype(int).tolist()
    high = np.maximum(0, person[CLOTHES, XY] * scale + reach + 1).astype(int).tolist()
    for i, (left, top), (right, bottom) in zip(CLOTHES, low, high, strict=True):
        if (patch := look.rgb[top:bottom, left:right]).size:
            colours[i] = cv2.mean(patch)[:3]
    return np.column_stack([person[:, :7], colours])
