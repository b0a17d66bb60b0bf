"""The nearest clips of an index, without all distances."""

import numpy as np
from numba import prange

from vipecli._kernels.bounds import refined_floor
from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import BLOCK, decay, log, wave
from vipecli._kernels.windows import atrous_padded


@jit
def _cost_row(mean, var, mean_t, var_t, first, waves, decays, scratch, out):
    """Fill -log p of one frame with the frames from `first` on; otherwise as `_distance_row`."""
    m = len(out)
    for start in range(0, m, BLOCK):
        part = out[start : min(start + BLOCK, m)]
        part[:] = F(0.05)
        for k in range(len(waves)):
            wave(mean, var, mean_t, var_t, first + start, waves[k], scratch, part)
        for k in range(len(decays)):
            rate, weight = decays[k, 0], decays[k, 1]
            decay(mean, var, mean_t, var_t, first + start, rate, weight, scratch, part)
        for j in range(len(part)):
            part[j] = -log(min(max(part[j], F(0.05)), F(0.95)))


@jit
def _bounded_distance(
    mean, var, known, mean_t, var_t, known_t, first, last, taps, clip_taps, floor, waves, decays,
    missing, limit,
):  # fmt: skip
    """Mean atrous distance along the warping path to one clip; inf once it must exceed `limit`.

    As `dtw_mean`, but the table is made row by row, and of the rows still to come their lower
    bounds `floor` (N,) are known: a path at (i, j) has N-1-i of them ahead, and M-1-j cells more
    at most, none below the least bound.
    """
    n, m = len(mean), last - first
    top, gap = taps.max(), clip_taps.max()
    padded = np.full((n + 2 * top, m + 2 * gap), F(np.nan))
    scratch, smooth = np.empty((5, BLOCK), np.float32), np.empty((1, m), np.float32)
    sums, lengths = np.empty((2, m)), np.empty((2, m), np.int32)
    least, rest = np.inf, 0.0
    for i in range(n):
        least, rest = min(least, floor[i]), rest + floor[i]
    done = 0
    for i in range(n):
        while done < min(i + top + 1, n):
            if known[done]:
                row = padded[top + done, gap : gap + m]
                _cost_row(mean[done], var[done], mean_t, var_t, first, waves, decays, scratch, row)
                for j in range(m):
                    row[j] = row[j] if known_t[first + j] else F(np.nan)
            done += 1
        atrous_padded(padded[i : i + 2 * top + 1], top, gap, taps, clip_taps, missing, smooth)
        above, here = sums[(i + 1) & 1], sums[i & 1]
        length_above, length_here = lengths[(i + 1) & 1], lengths[i & 1]
        _mean_row(i == 0, smooth[0], above, here, length_above, length_here)
        rest -= floor[i]
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
    """One row of `dtw_mean`: sums and lengths of the best paths from those of the row above."""
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
    """Put a score among the best ones, ascending; the largest of them falls out."""
    for x in range(len(best)):
        if score < best[x]:
            best[x], score = score, best[x]


@jit(parallel=True)
def nearest(
    mean, var, known, taps, packed_mean, packed_var, packed_known, starts, clip_taps, shrink, total,
    packed_shrink, packed_total, whole, order, bounds, rows, shift, lift, last_near, hub_count,
    best, chunk, terms, waves, decays, missing,
):  # fmt: skip
    """Distances to the clips that may be among the k of least score; inf for all others.

    The score of a clip is its distance less `shift`; of a query that is itself one of the clips,
    see `last_near`. Clips come in the order of their least scores, and the search ends where those
    exceed the k-th best found.

    Parameters
    ----------
    mean, var, known, taps, packed_mean, packed_var, packed_known, starts
        as in `rank`.
    clip_taps
        shape (C, 7) int64, as `taps` for every clip.
    shrink, total, packed_shrink, packed_total
        shapes (N, D), (N,), (D, F) and (F,): as in `floors`, of every frame; `whole` as there.
    order
        shape (O,) int64: clips to look at, by their least scores.
    bounds, rows
        from `floors`.
    shift
        shape (C,): what is taken off a distance.
    lift
        shape (C,): the most that may be taken off.
    last_near
        shape (C, 2): of a clip whose distance d is at most the first, another half of what the
        second exceeds d by is taken off, divided by `hub_count`; -inf = never.
    best
        shape (k,), largest scores that are wanted, all alike; overwritten.
    chunk
        clips looked at side by side between two looks at the k-th best.
    terms, waves, decays
        of the sigmoid, as in `_least_costs` and `matching`.

    Returns
    -------
    shape (C,) float64; the same for any `chunk` where the score is among the k best.
    """
    out = np.full(len(starts), np.inf)
    k = len(best)
    for begin in range(0, len(order), chunk):
        end = min(begin + chunk, len(order))
        if bounds[order[begin]] - lift[order[begin]] > best[k - 1]:
            break
        for x in prange(begin, end):
            c = order[x]
            limit = best[k - 1] + lift[c]
            bound = bounds[c]
            if bound <= limit and limit < np.inf:
                bound = refined_floor(
                    mean, shrink, total, known, packed_mean, packed_shrink, packed_total,
                    starts[c, 0], starts[c, 1], taps, clip_taps[c], whole[c], terms, rows[c],
                )  # fmt: skip
            if bound <= limit:
                out[c] = _bounded_distance(
                    mean, var, known, packed_mean, packed_var, packed_known, starts[c, 0],
                    starts[c, 1], taps, clip_taps[c], rows[c], waves, decays, missing,
                    limit,
                )  # fmt: skip
        for x in range(begin, end):
            c = order[x]
            score = out[c] - shift[c]
            if out[c] <= last_near[c, 0]:
                score -= 0.5 * (last_near[c, 1] - out[c]) / hub_count
            _keep_best(best, score)
    return out
