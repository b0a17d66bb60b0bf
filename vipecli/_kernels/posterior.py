"""The mean of all likely warping paths: forward and backward sums with a memory of the speed."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vipecli._kernels.compiling import jit

MOVES = np.array([(0, 1), (1, 3), (1, 2), (1, 1), (2, 1), (3, 1), (1, 0)])
"""Frames of a and b by which a step moves on: the speeds that a path can have."""

_REACH = 4  # rows of sums kept on the way back: a step spans three at most


class Band(NamedTuple):
    """Costs within limits: row i of `cost` starts at column at[i], used in [low[i], high[i]).

    `first` is the number of cells before each row.
    """

    cost: NDArray[np.float32]
    at: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    first: NDArray[np.int64]


class Chain(NamedTuple):
    """Steps (K, 2) of a path, and `turn` (K, K), the weight of step l behind step k."""

    steps: NDArray[np.int64]
    turn: NDArray[np.float64]


@jit
def _step_cost(band, i, j, down, right):
    """Mean cost over the frames of a step that ends at (i, j); inf if it leaves the limits.

    One point per frame of the clip that moves on farther; between two frames of the other clip the
    cost is mixed of both.
    """
    points, total = max(down, right), 0.0
    for back in range(points):
        row, column = i - down * back / points, j - right * back / points
        x, y = int(row + 1e-9), int(column + 1e-9)
        share, across = row - x + column - y, row - x > 1e-9
        mixed = share > 1e-9
        x1, y1 = x + (mixed and across), y + (mixed and not across)
        if (
            x < 0
            or y < band.low[x]
            or y >= band.high[x]
            or y1 < band.low[x1]
            or y1 >= band.high[x1]
        ):
            return np.inf
        here = band.cost[x, y - band.at[x]]
        total += here + share * (band.cost[x1, y1 - band.at[x1]] - here) if mixed else here
    return total / points


@jit
def _likelihoods(band, steps, level, i, out):
    """Likelihood of every step that ends in row i, relative to the path described by `level`."""
    for j in range(band.low[i], band.high[i]):
        for k in range(len(steps)):
            down, right = steps[k, 0], steps[k, 1]
            x, y = i - down, j - right
            out[band.first[i] + j - band.low[i], k] = 0.0
            if x >= 0 and y >= band.low[x] and y < band.high[x]:
                frames = down + right
                gap = level[i + j] - level[i + j - frames]
                price = frames * _step_cost(band, i, j, down, right)
                out[band.first[i] + j - band.low[i], k] = math.exp(min(gap - price, 50.0))


@jit
def _forward(band, chain, likely, sums, scale):
    """Sum over all ways from (0, 0) to each cell and last step, row i times exp(-scale[i])."""
    sums[0, :] = 1.0
    for i in range(len(band.low)):
        top = -np.inf if i else 0.0
        for x in range(max(0, i - _REACH + 1), i):
            top = max(top, scale[x])
        largest = 0.0
        for j in range(band.low[i], band.high[i]):
            cell = band.first[i] + j - band.low[i]
            for k in range(len(chain.steps)):
                x, y = i - chain.steps[k, 0], j - chain.steps[k, 1]
                if likely[cell, k] > 0.0:
                    total = 0.0
                    for q in range(len(chain.steps)):
                        total += chain.turn[q, k] * sums[band.first[x] + y - band.low[x], q]
                    total *= likely[cell, k] * (math.exp(scale[x] - top) if x < i else 1.0)
                    sums[cell, k] = total
                largest = max(largest, sums[cell, k])
        if largest > 0.0:
            sums[band.first[i] : band.first[i] + band.high[i] - band.low[i]] /= largest
            top += math.log(largest)
        scale[i] = top


@jit
def _backward_row(band, chain, likely, i, top, behind, back, here):
    """Sum over all ways from each cell and last step of row i on to the end, times exp(-top)."""
    largest = 0.0
    for j in range(band.high[i] - 1, band.low[i] - 1, -1):
        for k in range(len(chain.steps)):
            x, y = i + chain.steps[k, 0], j + chain.steps[k, 1]
            if x < len(band.low) and y >= band.low[x] and y < band.high[x]:
                share = likely[band.first[x] + y - band.low[x], k]
                if share > 0.0:
                    onwards = here[y - band.low[x], k]
                    if x > i:
                        onwards = back[x % _REACH, y - band.low[x], k] * math.exp(behind[x] - top)
                    for q in range(len(chain.steps)):
                        here[j - band.low[i], q] += chain.turn[q, k] * share * onwards
        for q in range(len(chain.steps)):
            largest = max(largest, here[j - band.low[i], q])
    return largest


@jit
def _gather(band, chain, likely, sums, back, i, weight, out):
    """Add the probability of steps out of row i, and times their rows, to the diagonals passed."""
    for j in range(band.low[i], band.high[i]):
        for k in range(len(chain.steps)):
            down, right = chain.steps[k, 0], chain.steps[k, 1]
            x, y = i + down, j + right
            if x >= len(band.low) or y < band.low[x] or y >= band.high[x]:
                continue
            share = (
                likely[band.first[x] + y - band.low[x], k] * back[x % _REACH, y - band.low[x], k]
            )
            if share <= 0.0:
                continue
            total = 0.0
            for q in range(len(chain.steps)):
                total += chain.turn[q, k] * sums[band.first[i] + j - band.low[i], q]
            p = total * share * weight[x - i]
            for frame in range(1, down + right + 1):
                out[0, i + j + frame] += p
                out[1, i + j + frame] += p * (i + down * frame / (down + right))


@jit
def mean_path(
    cost: NDArray[np.float32],
    at: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    level: NDArray[np.float64],
    steps: NDArray[np.int64],
    turn: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Mean over all paths from (0, 0) to (N-1, M-1), each by its probability.

    A path is a chain of `steps`; its probability is proportional to exp(-sum of the costs of the
    frames of a and b that it passes) times `turn`[k, l] wherever step l follows step k. The sums
    over all paths are those of forward and backward recursions, as for a hidden Markov model whose
    states are the cell and the last step:

    F[i, j, k] = exp(-cost of step k into (i, j)) sum over q of turn[q, k] F[(i, j) - step k, q],

    F[0, 0] = 1. On every diagonal i + j = u each path is at one place (on the way of a step,
    between frames), and the mean of these places is a monotone path again.

    Parameters
    ----------
    cost
        shape (N, W) float32: row i holds the columns from at[i] on, at least up to high[i].
    at, low, high
        shape (N,) int64: row i is searched over the columns [low[i], high[i]), which never step
        back; they hold (0, 0) and (N-1, M-1).
    level
        shape (N + M - 1,) float64, sum of the costs along one of the better paths up to each
        diagonal: the sums are relative to it, so that they stay within floating-point range.
    steps
        shape (K, 2) int64, frames of a and b, three at most of either.
    turn
        shape (K, K) float64, not negative.

    Returns
    -------
    shape (N + M - 1,) float64: mean row on each diagonal; NaN where the limits leave no path.

    Notes
    -----
    Memory: 16 K bytes per cell within the limits.
    """
    n = len(low)
    first = np.zeros(n + 1, np.int64)
    widest = 0
    for i in range(n):
        first[i + 1] = first[i] + high[i] - low[i]
        widest = max(widest, high[i] - low[i])
    band, chain = Band(cost, at, low, high, first), Chain(steps, turn)
    likely, sums = np.zeros((first[n], len(steps))), np.zeros((first[n], len(steps)))
    for i in range(n):
        _likelihoods(band, steps, level, i, likely)
    scale = np.zeros(n)
    _forward(band, chain, likely, sums, scale)
    out = np.zeros((2, n + high[n - 1] - 1))
    out[0, 0] = 1.0
    back, behind = np.zeros((_REACH, widest, len(steps))), np.full(n, -np.inf)
    weight, whole = np.zeros(_REACH), scale[n - 1] + math.log(sums[first[n] - 1].sum())
    for i in range(n - 1, -1, -1):
        here = back[i % _REACH]
        here[:] = 0.0
        top = -np.inf if i < n - 1 else 0.0
        for x in range(i + 1, min(n, i + _REACH)):
            top = max(top, behind[x])
        if i == n - 1:
            here[high[i] - 1 - low[i]] = 1.0
        largest = _backward_row(band, chain, likely, i, top, behind, back, here)
        if largest > 0.0:
            here /= largest
            top += math.log(largest)
        behind[i] = top
        for x in range(i, min(n, i + _REACH)):
            weight[x - i] = math.exp(min(scale[i] + behind[x] - whole, 700.0))
        _gather(band, chain, likely, sums, back, i, weight, out)
    return out[1] / out[0]
