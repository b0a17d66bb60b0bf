"""Calibration of scores to probabilities, fitted by leaving clips of an index out."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from vipecli.embedding.embed import Embeddings
from vipecli.files import read_regular
from vipecli.index.classify import Calibration, vote_shares
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.shortlist import StoredClips

NONE_SHARE = 0.1
"""Share of clips that are taken to show none of the labels."""

SAMPLE = 200
"""Clips that are left out in an index too large for all distances."""

CANDIDATES = 150
"""Clips whose distance to a left-out one is computed there, of all and again of other labels."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LeftOut = tuple[IntArray, FloatArray]
"""The k nearest clips of one that is left out, and their scores; fewer where there are fewer."""

_UNSURE = 0.01  # least probability that a true label counts with
_MOST_BYTES = 1 << 16  # of a stored calibration
_PRIOR = 1.0  # weight of the default calibration, in clips per parameter


def calibrate(
    distances: NDArray[Any], labels: NDArray[np.str_], hubs: Hubness, k: int
) -> Calibration:
    """Return the temperature and threshold that fit left-out clips of an index best.

    Every clip is left out once and should get its own label; and once together with all clips of
    its label, and should get none. The most likely parameters, with a prior around the default ones
    for small indices.

    Parameters
    ----------
    distances
        shape (C, C), of the clips to each other.
    labels
        shape (C,).
    hubs
        as in `classify`.
    k
        neighbours that vote.
    """

    def nearest(i: int, allowed: NDArray[np.bool_]) -> LeftOut:
        scores = hubs.scores(distances[i].astype(np.float64), member=True)
        return _lowest(np.flatnonzero(allowed), scores[allowed], k)

    there = np.ones(len(labels), bool)
    return _calibrate(range(len(labels)), nearest, labels, there, k, Calibration.default(hubs))


def calibrate_by_sample(
    clips: Sequence[Embeddings] | StoredClips,
    vectors: NDArray[Any],
    labels: NDArray[np.str_],
    there: NDArray[np.bool_],
    k: int,
) -> Calibration:
    """Temperature and threshold as by `calibrate`, for an index too large for all distances.

    `SAMPLE` clips are left out. Their distances are computed to the `CANDIDATES` clips nearest by
    pooled vectors, among all clips and among those of other labels. No hubness correction.

    Parameters
    ----------
    clips
        the C clips.
    vectors
        shape (C, P), pooled vectors, see `shortlist.pooled`.
    labels
        shape (C,).
    there
        shape (C,) bool: clips that count.
    k
        neighbours that vote.
    """
    places = np.flatnonzero(there)
    rng = np.random.default_rng(0)
    sample = rng.choice(places, min(SAMPLE, len(places)), replace=False)
    squares: NDArray[np.float32] = np.square(vectors, dtype=np.float32).sum(axis=1)

    def nearest(i: int, allowed: NDArray[np.bool_]) -> LeftOut:
        apart = np.where(allowed, squares - 2 * (vectors @ vectors[i].astype(np.float32)), np.inf)
        count = min(CANDIDATES, int(allowed.sum()))
        some = np.array(np.argpartition(apart, count - 1)[:count], np.int64)
        found = NeighbourSearch([("", "", clips[c]) for c in map(int, some)]).distances(clips[i])
        return _lowest(some, found, k)

    return _calibrate(sample.tolist(), nearest, labels, there, k, Calibration.default(None))


def _lowest(places: IntArray, scores: FloatArray, k: int) -> LeftOut:
    order = np.argsort(scores, kind="stable")[:k]
    return places[order], scores[order]


def _calibrate(
    sample: Iterable[int],
    nearest: Callable[[int, NDArray[np.bool_]], LeftOut],
    labels: NDArray[np.str_],
    there: NDArray[np.bool_],
    k: int,
    default: Calibration,
) -> Calibration:
    """Leave every clip of a sample out, alone and with its label, and fit."""
    seen: list[tuple[NDArray[np.bool_], FloatArray]] = []
    unseen: list[FloatArray] = []
    for i in sample:
        same = labels == labels[i]
        others = there.copy()
        others[i] = False
        if (same & others).any():
            near, scores = nearest(i, others)
            seen.append((labels[near] == labels[i], scores))
        if (there & ~same).any():
            unseen.append(nearest(i, there & ~same)[1])
    return fit(seen, unseen, k, default)


def fit(
    seen: Sequence[tuple[NDArray[np.bool_], FloatArray]],
    unseen: Sequence[FloatArray],
    k: int,
    default: Calibration,
) -> Calibration:
    """Return the most likely calibration.

    Parameters
    ----------
    seen
        for clips left out alone: which of their neighbours are right, and the scores of those.
    unseen
        for clips left out with all of their label: the scores of their neighbours.
    k
        neighbours that vote.
    default
        the centre of the prior.
    """

    def padded(rows: Sequence[NDArray[np.generic]], fill: float) -> FloatArray:
        out = np.full((len(rows), k), fill)
        for row, values in zip(out, rows, strict=True):
            row[: len(values)] = values
        return out

    right = padded([r for r, _ in seen], 0)
    scores, strange = padded([s for _, s in seen], 1e3), padded(unseen, 1e3)

    def loss(x: FloatArray) -> float:
        found = Calibration(math.exp(x[0]), float(x[1]))
        total = _PRIOR * ((x[0] - math.log(default.temperature)) ** 2)
        total += _PRIOR * ((x[1] - default.none_at) / 0.3) ** 2
        if len(seen):
            p = (vote_shares(scores, found)[0] * right).sum(axis=1)
            total -= (1 - NONE_SHARE) * np.log(_UNSURE + (1 - _UNSURE) * p).sum()
        if len(unseen):
            p = vote_shares(strange, found)[1]
            total -= NONE_SHARE * np.log(_UNSURE + (1 - _UNSURE) * p).sum()
        return float(total)

    start = [math.log(default.temperature), default.none_at]
    minimize: Callable[..., Any] = optimize.minimize  # pyright: ignore
    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-4}).x
    return Calibration(math.exp(best[0]), float(best[1]))


def read_calibration(path: Path, key: str) -> Calibration | None:
    """Return the calibration of a file, if it is that of a key; None otherwise."""
    try:
        data: dict[str, Any] = json.loads(read_regular(path, most=_MOST_BYTES))
        if data["key"] != key:
            return None
        found = Calibration(float(data["temperature"]), float(data["none_at"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # none, or not one of ours
    good = np.isfinite([found.temperature, found.none_at]).all() and found.temperature > 0
    return found if good else None
