"""Writers of poses in the formats of other tools.

Points that the poses do not have are missing, with one exception: without MediaPipe's landmarks
both ears are where the head is, which is what the head is read back from.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.files import writable
from vipecli.poses.formats.text import own_name
from vipecli.poses.joint_sets import BODY25, COCO, HALPE26, MEDIAPIPE
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import (
    JOINTS,
    LEFT_HIP,
    LEFT_SHOULDER,
    MIRROR,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)

_VISIBLE = 0.5  # score from which a point is labelled as visible, not occluded
_MAT_HEADER = b"MATLAB 5.0 MAT-file, labels as of Penn Action"
_MIDDLES = {
    "neck": (LEFT_SHOULDER, RIGHT_SHOULDER),
    "hip": (LEFT_HIP, RIGHT_HIP),
    "mid_hip": (LEFT_HIP, RIGHT_HIP),
}
_OTHER_NAMES = {"big_toe": "foot_index"}
_TRC_NAMES = ["Head", *(f"{name[0].upper()}{name.split('_')[1].title()}" for name in JOINTS[1:])]


def points_of(poses: Poses, names: Sequence[str]) -> np.ndarray:
    """Return the points of another joint set, shape (T, K, 3): x, y, score; zeros where missing."""
    out = np.zeros((len(poses), len(names), 3), np.float64)
    for k, name in enumerate(names):
        found = _point(poses, name)
        if found is not None:
            known = np.isfinite(found[0]).all(axis=-1) & (found[1] > 0)
            out[known, k, :2], out[known, k, 2] = found[0][known], found[1][known]
    return out


def _point(poses: Poses, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Return coordinates (T, 2) and score (T,) of a named point; None if it is unknown."""
    if name in JOINTS[1:]:
        joint = JOINTS.index(name)
        return poses.xy[:, joint], poses.score[:, joint]
    if name in _MIDDLES:
        pair = list(_MIDDLES[name])
        score = poses.score[:, pair].min(axis=1)
        return poses.xy[:, pair].mean(axis=1), score
    if poses.landmarks is None:
        return (poses.xy[:, 0], poses.score[:, 0]) if name.endswith("_ear") else None
    side, _, part = name.partition("_")
    name = f"{side}_{_OTHER_NAMES.get(part, part)}" if part else name
    if name not in MEDIAPIPE:
        return None
    place = MEDIAPIPE.index(name)
    return poses.landmarks[:, place, :2], poses.landmark_score[:, place]


def _rounded(values: np.ndarray, digits: int = 4) -> list:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _write_json(data: Any, path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(writable(json.dumps(data, ensure_ascii=False, allow_nan=False)) + "\n")


def _rows(people: Sequence[Poses], names: Sequence[str]) -> Iterable[tuple[int, int, np.ndarray]]:
    """Yield frame, person and points (K, 3) of everyone, frame by frame."""
    points = [points_of(poses, names) for poses in people]
    for frame in range(len(people[0])):
        for person, rows in enumerate(points):
            if (rows[frame, :, 2] > 0).any():
                yield frame, person, rows[frame]


def _box(points: np.ndarray) -> list[float]:
    """Return the bounding box (x, y, width, height) of the known points."""
    known = points[points[:, 2] > 0, :2]
    low, high = known.min(axis=0), known.max(axis=0)
    return _rounded([*low, *(high - low)], 2)


def write_coco(people: Sequence[Poses], path: Path) -> None:
    """Write COCO's keypoint labels, with scores and times in additional fields."""
    first = people[0]
    width, height = first.size
    images = [
        {
            "id": frame + 1,
            "width": width,
            "height": height,
            "file_name": f"{frame:06d}.jpg",
            "frame_id": frame,
            "time_s": time_s,
        }
        for frame, time_s in enumerate(first.times.tolist())
    ]
    annotations = []
    for frame, person, points in _rows(people, COCO):
        flags = np.select([points[:, 2] >= _VISIBLE, points[:, 2] > 0], [2, 1])
        flat = np.column_stack([points[:, :2], flags]).ravel()
        box = _box(points)
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": frame + 1,
                "category_id": 1,
                "track_id": person + 1,
                "keypoints": _rounded(flat),
                "num_keypoints": int((flags > 0).sum()),
                "keypoint_scores": _rounded(points[:, 2]),
                "score": round(float(points[:, 2].mean()), 4),
                "bbox": box,
                "area": round(box[2] * box[3], 2),
                "iscrowd": 0,
            }
        )
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO)}
    info = {"description": "poses", "source": first.source, "detector": first.detector}
    data = {"info": info, "images": images, "annotations": annotations, "categories": [category]}
    _write_json(data, path)


def write_mmpose(people: Sequence[Poses], path: Path) -> None:
    """Write predictions as MMPose's demo does, COCO's 17 points."""
    first = people[0]
    frames = [
        {"frame_id": frame, "time_s": time_s, "instances": []}
        for frame, time_s in enumerate(first.times.tolist())
    ]
    for frame, person, points in _rows(people, COCO):
        x, y, width, height = _box(points)
        frames[frame]["instances"].append(
            {
                "keypoints": _rounded(points[:, :2]),
                "keypoint_scores": _rounded(points[:, 2]),
                "bbox": [[x, y, x + width, y + height]],
                "bbox_score": round(float(points[:, 2].mean()), 4),
                "track_id": person + 1,
            }
        )
    meta = {
        "dataset_name": "coco",
        "num_keypoints": len(COCO),
        "keypoint_id2name": {str(i): name for i, name in enumerate(COCO)},
        "width": first.size[0],
        "height": first.size[1],
        "source": first.source,
        "detector": first.detector,
    }
    _write_json({"meta_info": meta, "instance_info": frames}, path)


def write_alphapose(people: Sequence[Poses], path: Path, *, names: Sequence[str] = COCO) -> None:
    """Write AlphaPose's list of people; it holds neither times nor the size of the picture."""
    data = [
        {
            "image_id": f"{frame}.jpg",
            "category_id": 1,
            "keypoints": _rounded(points.ravel()),
            "score": round(float(points[:, 2].sum()), 4),
            "box": _box(points),
            "idx": person + 1,
        }
        for frame, person, points in _rows(people, names)
    ]
    _write_json(data, path)


def write_halpe26(people: Sequence[Poses], path: Path) -> None:
    """Write AlphaPose's list with Halpe's 26 points."""
    write_alphapose(people, path, names=HALPE26)


def write_openpose(people: Sequence[Poses], folder: Path) -> None:
    """Write OpenPose's folder: one file per frame, BODY_25; it holds no times and no size."""
    found: dict[int, list[dict]] = {}
    for frame, person, points in _rows(people, BODY25):
        one = {"person_id": [person], "pose_keypoints_2d": _rounded(points.ravel())}
        parts = ("face", "hand_left", "hand_right")
        one |= {f"{part}_keypoints_2d": [] for part in parts}
        found.setdefault(frame, []).append(one)
    for frame in range(len(people[0])):
        name = f"frame_{frame:012d}_keypoints.json"
        _write_json({"version": 1.3, "people": found.get(frame, [])}, folder / name)


def _landmarks(poses: Poses) -> np.ndarray:
    """Return landmarks (T, 33, 4): x and y as shares of the picture, z like x, visibility."""
    width, height = poses.size
    out = np.zeros((len(poses), len(MEDIAPIPE), 4))
    if poses.landmarks is None:
        out[..., [0, 1, 3]] = points_of(poses, MEDIAPIPE)
    else:
        known = poses.landmark_score > 0
        out[known] = np.concatenate(
            [poses.landmarks[known], poses.landmark_score[known][:, None]], axis=1
        )
    return out / [width, height, width, 1]


def write_mediapipe(people: Sequence[Poses], path: Path) -> None:
    """Write MediaPipe's landmarks, with names as in its Python results."""
    poses = people[0]
    rows = _rounded(_landmarks(poses), 8)
    world = None if poses.world is None else _rounded(np.nan_to_num(poses.world), 6)
    frames = []
    for frame, time_s in enumerate(poses.times.tolist()):
        one: dict[str, Any] = {"frame": frame, "time_s": time_s, "landmarks": []}
        if any(row[3] > 0 for row in rows[frame]):
            keys = ("x", "y", "z", "visibility")
            one["landmarks"] = [dict(zip(keys, row, strict=True)) for row in rows[frame]]
            if world:
                one["world_landmarks"] = [
                    dict(zip("xyz", row, strict=True)) for row in world[frame]
                ]
        frames.append(one)
    data = {"width": poses.size[0], "height": poses.size[1]}
    data |= {"source": poses.source, "detector": poses.detector, "frames": frames}
    _write_json(data, path)


def write_mediapipe_csv(people: Sequence[Poses], path: Path) -> None:
    """Write MediaPipe's landmarks, a row per frame: x1, y1, z1, v1, ..., v33."""
    poses = people[0]
    header = ["frame", "time_s", "width", "height"]
    header += [f"{axis}{i}" for i in range(1, 34) for axis in "xyzv"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for frame, rows in enumerate(_landmarks(poses)):
            known = rows[:, 3:] > 0
            cells = np.where(known, np.round(rows, 8), np.nan).ravel().tolist()
            values = ["" if cell != cell else cell for cell in cells]
            writer.writerow([frame, repr(float(poses.times[frame])), *poses.size, *values])


def write_penn(people: Sequence[Poses], path: Path) -> None:
    """Write a label file as of Penn Action: left and right the viewer's, scores 0 or 1."""
    from scipy.io import savemat

    poses = people[0]
    order = list(MIRROR)
    known, xy = poses.score[:, order] > 0, poses.xy[:, order].astype(np.float64)
    width, height = poses.size
    with path.open("wb") as file:
        savemat(
            file,
            {
                "action": "",
                "pose": "",
                "x": np.where(known, xy[..., 0], 1.0),
                "y": np.where(known, xy[..., 1], 1.0),
                "visibility": (poses.score[:, order] >= _VISIBLE).astype(np.float64),
                "train": 1.0,
                "bbox": _boxes(poses),
                "dimensions": np.array([[height, width, len(poses)]], np.float64),
                "nframes": float(len(poses)),
                "times": poses.times[None],
            },
            do_compression=True,
        )
        file.seek(0)  # scipy writes the date
        file.write(_MAT_HEADER.ljust(116))


def _boxes(poses: Poses) -> np.ndarray:
    """Return the corners (T, 4) of the bounding boxes; ones in frames without a person."""
    out = np.ones((len(poses), 4))
    found = np.isfinite(poses.xy).all(axis=-1).any(axis=1)
    xy = poses.xy[found]
    if len(xy):
        out[found] = np.hstack([np.nanmin(xy, axis=1), np.nanmax(xy, axis=1)])
    return out


def write_trc(people: Sequence[Poses], path: Path) -> None:
    """Write OpenSim markers, flat, in pixels with y down, as Sports2D does."""
    poses = people[0]
    steps = np.diff(poses.times)
    rate = round(float(1 / np.median(steps)), 4) if len(steps) else 30.0
    frames, markers = len(poses), len(JOINTS)
    header = [
        f"PathFileType\t4\t(X/Y/Z)\t{own_name(poses.source)}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\t"
        "OrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        "\t".join(map(str, (rate, rate, frames, markers, "m", rate, 0, frames))),
        "Frame#\tTime\t" + "\t\t\t".join(_TRC_NAMES) + "\t\t",
        "\t\t" + "\t".join(f"X{i}\tY{i}\tZ{i}" for i in range(1, markers + 1)),
    ]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(header) + "\n")
        for frame, xy in enumerate(poses.xy):
            cells = [f"{x:.4f}\t{y:.4f}\t0" if x == x else "\t\t" for x, y in xy.tolist()]
            cells = [str(frame), repr(float(poses.times[frame])), *cells]
            file.write("\t".join(cells) + "\n")
