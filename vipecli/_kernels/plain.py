"""The nearest series under plain dynamic time warping of vectors."""

import numpy as np
from numba import prange

from vipecli._kernels.bounds import STEP, least_kappas
from vipecli._kernels.compiling import F, jit


@jit
def _crossed(query, points, c, size, behind):
    """Lower bound of the sum of squares along a path; it crosses every row and every column.

    From points of `size` frames of series c. `behind` (P + 1,) is filled with what the frames of
    the points from each on add at least; the last point may be shorter, and counts as one frame.
    """
    lanes, count = query.centre.shape[1], points.starts[c, 1] - points.starts[c, 0]
    dots, rows = np.empty((STEP, lanes), np.float32), np.empty(lanes, np.float32)
    columns = np.empty(count, np.float32)
    least_kappas(query, points, c, dots, rows, columns)
    across = 0.0
    for i in range(len(query.mean)):
        across += rows[i]
    known = count
    while known > 1 and not columns[known - 1] < np.inf:
        known -= 1
    behind[known:] = 0.0
    for j in range(known - 1, -1, -1):
        behind[j] = behind[j + 1] + columns[j] * (1 if j == known - 1 else size)
    return max(across, behind[0])


@jit
def _squared_distances(query, frame, out):
    """Squared distances of one frame (D',) to those of the query (N',)."""
    out[:] = F(0.0)
    for d in range(0, len(frame), 4):
        y0, y1, y2, y3 = frame[d], frame[d + 1], frame[d + 2], frame[d + 3]
        x0, x1, x2, x3 = query[d], query[d + 1], query[d + 2], query[d + 3]
        for i in range(len(out)):
            a, b, c, e = x0[i] - y0, x1[i] - y1, x2[i] - y2, x3[i] - y3
            out[i] += (a * a + b * b) + (c * c + e * e)


@jit
def _warped_sum(query, frames, c, m, behind, limit):
    """Least sum of squared distances along a path; inf once it must exceed `limit`.

    S[j, i] = d[j, i] + min(S[j-1, i-1], S[j-1, i], S[j, i-1]) in float32, one row per frame of the
    series; of the rows still to come at least `behind` is known.
    """
    n, first = len(query.mean), frames.starts[c, 0]
    cost = np.empty(query.centre.shape[1], np.float32)
    sums, best = np.full(n, F(np.inf)), np.empty(n, np.float32)
    for j in range(m):
        _squared_distances(query.centre, frames.centre[first + j], cost)
        best[0] = F(0.0) if j == 0 else sums[0]
        for i in range(1, n):
            best[i] = min(sums[i], sums[i - 1])
        left, least = F(np.inf), F(np.inf)
        for i in range(n):
            left = min(left, best[i]) + cost[i]
            sums[i] = left
            least = min(least, left)
        if least + behind[j + 1] > limit:
            return np.inf
    return np.float64(sums[n - 1])


@jit(parallel=True)
def ball_sums(query, balls, size):
    """Lower bounds (C,) of the least sum of squares, from balls of `size` frames."""
    out = np.empty(len(balls.starts))
    for c in prange(len(out)):
        behind = np.empty(balls.starts[c, 1] - balls.starts[c, 0] + 1)
        out[c] = _crossed(query, balls, c, size, behind)
    return out


@jit
def nearest_plain(query, balls, size, frames, lengths, order, bounds):
    """Series with the least sum of squared distances along a path, and that sum.

    Parameters
    ----------
    query, balls, frames
        see `bounds`; of variance 0, so that kappa is the squared distance. The balls are of `size`
        frames, fewer than those of `bounds`.
    lengths
        shape (C,), frames.
    order, bounds
        shape (C,): series by their lower bounds from `ball_sums`, and those.
    """
    place, best = -1, np.inf
    credit = 40.0  # of the balls, which are left when they rule out fewer than a third
    for c in order:
        limit = best * (1.0 + 1e-5)  # far above what float32 is off in a bound
        if bounds[c] > limit:
            break
        behind = np.empty(frames.starts[c, 1] - frames.starts[c, 0] + 1)
        if credit > 0.0:
            if _crossed(query, balls, c, size, behind) > limit:
                credit += 1.0
                continue
            credit -= 0.5
        if _crossed(query, frames, c, 1, behind) <= limit:
            found = _warped_sum(query, frames, c, lengths[c], behind, limit)
            place, best = (c, found) if found < best else (place, best)
    return place, best
