"""Lower bounds of the distance of a query to clips, from balls around some frames or from frames.

A bound of -log p follows from `kappa`, see `least_costs`: one number per pair of frames, and of two
sets of frames its least value is bounded by that of the balls that hold them.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from vipecli._kernels.compiling import F, jit
from vipecli._kernels.probability import exp2, log

BALL = 4
"""Frames of a clip in one ball."""

STEP = 4
"""Points are taken so many at a time, and dimensions likewise; all of them in whole steps."""

LANES = 16
"""Frames of a query come in whole vectors."""

_SLACK = F(1e-3)  # of a bound, far above what float32 can be off
_INF_BITS = np.int32(0x7F800000)


class Query(NamedTuple):
    """A query; N' and D' are N and D in whole vectors and steps.

    `mean`, `var` (N, D), `known` (N,) and `taps` (7,) as in `rank`; `whole`: no frame is missing.
    `centre` (D', N') and `square`, `shrink`, `total` (N',) are what `Points` are of clips.
    """

    mean: np.ndarray
    var: np.ndarray
    known: np.ndarray
    taps: np.ndarray
    whole: bool
    centre: np.ndarray
    square: np.ndarray
    shrink: np.ndarray
    total: np.ndarray


class Points(NamedTuple):
    """Balls around frames of clips, or the frames themselves.

    `centre` (E, D'); `square` (E,) its squared length, a little less for the sake of float32;
    `radius` (E,), or (0,) for frames; `shrink` (E,) the least 1 / (1 + t v) over dimensions and
    frames; `total` (E,) the least sum of log(1 + 2 t v) / 2 t. Clip c has the points
    [starts[c, 0], starts[c, 1]), whole steps, filled up with ones whose total is inf, as it is
    where nobody is seen.
    """

    centre: np.ndarray
    square: np.ndarray
    radius: np.ndarray
    shrink: np.ndarray
    total: np.ndarray
    starts: np.ndarray


class Clips(NamedTuple):
    """Frames of clips as `rank` takes them, (D, F), with `taps` (C, 7).

    `whole` (C,): no frame is missing, and the clip is longer than its window.
    """

    mean: np.ndarray
    var: np.ndarray
    known: np.ndarray
    starts: np.ndarray
    taps: np.ndarray
    whole: np.ndarray


@jit
def least_costs(kappa, terms, out):
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
def products(centre, points, out):
    """Scalar products (4, N') of the query's frames (D', N') and four points (4, D')."""
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
    """Lower `rows` (N',) to the least of four rows, whose own least values are `columns` (4,).

    Numbers that are not negative are ordered as their bits are, of which a least one vectorises.
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
    """Turn the products with one point into kappa."""
    for i in range(len(dots)):
        d = max(square[i] + point_square - F(2.0) * dots[i], F(0.0))
        dots[i] = d * (shrink[i] * point_shrink) + (total[i] + point_total)


@jit
def _ball_kappa(square, shrink, total, dots, point_square, radius, point_shrink, point_total):
    """Turn the products with the centre of a ball into the least kappa."""
    for i in range(len(dots)):
        d = np.sqrt(max(square[i] + point_square - F(2.0) * dots[i], F(0.0)))
        d = max(d - radius, F(0.0))
        dots[i] = d * d * (shrink[i] * point_shrink) + (total[i] + point_total)


@jit
def least_kappas(query, points, c, dots, rows, columns):
    """Least kappa of each frame of the query (N',), and of each point of clip c.

    `dots` is scratch, (4, N').
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
                _ball_kappa(square, shrink, total, dots[x], size, radius, scale, more)
            else:
                _kappa(square, shrink, total, dots[x], size, scale, more)
        at = e - first
        nearest_of_four(dots[0], dots[1], dots[2], dots[3], rows, bits[at : at + STEP])


@jit
def least_of_taps(raw, taps, whole, out):
    """Lower bound of every atrous row from those of the rows (N,) that it is the mean of.

    Where no frame is missing and the clip is longer than the window, only taps at one end of it can
    be cut off by the ends of the clip; otherwise any of them may be the only one.
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
    """Least mean of seven rows, or of those that are left without some on one side."""
    for i in range(len(out)):
        four, other = r3[i] + r4[i] + r5[i] + r6[i], r3[i] + r2[i] + r1[i] + r0[i]
        five, six = four + r2[i], four + r2[i] + r1[i]
        least = min(min(F(1 / 4) * four, F(1 / 5) * five), F(1 / 6) * six)
        five, six = other + r4[i], other + r4[i] + r5[i]
        least = min(least, min(min(F(1 / 4) * other, F(1 / 5) * five), F(1 / 6) * six))
        out[i] = min(least, F(1 / 7) * (six + r6[i])) - F(1e-5)


@jit
def _least_at(raw, i, taps, whole):
    """Lower bound of one row: the least tap, or the least mean of those left on one side."""
    least, n = np.float32(np.inf), len(raw)
    for side in range(2 if whole else 0):
        total, count = F(0.0), F(0.0)
        for x in range(7):  # from the middle to one side, after all those on the other
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
    """Least mean of a path that crosses every row and has at most so many cells."""
    total, least = 0.0, np.inf
    for i in range(len(rows)):
        total += rows[i]
        least = min(least, rows[i])
    return (total + (cells - len(rows)) * least) / cells


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


@jit
def _below(bound):
    """A bound, a little less for the sake of float32."""
    return bound * (1.0 - _SLACK) - _SLACK


@jit
def _points_apart(query, points, c):
    """Least kappa of each frame of the query (N',), and of each point of clip c."""
    lanes, count = query.centre.shape[1], points.starts[c, 1] - points.starts[c, 0]
    dots, rows = np.empty((STEP, lanes), np.float32), np.empty(lanes, np.float32)
    columns = np.empty(count, np.float32)
    least_kappas(query, points, c, dots, rows, columns)
    return rows, columns


@jit
def _row_floors(query, clips, c, kappas, terms):
    """Lower bounds (N,) of the rows of the atrous table."""
    out = np.empty(len(query.mean), np.float32)
    least_costs(kappas, terms, kappas)
    least_of_taps(kappas[: len(out)], query.taps, clips.whole[c] and query.whole, out)
    return out


@jit
def _column_floors(query, clips, c, kappas, size, terms):
    """Lower bounds (M,) of the columns of the atrous table, from points of `size` frames."""
    m = clips.starts[c, 1] - clips.starts[c, 0]
    raw, out = np.empty(m, np.float32), np.empty(m, np.float32)
    least_costs(kappas, terms, kappas)
    for j in range(m):
        raw[j] = kappas[j // size]
    whole = clips.whole[c] and query.whole and len(query.mean) > 2 * query.taps[6]
    least_of_taps(raw, clips.taps[c], whole, out)
    return out


@jit(parallel=True)
def floors(query, balls, clips, terms):
    """Lower bounds (C,) of the distance of a query to every clip, from balls.

    A row of the atrous table is bounded by the rows that it is the mean of, and a path of at most
    N + M - 1 cells crosses every row once; columns likewise. The longer side is taken.
    """
    bounds = np.empty(len(clips.starts))
    for c in prange(len(bounds)):
        n, m = len(query.mean), clips.starts[c, 1] - clips.starts[c, 0]
        rows, columns = _points_apart(query, balls, c)
        if n >= m:
            longer = _row_floors(query, clips, c, rows, terms)
        else:
            longer = _column_floors(query, clips, c, columns, BALL, terms)
        bounds[c] = _below(_least_mean(longer, n + m - 1))
    return bounds


@jit
def refined_floor(query, frames, clips, c, terms, limit):
    """Bound of one clip as by `floors`, from its frames; and those of the rows of its table (N,).

    Of the path it is also taken into account that it crosses a new column wherever it stays in a
    row, unless the bound is above `limit` without.
    """
    kappas, more = _points_apart(query, frames, c)
    rows = _row_floors(query, clips, c, kappas, terms)
    cells = len(rows) + clips.starts[c, 1] - clips.starts[c, 0] - 1
    bound = _below(_least_mean(rows, cells))
    if bound <= limit:
        columns = _column_floors(query, clips, c, more, 1, terms)
        bound = max(bound, _below(_least_mean(columns, cells)))
        if bound <= limit:
            bound = _below(max(_crossing_mean(rows, columns), _crossing_mean(columns, rows)))
    return bound, rows
