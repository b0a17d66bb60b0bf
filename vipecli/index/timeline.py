"""Label the actions of a long clip over time."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError
from vipecli.index.classify import Ranking

_LONGEST_S = 10.0  # longest window


@dataclass(frozen=True)
class Stretch:
    """A part of a clip under one label.

    Attributes
    ----------
    start_s, end_s
        seconds.
    label
        None for none of the labels, or nobody in view.
    confidence
        mean probability of the label; NaN where a timeline from a file states none.
    """

    start_s: float
    end_s: float
    label: str | None
    confidence: float


def label_over_time(
    clip: Embeddings,
    rank: Callable[[Embeddings], Ranking],
    *,
    every_s: float,
    window_s: float,
    progress: Callable[[int], object] | None = None,
) -> list[Stretch]:
    """Return labels of a clip over time, from a sliding window; equal neighbours are joined.

    Parameters
    ----------
    clip
        of any length.
    rank
        labels a window.
    every_s
        step, seconds.
    window_s
        length of the window, seconds: about that of the clips in the index, which are compared
        as wholes. Windows at the ends are shifted into the clip.
    progress
        called with 1 after each window.

    Returns
    -------
    Stretches from the start of the clip to its end.
    """
    window_s = min(max(window_s, every_s), max(_LONGEST_S, every_s))
    first, last = float(clip.times[0]), float(clip.times[-1])
    out: list[Stretch] = []
    for start in np.arange(first, max(last, first + 1e-9), every_s):
        begin = max(min(start + (every_s - window_s) / 2, last - window_s), first)
        label, confidence = _label_at(clip, rank, begin, begin + window_s)
        out.append(Stretch(float(start), float(min(start + every_s, last)), label, confidence))
        if progress:
            progress(1)
    return _joined(out)


def _label_at(
    clip: Embeddings, rank: Callable[[Embeddings], Ranking], start_s: float, end_s: float
) -> tuple[str | None, float]:
    inside = (clip.times >= start_s) & (clip.times <= end_s)
    part = Embeddings(
        clip.mean[inside], clip.std[inside], clip.times[inside], clip.model, clip.sigmoid
    )
    if len(part) < 2:
        return None, 1.0
    try:
        found = rank(part)
    except NoPoseError:
        return None, 1.0
    return found.label, found.confidence


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """Join neighbours of one label; the confidence is their mean, weighted by duration."""
    out: list[Stretch] = []
    for one in stretches:
        before = out[-1] if out else None
        if before is None or before.label != one.label:
            out.append(one)
            continue
        spans = before.end_s - before.start_s, one.end_s - one.start_s
        mean = float(np.average([before.confidence, one.confidence], weights=spans))
        out[-1] = Stretch(before.start_s, one.end_s, one.label, mean)
    return out
