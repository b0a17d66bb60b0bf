"""Correction of distances for hubs: clips that are among the nearest of many others (CSLS)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Hubness:
    """How near each clip of an index is to its neighbours; see `metrics.without_hubs`.

    Attributes
    ----------
    mean
        shape (C,): mean distance of each clip to its `count` nearest others.
    last, following
        shape (C,): distance to the last of those, and to the next one.
    count
        neighbours; 0 = no correction.
    """

    mean: FloatArray
    last: FloatArray
    following: FloatArray
    count: int

    @classmethod
    def none(cls, clips: int) -> "Hubness":
        """No correction, for so many clips."""
        return cls(np.zeros(clips), np.full(clips, -np.inf), np.zeros(clips), 0)

    @classmethod
    def of(cls, distances: NDArray[Any], count: int) -> "Hubness":
        """Hubness from the distances (C, C) of the clips to each other; the diagonal is ignored."""
        table = np.array(distances, np.float64)
        np.fill_diagonal(table, np.inf)
        count = min(count, len(table) - 2)
        if count < 1:
            return cls.none(len(table))
        nearest = np.partition(table, (count - 1, count), axis=1)[:, : count + 1]
        nearest.sort(axis=1)
        return cls(nearest[:, :count].mean(1), nearest[:, count - 1], nearest[:, count], count)

    def scores(self, distances: FloatArray, *, member: bool) -> FloatArray:
        """Corrected distances (C,) of a query.

        A query that is itself a clip of the index (`member`) leaves the neighbourhoods of the
        others.
        """
        if not self.count:
            return distances
        mean = self.mean
        if member:
            enters = distances <= self.last
            mean = mean + np.where(enters, self.following - distances, 0) / self.count
        return distances - 0.5 * mean
