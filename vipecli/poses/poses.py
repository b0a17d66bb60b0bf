"""2D poses of one person over the frames of a clip."""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vipecli.errors import FormatError, NoPoseError, import_extra
from vipecli.poses.skeleton import JOINTS, from_mediapipe
from vipecli.poses.tracking import (
    SEEN,
    WORLD,
    XY,
    XYZ,
    Person,
    Track,
    Tracks,
    present,
)

_LEAST_SCORE = 1e-4  # of a joint that has coordinates
_OPTIONAL = {"landmarks": (33, 3), "landmark_score": (33,), "world": (33, 3), "filled": (13,)}
_SHAPES = {"times": (), "xy": (13, 2), "score": (13,)} | _OPTIONAL  # per frame

_Item = TypeVar("_Item")


@dataclass(frozen=True, repr=False)
class Poses:
    """Joints of one person, frame by frame.

    Attributes
    ----------
    xy
        shape (T, 13, 2) float32, pixels of the upright picture, y down; NaN where a joint is
        missing.
    score
        shape (T, 13) float32 in [0, 1]: how surely the joint is seen; 0 where it is missing.
    times
        shape (T,) float64, presentation times in seconds, strictly increasing.
    size
        width and height of the upright picture, pixels.
    source
        name of the file the poses come from.
    detector
        what found them, for example ``mediapipe-0.10.21-full``.
    landmarks
        shape (T, 33, 3) float32 or None: MediaPipe's landmarks, x and y in pixels, z in pixels
        relative to the hips; NaN in frames without a person.
    landmark_score
        shape (T, 33) float32 or None: their visibility, 0 where missing.
    world
        shape (T, 33, 3) float32 or None: MediaPipe's 3D landmarks, metres from the mid-hip.
    filled
        shape (T, 13) bool or None: joints that nobody saw, put there by `gaps.fill_gaps`; None =
        none of them.
    """

    xy: NDArray[np.float32]
    score: NDArray[np.float32]
    times: NDArray[np.float64]
    size: tuple[int, int]
    source: str = ""
    detector: str = ""
    landmarks: NDArray[np.float32] | None = None
    landmark_score: NDArray[np.float32] | None = None
    world: NDArray[np.float32] | None = None
    filled: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Check the shapes once, so that no later stage has to.

        Raises
        ------
        FormatError
            if shapes disagree, times do not increase, a score is not in [0, 1], a missing joint
            has one, or the picture has no size.
        """
        t, name = len(self.times), self.source or "poses"
        for field, per_frame in _SHAPES.items():
            values = getattr(self, field)
            if values is None and field in _OPTIONAL:
                continue
            if values.shape != (t, *per_frame):
                raise FormatError(
                    f"{name}: {field} has shape {values.shape}, expected {(t, *per_frame)}"
                )
        if not (np.diff(self.times) > 0).all():
            raise FormatError(f"{name}: times do not increase strictly")
        if not ((self.score >= 0) & (self.score <= 1)).all():
            raise FormatError(f"{name}: a score is not between 0 and 1")
        if (self.score[~np.isfinite(self.xy).all(-1)] != 0).any():
            raise FormatError(f"{name}: a joint without coordinates has a score")
        if min(self.size) < 1:
            raise FormatError(f"{name}: a picture of {self.size[0]} x {self.size[1]} pixels")

    def __len__(self) -> int:
        """Return the number of frames, T."""
        return len(self.times)

    def __repr__(self) -> str:
        """One line: frames, those with somebody, time span, picture and file."""
        span = f", {self.times[0]:.2f}-{self.times[-1]:.2f} s" if len(self) else ""
        seen = int(np.isfinite(self.xy).all(-1).any(-1).sum())
        width, height = self.size
        name = f"{self.source}; " if self.source else ""
        return f"Poses({name}{len(self)} frames, {seen} with a person{span}, {width} x {height})"

    @property
    def found(self) -> NDArray[np.bool_]:
        """Shape (T,) bool: frames in which at least one joint is known."""
        return (self.score > 0).any(axis=1)

    def to_xarray(self) -> Any:
        """Joints as a dataset in the layout of `movement` (0.17 and later).

        Needs the extra `tables`. Earlier versions of movement name two dimensions in the plural:
        ``dataset.rename(keypoint="keypoints", individual="individuals")``.

        Returns
        -------
        `xarray.Dataset` with position (time, space, keypoint, individual), pixels, and confidence
        (time, keypoint, individual); NaN where a joint is missing. Time is in seconds.

        Raises
        ------
        MissingExtraError
            if xarray is not installed.
        """
        xarray = import_extra("xarray", "tables", "an xarray dataset")
        step = float(np.median(np.diff(self.times))) if len(self) > 1 else np.nan
        places = {
            "time": self.times,
            "space": ["x", "y"],
            "keypoint": list(JOINTS),
            "individual": ["person"],
        }
        attributes = {
            "source_software": "vipe",
            "source_file": self.source,
            "ds_type": "poses",
            "time_unit": "seconds",
            **({"fps": 1 / step} if step > 0 else {}),
            "width": self.size[0],
            "height": self.size[1],
            "detector": self.detector,
        }
        position = self.xy.transpose(0, 2, 1)[..., None]
        values = {
            "position": (tuple(places), position),
            "confidence": (("time", "keypoint", "individual"), self.score[..., None]),
        }
        return xarray.Dataset(values, places, attributes)

    @classmethod
    def from_xarray(
        cls,
        dataset: Any,
        *,
        individual: str | None = None,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
    ) -> "Poses":
        """Poses of a dataset in the layout of `movement`, old or new.

        Parameters
        ----------
        dataset
            with position, and perhaps confidence. Joints are known by the names of the keypoints;
            a joint without confidence has score 1.
        individual
            whom to take; None = the only one.
        size
            width and height of the picture, pixels; None = as the attributes say.
        fps
            frames per second, where time is in frames; None = as the attributes say.

        Raises
        ------
        FormatError
            if it is no such dataset, the keypoints lack shoulders or hips, or size or rate are
            not known.
        """
        from vipecli.poses.joint_sets import sources, to_joints

        plural = {"keypoints": "keypoint", "individuals": "individual"}
        dataset = dataset.rename({old: new for old, new in plural.items() if old in dataset.dims})
        name = str(dataset.attrs.get("source_file") or "dataset")
        dims = ("time", "space", "keypoint", "individual")
        if "position" not in dataset or set(dataset["position"].dims) != set(dims):
            raise FormatError(f"{name}: no dataset of poses, with position ({', '.join(dims)})")
        people = [str(one) for one in dataset["individual"].values]
        if individual is None and len(people) == 1:
            individual = people[0]
        if individual not in people:
            raise FormatError(f"{name}: holds {', '.join(people[:6])}; name one of them")
        one = dataset.isel(individual=people.index(individual)).sel(space=["x", "y"])
        points = np.full((one.sizes["time"], one.sizes["keypoint"], 3), np.nan, np.float32)
        points[..., :2] = one["position"].transpose("time", "keypoint", "space")
        score = one["confidence"].transpose("time", "keypoint") if "confidence" in one else np.nan
        points[..., 2] = np.where(np.isfinite(score), score, 1)
        names = [str(point) for point in one["keypoint"].values]
        joints = to_joints(points, sources(Path(name), len(names), names)[0])
        known = np.isfinite(joints).all(axis=-1) & (joints[..., 2] > 0)
        return cls(
            np.where(known[..., None], joints[..., :2], np.float32(np.nan)),
            np.where(known, joints[..., 2].clip(0, 1), np.float32(0)),
            _seconds_of(one, name, fps),
            size or _size_of(one, name),
            name,
            str(one.attrs.get("detector") or one.attrs.get("source_software") or ""),
        )

    def part(self, frames: slice | NDArray[Any]) -> "Poses":
        """Some of the frames."""
        known = [name for name in _SHAPES if getattr(self, name) is not None]
        parts = {name: getattr(self, name)[frames] for name in known}
        if self.filled is not None and not parts["filled"].any():
            parts["filled"] = None
        return replace(self, **parts)


def _seconds_of(dataset: Any, name: str, fps: float | None) -> NDArray[np.float64]:
    """Times of a dataset of movement."""
    times = np.asarray(dataset["time"].values, np.float64)
    if dataset.attrs.get("time_unit") != "frames":
        return times
    rate = fps or dataset.attrs.get("fps")
    if not rate:
        raise FormatError(f"{name}: its times are frames; say how many there are per second (fps)")
    return times / float(rate)


def _size_of(dataset: Any, name: str) -> tuple[int, int]:
    """Width and height that the attributes of a dataset state."""
    sides = [dataset.attrs.get(side) for side in ("width", "height")]
    if None in sides:
        raise FormatError(f"{name}: does not say how large the picture is; give its size")
    return int(sides[0]), int(sides[1])


@dataclass(frozen=True)
class Scene:
    """Everyone in a clip, before one of them is chosen.

    Attributes
    ----------
    tracks
        the people, followed over the frames.
    times, size, source, detector
        as in `Poses`.
    """

    tracks: Tracks
    times: NDArray[np.float64]
    size: tuple[int, int]
    source: str = ""
    detector: str = ""

    def choose(self, person: Person = "largest", *, path: str | Path | None = None) -> Poses:
        """Poses of one person.

        Parameters
        ----------
        person
            as in `tracking.choose`.
        path
            what to call the clip in a message; None = the source.

        Raises
        ------
        NoPoseError
            if there is no such person.
        ValueError
            if `person` is none of the choices.
        """
        return self.poses_of(self.track(person, path=path))

    def track(self, person: Person = "largest", *, path: str | Path | None = None) -> Track:
        """Track of one person; parameters and errors as those of `choose`."""
        try:
            return self.tracks.choose(person, self.size)
        except NoPoseError as exc:
            raise NoPoseError(
                f"{path or self.source}: {exc} in {len(self.times)} frames; the whole body should "
                "be in view, well lit and not too small"
                + (", or choose another --person" if self.tracks.tracks else "")
            ) from exc

    def part(
        self, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
    ) -> "Scene":
        """Frames with start_s <= time < end_s, at most fps of them per second.

        Raises
        ------
        NoPoseError
            if no frame is left.
        """
        keep = np.ones(len(self.times), bool)
        if start_s is not None:
            keep &= self.times >= start_s
        if end_s is not None:
            keep &= self.times < end_s
        if fps:
            kept = thinned(((t, i) for i, t in enumerate(self.times) if keep[i]), fps)
            chosen = [i for _, i in kept]
            keep[:] = False
            keep[chosen] = True
        if keep.all():
            return self
        if not keep.any():
            raise NoPoseError(f"{self.source}: no frame lies in the part that was asked for")
        tracks, places = Tracks(), np.cumsum(keep) - 1
        for track in self.tracks.tracks:
            part = Track()
            for frame, person in zip(track.frames, track.people, strict=True):
                if keep[frame]:
                    part.add(int(places[frame]), float(self.times[frame]), person)
            if part.frames:
                tracks.tracks.append(part)
        return replace(self, tracks=tracks, times=self.times[keep])

    def everyone(self) -> list[Poses]:
        """Poses of each person, from left to right by the place of first appearance."""
        return [self.poses_of(track) for track in present(self.tracks.tracks)]

    def poses_of(self, track: Track, first: int = 0, last: int | None = None) -> Poses:
        """Poses of one track, in the frames from `first` to before `last`; None = to the end."""
        times = self.times[first:last]
        people = _people_of(track, first, len(times))
        has_world = people.shape[1] != len(JOINTS) and _has_world(track)
        return _as_poses(people, has_world, times, self)


def thinned(frames: Iterator[tuple[float, _Item]], fps: float) -> Iterator[tuple[float, _Item]]:
    """Frames at no more than a rate: each is the first at or after its moment."""
    due = -np.inf
    with closing(frames):
        for time_s, image in frames:
            if time_s < due - 1e-4:
                continue
            due = max(due + 1 / fps, time_s + 0.5 / fps) if np.isfinite(due) else time_s + 1 / fps
            yield time_s, image


def _people_of(track: Track, first: int, count: int) -> np.ndarray:
    """One person's rows in some frames, (count, K, 7), with NaN in the frames between."""
    people = np.full((count, *track.people[0].shape), np.nan, np.float32)
    low, high = (bisect_left(track.frames, frame) for frame in (first, first + count))
    if low < high:
        people[np.array(track.frames[low:high]) - first] = track.people[low:high]
    people[people[..., SEEN] < 0] = np.nan  # a keypoint file may lack some points of a person
    return people


def _has_world(track: Track) -> bool:
    """Return whether any frame of a track has landmarks in metres."""
    return any(np.isfinite(person[person[:, SEEN] >= 0, WORLD]).any() for person in track.people)


def _as_poses(people: np.ndarray, has_world: bool, times: np.ndarray, scene: Scene) -> Poses:
    # 0 means missing, and the landmarker's visibility may come out as 0 for a joint it placed.
    seen = np.nan_to_num(np.clip(people[..., SEEN], _LEAST_SCORE, 1))
    joints, more = people[..., XY], {}
    joint_score = seen
    if people.shape[1] != len(JOINTS):
        joints, joint_score = from_mediapipe(joints), from_mediapipe(seen[..., None])[..., 0]
        world = people[..., WORLD] if has_world else None
        more = {"landmarks": people[..., XYZ], "landmark_score": seen, "world": world}
    joint_score = np.where(np.isfinite(joints).all(axis=-1), joint_score, np.float32(0))
    return Poses(joints, joint_score, times, scene.size, scene.source, scene.detector, **more)
