"""DTW distances of one query to every clip of an index."""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import BLOCK, distance_row
from vipecli._kernels.warping import dtw_mean
from vipecli._kernels.windows import atrous_padded


class Costs(NamedTuple):
    """How the distance of two frames is computed.

    `waves` and `decays`: terms of the sigmoid, as in `matching`; `missing`: cost of a cell without
    a known frame in its window; `terms`: terms for lower bounds, as in `least_costs`.
    """

    waves: NDArray[np.float32]
    decays: NDArray[np.float32]
    missing: np.float32
    terms: NDArray[np.float32]


class Clip(NamedTuple):
    """Frames of a query: `mean`, `var` (N, D) without NaN, `known` (N,), atrous offsets `taps`."""

    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    known: NDArray[np.bool_]
    taps: NDArray[np.int64]


class Groups(NamedTuple):
    """Clips side by side in groups of one frame rate, with `gap` frames around each clip.

    `mean`, `var` (D, F) without NaN; `known` (F,), False in the gaps; clip c has the frames
    [starts[c, 0], starts[c, 1]), group g the clips [firsts[g], firsts[g + 1]) and the atrous
    offsets `taps[g]`, at most `gap`.
    """

    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    known: NDArray[np.bool_]
    gap: int
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    taps: NDArray[np.int64]


@jit
def _distances_to_group(query, clips, g, costs, out):
    """Mean atrous distances of a query to the clips of one group; see `distances_to_all`."""
    gap, starts = clips.gap, clips.starts[clips.firsts[g] : clips.firsts[g + 1]]
    left, right = starts[0, 0] - gap, starts[len(starts) - 1, 1] + gap
    mean_t = clips.mean[:, left:right].copy()  # contiguous: strided loops would not vectorise
    var_t, known_t = clips.var[:, left:right].copy(), clips.known[left:right]
    n, m, top = len(query.mean), right - left, np.abs(query.taps).max()
    padded = np.full((n + 2 * top, m), F(np.nan))
    scratch = np.empty((5, BLOCK), np.float32)
    for i in range(n):
        if query.known[i]:
            row, x, v = padded[top + i], query.mean[i], query.var[i]
            distance_row(x, v, mean_t, var_t, 0, costs.waves, costs.decays, True, scratch, row)
            for j in range(m):
                row[j] = row[j] if known_t[j] else F(np.nan)
    smooth = np.empty((n, m - 2 * gap), np.float32)
    atrous_padded(padded, top, gap, query.taps, clips.taps[g], costs.missing, smooth)
    for c in range(len(out)):
        first, last = starts[c, 0] - starts[0, 0], starts[c, 1] - starts[0, 0]
        sums, lengths = np.empty((2, last - first)), np.empty((2, last - first), np.int32)
        out[c] = dtw_mean(smooth[:, first:last], np.inf, sums, lengths)


@jit(parallel=True)
def distances_to_all(query: Clip, clips: Groups, costs: Costs) -> NDArray[np.float64]:
    """Distances (C,) of one query to every clip, in parallel over groups of clips.

    The clips of a group form one table: long enough for loops to vectorise, small enough for the
    second-level cache. Groups are independent: the number of threads does not change the result.
    """
    out = np.empty(len(clips.starts))
    for g in prange(len(clips.firsts) - 1):
        _distances_to_group(query, clips, g, costs, out[clips.firsts[g] : clips.firsts[g + 1]])
    return out
