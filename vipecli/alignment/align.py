"""Match the frames of two clips in time."""

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.adaptation import WINDOW_S, Pair, adapted
from vipecli.alignment.dtw import EndsName, cheapest, likely, matched_and_unrelated
from vipecli.alignment.multiscale import align_long
from vipecli.alignment.warping_path import Alignment, Span, from_positions, probability_along
from vipecli.embedding.distance import FLOOR, EstimatorName, atrous, frame_costs
from vipecli.embedding.model import Embeddings

LARGEST_TABLE = 9_000_000
"""Pairs of frames up to which the whole table is computed (two clips of 100 s at 30 frames/s);
beyond, the path is searched from coarse to fine, see `multiscale.align_long`."""

__all__ = ["Alignment", "EndsName", "Span", "align", "align_costs", "probability_along"]


def align(
    a: Embeddings,
    b: Embeddings,
    *,
    ends: EndsName = "auto",
    band: float | None = None,
    match: EstimatorName = "expected",
) -> Alignment:
    """Match the frames of two clips in time.

    Dynamic time warping over the atrous frame distance (paper, section 4.3) finds the cheapest
    path, `dtw.cheapest`. A few times the embeddings are adapted to each other along the path and
    it is searched again; the direction in which the poses change guides it, too: see
    `adaptation`. The path returned is the mean of all likely ones near the last of these,
    `dtw.likely`.

    Parameters
    ----------
    a, b
        N and M frames embedded by the same model; frames without embedding cost `MISSING_COST`.
    ends
        ``"closed"``: the path runs from the first frames to the last ones. ``"auto"`` and
        ``"open"``: at either end frames of one of the clips may be left out, at a price per frame.
        The price is set between the distance of matched frames (the mean, over the frames of the
        clip that is matched better, of the least distance to any frame of the other) and the mean
        of all distances, at the share `SKIP`, lower for ``"open"``. It is raised until at least
        `LEAST_OVERLAP` of the shorter clip is matched. Frames that pile up on the first or last
        frame of the other clip are left out, too.
    band
        largest distance from the straight map from start to start and end to end, as a fraction
        of the clip, in (0, 1]; None = no limit.
    match
        as in `distance.matching_probability`.

    Returns
    -------
    The path, and in `Alignment.unmatched` what was left out.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if a clip has no frames, or `ends`, `band` or `match` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> clip = Embeddings(np.zeros((2, 16), "f4"), np.ones((2, 16), "f4"),
    ...                   np.array([0.0, 0.1]), "demo:0", (1.0, 4.0))
    >>> align(clip, clip).path.tolist()
    [[0, 0], [1, 1]]
    """
    _check(ends, band)
    if len(a) * len(b) > LARGEST_TABLE:
        return align_long(a, b, ends=ends, band=band, match=match)
    costs = _not_empty(frame_costs(a, b, match=match))
    follow = adapted(Pair(a, b, match), ends=ends, band=band).smooth()
    smooth = atrous(costs, a.times, b.times, window_s=WINDOW_S)
    return from_positions(
        _likely_positions(follow, ends, band),
        (a.times, b.times),
        lambda i, j: smooth[i, j],
        lambda path: probability_along(a, b, path, match=match),
        model=a.model,
    )


def align_costs(
    costs: NDArray[np.float32],
    times_a: NDArray[np.float64],
    times_b: NDArray[np.float64],
    *,
    ends: EndsName = "auto",
    band: float | None = None,
    model: str = "",
) -> Alignment:
    """Match the frames of two clips by any frame distance: plain dynamic time warping.

    The path is the cheapest one through the atrous mean of the distances.

    Parameters
    ----------
    costs
        shape (N, M) float32, -log of the probability that two frames match; NaN where a frame
        shows nobody.
    times_a, times_b
        shapes (N,) and (M,), seconds, strictly increasing.
    ends, band
        as in `align`.
    model
        what the distance comes from.

    Raises
    ------
    ValueError
        as `align`.
    """
    _check(ends, band)
    smooth = atrous(_not_empty(costs), times_a, times_b, window_s=WINDOW_S)

    def probability(path: NDArray[np.int32]) -> NDArray[np.float32]:
        p = np.exp(-costs[path[:, 0], path[:, 1]])
        return np.where(np.isnan(p), np.float32(FLOOR), p)

    return from_positions(
        cheapest(smooth, ends=ends, band=band).astype(np.float64),
        (times_a, times_b),
        lambda i, j: smooth[i, j],
        probability,
        model=model,
    )


def _likely_positions(
    follow: NDArray[np.float32], ends: EndsName, band: float | None
) -> NDArray[np.float64]:
    """Positions (P, 2) of the mean of all likely paths through a table of distances."""
    matched, unrelated = matched_and_unrelated(follow)
    return likely(cheapest(follow, ends=ends, band=band), follow, unrelated - matched)


def _not_empty(costs: NDArray[np.float32]) -> NDArray[np.float32]:
    if not costs.size:
        raise ValueError("a clip without frames cannot be aligned")
    return costs


def _check(ends: str, band: float | None) -> None:
    """Refuse options out of range with a ValueError."""
    if band is not None and not 0 < band <= 1:
        raise ValueError(f"band is {band}; it is a fraction of the clip, above 0 and at most 1")
    if ends not in get_args(EndsName):
        raise ValueError(f"ends is {ends!r}; use 'auto', 'closed' or 'open'")
