"""Every repetition of one clip within another."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vipecli import _kernels
from vipecli.alignment.align import align
from vipecli.alignment.dtw import skip_price
from vipecli.alignment.same_action import DIFFERENT, same_action
from vipecli.alignment.warping_path import Alignment
from vipecli.embedding.distance import window_distance
from vipecli.embedding.model import Embeddings

ACCEPT = 0.45
"""A repetition may be this far from the best one towards unrelated frames."""

NEAR = 0.6
"""Or as far as this share of the distance of unrelated frames: a template that was cut out of the
clip finds itself, and nothing else is as near."""

DOUBTFUL = 0.6
"""With less `same_action` the repetitions found come with a warning; see `docs/alignment.md`."""

SLOWEST, FASTEST = 4.0, 0.25
"""Longest and shortest repetition, in lengths of a."""

_DIAGONAL, _SKIP = 1.25, 0.6
# Weight of diagonal steps, as `dtw.DIAGONAL`, and price of a frame of b, as a share of the
# matched distance. The two keep each other in balance: a path that squeezes a into little of b
# saves diagonal steps but pays for the frames of b that it leaves out.


def find_all(a: Embeddings, b: Embeddings) -> list[Alignment]:
    """All places in b that show the whole of a, one after another; see `find_rated`."""
    return find_rated(a, b)[0]


def find_rated(a: Embeddings, b: Embeddings) -> tuple[list[Alignment], float]:
    """All places in b that show the whole of a, and how surely they are the same action.

    Subsequence dynamic time warping: all of a is matched with the part of b that is nearest to it;
    then the same is done before and behind that part, as long as the distance stays below that of
    the best part plus the share `ACCEPT` of what lies between it and unrelated frames, or below the
    share `NEAR` of the distance of unrelated frames.

    Parameters
    ----------
    a, b
        one repetition, and a clip that may hold several; N and M frames embedded by one model.

    Returns
    -------
    One alignment per repetition, in the order of b; every frame of a is on each path. None where
    `align.align` would come with a warning, too: neither the best part nor the whole of b looks
    like the same action (`same_action.DIFFERENT`). The probability is the larger one of the two.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if a clip has no frames.
    """
    if not len(a) or not len(b):
        raise ValueError("a clip without frames cannot be found")
    smooth = window_distance(a, b)
    price = _SKIP * skip_price(smooth, 0.0)
    first, last, best = _nearest(smooth, 0, len(b), price)
    score = max(same_action(a, _part(b, first, last)), same_action(a, b))
    if score < DIFFERENT:
        return [], score
    unrelated = float(smooth.mean(dtype=np.float64))
    limit = max(best + ACCEPT * (unrelated - best), NEAR * unrelated)
    todo, found = [(0, len(b))], list[tuple[int, int]]()
    while todo:
        start, end = todo.pop()
        if end - start < FASTEST * len(a):
            continue
        first, last, cost = _nearest(smooth, start, end, price)
        if cost > limit:
            continue
        if FASTEST * len(a) <= last - first + 1 <= SLOWEST * len(a):
            found.append((first, last))
        todo += [(start, first), (last + 1, end)]
    return [_aligned(a, b, *part) for part in sorted(found)], score


def none_found(same_action: float | None) -> str:
    """Return in words what b does with a, where `find_rated` finds nothing."""
    alike = same_action is not None and same_action >= DIFFERENT
    return "shows no whole repetition of" if alike else "shows nothing like"


def _nearest(
    smooth: NDArray[np.float32], start: int, end: int, price: float
) -> tuple[int, int, float]:
    """First and last frame, and mean distance, of the part of b[start:end] nearest to a."""
    part = np.ascontiguousarray(smooth[:, start:end])
    limits = _kernels.band_limits(part.shape[0], part.shape[1], 1.0)
    path, _ = _kernels.dtw_path(part, *limits, math.inf, price, _DIAGONAL)
    mean = float(part[tuple(path.T)].mean(dtype=np.float64))
    return start + int(path[0, 1]), start + int(path[-1, 1]), mean


def _part(clip: Embeddings, first: int, last: int) -> Embeddings:
    return clip.part(slice(first, last + 1))


def _aligned(a: Embeddings, b: Embeddings, first: int, last: int) -> Alignment:
    """Alignment of a with a part of b, in the frames of b."""
    got = align(a, _part(b, first, last), ends="closed")
    return replace(got, path=got.path + np.array([0, first], np.int32))
