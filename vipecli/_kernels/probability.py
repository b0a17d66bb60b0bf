"""Expected matching probability of two frames, and its negative logarithm."""

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels.compiling import F, jit

BLOCK = 256
"""Frames of b handled at a time: five rows of products stay in the first-level cache."""

_LOG2E = F(1.4426950)
_NOTHING = F(1e-7)  # of a probability of at least 0.05
_LARGEST = F(1e30)  # products beyond leave a mean below 1e-7, and would overflow


@jit
def exp2(x):
    """Two to the power x, float32, relative error 3e-7, for |x| <= 120; vectorises."""
    whole = np.floor(x + F(0.5))
    f = x - whole
    value = F(1.5403530e-4)
    value = value * f + F(1.3333558e-3)
    value = value * f + F(9.6181291e-3)
    value = value * f + F(5.5504109e-2)
    value = value * f + F(2.4022651e-1)
    value = value * f + F(6.9314718e-1)
    value = value * f + F(1.0)
    return value * np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)).view(np.float32)


@jit
def log(x):
    """Natural logarithm of a normal positive float32, error 1e-6; vectorises."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32((bits - np.int32(0x3F3504F3)) >> np.int32(23))
    f = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - F(1.0)
    value = F(7.0376836292e-2)
    value = value * f - F(1.1514610310e-1)
    value = value * f + F(1.1676998740e-1)
    value = value * f - F(1.2420140846e-1)
    value = value * f + F(1.4249322787e-1)
    value = value * f - F(1.6668057665e-1)
    value = value * f + F(2.0000714765e-1)
    value = value * f - F(2.4999993993e-1)
    value = value * f + F(3.3333331174e-1)
    square = f * f
    return F(exponent) * F(0.69314718) + f - F(0.5) * square + f * square * value


@jit
def decay(mean, var, mean_t, var_t, start, rate, weight, scratch, out):
    """Add the mean of weight exp(-rate r^2 / 2) for one frame against a block of frames.

    A product over the dimensions, see `vipecli.embedding.sigmoid`; p is that of the 1 + rate v,
    s / p the sum of d^2 / (1 + rate v), so that nothing is divided per dimension. Two dimensions at
    a time, each over contiguous frames of b (`mean_t` is (D, M)), so that it vectorises.
    """
    n, dims = len(out), len(mean)
    p, s = scratch[0, :n], scratch[1, :n]
    p[:], s[:] = F(1.0), F(0.0)
    for dim in range(0, dims, 2):
        other = min(dim + 1, dims - 1)
        both = F(1.0) if other > dim else F(0.0)
        m0, m1, v0, v1 = mean[dim], mean[other], var[dim], var[other]
        row0, row1 = mean_t[dim, start : start + n], mean_t[other, start : start + n]
        var0, var1 = var_t[dim, start : start + n], var_t[other, start : start + n]
        for j in range(n):
            d0, d1 = m0 - row0[j], both * (m1 - row1[j])
            f0, f1 = F(1.0) + rate * (v0 + var0[j]), F(1.0) + both * rate * (v1 + var1[j])
            s[j] = s[j] * (f0 * f1) + p[j] * (d0 * d0 * f1 + d1 * d1 * f0)
            p[j] *= f0 * f1
    for j in range(n):
        power = min(F(0.5) * _LOG2E * rate * s[j] / p[j], F(100.0))
        # a product too large for its numerator: the mean is nothing
        out[j] += weight * exp2(-power) / np.sqrt(p[j]) if p[j] < _LARGEST else F(0.0)


@jit
def wave(mean, var, mean_t, var_t, start, wave, scratch, out):
    """Add the mean of Re[w exp(-rate r^2 / 2)] for one frame against a block of frames.

    As `decay` with complex numbers. Each 1 + rate v has its angle in [0, pi / 2), and the root of
    the product changes sign where the angle of the product passes pi (modulo 2 pi).
    """
    n, dims = len(out), len(mean)
    re, im = wave[0], wave[1]
    p_re, p_im, s_re, s_im = scratch[0, :n], scratch[1, :n], scratch[2, :n], scratch[3, :n]
    sign = scratch[4, :n]
    p_re[:], p_im[:], s_re[:], s_im[:], sign[:] = F(1.0), F(0.0), F(0.0), F(0.0), F(1.0)
    for dim in range(0, dims, 2):
        other = min(dim + 1, dims - 1)
        both = F(1.0) if other > dim else F(0.0)
        m0, m1, v0, v1 = mean[dim], mean[other], var[dim], var[other]
        row0, row1 = mean_t[dim, start : start + n], mean_t[other, start : start + n]
        var0, var1 = var_t[dim, start : start + n], var_t[other, start : start + n]
        for j in range(n):
            d0, d1 = m0 - row0[j], both * (m1 - row1[j])
            sum0, sum1 = v0 + var0[j], both * (v1 + var1[j])
            a0, b0, a1, b1 = F(1.0) + re * sum0, im * sum0, F(1.0) + re * sum1, im * sum1
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
            sign[j] = -sign[j] if (y >= F(0.0)) & (imaginary < F(0.0)) else sign[j]
    _add_wave(wave, p_re, p_im, s_re, s_im, sign, out)


@jit
def _add_wave(wave, p_re, p_im, s_re, s_im, sign, out):
    """Add Re[w exp(-rate s / (2 p)) / sqrt(p)], where `sign` tells the branch of the root."""
    re, im, w_re, w_im = wave[0], wave[1], wave[2], wave[3]
    for j in range(len(out)):
        x, y = p_re[j], p_im[j]
        square = x * x + y * y
        size, inverse = np.sqrt(square), F(0.5) / square
        q_re = (s_re[j] * x + s_im[j] * y) * inverse
        q_im = (s_im[j] * x - s_re[j] * y) * inverse
        power = min(max(_LOG2E * (re * q_re - im * q_im), F(0.0)), F(100.0))
        root_re = np.sqrt(max(F(0.5) * (size + x), F(0.0)))
        root_im = np.sqrt(max(F(0.5) * (size - x), F(0.0)))
        root_im = -root_im if y < F(0.0) else root_im
        cos, sin = _cos_sin(re * q_im + im * q_re)
        real = cos * root_re - sin * root_im
        imaginary = -cos * root_im - sin * root_re
        value = sign[j] * exp2(-power) / size * (w_re * real - w_im * imaginary)
        out[j] += value if square < _LARGEST else F(0.0)


@jit
def _cos_sin(angle):
    """Cosine and sine, float32, error 1e-5 for angles up to some hundreds; vectorises."""
    turn = angle * F(0.15915494)
    turn -= np.floor(turn + F(0.5))
    y = turn * turn
    cos = F(58.912094) - y * F(21.282148)
    cos = F(-85.295888) + y * cos
    cos = F(64.930608) + y * cos
    cos = F(0.99999944) + y * (F(-19.739034) + y * cos)
    sin = F(41.285757) - y * F(12.395176)
    sin = F(-76.599000) + y * sin
    sin = F(81.598128) + y * sin
    sin = turn * (F(6.2831838) + y * (F(-41.341504) + y * sin))
    return cos, sin


@jit
def _negligible(rate, weight, var):
    """Whether a decay adds less than `_NOTHING` to p, however near the other frame is."""
    p = F(1.0)
    for dim in range(len(var)):
        p *= F(1.0) + rate * var[dim]
    return weight * weight < _NOTHING * _NOTHING * p


@jit
def distance_row(mean, var, mean_t, var_t, first, waves, decays, as_cost, scratch, out):
    """Fill one row of `matching` from frame `first` of b on, a block of frames at a time."""
    m = len(out)
    for start in range(0, m, BLOCK):
        part, at = out[start : min(start + BLOCK, m)], first + start
        part[:] = F(0.05)
        for k in range(len(waves)):
            wave(mean, var, mean_t, var_t, at, waves[k], scratch, part)
        for k in range(len(decays)):
            rate, weight = decays[k, 0], decays[k, 1]
            if not _negligible(rate, weight, var):
                decay(mean, var, mean_t, var_t, at, rate, weight, scratch, part)
        for j in range(len(part)):
            p = min(max(part[j], F(0.05)), F(0.95))
            part[j] = -log(p) if as_cost else p


@jit
def matching(
    mean_a: NDArray[np.float32],
    var_a: NDArray[np.float32],
    mean_t: NDArray[np.float32],
    var_t: NDArray[np.float32],
    waves: NDArray[np.float32],
    decays: NDArray[np.float32],
    as_cost: bool,
) -> NDArray[np.float32]:
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
    scratch = np.empty((5, BLOCK), np.float32)
    for i in range(len(mean_a)):
        distance_row(mean_a[i], var_a[i], mean_t, var_t, 0, waves, decays, as_cost, scratch, out[i])
    return out
