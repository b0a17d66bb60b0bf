"""Matching probability and distance of frames of two clips, and their mean over time."""

import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vipecli import _kernels
from vipecli.embedding.model import Embeddings
from vipecli.embedding.sigmoid import exponentials
from vipecli.errors import FormatError

FLOOR, RANGE = 0.05, 0.9
"""The matching probability is RANGE times a sigmoid plus FLOOR, so it lies in (0.05, 0.95)."""

MISSING_COST = -math.log(FLOOR)
"""Distance to a frame in which nobody is seen: the maximum, 3.0.

With a smaller one a clip with a hole would be near to every other: the warping path could stay in
the hole while the other clip runs by. At the maximum the path crosses a hole the shortest way, and
short holes cost nothing because the atrous mean goes over the known frames only.
"""

SOFTNESS = 5.0
"""The frame distance divides the argument of the matching probability's sigmoid by this.

The sigmoid of the paper (1) is steep: two people who do the same thing are soon at the floor, where
-log p no longer tells near from far. How it was chosen: `docs/alignment.md`.
"""

WINDOW_S = 0.3
"""Half-width of the atrous window, seconds: 7 taps of rate 3 at 30 frames/s (paper, section 4.3).

Clips as wholes are compared with it; `align` takes a narrower one.
"""

ORDER_WINDOWS_S = 0.2, 0.4, 0.8, 1.6
"""Half-widths of the windows of `order_distance`, seconds; at most `LARGEST_WINDOW` of the clip.
How they were chosen: `docs/alignment.md`."""

LARGEST_WINDOW = 1 / 3
"""Largest half-width of a window of `order_distance`, as a part of the clip."""

SAMPLES = 20
"""K, draws per Gaussian of the paper's estimator (equation 7)."""

EstimatorName = Literal["expected", "sampled"]
"""How the matching probability is computed, see `matching_probability`."""

_THIRDS = np.arange(-3, 4) / 3  # taps of the window, as parts of its half-width
_CELLS = 1 << 20  # pairs of draws that the sampled estimator holds at a time


def matching_probability(
    a: Embeddings, b: Embeddings, *, match: EstimatorName = "expected"
) -> NDArray[np.float32]:
    r"""Probability that two frames show the same pose, for all pairs of frames.

    .. math:: p = 0.9\, E[\mathrm{sigmoid}(-\alpha |z_1 - z_2| + \beta)] + 0.05

    over z1 and z2 drawn from the two Gaussians (paper, section 3.2, equations 5 and 7).

    Parameters
    ----------
    a, b
        N and M frames embedded by the same model.
    match
        ``"expected"``: the mean itself, from a sum of exponentials (see
        `vipecli.embedding.sigmoid`): on Penn Action within 0.001 of 10^6 draws in p, and 0.004 in
        -log p.
        ``"sampled"``: the paper's estimator, the mean over K x K pairs of K = 20 draws of each
        Gaussian, with a fixed seed; two seeds differ by about 0.1 in -log p.

    Returns
    -------
    shape (N, M) float32 in [0.05, 0.95]; NaN where one of the frames has no embedding.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if `match` is not one of the two.

    Examples
    --------
    >>> import numpy as np
    >>> clip = Embeddings(np.zeros((2, 16), "f4"), np.ones((2, 16), "f4"),
    ...                   np.array([0.0, 0.1]), "demo:0", (1.0, 4.0))
    >>> matching_probability(clip, clip).shape
    (2, 2)
    """
    return _pairwise(a, b, match=match, as_cost=False)


def frame_distance(
    a: Embeddings, b: Embeddings, *, match: EstimatorName = "expected"
) -> NDArray[np.float32]:
    """Return -log of the softened matching probability of all pairs of frames.

    The paper (section 4.3) takes the matching probability itself; see `SOFTNESS`. Parameters and
    errors are those of `matching_probability`.

    Returns
    -------
    shape (N, M) float32 in [0.05, 3.0]; `MISSING_COST` where a frame has no embedding.
    """
    cost = frame_costs(a, b, match=match)
    return np.where(np.isnan(cost), np.float32(MISSING_COST), cost)


def frame_costs(
    a: Embeddings, b: Embeddings, *, match: EstimatorName = "expected"
) -> NDArray[np.float32]:
    """Return `frame_distance`, but NaN where a frame has no embedding, as `atrous` wants it."""
    return _pairwise(a, b, match=match, as_cost=True)


def window_distance(
    a: Embeddings, b: Embeddings, *, match: EstimatorName = "expected"
) -> NDArray[np.float32]:
    """Frame distance averaged over the atrous window: the cost that alignment minimises.

    Parameters and errors are those of `matching_probability`.

    Returns
    -------
    shape (N, M) float32; see `atrous` for the ends of the clips and for missing frames.
    """
    return atrous(frame_costs(a, b, match=match), a.times, b.times)


def match_of(distance: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Match: 1 less the ratio of a frame distance to its maximum, `MISSING_COST`; in [0, 1].

    The measure that terminal, films, pages and files show. A clip matched with itself has 0.84 to
    0.90, since every pose has its variance; one movement of two people 0.4 to 0.7; two movements
    0.15 to 0.3. The matching probability asks for the same pose to a few centimetres, which two
    takes of one movement rarely are.

    Parameters
    ----------
    distance
        any shape: distances of frames, or their means; NaN stays NaN.
    """
    return (1 - distance / np.float32(MISSING_COST)).clip(0, 1)


def order_distance(
    costs: NDArray[np.float32], times_a: NDArray[np.float64], times_b: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return a frame distance that separates the phases of a movement, for ranking single frames.

    The mean over atrous windows of four widths. At the ends of a clip a window slides inwards, so
    that every mean is over all its taps: a mean over the few that are left there would be the
    least of its row or column by chance more often, and in a movement that ends as it began the
    first frame would be nearest to the last. Nothing is repeated, and where a frame lies in its
    clip has no say. Half of its mean distance to the other clip's frames is taken off for each
    frame: some frames are near to all, and would be the neighbours of many.

    Parameters
    ----------
    costs
        shape (N, M) float32, from `frame_costs`; NaN where a frame is missing.
    times_a, times_b
        shapes (N,) and (M,), seconds, strictly increasing.

    Returns
    -------
    shape (N, M) float32, no NaN, may be negative; frames of one clip within a window of its ends
    share its value.
    """
    costs = np.ascontiguousarray(costs, np.float32)
    total, part = np.zeros_like(costs), np.empty_like(costs)
    for window_s in ORDER_WINDOWS_S:
        taps_a, taps_b = (_sliding_taps(times, window_s) for times in (times_a, times_b))
        _kernels.atrous_taps(costs, taps_a, taps_b, np.float32(MISSING_COST), part)
        total += part
    total /= np.float32(len(ORDER_WINDOWS_S))
    return total - (total.mean(axis=0) + total.mean(axis=1)[:, None]) / 2


def atrous(
    distance: NDArray[np.floating[Any]],
    times_a: NDArray[np.float64],
    times_b: NDArray[np.float64],
    *,
    window_s: float = WINDOW_S,
) -> NDArray[np.float32]:
    """Mean of the distance over 7 moments around both frames (paper, section 4.3).

    The taps are set by time, so that clips of any two frame rates can be compared. Only taps that
    lie inside both clips and whose distance is known are averaged.

    Parameters
    ----------
    distance
        shape (N, M) float32; NaN where one of the frames is missing.
    times_a, times_b
        shapes (N,) and (M,), seconds, strictly increasing.
    window_s
        half-width of the window, seconds: the moments are 0, 1/3, 2/3 and all of it away.

    Returns
    -------
    shape (N, M) float32, no NaN: `MISSING_COST` where no tap is known.
    """
    distance = np.ascontiguousarray(distance, np.float32)
    missing = np.float32(MISSING_COST)
    offsets_a, offsets_b = (constant_taps(times, window_s) for times in (times_a, times_b))
    if offsets_a is not None and offsets_b is not None:
        return _kernels.atrous_regular(distance, offsets_a, offsets_b, missing)
    out = np.empty(distance.shape, np.float32)
    _kernels.atrous_taps(distance, taps(times_a, window_s), taps(times_b, window_s), missing, out)
    return out


def constant_taps(
    times: NDArray[np.float64], window_s: float = WINDOW_S
) -> NDArray[np.int64] | None:
    """Offsets of the atrous window in frames, shape (7,) int64; None if the rate varies.

    The rate counts as constant while no frame is off by a quarter of the interval.
    """
    if len(times) < 2:
        return np.sign(_THIRDS).astype(np.int64)  # all but one are outside
    interval = (times[-1] - times[0]) / (len(times) - 1)
    even = times[0] + interval * np.arange(len(times))
    if np.abs(times - even).max() > 0.25 * interval:
        return None
    frames = np.floor(np.abs(_THIRDS) * window_s / interval + 0.5 + 1e-6)
    return (np.sign(_THIRDS) * frames).astype(np.int64)


def _sliding_taps(times: NDArray[np.float64], window_s: float) -> NDArray[np.int64]:
    """Taps (T, 7) of windows that slide inwards at the ends of the clip, all inside it."""
    window_s = min(window_s, LARGEST_WINDOW * (times[-1] - times[0]))
    return taps(times, window_s, centres=times.clip(times[0] + window_s, times[-1] - window_s))


def taps(
    times: NDArray[np.float64],
    window_s: float = WINDOW_S,
    *,
    centres: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Frames nearest to the offsets of the atrous window around every frame.

    Parameters
    ----------
    times
        shape (T,), seconds, strictly increasing.
    window_s
        half-width of the window, seconds.
    centres
        shape (T,), seconds: middle of the window of each frame; None = the frame itself.

    Returns
    -------
    shape (T, 7) int64; -1 where the offset is more than half a frame outside the clip.
    """
    wanted = (times if centres is None else centres)[:, None] + _THIRDS * window_s
    right = np.searchsorted(times, wanted).clip(1, max(len(times) - 1, 1))
    left = right - 1
    right = right.clip(max=len(times) - 1)
    nearest = np.where(wanted - times[left] < times[right] - wanted, left, right)
    slack = 0.5 * np.median(np.diff(times)) + 1e-9 if len(times) > 1 else 1e-9
    outside = (wanted < times[0] - slack) | (wanted > times[-1] + slack)
    return np.where(outside, -1, nearest)


def check_same_model(a: Embeddings, b: Embeddings) -> None:
    """Refuse to compare the embeddings of two models.

    Raises
    ------
    FormatError
        if names, sigmoids or dimensions differ.
    """
    if a.model != b.model or a.mean.shape[1:] != b.mean.shape[1:] or a.sigmoid != b.sigmoid:
        raise FormatError(
            f"embeddings of two models cannot be compared: {a.model} ({a.mean.shape[1]} dimensions)"
            f" and {b.model} ({b.mean.shape[1]}); embed both clips with the same model"
        )


def known_frames(clip: Embeddings) -> NDArray[np.bool_]:
    """Shape (T,) bool: frames that have an embedding."""
    return np.isfinite(clip.mean).all(axis=1) & np.isfinite(clip.std).all(axis=1)


def filled(clip: Embeddings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and variance, shape (T, D) float32 in C order, with zeros in missing frames."""
    known = known_frames(clip)[:, None]
    mean = np.where(known, clip.mean, 0).astype(np.float32)
    return mean, np.where(known, np.square(clip.std), 0).astype(np.float32)


def _pairwise(
    a: Embeddings, b: Embeddings, *, match: EstimatorName, as_cost: bool
) -> NDArray[np.float32]:
    """Compute the matching probability or -log of it, NaN for missing frames."""
    if match not in get_args(EstimatorName):
        raise ValueError(f"match is {match!r}; use 'expected' or 'sampled'")
    check_same_model(a, b)
    out = _expected(a, b, as_cost) if match == "expected" else _sampled(a, b, as_cost)
    out[~known_frames(a), :] = np.nan
    out[:, ~known_frames(b)] = np.nan
    return out


def _expected(a: Embeddings, b: Embeddings, as_cost: bool) -> NDArray[np.float32]:
    (mean_a, var_a), (mean_b, var_b) = filled(a), filled(b)
    mean_t, var_t = np.ascontiguousarray(mean_b.T), np.ascontiguousarray(var_b.T)
    terms = kernel_sigmoid(a, softness=SOFTNESS if as_cost else 1.0)
    return _kernels.matching(mean_a, var_a, mean_t, var_t, *terms, as_cost)


def kernel_sigmoid(
    clip: Embeddings, *, softness: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Waves and decays that make up the softened sigmoid, see `sigmoid.exponentials`."""
    return exponentials(*(float(x / softness) for x in clip.sigmoid))


def _draws(clip: Embeddings, seed: int) -> NDArray[np.float32]:
    """K draws per frame, shape (T * K, D) float32, zeros for missing frames."""
    mean, var = filled(clip)
    noise = np.random.default_rng(seed).standard_normal((SAMPLES, *mean.shape), np.float32)
    return (mean + np.sqrt(var) * noise).transpose(1, 0, 2).reshape(-1, mean.shape[1])


def _squares(draws: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared length of each draw, shape (P,)."""
    return np.einsum("nd,nd->n", draws, draws)  # pyright: ignore[reportUnknownMemberType]


def _sampled(a: Embeddings, b: Embeddings, as_cost: bool) -> NDArray[np.float32]:
    """Equation 7 of the paper through matrix products, a few frames of a at a time."""
    draws_a, draws_b = _draws(a, 0), _draws(b, 1)
    squares_b = _squares(draws_b)
    softness = SOFTNESS if as_cost else 1.0
    slope, offset = (np.float32(x / softness) for x in a.sigmoid)
    out = np.empty((len(a), len(b)), np.float32)
    step = max(1, _CELLS // max(len(draws_b) * SAMPLES, 1))
    for start in range(0, len(a), step):
        part = draws_a[start * SAMPLES : (start + step) * SAMPLES]
        squared = _squares(part)[:, None] + squares_b - 2 * (part @ draws_b.T)
        radius = np.sqrt(np.maximum(squared, 0))
        p = 1 / (1 + np.exp(np.minimum(slope * radius - offset, np.float32(80))))
        out[start : start + step] = p.reshape(-1, SAMPLES, len(b), SAMPLES).mean((1, 3))
    out *= np.float32(RANGE)
    out += np.float32(FLOOR)
    return -np.log(out) if as_cost else out
