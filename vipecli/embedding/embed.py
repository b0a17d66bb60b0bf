"""View-invariant probabilistic embeddings of 2D poses (Sun et al., ECCV 2020)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.model import Embeddings, Model
from vipecli.embedding.window import Window
from vipecli.poses.poses import Poses

BATCH = 512  # frames per call of the network
MIN_JOINTS = 4  # with fewer known joints a frame counts as one without a person

__all__ = ["BATCH", "MIN_JOINTS", "Embeddings", "Model", "embed", "without_vertical"]


def embed(poses: Poses, model: Model, *, frames: slice | None = None) -> Embeddings:
    """Embed the frames of a clip.

    Parameters
    ----------
    poses
        T frames; missing joints are NaN with score 0. The scores go to the network as the
        joints' visibility.
    model
        what to embed with. Normalisation (section 3.6) is part of the model file.
    frames
        those to embed; the others only take part in the windows of a model of several frames.
        None = all.

    Returns
    -------
    One row per frame that is embedded; NaN where fewer than `MIN_JOINTS` joints are known in it.

    Examples
    --------
    >>> from vipecli.poses.poses import Poses
    >>> joints = np.random.default_rng(0).uniform(0, 100, (3, 13, 2)).astype("f4")
    >>> poses = Poses(joints, np.ones((3, 13), "f4"), np.arange(3) / 30, (100, 100))
    >>> model = Model.load()
    >>> embed(poses, model).mean.shape == (3, model.dims)
    True
    """
    known = poses.score > 0
    joints = np.where(known[..., None], poses.xy, 0).astype(np.float32)
    score = poses.score.astype(np.float32)
    means, stds = [np.zeros((0, model.dims), np.float32)], [np.zeros((0, model.dims), np.float32)]
    chosen = np.arange(len(poses), dtype=np.int64)[frames or slice(None)]
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        mean, std = model.run(*_seen(joints, score, poses.times, part, model.window))
        means.append(mean)
        stds.append(std)
    mean, std = np.concatenate(means), np.concatenate(stds)
    nobody = known[chosen].sum(1) < MIN_JOINTS
    mean[nobody] = std[nobody] = np.nan
    return Embeddings(mean, std, poses.times[chosen], model.id, model.sigmoid)


def _seen(
    joints: NDArray[np.float32],
    score: NDArray[np.float32],
    times: NDArray[np.float64],
    frames: NDArray[np.int64],
    window: Window | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a model sees of some frames, as `Model.run` takes it: empty places are 0."""
    if window is None:
        return joints[frames], score[frames]
    rows = window.rows(times, frames)
    there = (rows >= 0)[..., None]
    return joints[rows] * there[..., None], score[rows] * there


def without_vertical(clip: Embeddings, model: Model) -> Embeddings:
    """Embeddings of a model as `Model.without_vertical` would have made them."""
    plain = model.without_vertical()
    mean, std = clip.mean[:, : plain.dims], clip.std[:, : plain.dims]
    return replace(clip, mean=mean, std=std, model=plain.id, sigmoid=plain.sigmoid)
