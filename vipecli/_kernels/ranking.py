"""Distance of one query to every clip of an index."""

import numpy as np
from numba import prange

from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import BLOCK, distance_row
from vipecli._kernels.warping import dtw_mean
from vipecli._kernels.windows import atrous_padded


@jit
def _rank_group(
    mean, var, mean_t, var_t, known, known_t, gap, starts, taps, group_taps, waves, decays,
    missing, out,
):  # fmt: skip
    """Mean atrous distance of a query to the clips of one group: see `rank`."""
    n, m, top = len(mean), mean_t.shape[1], np.abs(taps).max()
    padded = np.full((n + 2 * top, m), F(np.nan))
    scratch = np.empty((5, BLOCK), np.float32)
    for i in range(n):
        if known[i]:
            row = padded[top + i]
            distance_row(mean[i], var[i], mean_t, var_t, 0, waves, decays, True, scratch, row)
            for j in range(m):
                row[j] = row[j] if known_t[j] else F(np.nan)
    smooth = np.empty((n, m - 2 * gap), np.float32)
    atrous_padded(padded, top, gap, taps, group_taps, missing, smooth)
    for c in range(len(out)):
        first, last = starts[c, 0] - starts[0, 0], starts[c, 1] - starts[0, 0]
        sums, lengths = np.empty((2, last - first)), np.empty((2, last - first), np.int32)
        out[c] = dtw_mean(smooth[:, first:last], np.inf, sums, lengths)


@jit(parallel=True)
def rank(
    mean, var, known, taps, packed_mean, packed_var, packed_known, gap, starts, groups, group_taps,
    waves, decays, missing,
):  # fmt: skip
    """Distance of one query to every clip of a packed index, in parallel over groups of clips.

    Clips of one frame rate stand side by side with gaps between them that are wider than the
    atrous window, and a group of them is one table: the loops are long enough to vectorise, and
    the table small enough for the second-level cache.

    Parameters
    ----------
    mean, var
        shape (N, D) float32, no NaN; `known` (N,) bool.
    taps
        shape (7,) int64, frame offsets of the atrous window in the query.
    packed_mean, packed_var
        shape (D, F) float32, no NaN; `packed_known` (F,) bool, False in the gaps.
    gap
        frames before the first clip, between clips and after the last.
    starts
        shape (C, 2) int64: clip c holds the frames [starts[c, 0], starts[c, 1]).
    groups
        shape (G + 1,) int64: group g holds the clips [groups[g], groups[g + 1]).
    group_taps
        shape (G, 7) int64, frame offsets in the clips of each group, at most `gap`.

    Returns
    -------
    shape (C,) float64. Every group is computed on its own: the number of threads changes nothing.
    """
    out = np.empty(len(starts))
    for g in prange(len(groups) - 1):
        first, last = groups[g], groups[g + 1]
        left, right = starts[first, 0] - gap, starts[last - 1, 1] + gap
        _rank_group(
            mean,
            var,
            packed_mean[:, left:right].copy(),  # contiguous, or it would not vectorise
            packed_var[:, left:right].copy(),
            known,
            packed_known[left:right],
            gap,
            starts[first:last],
            taps,
            group_taps[g],
            waves,
            decays,
            missing,
            out[first:last],
        )
    return out
