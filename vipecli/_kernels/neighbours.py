"""Nearest-neighbour search among clips, with early abandoning by lower bounds."""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from vipecli._kernels.bounds import LANES, Clips, Query, Spheres, refined_bound
from vipecli._kernels.compiling import F, jit
from vipecli._kernels.distances import Costs
from vipecli._kernels.probability import BLOCK, distance_row
from vipecli._kernels.windows import atrous_padded


@jit
def _bounded_distance(query, clips, c, row_bounds, costs, limit):
    """Mean atrous distance along the warping path to clip c; inf once it must exceed `limit`.

    As `dtw_mean`, but the table is computed row by row and abandoned early: `row_bounds` (N,) are
    lower bounds of the rows. A path at (i, j) has N-1-i rows and at most M-1-j further cells ahead,
    none below the smallest bound.
    """
    mean, var, known, taps = query.mean, query.var, query.known, query.taps
    mean_t, var_t, known_t, clip_taps = clips.mean, clips.var, clips.known, clips.taps[c]
    waves, decays = costs.waves, costs.decays
    first, last = clips.starts[c]
    n, m = len(mean), last - first
    top, gap = taps.max(), clip_taps.max()
    padded = np.full((n + 2 * top, m + 2 * gap), F(np.nan))
    scratch, smooth = np.empty((5, BLOCK), np.float32), np.empty((1, m), np.float32)
    sums, lengths = np.empty((2, m)), np.empty((2, m), np.int32)
    # padded to whole SIMD vectors; the values behind the clip are not read
    line = np.empty(min(-(-m // LANES) * LANES, mean_t.shape[1] - first), np.float32)
    least, rest = np.inf, 0.0
    for i in range(n):
        least, rest = min(least, row_bounds[i]), rest + row_bounds[i]
    done = 0
    for i in range(n):
        while done < min(i + top + 1, n):
            if known[done]:
                x, v, row = mean[done], var[done], padded[top + done, gap : gap + m]
                distance_row(x, v, mean_t, var_t, first, waves, decays, True, scratch, line)
                for j in range(m):
                    row[j] = line[j] if known_t[first + j] else F(np.nan)
            done += 1
        atrous_padded(padded[i : i + 2 * top + 1], top, gap, taps, clip_taps, costs.missing, smooth)
        above, here = sums[(i + 1) & 1], sums[i & 1]
        length_above, length_here = lengths[(i + 1) & 1], lengths[i & 1]
        _mean_row(i == 0, smooth[0], above, here, length_above, length_here)
        rest -= row_bounds[i]
        if i & 3 == 3 and i < n - 1:
            bound = np.inf
            for j in range(m):
                extra = m - 1 - j
                part = here[j] + rest + extra * least
                bound = min(bound, part / (length_here[j] + n - 1 - i + extra))
            if bound * (1.0 - 1e-3) - 1e-3 > limit:
                return np.inf
    return sums[(n - 1) & 1, m - 1] / lengths[(n - 1) & 1, m - 1]


@jit
def _mean_row(is_first, cost, above, here, length_above, length_here):
    """One row of `dtw_mean`: sums and lengths of the best paths, from those of the row above."""
    left, left_length = np.inf, 0
    corner, corner_length = np.inf, 0
    for j in range(len(cost)):
        best, length = corner, corner_length
        corner, corner_length = (np.inf, 0) if is_first else (above[j], length_above[j])
        if corner < best:
            best, length = corner, corner_length
        if left < best:
            best, length = left, left_length
        if is_first and j == 0:
            best, length = 0.0, 0
        left, left_length = best + cost[j], length + 1
        here[j], length_here[j] = left, left_length


@jit
def _keep_best(best, score):
    """Insert a score into the ascending best ones and drop the largest."""
    for x in range(len(best)):
        if score < best[x]:
            best[x], score = score, best[x]


class Correction(NamedTuple):
    """Hubness correction (CSLS) of the distances to C clips; see `index.hubness.Hubness`.

    `shift` (C,) is subtracted; `lift` (C,) is the most that may be subtracted in all. A query that
    is itself a clip joins the neighbourhood of every clip whose distance d is at most `last` (C,):
    there (`following` - d) / (2 `count`) is subtracted as well. `last` of -inf: never.
    """

    shift: NDArray[np.float64]
    lift: NDArray[np.float64]
    last: NDArray[np.float64]
    following: NDArray[np.float64]
    count: int


@jit(parallel=True)
def nearest(
    query: Query,
    frames: Spheres,
    clips: Clips,
    order: NDArray[np.int64],
    bounds: NDArray[np.float64],
    correction: Correction,
    best: NDArray[np.float64],
    chunk: int,
    costs: Costs,
) -> NDArray[np.float64]:
    """Distances to the clips that may be among the k of lowest score; inf for all others.

    The score of a clip is its distance less its hubness correction. Clips are visited in the order
    of the lower bounds of their scores, until those exceed the k-th best score found.

    Parameters
    ----------
    query, frames, clips
        see `bounds`.
    order
        shape (O,) int64: clips to visit, by the lower bounds of their scores.
    bounds
        shape (C,), from `lower_bounds`.
    best
        shape (k,), all equal to the largest score of interest; overwritten.
    chunk
        clips computed in parallel before the k-th best score is updated.
    costs
        how the distance of two frames is computed.

    Returns
    -------
    shape (C,) float64; the same for any `chunk` where the score is among the k best.
    """
    out = np.full(len(bounds), np.inf)
    k = len(best)
    for begin in range(0, len(order), chunk):
        end = min(begin + chunk, len(order))
        if bounds[order[begin]] - correction.lift[order[begin]] > best[k - 1]:
            break
        for x in prange(begin, end):
            c = order[x]
            limit = best[k - 1] + correction.lift[c]
            if bounds[c] <= limit:
                bound, rows = refined_bound(query, frames, clips, c, costs.terms, limit)
                if bound <= limit:
                    out[c] = _bounded_distance(query, clips, c, rows, costs, limit)
        for x in range(begin, end):
            c = order[x]
            score = out[c] - correction.shift[c]
            if out[c] <= correction.last[c]:
                score -= 0.5 * (correction.following[c] - out[c]) / correction.count
            _keep_best(best, score)
    return out
