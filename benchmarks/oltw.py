"""On-line time warping as Dixon describes it (DAFx 2005), on vipe's frame distance.

One cheapest path, kept within a window of the newest frames of both sides: the peer of
`vipecli.alignment.online.Follower`. It has no restarts: it cannot go back.
"""

import numpy as np

from vipecli.embedding.distance import MISSING_COST, frame_costs
from vipecli.embedding.embed import Embeddings

MAX_RUN = 3
"""Steps in a row in one direction, as in the paper."""


class OnlineWarping:
    """Follows a person through a reference, frame by frame.

    Parameters
    ----------
    reference
        its embeddings, N frames.
    window
        newest frames of either side in which the path is searched, c of the paper.
    """

    def __init__(self, reference: Embeddings, *, window: int) -> None:
        self._reference, self._window = reference, window
        self._cost: list[np.ndarray] = []  # (N,) of every frame so far
        self._sum: list[np.ndarray] = []  # cost of the cheapest path to there; inf = not searched
        self._j, self._run, self._last = 0, 0, ""

    def step(self, frame: Embeddings) -> float:
        """Moment of the reference that belongs to the next frame, seconds."""
        cost = frame_costs(frame, self._reference)[0].astype(np.float64)
        self._cost.append(np.nan_to_num(cost, nan=MISSING_COST))
        self._sum.append(np.full(len(self._reference), np.inf))
        for j in range(max(0, self._j - self._window + 1), self._j + 1):
            self._evaluate(len(self._sum) - 1, j)
        while self._j + 1 < len(self._reference):
            way = self._way()
            self._run = self._run + 1 if way == self._last else 1
            self._last = way if way != "both" else self._last
            if way == "frame":
                break
            self._j += 1
            for t in range(max(0, len(self._sum) - self._window), len(self._sum)):
                self._evaluate(t, self._j)
            if way == "both":
                break
        row = self._normalised(len(self._sum) - 1)
        return float(self._reference.times[int(row.argmin())])

    def _evaluate(self, t: int, j: int) -> None:
        """Cheapest path to frame t and place j; a diagonal step counts twice."""
        cost = self._cost[t][j]
        ways = [0.0 if t == j == 0 else np.inf]
        if t:
            ways.append(self._sum[t - 1][j])
        if j:
            ways.append(self._sum[t][j - 1])
        if t and j:
            ways.append(self._sum[t - 1][j - 1] + cost)
        self._sum[t][j] = min(ways) + cost

    def _normalised(self, t: int) -> np.ndarray:
        """Cost of the paths to each place at frame t, per step."""
        return self._sum[t] / (t + np.arange(len(self._reference)) + 1)

    def _way(self) -> str:
        """Whether the next frame, the next place of the reference, or both come next."""
        t, j = len(self._sum) - 1, self._j
        if t < self._window:
            return "both"
        if self._run > MAX_RUN:
            return "frame" if self._last == "place" else "place"
        row = self._normalised(t)[: j + 1]
        first = max(0, t - self._window + 1)
        column = np.array([self._sum[k][j] / (k + j + 1) for k in range(first, t + 1)])
        if column.min() < row.min():
            return "place"
        return "frame" if int(row.argmin()) < j else "both"
