"""Nearest-neighbour search under Euclidean DTW: squared distances of vectors along a warping path.

A path visits every frame of both series. The sum along it is therefore at least the sum of the
distances of each frame, or of the bounding box of consecutive frames, to the nearest one of the
other series.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels.bounds import STEP, nearest_of_four
from vipecli._kernels.compiling import F, jit

SIDE_BY_SIDE = 16
"""Series whose bounding boxes are stored interleaved."""


class Boxes(NamedTuple):
    """Bounding boxes of consecutive frames: minimum and maximum in every dimension.

    Series are stored in groups of `SIDE_BY_SIDE`; group g has the columns [starts[g], starts[g+1]):
    the first boxes of all its series, then the second ones, and so on. `low` and `high` are flat,
    group after group, each (D', columns); `sizes` (E,) counts frames and is 0 for padding.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    sizes: NDArray[np.float32]
    starts: NDArray[np.int64]


class Frames(NamedTuple):
    """Frames of all series, concatenated; those of series c are [ends[c], ends[c+1]).

    `exact` (F, D'); `augmented` (F, D'+2): -2 y, 1 and |y|^2, rounded down, whose dot product with
    (x, |x|^2, 1) is at most the squared distance.
    """

    exact: NDArray[np.float32]
    augmented: NDArray[np.float32]
    ends: NDArray[np.int64]


@jit
def _gaps(a, b, low, high, out):
    """Squared distances (E,) between the box from a to b (D',) and boxes (D', E)."""
    out[:] = F(0.0)
    for d in range(0, len(low), STEP):
        l0, l1, l2, l3 = low[d], low[d + 1], low[d + 2], low[d + 3]
        h0, h1, h2, h3 = high[d], high[d + 1], high[d + 2], high[d + 3]
        a0, a1, a2, a3 = a[d], a[d + 1], a[d + 2], a[d + 3]
        b0, b1, b2, b3 = b[d], b[d + 1], b[d + 2], b[d + 3]
        for e in range(len(out)):
            x = max(max(l0[e] - b0, a0 - h0[e]), F(0.0))
            y = max(max(l1[e] - b1, a1 - h1[e]), F(0.0))
            z = max(max(l2[e] - b2, a2 - h2[e]), F(0.0))
            w = max(max(l3[e] - b3, a3 - h3[e]), F(0.0))
            out[e] += (x * x + y * y) + (z * z + w * w)


@jit
def _add_least(weight, gaps, least, out):
    """Add the smallest gap of each series of a group to `out`, times `weight`."""
    least[:] = F(np.inf)
    for e in range(0, len(gaps), SIDE_BY_SIDE):
        here = gaps[e : e + SIDE_BY_SIDE]
        for x in range(SIDE_BY_SIDE):
            least[x] = min(least[x], here[x])
    for x in range(SIDE_BY_SIDE):
        out[x] += weight * least[x]


@jit
def box_bounds(
    low: NDArray[np.float32], high: NDArray[np.float32], sizes: NDArray[np.float32], boxes: Boxes
) -> NDArray[np.float32]:
    """Lower bounds (groups * SIDE_BY_SIDE,) of the sum of squared distances along a path.

    Parameters
    ----------
    low, high, sizes
        shape (B, D'), (B, D'), (B,) float32: boxes of the query, and their numbers of frames.
    boxes
        of the series.
    """
    longest, dims = np.diff(boxes.starts).max(), low.shape[1]
    all_gaps, all_columns = np.empty(longest, np.float32), np.empty(longest, np.float32)
    least, down = np.empty(SIDE_BY_SIDE, np.float32), np.empty(SIDE_BY_SIDE, np.float32)
    out = np.zeros((len(boxes.starts) - 1) * SIDE_BY_SIDE, np.float32)
    for g in range(len(boxes.starts) - 1):
        first, last = boxes.starts[g], boxes.starts[g + 1]
        across = out[g * SIDE_BY_SIDE : (g + 1) * SIDE_BY_SIDE]
        gaps, columns = all_gaps[: last - first], all_columns[: last - first]
        bottom = boxes.low[dims * first : dims * last].reshape(dims, last - first)
        top = boxes.high[dims * first : dims * last].reshape(dims, last - first)
        columns[:] = F(np.inf)
        for i in range(len(sizes)):
            _gaps(low[i], high[i], bottom, top, gaps)
            for e in range(len(gaps)):
                columns[e] = min(columns[e], gaps[e])
            _add_least(sizes[i], gaps, least, across)
        down[:] = F(0.0)
        for e in range(len(columns)):
            down[e % SIDE_BY_SIDE] += columns[e] * boxes.sizes[first + e]
        for x in range(SIDE_BY_SIDE):
            across[x] = max(across[x], down[x])
    return out


@jit
def _least_distances(table, rows, columns):
    """Minimum of every row (M,) and every column (N',) of a table (M, N')."""
    rows_bits = rows.view(np.int32)
    columns[:] = F(np.inf)
    for j in range(0, len(table), STEP):
        some = rows_bits[j : j + STEP]
        nearest_of_four(table[j], table[j + 1], table[j + 2], table[j + 3], columns, some)


@jit
def _squared_distances(query, frame, out):
    """Squared distances between one frame (D',) and the frames of the query (D', N')."""
    out[:] = F(0.0)
    for d in range(0, len(frame), STEP):
        y0, y1, y2, y3 = frame[d], frame[d + 1], frame[d + 2], frame[d + 3]
        x0, x1, x2, x3 = query[d], query[d + 1], query[d + 2], query[d + 3]
        for i in range(len(out)):
            a, b, c, e = x0[i] - y0, x1[i] - y1, x2[i] - y2, x3[i] - y3
            out[i] += (a * a + b * b) + (c * c + e * e)


@jit
def _still_to_come(least, count, out):
    """Sums (count + 1,) of the minima from each position to the end."""
    out[count] = 0.0
    for j in range(count - 1, -1, -1):
        out[j] = out[j + 1] + least[j]


@jit
def _warped_sum(table, below, beside, limit, sums):
    """Smallest sum of squared distances along a path; inf once it must exceed `limit`.

    S[j, i] = d[j, i] + min(S[j-1, i-1], S[j-1, i], S[j, i-1]) in float32, in one row (N,). The rest
    of a path costs at least `below` (M + 1,) for the remaining frames of the series, and at least
    `beside` (N + 1,) for those of the query; cells that would exceed the limit are pruned from both
    ends of a row (Herrmann & Webb 2021).
    """
    n, start, stop = len(sums), 0, 0  # cells [start, stop) of the row above can lie on a path
    for j in range(len(below) - 1):
        cost = table[j]
        corner, left = F(0.0) if j == 0 else F(np.inf), F(np.inf)
        first, last = n, 0
        for i in range(start, n):
            above = sums[i] if i < stop else F(np.inf)
            best = min(min(corner, above), left)
            if i > stop and best == F(np.inf):
                break
            corner, left = above, best + cost[i]
            if left + max(below[j + 1], beside[i + 1]) > limit:
                left = F(np.inf)
            else:
                first, last = min(first, i), i + 1
            sums[i] = left
        if last == 0:
            return np.inf
        start, stop = first, last
    return np.float64(sums[n - 1]) if stop == n else np.inf


@jit
def nearest_by_euclidean_dtw(
    query: NDArray[np.float32],
    augmented: NDArray[np.float32],
    length: int,
    frames: Frames,
    order: NDArray[np.int64],
    bounds: NDArray[np.float32],
) -> tuple[int, float]:
    """Place of the series with the smallest sum of squared distances along a path, and that sum.

    Parameters
    ----------
    query, augmented
        shape (D', N') and (D'+2, N'): frames of the query, padded with copies, and those with
        |x|^2, rounded down, and 1.
    length
        N, frames of the query.
    frames
        of the series, with `STEP` more behind the last.
    order, bounds
        shape (C,): places of the series by their lower bounds, and the bounds by place.
    """
    lanes, longest = query.shape[1], np.diff(frames.ends).max()
    all_costs = np.empty((longest + STEP, lanes), np.float32)
    rows, columns = np.empty(longest + STEP, np.float32), np.empty(lanes, np.float32)
    below, beside, sums = np.empty(longest + 1), np.empty(length + 1), np.empty(length, np.float32)
    place, best = -1, np.inf
    for c in order:
        limit = best * (1.0 + 1e-5)  # far above the rounding of float32 in a bound
        if bounds[c] > limit:
            break
        first, m = frames.ends[c], frames.ends[c + 1] - frames.ends[c]
        whole = -(-m // STEP) * STEP
        costs = all_costs[:whole]
        np.dot(frames.augmented[first : first + whole], augmented, costs)
        _least_distances(costs, rows, columns)
        if max(rows[:m].sum(), columns[:length].sum()) > limit:
            continue
        _still_to_come(rows, m, below)
        _still_to_come(columns, length, beside)
        found = _warped_sum(costs, below[: m + 1], beside, limit, sums)
        if found <= limit:
            for j in range(m):
                _squared_distances(query, frames.exact[first + j], costs[j])
            found = _warped_sum(costs, below[: m + 1], beside, limit, sums)
        place, best = (c, found) if found < best else (place, best)
    return place, best
