"""Reader of keypoints in CSV files: MediaPipe's, DeepLabCut's, SLEAP's, and tables like them."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.deeplabcut import read_deeplabcut
from vipecli.poses.formats.frame_numbers import number_frames
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import (
    MOST_COLUMNS,
    is_text,
    number,
    numbers,
    picture_size,
    read_table,
    rows_of,
    short_text,
    whole,
)
from vipecli.poses.formats.times import clock_time, time_unit
from vipecli.poses.joint_sets import canonical_name

_SHOWN = 40  # characters of a cell in a message
_FALLBACK = "cp1252"  # of tables that Excel writes without a byte order mark
_AXES = {
    **{axis: axis for axis in "xyz"},
    **dict.fromkeys(("v", "c", "vis", "visibility", "score", "conf", "confidence"), "score"),
    **dict.fromkeys(("likelihood", "presence"), "score"),
}
_AXIS_NAMES = "|".join(sorted(_AXES, key=len, reverse=True))
_NUMBERED = re.compile(rf"^({_AXIS_NAMES})_?(\d{{1,4}})$")
_NAME_FIRST = re.compile(rf"^(.+?)[_. :-]({_AXIS_NAMES})$")
_AXIS_FIRST = re.compile(rf"^({_AXIS_NAMES})[_. :-](.+)$")
_FRAME = ("frame", "frame_id", "frame_number", "frame_idx", "frame_index", "frame_no", "frame_num")
_FRAME += ("frame_nr", "framenumber", "frameid", "frameindex", "frameno", "framenum", "frames")
_IMAGE = ("image", "image_id", "image_name", "file", "file_name", "filename", "img", "img_path")
_PERSON = ("person", "person_id", "track_id", "individual", "track", "person_idx", "person_index")
_PERSON += ("personid", "trackid", "subject", "subject_id", "player", "player_id", "pid")
_RATE = ("fps", "frame_rate", "framerate")
_POINT = ("landmark", "landmark_id", "landmark_name", "keypoint", "joint", "bodypart", "name")
_POINT += ("landmark_index", "index", "id")


def read_csv_poses(path: Path) -> KeypointTable:
    """Rows of a CSV file of landmarks: a row per frame, a row per landmark, or DeepLabCut's.

    Raises
    ------
    FormatError
        if its columns are not those of keypoints.
    ValueError, TypeError, LookupError, csv.Error
        if something in it is not what it should be.
    """
    rows = rows_of(read_table(path, fallback=_FALLBACK))
    header = [cell.strip() for cell in next(rows, [])]
    if kind_of_table(header) == "deeplabcut":
        return read_deeplabcut(rows)
    if kind_of_table(header) == "long":
        return _read_long([_plain(cell) for cell in header], rows)
    if kind_of_table(header) == "wide":
        return _read_wide(header, rows)
    raise FormatError(
        f"{path}: no columns of keypoints; known are x1, y1, z1, v1 ... or nose_x, nose_y ..."
    )


def kind_of_table(header: list[str]) -> str | None:
    """``deeplabcut``, ``long`` (a row per landmark), ``wide`` (a row per frame), or None."""
    lower = [_plain(cell) for cell in header]
    if lower[:1] == ["scorer"]:
        return "deeplabcut"
    if {"x", "y"} <= set(lower) and any(name in lower for name in _POINT):
        return "long"
    return "wide" if _landmark_columns(header) else None


def _landmark_columns(header: list[str]) -> dict[str, dict[str, int]]:
    """Column of each axis of each landmark that has x and y."""
    columns: dict[str, dict[str, int]] = {}
    for place, cell in enumerate(header):
        name, axis = _column(cell)
        if name is not None:
            columns.setdefault(name, {})[axis] = place
    columns = {name: found for name, found in columns.items() if {"x", "y"} <= set(found)}
    if all(name.isdecimal() for name in columns):
        columns = dict(sorted(columns.items(), key=lambda item: int(item[0])))
    return columns


def _read_wide(header: list[str], rows: Iterator[list[str]]) -> KeypointTable:
    """A row per frame, or per person and frame, with the columns of all landmarks."""
    columns = _landmark_columns(header)
    meta = {_plain(cell): at for at, cell in enumerate(header) if _column(cell)[0] is None}
    time = _time_column(meta)
    table = KeypointTable("mediapipe")
    if not all(name.isdecimal() for name in columns):
        table.names = list(columns)
    places = np.array(
        [[axes.get(axis, -1) for axis in ("x", "y", "z", "score")] for axes in columns.values()]
    )
    keys: dict[str, int] = {}
    texts, example = 0, ""
    for place, row in enumerate(rows):
        if not any(cell.strip() for cell in row):
            continue
        values = np.array([number(cell) for cell in row] + [np.nan], np.float64)
        points = np.full((len(places), 7), np.nan, np.float32)
        points[:, :4] = values[places]
        unknown = places[:, :2][np.isnan(points[:, :2])].tolist()
        for cell in (row[at] for at in unknown if is_text(row[at])):
            texts, example = texts + 1, example or short_text(cell[:_SHOWN])
        points[places[:, 3] < 0, 3] = 1
        points[np.isnan(points[:, 2]), 2] = 0
        frame = keys.setdefault(_key(row, meta, place), len(keys))
        if time is not None and np.isfinite(moment := clock_time(row[time[0]])):
            table.times[frame], table.time_unit = moment, time[1]
        _add_row(table, frame, row, meta, points)
    if texts:
        cells = "a cell is" if texts == 1 else f"{texts} cells are"
        table.remarks.append(f"{cells} no number, such as {example!r}; these points are missing")
    _number_rows(table, list(keys))
    return table


def _key(row: list[str], meta: dict[str, int], place: int) -> str:
    """Return the key of a row's frame: its number, the name of its picture, or its position."""
    at = _key_column(meta)
    return str(place) if at is None else row[at].strip()


def _key_column(columns: dict[str, int]) -> int | None:
    """Place of the column that tells frames apart; None = there is none."""
    return next((columns[name] for name in (*_FRAME, *_IMAGE) if name in columns), None)


def _number_rows(table: KeypointTable, keys: list[str]) -> None:
    """Set the frame numbers of rows from their keys."""
    found = [number(key) for key in keys]
    if any(value != value for value in found):
        named = number_frames(keys)
        table.renumber([named[key] for key in keys])
    else:
        table.renumber([whole(value) for value in found])


def _column(cell: str) -> tuple[str | None, str]:
    """Landmark and axis of a column; None for what is no coordinate."""
    lower = cell.strip().lower()
    if match := _NUMBERED.match(lower):
        return match[2], _AXES[match[1]]
    if match := _NAME_FIRST.match(lower):
        return canonical_name(cell.strip()[: len(match[1])]), _AXES[match[2]]
    if match := _AXIS_FIRST.match(lower):
        return canonical_name(cell.strip()[-len(match[2]) :]), _AXES[match[1]]
    return None, ""


def _plain(name: str) -> str:
    """Name of a column in small letters, with ``_`` between its words."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def _add_row(
    table: KeypointTable, frame: int, row: list[str], meta: dict[str, int], points: np.ndarray
) -> None:
    """Append a row, with the person, picture and rate of its other columns."""
    person = next((row[meta[name]].strip()[:64] for name in _PERSON if name in meta), None)
    rate = next((number(row[meta[name]]) for name in _RATE if name in meta), np.nan)
    if table.fps is None and rate > 0:
        table.fps = rate
    if table.size is None and {"width", "height"} <= set(meta):
        width, height = (number(row[meta[name]]) for name in ("width", "height"))
        table.size = picture_size(width, height)
    table.all_frames.append(frame)
    if np.isfinite(points[:, :2]).all(axis=1).any():
        table.add(frame, points, person)


def _time_column(columns: dict[str, int]) -> tuple[int, float] | None:
    """Place and unit of the column of times, one that states its unit first; None = no such."""
    units = {
        place: unit for name, place in columns.items() if (unit := time_unit(name)) is not None
    }
    return min(units.items(), key=lambda item: (not item[1], item[0])) if units else None


def _read_long(header: list[str], rows: Iterator[list[str]]) -> KeypointTable:
    """A row per landmark."""
    table = KeypointTable("mediapipe")
    at = {name: header.index(name) for name in header}
    point_at = next(at[name] for name in _POINT if name in at)
    score_at = next((at[name] for name in at if _AXES.get(name) == "score"), None)
    person_at = next((at[name] for name in _PERSON if name in at), None)
    time_at = _time_column(at)
    key_at = _key_column(at)
    if key_at is None and time_at is not None:
        key_at = time_at[0]
    place = 0
    keys: dict[str, int] = {}
    found: dict[tuple[int, str, int], dict[str, tuple]] = {}
    seen: dict[tuple[int, str, str], int] = {}
    names: dict[str, None] = {}
    for row in rows:
        if not row:
            continue
        point = row[point_at].strip()[:64]
        person = row[person_at].strip()[:64] if person_at is not None else ""
        if key_at is None and point in found.get((place, person, 0), ()):
            place += 1  # a landmark that comes again begins a frame
        key = str(place) if key_at is None else row[key_at].strip()
        frame = keys.setdefault(key, len(keys))
        other = seen.get((frame, person, point), 0)  # one that comes again is somebody else's
        seen[frame, person, point] = other + 1
        score = 1.0 if score_at is None else number(row[score_at])
        z = number(row[at["z"]]) if "z" in at else 0.0
        names.setdefault(point)
        if len(names) > MOST_COLUMNS:
            raise ValueError(f"more than {MOST_COLUMNS:,} landmarks")
        xy = (number(row[at["x"]]), number(row[at["y"]]))
        found.setdefault((frame, person, other), {})[point] = (*xy, z, score)
        if time_at:
            table.times[frame], table.time_unit = clock_time(row[time_at[0]]), time_at[1]
    _add_points(table, list(names), found)
    if time_at is None or key_at != time_at[0]:
        _number_rows(table, list(keys))
    return table


def _add_points(
    table: KeypointTable, order: list[str], found: dict[tuple[int, str, int], dict[str, tuple]]
) -> None:
    """Append the landmarks of each frame and person."""
    if all(name.isdecimal() for name in order):
        order.sort(key=int)
    else:
        table.names = order
    nothing = (np.nan,) * 4
    for (frame, person, other), points in found.items():
        out = np.full((len(order), 7), np.nan, np.float32)
        out[:, :4] = numbers([points.get(name, nothing) for name in order])
        table.add(frame, out, None if other else person or None)
