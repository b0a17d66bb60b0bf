"""The matching sigmoid as a short sum of exponentials of r^2, whose means are known exactly.

For z = z1 - z2 with means d and variances v per dimension, and any t with a positive real part,

    E[exp(-t |z|^2)] = prod_k (1 + 2 t v_k)^(-1/2) exp(-t d_k^2 / (1 + 2 t v_k)).

So with 0.9 sigmoid(b - a r) = sum_m Re[w_m exp(-t_m r^2)] the expected matching probability is a
sum of such products: no sampling, and nothing assumed of the variances. Complex exponents ("waves")
make the step of the sigmoid, real ones ("decays") its slope; three to five of both suffice.
"""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

ERROR, FLOOR_ERROR = 0.003, 0.001
"""Largest error of the sum, near sigmoid = 1 and near 0 (0.003 in p and 0.02 in -log p at most)."""

# Exponents t for some offsets b at slope 1, times max(b, 2)^2, found by least squares towards the
# least largest error (`fit`). Those for 2.114 and 10.57 serve the model that comes with
# vipe: softened by `distance.SOFTNESS`, and as it is; 1.96 and 9.81 the same without the vertical.
_EXPONENTS = {
    2.114: ((), (0.231, 0.5724, 24.137, 460.45)),
    1.96: ((), (0.2504, 0.5802, 14.7946, 248.2667)),
    1.804: ((), (0.281, 0.664, 13.2, 309.0)),
    -3.0: ((), (0.645, 3.48, 30.9, 716.0)),
    -0.5: ((), (0.446, 1.592, 8.849, 89.35, 2259.0)),
    0.5: ((), (0.385, 1.183, 6.417, 66.32, 1706.0)),
    1.2: ((), (0.316, 0.832, 4.088, 40.06, 924.9)),
    2.2: ((), (0.3, 0.57, 2.8, 17.0, 400.0)),
    2.7: ((0.874 + 0.588j,), (0.532, 67.3)),
    3.5: ((1.35 + 1.1j,), (0.83, 41.5)),
    4.1: ((2.33 + 1.76j,), (0.526, 1.247, 246.2)),
    5.5: ((1.94 + 1.45j, 2.19 + 3.55j), (1.448,)),
    7.5: ((3.09 + 2.32j, 3.11 + 5.75j), (2.248,)),
    9.02: ((3.21 + 2.5j, 2.91 + 6.09j), (2.633,)),
    9.81: ((3.1796 + 2.5858j, 2.7904 + 6.189j), (2.7668,)),
    10.22: ((3.162 + 2.646j, 2.736 + 6.285j), (2.82,)),
    10.57: ((3.9206 + 3.8141j, 3.2011 + 7.8382j), (4.016, 4.0555)),
    11.5: ((4.07 + 2.71j, 4.03 + 6.22j, 3.23 + 10.54j), (3.479,)),
    14.0: ((4.01 + 3.0j, 3.79 + 6.77j, 2.88 + 11.22j), (3.777,)),
    17.0: ((3.81 + 3.35j, 3.46 + 7.36j, 2.53 + 11.96j), (3.812,)),
}
_GOOD = 0.75  # of the error allowed: exponents of a nearby offset are taken as they are
_ROUNDS = 12  # of reweighting


@functools.lru_cache(maxsize=64)
def exponentials(slope: float, offset: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sum of exponentials of r^2 that is 0.9 sigmoid(offset - slope r), as the kernels take it.

    Parameters
    ----------
    slope, offset
        of the sigmoid, the slope above 0. Up to an offset of 14 the sum is within `ERROR` and,
        where it is small, `FLOOR_ERROR`; the error of steeper steps is larger.

    Returns
    -------
    waves
        shape (W, 4) float32: real and imaginary part of 2 t, then of the weight.
    decays
        shape (R, 2) float32: 2 t and the weight.
    """
    waves, decays, weights, _ = _sum(offset)
    scale, count = 2 * slope**2, len(waves)
    weights = 0.9 * weights
    wave_rows = [
        scale * waves.real,
        scale * waves.imag,
        weights[:count],
        -weights[count : 2 * count],
    ]
    return (
        np.stack(wave_rows, axis=1).astype(np.float32),
        np.stack([scale * decays, weights[2 * count :]], axis=1).astype(np.float32),
    )


def largest_error(offset: float) -> float:
    """Largest error of the sum for an offset, as a share of what is allowed."""
    return _sum(offset)[3]


@functools.lru_cache(maxsize=64)
def _sum(
    offset: float,
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64], float]:
    """Exponents of waves and decays, weights and error for slope 1."""
    near = min(_EXPONENTS, key=lambda b: abs(b - offset))
    waves = np.array(_EXPONENTS[near][0], np.complex128) / _square(near)
    decays = np.array(_EXPONENTS[near][1], np.float64) / _square(near)
    weights, error = _weights(offset, waves, decays)
    if error > _GOOD:
        fitted = fit(offset, waves, decays)
        weights_fitted, error_fitted = _weights(offset, *fitted)
        if error_fitted < error:
            return *fitted, weights_fitted, error_fitted
    return waves, decays, weights, error


def fit(
    offset: float, waves: NDArray[np.complex128], decays: NDArray[np.float64]
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Exponents for another offset at slope 1, by least squares from those of a near one.

    A wave and its conjugate have the same real part; the kernels follow the angle of those whose
    imaginary part is not negative, so they are the ones returned.
    """
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

    count, square = len(waves), _square(offset)
    u, wanted, tolerance = _samples(offset)

    def unpack(x: NDArray[np.float64]) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        real, decay = np.exp(x[:count].clip(-9, 3)), np.exp(x[2 * count :].clip(-9, 9))
        return (real + 1j * np.abs(x[count : 2 * count])) / square, decay / square

    def residual(x: NDArray[np.float64]) -> NDArray[np.float64]:
        table = _table(u, *unpack(x)) / tolerance[:, None]
        return table @ _solve(table, wanted / tolerance) - wanted / tolerance

    start = [np.log(waves.real * square), waves.imag * square, np.log(decays * square)]
    solvers: Any = optimize
    return unpack(
        solvers.least_squares(residual, np.concatenate(start), max_nfev=40, x_scale=0.3).x
    )


def _square(offset: float) -> float:
    """Where the step lies, in r^2."""
    return max(offset, 2.0) ** 2


def _samples(offset: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Places r^2, the sigmoid there, and the error allowed."""
    high = max(offset, 0.0)
    reach = np.linspace(0, 1, 280) ** 1.5  # close together near 0, where decays are steep
    r = np.concatenate([(high + 8) * reach, np.linspace(high + 8, 4 * high + 40, 40)[1:]])
    wanted = 1 / (1 + np.exp(r - offset))
    # 0.02 in -log p is 0.02 p in p = 0.9 sigmoid + 0.05
    return r**2, wanted, np.minimum(ERROR, FLOOR_ERROR + 0.018 * wanted) / 0.9


def _table(
    u: NDArray[np.float64], waves: NDArray[np.complex128], decays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Real and imaginary parts of the waves, and the decays, at u (one column each)."""
    turning = np.exp(-np.outer(u, waves))
    return np.concatenate([turning.real, turning.imag, np.exp(-np.outer(u, decays))], axis=1)


def _solve(table: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least squares with weights that stay small: float32 has to hold their sum."""
    table = np.concatenate([table, 0.003 * np.eye(table.shape[1])])
    return np.linalg.lstsq(table, np.append(wanted, np.zeros(table.shape[1])), rcond=None)[0]


def _weights(
    offset: float, waves: NDArray[np.complex128], decays: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weights with the least largest error (Lawson 1961), and that error of the one allowed."""
    u, wanted, tolerance = _samples(offset)
    table, wanted = _table(u, waves, decays) / tolerance[:, None], wanted / tolerance
    best, least, share = np.zeros(table.shape[1]), np.inf, np.ones(len(u))
    for _ in range(_ROUNDS):
        weights = _solve(table * share[:, None], wanted * share)
        error = np.abs(table @ weights - wanted)
        if error.max() < least:
            best, least = weights, float(error.max())
        share *= np.sqrt(error / error.max() + 0.02)
        share /= np.sqrt(np.mean(share**2))
    return best, least
