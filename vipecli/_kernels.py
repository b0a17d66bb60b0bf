"""Every numba function, and nothing else.

All in one file because numba's on-disk cache does not notice an edit in another file. Arrays in,
arrays out; the modules above check the arguments and explain. Each kernel has a plain-Python twin
in ``tests/naive.py``. Compiled code is kept in ``__pycache__`` beside this file, or, in an install
that cannot be written, in numba's user cache (``NUMBA_CACHE_DIR`` moves it).
"""

import math

import numpy as np
from numba import njit, prange

# Not fastmath=True: that deletes the tests for NaN and infinity, and both are used.
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

# Frames of b handled at a time: five rows of products stay in the first-level cache.
_BLOCK = 256

CLIP_BLOCK = 4
"""Frames of a clip in one box of `floors`."""

_F = np.float32
_LOG2E = _F(1.4426950)
_LARGEST = _F(1e30)  # products beyond leave a mean below 1e-7, and would overflow


def _quick_to_load(kernel):
    """Let a kernel take its compiled code from the disk without all that compiling would need.

    numba sets up its tables of types and functions before it looks for compiled code: 0.15 of the
    0.4 s that the first call takes. They are set up all the same where there is none, or where a
    version of numba has other insides than expected here.
    """
    try:
        from numba.core.caching import FunctionCache
        from numba.core.runtime import rtsys

        class Cache(FunctionCache):
            def load_overload(self, sig, target_context):
                try:
                    rtsys.initialize(target_context)
                    return self._load_overload(sig, target_context)
                except Exception:
                    return super().load_overload(sig, target_context)

        kernel._cache = Cache(kernel.py_func)
    except (ImportError, AttributeError, TypeError):
        pass
    return kernel


def _jit(function=None, *, parallel=False):
    """Compile without the GIL, cached on disk, with the one set of float rules of this package."""

    def compile_(function):
        options = {
            "nogil": True,
            "fastmath": _FASTMATH,
            "error_model": "numpy",
            "parallel": parallel,
        }
        try:
            return _quick_to_load(njit(cache=True, **options)(function))
        except RuntimeError:  # neither this folder nor the user's cache can be written
            return njit(**options)(function)

    return compile_ if function is None else compile_(function)


# --- frame distance ------------------------------------------------------------------------------


@_jit
def _exp2(x):
    """Two to the power x, float32, relative error 3e-7, for |x| <= 120; vectorises."""
    whole = np.floor(x + _F(0.5))
    f = x - whole
    value = _F(1.5403530e-4)
    value = value * f + _F(1.3333558e-3)
    value = value * f + _F(9.6181291e-3)
    value = value * f + _F(5.5504109e-2)
    value = value * f + _F(2.4022651e-1)
    value = value * f + _F(6.9314718e-1)
    value = value * f + _F(1.0)
    return value * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@_jit
def _log(x):
    """Natural logarithm of a normal positive float32, error 1e-6; vectorises."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
    f = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - _F(1.0)
    value = _F(7.0376836292e-2)
    value = value * f - _F(1.1514610310e-1)
    value = value * f + _F(1.1676998740e-1)
    value = value * f - _F(1.2420140846e-1)
    value = value * f + _F(1.4249322787e-1)
    value = value * f - _F(1.6668057665e-1)
    value = value * f + _F(2.0000714765e-1)
    value = value * f - _F(2.4999993993e-1)
    value = value * f + _F(3.3333331174e-1)
    square = f * f
    return _F(exponent) * _F(0.69314718) + f - _F(0.5) * square + f * square * value


@_jit
def _decay(mean, var, mean_t, var_t, start, rate, weight, scratch, out):
    """Add the mean of weight exp(-rate r^2 / 2) for one frame against a block of frames.

    A product over the dimensions, see `vipecli.sigmoid`; p is that of the 1 + rate v, s / p the sum
    of d^2 / (1 + rate v), so that nothing is divided per dimension. Two dimensions at a time, each
    over contiguous frames of b (`mean_t` is (D, M)), so that it vectorises.
    """
    n, dims = len(out), len(mean)
    p, s = scratch[0, :n], scratch[1, :n]
    p[:], s[:] = _F(1.0), _F(0.0)
    for dim in range(0, dims, 2):
        other = min(dim + 1, dims - 1)
        both = _F(1.0) if other > dim else _F(0.0)
        m0, m1, v0, v1 = mean[dim], mean[other], var[dim], var[other]
        row0, row1 = mean_t[dim, start : start + n], mean_t[other, start : start + n]
        var0, var1 = var_t[dim, start : start + n], var_t[other, start : start + n]
        for j in range(n):
            d0, d1 = m0 - row0[j], both * (m1 - row1[j])
            f0, f1 = _F(1.0) + rate * (v0 + var0[j]), _F(1.0) + both * rate * (v1 + var1[j])
            s[j] = s[j] * (f0 * f1) + p[j] * (d0 * d0 * f1 + d1 * d1 * f0)
            p[j] *= f0 * f1
    for j in range(n):
        power = min(_F(0.5) * _LOG2E * rate * s[j] / p[j], _F(100.0))
        # a product too large for its numerator: the mean is nothing
        out[j] += weight * _exp2(-power) / np.sqrt(p[j]) if p[j] < _LARGEST else _F(0.0)


@_jit
def _wave(mean, var, mean_t, var_t, start, wave, scratch, out):
    """Add the mean of Re[w exp(-rate r^2 / 2)] for one frame against a block of frames.

    As `_decay` with complex numbers. Each 1 + rate v has its angle in [0, pi / 2), and the root of
    the product changes sign where the angle of the product passes pi (modulo 2 pi).
    """
    n, dims = len(out), len(mean)
    re, im = wave[0], wave[1]
    p_re, p_im, s_re, s_im = scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n]
    sign = scratch[4, :n]
    p_re[:], p_im[:], s_re[:], s_im[:], sign[:] = _F(1.0), _F(0.0), _F(0.0), _F(0.0), _F(1.0)
    for dim in range(0, dims, 2):
        other = min(dim + 1, dims - 1)
        both = _F(1.0) if other > dim else _F(0.0)
        m0, m1, v0, v1 = mean[dim], mean[other], var[dim], var[other]
        row0, row1 = mean_t[dim, start : start + n], mean_t[other, start : start + n]
        var0, var1 = var_t[dim, start : start + n], var_t[other, start : start + n]
        for j in range(n):
            d0, d1 = m0 - row0[j], both * (m1 - row1[j])
            sum0, sum1 = v0 + var0[j], both * (v1 + var1[j])
            a0, b0, a1, b1 = _F(1.0) + re * sum0, im * sum0, _F(1.0) + re * sum1, im * sum1
            f_re, f_im = a0 * a1 - b0 * b1, a0 * b1 + b0 * a1
            q0, q1 = d0 * d0, d1 * d1
            g_re, g_im = q0 * a1 + q1 * a0, q0 * b1 + q1 * b0
            x, y = p_re[j], p_im[j]
            real = s_re[j] * f_re - s_im[j] * f_im + x * g_re - y * g_im
            s_im[j] = s_re[j] * f_im + s_im[j] * f_re + x * g_im + y * g_re
            s_re[j] = real
            p_re[j] = x * f_re - y * f_im
            imaginary = x * f_im + y * f_re
            p_im[j] = imaginary
            sign[j] = -sign[j] if (y >= _F(0.0)) & (imaginary < _F(0.0)) else sign[j]
    _add_wave(wave, p_re, p_im, s_re, s_im, sign, out)


@_jit
def _add_wave(wave, p_re, p_im, s_re, s_im, sign, out):
    """Add Re[w exp(-rate s / (2 p)) / sqrt(p)], where `sign` tells the branch of the root."""
    re, im, w_re, w_im = wave[0], wave[1], wave[2], wave[3]
    for j in range(len(out)):
        x, y = p_re[j], p_im[j]
        square = x * x + y * y
        size, inverse = np.sqrt(square), _F(0.5) / square
        q_re = (s_re[j] * x + s_im[j] * y) * inverse
        q_im = (s_im[j] * x - s_re[j] * y) * inverse
        power = min(max(_LOG2E * (re * q_re - im * q_im), _F(0.0)), _F(100.0))
        root_re = np.sqrt(max(_F(0.5) * (size + x), _F(0.0)))
        root_im = np.sqrt(max(_F(0.5) * (size - x), _F(0.0)))
        root_im = -root_im if y < _F(0.0) else root_im
        cos, sin = _cos_sin(re * q_im + im * q_re)
        real = cos * root_re - sin * root_im
        imaginary = -cos * root_im - sin * root_re
        value = sign[j] * _exp2(-power) / size * (w_re * real - w_im * imaginary)
        out[j] += value if square < _LARGEST else _F(0.0)


@_jit
def _cos_sin(angle):
    """Cosine and sine, float32, error 1e-5 for angles up to some hundreds; vectorises."""
    turn = angle * _F(0.15915494)
    turn -= np.floor(turn + _F(0.5))
    y = turn * turn
    cos = _F(58.912094) - y * _F(21.282148)
    cos = _F(-85.295888) + y * cos
    cos = _F(64.930608) + y * cos
    cos = _F(0.99999944) + y * (_F(-19.739034) + y * cos)
    sin = _F(41.285757) - y * _F(12.395176)
    sin = _F(-76.599000) + y * sin
    sin = _F(81.598128) + y * sin
    sin = turn * (_F(6.2831838) + y * (_F(-41.341504) + y * sin))
    return cos, sin


@_jit
def _distance_row(mean, var, mean_t, var_t, waves, decays, as_cost, scratch, out):
    """Fill one row of `matching`, a block of frames at a time."""
    m = mean_t.shape[1]
    for start in range(0, m, _BLOCK):
        part = out[start : min(start + _BLOCK, m)]
        part[:] = _F(0.05)
        for k in range(len(waves)):
            _wave(mean, var, mean_t, var_t, start, waves[k], scratch, part)
        for k in range(len(decays)):
            rate, weight = decays[k, 0], decays[k, 1]
            _decay(mean, var, mean_t, var_t, start, rate, weight, scratch, part)
        for j in range(len(part)):
            p = min(max(part[j], _F(0.05)), _F(0.95))
            part[j] = -_log(p) if as_cost else p


@_jit
def matching(mean_a, var_a, mean_t, var_t, waves, decays, as_cost):
    """Compute p, or -log p, of every frame of a with every frame of b.

    Parameters
    ----------
    mean_a, var_a
        shape (N, D) float32, no NaN.
    mean_t, var_t
        shape (D, M) float32, C order, no NaN.
    waves, decays
        shapes (W, 4) and (R, 2) float32: the sigmoid, from `sigmoid.exponentials`.
    as_cost
        -log p instead of p.

    Returns
    -------
    shape (N, M) float32. Beside it, five blocks of 256 floats.
    """
    out = np.empty((len(mean_a), mean_t.shape[1]), np.float32)
    scratch = np.empty((5, _BLOCK), np.float32)
    for i in range(len(mean_a)):
        _distance_row(mean_a[i], var_a[i], mean_t, var_t, waves, decays, as_cost, scratch, out[i])
    return out


@_jit
def _mean_of_taps(r0, r1, r2, r3, r4, r5, r6, missing, out):
    """Mean of seven rows, place by place, over what is not NaN; `missing` where all are."""
    for j in range(len(out)):
        total, seen = _F(0.0), _F(0.0)
        for value in (r0[j], r1[j], r2[j], r3[j], r4[j], r5[j], r6[j]):
            known = value == value
            total += value if known else _F(0.0)
            seen += _F(1.0) if known else _F(0.0)
        out[j] = total / seen if seen > _F(0.0) else missing


@_jit
def _atrous_padded(padded, top, left, offsets_a, offsets_b, missing, out):
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


@_jit
def atrous_regular(distance, offsets_a, offsets_b, missing):
    """Mean of `distance` over taps at constant frame offsets, for clips of constant rate.

    out[i, j] = mean over the 7 taps k of distance[i + offsets_a[k], j + offsets_b[k]], taken over
    those inside both clips whose distance is not NaN; `missing` where there is none. Works on a
    copy of the table with a border of NaN, so that the ends need no code of their own.
    """
    n, m = distance.shape
    top, left = np.abs(offsets_a).max(), np.abs(offsets_b).max()
    padded = np.full((n + 2 * top, m + 2 * left), _F(np.nan))
    padded[top : top + n, left : left + m] = distance
    out = np.empty((n, m), np.float32)
    _atrous_padded(padded, top, left, offsets_a, offsets_b, missing, out)
    return out


@_jit
def atrous_taps(distance, taps_a, taps_b, missing, out):
    """Mean of `distance` over taps at frame indices, for clips of variable rate.

    `taps_a` is (N, W), `taps_b` (M, W), -1 for a tap outside the clip. Otherwise as
    `atrous_regular`.
    """
    n, m = distance.shape
    for i in range(n):
        for j in range(m):
            total, seen = _F(0.0), 0
            for k in range(taps_a.shape[1]):
                x, y = taps_a[i, k], taps_b[j, k]
                if x >= 0 and y >= 0:
                    value = distance[x, y]
                    if value == value:
                        total += value
                        seen += 1
            out[i, j] = total / _F(seen) if seen else missing


# --- dynamic time warping ------------------------------------------------------------------------

_DIAGONAL, _UP, _LEFT = np.uint8(0), np.uint8(1), np.uint8(2)


@_jit
def band_limits(n, m, width):
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


@_jit
def _skipped(price, frames):
    """Price of leaving out frames; an infinite price times no frames is nothing."""
    return price * frames if frames else 0.0


@_jit
def _first_row(cost, low, skip, diagonal, here, steps):
    """Sums and steps of row 0 from column `low` on; `here` is shifted by one column."""
    left = np.inf
    for j in range(len(cost)):
        start = _skipped(skip, low + j) + diagonal * cost[j]
        left += cost[j]
        steps[j] = _LEFT if left < start else _DIAGONAL
        left = min(left, start)
        here[low + j + 1] = left


@_jit
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


@_jit
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


@_jit
def dtw_path(cost, low, high, skip_a, skip_b, diagonal):
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


@_jit
def dtw_band(cost, m, low, high, skip_a, skip_b, diagonal):
    """`dtw_path` from the costs within the limits alone, for clips too long for a whole table.

    `cost` is (N, W): row i holds the columns low[i] to high[i] of `m`, and anything behind them.
    Starts and ends that the limits leave out are not looked at.
    """
    return _warped(cost, low, m, low, high, skip_a, skip_b, diagonal)


@_jit
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


@_jit
def dtw_mean(cost, limit, sums, lengths):
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


@_jit
def _rank_group(
    mean, var, mean_t, var_t, known, known_t, gap, starts, taps, group_taps, waves, decays,
    missing, out,
):  # fmt: skip
    """Mean atrous distance of a query to the clips of one group: see `rank`."""
    n, m, top = len(mean), mean_t.shape[1], np.abs(taps).max()
    padded = np.full((n + 2 * top, m), _F(np.nan))
    scratch = np.empty((5, _BLOCK), np.float32)
    for i in range(n):
        if known[i]:
            row = padded[top + i]
            _distance_row(mean[i], var[i], mean_t, var_t, waves, decays, True, scratch, row)
            for j in range(m):
                row[j] = row[j] if known_t[j] else _F(np.nan)
    smooth = np.empty((n, m - 2 * gap), np.float32)
    _atrous_padded(padded, top, gap, taps, group_taps, missing, smooth)
    for c in range(len(out)):
        first, last = starts[c, 0] - starts[0, 0], starts[c, 1] - starts[0, 0]
        sums, lengths = np.empty((2, last - first)), np.empty((2, last - first), np.int32)
        out[c] = dtw_mean(smooth[:, first:last], np.inf, sums, lengths)


@_jit(parallel=True)
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


# --- nearest clips of an index --------------------------------------------------------------------

_SLACK = _F(1e-3)  # of a bound, far above what float32 can be off


@_jit
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
        k = min(kappa[j], _F(1e4))
        p = _F(0.05) + w1 * _exp2(max(-c1 * k, _F(-60.0))) + w2 * _exp2(max(-c2 * k, _F(-60.0)))
        out[j] = -_log(min(p, _F(0.95)))


@_jit
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
            gap = max(max(lows[j] - above, below - highs[j]), _F(0.0))
            out[j] += gap * gap * (scale * scales[j])


@_jit
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


@_jit
def _least_mean(rows, cells):
    """Least mean of a path that crosses every row and has at most so many cells."""
    total, least = 0.0, np.inf
    for i in range(len(rows)):
        total += rows[i]
        least = min(least, rows[i])
    return (total + (cells - len(rows)) * least) / cells


@_jit
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
        bounds[c] = bound * (_F(1.0) - _SLACK) - _SLACK


@_jit
def _least_columns(kappa, reach, m, terms):
    """Lower bound of every atrous column, from the blocks that its window touches."""
    count = kappa.shape[1]
    least = np.full(count, _F(np.inf))
    for i in range(len(kappa)):
        for j in range(count):
            least[j] = min(least[j], kappa[i, j])
    cost, out = np.empty(count, np.float32), np.empty(m, np.float32)
    _least_costs(least, terms, cost)
    for j in range(m):
        value = _F(np.inf)
        for block in range(
            max(j - reach, 0) // CLIP_BLOCK, min(j + reach, m - 1) // CLIP_BLOCK + 1
        ):
            value = min(value, cost[block])
        out[j] = value
    return out


@_jit(parallel=True)
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


@_jit
def _refined_floor(
    mean, shrink, total, known, mean_t, shrink_t, total_t, first, last, taps, clip_taps, whole,
    terms, floor,
):  # fmt: skip
    """Bound of one clip as by `floors`, from frames instead of boxes; raises `floor` (N,)."""
    n, m = len(mean), last - first
    least_row, least_column = np.full(n, _F(np.inf)), np.full(m, _F(np.inf))
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
        least = _F(np.inf)
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
    return bound * (_F(1.0) - _SLACK) - _SLACK


@_jit
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


@_jit
def _cost_row(mean, var, mean_t, var_t, first, waves, decays, scratch, out):
    """Fill -log p of one frame with the frames from `first` on; otherwise as `_distance_row`."""
    m = len(out)
    for start in range(0, m, _BLOCK):
        part = out[start : min(start + _BLOCK, m)]
        part[:] = _F(0.05)
        for k in range(len(waves)):
            _wave(mean, var, mean_t, var_t, first + start, waves[k], scratch, part)
        for k in range(len(decays)):
            rate, weight = decays[k, 0], decays[k, 1]
            _decay(mean, var, mean_t, var_t, first + start, rate, weight, scratch, part)
        for j in range(len(part)):
            part[j] = -_log(min(max(part[j], _F(0.05)), _F(0.95)))


@_jit
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
    padded = np.full((n + 2 * top, m + 2 * gap), _F(np.nan))
    scratch, smooth = np.empty((5, _BLOCK), np.float32), np.empty((1, m), np.float32)
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
                    row[j] = row[j] if known_t[first + j] else _F(np.nan)
            done += 1
        _atrous_padded(padded[i : i + 2 * top + 1], top, gap, taps, clip_taps, missing, smooth)
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


@_jit
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


@_jit
def _keep_best(best, score):
    """Put a score among the best ones, ascending; the largest of them falls out."""
    for x in range(len(best)):
        if score < best[x]:
            best[x], score = score, best[x]


@_jit(parallel=True)
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
                bound = _refined_floor(
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


# --- NP-MPJPE ------------------------------------------------------------------------------------

_HIPS = (7, 8)
_SHOULDERS = (1, 2)


@_jit
def normalized_poses(poses):
    """Centre 3D poses on their mean joint, in units of mid-hip to mid-shoulder.

    `poses` is (P, 13, 3); where the poses were before does not matter to what follows. Returns
    (P, 13, 3) float64 and the sums of squares (P,).
    """
    out = np.empty(poses.shape, np.float64)
    squares = np.empty(len(poses), np.float64)
    joints = poses.shape[1]
    for p in range(len(poses)):
        torso = 0.0
        for x in range(3):
            up = poses[p, _SHOULDERS[0], x] + poses[p, _SHOULDERS[1], x]
            torso += (0.5 * (up - poses[p, _HIPS[0], x] - poses[p, _HIPS[1], x])) ** 2
        scale = 1.0 / math.sqrt(torso)
        total = 0.0
        for x in range(3):
            mean = 0.0
            for j in range(joints):
                mean += poses[p, j, x]
            mean /= joints
            for j in range(joints):
                value = (poses[p, j, x] - mean) * scale
                out[p, j, x] = value
                total += value * value
        squares[p] = total
    return out, squares


@_jit
def _horn_matrix(p, q, n):
    """Fill the symmetric 4 x 4 matrix whose largest eigenvector turns p onto q (Horn 1987)."""
    xx = xy = xz = yx = yy = yz = zx = zy = zz = 0.0
    for j in range(len(p)):
        px, py, pz = p[j, 0], p[j, 1], p[j, 2]
        qx, qy, qz = q[j, 0], q[j, 1], q[j, 2]
        xx += px * qx
        xy += px * qy
        xz += px * qz
        yx += py * qx
        yy += py * qy
        yz += py * qz
        zx += pz * qx
        zy += pz * qy
        zz += pz * qz
    n[0, 0] = xx + yy + zz
    n[1, 1] = xx - yy - zz
    n[2, 2] = yy - xx - zz
    n[3, 3] = zz - xx - yy
    n[0, 1] = n[1, 0] = yz - zy
    n[0, 2] = n[2, 0] = zx - xz
    n[0, 3] = n[3, 0] = xy - yx
    n[1, 2] = n[2, 1] = xy + yx
    n[1, 3] = n[3, 1] = zx + xz
    n[2, 3] = n[3, 2] = yz + zy
    squares = xx**2 + xy**2 + xz**2 + yx**2 + yy**2 + yz**2 + zx**2 + zy**2 + zz**2
    det = xx * (yy * zz - yz * zy) - xy * (yx * zz - yz * zx) + xz * (yx * zy - yy * zx)
    return squares, det


@_jit
def _adjugate(k, adj):
    """Fill the adjugate of a symmetric 4 x 4 matrix; return its trace."""
    a, b, c, d = k[0, 0], k[0, 1], k[0, 2], k[0, 3]
    e, f, g, h, i, j = k[1, 1], k[1, 2], k[1, 3], k[2, 2], k[2, 3], k[3, 3]
    s0, s1, s2 = a * e - b * b, a * f - b * c, a * g - b * d
    s3, s4, s5 = b * f - e * c, b * g - e * d, c * g - f * d
    c5, c4, c3 = h * j - i * i, f * j - g * i, f * i - g * h
    c2, c1 = c * j - d * i, c * i - d * h
    adj[0, 0] = e * c5 - f * c4 + g * c3
    adj[0, 1] = adj[1, 0] = -b * c5 + c * c4 - d * c3
    adj[0, 2] = adj[2, 0] = b * c4 - e * c2 + g * s5
    adj[0, 3] = adj[3, 0] = -b * c3 + e * c1 - f * s5
    adj[1, 1] = a * c5 - c * c2 + d * c1
    adj[1, 2] = adj[2, 1] = -a * c4 + b * c2 - d * s5
    adj[1, 3] = adj[3, 1] = a * c3 - b * c1 + c * s5
    adj[2, 2] = j * s0 - g * s2 + d * s4
    adj[2, 3] = adj[3, 2] = -i * s0 + f * s2 - c * s4
    adj[3, 3] = h * s0 - f * s1 + c * s3
    return adj[0, 0] + adj[1, 1] + adj[2, 2] + adj[3, 3]


@_jit
def _largest_root(squares, det, det_n, start):
    """Largest root of x^4 - 2 squares x^2 - 8 det x + det_n by Newton's method from above."""
    x = start
    for _ in range(40):
        value = ((x * x - 2.0 * squares) * x - 8.0 * det) * x + det_n
        slope = (4.0 * x * x - 4.0 * squares) * x - 8.0 * det
        if slope <= 1e-5 * x * x * x:  # a double root: left to the eigendecomposition
            break
        step = value / slope
        x -= step
        if abs(step) <= 1e-13 * x:
            break
    return x


@_jit
def _rotation_quaternion(p, q, start, n, k, adj):
    """Eigenvector and eigenvalue of the Horn matrix of p and q; `n`, `k`, `adj` are scratch."""
    squares, det = _horn_matrix(p, q, n)
    det_n = 0.0
    _adjugate(n, adj)
    for i in range(4):
        det_n += n[0, i] * adj[i, 0]
    root = _largest_root(squares, det, det_n, start)
    for i in range(4):
        for j in range(4):
            k[i, j] = n[i, j]
        k[i, i] -= root
    # the product of the gaps to the other eigenvalues; small where the best turn is ambiguous
    if not abs(_adjugate(k, adj)) > 1e-4 * root**3:
        values, vectors = np.linalg.eigh(n)
        return values[3], vectors[0, 3], vectors[1, 3], vectors[2, 3], vectors[3, 3]
    c = 0
    for i in range(1, 4):
        if abs(adj[i, i]) > abs(adj[c, c]):
            c = i
    return root, adj[0, c], adj[1, c], adj[2, c], adj[3, c]


@_jit
def _procrustes_distance(p, p_squares, q, q_squares, n, k, adj):
    """Mean joint distance of q and the turned, scaled p; both centred. NaN where a joint is."""
    start = 0.5 * (p_squares + q_squares)
    # not np.isfinite: with the float rules above it lets NaN through here
    if not start < np.inf:
        return np.nan
    root, w, x, y, z = _rotation_quaternion(p, q, start, n, k, adj)
    s = root / p_squares / (w * w + x * x + y * y + z * z)
    xx, xy, xz = w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)
    yx, yy, yz = 2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)
    zx, zy, zz = 2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z
    total = 0.0
    for j in range(len(p)):
        px, py, pz = p[j, 0] * s, p[j, 1] * s, p[j, 2] * s
        dx = xx * px + xy * py + xz * pz - q[j, 0]
        dy = yx * px + yy * py + yz * pz - q[j, 1]
        dz = zx * px + zy * py + zz * pz - q[j, 2]
        total += math.sqrt(dx * dx + dy * dy + dz * dz)
    return total / len(p)


@_jit(parallel=True)
def np_mpjpe_matrix(poses_p, poses_q):
    """NP-MPJPE of every pose of P turned, scaled and moved onto every pose of Q.

    Horn's closed form: the best turn is the eigenvector of the largest eigenvalue of a symmetric
    4 x 4 matrix, found by Newton's method on its characteristic polynomial and the adjugate; where
    that is ill-conditioned (the best turn is nearly ambiguous) a full eigendecomposition.
    Reflections are never used.

    Parameters
    ----------
    poses_p, poses_q
        shapes (P, 13, 3) and (Q, 13, 3), any unit; a pose with a NaN gives NaN.

    Returns
    -------
    shape (P, Q) float32, in units of mid-hip to mid-shoulder.
    """
    p, p_squares = normalized_poses(poses_p)
    q, q_squares = normalized_poses(poses_q)
    out = np.empty((len(p), len(q)), np.float32)
    for i in prange(len(p)):
        n, k, adj = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4))
        for j in range(len(q)):
            out[i, j] = _procrustes_distance(p[i], p_squares[i], q[j], q_squares[j], n, k, adj)
    return out


@_jit
def np_mpjpe_pairs(poses_p, poses_q, pairs):
    """NP-MPJPE of the pairs (i, j) of `pairs`, shape (K, 2): of P[i] onto Q[j].

    As `np_mpjpe_matrix`; returns shape (K,) float32.
    """
    p, p_squares = normalized_poses(poses_p)
    q, q_squares = normalized_poses(poses_q)
    out = np.empty(len(pairs), np.float32)
    n, k, adj = np.empty((4, 4)), np.empty((4, 4)), np.empty((4, 4))
    for row in range(len(pairs)):
        i, j = pairs[row, 0], pairs[row, 1]
        out[row] = _procrustes_distance(p[i], p_squares[i], q[j], q_squares[j], n, k, adj)
    return out
