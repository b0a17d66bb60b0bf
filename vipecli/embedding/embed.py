"""View-invariant probabilistic embeddings of 2D poses (Sun et al., ECCV 2020)."""

from dataclasses import replace

import numpy as np

from vipecli.embedding.model import Embeddings, Model
from vipecli.poses.poses import Poses

BATCH = 512  # frames per call of the network
MIN_JOINTS = 4  # with fewer known joints a frame counts as one without a person

__all__ = ["BATCH", "MIN_JOINTS", "Embeddings", "Model", "embed", "without_vertical"]


def embed(poses: Poses, model: Model) -> Embeddings:
    """Embed every frame of a clip.

    Parameters
    ----------
    poses
        T frames; missing joints are NaN with score 0. The scores go to the network as the
        joints' visibility.
    model
        what to embed with. Normalisation (section 3.6) is part of the model file.

    Returns
    -------
    T rows; NaN where fewer than `MIN_JOINTS` joints are known.

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
    for start in range(0, len(poses), BATCH):
        part = slice(start, start + BATCH)
        mean, std = model.run(joints[part], score[part])
        means.append(mean)
        stds.append(std)
    mean, std = np.concatenate(means), np.concatenate(stds)
    nobody = known.sum(1) < MIN_JOINTS
    mean[nobody] = std[nobody] = np.nan
    return Embeddings(mean, std, poses.times, model.id, model.sigmoid)


def without_vertical(clip: Embeddings, model: Model) -> Embeddings:
    """Embeddings of a model as `Model.without_vertical` would have made them."""
    plain = model.without_vertical()
    mean, std = clip.mean[:, : plain.dims], clip.std[:, : plain.dims]
    return replace(clip, mean=mean, std=std, model=plain.id, sigmoid=plain.sigmoid)
