"""Mocap files as one pool of 3D poses to train on."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2, vq

from vipecli.errors import FormatError
from vipecli.poses import skeleton as sk
from vipecli.poses.mocap.clips import clips


@dataclass(frozen=True)
class Mocap:
    """3D poses of many clips.

    Attributes
    ----------
    poses
        shape (P, 13, 3) float32, any length unit, y up.
    clip
        shape (P,) int: which of `names` each pose comes from.
    names
        of the clips, ``folder/name``.
    """

    poses: np.ndarray
    clip: np.ndarray
    names: tuple[str, ...]

    def summary(self) -> str:
        """Sources and sizes in one line, by the first part of the clip names."""
        source = np.array([name.split("/")[0] for name in self.names])
        frames = np.bincount(self.clip, minlength=len(self.names))
        return ", ".join(
            f"{s}: {(source == s).sum()} clips, {frames[source == s].sum()} poses"
            for s in sorted(set(source))
        )


def load_mocap(
    paths: list[Path],
    *,
    include: tuple[str, ...] = ("*",),
    exclude: tuple[str, ...] = (),
    step: int = 1,
    fps: float | None = 30.0,
) -> Mocap:
    """Read mocap files.

    Parameters
    ----------
    paths
        ``.npz`` files of one array (T, 13, 3) per clip, joints as in `skeleton.JOINTS`; ``.bvh``
        files; ``.amc`` files with their ``.asf``; folders of them. See `poses.mocap.clips`. Axes
        are taken as they are: a file with z up has to be turned first.
    include, exclude
        patterns of clip names: those in the archive, or ``folder/name`` of a file.
    step
        keep every so many frames.
    fps
        thin clips of a higher frame rate to about this one, frames per second; None = keep all.
        Arrays in ``.npz`` files have no rate and are kept.

    Raises
    ------
    FormatError
        if a file is unreadable, a clip has another shape, or no clip is left.
    """
    poses, clip, names = [], [], []
    for item in clips(paths):
        if not _matches(item.name, include) or _matches(item.name, exclude):
            continue
        array, rate = item.read()
        kept = array[:: step * _thinning(rate, fps)]
        kept = kept[np.isfinite(kept).all((1, 2))]
        poses.append(kept.astype(np.float32))
        clip.append(np.full(len(kept), len(names)))
        names.append(item.name)
    if not names:
        raise FormatError(f"no mocap clip left in {', '.join(map(str, paths))}: check the patterns")
    return Mocap(np.concatenate(poses), np.concatenate(clip), tuple(names))


def _thinning(rate: float | None, fps: float | None) -> int:
    """Step between the frames to keep."""
    return max(1, round(rate / fps)) if rate and fps else 1


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def rarity(poses: np.ndarray, *, power: float, clusters: int = 512, seed: int = 0) -> np.ndarray:
    """Sampling weights (P,) that flatten the many near-identical poses.

    Poses, turned so that the hips face forward, are grouped by k-means; a pose of a group of n
    weighs n ** -power: 0 keeps the data as they are, 1 draws every group equally often.
    """
    rng = np.random.default_rng(seed)
    features = _facing(poses).reshape(len(poses), -1)
    subset = features[rng.choice(len(features), min(20_000, len(features)), replace=False)]
    clusters = min(clusters, len(subset))
    centres, _ = kmeans2(subset, clusters, iter=5, minit="points", rng=rng)
    group, _ = vq(features, centres)
    weights = np.bincount(group, minlength=clusters)[group] ** -float(power)
    return weights / weights.sum()


def _facing(poses: np.ndarray) -> np.ndarray:
    """Poses centred on the mid-hip, scaled by the spine, in the frame of hips and spine."""
    middle = poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1)
    up = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1) - middle
    length = np.linalg.norm(up, axis=-1)[:, None]
    y = up / length
    x = poses[:, sk.LEFT_HIP] - poses[:, sk.RIGHT_HIP]
    x -= (x * y).sum(-1, keepdims=True) * y
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    basis = np.stack([x, y, np.cross(x, y)], axis=1)
    return np.einsum("pij,pkj->pki", basis, poses - middle[:, None]) / length[:, None]
