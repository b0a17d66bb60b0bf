"""Arrays for the lower bounds of the distance between a query and clips: bounding spheres."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels import LANES, STEP, Clips, Query, Spheres
from vipecli.embedding.distance import filled, known_frames
from vipecli.embedding.embed import Embeddings

_ROUNDING = 4e-6  # relative to the squared norms; above what float32 rounds off distances


def query_of(clip: Embeddings, taps: NDArray[Any], rate: np.float32) -> Query:
    """A query with the offsets of its atrous window (7,), prepared for the lower bounds.

    `rate` is that of the second slowest decay, see `_kernels.bounds.least_costs`.
    """
    return lay_out(*filled(clip), known_frames(clip), taps, rate)


def lay_out(
    mean: NDArray[Any], var: NDArray[Any], known: NDArray[Any], taps: NDArray[Any], rate: np.float32
) -> Query:
    """As `query_of`, from means and variances (N, D) without NaN and known frames (N,)."""
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


def bounding_spheres(clips: Clips, rate: np.float32, size: int) -> Spheres:
    """Bounding spheres of every `size` consecutive frames of clips, or single frames for 1.

    `rate` as for `query_of`.
    """
    mean, var, known, starts = clips.mean, clips.var, clips.known, clips.starts
    counts = -(-(starts[:, 1] - starts[:, 0]) // size)
    steps = -(-counts // STEP) * STEP
    ends: NDArray[np.int64] = np.cumsum(steps)
    within = np.arange(int(ends[-1])) - np.repeat(ends - steps, steps)
    first, last = (np.repeat(side, steps) for side in starts.T)
    filling = within >= np.repeat(counts, steps)
    frames = np.minimum((first + within * size)[:, None] + np.arange(size), last[:, None] - 1)
    shrink, total = _shrinkage(var, known, rate)
    centre, radius = _around(mean, known, frames)
    return Spheres(
        np.pad(centre, ((0, 0), (0, -len(mean) % STEP))),
        _squares(centre),
        radius if size > 1 else radius[:0],
        shrink[frames].min(axis=1),
        np.where(filling, np.float32(np.inf), total[frames].min(axis=1)),
        np.stack([ends - steps, ends], axis=1),
    )


def _around(
    mean: NDArray[Any], known: NDArray[Any], frames: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Centres (E, D) and radii (E,) of spheres around the known ones among frames (E, S)."""
    at, seen = mean.T[frames], known[frames]
    if frames.shape[1] == 1:
        return np.ascontiguousarray(at[:, 0]), np.zeros(len(at), np.float32)
    here = seen[:, :, None]
    largest = np.float32(np.finfo(np.float32).max)
    low, high = np.where(here, at, largest).min(axis=1), np.where(here, at, -largest).max(axis=1)
    centre = (low + high) / 2  # 0 where no frame is known
    reach = np.where(seen, np.square(at - centre[:, None]).sum(axis=2), 0)
    return centre, np.sqrt(reach.max(axis=1)) * np.float32(1 + 1e-5) + np.float32(1e-6)


def _squares(rows: NDArray[Any]) -> NDArray[Any]:
    """Squared norms, rounded down."""
    squares = np.square(rows, dtype=np.float64).sum(axis=1)
    return ((1 - _ROUNDING) * squares).astype(np.float32)


def _shrinkage(
    var: NDArray[Any], known: NDArray[Any], rate: np.float32
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Minimum of 1 / (1 + t v), and sum of log(1 + 2 t v) / 2 t, over dimensions; shapes (F,)."""
    total = np.log1p(2 * rate * var).sum(axis=0) / (2 * rate)
    return 1 / (1 + rate * var.max(axis=0)), np.where(known, total, np.float32(np.inf))
