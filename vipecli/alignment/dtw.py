"""Warping paths through a table of distances: the cheapest one, and the mean of all likely ones."""

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage  # pyright: ignore[reportMissingTypeStubs]

from vipecli import _kernels
from vipecli.embedding.distance import MISSING_COST

EndsName = Literal["auto", "closed", "open"]
"""Parts that may stay unmatched at the ends of the clips, see `align.align`."""

DIAGONAL = 1.5
"""Weight of the distance where the cheapest path moves on in both clips at once.

1 is the paper's, and cuts corners; at 2 every frame weighs the same on every path. How it was
chosen: `docs/alignment.md`.
"""

SKIP = {"auto": 0.5, "open": 0.35}
"""Price of a frame that is left out, between the distance of matched and of unrelated frames;
`docs/alignment.md` has the table it was chosen from."""

LEAST_OVERLAP = 1 / 3
"""Share of the shorter clip that is matched at least."""

SHARPNESS = 1.0
"""Scale of the cost in the likelihood of a path: a frame of either clip, matched at the distance of
unrelated frames instead of matched ones, makes the path e^SHARPNESS times less likely."""

TURN = 3.0
"""A path is e^-TURN times as likely for every factor of e by which its speed changes at once."""

_AT_ONCE = 2.0  # factors of e between equal speed and a clip that stands still
_NEAR = 15  # frames of either clip by which a path may differ from the cheapest


def _turns() -> NDArray[np.float64]:
    """Likelihood (K, K) of a step behind another, by the ratio of their speeds."""
    down, right = _kernels.MOVES.T.astype(float)
    with np.errstate(divide="ignore"):
        speeds = np.log(down / right).clip(-_AT_ONCE, _AT_ONCE)
    return np.exp(-TURN * np.abs(speeds[:, None] - speeds))


def matched_and_unrelated(smooth: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Distance of matched frames, and of unrelated ones.

    The mean, over the frames of the clip that is matched better, of the least distance to any
    frame of the other; and the mean of all distances.
    """
    matched = min(smooth.min(axis=1).mean(), smooth.min(axis=0).mean())
    return float(matched), float(smooth.mean(dtype=np.float64))


def skip_price(smooth: NDArray[np.floating[Any]], share: float) -> float:
    """Distance at a share of the way from matched to unrelated frames; see `align.align`."""
    matched, unrelated = matched_and_unrelated(smooth)
    return matched + share * (unrelated - matched)


def cheapest(
    smooth: NDArray[np.float32], *, band: float | None = None, ends: EndsName = "auto"
) -> NDArray[np.int32]:
    """Path (L, 2) of the least sum of distances (N, M); see `align.align` for band and ends."""
    frames = (smooth.shape[0], smooth.shape[1])
    limits = _kernels.band_limits(*frames, 1.0 if band is None else band)
    return with_least_overlap(
        lambda price: _kernels.dtw_path(smooth, *limits, price, price, DIAGONAL)[0],
        lambda path: smooth[tuple(path.T)],
        frames,
        math.inf if ends == "closed" else skip_price(smooth, SKIP[ends]),
    )


def with_least_overlap(
    search: Callable[[float], NDArray[np.int32]],
    cost: Callable[[NDArray[np.int32]], NDArray[np.float32]],
    frames: tuple[int, int],
    price: float,
) -> NDArray[np.int32]:
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


def _trimmed(
    path: NDArray[np.int32], cost: Callable[[NDArray[np.int32]], NDArray[np.float32]]
) -> NDArray[np.int32]:
    """Path without the frames that pile up on the first and last frame of the other clip.

    At an end that is missing the neighbours of the true end are still nearer than the price. Of
    the steps that stay on one frame only the nearest and those within are kept.
    """
    first, last = (int(cost(walk[: _run(walk)]).argmin()) for walk in (path, path[::-1]))
    return path[first : max(len(path) - last, first + 1)]


def _run(walk: NDArray[np.int32]) -> int:
    """Steps from the start of a path during which one of the clips stands still."""
    return max(int((walk[:, clip] == walk[0, clip]).argmin()) or len(walk) for clip in (0, 1))


def likely(
    path: NDArray[np.int32],
    smooth: NDArray[np.float32],
    contrast: float,
    *,
    at: NDArray[np.int64] | None = None,
    limits: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> NDArray[np.float64]:
    """Mean of all paths near the cheapest one, each by its probability.

    In a pause, or where poses hardly differ, many paths cost nearly the same, and the cheapest is
    any one of them. The mean has the least expected squared error. The probability of a path falls
    with its cost (`SHARPNESS`) and with the changes of its speed (`TURN`).

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
    top, left, bottom, right = (int(at) for at in (*path[0], *path[-1]))
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
    lost = ~np.isfinite(rows_of)
    rows_of[lost] = np.interp(diagonals[lost], passed, i - top)
    rows_of[-1] = bottom - top  # but for a rounding
    positions = np.stack([top + rows_of, left + diagonals - rows_of], axis=1)
    return positions.astype(np.float64)


def _around(path: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Limits of the columns within `_NEAR` frames, in a and then in b, of a path from (0, 0) on."""
    i, columns = path[:, 0], path[-1, 1] + 1
    first, last = np.flatnonzero(np.diff(i, prepend=-1)), np.flatnonzero(np.diff(i, append=-1))
    low, high = path[first, 1].astype(np.int64), path[last, 1].astype(np.int64)
    filters: Any = ndimage
    low = filters.minimum_filter1d(low, 2 * _NEAR + 1, mode="nearest") - _NEAR
    high = filters.maximum_filter1d(high, 2 * _NEAR + 1, mode="nearest") + _NEAR + 1
    return low.clip(min=0), high.clip(max=columns)
