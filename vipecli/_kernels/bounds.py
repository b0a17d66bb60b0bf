"""Lower bounds of the distance of two clips."""

import numpy as np
from numba import prange

from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import exp2, log

CLIP_BLOCK = 4
"""Frames of a clip in one box of `floors`."""

_SLACK = F(1e-3)  # of a bound, far above what float32 can be off


@jit
def _least_costs(kappa, terms, out):
    """Lower bound of -log p of every pair of frames whose kappa is at least that given.

    p = 0.05 + sum_k w_k prod_d (1 + t v_d)^(-1/2) exp(-t d^2 / 2 (1 + t v_d)) over some rates t_k,
    v_d the sum of the variances x of a frame and y of another. With 1 + t (x + y) at most
    (1 + t x) (1 + t y) and, as the logarithm is concave, at least the root of
    (1 + 2 t x) (1 + 2 t y), a product is at most exp(-t kappa / 2), where
    kappa = sum_d d^2 / (1 + t x) (1 + t y) + (log (1 + 2 t x) + log (1 + 2 t y)) / 2 t
    falls as t grows. So kappa of the second rate does for the first, too, and rates above it count
    as that one. `terms` are the two weights and the two rates times log2(e) / 2.
    """
    w1, w2, c1, c2 = terms[0], terms[1], terms[2], terms[3]
    for j in range(len(out)):
        k = min(kappa[j], F(1e4))
        p = F(0.05) + w1 * exp2(max(-c1 * k, F(-60.0))) + w2 * exp2(max(-c2 * k, F(-60.0)))
        out[j] = -log(min(p, F(0.95)))


@jit
def _least_moments(
    low, high, shrink, total, block_low, block_high, block_shrink, block_total, first, out
):
    """Least kappa of a block of query frames with each of many blocks: of boxes that hold them."""
    n = len(out)
    totals = block_total[first : first + n]
    for j in range(n):
        out[j] = total + totals[j]
    for dim in range(len(low)):
        below, above, scale = low[dim], high[dim], shrink[dim]
        lows, highs = block_low[dim, first : first + n], block_high[dim, first : first + n]
        scales = block_shrink[dim, first : first + n]
        for j in range(n):
            gap = max(max(lows[j] - above, below - highs[j]), F(0.0))
            out[j] += gap * gap * (scale * scales[j])


@jit
def _least_of_taps(raw, taps, whole, out):
    """Lower bound of every atrous row from those of the rows (N,) that it is the mean of.

    Where no frame is missing and the clip is longer than the window, only taps at one end of it can
    be cut off by the ends of the clip; otherwise any of them may be the only one.
    """
    n = len(raw)
    for i in range(n):
        least = np.inf
        for k in range(7):
            x = i + taps[k]
            if 0 <= x < n:
                least = min(least, raw[x])
        if whole:
            ahead, behind, before, after = 0.0, 0.0, 0, 0
            for k in range(7):
                x = i + taps[k]
                if 0 <= x < n:
                    ahead, before = ahead + raw[x], before + 1
            behind, after = ahead, before
            best = ahead / before
            for k in range(3):
                x, y = i + taps[k], i + taps[6 - k]
                if 0 <= x < n:
                    ahead, before = ahead - raw[x], before - 1
                if 0 <= y < n:
                    behind, after = behind - raw[y], after - 1
                best = min(best, min(ahead / before, behind / after))
            least = max(least, best - 1e-5)
        out[i] = least


@jit
def _least_mean(rows, cells):
    """Least mean of a path that crosses every row and has at most so many cells."""
    total, least = 0.0, np.inf
    for i in range(len(rows)):
        total += rows[i]
        least = min(least, rows[i])
    return (total + (cells - len(rows)) * least) / cells


@jit
def _floor_group(
    low, high, shrink, total, step, taps, block_low, block_high, block_shrink, block_total, blocks,
    lengths, whole, reach, terms, bounds, rows,
):  # fmt: skip
    """Bounds of the clips of one group: see `floors`."""
    first, last = blocks[0, 0], blocks[-1, 1]
    queries, n = len(low), rows.shape[1]
    kappa = np.empty((queries, last - first), np.float32)
    for i in range(queries):
        _least_moments(
            low[i], high[i], shrink[i], total[i], block_low, block_high, block_shrink,
            block_total, first, kappa[i],
        )  # fmt: skip
    across, along = np.empty(queries, np.float32), np.empty(queries, np.float32)
    raw = np.empty(n, np.float32)
    for c in range(len(blocks)):
        begin, end, m = blocks[c, 0] - first, blocks[c, 1] - first, lengths[c]
        for i in range(queries):
            across[i] = np.inf
            for j in range(begin, end):
                across[i] = min(across[i], kappa[i, j])
        _least_costs(across, terms, along)
        for i in range(n):
            raw[i] = along[i // step]
        _least_of_taps(raw, taps, whole[c], rows[c])
        bound = _least_mean(rows[c], n + m - 1)
        if m > n:
            columns = _least_columns(kappa[:, begin:end], reach[c], m, terms)
            bound = max(bound, _least_mean(columns, n + m - 1))
        bounds[c] = bound * (F(1.0) - _SLACK) - _SLACK


@jit
def _least_columns(kappa, reach, m, terms):
    """Lower bound of every atrous column, from the blocks that its window touches."""
    count = kappa.shape[1]
    least = np.full(count, F(np.inf))
    for i in range(len(kappa)):
        for j in range(count):
            least[j] = min(least[j], kappa[i, j])
    cost, out = np.empty(count, np.float32), np.empty(m, np.float32)
    _least_costs(least, terms, cost)
    for j in range(m):
        value = F(np.inf)
        for block in range(
            max(j - reach, 0) // CLIP_BLOCK, min(j + reach, m - 1) // CLIP_BLOCK + 1
        ):
            value = min(value, cost[block])
        out[j] = value
    return out


@jit(parallel=True)
def floors(
    low, high, shrink, total, step, taps, n, block_low, block_high, block_shrink, block_total,
    blocks, lengths, whole, reach, groups, terms,
):  # fmt: skip
    """Lower bounds of the distance of one query to every clip, and of every row of their tables.

    A few frames in a row are a box in the space of the embedding; between two boxes kappa has a
    least value, from which `_least_costs` follows. A row of the atrous table is bounded by the rows
    that it is the mean of, and a path of at most N + M - 1 cells crosses every row once.

    Parameters
    ----------
    low, high, shrink
        shape (B, D) float32, boxes of `step` frames of the query each, and the least
        1 / (1 + t v) of their variances; `total` (B,) the least sum of log(1 + 2 t v) / 2 t.
    taps
        shape (7,), as in `rank`.
    n
        frames of the query, N.
    block_low, block_high, block_shrink
        shape (D, E) float32, the same of boxes of `CLIP_BLOCK` frames of the clips, and
        `block_total` (E,). A block without known frames has an empty box, from inf to -inf, and
        total inf.
    blocks
        shape (C, 2): clip c has the blocks [blocks[c, 0], blocks[c, 1]).
    lengths, whole, reach
        shape (C,): frames, whether no frame is missing in clip and query and the clip is longer
        than its window, and the half-width of that in frames.
    groups
        shape (G + 1,): group g holds the clips [groups[g], groups[g + 1]).
    terms
        shape (4,) float32, see `_least_costs`.

    Returns
    -------
    shape (C,) float64 and (C, N) float32.
    """
    bounds = np.empty(len(blocks))
    rows = np.empty((len(blocks), n), np.float32)
    for g in prange(len(groups) - 1):
        x, y = groups[g], groups[g + 1]
        _floor_group(
            low, high, shrink, total, step, taps, block_low, block_high, block_shrink, block_total,
            blocks[x:y], lengths[x:y], whole[x:y], reach[x:y], terms, bounds[x:y], rows[x:y],
        )  # fmt: skip
    return bounds, rows


@jit
def refined_floor(
    mean, shrink, total, known, mean_t, shrink_t, total_t, first, last, taps, clip_taps, whole,
    terms, floor,
):  # fmt: skip
    """Bound of one clip as by `floors`, from frames instead of boxes; raises `floor` (N,)."""
    n, m = len(mean), last - first
    least_row, least_column = np.full(n, F(np.inf)), np.full(m, F(np.inf))
    kappa = np.empty(m, np.float32)
    for i in range(n):
        if not known[i]:
            continue
        for j in range(m):
            kappa[j] = total[i] + total_t[first + j]
        for dim in range(mean.shape[1]):
            x, scale = mean[i, dim], shrink[i, dim]
            row, scales = mean_t[dim, first:last], shrink_t[dim, first:last]
            for j in range(m):
                d = x - row[j]
                kappa[j] += d * d * (scale * scales[j])
        least = F(np.inf)
        for j in range(m):
            least = min(least, kappa[j])
            least_column[j] = min(least_column[j], kappa[j])
        least_row[i] = least
    raw, tight = np.empty(n, np.float32), np.empty(n, np.float32)
    _least_costs(least_row, terms, raw)
    _least_of_taps(raw, taps, whole, tight)
    for i in range(n):
        floor[i] = max(floor[i], tight[i])
    bound = _least_mean(floor, n + m - 1)
    raw, tight = np.empty(m, np.float32), np.empty(m, np.float32)
    _least_costs(least_column, terms, raw)
    _least_of_taps(raw, clip_taps, whole and n > 2 * taps.max(), tight)
    bound = max(bound, _crossing_mean(floor, tight), _crossing_mean(tight, floor))
    return bound * (F(1.0) - _SLACK) - _SLACK


@jit
def _crossing_mean(rows, columns):
    """Least mean of a path that crosses every row, and a new column wherever it stays in one."""
    n, m = len(rows), len(columns)
    total = 0.0
    for i in range(n):
        total += rows[i]
    least = np.inf if m > n else total / n
    for extra, value in enumerate(np.sort(columns)[: m - 1]):
        total += value
        if extra + 1 >= m - n:
            least = min(least, total / (n + extra + 1))
    return least
