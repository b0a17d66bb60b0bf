"""Calibration of the matching probability, and rank correlation of variance and ambiguity."""

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from vipecli.embedding.distance import matching_probability
from vipecli.embedding.embed import Model
from vipecli.evaluate.metrics import MATCH_AT, expected_calibration_error, np_mpjpe, reliability
from vipecli.evaluate.retrieval import Settings, embedded, pictures, similarity_distance

NEAREST = 20
"""Pairs ``nearest``: each picture with those of this many most probable matches."""

RANDOM_PAIRS = 200_000
"""Pairs ``random``."""

ALIKE_WITHIN = 0.1
"""Pictures are similar up to this distance (`retrieval.similarity_distance`)."""

ALIKE_AT_LEAST = 3
"""Pictures with fewer similar ones are left out of the ambiguity."""

GROUPS = 10
"""Pictures are put into so many groups of equal size by their variance."""


def calibration(
    poses: np.ndarray,
    model: Model,
    settings: Settings | None = None,
    *,
    cameras: str = "all",
    bins: int = 10,
) -> dict[str, Any]:
    """Reliability of the matching probability over pictures from different cameras.

    What a probability means depends on the pairs that one asks about, so three ways to draw them
    are reported. ``nearest``: each picture with its 20 most probable matches from another camera,
    as retrieval meets them. ``random``: any two pictures, nearly all of them easy to distinguish.
    ``balanced``: all matching pairs and as many of the others, drawn at random, so that matches are
    far more frequent than in use. Probabilities count as they are reported, in (0.05, 0.95).

    Parameters
    ----------
    poses
        shape (P, 13, 3), without near-duplicates; each is seen once, by one of the cameras drawn
        at random, and once by another one.
    model
        a probabilistic embedding.
    settings
        noise, occluded joints and seed; None = the defaults.
    cameras
        name of a set of `views.CAMERAS`.
    bins
        parts of [0, 1] of the diagram.

    Returns
    -------
    `expected_calibration_error` of the nearest pairs, and `pairs`: per way of drawing the number
    of pairs, the share that matches, the error, and the rows of the diagram.
    """
    settings = settings or Settings()
    matches = np_mpjpe(poses, poses) <= MATCH_AT
    matches |= matches.T
    seen = pictures(poses, cameras, settings, noisy=True)
    a, b = (embedded(model, *picture) for picture in _two_views(seen, settings.seed))
    p, matches = _known(matching_probability(a, b).astype(np.float64), matches)
    rng = np.random.default_rng(settings.seed)
    drawn = {
        "nearest": _nearest(p),
        "random": rng.integers(0, np.array(p.shape)[:, None], (2, min(p.size, RANDOM_PAIRS))),
        "balanced": _balanced(matches, rng),
    }
    rows = {}
    for name, (i, j) in drawn.items():
        given, truth = p[i, j], matches[i, j]
        rows[name] = {
            "count": len(given),
            "matched": float(truth.mean()),
            "expected_calibration_error": expected_calibration_error(given, truth, bins=bins),
            "diagram": reliability(given, truth, bins=bins),
        }
    return {
        "expected_calibration_error": rows["nearest"]["expected_calibration_error"],
        "pairs": rows,
    }


def _two_views(
    seen: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints and scores of every pose from two different cameras, drawn at random."""
    joints, scores = (np.stack(part) for part in zip(*seen, strict=True))
    rng = np.random.default_rng(seed)
    chosen = rng.random(scores.shape[:2]).argsort(axis=0)[:2]
    rows = np.arange(scores.shape[1])
    return [(joints[c, rows], scores[c, rows]) for c in chosen]


def _known(p: np.ndarray, matches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Leave out pictures in which too few joints are known to embed them."""
    rows, columns = np.isfinite(p).any(axis=1), np.isfinite(p).any(axis=0)
    kept = np.ix_(rows, columns)
    return p[kept], matches[kept]


def _balanced(matches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    same, other = np.argwhere(matches), np.argwhere(~matches)
    count = min(len(same), len(other))
    same = same[rng.permutation(len(same))[:count]]
    other = other[rng.permutation(len(other))[:count]]
    return np.concatenate([same, other]).T


def _nearest(p: np.ndarray) -> np.ndarray:
    count = min(NEAREST, p.shape[1])
    best = np.argpartition(-p, count - 1, axis=1)[:, :count]
    return np.stack([np.repeat(np.arange(len(p)), count), best.ravel()])


def ambiguity(
    poses: np.ndarray, model: Model, settings: Settings | None = None, *, cameras: str = "all"
) -> dict[str, Any]:
    """Whether pictures that could show many bodies get a large variance (paper, figure 5).

    The ambiguity of a picture is the mean NP-MPJPE between its body and the bodies in all pictures,
    from any camera, whose joints look alike after 2D Procrustes. Joints are exact.

    Parameters
    ----------
    poses, model, settings, cameras
        as in `calibration`.

    Returns
    -------
    `spearman`, the rank correlation of the ambiguity with the mean variance over the dimensions,
    None for an embedding of constant variance; `pictures`, how many have at least
    `ALIKE_AT_LEAST` others that look alike; and `groups` of these, from the least to the largest
    variance: mean `variance`, `ambiguity`, and `hit_at_1`, the share whose most probable match in
    another camera is right.
    """
    settings = settings or Settings()
    seen = pictures(poses, cameras, settings, noisy=False)
    first, second = _two_views(seen, settings.seed)
    between = np_mpjpe(poses, poses)
    alike = np.zeros(between.shape, np.int64)
    for picture in seen:
        alike += similarity_distance(first, picture) <= ALIKE_WITHIN
    np.fill_diagonal(alike, 0)
    count = alike.sum(axis=1)
    unclear = (alike * between).sum(axis=1) / np.maximum(count, 1)
    a, b = (embedded(model, *picture) for picture in (first, second))
    variance = np.square(a.std).mean(axis=1)
    best = np.nan_to_num(matching_probability(a, b)).argmax(axis=1)
    hit = between[np.arange(len(poses)), best] <= MATCH_AT
    kept = np.isfinite(variance) & (count >= ALIKE_AT_LEAST)
    return _groups(variance[kept], unclear[kept], hit[kept])


def _groups(variance: np.ndarray, unclear: np.ndarray, hit: np.ndarray) -> dict[str, Any]:
    varied = len(variance) > 1 and variance.max() > variance.min()
    order = np.argsort(variance, kind="stable")
    parts = [part for part in np.array_split(order, GROUPS) if len(part)]
    rows = [
        {
            "variance": float(variance[part].mean(dtype=np.float64)),
            "ambiguity": float(unclear[part].mean(dtype=np.float64)),
            "hit_at_1": float(hit[part].mean()),
        }
        for part in parts
    ]
    correlation = float(spearmanr(variance, unclear).statistic) if varied else None
    return {"spearman": correlation, "pictures": len(variance), "groups": rows}
