"""Rows of a keypoint file, and their conversion to the people of a clip."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError, VideoWarning
from vipecli.poses.formats.identities import followed
from vipecli.poses.formats.spatial import seen_from_front
from vipecli.poses.formats.times import clock_time, in_seconds, time_unit
from vipecli.poses.joint_sets import JointMap, Sources, marked, sources, to_joints
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.skeleton import JOINTS
from vipecli.poses.tracking import SEEN, WORLD, XY, XYZ, Track, Tracks

DEFAULT_FPS = 30.0
"""Frame rate where neither the file nor the user states one."""

_SHARE_LIMIT = 2.0  # coordinates that all stay below are shares of the picture, not pixels
_CENTRED_SHARE = 0.2  # of coordinates below 0, from which shares run from -1 to 1
_OUTSIDE = 0.05  # how far below 0 they then reach in x and y
_FARTHEST_PX = 1e6  # a joint beyond is no joint
_SPARSE, _FREE_FRAMES = (
    50,
    100_000,
)  # largest ratio of frames to frames with people, and frames always allowed
_MOST_FRAMES = 500_000  # and ten times the frames with people
_MOST_POINTS = 10_000_000  # of everyone in every frame; one takes 28 bytes, three times
_ASPECT_LIMIT = 4.0  # of a picture whose size is guessed
_NOWHERE = 0.0, -1.0  # both coordinates of points that were not found, as many tools write them
_PERCENT = 10.0  # a score beyond is one in per cent
_UPRIGHT = 0.7  # share of the way from feet to shoulders that goes along one axis
_CENTRED_DEPTH = 0.05  # of that way: where the hips are nearer to depth 0, it is a camera's
_NEARLY_ALL = 0.95
_SHOULDERS, _HIPS, _ANKLES = (1, 2), (7, 8), (11, 12)  # places in `skeleton.JOINTS`


@dataclass
class KeypointTable:
    """Rows of a keypoint file: one per person and frame.

    Attributes
    ----------
    format
        name of the format; the detector of the poses, unless the file names one.
    frames
        R frame numbers.
    points
        R arrays (K, 3) of x, y and score, or (K, 7): x, y, z, score, and x, y, z in metres. A
        point is missing where a coordinate is NaN, both are exactly 0 or -1, or the score is 0 or
        less.
    people
        R identities; None where the file does not tell.
    names
        of the K points, where the file tells them.
    times
        by frame number, where the file tells them; also of frames that show nobody.
    time_unit
        seconds per unit of the times; 0 = the file does not state it.
    fps, size, source, detector
        where the file tells them.
    all_frames
        numbers of all frames of the file, with or without people.
    first_frame
        number of the first frame of the clip; None = the lowest number in the file.
    remarks
        what the file should say, but does not.
    """

    format: str
    frames: list[int] = field(default_factory=list)
    points: list[np.ndarray] = field(default_factory=list)
    people: list[object] = field(default_factory=list)
    names: list[str] | None = None
    times: dict[int, float] = field(default_factory=dict)
    time_unit: float = 1.0
    fps: float | None = None
    size: tuple[int, int] | None = None
    source: str = ""
    detector: str = ""
    all_frames: list[int] = field(default_factory=list)
    first_frame: int | None = None
    remarks: list[str] = field(default_factory=list)
    _points: int = 0

    def add(self, frame: int, points: np.ndarray, person: object = None) -> None:
        """Append a person in a frame.

        Raises
        ------
        FormatError
            if the file lists more points than are read.
        """
        self._points += len(points)
        if self._points > _MOST_POINTS:
            raise FormatError(f"lists more than {_MOST_POINTS:,} points, the limit; split it")
        self.frames.append(int(frame))
        self.points.append(np.asarray(points, np.float32))
        self.people.append(person)

    def note_time(self, frame: int, about: Mapping[str, object]) -> None:
        """Take over the time that a file states of a frame, under any name of times."""
        units = {key: unit for key in about if (unit := time_unit(key)) is not None}
        if units:
            key = max(units, key=lambda key: units[key] > 0)
            moment = clock_time(str(about[key]))
            if np.isfinite(moment):
                self.times[frame], self.time_unit = moment, units[key]

    def renumber(self, numbers: Sequence[int]) -> None:
        """Replace each frame number, so far a place in `numbers`, by the number there."""
        self.frames = [numbers[frame] for frame in self.frames]
        self.all_frames = [numbers[frame] for frame in self.all_frames]
        self.times = {numbers[frame]: time_s for frame, time_s in self.times.items()}


def scene_of(
    table: KeypointTable, path: Path, *, joint_map: JointMap | None = None, fps: float | None = None
) -> Scene:
    """People of a clip from the rows of a file.

    Parameters
    ----------
    table
        the rows.
    path
        of the file, for messages and as the source.
    joint_map
        what the user says about points, size and rate.
    fps
        rate at which the clip was filmed, where the file does not tell times.

    Raises
    ------
    FormatError
        if nobody is in it, the joint set is not known, or sizes or times make no sense.
    """
    if not table.points:
        raise FormatError(f"{path}: lists nobody")
    counts = Counter(points.shape for points in table.points)
    if len(counts) > 1:
        several = " and ".join(str(shape[0]) for shape in counts)
        raise FormatError(f"{path}: people of {several} points in one file")
    points = _seven_columns(np.stack(table.points))
    wanted, is_mediapipe = sources(path, points.shape[1], table.names, joint_map)
    size = table.size or (joint_map.size if joint_map else None)
    joints = to_joints(points, wanted)
    are_shares = _largest(np.abs(points[..., XY])) <= _SHARE_LIMIT
    if _is_spatial(joints) and not (is_mediapipe and are_shares):
        points, size = _seen(path, points, wanted)
        table.remarks.append("holds positions in 3D; they are seen from the front")
    elif _is_upside_down(joints):
        table.remarks.append(
            "everyone in it is upside down; if its y counts upwards, write the height of the "
            "picture minus y instead"
        )
    points, size = _in_pixels(path, points, size, table.format)
    points = points[:, :33] if is_mediapipe else to_joints(points, wanted)
    rows, times = _rows(path, table, fps or table.fps or (joint_map and joint_map.fps))
    tracks = _tracks(table, rows, times, marked(points))
    for remark in table.remarks:
        warnings.warn(f"{path}: {remark}", VideoWarning, stacklevel=2)
    return Scene(
        tracks=tracks,
        times=times,
        size=size,
        source=table.source or path.name,
        detector=table.detector or table.format,
    )


def _seven_columns(points: np.ndarray) -> np.ndarray:
    """Rows (R, K, 7) as in `vipecli.poses.tracking`, NaN where missing."""
    if points.shape[2] == 3:
        out = np.full((*points.shape[:2], 7), np.nan, np.float32)
        out[..., [0, 1, SEEN]] = points
    else:
        out = points.astype(np.float32)
    missing = ~np.isfinite(out[..., [0, 1, SEEN]]).all(axis=-1) | (out[..., SEEN] <= 0)
    missing |= (np.abs(out[..., XY]) > _FARTHEST_PX).any(axis=-1)
    for nowhere in _NOWHERE:
        missing |= (out[..., XY] == nowhere).all(axis=-1)
    out[missing] = np.nan
    if _largest(out[..., SEEN]) > _PERCENT:
        out[..., SEEN] /= 100
    return out


def _largest(values: np.ndarray) -> float:
    """Largest of some values; 0 if none is known."""
    return float(np.max(values, initial=0, where=np.isfinite(values)))


def _middles(joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each row, the mean of the hips, and the way to the mean of the shoulders from the feet.

    From the hips where the feet are missing. Shapes (R, 3).
    """
    ways = [joints[:, parts, :3].mean(axis=1) for parts in (_SHOULDERS, _HIPS, _ANKLES)]
    shoulders, hips, feet = ways
    return hips, shoulders - np.where(np.isfinite(feet), feet, hips)


def _is_spatial(joints: np.ndarray) -> bool:
    """Whether points (R, 13, 7) are places in a room with y or z up, not in a picture.

    Where the depth is that of a camera it is 0 at the hips, as MediaPipe's, and y goes down.
    """
    hips, ways = _middles(joints)
    known = np.isfinite(hips).all(axis=1) & np.isfinite(ways).all(axis=1)
    if not known.any() or not _largest(np.abs(joints[known][..., 2])) > 0:
        return False
    hip, way = np.median(hips[known], axis=0), np.median(ways[known], axis=0)
    length = float(np.linalg.norm(way))
    if abs(hip[2]) < _CENTRED_DEPTH * length:
        return False
    return bool(max(abs(way[2]), way[1]) > _UPRIGHT * length)


def _is_upside_down(joints: np.ndarray) -> bool:
    """Whether nearly everyone has the shoulders below the hips, and these below the feet, y down.

    Of who lies down, or has only the hips up, one of both is not so.
    """
    shoulders, hips, feet = (
        joints[:, parts, 1].mean(axis=1) for parts in (_SHOULDERS, _HIPS, _ANKLES)
    )
    feet = np.where(np.isfinite(feet), feet, -np.inf)
    known = np.isfinite(shoulders) & np.isfinite(hips)
    down = (shoulders > hips) & (hips > feet)
    return bool(known.any()) and bool(down[known].mean() > _NEARLY_ALL)


def _seen(path: Path, points: np.ndarray, wanted: Sources) -> tuple[np.ndarray, tuple[int, int]]:
    """Points (R, K, 7) with x and y as a camera in front of the people sees them."""
    xyz = points[..., XYZ].astype(np.float64)
    places = {name: groups[0][0] for name, groups in zip(JOINTS, wanted, strict=True) if groups}
    out = points.copy()
    out[..., XY], size = seen_from_front(path, xyz, places)
    out[..., 2] = 0
    return out, size


def _in_pixels(
    path: Path, points: np.ndarray, size: tuple[int, int] | None, kind: str
) -> tuple[np.ndarray, tuple[int, int]]:
    """Points in pixels, and the size of the picture, guessed where it is not stated."""
    known = points[np.isfinite(points[..., 0])][:, XY]
    if not len(known):
        raise FormatError(f"{path}: lists nobody: every point is missing")
    if np.abs(known).max() <= _SHARE_LIMIT:
        if size is None:
            raise FormatError(
                f"{path}: coordinates are shares of a picture whose size it does not tell; say "
                "size = [WIDTH, HEIGHT] in a file for --joints"
            )
        points = points.copy()
        if _is_centred(known, kind):
            points[..., XY] = (points[..., XY] + 1) / 2
            points[..., 2] /= 2
        points[..., :3] *= np.float32([size[0], size[1], size[0]])
        return points, size
    if size is None:
        # The same margin on the right as on the left, and below as above.
        least, most = np.percentile(known, [0.1, 99.9], axis=0)
        most = np.maximum(np.ceil(most + np.clip(least, 0, most)), 2)
        width, height = np.maximum(most, most[::-1] / _ASPECT_LIMIT).astype(int).tolist()
        size = (width, height)
    return points, size


def _is_centred(known: np.ndarray, kind: str) -> bool:
    """Whether shares of the picture run from -1 to 1, not from 0 to 1.

    OpenPose never places a point outside of the picture; others do, but not many on two sides.
    """
    low = known.min(axis=0)
    if np.abs(known).max() > 1 or low.min() >= 0:
        return False
    several = low.max() < -_OUTSIDE and (known < 0).mean() > _CENTRED_SHARE
    return kind == "openpose" or bool(several)


def _rows(path: Path, table: KeypointTable, fps: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Frame index of every row (R,), and the times of all frames (T,)."""
    if table.times and set(table.frames) <= set(table.times):
        seconds, remarks = in_seconds(table.times, table.time_unit)
        table.remarks.extend(remarks)
        numbers = np.array(sorted(seconds, key=lambda n: (seconds[n], n)), np.int64)
        times = np.array([seconds[n] for n in numbers.tolist()], np.float64)
        if not np.isfinite(times).all() or not (np.diff(times) > 0).all():
            raise FormatError(f"{path}: its times do not increase from frame to frame")
        places = {number: i for i, number in enumerate(numbers.tolist())}
        return np.array([places[n] for n in table.frames]), times
    rate = fps or DEFAULT_FPS
    if table.times:
        table.remarks.append(
            f"states the times of some frames only; {rate:g} frames per second are assumed"
        )
    listed = {*table.frames, *table.all_frames, *table.times}
    first, last = min(listed), max(listed)
    if table.first_frame is not None:
        first = min(first, table.first_frame)
    most = min(_SPARSE * len(listed) + _FREE_FRAMES, 10 * len(listed) + _MOST_FRAMES)
    if last - first > most:
        raise FormatError(
            f"{path}: frame numbers from {first} to {last} for {len(listed)} frames, the limit is "
            f"{most:,}; damaged?"
        )
    times = np.arange(last - first + 1) / rate
    return np.array([number - first for number in table.frames]), times


def _tracks(
    table: KeypointTable, rows: np.ndarray, times: np.ndarray, people: np.ndarray
) -> Tracks:
    """Return the tracks: by the identities of the file, or by position."""
    tracks, order = Tracks(), np.argsort(rows, kind="stable").tolist()
    order = [row for row in order if (people[row, :, SEEN] > 0).any()]
    if _identified(table, rows):
        tracks, exchanged = followed(order, rows, times, people, table.people)
        if exchanged is not None:
            table.remarks.append(
                f"people exchange their numbers in it, first at {exchanged:.2f} s; they are "
                "followed by where they are"
            )
        return tracks
    in_frame: dict[int, list[np.ndarray]] = {}
    for row in order:
        in_frame.setdefault(int(rows[row]), []).append(people[row])
    for frame, found in in_frame.items():
        tracks.add(frame, float(times[frame]), found)
    return tracks


def _identified(table: KeypointTable, rows: np.ndarray) -> bool:
    """Return whether every row has an identity, unique per frame, and none is new for each."""
    if any(person is None for person in table.people):
        return False
    if len(set(table.people)) == len(rows) > len(set(rows.tolist())) > 1:
        return False
    return len(set(zip(rows.tolist(), table.people, strict=True))) == len(rows)


def scene_of_one(poses: Poses) -> Scene:
    """Scene with the one person that poses are of."""
    if poses.landmarks is not None and poses.landmark_score is not None:
        points = np.full((*poses.landmarks.shape[:2], 7), np.nan, np.float32)
        points[..., XYZ], points[..., SEEN] = poses.landmarks, poses.landmark_score
        if poses.world is not None:
            points[..., WORLD] = poses.world
    else:
        points = np.full((*poses.score.shape, 7), np.nan, np.float32)
        points[..., XY], points[..., SEEN] = poses.xy, poses.score
    points[~(points[..., SEEN] > 0)] = np.nan
    track = Track()
    rows = marked(points)
    for frame in np.flatnonzero((rows[..., SEEN] > 0).any(axis=1)).tolist():
        track.add(frame, float(poses.times[frame]), rows[frame])
    tracks = Tracks()
    tracks.tracks = [track] if track.frames else []
    return Scene(tracks, poses.times, poses.size, poses.source, poses.detector)
