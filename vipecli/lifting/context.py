"""Lifted poses and those that the context of a window of film says, put together."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.model import Model
from vipecli.poses.canonical import canonical
from vipecli.poses.poses import Poses
from vipecli.sequence.gap_filling import default_posebert
from vipecli.sequence.posebert import PoseBert, in_context

SHARE = 0.35
"""Weight of the pose in context beside that of each frame by itself."""

_LEAST = 8  # frames that have a context


@functools.cache
def default_context() -> tuple[PoseBert, Model] | None:
    """PoseBERT and the embedding that it was trained with, as they come with vipe.

    None where the two do not belong together: poses are then lifted frame by frame.
    """
    bert, single = default_posebert(), Model.load()
    return (bert, single) if bert.single == single.id else None


def with_context(
    joints: NDArray[Any], rotation: NDArray[Any], poses: Poses, *, share: float = SHARE
) -> tuple[NDArray[Any], NDArray[Any], str]:
    """Canonical poses and rotations, drawn towards what the context says.

    Parameters
    ----------
    joints, rotation
        shapes (T, 13, 3) and (T, 3, 3), as of `Lifted`; rows of NaN stay.
    poses
        the T frames they were lifted from.
    share
        weight of the context, in [0, 1].

    Returns
    -------
    Both, changed, and the model that changed them; as they are, and an empty text, where there are
    too few frames.
    """
    context = default_context()
    known = np.isfinite(joints).all(axis=(1, 2))
    if context is None or known.sum() < _LEAST:
        return joints, rotation, ""
    bert, single = context
    seen = np.einsum("tij,tkj->tki", rotation, joints)
    mixed = (1 - share) * seen + share * in_context(poses, bert, single=single).pose
    out, turn = canonical(mixed[known])
    joints, rotation = joints.copy(), rotation.copy()
    joints[known], rotation[known] = out, turn
    return joints, rotation, bert.id
