"""Hidden joints on straight lines in time, and on smooth paths: what PoseBERT starts from."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

_LASTS_S = (0.7, 3.0)  # how long a movement lasts, seconds: Matern kernels of order 3/2
_REACH = (0.1, 2.0)  # and their variance, in squares of the size of the person
_NOISE = 0.08  # std of the errors of seen joints, sizes of the person
_FREEDOM = 3.0  # of the t distribution that errors of seen joints are taken to have
_UNKNOWN = 1e4  # variance of the mean of a path, and of joints that are not seen


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


def smooth(points: Array, score: Array, times: Array) -> Array:
    """Paths of joints as a Gaussian process between the known ones expects them.

    Errors of known joints follow a t distribution: those that are far off count little.

    Parameters
    ----------
    points
        shape (B, T, J, 2).
    score, times
        as of `straight`.

    Returns
    -------
    shape (B, T, J, 2), of known joints, too. A joint that is never known is where the mean of the
    others is in all frames, or 0.
    """
    known = score > 0
    weight = known[..., None].astype(np.float32)
    middle, size = _extent(points, weight)
    start = np.where(known[..., None], (points - middle) / size, 0).transpose(0, 2, 3, 1)
    kernel = _kernel(times)[:, None]
    there = known.transpose(0, 2, 1)
    variance = np.where(there, _NOISE**2, _UNKNOWN).astype(np.float32)
    path = _expected(kernel, variance, start)
    gap = np.square(start - path).mean(axis=2) / _NOISE**2
    variance = np.where(there, variance * (_FREEDOM + gap) / (_FREEDOM + 1), _UNKNOWN)
    path = _expected(kernel, variance.astype(np.float32), start)
    return path.transpose(0, 3, 1, 2) * size + middle


def _extent(points: Array, weight: Array) -> tuple[Array, Array]:
    """Middle (B, 1, 1, 2) of known joints, and how far (B, 1, 1, 1) they are from their frame's."""
    seen = np.where(weight > 0, points, 0).astype(np.float32)
    each = seen.sum(2, keepdims=True) / np.maximum(weight.sum(2, keepdims=True), 1)
    total = np.maximum(weight.sum((1, 2), keepdims=True), 1)
    square = (weight * np.square(seen - each)).sum((1, 2), keepdims=True) / total
    size = np.sqrt(square.sum(-1, keepdims=True))
    return seen.sum((1, 2), keepdims=True) / total, np.maximum(size, 1e-6)


def _kernel(times: Array) -> NDArray[np.float32]:
    """Covariance (B, T, T) of a joint at two times, the free mean of its path included."""
    apart = np.sqrt(3) * np.abs(times[:, :, None] - times[:, None, :])
    parts = zip(_LASTS_S, _REACH, strict=True)
    covariance = sum(var * (1 + apart / lasts) * np.exp(-apart / lasts) for lasts, var in parts)
    return (covariance + 25).astype(np.float32)


def _expected(kernel: Array, variance: Array, seen: Array) -> Array:
    """Paths (B, J, 2, T) of kernels (B, 1, T, T), variances (B, J, T) and places (B, J, 2, T)."""
    noisy = kernel + variance[..., None] * np.eye(variance.shape[-1], dtype=np.float32)
    return (kernel @ np.linalg.solve(noisy, seen.swapaxes(2, 3))).swapaxes(2, 3)
