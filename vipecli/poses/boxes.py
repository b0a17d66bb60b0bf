"""Bounding boxes of people: a cheap test of which pairs may be the same person."""

from collections.abc import Sequence

import numpy as np

_XY = slice(0, 2)  # columns of a person's array, as in `vipecli.poses.tracking`
_SLACK = 1 + 1e-4  # bounds are computed in float32
_MOST_VALUES = 2_000_000  # coordinates that are compared at a time


class Boxes:
    """Bounding boxes of the landmarks of N people, with their centres.

    Parameters
    ----------
    people
        N arrays (K, C), x and y in the first columns.
    """

    def __init__(self, people: Sequence[np.ndarray]) -> None:
        self.xy = np.stack([person[:, _XY] for person in people])
        self.low, self.high = self.xy.min(axis=1), self.xy.max(axis=1)
        self.size = np.hypot(*(self.high - self.low).T) + 1e-6
        self.middle = self.xy.sum(axis=1) / self.xy.shape[1]

    def may_be_near(self, other: "Boxes", reach: np.ndarray | float) -> np.ndarray:
        """Return (N, M) bool: False where the mean landmark distance surely exceeds a reach.

        The distance of the means is no larger than the mean of the distances. `reach` is in body
        sizes, one number or one per person of `self`.
        """
        apart = self.middle[:, None] - other.middle
        size = np.maximum(self.size[:, None], other.size)
        limit = np.broadcast_to(reach, len(self.size))[:, None] * size * _SLACK
        return np.hypot(apart[..., 0], apart[..., 1]) <= limit

    def shared(self, other: "Boxes") -> np.ndarray:
        """Return the share of the smaller of two boxes that the other one covers, shape (N, M)."""
        low = np.maximum(self.low[:, None], other.low)
        high = np.minimum(self.high[:, None], other.high)
        overlap = np.clip(high - low, 0, None).prod(axis=-1)
        areas = ((box.high - box.low).prod(axis=-1) for box in (self, other))
        return overlap / (np.minimum.outer(*areas) + 1e-6)

    def distances(self, other: "Boxes", rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the mean landmark distance of pairs (n,), (n,) of indices, in body sizes."""
        step = max(1, _MOST_VALUES // self.xy[0].size)
        out = np.empty(len(rows))
        for first in range(0, len(rows), step):
            a, b = rows[first : first + step], columns[first : first + step]
            offset = self.xy[a] - other.xy[b]
            apart = np.hypot(offset[..., 0], offset[..., 1]).sum(axis=1) / offset.shape[1]
            out[first : first + step] = apart / np.maximum(self.size[a], other.size[b])
        return out
