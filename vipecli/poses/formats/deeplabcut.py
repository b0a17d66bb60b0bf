"""Reader of DeepLabCut's tables: predictions of a video, and labels of pictures from it."""

from collections.abc import Iterator

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.frame_numbers import number_frames
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import MOST_COLUMNS, number, whole

_AXES = {"x": 0, "y": 1, "likelihood": 2}


def read_deeplabcut(rows: Iterator[list[str]]) -> KeypointTable:
    """Rows of a DeepLabCut table, below the line of its scorer.

    Its heads are bodyparts, coords and, with several people, individuals. A row begins with the
    number of its frame, or with the picture that was labelled, in one column or in three (folder,
    video, picture). Labels have no likelihood: a point with coordinates has score 1.

    Raises
    ------
    FormatError
        if its heads are missing, or the pictures are of several videos.
    ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    heads: dict[str, list[str]] = {}
    for row in rows:
        heads[row[0].strip().lower()] = [cell.strip() for cell in row]
        if "coords" in heads:
            break
    if not {"bodyparts", "coords"} <= set(heads) or len(heads["coords"]) > MOST_COLUMNS:
        raise FormatError("a table of DeepLabCut without its lines bodyparts and coords")
    axes = [cell.lower() for cell in heads["coords"]]
    first = next((place for place, axis in enumerate(axes) if axis in _AXES), len(axes))
    table = KeypointTable("deeplabcut")
    places = _places(heads, axes, first, table)
    keys: dict[str, int] = {}
    for row in rows:
        if not any(cell.strip() for cell in row):
            continue
        key = "/".join(filter(None, (cell.strip() for cell in row[:first])))
        frame = keys.setdefault(key, len(keys))
        table.all_frames.append(frame)
        values = np.array([number(cell) for cell in row] + [np.nan, 1.0], np.float64)
        for person, columns in places.items():
            points = values[columns]
            if np.isfinite(points[:, :2]).all(axis=1).any():
                table.add(frame, points, person)
    _number_rows(table, list(keys))
    return table


def _places(
    heads: dict[str, list[str]], axes: list[str], first: int, table: KeypointTable
) -> dict[str, np.ndarray]:
    """Columns (K, 3) of x, y and likelihood of each person; fills in the names of the points.

    Column -2 is a coordinate that is missing, -1 the score where there is no likelihood.
    """
    parts = heads["bodyparts"]
    people = heads.get("individuals", [""] * len(parts))
    table.names = list(dict.fromkeys(parts[first:]))
    order = {name: i for i, name in enumerate(table.names)}
    if len(order) * len(set(people[first:])) > MOST_COLUMNS:
        raise FormatError(f"more than {MOST_COLUMNS:,} points")
    places = {
        person: np.full((len(order), 3), [-2, -2, -1]) for person in dict.fromkeys(people[first:])
    }
    columns = list(zip(people, parts, axes, strict=True))[first:]
    for column, (person, part, axis) in enumerate(columns, first):
        if axis in _AXES:
            places[person][order[part], _AXES[axis]] = column
    return places


def _number_rows(table: KeypointTable, keys: list[str]) -> None:
    """Give rows the frame numbers that their first columns tell.

    Predictions count from the first frame of the video: dropped rows are missing frames.
    """
    if all(key.replace(".0", "").isdecimal() for key in keys):
        table.renumber([whole(key) for key in keys])
        table.first_frame = 0
    else:
        numbers = number_frames(keys)
        table.renumber([numbers[key] for key in keys])
