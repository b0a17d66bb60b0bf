"""Readers of COCO's keypoint labels, and of the lists of results that look like them."""

from collections import Counter
from typing import Any

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.frame_numbers import (
    CHOOSE_ONE,
    named,
    number_frames,
    refuse_several,
    stated_number,
    videos_of,
)
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import numbers, picture_size, short_text, triples
from vipecli.poses.joint_sets import is_complete

_FLAG_SCORES = {0: 0.0, 1: 0.5, 2: 1.0}  # of COCO's v: not labelled, occluded, visible


def is_coco(data: Any) -> bool:
    """Whether data are labels of images, or results with numbered images."""
    if isinstance(data, dict):
        return "annotations" in data and ("images" in data or _are_of_images(data["annotations"]))
    return is_list_of(data, "keypoints", "image_id") and not isinstance(data[0]["image_id"], str)


def _are_of_images(rows: Any) -> bool:
    """Whether rows are keypoints of numbered images."""
    return is_list_of(rows or [None], "image_id") and any("keypoints" in one for one in rows)


def read_coco(data: Any) -> KeypointTable:
    """Labels (images, annotations, categories), or the list of a detector's results."""
    if isinstance(data, list):
        return read_results(data, "coco")
    table = KeypointTable("coco")
    if not data.get("images"):
        table.remarks.append(
            "its list of images is missing: frames are numbered by image_id, and the size of the "
            "picture is guessed"
        )
    data = _with_images(data)
    info = data.get("info")
    if isinstance(info, dict):
        table.source, table.detector = (short_text(info.get(k)) for k in ("source", "detector"))
    frames = _image_frames(data["images"], data.get("videos"), table)
    table.all_frames = list(frames.values())
    table.names, rows = _of_people(data["annotations"], data.get("categories"))
    for one, points in zip(rows, _points_of(rows, flags=True), strict=True):
        image = _id(one["image_id"])
        if image not in frames:
            raise FormatError(f"annotation of image {image[:40]}, which is not in the list")
        table.add(frames[image], points, identity(one, "track_id", "person_id"))
    return table


def _with_images(data: dict) -> dict:
    """Labels with a list of images: where it is missing, those that the annotations name."""
    if data.get("images"):
        return data
    ids = dict.fromkeys(_id(one["image_id"]) for one in data["annotations"])
    return data | {"images": [{"id": image} for image in ids]}


def of_video(data: Any, video: str) -> Any:
    """The same labels or results, but only those of one video; `data` may be of several.

    Raises
    ------
    FormatError
        if it is not of several videos, or of none of that name.
    """
    data = _with_images(data) if isinstance(data, dict) else data
    images = data["images"] if isinstance(data, dict) else data
    key, videos = ("id", data.get("videos")) if isinstance(data, dict) else ("image_id", None)
    owners = _titles(images, videos) if key == "id" else {}
    if len(set(owners.values())) < 2:
        names = {_id(one[key]): str(one.get("file_name") or one[key]) for one in images}
        by_name = videos_of(names.values())
        owners = {i: by_name[name] for i, name in names.items()} if by_name else {}
    if not owners:
        raise FormatError("holds one video only; leave --video out")
    chosen = {i for i, owner in owners.items() if owner == video}
    if not chosen:
        raise FormatError(f"holds no video {video[:60]}, but {named(owners.values())}")
    kept = [one for one in images if _id(one[key]) in chosen]
    if isinstance(data, list):
        return kept
    rows = [one for one in data["annotations"] if _id(one["image_id"]) in chosen]
    return data | {"images": kept, "annotations": rows}


def _titles(images: list[dict], videos: Any) -> dict[str, str]:
    """Video that each image says that it is of, by the id of the image."""
    listed = [one for one in videos or () if isinstance(one, dict) and "id" in one]
    titles = {_id(one["id"]): str(one.get("name") or one.get("file_name")) for one in listed}
    owners = [_id(image.get("video_id", "")) for image in images]
    return {_id(i["id"]): titles.get(o, o) for i, o in zip(images, owners, strict=True)}


def _image_frames(images: list[dict], videos: Any, table: KeypointTable) -> dict[str, int]:
    """Frame number by id of the image; fills in times and size."""
    if not images:
        raise FormatError("no images")
    table.size = picture_size(images[0].get("width"), images[0].get("height"))
    ids = [_id(image["id"]) for image in images]
    refuse_several(_titles(images, videos), CHOOSE_ONE)
    names = [str(image.get("file_name") or image["id"]) for image in images]
    if len(set(names)) < len(set(ids)):  # the video's own name, in place of the pictures'
        names = ids
    numbered = number_frames(names, remedy=CHOOSE_ONE)
    frames = [stated_number(image, -1) for image in images]
    if -1 in frames or len(set(frames)) < len(images):
        frames = [numbered[name] for name in names]
    for frame, image in zip(frames, images, strict=True):
        table.note_time(frame, image)
    return dict(zip(ids, frames, strict=True))


def _id(value: object) -> str:
    """Id as text: 7, 7.0 and "7" are the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return str(int(text)) if text.isdecimal() and len(text) < 20 else text


def _of_people(rows: list[dict], categories: Any) -> tuple[list[str] | None, list[dict]]:
    """Names of a person's keypoints, and the annotations of people that have any."""
    rows = [one for one in rows if one.get("keypoints")]
    known = [c for c in categories or () if isinstance(c, dict) and c.get("keypoints")]
    if not known:
        return None, _of_one_category(rows)
    chosen = min(known, key=lambda c: (c.get("name") != "person", not is_complete(c["keypoints"])))
    ids = {_id(c.get("id")) for c in known if c["keypoints"] == chosen["keypoints"]}
    theirs = [one for one in rows if _id(one.get("category_id", min(ids))) in ids]
    return [str(name)[:64] for name in chosen["keypoints"]], theirs or rows


def _of_one_category(rows: list[dict]) -> list[dict]:
    """Rows of the category of people, 1 in COCO, where those of several differ in points."""
    if len({len(one["keypoints"]) for one in rows}) < 2:
        return rows
    categories = Counter(_id(one.get("category_id", "")) for one in rows)
    chosen = "1" if "1" in categories else categories.most_common(1)[0][0]
    return [one for one in rows if _id(one.get("category_id", "")) == chosen]


def _points_of(rows: list[dict], *, flags: bool) -> list[np.ndarray]:
    """Points (K, 3) of each row: x, y, score.

    Where COCO's flag v is 0 in the whole file, as detectors write it, the score of the person
    counts for every point that has a place.
    """
    points = [triples(one["keypoints"]) for one in rows]
    unflagged = all(not found[:, 2].any() for found in points)
    for one, found in zip(rows, points, strict=True):
        if "keypoint_scores" in one:
            nowhere = ~found.any(axis=1)  # (0, 0), and v = 0: not labelled, whatever its score
            found[:, 2] = np.where(nowhere, 0, numbers(one["keypoint_scores"]))
        elif unflagged and "score" in one:
            score = float(numbers(one["score"]).clip(0, 1))
            found[:, 2] = np.where(found[:, :2].any(axis=1), score, 0)
        elif flags:
            found[:, 2] = _scores_of_flags(found[:, 2])
    return points


def _scores_of_flags(flags: np.ndarray) -> np.ndarray:
    """Scores from 0, 1, 2; of a file that has scores in their place, those."""
    if not np.isin(flags, list(_FLAG_SCORES)).all():
        return flags
    return np.select([flags == flag for flag in _FLAG_SCORES], list(_FLAG_SCORES.values()))


def read_results(data: list[dict], kind: str) -> KeypointTable:
    """Rows of a list with one person per item; `kind` becomes the format.

    Raises
    ------
    FormatError, ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    table = KeypointTable(kind)
    _, rows = _of_people(data, None)
    names = [str(one["image_id"]) for one in data]
    frames = number_frames(names, remedy=CHOOSE_ONE)
    table.all_frames = [frames[name] for name in names]
    for one, points in zip(rows, _points_of(rows, flags=False), strict=True):
        person = identity(one, "idx", "track_id", "person_id")
        table.add(frames[str(one["image_id"])], points, person)
    return table


def identity(one: dict, *keys: str) -> object:
    """Return the identity of a row: of the first key that holds a number, or a list of them."""
    for key in keys:
        value = one.get(key)
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def is_list_of(data: Any, *keys: str) -> bool:
    """Whether data is a list whose first item is a table with these keys."""
    return isinstance(data, list) and isinstance(data[0], dict) and set(keys) <= set(data[0])
