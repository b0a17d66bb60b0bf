"""Calibration of scores to probabilities, fitted by leaving clips of an index out."""

import json
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import Embeddings
from vipecli.files import read_regular
from vipecli.index.classify import Calibration, vote_shares
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch

NONE_SHARE = 0.1
"""Share of clips that are taken to show none of the labels."""

SAMPLE = 200
"""Clips that are left out in an index too large for all distances."""

CANDIDATES = 50
"""Clips whose distance to a left-out one is computed there, of all and again of other labels."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
LeftOut = tuple[IntArray, FloatArray]
"""The k nearest clips of one that is left out, and their scores; fewer where there are fewer."""

Near = tuple[IntArray, IntArray, NDArray[np.float32]]
"""Number of a left-out clip, place of one that is near, and their distance, by both; shape (X,)."""

_BLOCK = 1 << 15  # pooled vectors that are compared with the sample at a time
_TOGETHER = 10  # left-out clips whose candidates are read together
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
    seen: list[tuple[NDArray[np.bool_], FloatArray]] = []
    unseen: list[FloatArray] = []
    for i, row in enumerate(distances):
        scores = hubs.scores(row.astype(np.float64), member=True)
        same = labels == labels[i]
        others = np.arange(len(labels)) != i
        if (same & others).any():
            near, nearest = _lowest(np.flatnonzero(others), scores[others], k)
            seen.append((same[near], nearest))
        if not same.all():
            unseen.append(_lowest(np.flatnonzero(~same), scores[~same], k)[1])
    return fit(seen, unseen, k, Calibration.default(hubs))


def calibrate_by_sample(
    read: Callable[[IntArray], Iterable[Embeddings]],
    vectors: NDArray[Any],
    codes: IntArray,
    there: NDArray[np.bool_],
    k: int,
) -> Calibration:
    """Temperature and threshold as by `calibrate`, for an index too large for all distances.

    `SAMPLE` clips are left out. Their distances are computed to the `CANDIDATES` clips nearest by
    pooled vectors, among all clips and among those of other labels. No hubness correction.

    Parameters
    ----------
    read
        returns the clips of some places.
    vectors
        shape (C, P), pooled vectors, see `shortlist.pooled`.
    codes
        shape (C,): a number for the label of each clip, from 0 on, see `coded`.
    there
        shape (C,) bool: clips that count.
    k
        neighbours that vote.
    """
    places = np.flatnonzero(there)
    sample = np.random.default_rng(0).choice(places, min(SAMPLE, len(places)), replace=False)
    clips_of = np.bincount(codes[places], minlength=1)
    seen: list[tuple[NDArray[np.bool_], FloatArray]] = []
    unseen: list[FloatArray] = []
    of_all, of_others = _near_by_vectors(vectors, codes, there, sample)
    for start in range(0, len(sample), _TOGETHER):
        group = slice(start, start + _TOGETHER)
        wanted = np.unique(np.concatenate([sample[group], *of_all[group], *of_others[group]]))
        clips = dict(zip(wanted.tolist(), read(wanted), strict=True))
        for i, near, strange in zip(
            sample[group].tolist(), of_all[group], of_others[group], strict=True
        ):
            some = np.union1d(near, strange)
            if not len(some):
                continue
            packed = NeighbourSearch([("", "", clips[one]) for one in some.tolist()])
            distances = packed.distances(clips[i])
            if clips_of[codes[i]] > 1:
                voters, scores = _lowest(near, distances[np.searchsorted(some, near)], k)
                seen.append((codes[voters] == codes[i], scores))
            if len(strange):
                unseen.append(_lowest(strange, distances[np.searchsorted(some, strange)], k)[1])
    return fit(seen, unseen, k, Calibration.default(None))


def coded(labels: Iterable[str]) -> IntArray:
    """A number for every label; sorting a million texts would take seconds."""
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(label, len(codes)) for label in labels], np.int64)


def _near_by_vectors(
    vectors: NDArray[Any], codes: IntArray, there: NDArray[np.bool_], sample: IntArray
) -> tuple[list[IntArray], list[IntArray]]:
    """Places of the `CANDIDATES` nearest of each sampled clip: of all, and of other labels."""
    asked, mine = vectors[sample].astype(np.float32), codes[sample][:, None]
    none: Near = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    of_all, of_others = none, none
    for start in range(0, len(vectors), _BLOCK):
        block = slice(start, start + _BLOCK)
        rows = vectors[block].astype(np.float32)
        apart = asked @ (-2 * rows.T)
        apart += np.where(there[block], np.square(rows).sum(axis=1), np.float32(np.inf))
        here = np.flatnonzero((sample >= start) & (sample < start + len(rows)))
        apart[here, sample[here] - start] = np.inf
        of_all = _with_nearer(of_all, apart, start)
        apart[mine == codes[block]] = np.inf
        of_others = _with_nearer(of_others, apart, start)
    numbers = np.arange(len(sample) + 1)
    ends_of = (np.searchsorted(near[0], numbers) for near in (of_all, of_others))
    cut = zip((of_all, of_others), ends_of, strict=True)
    all_, others = ([near[1][a:b] for a, b in pairwise(ends.tolist())] for near, ends in cut)
    return all_, others


def _with_nearer(near: Near, table: NDArray[np.float32], start: int) -> Near:
    """The `CANDIDATES` nearest of each sampled clip, of those known and those of a block.

    `table` (S, B) are the distances of the block that begins at `start`; inf = does not count.
    """
    last = np.full(len(table), np.finfo(np.float32).max)
    firsts = np.searchsorted(near[0], np.arange(len(table) + 1))
    full = np.flatnonzero(np.diff(firsts) == CANDIDATES)
    last[full] = near[2][firsts[full + 1] - 1]
    if len(full) < len(table) and table.shape[1] > CANDIDATES:
        last = np.minimum(last, np.partition(table, CANDIDATES - 1, axis=1)[:, CANDIDATES - 1])
    which, new = np.divmod(np.flatnonzero(table <= last[:, None]), table.shape[1])
    sampled, places = np.append(near[0], which), np.append(near[1], new + start)
    apart = np.append(near[2], table[which, new])
    order = np.lexsort([apart, sampled])
    sampled, places, apart = sampled[order], places[order], apart[order]
    kept = np.arange(len(order)) - np.searchsorted(sampled, sampled) < CANDIDATES
    return sampled[kept], places[kept], apart[kept]


def _lowest(places: IntArray, scores: FloatArray, k: int) -> LeftOut:
    order = np.argsort(scores, kind="stable")[:k]
    return places[order], scores[order]


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
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

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
