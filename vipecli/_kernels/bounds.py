"""Lower bounds of the DTW distance between a query and clips, from bounding spheres of frames.

The bound of -log p follows from `kappa` (see `least_costs`), one number per pair of frames. The
smallest kappa between two sets of frames is bounded by that of their bounding spheres.
"""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import exp2, log

SPHERE_FRAMES = 4
"""Consecutive frames of a clip in one bounding sphere."""

STEP = 4
"""Spheres and dimensions are processed in blocks of this size; arrays are padded to multiples."""

LANES = 16
"""The frames of a query are padded to a multiple of this, a whole SIMD vector."""

_SLACK = F(1e-3)  # taken off a bound, relative and absolute; far above the rounding of float32
_INF_BITS = np.int32(0x7F800000)


class Query(NamedTuple):
    """A query as the lower bounds need it; N' and D' are N and D, padded.

    `mean`, `var` (N, D), `known` (N,) and `taps` (7,) are as in `distances_to_all`; `whole` says
    that no frame is missing. `centre` (D', N') and `square`, `shrink`, `total` (N',) are the same
    quantities as in `Spheres`.
    """

    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    known: NDArray[np.bool_]
    taps: NDArray[np.int64]
    whole: bool
    centre: NDArray[np.float32]
    square: NDArray[np.float32]
    shrink: NDArray[np.float32]
    total: NDArray[np.float32]


class Spheres(NamedTuple):
    """Bounding spheres of consecutive frames of clips, or single frames as spheres of radius 0.

    `centre` (E, D'); `square` (E,), its squared norm, rounded down; `radius` (E,), or shape (0,)
    for single frames; `shrink` (E,), the minimum of 1 / (1 + t v) over dimensions and frames;
    `total` (E,), the minimum over frames of the sum of log(1 + 2 t v) / 2 t. Clip c has the spheres
    [starts[c, 0], starts[c, 1]), padded to a multiple of `STEP` with spheres whose total is inf.
    Frames without a person have a total of inf, too.
    """

    centre: NDArray[np.float32]
    square: NDArray[np.float32]
    radius: NDArray[np.float32]
    shrink: NDArray[np.float32]
    total: NDArray[np.float32]
    starts: NDArray[np.int64]


class Clips(NamedTuple):
    """Frames of clips side by side (D, F), as in `distances_to_all`, with `taps` (C, 7).

    `whole` (C,) says that no frame of a clip is missing and the clip is longer than its window.
    """

    mean: NDArray[np.float32]
    var: NDArray[np.float32]
    known: NDArray[np.bool_]
    starts: NDArray[np.int64]
    taps: NDArray[np.int64]
    whole: NDArray[np.bool_]


@jit
def least_costs(kappa, terms, out):
    """Lower bounds of -log p for pairs of frames, given lower bounds of their kappa.

    p = 0.05 + sum_k w_k prod_d (1 + t v_d)^(-1/2) exp(-t d^2 / 2 (1 + t v_d)) over some rates t_k,
    v_d the sum of the variances x of a frame and y of another. With 1 + t (x + y) at most
    (1 + t x) (1 + t y) and, as the logarithm is concave, at least the root of
    (1 + 2 t x) (1 + 2 t y), a product is at most exp(-t kappa / 2), where
    kappa = sum_d d^2 / (1 + t x) (1 + t y) + (log (1 + 2 t x) + log (1 + 2 t y)) / 2 t
    decreases in t. So the kappa of the second rate is a bound for the first as well, and all higher
    rates are counted as the second. `terms`: two weights, then two rates times log2(e) / 2.
    """
    w1, w2, c1, c2 = terms[0], terms[1], terms[2], terms[3]
    for j in range(len(out)):
        k = min(kappa[j], F(1e4))
        p = F(0.05) + w1 * exp2(max(-c1 * k, F(-60.0))) + w2 * exp2(max(-c2 * k, F(-60.0)))
        out[j] = -log(min(p, F(0.95)))


@jit
def products(centre, points, out):
    """Dot products (4, N') of the frames of the query (D', N') and four points (4, D')."""
    out[:] = F(0.0)
    o0, o1, o2, o3 = out[0], out[1], out[2], out[3]
    for d in range(0, len(centre), 4):
        x0, x1, x2, x3 = centre[d], centre[d + 1], centre[d + 2], centre[d + 3]
        a0, a1, a2, a3 = points[0, d], points[0, d + 1], points[0, d + 2], points[0, d + 3]
        b0, b1, b2, b3 = points[1, d], points[1, d + 1], points[1, d + 2], points[1, d + 3]
        c0, c1, c2, c3 = points[2, d], points[2, d + 1], points[2, d + 2], points[2, d + 3]
        e0, e1, e2, e3 = points[3, d], points[3, d + 1], points[3, d + 2], points[3, d + 3]
        for i in range(out.shape[1]):
            x, y, z, w = x0[i], x1[i], x2[i], x3[i]
            o0[i] += a0 * x + a1 * y + a2 * z + a3 * w
            o1[i] += b0 * x + b1 * y + b2 * z + b3 * w
            o2[i] += c0 * x + c1 * y + c2 * z + c3 * w
            o3[i] += e0 * x + e1 * y + e2 * z + e3 * w


@jit
def nearest_of_four(k0, k1, k2, k3, rows, columns):
    """Running minimum of `rows` (N',) with four rows; the minimum of each goes to `columns` (4,).

    Non-negative floats are ordered like their bits, and a minimum of integers vectorises.
    """
    l0, l1, l2, l3 = _INF_BITS, _INF_BITS, _INF_BITS, _INF_BITS
    for i in range(len(rows)):
        l0 = min(l0, np.float32(k0[i]).view(np.int32))
        l1 = min(l1, np.float32(k1[i]).view(np.int32))
        l2 = min(l2, np.float32(k2[i]).view(np.int32))
        l3 = min(l3, np.float32(k3[i]).view(np.int32))
        rows[i] = min(rows[i], min(min(k0[i], k1[i]), min(k2[i], k3[i])))
    columns[0], columns[1], columns[2], columns[3] = l0, l1, l2, l3


@jit
def _kappa(square, shrink, total, dots, point_square, point_shrink, point_total):
    """Kappa of every frame and one point, in place of their dot products."""
    for i in range(len(dots)):
        d = max(square[i] + point_square - F(2.0) * dots[i], F(0.0))
        dots[i] = d * (shrink[i] * point_shrink) + (total[i] + point_total)


@jit
def _sphere_kappa(square, shrink, total, dots, point_square, radius, point_shrink, point_total):
    """Smallest kappa of every frame and one sphere, in place of the dot products."""
    for i in range(len(dots)):
        d = np.sqrt(max(square[i] + point_square - F(2.0) * dots[i], F(0.0)))
        d = max(d - radius, F(0.0))
        dots[i] = d * d * (shrink[i] * point_shrink) + (total[i] + point_total)


@jit
def least_kappas(query, points, c, dots, rows, columns):
    """Smallest kappa of each frame of the query, and of each sphere of clip c.

    Written to `rows` (N',) and `columns`; `dots` (4, N') is scratch.
    """
    first, last = points.starts[c]
    square, shrink, total = query.square, query.shrink, query.total
    bits = columns.view(np.int32)
    rows[:] = F(np.inf)
    for e in range(first, last, STEP):
        products(query.centre, points.centre[e : e + STEP], dots)
        for x in range(STEP):
            size, scale, more = points.square[e + x], points.shrink[e + x], points.total[e + x]
            if len(points.radius):
                radius = points.radius[e + x]
                _sphere_kappa(square, shrink, total, dots[x], size, radius, scale, more)
            else:
                _kappa(square, shrink, total, dots[x], size, scale, more)
        at = e - first
        nearest_of_four(dots[0], dots[1], dots[2], dots[3], rows, bits[at : at + STEP])


@jit
def least_of_taps(raw, taps, whole, out):
    """Lower bounds of the rows of the atrous table from those of the raw table (N,).

    An atrous value is the mean over the taps inside the clip. Where no frame is missing and the
    clip is longer than the window, only taps on one side can be outside; otherwise any single tap
    may be the only one left.
    """
    n, reach = len(raw), taps[6]
    inner = max(n - 2 * reach, 0) if whole else 0  # rows with all taps inside
    if inner:
        a, b, c = reach + taps[0], reach + taps[1], reach + taps[2]
        d, e, f = reach + taps[4], reach + taps[5], reach + taps[6]
        _least_window(
            raw[a : a + inner], raw[b : b + inner], raw[c : c + inner], raw[reach : n - reach],
            raw[d : d + inner], raw[e : e + inner], raw[f : f + inner], out[reach : n - reach],
        )  # fmt: skip
    for i in range(n):
        if i < reach or i >= reach + inner:
            out[i] = _least_at(raw, i, taps, whole)


@jit
def _least_window(r0, r1, r2, r3, r4, r5, r6, out):
    """Minimum of the means over all seven taps and over those left by a cut on one side."""
    for i in range(len(out)):
        four, other = r3[i] + r4[i] + r5[i] + r6[i], r3[i] + r2[i] + r1[i] + r0[i]
        five, six = four + r2[i], four + r2[i] + r1[i]
        least = min(min(F(1 / 4) * four, F(1 / 5) * five), F(1 / 6) * six)
        five, six = other + r4[i], other + r4[i] + r5[i]
        least = min(least, min(min(F(1 / 4) * other, F(1 / 5) * five), F(1 / 6) * six))
        out[i] = min(least, F(1 / 7) * (six + r6[i])) - F(1e-5)


@jit
def _least_at(raw, i, taps, whole):
    """Lower bound of one atrous row, where taps may lie outside of the clip."""
    least, n = np.float32(np.inf), len(raw)
    for side in range(2 if whole else 0):
        total, count = F(0.0), F(0.0)
        for x in range(7):  # one side and the centre first, then outwards on the other side
            k = (3, 2, 1, 0, 4, 5, 6)[x]
            at = i + (taps[k] if side else -taps[k])
            if 0 <= at < n:
                total, count = total + raw[at], count + F(1.0)
            if x >= 3:
                least = min(least, total / count - F(1e-5))
    if not whole:
        for k in range(7):
            if 0 <= i + taps[k] < n:
                least = min(least, raw[i + taps[k]])
    return least


@jit
def _least_mean(rows, cells):
    """Smallest mean cost of a path that visits every row and has at most `cells` cells."""
    total, least = 0.0, np.inf
    for i in range(len(rows)):
        total += rows[i]
        least = min(least, rows[i])
    return (total + (cells - len(rows)) * least) / cells


@jit
def _crossing_mean(rows, columns):
    """Smallest mean cost of a path that visits every row, and a new column in each further cell."""
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


@jit
def _below(bound):
    """A bound, reduced to be safe against rounding in float32."""
    return bound * (1.0 - _SLACK) - _SLACK


@jit
def _least_kappas_of(query, points, c):
    """Smallest kappa of each frame of the query (N',), and of each sphere of clip c."""
    lanes, count = query.centre.shape[1], points.starts[c, 1] - points.starts[c, 0]
    dots, rows = np.empty((STEP, lanes), np.float32), np.empty(lanes, np.float32)
    columns = np.empty(count, np.float32)
    least_kappas(query, points, c, dots, rows, columns)
    return rows, columns


@jit
def _row_bounds(query, clips, c, kappas, terms):
    """Lower bounds (N,) of the rows of the atrous table."""
    out = np.empty(len(query.mean), np.float32)
    least_costs(kappas, terms, kappas)
    least_of_taps(kappas[: len(out)], query.taps, clips.whole[c] and query.whole, out)
    return out


@jit
def _column_bounds(query, clips, c, kappas, size, terms):
    """Lower bounds (M,) of the columns of the atrous table, from spheres of `size` frames."""
    m = clips.starts[c, 1] - clips.starts[c, 0]
    raw, out = np.empty(m, np.float32), np.empty(m, np.float32)
    least_costs(kappas, terms, kappas)
    for j in range(m):
        raw[j] = kappas[j // size]
    whole = clips.whole[c] and query.whole and len(query.mean) > 2 * query.taps[6]
    least_of_taps(raw, clips.taps[c], whole, out)
    return out


@jit(parallel=True)
def lower_bounds(
    query: Query, spheres: Spheres, clips: Clips, terms: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Lower bounds (C,) of the distance between a query and every clip, from bounding spheres.

    Each row of the atrous table is bounded by the rows that it averages, and a warping path of at
    most N + M - 1 cells visits every row; likewise for columns. The longer side gives the bound.
    """
    bounds = np.empty(len(clips.starts))
    for c in prange(len(bounds)):
        n, m = len(query.mean), clips.starts[c, 1] - clips.starts[c, 0]
        rows, columns = _least_kappas_of(query, spheres, c)
        if n >= m:
            longer = _row_bounds(query, clips, c, rows, terms)
        else:
            longer = _column_bounds(query, clips, c, columns, SPHERE_FRAMES, terms)
        bounds[c] = _below(_least_mean(longer, n + m - 1))
    return bounds


@jit
def refined_bound(query, frames, clips, c, terms, limit):
    """Lower bound for one clip from its frames, tighter than `lower_bounds`.

    Also returns the bounds (N,) of the rows of its table. Unless the bound already exceeds `limit`,
    it is tightened: a path that stays in a row enters a new column.
    """
    kappas, more = _least_kappas_of(query, frames, c)
    rows = _row_bounds(query, clips, c, kappas, terms)
    cells = len(rows) + clips.starts[c, 1] - clips.starts[c, 0] - 1
    bound = _below(_least_mean(rows, cells))
    if bound <= limit:
        columns = _column_bounds(query, clips, c, more, 1, terms)
        bound = max(bound, _below(_least_mean(columns, cells)))
        if bound <= limit:
            bound = _below(max(_crossing_mean(rows, columns), _crossing_mean(columns, rows)))
    return bound, rows
