"""Whether two clips show the same action, and whether one of them is mirrored."""

import math

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.adaptation import Pair, adapted
from vipecli.alignment.align import align
from vipecli.alignment.dtw import EndsName, cheapest
from vipecli.alignment.multiscale import thinned
from vipecli.alignment.warping_path import Alignment
from vipecli.embedding.distance import EstimatorName, atrous, frame_costs
from vipecli.embedding.model import Embeddings

MIRROR_MARGIN = 0.25
"""A mirrored clip is chosen if its distance is smaller by this."""

DIFFERENT = 0.3
"""Below this probability the user is warned; rates of both errors: `docs/alignment.md`."""

# Logistic regression over the pairs of `benchmarks.same_action`, both classes weighing the same;
# the constant stands last.
_COEFFICIENTS = (-7.6, 6.57, 12.94, -5.6, 4.52)


def figures(a: Embeddings, b: Embeddings) -> NDArray[np.float64]:
    """Features of `same_action` for two clips, shape (4,).

    The mean distance along the path with closed ends; the mean distance of all pairs of frames; the
    mean matching probability along the path with open ends; and the first once more, of clips
    adapted to each other (`adaptation.adapted`), as the path minimises it. Of long clips, of an
    even choice of frames. Errors as `same_action`.
    """
    a, b = thinned(a, b)
    found = align(a, b)
    smooth, followed = atrous(frame_costs(a, b), a.times, b.times), adapted(Pair(a, b)).smooth()
    closed, moved = (
        table[tuple(cheapest(table, ends="closed").T)].mean(dtype=np.float64)
        for table in (smooth, followed)
    )
    probability = found.match_probability.mean(dtype=np.float64)
    return np.array([closed, smooth.mean(dtype=np.float64), probability, moved])


def same_action(a: Embeddings, b: Embeddings) -> float:
    """Probability that two clips show the same action, where either is as likely beforehand.

    A logistic function of their `figures`, fitted on people filmed by any two cameras: exercises,
    rehabilitation movements and everyday motion (``python -m benchmarks.same_action MOCAP``).

    Parameters
    ----------
    a, b
        N and M frames embedded by the same model.

    Returns
    -------
    In [0, 1]; below 0.5 the clips more likely show two actions.

    Raises
    ------
    FormatError
        if the two come from different models.
    ValueError
        if a clip has no frames.
    """
    *slopes, constant = _COEFFICIENTS
    return float(1 / (1 + math.exp(-(figures(a, b) @ slopes) - constant)))


def align_either_side(
    a: Embeddings,
    b: Embeddings,
    b_mirrored: Embeddings,
    *,
    ends: EndsName = "auto",
    match: EstimatorName = "expected",
) -> tuple[Alignment, bool]:
    """Alignment of a with b or with b mirrored, and whether it is the mirrored one.

    Mirrored wins only by `MIRROR_MARGIN`: symmetric movements fit both ways. It wins, too, where
    without it the clips look like two actions and with it like one: of a movement to both sides in
    turn a part may fit as well as the whole does mirrored.

    Raises
    ------
    FormatError
        if the clips come from different models.
    ValueError
        as `align`.
    """
    plain, other = (align(a, clip, ends=ends, match=match) for clip in (b, b_mirrored))
    wins = other.cost < plain.cost - MIRROR_MARGIN or (
        same_action(a, b) < DIFFERENT and same_action(a, b_mirrored) > 1 - DIFFERENT
    )
    return (other, True) if wins else (plain, False)


def warm_up() -> None:
    """Match two clips of two frames, so that all that matching needs is imported and loaded.

    For a thread beside the detector, which leaves the time for it.
    """
    mean = np.zeros((2, 16), np.float32)
    clip = Embeddings(mean, mean + 1, np.arange(2) / 30, "rehearsal:0", (1.0, 9.0))
    same_action(clip, clip)
