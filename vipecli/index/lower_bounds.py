"""A query and clips as the lower bounds of their distance want them: frames, and balls of some."""

import numpy as np

from vipecli._kernels import LANES, STEP, Points, Query
from vipecli.embedding.distance import filled, known_frames
from vipecli.embedding.embed import Embeddings

_ROUNDING = 4e-6  # more than float32 is off in a squared distance, of the squared lengths


def query_of(clip: Embeddings, taps: np.ndarray, rate: np.float32) -> Query:
    """Lay out a query with the offsets of its atrous window (7,).

    `rate` is that of the slowest decay but one, see `_kernels.bounds.least_costs`.
    """
    return lay_out(*filled(clip), known_frames(clip), taps, rate)


def lay_out(
    mean: np.ndarray, var: np.ndarray, known: np.ndarray, taps: np.ndarray, rate: np.float32
) -> Query:
    """As `query_of`, from means and variances (N, D) without NaN, and the frames that count."""
    more = -len(mean) % LANES
    centre = np.pad(mean.T, ((0, -mean.shape[1] % STEP), (0, more)))
    shrink, total = _shrinkage(var.T, known, rate)
    return Query(
        mean,
        var,
        known,
        taps,
        bool(known.all()),
        np.ascontiguousarray(centre, np.float32),
        _squares(centre.T),
        np.pad(shrink, (0, more)),
        np.pad(total, (0, more), constant_values=np.inf),
    )


def points(
    mean: np.ndarray,
    var: np.ndarray,
    known: np.ndarray,
    starts: np.ndarray,
    rate: np.float32,
    size: int,
) -> Points:
    """Balls around `size` frames in a row, or single frames, of clips laid side by side.

    Parameters
    ----------
    mean, var
        shape (D, F) float32, no NaN; `known` (F,) bool.
    starts
        shape (C, 2): frames of every clip, from first to one past the last.
    rate
        as for `query_of`.
    """
    counts = -(-(starts[:, 1] - starts[:, 0]) // size)
    steps = -(-counts // STEP) * STEP
    ends = np.cumsum(steps)
    within = np.arange(ends[-1]) - np.repeat(ends - steps, steps)
    first, last = (np.repeat(side, steps) for side in starts.T)
    filling = within >= np.repeat(counts, steps)
    frames = np.minimum((first + within * size)[:, None] + np.arange(size), last[:, None] - 1)
    shrink, total = _shrinkage(var, known, rate)
    centre, radius = _around(mean, known, frames)
    return Points(
        np.pad(centre, ((0, 0), (0, -len(mean) % STEP))),
        _squares(centre),
        radius if size > 1 else radius[:0],
        shrink[frames].min(axis=1),
        np.where(filling, np.float32(np.inf), total[frames].min(axis=1)),
        np.stack([ends - steps, ends], axis=1),
    )


def _around(
    mean: np.ndarray, known: np.ndarray, frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (E, D) and radii (E,) of balls around the known ones of some frames (E, S)."""
    at, seen = mean.T[frames], known[frames]
    if frames.shape[1] == 1:
        return np.ascontiguousarray(at[:, 0]), np.zeros(len(at), np.float32)
    here = seen[:, :, None]
    largest = np.float32(np.finfo(np.float32).max)
    low, high = np.where(here, at, largest).min(axis=1), np.where(here, at, -largest).max(axis=1)
    centre = (low + high) / 2  # 0 where nobody is seen
    reach = np.where(seen, np.square(at - centre[:, None]).sum(axis=2), 0)
    return centre, np.sqrt(reach.max(axis=1)) * np.float32(1 + 1e-5) + np.float32(1e-6)


def _squares(rows: np.ndarray) -> np.ndarray:
    """Squared lengths, a little less."""
    squares = np.einsum("ed,ed->e", rows, rows, dtype=np.float64)
    return ((1 - _ROUNDING) * squares).astype(np.float32)


def _shrinkage(
    var: np.ndarray, known: np.ndarray, rate: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Least 1 / (1 + t v), shape (F,), and the sum of log(1 + 2 t v) / 2 t, inf where missing."""
    total = np.log1p(2 * rate * var).sum(axis=0) / (2 * rate)
    return 1 / (1 + rate * var.max(axis=0)), np.where(known, total, np.float32(np.inf))
