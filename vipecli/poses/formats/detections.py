"""Readers of people listed by frame: Ultralytics (YOLO), MMPose and OpenPifPaf write so."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from vipecli.poses.formats.coco import identity
from vipecli.poses.formats.frame_numbers import stated_number
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import numbers, triples

_PEOPLE = ("predictions", "detections")  # keys of those of a frame
_SCORES = ("visible", "visibility", "confidence", "conf", "score")  # of the points, by columns


def is_detections(data: Any) -> bool:
    """Whether data are lists of people, a list per frame, each with keypoints."""
    if not isinstance(data, list):
        return False
    if data and _has_columns(data[0]):
        return True  # of a single frame
    found = next((people[0] for _, people in _frames(data) if people), None)
    return isinstance(found, dict) and "keypoints" in found


def read_detections(data: list) -> KeypointTable:
    """Rows of lists of people.

    Raises
    ------
    ValueError, TypeError, LookupError, AttributeError
        if something in it is not what it should be.
    """
    table = KeypointTable("detections")
    for number, people in _frames([data] if _has_columns(data[0]) else data):
        table.all_frames.append(number)
        for one in people:
            if one.get("keypoints"):
                table.add(number, _points(one), identity(one, "track_id", "id_", "person_id"))
    return table


def _frames(data: list) -> Iterator[tuple[int, list]]:
    """Number of each frame, and its people; nothing where a frame is none."""
    for place, frame in enumerate(data):
        if isinstance(frame, list):
            yield place, frame
        elif isinstance(frame, dict) and (key := next((k for k in _PEOPLE if k in frame), None)):
            yield stated_number(frame, place), frame[key]
        else:
            return


def _has_columns(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("keypoints"), dict)


def _points(one: dict) -> np.ndarray:
    """Points (K, 3) of a person: a list, with or without scores, or columns."""
    points = one["keypoints"]
    if isinstance(points, dict):
        scores = next((points[key] for key in _SCORES if points.get(key)), None)
        columns = points["x"], points["y"], [1.0] * len(points["x"]) if scores is None else scores
        return numbers(list(zip(*columns, strict=True)))
    if "keypoint_scores" in one:
        scores = numbers(one["keypoint_scores"]).reshape(-1)
        return np.column_stack([numbers(points).reshape(len(scores), -1)[:, :2], scores])
    return triples(points)
