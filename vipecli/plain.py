"""Plain dynamic time warping of vectors, without variances: what others call multivariate DTW.

The distance of two series is the root of the least sum of squared distances of their frames along a
warping path. No command uses it: it is what the matching probability is compared with, by the same
search for the nearest clip as `packed.Packed` has.
"""

from collections.abc import Sequence

import numpy as np

from vipecli import _kernels
from vipecli.balls import lay_out, points

_SIZES = 8, 4, 1  # frames in a ball: of all series, of those not ruled out by these, of the rest


class Series:
    """Series laid out for search: made once, asked many times."""

    def __init__(self, series: Sequence[np.ndarray]) -> None:
        """Lay out C series (T, D), none empty, without NaN."""
        self._lengths = np.array([len(one) for one in series], np.int64)
        ends = np.cumsum(self._lengths)
        starts = np.stack([ends - self._lengths, ends], axis=1)
        mean = np.ascontiguousarray(np.concatenate(series).T, np.float32)
        layout = mean, np.zeros_like(mean), np.ones(len(mean.T), bool), starts, np.float32(1)
        self._balls, self._small, self._frames = (points(*layout, size) for size in _SIZES)

    def nearest(self, query: np.ndarray) -> tuple[int, float]:
        """Place of the series nearest to a query (T, D), and its distance."""
        mean = np.ascontiguousarray(query, np.float32)
        known = np.ones(len(mean), bool)
        asked = lay_out(mean, np.zeros_like(mean), known, np.zeros(7, np.int64), np.float32(1))
        bounds = _kernels.ball_sums(asked, self._balls, _SIZES[0])
        order = np.argsort(bounds, kind="stable")
        place, total = _kernels.nearest_plain(
            asked, self._small, _SIZES[1], self._frames, self._lengths, order, bounds
        )
        return int(place), float(np.sqrt(total))
