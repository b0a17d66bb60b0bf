"""Match the frames of two clips in time."""

import math
from dataclasses import dataclass, replace

import numpy as np

from vipecli.alignment.adaptation import ROUNDS, WINDOW_S, Pair
from vipecli.alignment.dtw import cheapest, likely, matched_and_unrelated
from vipecli.embedding.distance import (
    FLOOR,
    MISSING_COST,
    atrous,
    frame_costs,
    matching_probability,
)
from vipecli.embedding.embed import Embeddings

SMOOTH_S = 0.45
"""How far `timemap.warp` smooths, seconds, unless told otherwise: the time constant of a spline.

On planted warps 0.3, 0.45 and 0.6 s differ by 2 %.
"""

STARTS_S = (0.0, -0.03, 0.03)
"""Moments by which a is late and b early where `met` begins, seconds.

Of a real pair filmed by two cameras, 64 cuts of 0.7 to 1.7 s played at four speeds, the mean error
falls by a fifth (by a ninth to a fifth with other weights), on rendered clips, whole or cut, by a
hundredth; with 0.05 s by as much, and there not at all.
"""

ENDS = "auto", "closed", "open"
"""What may be left out at the ends of the clips, see `align`."""

LARGEST_TABLE = 9_000_000
"""Pairs of frames up to which all are looked at (two clips of 100 s at 30 frames/s); beyond, the
path is sought from coarse to fine, see `vipecli.alignment.multiscale`."""

_STEPS = 64  # of a path whose matching probabilities are computed at a time


@dataclass(frozen=True)
class Span:
    """A stretch of one clip, ``"a"`` or ``"b"``, from start to end in its seconds."""

    clip: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Alignment:
    """Which moments of two clips belong together, step by step along the warping path.

    Attributes
    ----------
    path
        shape (L, 2) int32, frame indices of a and b, both columns non-decreasing.
    cost
        mean of `distance`: the distance of the two clips, in [0.05, 3.0].
    times_a, times_b
        shape (L,) float64, moments that belong together, seconds: those of the frames on the path,
        or within half a frame of them.
    distance
        shape (L,) float32, atrous frame distance of each step.
    match_probability
        shape (L,) float32, matching probability of the two frames of each step; 0.05, the least
        there is, where one of them shows nobody.
    model
        weights that made the embeddings.
    unmatched
        what lies before and behind the path: stretches that the other clip does not show.
    smooth_s
        how far the time map is smoothed, see `warp`, seconds.
    """

    path: np.ndarray
    cost: float
    times_a: np.ndarray
    times_b: np.ndarray
    distance: np.ndarray
    match_probability: np.ndarray
    model: str
    unmatched: tuple[Span, ...] = ()
    smooth_s: float = SMOOTH_S

    @property
    def similarity(self) -> np.ndarray:
        """Shape (L,) in [0, 1]: 1 less the share that `distance` has of the largest there is.

        For people to look at: the matching probability asks for the same pose to a few
        centimetres, which two takes of one movement rarely are.
        """
        return (1 - self.distance / np.float32(MISSING_COST)).clip(0, 1)

    def __len__(self) -> int:
        """Return the length of the path, L."""
        return len(self.path)


def align(
    a: Embeddings,
    b: Embeddings,
    *,
    ends: str = "auto",
    band: float | None = None,
    match: str = "expected",
) -> Alignment:
    """Match the frames of two clips in time.

    Dynamic time warping over the atrous frame distance (paper, section 4.3) finds the cheapest
    path, `paths.cheapest`. A few times the embeddings of the clips are moved towards each other
    where it matches them, and it is sought anew; the direction in which the poses change guides
    it, too: see `pairing`. The path returned is the mean of all likely ones near the last of
    these, `paths.likely`.

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
    if len(a) * len(b) > LARGEST_TABLE:
        from vipecli.alignment.multiscale import align_long  # it builds on this module

        return align_long(a, b, ends=ends, band=band, match=match)
    check_options(ends, band)
    costs = _not_empty(frame_costs(a, b, match=match))
    follow = met(Pair(a, b, match), ends=ends, band=band).smooth()
    found = align_costs(costs, a.times, b.times, follow=follow, ends=ends, band=band, model=a.model)
    return replace(found, match_probability=probability_along(a, b, found.path, match=match))


def met(pair: Pair, *, ends: str = "auto", band: float | None = None) -> Pair:
    """Move two clips towards each other `ROUNDS` times, each time where the path matches them.

    What the first path has wrong by a moment, moving the clips confirms. So it begins from that
    path, and from the same a moment apart (`STARTS_S`); taken is what brings the matched frames
    nearest.
    """
    first = cheapest(pair.smooth(), ends=ends, band=band)
    starts = (_apart(first, pair, by) for by in STARTS_S)
    tries = [_met(pair, start, ends, band) for start in starts if len(start)]
    return min(tries, key=lambda one: one[1])[0]


def _met(pair: Pair, path: np.ndarray, ends: str, band: float | None) -> tuple[Pair, float]:
    """Pair moved from a path on, and the mean distance of the frames matched in the end."""
    distance = math.inf
    for _ in range(ROUNDS):
        pair = pair.met(path)
        smooth = pair.smooth()
        path = cheapest(smooth, ends=ends, band=band)
        distance = float(smooth[tuple(path.T)].mean(dtype=np.float64))
    return pair, distance


def _apart(path: np.ndarray, pair: Pair, by: float) -> np.ndarray:
    """Path (L, 2) with a `by` seconds later and b earlier; without steps that leave a clip."""
    clips = zip(path.T, (pair.a.times, pair.b.times), (by, -by), strict=True)
    moments = [(times, times[frames] + shift) for frames, times, shift in clips]
    inside = np.all([(t >= times[0]) & (t <= times[-1]) for times, t in moments], axis=0)
    return np.stack([_nearest(times, t[inside]) for times, t in moments], axis=1)


def _nearest(times: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """Frames nearest to moments."""
    return np.searchsorted((times[1:] + times[:-1]) / 2, moments)


def probability_along(
    a: Embeddings, b: Embeddings, path: np.ndarray, *, match: str = "expected"
) -> np.ndarray:
    """Matching probability of each step of a path, shape (L,) float32; `FLOOR` without a person."""
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(path), _STEPS):
        i, j = path[start : start + _STEPS].T
        rows, columns = slice(i[0], i[-1] + 1), slice(j[0], j[-1] + 1)
        p = matching_probability(a.part(rows), b.part(columns), match=match)
        parts.append(p[i - i[0], j - j[0]])
    p = np.concatenate(parts)
    return np.where(np.isnan(p), np.float32(FLOOR), p)


def align_costs(
    costs: np.ndarray,
    times_a: np.ndarray,
    times_b: np.ndarray,
    *,
    follow: np.ndarray | None = None,
    ends: str = "auto",
    band: float | None = None,
    model: str = "",
) -> Alignment:
    """Match the frames of two clips by any frame distance.

    As it is, plain dynamic time warping: the cheapest path through its atrous mean. With `follow`
    the path is the mean of all likely ones through that, as in `align`.

    Parameters
    ----------
    costs
        shape (N, M) float32, -log of the probability that two frames match; NaN where a frame
        shows nobody.
    times_a, times_b
        shapes (N,) and (M,), seconds, strictly increasing.
    follow
        shape (N, M) float32, not negative, no NaN: what the path minimises instead of the atrous
        mean of `costs`, which is what is returned.
    ends, band
        as in `align`.
    model
        what the distance comes from.

    Raises
    ------
    ValueError
        as `align`.
    """
    check_options(ends, band)
    smooth = atrous(_not_empty(costs), times_a, times_b, window_s=WINDOW_S)
    if follow is None:
        places = cheapest(smooth, ends=ends, band=band)
    else:
        matched, unrelated = matched_and_unrelated(follow)
        places = likely(cheapest(follow, ends=ends, band=band), follow, unrelated - matched)
    path, there_a, there_b = on_frames(places, times_a, times_b)
    i, j = path.T
    p = np.exp(-costs[i, j])
    return Alignment(
        path=path,
        cost=float(smooth[i, j].mean(dtype=np.float64)),
        times_a=there_a,
        times_b=there_b,
        distance=smooth[i, j],
        match_probability=np.where(np.isnan(p), np.float32(FLOOR), p),
        model=model,
        unmatched=(*left_out("a", times_a, i), *left_out("b", times_b, j)),
    )


def _not_empty(costs: np.ndarray) -> np.ndarray:
    if not costs.size:
        raise ValueError("a clip without frames cannot be aligned")
    return costs


def check_options(ends: str, band: float | None) -> None:
    """Refuse with a ValueError what `align` does not know."""
    if band is not None and not 0 < band <= 1:
        raise ValueError(f"band is {band}; it is a fraction of the clip, above 0 and at most 1")
    if ends not in ENDS:
        raise ValueError(f"ends is {ends!r}; use 'auto', 'closed' or 'open'")


def on_frames(
    places: np.ndarray, times_a: np.ndarray, times_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nearest frames (L, 2) to places (P, 2) between frames, and the times of these places (L,).

    Of places that are nearest to the same frames the first.
    """
    path = np.ceil(places - 0.5 - 1e-6).astype(np.int32)  # a half, off by a rounding, goes down
    first = np.flatnonzero(np.diff(path, axis=0, prepend=-1).any(axis=1))
    moments = (
        np.interp(places[first, clip], np.arange(len(times)), times)
        for clip, times in enumerate((times_a, times_b))
    )
    return path[first], *moments


def left_out(clip: str, times: np.ndarray, frames: np.ndarray) -> list[Span]:
    """Stretches of a clip before and behind the frames of the path."""
    first, last = times[frames[0]], times[frames[-1]]
    spans = [Span(clip, float(times[0]), float(first)), Span(clip, float(last), float(times[-1]))]
    return [span for span in spans if span.end_s > span.start_s]
