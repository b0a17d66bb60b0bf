"""Hidden joints put on straight lines in time: what PoseBERT starts from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def straight(points: Array, score: Array, times: Array) -> tuple[Array, Array]:
    """Points with the missing ones on straight lines in time between the known ones.

    Parameters
    ----------
    points
        shape (B, T, J, C).
    score
        shape (B, T, J); 0 = missing, whatever `points` holds there.
    times
        shape (B, T), seconds, strictly increasing.

    Returns
    -------
    filled : shape (B, T, J, C). Held before the first and after the last known frame of a joint; a
        joint that is never known is where the mean of the others is, or 0.
    away : shape (B, T, J, 2), seconds since the joint was known last, and until it is known next;
        0 where it is known, negative where there is no such time.
    """
    known = score > 0
    frames, last = np.arange(points.shape[1])[None, :, None], points.shape[1] - 1
    before = np.maximum.accumulate(np.where(known, frames, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, frames, last + 1)[:, ::-1], axis=1)[:, ::-1]
    row, joint = np.arange(len(points))[:, None, None], np.arange(points.shape[2])
    left = np.where(before >= 0, before, after).clip(0, last)
    right = np.where(after <= last, after, before).clip(0, last)
    now, start, end = times[:, :, None], times[row, left], times[row, right]
    share = np.where(end > start, (now - start) / np.where(end > start, end - start, 1), 0)
    share = share.astype(points.dtype)[..., None]
    seen = np.where(known[..., None], points, 0)
    filled = (1 - share) * seen[row, left, joint] + share * seen[row, right, joint]
    since = np.where(before >= 0, now - start, -1)
    until = np.where(after <= last, end - now, -1)
    ever = known.any(axis=1)[:, None, :, None]
    filled = np.where(ever, filled, _middle(filled, ever))
    return filled, np.stack([since, until], axis=-1).astype(points.dtype)


def _middle(points: Array, ever: NDArray[np.bool_]) -> Array:
    """Mean (B, T, 1, C) of the joints that are known at some time."""
    total = np.maximum(ever.sum(axis=2, keepdims=True), 1)
    return (points * ever).sum(axis=2, keepdims=True) / total
