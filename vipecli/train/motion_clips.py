"""Clips of motion to train models of sequences on: windows of any rate, speed and side."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.evaluate.motion_windows import JOINTS, load_recordings
from vipecli.poses import skeleton as sk
from vipecli.poses.mocap.clips import clips

_MIRROR_38 = (0, *range(7, 13), *range(1, 7), *range(13, 20), *range(29, 38), *range(20, 29))
MIRROR_25 = tuple(JOINTS.index(_MIRROR_38[j]) for j in JOINTS)
"""Permutation of the benchmark's 25 joints that swaps left and right."""

_ARCHIVE_FPS = 30.0  # of arrays in .npz files, which have no rate
_UIPRMD_FPS = 20.0


@dataclass(frozen=True)
class MotionClips:
    """Clips of different lengths and rates, end to end.

    Attributes
    ----------
    joints
        shape (F, J, 3) float32.
    first, length
        shape (clips,): where each begins, and how many frames it has.
    fps
        shape (clips,).
    names
        of the clips.
    mirror
        permutation of the joints that swaps left and right; empty = there is no mirror image.
    """

    joints: np.ndarray
    first: np.ndarray
    length: np.ndarray
    fps: np.ndarray
    names: tuple[str, ...]
    mirror: tuple[int, ...]

    @classmethod
    def of(
        cls,
        arrays: Sequence[np.ndarray],
        fps: Sequence[float],
        names: Sequence[str],
        mirror: tuple[int, ...],
    ) -> "MotionClips":
        """Join arrays (T, J, 3)."""
        length = np.array([len(a) for a in arrays])
        joints = np.concatenate(arrays).astype(np.float32)
        first = np.cumsum(length) - length
        return cls(joints, first, length, np.array(fps, float), tuple(names), mirror)

    def summary(self) -> str:
        """Sources and sizes in one line, by the first part of the clip names."""
        source = np.array([name.split("/")[0] for name in self.names])
        return ", ".join(
            f"{s}: {(source == s).sum()} clips, {self.length[source == s].sum()} poses"
            for s in sorted(set(source))
        )

    def weights(self, *, span_s: float, power: float) -> np.ndarray:
        """How likely each clip is drawn (clips,): 0 if shorter than `span_s`.

        A source of n seconds, the first part of the name, weighs n ** power, and its clips share
        that by their lengths.

        Raises
        ------
        FormatError
            if all clips are shorter.
        """
        seconds = (self.length - 1) / self.fps - span_s
        if not (seconds >= 0).any():
            raise FormatError(
                f"none of the {len(seconds)} clips of motion lasts {span_s:.1f} s, the length of a "
                "window; give longer ones"
            )
        seconds = np.where(seconds >= 0, seconds + 0.02, 0)
        source = np.array([name.split("/")[0] for name in self.names])
        total = {s: seconds[source == s].sum() for s in set(source)}
        share = [total[s] ** (power - 1) if total[s] else 0.0 for s in source]
        weights = seconds * np.array(share)
        return weights / weights.sum()

    def windows(self, clip: np.ndarray, start_s: np.ndarray, at_s: np.ndarray) -> np.ndarray:
        """Joints (B, T, J, 3) of clips (B,) at times `at_s` (B, T) after `start_s` (B,)."""
        place = (start_s[:, None] + at_s) * self.fps[clip][:, None]
        place = place.clip(0, (self.length[clip] - 1)[:, None])
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, (self.length[clip] - 1)[:, None])
        share = (place - low)[..., None, None].astype(np.float32)
        base = self.first[clip][:, None]
        return (1 - share) * self.joints[base + low] + share * self.joints[base + high]

    def draw(
        self,
        count: int,
        frames: int,
        *,
        fps: float,
        rng: np.random.Generator,
        weights: np.ndarray,
        speed: tuple[float, float] = (1.0, 1.0),
        mirror: bool = True,
    ) -> np.ndarray:
        """Windows (count, frames, J, 3) at `fps`, some faster, some slower, half of them mirrored.

        Parameters
        ----------
        weights
            see `weights`; of windows `frames / fps` times the upper speed long.
        speed
            range of the factor, log-uniform.
        """
        clip = rng.choice(len(weights), count, p=weights)
        factor = np.exp(rng.uniform(*np.log(speed), size=count))
        at = np.arange(frames) / fps * factor[:, None]
        span = ((self.length[clip] - 1) / self.fps[clip] - at[:, -1]).clip(0)
        start = rng.random(count) * span
        if speed == (1.0, 1.0):  # on the frames that were recorded
            start = np.floor(start * self.fps[clip] + 1e-6) / self.fps[clip]
        out = self.windows(clip, start, at)
        if mirror and self.mirror:
            flip = rng.random(count) < 0.5
            out[flip] = out[flip][:, :, list(self.mirror)] * np.array([-1, 1, 1], np.float32)
        return out


def _chosen(name: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    def among(patterns: tuple[str, ...]) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    return among(include) and not among(exclude)


def load_benchmark(
    folder: Path, *, include: tuple[str, ...] = ("*",), exclude: tuple[str, ...] = ()
) -> MotionClips:
    """Training clips of the CMU prediction set: its 25 joints, root held, 120 frames per second."""
    found = [r for r in load_recordings(folder, "train") if _chosen(r.name, include, exclude)]
    if not found:
        raise FormatError(f"{folder}: no clip left; check the patterns")
    arrays = [r.held()[:, list(JOINTS)] for r in found]
    return MotionClips.of(arrays, [120.0] * len(arrays), [r.name for r in found], MIRROR_25)


def load_angles(
    folder: Path, *, include: tuple[str, ...] = ("*",), exclude: tuple[str, ...] = ()
) -> MotionClips:
    """Training clips of the CMU prediction set as exponential maps (T, 39, 3), 120 per second.

    The first two rows, place and rotation of the root, are 0. They have no mirror image.
    """
    found = [r for r in load_recordings(folder, "train") if _chosen(r.name, include, exclude)]
    if not found:
        raise FormatError(f"{folder}: no clip left; check the patterns")
    arrays = [r.angles.reshape(-1, 39, 3).copy() for r in found]
    for array in arrays:
        array[:, :2] = 0
    return MotionClips.of(arrays, [120.0] * len(arrays), [r.name for r in found], ())


def load_clips(
    paths: list[Path], *, include: tuple[str, ...] = ("*",), exclude: tuple[str, ...] = ()
) -> MotionClips:
    """Mocap files as clips of 13 joints; see `poses.mocap.clips.clips` for what is read.

    Arrays in ``.npz`` files are taken as 30 frames per second, those of UI-PRMD as its 20. Frames
    with a missing joint are filled by straight lines, at the ends left out.

    Raises
    ------
    FormatError
        if a file is unreadable or no clip is left.
    """
    arrays, rates, names = [], [], []
    for item in clips(paths):
        if not _chosen(item.name, include, exclude):
            continue
        array, rate = item.read()
        known = np.flatnonzero(np.isfinite(array).all((1, 2)))
        if len(known) < 2:
            continue
        at = np.arange(known[0], known[-1] + 1)
        flat = array[known].reshape(len(known), -1)
        filled = np.stack([np.interp(at, known, column) for column in flat.T], 1)
        arrays.append(filled.reshape(len(at), 13, 3))
        rates.append(rate or (_UIPRMD_FPS if item.name.startswith("uiprmd/") else _ARCHIVE_FPS))
        names.append(item.name)
    if not arrays:
        raise FormatError(f"no mocap clip left in {', '.join(map(str, paths))}: check the patterns")
    return MotionClips.of(arrays, rates, names, sk.MIRROR)
