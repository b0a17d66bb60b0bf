"""Frames, and background subtraction that shows whether a new person may be in view."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vipecli.poses.tracking import XY, body_size

_REST_S = 20.0  # after which even an unchanged background is searched
_SCENE_PX = 128  # longer side of the picture in which changes are measured
_CHANGE = 8.0  # levels of grey; noise leaves 1 or 2 in so small a picture
_AROUND = 0.25  # body sizes around a person in which the picture may change
_PAINTED = 0.08  # margin around a person who is painted over, longer sides of their box
_SMALLEST = 1 / 8  # of the picture's shorter side: smaller people are not found; a shadow may be


@dataclass(frozen=True)
class Frame:
    """One picture: (H, W, 3), its time, and the width and height that coordinates refer to."""

    rgb: np.ndarray
    time_s: float
    size: tuple[int, int]

    def without(self, people: Sequence[np.ndarray]) -> "Frame":
        """Return the frame with these people painted over in the colour beside them.

        Only the others are then detected, and only their landmarks cost time.
        """
        if not people:
            return self
        rgb, scale = self.rgb.copy(), self.rgb.shape[1] / self.size[0]
        for person in people:
            low, high = person[:, XY].min(axis=0), person[:, XY].max(axis=0)
            margin = _PAINTED * (high - low).max()
            left, top = np.maximum(0, (low - margin) * scale).astype(int)
            right, bottom = np.maximum(0, (high + margin) * scale).astype(int)
            if rgb[top:bottom, left:right].size:
                beside = [max(left - 1, 0), min(right, rgb.shape[1] - 1)]
                rows = slice(max(top - 2, 0), bottom + 1)
                rgb[top:bottom, left:right] = rgb[rows, beside].reshape(-1, 3).mean(axis=0)
        return Frame(rgb, self.time_s, self.size)


@dataclass(frozen=True)
class Background:
    """The background of a picture, without the people detected in it.

    Attributes
    ----------
    grey
        the picture, small, (h, w) float32.
    people
        mask of the people, (h, w) bool.
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
    def of(cls, frame: Frame, found: list[np.ndarray]) -> "Background":
        """Return the background of a picture and the people in it."""
        import cv2

        scale = _SCENE_PX / max(frame.rgb.shape[:2])
        small = cv2.resize(frame.rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        people = np.zeros(grey.shape, bool)
        for person in found:
            points, margin = person[:, XY], _AROUND * body_size(person)
            scaled = np.divide(grey.shape[::-1], frame.size)
            low = np.maximum((points.min(axis=0) - margin) * scaled, 0).astype(int)
            high = np.maximum((points.max(axis=0) + margin) * scaled + 1, 0).astype(int)
            people[low[1] : high[1], low[0] : high[0]] = True
        return cls(grey, people, len(found) == 1, frame.time_s)

    def may_show_others(self, before: "Background") -> bool:
        """Return whether someone may have come into view since an earlier background."""
        import cv2

        if not self.alone or self.time_s - before.time_s >= _REST_S:
            return True
        changed = (np.abs(self.grey - before.grey) > _CHANGE) & ~(self.people | before.people)
        joined = cv2.dilate(changed.astype(np.uint8), np.ones((3, 3), np.uint8))
        boxes = cv2.connectedComponentsWithStats(joined)[2][1:, 2:4] - 2  # widths, heights
        return bool((boxes >= _SMALLEST * min(self.grey.shape)).any())
