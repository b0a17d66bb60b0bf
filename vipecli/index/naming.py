"""Names of actions while they happen."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError
from vipecli.index.classify import Ranking

EVERY_S = 0.5
"""Seconds from one answer to the next."""

_LEAST_SURE = 0.5  # probability below which no label is shown
_LEAST_SEEN = 0.5  # share of the window in which somebody has to be seen


class Naming:
    """Labels the last seconds, again and again, in a thread beside the caller; a context manager.

    Parameters
    ----------
    rank
        labels a part of a clip, as `classify.classify` does.
    window_s
        length of that part, seconds: about that of the clips in the index.
    """

    def __init__(self, rank: Callable[[Embeddings], Ranking], *, window_s: float) -> None:
        self._rank, self._window_s = rank, window_s
        self._frames: deque[Embeddings] = deque()
        self._thread = ThreadPoolExecutor(1, "vipe-naming")
        self._asked: Future[str] | None = None
        self._asked_s = -np.inf
        self._label = ""

    def step(self, frame: Embeddings) -> str:
        """Take the next frame; the label of the last seconds, empty for none of the labels."""
        now = float(frame.times[0])
        self._frames.append(frame)
        while now - self._frames[0].times[0] > self._window_s:
            self._frames.popleft()
        if self._asked is not None and self._asked.done():
            self._label, self._asked = self._asked.result(), None
        if self._asked is None and now - self._asked_s >= EVERY_S:
            self._asked_s = now
            self._asked = self._thread.submit(label_of, list(self._frames), self._rank)
        return self._label

    def __enter__(self) -> "Naming":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait for an answer that is under way, and end the thread."""
        self._thread.shutdown(cancel_futures=True)


def label_of(frames: Sequence[Embeddings], rank: Callable[[Embeddings], Ranking]) -> str:
    """Label of some frames, one clip each; empty where it is unsure or hardly anybody is seen.

    Parameters
    ----------
    frames
        in the order of time; those in which nobody is seen are left out.
    rank
        labels a part of a clip, as `classify.classify` does.
    """
    seen = [one for one in frames if np.isfinite(one.mean).all()]
    if len(seen) < max(2, _LEAST_SEEN * len(frames)):
        return ""
    mean, std, times = (
        np.concatenate([getattr(one, name) for one in seen]) for name in ("mean", "std", "times")
    )
    part = Embeddings(mean, std, times, seen[0].model, seen[0].sigmoid)
    try:
        found = rank(part)
    except NoPoseError:
        return ""
    return found.label or "" if found.confidence >= _LEAST_SURE else ""
