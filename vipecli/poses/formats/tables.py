"""Readers of keypoints in tables: MediaPipe's and DeepLabCut's CSV, .trc, Penn Action's .mat."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.matlab import load_mat
from vipecli.poses.formats.sheet import Sheet
from vipecli.poses.formats.text import numbers, picture_size, read_text, whole
from vipecli.poses.joint_sets import canonical_name
from vipecli.poses.skeleton import JOINTS, MIRROR

_MOST_COLUMNS = 10_000
_AXES = {
    **{axis: axis for axis in "xyz"},
    **dict.fromkeys(("v", "c", "vis", "visibility", "score", "conf", "confidence"), "score"),
    **dict.fromkeys(("likelihood", "presence"), "score"),
}
_AXIS_NAMES = "|".join(sorted(_AXES, key=len, reverse=True))
_NUMBERED = re.compile(rf"^({_AXIS_NAMES})_?(\d{{1,4}})$")
_NAME_FIRST = re.compile(rf"^(.+?)[_. :-]({_AXIS_NAMES})$")
_AXIS_FIRST = re.compile(rf"^({_AXIS_NAMES})[_. :-](.+)$")
_FRAME = ("frame", "frame_id", "frame_number", "frame_idx", "frame_index", "image_id")
_TIME = {"time_s": 1.0, "time": 1.0, "timestamp_s": 1.0, "timestamp": 1.0}
_TIME |= {"timestamp_ms": 1e-3, "time_ms": 1e-3}
_PERSON = ("person", "person_id", "track_id", "individual", "track")
_POINT = ("landmark", "landmark_id", "landmark_name", "keypoint", "joint", "bodypart", "name")
_POINT += ("landmark_index", "index", "id")

HIDDEN_SCORE = 0.5
"""Score of a joint that Penn Action labels as not visible, but at a place."""

_PENN_ARRAYS = ("x", "y", "visibility", "dimensions")
_PENN_FPS = 30.0  # the labels do not say it
_METRES_LIMIT = 10.0  # in a flat .trc, a body that is larger than this is in pixels, y down
_FLAT = 1e-6  # spread of z, of that of x and y, up to which a .trc is flat


def read_csv_poses(path: Path) -> Sheet:
    """Rows of a CSV file of landmarks: a row per frame, a row per landmark, or DeepLabCut's.

    Raises
    ------
    FormatError
        if its columns are not those of keypoints.
    ValueError, TypeError, LookupError, csv.Error
        if something in it is not what it should be.
    """
    text = read_text(path)
    delimiter = max(",;\t", key=text[:10_000].split("\n")[0].count)
    rows = csv.reader(io.StringIO(text), delimiter=delimiter)
    header = [cell.strip() for cell in next(rows)]
    if len(header) > _MOST_COLUMNS:
        raise FormatError(f"{path}: more than {_MOST_COLUMNS:,} columns")
    if header and header[0].lower() == "scorer":
        return _read_deeplabcut(rows)
    lower = [cell.lower() for cell in header]
    if {"x", "y"} <= set(lower) and any(name in lower for name in _POINT):
        return _read_long(lower, rows)
    return _read_wide(path, header, rows)


def _read_wide(path: Path, header: list[str], rows: Any) -> Sheet:
    """A row per frame, or per person and frame, with the columns of all landmarks."""
    columns: dict[str, dict[str, int]] = {}
    meta: dict[str, int] = {}
    for place, cell in enumerate(header):
        name, axis = _column(cell)
        if name is None:
            meta.setdefault(cell.lower(), place)
        else:
            columns.setdefault(name, {})[axis] = place
    columns = {name: found for name, found in columns.items() if {"x", "y"} <= set(found)}
    if not columns:
        raise FormatError(
            f"{path}: no columns of keypoints; known are x1, y1, z1, v1 ... or nose_x, nose_y ..."
        )
    sheet = Sheet("mediapipe")
    if all(name.isdecimal() for name in columns):
        columns = dict(sorted(columns.items(), key=lambda item: int(item[0])))
    else:
        sheet.names = list(columns)
    places = [
        [axes.get(axis, -1) for axis in ("x", "y", "z", "score")] for axes in columns.values()
    ]
    for place, row in enumerate(rows):
        if not any(cell.strip() for cell in row):
            continue
        values = np.array([_number(cell) for cell in row] + [np.nan], np.float64)
        points = np.full((len(places), 7), np.nan, np.float32)
        points[:, :4] = values[np.array(places)]
        scored = np.array(places)[:, 3] >= 0
        points[~scored, 3] = 1
        points[np.isnan(points[:, 2]), 2] = 0
        _add_row(sheet, place, row, meta, points)
    return sheet


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


def _number(cell: str) -> float:
    """Number in a cell; NaN where it is empty or text."""
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _add_row(
    sheet: Sheet, place: int, row: list[str], meta: dict[str, int], points: np.ndarray
) -> None:
    """Append a row, with the frame, time, person and picture that its other columns tell."""
    frame, person = place, None
    for name in _FRAME:
        if name in meta:
            frame = whole(_number(row[meta[name]]))
            break
    for name in _PERSON:
        if name in meta:
            person = row[meta[name]].strip()[:64]
            break
    for name, unit in _TIME.items():
        if name in meta:
            sheet.times[frame] = unit * float(row[meta[name]])
            break
    if sheet.size is None and {"width", "height"} <= set(meta):
        width, height = (_number(row[meta[name]]) for name in ("width", "height"))
        sheet.size = picture_size(width, height)
    sheet.all_frames.append(frame)
    if np.isfinite(points[:, :2]).all(axis=1).any():
        sheet.add(frame, points, person)


def _read_long(header: list[str], rows: Any) -> Sheet:
    """A row per landmark."""
    sheet = Sheet("mediapipe")
    at = {name: header.index(name) for name in header}
    frame_at = next((at[name] for name in _FRAME if name in at), None)
    point_at = next(at[name] for name in _POINT if name in at)
    score_at = next((at[n] for n in at if _AXES.get(n) == "score"), None)
    person_at = next((at[name] for name in _PERSON if name in at), None)
    time_at = next(((at[name], unit) for name, unit in _TIME.items() if name in at), None)
    found: dict[tuple[int, str], dict[str, tuple]] = {}
    names: dict[str, None] = {}
    for row in rows:
        if not row:
            continue
        point = row[point_at].strip()[:64]
        frame = whole(_number(row[frame_at])) if frame_at is not None else 0
        person = row[person_at].strip()[:64] if person_at is not None else ""
        score = 1.0 if score_at is None else _number(row[score_at])
        z = _number(row[at["z"]]) if "z" in at else 0.0
        names.setdefault(point)
        if len(names) > _MOST_COLUMNS:
            raise ValueError("too many landmarks")
        xy = (_number(row[at["x"]]), _number(row[at["y"]]))
        found.setdefault((frame, person), {})[point] = (*xy, z, score)
        if time_at:
            sheet.times[frame] = time_at[1] * float(row[time_at[0]])
    order = list(names)
    if all(name.isdecimal() for name in order):
        order.sort(key=int)
    else:
        sheet.names = order
    nothing = (np.nan,) * 4
    for (frame, person), points in found.items():
        out = np.full((len(order), 7), np.nan, np.float32)
        out[:, :4] = numbers([points.get(name, nothing) for name in order])
        sheet.add(frame, out, person or None)
    return sheet


def _read_deeplabcut(rows: Any) -> Sheet:
    """DeepLabCut's CSV: rows scorer, (individuals,) bodyparts, coords, then one row per frame."""
    sheet = Sheet("deeplabcut")
    heads: dict[str, list[str]] = {}
    for row in rows:
        heads[row[0].strip().lower()] = row[1:]
        if row[0].strip().lower() == "coords":
            break
    parts, axes = heads["bodyparts"], heads["coords"]
    people = heads.get("individuals", [""] * len(parts))
    sheet.names = list(dict.fromkeys(parts))
    order = {name: i for i, name in enumerate(sheet.names)}
    third = {"x": 0, "y": 1, "likelihood": 2}
    place = {person: np.full((len(order), 3), -1) for person in people}
    for column, (person, part, axis) in enumerate(zip(people, parts, axes, strict=True)):
        place[person][order[part], third[axis]] = column
    for frame, row in enumerate(rows):
        values = np.array([_number(cell) for cell in row[1:]] + [np.nan], np.float64)
        sheet.all_frames.append(frame)
        for person, columns in place.items():
            points = values[columns]
            if np.isfinite(points[:, :2]).all(axis=1).any():
                sheet.add(frame, points, person)
    return sheet


# --- .trc ----------------------------------------------------------------------------------------


def read_trc(path: Path) -> Sheet:
    """Rows of an OpenSim marker file, as Sports2D (flat) and Pose2Sim (3D) write it.

    A flat one is taken as it is. A 3D one is seen by a camera in front of the person, as far away
    as five body heights: the embedding does not mind from where.

    Raises
    ------
    FormatError
        if it is no .trc file.
    ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    lines = read_text(path).splitlines()
    if not lines[0].startswith("PathFileType") or len(lines) < 6:
        raise FormatError(f"{path}: not a .trc file (it should begin with PathFileType)")
    names = [cell.strip() for cell in lines[3].split("\t")[2:]]
    names = [name for name in names[::3] if name]
    if not 0 < len(names) <= _MOST_COLUMNS:
        raise FormatError(f"{path}: names no markers")
    width = 3 * len(names)
    times, table = [], []
    for line in lines[5:]:
        cells = line.split("\t")
        if len(cells) < 2 or not cells[0].strip():
            continue
        values = [_number(cell) for cell in cells[2 : 2 + width]]
        table.append(values + [np.nan] * (width - len(values)))
        times.append(float(cells[1]))
    if not table:
        raise FormatError(f"{path}: holds no frames")
    xyz = np.array(table, np.float64).reshape(-1, len(names), 3)
    xyz[~np.isfinite(xyz).all(axis=2)] = np.nan
    return _marker_sheet(path, xyz, times, names)


def _marker_sheet(path: Path, xyz: np.ndarray, times: list[float], names: list[str]) -> Sheet:
    known = xyz[np.isfinite(xyz).all(axis=2)]
    if not len(known):
        raise FormatError(f"{path}: every marker is missing")
    sheet = Sheet("trc", names=names, times=dict(enumerate(times)))
    spread = np.ptp(known, axis=0)
    if spread[2] > _FLAT * spread[:2].max():
        sheet.detector = "trc, seen from the front"
        xy, sheet.size = _seen_from_front(path, xyz, names)
    else:
        xy, sheet.size = _flat(xyz[..., :2])
    for frame, points in enumerate(xy):
        score = np.isfinite(points).all(axis=1, keepdims=True)
        if score.any():
            sheet.add(frame, np.hstack([points, score]))
    return sheet


def _flat(xy: np.ndarray) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Pixels of a flat file; metres with y up become pixels with y down."""
    some = xy[np.isfinite(xy).all(axis=2).any(axis=1)]
    extent = np.median(np.nanmax(some, axis=1) - np.nanmin(some, axis=1), axis=0).max()
    if extent > _METRES_LIMIT:
        return xy, None
    return _into_picture(xy * [1, -1])


def _into_picture(xy: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Points moved and scaled, alike in x and y, into a picture a thousand pixels high."""
    low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
    side = max(float((high - low).max()), 1e-9)
    scale, margin = 800 / side, 100
    size = np.round((high - low) * scale).astype(int) + 2 * margin
    return (xy - low) * scale + margin, (int(size[0]), int(size[1]))


def _seen_from_front(
    path: Path, xyz: np.ndarray, names: list[str]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Picture of 3D markers, y up, by a camera that looks at the person's front."""
    places = {canonical_name(name): i for i, name in enumerate(names)}
    try:
        left, right = (xyz[:, places[f"{side}_hip"]] for side in ("left", "right"))
    except KeyError:
        raise FormatError(
            f"{path}: 3D markers without LHip and RHip, so that it has no front; convert it to 2D"
        ) from None
    across = (left - right)[np.isfinite(left - right).all(axis=1)].sum(axis=0) * [1, 0, 1]
    if not np.linalg.norm(across) > 0:
        raise FormatError(f"{path}: its hips are nowhere to be seen, so that it has no front")
    across /= np.linalg.norm(across)
    ahead = np.cross(across, [0.0, 1.0, 0.0])  # y up: left x up points to the front
    low, high = np.nanmin(xyz, axis=(0, 1)), np.nanmax(xyz, axis=(0, 1))
    middle, height = (low + high) / 2, float(np.linalg.norm(high - low))
    offset = xyz - middle
    depth = 5 * height - offset @ ahead
    # From the front the person's left is on the right.
    picture = np.stack([offset @ across, -offset[..., 1]], axis=-1) / depth[..., None]
    return _into_picture(picture)


# --- Penn Action ---------------------------------------------------------------------------------


def read_penn(path: Path) -> Sheet:
    """Rows of a label file of Penn Action; its left and right are the viewer's and are swapped.

    Raises
    ------
    FormatError
        if it is no such file.
    ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    mat = load_mat(path)
    if missing := [name for name in _PENN_ARRAYS if not isinstance(mat.get(name), np.ndarray)]:
        raise FormatError(f"{path}: not a label file of Penn Action (no {', '.join(missing)})")
    xy = np.stack([mat["x"], mat["y"]], axis=-1).astype(np.float64)
    seen = np.asarray(mat["visibility"], np.float64) > 0
    if xy.ndim != 3 or xy.shape[1:] != (13, 2) or seen.shape != xy.shape[:2]:
        raise FormatError(f"{path}: labels of shape {xy.shape}, expected (frames, 13, 2)")
    dimensions = np.ravel(mat["dimensions"])
    sheet = Sheet("labelled", names=list(JOINTS), fps=_PENN_FPS)
    sheet.size = picture_size(float(dimensions[1]), float(dimensions[0]))
    if isinstance(mat.get("times"), np.ndarray):
        sheet.times = dict(enumerate(np.ravel(mat["times"]).astype(float).tolist()))
    missing = ~seen & (xy <= 1).all(axis=-1)  # outside of the picture
    score = np.where(missing, 0, np.where(seen, 1, HIDDEN_SCORE))
    rows = np.concatenate([xy, score[..., None]], axis=-1)[:, list(MIRROR)]
    for frame, points in enumerate(rows):
        sheet.all_frames.append(frame)
        if (points[:, 2] > 0).any():
            sheet.add(frame, points)
    return sheet
