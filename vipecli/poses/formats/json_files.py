"""Readers of keypoints in JSON: each recognises its own kind by the content."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.coco import (
    identity,
    is_coco,
    is_list_of,
    of_video,
    read_coco,
    read_results,
)
from vipecli.poses.formats.detections import is_detections, read_detections
from vipecli.poses.formats.frame_numbers import (
    CHOOSE_ONE,
    number_frames,
    refuse_several,
    stated_number,
    videos_of,
)
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import (
    MOST_BYTES,
    last_number,
    numbers,
    picture_size,
    read_json,
    short_text,
    triples,
    whole,
)
from vipecli.poses.joint_sets import MEDIAPIPE, canonical_name

_FOLDER_FILE_BYTES = 16 << 20  # of one frame's file
_MOST_FILES = 1_000_000
_FRAME_SUFFIX = "_keypoints.json"
_FRAME_FILE = re.compile(r"[^.].*_keypoints\.json$", re.IGNORECASE)
_APART = "keep those of one video in the folder"

# Names under which MediaPipe's bindings and their users keep landmarks, world landmarks, times.
_LANDMARKS = ("landmarks", "pose_landmarks", "poseLandmarks", "landmark")
_WORLD = ("world_landmarks", "pose_world_landmarks", "poseWorldLandmarks", "worldLandmarks")
_FRAMES = ("frames", "poses", "results", "data")
_META = ("metadata", "meta", "meta_info", "video_info", "videoInfo", "video", "info")
_RATES = ("fps", "frame_rate", "frameRate", "framerate")
_SIDES = ("width", "frame_width", "image_width", "video_width", "frameWidth", "imageWidth")


def read_json_poses(path: Path, video: str | None = None) -> KeypointTable:
    """Rows of a JSON file of any kind that is known.

    Parameters
    ----------
    path
        the file.
    video
        the one to take of a file that holds several; None = it holds one.

    Raises
    ------
    FormatError
        if it is no JSON, or of an unknown kind.
    ValueError, TypeError, LookupError, AttributeError
        if something in it is not what it should be.
    """
    data = read_json(path)
    if data in ([], {}):
        raise FormatError(f"{path}: lists nobody")
    for knows, read in JSON_KINDS.values():
        if knows(data):
            return read(data if video is None else _part(data, read, video))
    raise FormatError(
        f"{path}: JSON, but not of a kind that is known ({', '.join(JSON_KINDS)}); convert it to "
        "one of them"
    )


def _part(data: Any, read: Callable[[Any], KeypointTable], video: str) -> Any:
    if read is read_coco or (read is _read_alphapose and isinstance(data, list)):
        return of_video(data, video)
    if read is _read_alphapose:
        chosen = {n for n, owner in videos_of(data).items() if owner == video}
        return {name: data[name] for name in data if name in chosen} or of_video([], video)
    raise FormatError("holds one video only; leave --video out")


# --- AlphaPose ---------------------------------------------------------------------------------


def _is_alphapose(data: Any) -> bool:
    if isinstance(data, dict):
        first = next(iter(data.values()))
        return isinstance(first, dict) and ("people" in first or "bodies" in first)
    return is_list_of(data, "keypoints", "image_id")


def _read_alphapose(data: Any) -> KeypointTable:
    """AlphaPose's own list, or its `open` and `cmu` forms: a frame under each picture's name."""
    if isinstance(data, list):
        return read_results(data, "alphapose")
    table = KeypointTable("alphapose")
    numbered = number_frames(data, remedy=CHOOSE_ONE)
    table.all_frames = list(numbered.values())
    for name, frame in numbered.items():
        for one in data[name].get("people", data[name].get("bodies", ())):
            points = one["joints"] if "joints" in one else one["pose_keypoints_2d"]
            table.add(frame, triples(points), identity(one, "idx"))
    return table


# --- MMPose --------------------------------------------------------------------------------------


def _is_mmpose(data: Any) -> bool:
    if isinstance(data, dict):
        return "instance_info" in data or "instances" in data
    return is_list_of(data, "instances") or is_list_of(data, "keypoints", "keypoint_scores")


def _read_mmpose(data: Any) -> KeypointTable:
    """Predictions of MMPose's inferencer or demo (RTMPose): a list of instances per frame."""
    table = KeypointTable("mmpose")
    if isinstance(data, dict):
        meta = data.get("meta_info")
        _read_meta(meta if isinstance(meta, dict) else {}, table)
        data = data.get("instance_info", [data])
    if data and "instances" not in data[0]:
        data = [{"instances": data}]  # of a single picture
    for place, frame in enumerate(data):
        number = stated_number(frame, place)
        table.all_frames.append(number)
        table.note_time(number, frame)
        for one in frame["instances"]:
            points = numbers(one["keypoints"])
            scores = numbers(one.get("keypoint_scores", np.ones(len(points))))
            points = points.reshape(scores.shape[-1], -1)[:, :2]
            points = np.column_stack([points, scores.reshape(-1)])
            table.add(number, points, identity(one, "track_id", "instance_id"))
    return table


def _read_meta(meta: dict, table: KeypointTable) -> None:
    names = meta.get("keypoint_id2name")
    if isinstance(names, dict):
        order = sorted(names, key=whole)
        table.names = [str(names[key])[:64] for key in order]
    table.size = picture_size(meta.get("width"), meta.get("height"))
    table.source, table.detector = (short_text(meta.get(k)) for k in ("source", "detector"))


# --- OpenPose ------------------------------------------------------------------------------------


def is_openpose_folder(path: Path) -> bool:
    """Whether a folder holds OpenPose's files, one per frame."""
    try:
        return path.is_dir() and any(_FRAME_FILE.match(p.name) for p in path.iterdir())
    except OSError:
        return False


def read_openpose_folder(path: Path) -> KeypointTable:
    """Rows of a folder with one ``..._000000000012_keypoints.json`` per frame.

    Frames whose files are damaged, as a killed run leaves the last one, are missing ones.

    Raises
    ------
    FormatError
        if all files are damaged, there are too many of them, or they are of several videos.
    """
    table, total, damaged = KeypointTable("openpose"), 0, []
    files = [file for file in path.iterdir() if _FRAME_FILE.match(file.name)]
    if len(files) > _MOST_FILES:
        raise FormatError(f"{path}: more than {_MOST_FILES:,} frames")
    numbered = {file: last_number(file.name) for file in files}
    if None in numbered.values() or len(set(numbered.values())) < len(files):
        raise FormatError(f"{path}: the names of the files do not number the frames")
    refuse_several({file.name: _clip_of(file.name) for file in files}, _APART)
    table.all_frames = sorted(numbered.values())
    for file, number in sorted(numbered.items(), key=lambda item: item[1]):
        total += file.stat().st_size
        if total > 4 * MOST_BYTES:
            raise FormatError(f"{path}: more than {4 * MOST_BYTES >> 20} MB; split it")
        try:
            data = read_json(file, at_most=_FOLDER_FILE_BYTES)
        except FormatError as exc:
            damaged.append(exc)
            continue
        try:
            _add_people(table, number, data)
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            damaged.append(FormatError(f"{file}: not a frame of OpenPose, or damaged ({exc})"))
    if len(damaged) == len(files):
        raise damaged[0]
    if damaged:
        reason = str(damaged[0]).removeprefix(f"{path}{os.sep}")
        table.remarks.append(
            f"{len(damaged)} of {len(files)} frames could not be read and were left out: {reason}"
        )
    return table


def _clip_of(name: str) -> str:
    """Name of a frame's file without the number of the frame."""
    return re.sub(r"\d+(?=\D*$)", "", name.lower().removesuffix(_FRAME_SUFFIX))


def _is_openpose(data: Any) -> bool:
    return (isinstance(data, dict) and isinstance(data.get("people"), list)) or is_list_of(
        data, "people"
    )


def _read_openpose(data: Any) -> KeypointTable:
    """One frame of a folder, or a list of frames."""
    table = KeypointTable("openpose")
    for place, frame in enumerate(data if isinstance(data, list) else [data]):
        number = stated_number(frame, place)
        table.note_time(number, frame)
        table.size = table.size or picture_size(
            frame.get("canvas_width"), frame.get("canvas_height")
        )
        table.all_frames.append(number)
        _add_people(table, number, frame)
    return table


def _add_people(table: KeypointTable, frame: int, data: dict) -> None:
    for one in data["people"]:
        flat = one.get("pose_keypoints_2d") or one.get("pose_keypoints")
        if flat and isinstance(flat[0], list):
            flat = [value for point in flat for value in point]
        if flat:
            table.add(frame, triples(flat), identity(one, "person_id"))


# --- MediaPipe -----------------------------------------------------------------------------------


def _is_mediapipe(data: Any) -> bool:
    frame = next(_mediapipe_frames(data), None)
    return isinstance(frame, dict | list) and _landmarks(frame, _LANDMARKS) is not None


def _mediapipe_frames(data: Any) -> Iterator[Any]:
    """Return the frames of a file, whatever their key, or of a single frame."""
    if isinstance(data, dict):
        inner = next((data[key] for key in _FRAMES if isinstance(data.get(key), list)), None)
        if inner is None and not {*_LANDMARKS, *_WORLD} & set(data):
            inner = _numbered_frames(data)
        yield from [data] if inner is None else inner
    elif isinstance(data, list):
        yield from data


def _numbered_frames(data: dict) -> list[dict] | None:
    """Frames that stand under their numbers, such as ``"12"`` or ``"frame_12"``; None if not."""
    found = {last_number(key): value for key, value in data.items()}
    if None in found or len(found) < len(data):
        return None
    numbered = sorted((number, value) for number, value in found.items() if number is not None)
    return [
        {**(value if isinstance(value, dict) else {"landmarks": value}), "frame": number}
        for number, value in numbered
    ]


def _landmarks(frame: Any, keys: tuple[str, ...]) -> list | None:
    """Landmarks of the people of a frame: a list of lists of 33; None if it is no such frame."""
    if isinstance(frame, dict):
        frame = next((frame[key] for key in keys if key in frame), False)
    if frame is None or frame == []:
        return []  # nobody in this frame
    if isinstance(frame, dict):  # as protobuf writes it: {"landmark": [...]}, or by their names
        frame = frame.get("landmark") or _in_order(frame)
    if not isinstance(frame, list) or not frame:
        return None
    if (person := _person(frame)) is not None:
        return [person]
    inner = [person.get("landmark") if isinstance(person, dict) else person for person in frame]
    people = [_person(one) for one in inner]
    return None if None in people else people


def _in_order(named: dict) -> list | None:
    """Landmarks in MediaPipe's order, of a table by their names; None if they are not known."""
    found = {canonical_name(str(name)): value for name, value in named.items()}
    known = sum(name in found for name in MEDIAPIPE)
    return [found.get(name) for name in MEDIAPIPE] if known > len(MEDIAPIPE) // 2 else None


def _person(points: Any) -> list[dict] | None:
    """Landmarks of a person as tables of x, y, z, and visibility; None if they are none.

    Landmarks that are missing are empty tables.
    """
    if not isinstance(points, list) or not points:
        return None
    first = next((point for point in points if point), None)
    if isinstance(first, dict) and {"x", "y"} <= set(first):
        return [point or {} for point in points]
    if len(points) != len(MEDIAPIPE) or not isinstance(first, list) or not 2 <= len(first) <= 5:
        return None
    if not all(isinstance(value, int | float) for value in first):
        return None
    return [dict(zip(("x", "y", "z", "visibility"), point or (), strict=False)) for point in points]


def _read_mediapipe(data: Any) -> KeypointTable:
    """Landmarks as the Python and JavaScript bindings give them, frame by frame."""
    table = KeypointTable("mediapipe")
    if isinstance(data, dict):
        table.source, table.detector = (short_text(data.get(k)) for k in ("source", "detector"))
        for about in (data, *(data[key] for key in _META if isinstance(data.get(key), dict))):
            _read_about(about, table)
    for place, frame in enumerate(_mediapipe_frames(data)):
        number = place
        if isinstance(frame, dict):
            number = stated_number(frame, place)
            table.note_time(number, frame)
            _read_about(frame, table)
        people = _landmarks(frame, _LANDMARKS)
        if people is None:
            raise ValueError(f"frame {place} holds no landmarks")
        world = (_landmarks(frame, _WORLD) if isinstance(frame, dict) else None) or []
        table.all_frames.append(number)
        for i, person in enumerate(people):
            table.add(number, _landmark_rows(person, world[i] if i < len(world) else None))
    return table


def _read_about(about: dict, table: KeypointTable) -> None:
    """Take size and rate over, where a part of a file states them."""
    for side in _SIDES:
        across = side.replace("width", "height").replace("Width", "Height")
        table.size = table.size or picture_size(about.get(side), about.get(across))
    rate = next((about[key] for key in _RATES if about.get(key)), None)
    table.fps = table.fps or (float(rate) if rate is not None else None)


def _landmark_rows(points: list[dict], world: list[dict] | None) -> np.ndarray:
    """Points (K, 7) as in `vipecli.poses.tracking`."""
    rows = [
        (p["x"], p["y"], p.get("z", 0), p.get("visibility", p.get("presence", 1)))
        if p
        else (np.nan,) * 4
        for p in points
    ]
    out = np.full((len(rows), 7), np.nan, np.float32)
    out[:, :4] = numbers(rows)
    if world is not None and len(world) == len(points):
        out[:, 4:] = numbers(
            [(p["x"], p["y"], p.get("z", 0)) if p else (np.nan,) * 3 for p in world]
        )
    return out


JSON_KINDS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], KeypointTable]]] = {
    "coco": (is_coco, read_coco),
    "alphapose": (_is_alphapose, _read_alphapose),
    "mmpose": (_is_mmpose, _read_mmpose),
    "openpose": (_is_openpose, _read_openpose),
    "detections": (is_detections, read_detections),
    "mediapipe": (_is_mediapipe, _read_mediapipe),
}
"""By name: whether a JSON file's content is of this kind, and its reader. The first that knows a
file reads it."""
