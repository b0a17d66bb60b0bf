"""Dynamic time warping: paths, ends that may be left out, bands, and mean costs."""

import math

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels.compiling import jit

_DIAGONAL, _UP, _LEFT = np.uint8(0), np.uint8(1), np.uint8(2)


@jit
def band_limits(n: int, m: int, width: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and one past the last column of each row within `width` of the scaled diagonal.

    A cell (i, j) is inside where |i / (n - 1) - j / (m - 1)| <= width; the width is raised where
    it would cut the path, so that (0, 0) and (n-1, m-1) stay connected. Symmetric in n and m.
    """
    low = np.zeros(n, np.int64)
    high = np.full(n, m, np.int64)
    if min(n, m) < 2:
        return low, high
    width = max(width, 0.5 / (min(n, m) - 1)) + 1e-9
    for i in range(n):
        x = i / (n - 1)
        low[i] = max(0, math.ceil((x - width) * (m - 1)))
        high[i] = min(m, math.floor((x + width) * (m - 1)) + 1)
    return low, high


@jit
def _skipped(price, frames):
    """Price of leaving out frames; an infinite price times no frames is nothing."""
    return price * frames if frames else 0.0


@jit
def _first_row(cost, low, skip, diagonal, here, steps):
    """Sums and steps of row 0 from column `low` on; `here` is shifted by one column."""
    left = np.inf
    for j in range(len(cost)):
        start = _skipped(skip, low + j) + diagonal * cost[j]
        left += cost[j]
        steps[j] = _LEFT if left < start else _DIAGONAL
        left = min(left, start)
        here[low + j + 1] = left


@jit
def _next_row(cost, diagonal, above, here, steps):
    """Sums and steps of one row within the band from those above; both shifted by one column."""
    left, corner = np.inf, above[0]
    for j in range(len(cost)):
        c = np.float64(cost[j])
        best, up = corner + diagonal * c, above[j + 1] + c
        left += c
        step = _UP if up < best else _DIAGONAL
        best = up if up < best else best
        step = _LEFT if left < best else step
        left = left if left < best else best
        here[j] = left
        steps[j] = step
        corner = above[j + 1]


@jit
def _warped(cost, at, m, low, high, skip_a, skip_b, diagonal):
    """Path and total of `dtw_path`; row i of `cost` starts at column at[i]."""
    n = len(cost)
    widest = 0
    for i in range(n):
        widest = max(widest, high[i] - low[i])
    steps = np.empty((n, widest), np.uint8)
    above, here = np.full(m + 1, np.inf), np.full(m + 1, np.inf)
    _first_row(cost[0, low[0] - at[0] : high[0] - at[0]], low[0], skip_b, diagonal, above, steps[0])
    side, row = np.inf, 0
    if n > 1 and high[0] == m:
        side = above[m] + _skipped(skip_a, n - 1)
    for i in range(1, n):
        first, last = low[i], high[i]
        above[high[i - 1] + 1 : last + 1] = np.inf  # left by an earlier row
        above[low[i - 1]] = np.inf
        if first == 0:
            above[0] = _skipped(skip_a, i)
        _next_row(
            cost[i, first - at[i] : last - at[i]],
            diagonal,
            above[first : last + 1],
            here[first + 1 : last + 1],
            steps[i],
        )
        above, here = here, above
        if last == m and i < n - 1:
            total = above[m] + _skipped(skip_a, n - 1 - i)
            side, row = (total, i) if total < side else (side, row)
    best, end = above[m] if high[n - 1] == m else np.inf, high[n - 1] - 1
    for j in range(low[n - 1], min(high[n - 1], m - 1)):
        total = above[j + 1] + _skipped(skip_b, m - 1 - j)
        best, end = (total, j) if total < best else (best, end)
    if side < best:
        return _trace(steps, low, row, m - 1), side
    return _trace(steps, low, n - 1, end), best


@jit
def dtw_path(
    cost: NDArray[np.float32],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    skip_a: float,
    skip_b: float,
    diagonal: float,
) -> tuple[NDArray[np.int32], float]:
    """Cheapest path through `cost` with steps (1, 0), (0, 1) and (1, 1), and ends at a price.

    S[i, j] = min(S[i-1, j-1] + w cost[i, j], S[i-1, j] + cost[i, j], S[i, j-1] + cost[i, j]) in
    float64, w = `diagonal`. The path starts by a diagonal step out of S[i-1, -1] = i skip_a or
    S[-1, j-1] = j skip_b, the price of the frames before, and ends at the cell (i, M-1) or
    (N-1, j) where S plus the price of the frames behind is least. Of equal predecessors the
    diagonal comes first, then (i-1, j), then (i, j-1); of equal ends the corner, then those on
    the last row, then those on the last column, in order.

    Parameters
    ----------
    cost
        shape (N, M) float32, no NaN.
    low, high
        shape (N,): row i is searched over the columns [low[i], high[i]), which never step back.
    skip_a, skip_b
        price of leaving out a frame of a, or of b, at an end; inf = every frame is matched.
    diagonal
        weight of the cost in a step that moves on in both clips, 1 to 2.

    Returns
    -------
    path
        shape (L, 2) int32.
    total
        least sum, prices included; inf where the limits leave no path.

    Notes
    -----
    Memory: two rows of float64 and one byte per cell within the limits.
    """
    at = np.zeros(len(cost), np.int64)
    return _warped(cost, at, cost.shape[1], low, high, skip_a, skip_b, diagonal)


@jit
def dtw_band(
    cost: NDArray[np.float32],
    m: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    skip_a: float,
    skip_b: float,
    diagonal: float,
) -> tuple[NDArray[np.int32], float]:
    """`dtw_path` from the costs within the limits alone, for clips too long for a whole table.

    `cost` is (N, W): row i holds the columns low[i] to high[i] of `m`, and anything behind them.
    Starts and ends outside the limits are not considered.
    """
    return _warped(cost, low, m, low, high, skip_a, skip_b, diagonal)


@jit
def _trace(steps, low, i, j):
    """Follow the steps from cell (i, j) back to the start."""
    path = np.empty((i + j + 1, 2), np.int32)
    k = len(path)
    while i >= 0 and j >= 0:
        k -= 1
        path[k, 0] = i
        path[k, 1] = j
        step = steps[i, j - low[i]]
        i -= step != _LEFT
        j -= step != _UP
    return path[k:].copy()


@jit
def dtw_mean(
    cost: NDArray[np.float32],
    limit: float,
    sums: NDArray[np.float64],
    lengths: NDArray[np.int32],
) -> float:
    """Mean cost along the path of `dtw_path`, unweighted, without band, prices or back-pointers.

    The length of the best path is carried with its sum. Abandons, returning inf, as soon as the
    mean is sure to exceed `limit`: the final path crosses row i, last at some cell j, and its part
    up to there is the best path to (i, j), of sum S and length l. What follows has at most
    r = N-1-i + M-1-j cells, each of at least the smallest cost c of the table, so the mean is
    (S + rest) / (l + rest cells) >= min(S / l, (S + r c) / (l + r)), and the first of the two is
    never the smaller one because S >= l c. If that exceeds `limit` for every j, so does the mean.

    Parameters
    ----------
    cost
        shape (N, M) float32, not negative, no NaN.
    sums, lengths
        shape (2, M) float64 and int32 scratch.
    """
    n, m = cost.shape
    smallest = 0.0
    bounded = limit < np.inf
    if bounded:
        smallest = np.inf
        for i in range(n):
            for j in range(m):
                smallest = min(smallest, cost[i, j])
    for i in range(n):
        above, here = sums[(i + 1) & 1], sums[i & 1]
        length_above, length_here = lengths[(i + 1) & 1], lengths[i & 1]
        left, left_length = np.inf, 0
        corner, corner_length = np.inf, 0
        for j in range(m):
            best, length = corner, corner_length
            corner, corner_length = (above[j], length_above[j]) if i else (np.inf, 0)
            if corner < best:
                best, length = corner, corner_length
            if left < best:
                best, length = left, left_length
            if i == 0 and j == 0:
                best, length = 0.0, 0
            left, left_length = best + cost[i, j], length + 1
            here[j], length_here[j] = left, left_length
        if bounded and i & 7 == 7:
            bound = np.inf
            for j in range(m):
                rest = n + m - 2 - i - j
                bound = min(bound, (here[j] + rest * smallest) / (length_here[j] + rest))
            if bound > limit:
                return np.inf
    return sums[(n - 1) & 1, m - 1] / lengths[(n - 1) & 1, m - 1]
