"""The user's own clips without labels: 2D poses as windows that PoseBERT trains on."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError, NoPoseError
from vipecli.files import is_sidecar
from vipecli.poses.formats import is_pose_file, load_scene, looks_like_poses
from vipecli.poses.mocap.clips import READERS
from vipecli.poses.npz_reader import DAMAGED, NpzReader, open_npz
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import MIRROR
from vipecli.train.posebert_film import Filming, Windows, about_axis, hidden_for_a_while, windows
from vipecli.video.read import VIDEO_SUFFIXES

_OWN_FOLDER = ".vipe"  # of what `vipe embed` writes beside the videos
_ROLL_DEG = 10.0  # std of the rotation in the picture's plane that varies a window
_MIRRORED = np.array([-1.0, 1.0], np.float32)
_LEAST = 8  # frames of a clip with somebody in them


@dataclass(frozen=True)
class Footage:
    """2D poses of people in clips; nobody knows their 3D poses.

    Attributes
    ----------
    people
        one per person of a clip, frames and rates as they are.
    fps
        range of frames per second of windows; faster clips are thinned.
    frames
        T of a window.
    """

    people: tuple[Poses, ...]
    fps: tuple[float, float]
    frames: int

    @classmethod
    def load(
        cls,
        paths: list[Path],
        filming: Filming,
        *,
        frames: int,
        remark: Callable[[str], object] = warnings.warn,
    ) -> "Footage":
        """Read keypoint files and ``.npz`` of `vipe embed` or `vipe poses`; everyone in them.

        `remark` is told of each file that cannot be read, in a line; it is left out.

        Raises
        ------
        FormatError
            if none has somebody in at least 8 frames.
        """
        people = [one for path in paths for one in _people(path, remark)]
        kept = tuple(one for one in people if one.found.sum() >= _LEAST)
        if not kept:
            raise FormatError(
                f"{paths[0]}{f' and {len(paths) - 1} more' if paths[1:] else ''}: nobody is in "
                f"{_LEAST} frames or more; give longer clips"
            )
        return cls(kept, filming.fps, frames)

    def summary(self) -> str:
        """What it is in one line."""
        frames = sum(int(one.found.sum()) for one in self.people)
        return f"own clips without labels: {len(self.people)} people, {frames} poses"

    def draw(
        self, count: int, rng: np.random.Generator, filming: Filming, *, hide: bool = True
    ) -> Windows:
        """Windows of random clips, some mirrored, all rolled; `hide`: for a while not everything.

        `truth` is what was found, `known` where; `pose` is 0 and no label.
        """
        seconds = np.array([one.times[-1] - one.times[0] + 0.1 for one in self.people])
        chosen = rng.choice(len(self.people), count, p=seconds / seconds.sum())
        parts = [self._window(self.people[k], rng) for k in chosen]
        xy, score, times = (np.stack(column) for column in zip(*parts, strict=True))
        flip = rng.random(count) < 0.5
        xy[flip] = xy[flip][:, :, list(MIRROR)] * _MIRRORED
        score[flip] = score[flip][:, :, list(MIRROR)]
        turn = about_axis(np.radians(_ROLL_DEG) * rng.standard_normal(count), 2)
        xy = (xy @ turn[:, None, :2, :2]).astype(np.float32)
        known = score
        if hide:
            score = np.where(hidden_for_a_while(times, filming, rng), score, 0)
            lost = (score > 0).any(axis=2).sum(axis=1) < _LEAST // 2
            score[lost] = known[lost]
        nothing = np.zeros((*score.shape, 3), np.float32)
        return windows(xy, xy, score, times, nothing, known=known > 0, labelled=False)

    def _window(
        self, poses: Poses, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joints (T, 13, 2), scores (T, 13) and times (T,) of a clip about a random pose."""
        step, last = float(np.median(np.diff(poses.times))), len(poses) - 1
        fastest = max(1, round(1 / (step * self.fps[1])))
        slowest = max(fastest, int(1 / (step * self.fps[0])))
        stride = int(rng.integers(fastest, slowest + 1))
        stride = max(fastest, min(stride, last // (self.frames - 1)))
        anchor = int(rng.choice(np.flatnonzero(poses.found)))
        most = min(self.frames - 1, anchor // stride)
        least = min(most, max(0, self.frames - 1 - (last - anchor) // stride))
        first = anchor - stride * int(rng.integers(least, most + 1))
        rows = np.arange(first, last + 1, stride)[: self.frames]
        more = self.frames - len(rows)
        score = poses.score[rows]
        if poses.filled is not None:
            score = np.where(poses.filled[rows], 0, score)
        later = poses.times[rows[-1]] + stride * step * np.arange(1, more + 1)
        return (
            np.concatenate([np.nan_to_num(poses.xy[rows]), np.zeros((more, 13, 2), np.float32)]),
            np.concatenate([score, np.zeros((more, 13), np.float32)]),
            np.concatenate([poses.times[rows], later]),
        )


def _people(path: Path, remark: Callable[[str], object]) -> list[Poses]:
    try:
        scene = load_scene(path)
        return [scene.poses_of(track) for track in scene.tracks.tracks]
    except NoPoseError:
        return []
    except FormatError as exc:
        remark(f"{exc}; left out")
        return []


def sorted_out(paths: list[Path]) -> tuple[list[Path], list[Path]]:
    """Files and folders of motion capture, and files of 2D poses, those in folders too.

    A folder that holds 2D poses, or in which `vipe embed` left them (``.vipe``), is searched for
    nothing else.

    Raises
    ------
    FormatError
        if a folder holds videos and nothing that can be trained on.
    """
    mocap, flat = [], []
    for path in map(Path, paths):
        found = _below(path) if path.is_dir() else [path] * _is_flat(path)
        if path.is_dir() and not found:
            _check_folder(path)
        flat += found
        mocap += [] if found else [path]
    return mocap, flat


def _check_folder(folder: Path) -> None:
    """Refuse a folder of videos of which nobody has found the poses yet."""
    kinds = {path.suffix.lower() for path in folder.rglob("*") if not is_sidecar(path.name)}
    if kinds & VIDEO_SUFFIXES and not kinds & READERS.keys():
        raise FormatError(f"{folder}: its videos have no poses yet; run `vipe embed` on it first")


def _below(folder: Path) -> list[Path]:
    """Files of 2D poses below a folder, sorted, those that `vipe embed` made too.

    Beside such, damaged ``.npz`` are named, too, so that whoever reads them can say so.
    """
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name == _OWN_FOLDER or not is_sidecar(name)]
        found += [Path(where, name) for name in names if not is_sidecar(name)]
    flat = [path for path in found if _is_flat(path)]
    return sorted(flat + [path for path in found if _is_damaged(path)]) if flat else []


def _is_flat(path: Path) -> bool:
    """Whether a file holds 2D poses, with their embeddings or without."""
    if path.suffix.lower() != ".npz":
        return is_pose_file(path) and looks_like_poses(path)
    try:
        with open_npz(path) as archive:
            return _has_joints(archive)
    except (FormatError, *DAMAGED):
        return False


def _is_damaged(path: Path) -> bool:
    """Whether it is called an ``.npz``, but cannot be opened as one."""
    if path.suffix.lower() != ".npz":
        return False
    try:
        with open_npz(path):
            return False
    except (FormatError, *DAMAGED):
        return True


def _has_joints(archive: NpzReader) -> bool:
    return "format_version" in archive and "xy" in archive
