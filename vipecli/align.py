"""Match the frames of two clips in time, and the time map and speeds that follow from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import PchipInterpolator, make_smoothing_spline

from vipecli import _kernels
from vipecli.distance import FLOOR, MISSING_COST, atrous, frame_costs, matching_probability
from vipecli.embed import Embeddings
from vipecli.metrics import np_mpjpe

SMOOTH_S = 0.45
"""How far `warp` smooths, seconds, unless told otherwise: about the length of what it evens out.

The time constant of a smoothing spline. On planted warps (`benchmarks.planted`) and warped example
clips 0.38, 0.45 and 0.53 s give the same errors; against straight lines fitted to windows of that
half-width the median falls from 1.5 to 1.4 frames on the clips, from 1.1 to 1.0 on motion capture.
A price on steps in one clip only does not help: at every price the errors grow.
"""

_STIFFNESS = 0.4  # fourth root of the spline's lambda in seconds, as a part of the time constant
_LEAST_KNOTS = 5  # of a smoothing spline
_PIN = 1000  # weight of the first and last moment: the ends of the map are those of the path

WINDOW_S = 0.1
"""Half-width of the atrous window, seconds.

A third of the paper's: the path itself keeps the order of time, so that the window has only noise
to average, and a wide one blurs quick turns. The median error on the example clips falls from 1.5
frames to 1.2, on planted warps from 1.2 to 1.0.
"""

DIAGONAL = 1.5
"""Weight of the distance where the path moves on in both clips at once.

At 1, as in the paper, a step in both clips is the cheapest way through anything, and the path
cuts corners; at 2 every frame weighs the same on every path, and nothing keeps it straight where
all is alike. On planted warps (`benchmarks.planted`: motion capture, two cameras, noisy joints)
heavier is better up to 1.75, but from 1.65 on a golf swing seen from its two sides
(`examples/clips`) goes astray by a second: its backswing looks like its follow-through.
"""

GUIDED_DIAGONAL = 1.65
"""The same where joints in space guide the path, see `WORLD`: they tell the two sides apart.

Errors on the warped and cut example clips: 1.5 frames and 6.6 (90th percentile) at 1.4, 1.3 and 5.7
at 1.65, the same at 1.75; at 1.9 the golf swing went astray with earlier weights.
"""

WORLD = 4.0
"""Weight of the NP-MPJPE of the detector's joints in space beside the frame distance.

BlazePose guesses depth from the picture, of which the 13 joints know nothing, and errs otherwise
than the embedding: on warped and cut example clips (`vipe evaluate alignment examples/clips`) the
error is 1.5 frames (90th percentile 6.0), with the embedding alone 2.1 (7.3), with BlazePose's
joints alone 2.0 (6.1). On 12 other clips it brings nothing: 1.8 (5.8) with and without. Of the
weights 2, 4 and 6 the first did worse on the example clips, the last no better.
"""

ENDS = "auto", "closed", "open"
"""What may be left out at the ends of the clips, see `align`."""

SKIP = {"auto": 0.5, "open": 0.35}
"""Price of a frame that is left out, between the distance of matched and of unrelated frames.

On planted warps (weights of 22,000 steps) 0.5 costs next to nothing where nothing is missing:
median and 90th percentile of the error 1.1 and 4.7 frames, 1.1 and 4.6 with closed ends. With up to
30 % cut off each end of both clips they are 1.2 and 4.7 against 1.4 and 7.5, with up to 40 % off
each end of the first clip 1.4 and 7.5 against 2.0 and 36, and the ends are found within 2.5 frames
in the median. 0.35 does a little better where much is missing, and loses parts of whole clips more
often: on warped rendered clips the 90th percentile is 14 frames, 8.6 with 0.5, 5.4 with closed
ends.
"""

LEAST_OVERLAP = 1 / 3
"""Share of the shorter clip that is matched at least."""

LARGEST_TABLE = 9_000_000
"""Pairs of frames up to which all are looked at (two clips of 100 s at 30 frames/s); beyond, the
path is sought from coarse to fine, see `vipecli.long`."""

_STEPS = 64  # of a path whose matching probabilities are computed at a time

SPEED_STEP_S = 0.1
"""Grid on which `speed` looks for changes, seconds."""

MERGE_LOG2 = 0.2
"""Speeds that differ by less than this many octaves (about 15 %) are one segment."""

SHORTEST_S = 0.4
"""Shortest segment of `speed`, seconds."""


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
        shape (L,) float64, presentation times of the frames on the path, seconds.
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


@dataclass(frozen=True)
class Segment:
    """A stretch of a in which b runs at one speed.

    Attributes
    ----------
    start_s, end_s
        in the time of a.
    ratio
        speed of b relative to a: 0.5 where b takes twice as long for the same movement.
    """

    start_s: float
    end_s: float
    ratio: float


def align(
    a: Embeddings,
    b: Embeddings,
    *,
    ends: str = "auto",
    band: float | None = None,
    match: str = "expected",
) -> Alignment:
    """Match the frames of two clips in time.

    Dynamic time warping over the atrous frame distance (paper, section 4.3): steps (1, 0), (0, 1)
    and (1, 1), the last weighted by `DIAGONAL` or
    `GUIDED_DIAGONAL`, least sum, equal predecessors resolved diagonal
    first. Where both clips have the detector's joints in space, their distance guides the path,
    too; see `WORLD`.

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
        from vipecli.long import align_long  # it builds on this module

        return align_long(a, b, ends=ends, band=band, match=match)
    costs = frame_costs(a, b, match=match)
    found = align_costs(
        costs, a.times, b.times, guide=guide(a, b), ends=ends, band=band, model=a.model
    )
    return replace(found, match_probability=probability_along(a, b, found.path, match=match))


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
    guide: np.ndarray | None = None,
    ends: str = "auto",
    band: float | None = None,
    model: str = "",
) -> Alignment:
    """Match the frames of two clips by any frame distance; see `align`.

    Parameters
    ----------
    costs
        shape (N, M) float32, -log of the probability that two frames match; NaN where a frame
        shows nobody.
    times_a, times_b
        shapes (N,) and (M,), seconds, strictly increasing.
    guide
        shape (N, M) float32, not negative, no NaN: added to `costs` to find the path, but no part
        of the distances that are returned.
    ends, band
        as in `align`.
    model
        what the distance comes from.

    Raises
    ------
    ValueError
        as `align`.
    """
    if not costs.size:
        raise ValueError("a clip without frames cannot be aligned")
    check_options(ends, band)
    smooth = atrous(costs, times_a, times_b, window_s=WINDOW_S)
    guided = smooth
    if guide is not None:
        guided = led(smooth, costs, guide, times_a, times_b)
    diagonal = DIAGONAL if guide is None else GUIDED_DIAGONAL
    path = _find_path(guided, 1.0 if band is None else band, SKIP.get(ends), diagonal)
    i, j = path.T
    p = np.exp(-costs[i, j])
    return Alignment(
        path=path,
        cost=float(smooth[i, j].mean(dtype=np.float64)),
        times_a=times_a[i],
        times_b=times_b[j],
        distance=smooth[i, j],
        match_probability=np.where(np.isnan(p), np.float32(FLOOR), p),
        model=model,
        unmatched=(*left_out("a", times_a, i), *left_out("b", times_b, j)),
    )


def check_options(ends: str, band: float | None) -> None:
    """Refuse with a ValueError what `align` does not know."""
    if band is not None and not 0 < band <= 1:
        raise ValueError(f"band is {band}; it is a fraction of the clip, above 0 and at most 1")
    if ends not in ENDS:
        raise ValueError(f"ends is {ends!r}; use 'auto', 'closed' or 'open'")


def guide(a: Embeddings, b: Embeddings) -> np.ndarray | None:
    """`WORLD` times the NP-MPJPE of the detector's joints in space; None without them."""
    if a.world is None or b.world is None:
        return None
    gap = np_mpjpe(a.world, b.world)
    unknown = np.isnan(gap)
    if unknown.all():
        return None
    return np.float32(WORLD) * np.where(unknown, gap[~unknown].mean(), gap)


def led(
    smooth: np.ndarray,
    costs: np.ndarray,
    lead: np.ndarray,
    times_a: np.ndarray,
    times_b: np.ndarray,
) -> np.ndarray:
    """Distance `smooth` with the atrous mean of what `guide` gives added.

    Where nobody is seen both are `MISSING_COST`, the largest there is: see there.
    """
    lead = np.where(np.isnan(costs), np.float32(np.nan), lead)
    return smooth + atrous(lead, times_a, times_b, window_s=WINDOW_S)


def skip_price(smooth: np.ndarray, share: float) -> float:
    """Distance at a share of the way from matched to unrelated frames; see `align`."""
    matched = min(smooth.min(axis=1).mean(), smooth.min(axis=0).mean())
    return float(matched + share * (smooth.mean(dtype=np.float64) - matched))


def _find_path(smooth: np.ndarray, band: float, share: float | None, diagonal: float) -> np.ndarray:
    """Cheapest path, closed where `share` is None."""
    limits = _kernels.band_limits(*smooth.shape, band)
    return with_least_overlap(
        lambda price: _kernels.dtw_path(smooth, *limits, price, price, diagonal)[0],
        lambda path: smooth[tuple(path.T)],
        smooth.shape,
        math.inf if share is None else skip_price(smooth, share),
    )


def with_least_overlap(
    search: Callable[[float], np.ndarray],
    cost: Callable[[np.ndarray], np.ndarray],
    frames: tuple[int, int],
    price: float,
) -> np.ndarray:
    """Path that `search` finds, at a price raised until `LEAST_OVERLAP` is matched.

    `cost` gives the distance at each step of a path (L, 2); an infinite price closes the ends.
    """
    shorter = int(np.argmin(frames))
    least = LEAST_OVERLAP * frames[shorter]
    while True:
        path = search(price)
        if math.isinf(price):
            return path
        path = _trimmed(path, cost)
        if path[-1, shorter] - path[0, shorter] + 1 >= least:
            return path
        price = 1.5 * price if price < 2 * MISSING_COST else math.inf


def _trimmed(path: np.ndarray, cost: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Path without the frames that pile up on the first and last frame of the other clip.

    At an end that is missing the neighbours of the true end are still nearer than the price. Of
    the steps that stay on one frame only the nearest and those within are kept: on planted warps
    the ends are then off by 2.6 frames in the median, not 4.3.
    """
    first, last = (int(cost(walk[: _run(walk)]).argmin()) for walk in (path, path[::-1]))
    return path[first : max(len(path) - last, first + 1)]


def _run(walk: np.ndarray) -> int:
    """Steps from the start of a path during which one of the clips stands still."""
    return max(int((walk[:, clip] == walk[0, clip]).argmin()) or len(walk) for clip in (0, 1))


def left_out(clip: str, times: np.ndarray, frames: np.ndarray) -> list[Span]:
    """Stretches of a clip before and behind the frames of the path."""
    first, last = times[frames[0]], times[frames[-1]]
    spans = [Span(clip, float(times[0]), float(first)), Span(clip, float(last), float(times[-1]))]
    return [span for span in spans if span.end_s > span.start_s]


def warp(alignment: Alignment, times: np.ndarray, *, onto: str = "a") -> np.ndarray:
    """Map times of one clip to the moments that belong to them in the other.

    A warping path is a staircase: played back as it is, the warped clip would stop and jump. So
    a cubic smoothing spline goes through the mean time per frame, weighted by the matching
    probability: where a pose is ambiguous or hidden, the map passes smoothly. It is made
    non-decreasing and joined by a monotone cubic. Its ends are the ends of the path.

    Parameters
    ----------
    alignment
        of the clips a and b.
    times
        shape (T,), seconds in the clip `onto`; outside of the clip the map stays at its end.
    onto
        ``"a"``: from times of a to times in b; ``"b"``: from times of b to times in a.

    Returns
    -------
    shape (T,) float64, seconds in the other clip; non-decreasing where `times` is.

    Raises
    ------
    ValueError
        if `onto` is neither.
    """
    if onto not in ("a", "b"):
        raise ValueError(f"onto is {onto!r}; use 'a' or 'b'")
    knots, values = _knots(alignment, onto)
    times = np.asarray(times, np.float64)
    if len(knots) == 1:
        return np.full(times.shape, values[0])
    there = PchipInterpolator(knots, values)(times.clip(knots[0], knots[-1]))
    return there.clip(values[0], values[-1])  # the cubic may miss its ends by a rounding


def speed(alignment: Alignment) -> list[Segment]:
    """Stretches of a in which b runs faster or slower.

    The time map is cut into stretches of constant speed, from the bottom up: the two neighbours
    that are most alike are joined until all neighbours differ by 15 % and last 0.4 s.

    Returns
    -------
    Segments in order, without gaps, from the first to the last moment of a; none for a clip of
    one frame.
    """
    start, end = alignment.times_a[0], alignment.times_a[-1]
    if end <= start:
        return []
    steps = max(1, round((end - start) / SPEED_STEP_S))
    edges = np.linspace(start, end, steps + 1)
    there = warp(alignment, edges)
    cuts = _merge(edges, there)
    edges, ratios = edges[cuts], _ratios(edges[cuts], there[cuts])
    return [
        Segment(float(edges[k]), float(edges[k + 1]), float(ratio))
        for k, ratio in enumerate(ratios)
    ]


def _ratios(edges: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Speed of b relative to a from each moment to the next, within 1/16 to 16."""
    return (np.diff(edges) / np.maximum(np.diff(there), 1e-9)).clip(1 / 16, 16)


def _merge(edges: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Grid points at which the speed changes, the two ends included."""
    cuts = np.arange(len(edges))
    while len(cuts) > 2:
        octaves = np.log2(_ratios(edges[cuts], there[cuts]))
        lasts = np.diff(edges[cuts])
        shorter = np.minimum(lasts[1:], lasts[:-1])
        gap = np.abs(np.diff(octaves))
        done = (gap >= MERGE_LOG2) & (shorter >= SHORTEST_S - 1e-9)
        if done.all():
            break
        # what joining costs: the variance that two speeds in one segment leave
        loss = gap**2 * lasts[1:] * lasts[:-1] / (lasts[1:] + lasts[:-1])
        cuts = np.delete(cuts, int(np.where(done, np.inf, loss).argmin()) + 1)
    return cuts


def _knots(alignment: Alignment, onto: str) -> tuple[np.ndarray, np.ndarray]:
    """One smoothed, non-decreasing target time per distinct source time."""
    source, target = alignment.times_a, alignment.times_b
    if onto == "b":
        source, target = target, source
    knots, owner, count = np.unique(source, return_inverse=True, return_counts=True)
    values = np.bincount(owner, target) / count
    if len(knots) >= _LEAST_KNOTS and alignment.smooth_s > 0:
        weights = np.bincount(owner, alignment.match_probability) / count * np.gradient(knots)
        weights[[0, -1]] *= _PIN
        stiffness = (_STIFFNESS * alignment.smooth_s) ** 4
        spline = make_smoothing_spline(knots, values, weights / weights.mean(), lam=stiffness)
        values = spline(knots)
        values[[0, -1]] = target[0], target[-1]
    return knots, np.maximum.accumulate(values.clip(target[0], target[-1]))
