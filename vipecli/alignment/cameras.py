"""Several recordings of one event on one clock: least squares over the shifts of all pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.offset import Offset

OUTLIER_S = 0.1
"""A pair that differs by more than this from what all others say is left out, seconds."""

_ROUNDS = 30  # of reweighting, towards the least sum of absolute differences
_LEAST_S = 0.005  # difference below which a pair counts as exact
_MOST = 20.0  # confidence above which a pair weighs no more

Pairs = Mapping[tuple[int, int], Offset]
"""Shift of camera j against camera i, i < j, of the pairs of which it is known."""


@dataclass(frozen=True)
class Clocks:
    """Clocks of all cameras against that of the reference.

    Attributes
    ----------
    shift_s, rate
        shape (C,): time in a camera = shift_s + rate * time in the reference; NaN where no pair
        connects the two.
    pairs
        those that were kept.
    outliers
        those that were left out, and by how many seconds they differ from the others.
    contradicted
        shape (C,): whether a clock hangs on one pair that another one, left out, contradicts, or
        as many pairs of the camera are left out as are kept.
    """

    shift_s: NDArray[np.float64]
    rate: NDArray[np.float64]
    pairs: Pairs
    outliers: tuple[tuple[int, int, float], ...]
    contradicted: NDArray[np.bool_]


def settle(pairs: Pairs, count: int, reference: int) -> Clocks:
    """Clocks of `count` cameras that fit the shifts of all pairs best.

    First the pairs are weighed for the least sum of absolute differences, each by its confidence;
    the one that is farthest off, by more than `OUTLIER_S`, is left out, of equals the least
    confident one, and again. The rest goes into least squares. A pair that alone connects two
    groups of cameras fits exactly, so that no camera is lost.
    """
    kept = dict(pairs)
    rate, shift = _fit(kept, count, reference)
    while off := _outliers(kept, shift, rate):
        worst = max(off, key=lambda pair: (round(abs(off[pair]), 3), -pairs[pair].confidence))
        del kept[worst]
        rate, shift = _fit(kept, count, reference)
    shift = _shifts(kept, rate, reference)
    out = {pair: one for pair, one in pairs.items() if pair not in kept}
    off = {pair: _residual(pair, one, shift, rate) for pair, one in out.items()}
    outliers = tuple((i, j, d) for (i, j), d in off.items())
    doubtful = _contradicted(list(kept), list(out), count, reference)
    return Clocks(shift, rate, kept, outliers, doubtful)


def _fit(pairs: Pairs, count: int, reference: int) -> tuple[NDArray[np.float64], ...]:
    """Rates (C,), and shifts (C,) of the least sum of absolute differences."""
    rate = _rates(pairs, count, reference)
    return rate, _shifts(pairs, rate, reference, robust=True)


def _outliers(
    pairs: Pairs, shift: NDArray[np.float64], rate: NDArray[np.float64]
) -> dict[tuple[int, int], float]:
    """Pairs that are too far off the clocks, and by how many seconds."""
    off = {pair: _residual(pair, one, shift, rate) for pair, one in pairs.items()}
    return {pair: d for pair, d in off.items() if abs(d) > OUTLIER_S}


def _contradicted(
    kept: Sequence[tuple[int, int]], out: Sequence[tuple[int, int]], count: int, reference: int
) -> NDArray[np.bool_]:
    """Cameras (C,) that only one pair connects with the reference, against one that was left out.

    Either may be the wrong one: where others side with neither, it is one word against another.
    So are those of which at least as many pairs were left out as were kept.
    """
    used, unused = (
        np.bincount(np.array(pairs, int).ravel(), minlength=count) for pairs in (kept, out)
    )
    found = (unused > 0) & (unused >= used)
    found[reference] = False
    joined = _connected(kept, count, reference)
    for pair in kept:
        cut = joined & ~_connected([one for one in kept if one != pair], count, reference)
        if any(cut[i] != cut[j] for i, j in out):
            found |= cut
    return found


def _rates(pairs: Pairs, count: int, reference: int) -> NDArray[np.float64]:
    """Rates (C,) whose ratios fit those of the pairs; 1 where nothing is known."""
    if all(one.rate == 1 for one in pairs.values()):
        return np.ones(count)
    rows = [(i, j, float(np.log(one.rate)), _weight(one)) for (i, j), one in pairs.items()]
    logs = _solved(rows, np.ones(count), reference)
    return np.exp(np.nan_to_num(logs))


def _shifts(
    pairs: Pairs, rate: NDArray[np.float64], reference: int, *, robust: bool = False
) -> NDArray[np.float64]:
    """Shifts (C,) of the cameras; NaN for those that no pair connects with the reference."""
    rows = [(i, j, one.shift_s, _weight(one)) for (i, j), one in pairs.items()]
    shift = _solved(rows, rate, reference)
    for _ in range(_ROUNDS if robust else 0):
        off = [abs(_residual((i, j), pairs[i, j], shift, rate)) for i, j, *_ in rows]
        again = [
            (i, j, s, w / max(float(np.nan_to_num(d)), _LEAST_S))
            for (i, j, s, w), d in zip(rows, off, strict=True)
        ]
        shift = _solved(again, rate, reference)
    return shift


def _weight(one: Offset) -> float:
    return min(one.confidence, _MOST) ** 2 / _MOST**2


def _residual(
    pair: tuple[int, int], one: Offset, shift: NDArray[np.float64], rate: NDArray[np.float64]
) -> float:
    """By how many seconds a pair differs from the clocks."""
    i, j = pair
    return float(one.shift_s - (shift[j] - rate[j] / rate[i] * shift[i]))


def _solved(
    rows: Sequence[tuple[int, int, float, float]], rate: NDArray[np.float64], reference: int
) -> NDArray[np.float64]:
    """Solve x[j] - rate[j] / rate[i] * x[i] = value by weighted least squares, x[reference] = 0."""
    count = len(rate)
    joined = _connected([(i, j) for i, j, *_ in rows], count, reference)
    table, right = np.zeros((len(rows) + 1, count)), np.zeros(len(rows) + 1)
    for k, (i, j, value, weight) in enumerate(rows):
        root = np.sqrt(weight)
        table[k, j], table[k, i], right[k] = root, -root * rate[j] / rate[i], root * value
    table[-1, reference] = 1.0
    solved = np.linalg.lstsq(table, right, rcond=None)[0]
    return np.where(joined, solved - solved[reference], np.nan)


def _connected(pairs: Sequence[tuple[int, int]], count: int, reference: int) -> NDArray[np.bool_]:
    """Cameras (C,) that a chain of pairs leads to."""
    joined = np.zeros(count, bool)
    joined[reference] = True
    for _ in range(count):
        for i, j in pairs:
            joined[[i, j]] = joined[i] or joined[j]
    return joined
