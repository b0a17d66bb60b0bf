"""Mean of a table of distances over the atrous window around both frames."""

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels.compiling import F, jit


@jit
def _mean_of_taps(r0, r1, r2, r3, r4, r5, r6, missing, out):
    """Mean of seven rows, place by place, over what is not NaN; `missing` where all are."""
    for j in range(len(out)):
        total, seen = F(0.0), F(0.0)
        for value in (r0[j], r1[j], r2[j], r3[j], r4[j], r5[j], r6[j]):
            known = value == value
            total += value if known else F(0.0)
            seen += F(1.0) if known else F(0.0)
        out[j] = total / seen if seen > F(0.0) else missing


@jit
def atrous_padded(padded, top, left, offsets_a, offsets_b, missing, out):
    """`atrous_regular` of the table that starts at (top, left) of a table with NaN around it."""
    n, m = out.shape
    shift = offsets_b + left
    for i in range(n):
        rows = offsets_a + (i + top)
        _mean_of_taps(
            padded[rows[0], shift[0] : shift[0] + m],
            padded[rows[1], shift[1] : shift[1] + m],
            padded[rows[2], shift[2] : shift[2] + m],
            padded[rows[3], shift[3] : shift[3] + m],
            padded[rows[4], shift[4] : shift[4] + m],
            padded[rows[5], shift[5] : shift[5] + m],
            padded[rows[6], shift[6] : shift[6] + m],
            missing,
            out[i],
        )


@jit
def atrous_regular(
    distance: NDArray[np.float32],
    offsets_a: NDArray[np.int64],
    offsets_b: NDArray[np.int64],
    missing: np.float32,
) -> NDArray[np.float32]:
    """Mean of `distance` over taps at constant frame offsets, for clips of constant rate.

    out[i, j] = mean over the 7 taps k of distance[i + offsets_a[k], j + offsets_b[k]], taken over
    those inside both clips whose distance is not NaN; `missing` where there is none. Works on a
    copy of the table with a border of NaN, so that the ends need no code of their own.
    """
    n, m = distance.shape
    top, left = np.abs(offsets_a).max(), np.abs(offsets_b).max()
    padded = np.full((n + 2 * top, m + 2 * left), F(np.nan))
    padded[top : top + n, left : left + m] = distance
    out = np.empty((n, m), np.float32)
    atrous_padded(padded, top, left, offsets_a, offsets_b, missing, out)
    return out


@jit
def atrous_taps(
    distance: NDArray[np.float32],
    taps_a: NDArray[np.int64],
    taps_b: NDArray[np.int64],
    missing: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Mean of `distance` over taps at frame indices, for clips of variable rate.

    `taps_a` is (N, W), `taps_b` (M, W), -1 for a tap outside the clip. Otherwise as
    `atrous_regular`.
    """
    n, m = distance.shape
    for i in range(n):
        for j in range(m):
            total, seen = F(0.0), 0
            for k in range(taps_a.shape[1]):
                x, y = taps_a[i, k], taps_b[j, k]
                if x >= 0 and y >= 0:
                    value = distance[x, y]
                    if value == value:
                        total += value
                        seen += 1
            out[i, j] = total / F(seen) if seen else missing
