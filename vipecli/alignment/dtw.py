"""Warping paths through a table of distances: the cheapest one, and the mean of all likely ones."""

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d

from vipecli import _kernels
from vipecli.embedding.distance import MISSING_COST

DIAGONAL = 1.5
"""Weight of the distance where the cheapest path moves on in both clips at once.

At 1, as in the paper, a step in both clips is the cheapest way through anything, and the path
cuts corners; at 2 every frame weighs the same on every path, and nothing keeps it straight where
all is alike. From 1.65 on a golf swing seen from its two sides (`examples/clips`) goes astray by a
second: its backswing looks like its follow-through.
"""

SKIP = {"auto": 0.5, "open": 0.35}
"""Price of a frame that is left out, between the distance of matched and of unrelated frames.

On planted warps (weights of 22,000 steps) 0.5 costs next to nothing where nothing is missing:
median and 90th percentile of the error 1.1 and 4.7 frames, 1.1 and 4.6 with closed ends. With up to
30 % cut off each end of both clips they are 1.2 and 4.7 against 1.4 and 7.5, with up to 40 % off
each end of the first clip 1.4 and 7.5 against 2.0 and 36, and the ends are found within 2.5 frames
in the median. 0.35 does a little better where much is missing, and loses parts of whole clips more
often: on warped rendered clips the 90th percentile is 14 frames, 8.6 with 0.5, 5.4 with closed
ends.
"""

LEAST_OVERLAP = 1 / 3
"""Share of the shorter clip that is matched at least."""

SHARPNESS = 1.0
"""How much less likely a path is for what it costs: a frame of either clip, matched at the distance
of unrelated ones instead of matched ones, makes it e^SHARPNESS times less likely.

So the scale is that of the pair, whatever the frame distance. 0.7 and 1.5 give the same errors.
"""

TURN = 3.0
"""A path is e^-TURN times as likely for every factor of e by which its speed changes at once.

At 1 the errors are a twentieth larger, at 2 nearly the same.
"""

_AT_ONCE = 2.0  # factors of e between equal speed and a clip that stands still
_NEAR = 15  # frames of either clip by which a path may differ from the cheapest


def _turns() -> np.ndarray:
    """Likelihood (K, K) of a step behind another, by the ratio of their speeds."""
    down, right = _kernels.MOVES.T.astype(float)
    with np.errstate(divide="ignore"):
        speeds = np.log(down / right).clip(-_AT_ONCE, _AT_ONCE)
    return np.exp(-TURN * np.abs(speeds[:, None] - speeds))


def matched_and_unrelated(smooth: np.ndarray) -> tuple[float, float]:
    """Distance of matched frames, and of unrelated ones.

    The mean, over the frames of the clip that is matched better, of the least distance to any
    frame of the other; and the mean of all distances.
    """
    matched = min(smooth.min(axis=1).mean(), smooth.min(axis=0).mean())
    return float(matched), float(smooth.mean(dtype=np.float64))


def skip_price(smooth: np.ndarray, share: float) -> float:
    """Distance at a share of the way from matched to unrelated frames; see `align.align`."""
    matched, unrelated = matched_and_unrelated(smooth)
    return matched + share * (unrelated - matched)


def cheapest(smooth: np.ndarray, *, band: float | None = None, ends: str = "auto") -> np.ndarray:
    """Path (L, 2) of the least sum of distances (N, M); see `align.align` for band and ends."""
    limits = _kernels.band_limits(*smooth.shape, 1.0 if band is None else band)
    return with_least_overlap(
        lambda price: _kernels.dtw_path(smooth, *limits, price, price, DIAGONAL)[0],
        lambda path: smooth[tuple(path.T)],
        smooth.shape,
        math.inf if ends == "closed" else skip_price(smooth, SKIP[ends]),
    )


def with_least_overlap(
    search: Callable[[float], np.ndarray],
    cost: Callable[[np.ndarray], np.ndarray],
    frames: tuple[int, int],
    price: float,
) -> np.ndarray:
    """Path that `search` finds, at a price raised until `LEAST_OVERLAP` is matched.

    `cost` gives the distance at each step of a path (L, 2); an infinite price closes the ends.
    """
    shorter = int(np.argmin(frames))
    least = LEAST_OVERLAP * frames[shorter]
    while True:
        path = search(price)
        if math.isinf(price):
            return path
        path = _trimmed(path, cost)
        if path[-1, shorter] - path[0, shorter] + 1 >= least:
            return path
        price = 1.5 * price if price < 2 * MISSING_COST else math.inf


def _trimmed(path: np.ndarray, cost: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Path without the frames that pile up on the first and last frame of the other clip.

    At an end that is missing the neighbours of the true end are still nearer than the price. Of
    the steps that stay on one frame only the nearest and those within are kept: on planted warps
    the ends are then off by 2.6 frames in the median, not 4.3.
    """
    first, last = (int(cost(walk[: _run(walk)]).argmin()) for walk in (path, path[::-1]))
    return path[first : max(len(path) - last, first + 1)]


def _run(walk: np.ndarray) -> int:
    """Steps from the start of a path during which one of the clips stands still."""
    return max(int((walk[:, clip] == walk[0, clip]).argmin()) or len(walk) for clip in (0, 1))


def likely(
    path: np.ndarray,
    smooth: np.ndarray,
    contrast: float,
    *,
    at: np.ndarray | None = None,
    limits: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """Mean of all paths near the cheapest one, each by its probability.

    The cheapest path is right about what belongs together, but not about where exactly: in a pause,
    or where poses hardly differ, many paths cost nearly the same, and it takes any one of them. The
    mean has the least expected squared error. A path is the likelier the less it costs
    (`SHARPNESS`) and the less it changes its speed (`TURN`). With the cheapest path instead the
    mean error of clips that went through the detector is a tenth larger, a fifth on motion capture.

    Parameters
    ----------
    path
        shape (L, 2), the cheapest one, with its ends.
    smooth
        shape (N, W) float32: distances; row i from the column at[i] on.
    contrast
        what lies between the distance of matched and of unrelated frames.
    at
        shape (N,) int64; None = 0, for a table of all frames.
    limits
        first and one past the last column of each row, shape (N,) each; None = all.

    Returns
    -------
    shape (P, 2) float64, positions between frames, from the first to the last step of `path`; both
    columns non-decreasing, by no more than 1 from one row to the next.
    """
    (top, left), (bottom, right) = path[0], path[-1]
    rows = slice(top, bottom + 1)
    at = np.zeros(len(smooth), np.int64) if at is None else at
    low, high = _around(path - path[0])
    if limits is not None:
        low = np.maximum(low, limits[0][rows] - left)
        high = np.minimum(high, limits[1][rows] - left)
    unit = np.float32(SHARPNESS / max(contrast, 1e-3))
    i, j = path.T
    passed, diagonals = i + j - top - left, np.arange(bottom - top + right - left + 1)
    along = np.interp(diagonals, passed, unit * smooth[i, j - at[i]])
    rows_of = _kernels.mean_path(
        unit * smooth[rows], at[rows] - left, low, high, along.cumsum(), _kernels.MOVES, _turns()
    )
    # numbers may run out where the limits leave a few very unlikely paths
    rows_of = np.where(
        np.isfinite(rows_of), rows_of, np.interp(diagonals, i + j - top - left, i - top)
    )
    rows_of[-1] = bottom - top  # but for a rounding
    return np.stack([top + rows_of, left + diagonals - rows_of], axis=1)


def _around(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the columns within `_NEAR` frames, in a and then in b, of a path from (0, 0) on."""
    i, columns = path[:, 0], path[-1, 1] + 1
    first, last = np.flatnonzero(np.diff(i, prepend=-1)), np.flatnonzero(np.diff(i, append=-1))
    low, high = path[first, 1].astype(np.int64), path[last, 1].astype(np.int64)
    low = minimum_filter1d(low, 2 * _NEAR + 1, mode="nearest") - _NEAR
    high = maximum_filter1d(high, 2 * _NEAR + 1, mode="nearest") + _NEAR + 1
    return low.clip(min=0), high.clip(max=columns)
