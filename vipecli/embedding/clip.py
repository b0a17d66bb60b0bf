"""From a video or a keypoint file to poses and embeddings: the first half of every command."""

import functools
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vipecli.embedding.embed import BATCH, embed
from vipecli.embedding.model import Embeddings, Model
from vipecli.errors import FormatError, NoPoseError, VideoError
from vipecli.poses import cache
from vipecli.poses.detect import detect_everyone
from vipecli.poses.detection.detectors import DEFAULT, identity
from vipecli.poses.formats import JointMap, is_pose_file, load_joint_map, load_scene
from vipecli.poses.gaps import MAX_GAP_S, fill_gaps
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.tracking import Track, present
from vipecli.video.container import check_input
from vipecli.video.read import VideoInfo, probe
from vipecli.video.source import Canvas, ClipSource

POSES_FORMAT = 11
"""Raise it when detection changes: poses cached before are not used then."""

_FEW = ("largest", "matching")  # choices of a person that need no more of others than is cheap
_AROUND_S = 0.35  # on both sides of a moment, in which the person is tracked
_PICTURES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
_CONTEXT_S = 4.0  # around a gap that may tell how to fill it
_PIECE = 4 * BATCH  # frames that are embedded and written at a time


@dataclass(frozen=True)
class Recipe:
    """Settings by which a clip becomes embeddings.

    Attributes
    ----------
    person
        whom to take, as in `tracking.choose`; ``matching`` for `candidates.read_people`.
    pose_model
        MediaPipe bundle; None = as in `model_file.model_path`.
    weights
        embedding model; None = the one that comes with vipe.
    vertical
        tell lying from standing, see `Model.without_vertical`.
    joints
        what the points of a keypoint file are, as in `formats.load_joint_map`; None = the file
        tells.
    video
        name of the one to take of a keypoint file that holds several; None = it holds one.
    start_s, end_s
        part of the clip, seconds; None = from its start, to its end.
    fps
        frames per second to use, at most; of a folder of frames or a keypoint file without
        times: the rate at which it was taken.
    detector
        as in `detectors.open_detector`.
    fill_s
        longest gap that is filled, seconds; 0 = none.
    fill
        fills the gaps of poses up to `max_gap_s`, as `gaps.fill_gaps` does.
    cached
        take poses found before from the cache, and put new ones there.
    equally
        look for everyone in every frame whoever is taken, as in `detect_everyone`.
    """

    person: str = "largest"
    pose_model: Path | None = None
    weights: Path | None = None
    vertical: bool = True
    joints: Path | None = None
    video: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    fps: float | None = None
    detector: str = DEFAULT
    fill_s: float = MAX_GAP_S
    fill: Callable[..., Poses] = fill_gaps
    cached: bool = True
    equally: bool = False

    @property
    def finder(self) -> str:
        """Detector, with its version and the content of its models.

        Raises
        ------
        WeightsError
            if a model cannot be read.
        """
        return identity(self.detector, model=self.pose_model)

    @property
    def part(self) -> str:
        """Settings that poses depend on besides person and detector; empty by default."""
        limits = {"start": self.start_s, "end": self.end_s, "fps": self.fps}
        words = [f"{name}={value!r}" for name, value in limits.items() if value is not None]
        if self.looks_for_everyone:
            words.append("equally")
        if self.joints is not None:
            words.append(f"joints={hashlib.sha256(self.joints.read_bytes()).hexdigest()}")
        if self.video is not None:
            words.append(f"video={self.video!r}")
        return " ".join(words)

    @property
    def looks_for_everyone(self) -> bool:
        """Whether people beside the largest one are looked for in every frame."""
        return self.equally or self.person not in _FEW

    def filled(self, poses: Poses) -> Poses:
        """Poses with gaps of up to `fill_s` filled."""
        return self.fill(poses, max_gap_s=self.fill_s)

    def load_model(self) -> Model:
        """Embedding model, read once per process.

        Raises
        ------
        WeightsError
            if it cannot be read.
        """
        model = _load_model(self.weights)
        return model if self.vertical else model.without_vertical()


_load_model = functools.cache(Model.load)


def check_clip(path: Path, recipe: Recipe | None = None) -> VideoInfo:
    """Read the headers of a clip and refuse one that cannot be compared, before minutes go into it.

    Raises
    ------
    FormatError
        if it is a keypoint file that cannot be read.
    VideoError
        if it cannot be read, or holds a single frame.
    """
    info = probe(clip_source(path, recipe or Recipe()))
    if info.frames == 1:
        raise single_frame(path)
    return info


def read_scene(path: Path, recipe: Recipe, tick: Callable[[int], object] | None = None) -> Scene:
    """Everyone in a video, a folder of frames or a keypoint file.

    Parameters
    ----------
    path, recipe, tick
        as in `read_clip`.

    Raises
    ------
    FormatError, NoPoseError, VideoError, WeightsError
        as `read_clip`.
    """
    source = clip_source(path, recipe)
    if is_pose_file(path):
        scene = _keypoints(path, recipe)
        if tick:
            tick(len(scene.times))
        return scene.part(recipe.start_s, recipe.end_s, recipe.fps)
    key = None
    if recipe.cached and cache.folder():
        key = cache.key_of(path, f"{POSES_FORMAT} {recipe.finder} {recipe.part}")
    if key and (found := cache.load(key, source=path.name)):
        return _seen_before(source, *found, tick)
    scene = detect_everyone(
        source,
        detector=recipe.detector,
        model=recipe.pose_model,
        start_s=recipe.start_s,
        end_s=recipe.end_s,
        fps=recipe.fps,
        equally=recipe.looks_for_everyone,
        progress=(lambda done: tick(1)) if tick else None,
    )
    if key:
        cache.save(key, scene, tuple(source.remarks))
    return scene


def _seen_before(
    source: ClipSource,
    scene: Scene,
    remarks: Sequence[str],
    tick: Callable[[int], object] | None,
) -> Scene:
    """Scene from the cache, with the warnings of when it was made."""
    for text in remarks:
        source.warn(text)
    if tick:
        tick(len(scene.times))
    return scene


def clip_source(path: Path, recipe: Recipe) -> ClipSource:
    """Return a clip as the readers take it: with the canvas of keypoints, the rate of a folder.

    Raises
    ------
    FormatError
        if it is a keypoint file that cannot be read.
    VideoError
        if there is no such clip.
    """
    check_input(path)
    if is_pose_file(path):
        scene = _keypoints(path, recipe)
        return ClipSource(path, Canvas.fitted(scene.size, scene.times))
    return ClipSource(path, fps=recipe.fps if path.is_dir() else None)


def _keypoints(path: Path, recipe: Recipe) -> Scene:
    """Return the scene of a keypoint file; the last one is kept, since it is used twice."""
    joint_map = load_joint_map(recipe.joints) if recipe.joints else None
    try:
        files = [path, *sorted(path.iterdir())] if path.is_dir() else [path]
        stamp = tuple((file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    return _load_scene(path, stamp, joint_map, recipe.fps, recipe.video)


@functools.lru_cache(maxsize=4)
def _load_scene(
    path: Path,
    stamp: tuple[tuple[int, int], ...],
    joint_map: JointMap | None,
    fps: float | None,
    video: str | None,
) -> Scene:
    return load_scene(path, joint_map=joint_map, fps=fps, video=video)


def read_clip(
    path: Path, recipe: Recipe, tick: Callable[[int], object] | None = None
) -> tuple[Poses, Embeddings]:
    """Poses of the person in a clip, with short gaps filled, and their embeddings.

    Parameters
    ----------
    path
        video, folder of frames or keypoint file.
    recipe
        person and models.
    tick
        called with the number of frames done since its last call.

    Raises
    ------
    FormatError
        if it is a keypoint file that cannot be read.
    NoPoseError
        if nobody is found.
    VideoError
        if the video cannot be read, or holds a single frame.
    WeightsError
        if a model cannot be read.
    """
    model = recipe.load_model()
    scene = read_scene(path, recipe, tick)
    if len(scene.times) < 2:
        raise single_frame(path)
    poses = recipe.filled(scene.choose(recipe.person, path=path))
    return poses, embed(poses, model)


def read_moment(
    path: Path, recipe: Recipe, time_s: float | None = None
) -> tuple[Poses, Embeddings]:
    """Poses and embedding of the person at one moment of a clip: a single frame.

    A model with a window sees the frames around it, too.

    Parameters
    ----------
    path
        picture, video, folder of frames or keypoint file.
    recipe
        person and models.
    time_s
        the moment, seconds; None = the middle of the clip.

    Raises
    ------
    FormatError
        if it is a keypoint file that cannot be read.
    NoPoseError
        if nobody is seen there.
    VideoError
        if it cannot be read, or has no frame there.
    """
    model, part = recipe.load_model(), recipe
    if path.suffix.lower() not in _PICTURES or path.is_dir():
        time_s = _middle(path, recipe) if time_s is None and path.exists() else time_s
        if time_s is not None:
            around = _AROUND_S + model.reach_s
            part = replace(recipe, start_s=max(0.0, time_s - around), end_s=time_s + around)
    scene = read_scene(path, part)
    if not len(scene.times):
        raise VideoError(f"{path}: no frame at {time_s or 0:g} s")
    poses = recipe.filled(scene.choose(recipe.person, path=path))
    away = np.abs(poses.times - (poses.times[0] if time_s is None else time_s))
    near = away <= (np.inf if time_s is None else _AROUND_S)  # the others are in the window only
    seen = np.flatnonzero(poses.found & near)
    if not len(seen):
        raise NoPoseError(f"{path}: nobody is seen there; choose another moment")
    best = int(seen[np.argmin(away[seen])])
    frame = slice(best, best + 1)
    return poses.part(frame), embed(poses, model, frames=frame)


def _middle(path: Path, recipe: Recipe) -> float:
    """Middle of a clip, seconds."""
    if not is_pose_file(path):
        return (probe(clip_source(path, recipe)).duration_s or 0.0) / 2
    times = read_scene(path, recipe).times
    return float(times[0] + times[-1]) / 2


def read_pieces(
    path: Path,
    recipe: Recipe,
    tick: Callable[[int], object] | None = None,
    *,
    everyone: bool = False,
) -> list[Iterator[tuple[Poses, Embeddings]]]:
    """Yield the result of `read_clip`, a few thousand frames at a time, for films of any length.

    Parameters
    ----------
    path, recipe, tick
        as in `read_clip`.
    everyone
        each person, from left to right, not only the one that the recipe names.

    Returns
    -------
    Pieces in order, of one person or of each, computed lazily.

    Raises
    ------
    FormatError, NoPoseError, VideoError, WeightsError
        as `read_clip`.
    """
    model = recipe.load_model()
    scene = read_scene(path, replace(recipe, equally=everyone or recipe.equally), tick)
    if len(scene.times) < 2:
        raise single_frame(path)
    chosen = scene.track("largest" if everyone else recipe.person, path=path)
    tracks = present(scene.tracks.tracks) if everyone else [chosen]
    return [_pieces(scene, track, model, recipe) for track in tracks]


def _pieces(
    scene: Scene, track: Track, model: Model, recipe: Recipe
) -> Iterator[tuple[Poses, Embeddings]]:
    """Yield poses and embeddings of a track in pieces, equal to those of the whole."""
    times = scene.times
    reach = recipe.fill_s + _CONTEXT_S + model.reach_s  # beyond which nothing counts
    for first in range(0, len(times), _PIECE):
        last = min(first + _PIECE, len(times))
        low = bisect_left(times, times[first] - reach)
        high = bisect_right(times, times[last - 1] + reach)
        poses = recipe.filled(scene.poses_of(track, low, high))
        frames = slice(first - low, last - low)
        yield poses.part(frames), embed(poses, model, frames=frames)


def single_frame(path: Path) -> VideoError:
    """Error of a clip that holds a single frame."""
    return VideoError(f"{path}: holds a single frame; a movement needs at least two")
