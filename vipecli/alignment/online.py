"""On-line time warping: where in a reference somebody is who moves before the camera right now.

A Bayesian filter over places in the reference and speeds: the forward pass of dynamic time warping,
in probabilities. Dixon's OLTW (DAFx 2005) keeps one cheapest path, which it cannot leave; here some
of the probability always begins again, so that the follower jumps back when the person does, and
some stands still, so that it waits when they pause. Each frame costs O(N); of the past only the
window of the frame distance is kept, `LOOK_BACK_S`.
"""

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.distance import MISSING_COST, frame_costs, match_of
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError

LOOK_BACK_S = 0.1
"""Frames as far back have a say in where somebody is now, seconds."""

RATE = 30.0
"""Places per second of the reference."""

SPEEDS = np.array([0.0, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8])
"""Speeds of the person, relative to the reference, that are considered."""

LEAST_PLACES = 2

_USUAL = np.array([0.1, 0.1, 0.1, 0.15, 0.2, 0.15, 0.1, 0.1])  # speeds that people change to
_TAPS = 3  # moments of the look-back that are compared
_SHARPNESS = 24.0  # of the likelihood, per second and unit of distance
_CHANGE_S = 0.1  # mean time for which a speed is kept
_RESTARTS = 0.02, 1.0  # per second: people begin again from anywhere, and from the last part
_END = 0.85  # share of the reference at which that part begins
_START_S = 0.4  # people begin within so much of its start
_SPREAD = 0.15  # share of the probability that drifts to either neighbour of a place
_FIRST, _DONE = 0.35, 0.8  # a repetition counts from before the first share to behind the second,
_PASSED, _STEP = 0.3, 0.15  # if so much lies between in steps, none of them larger than the other
_NEAR_S = 0.2  # places around the likeliest one that are averaged
_JUMP_S = 0.5  # steps back of at least this much are a restart


@dataclass(frozen=True)
class Place:
    """Where somebody is in the reference.

    Attributes
    ----------
    time_s
        moment of the frame, seconds.
    reference_s
        the moment of the reference that belongs to it, seconds; where nobody is seen that of the
        frame before.
    distance
        frame distance to that moment; NaN where nobody is seen.
    surety
        probability of the places around `reference_s`, in [0, 1].
    repetitions
        how often the person has gone through the reference by now.
    restarted
        whether they have just begun again.
    """

    time_s: float
    reference_s: float
    distance: float
    surety: float
    repetitions: int
    restarted: bool

    @property
    def match(self) -> float:
        """How well the person matches that moment, in [0, 1], see `distance.match_of`."""
        return float(match_of(np.array(self.distance)))


class Follower:
    """Follows a person through a reference, frame by frame.

    Parameters
    ----------
    reference
        its embeddings, T frames; those in which nobody is seen match nothing.

    Raises
    ------
    NoPoseError
        if fewer than two frames of the reference show the person.

    Examples
    --------
    >>> follower = Follower(reference)  # doctest: +SKIP
    >>> follower.step(frame).reference_s  # doctest: +SKIP
    0.37
    """

    def __init__(self, reference: Embeddings) -> None:
        known = np.isfinite(reference.mean).all(axis=1)
        if known.sum() < 2:
            raise NoPoseError("fewer than two frames of the reference show the person")
        first, last = (float(time_s) for time_s in reference.times[[0, -1]])
        self._times = np.linspace(first, last, max(2, round((last - first) * RATE) + 1))
        nearest = np.abs(reference.times[:, None] - self._times).argmin(axis=0)
        self._even = replace(reference.part(nearest), times=self._times)
        self._start = np.exp(-0.5 * np.square((self._times - first) / _START_S))
        self._start /= self._start.sum() * len(SPEEDS)
        self._belief = np.tile(self._start, (len(SPEEDS), 1))
        share = np.linspace(0, 1, len(self._times))
        self._leaving = np.where(share < _END, *_RESTARTS)
        self._rows: deque[tuple[float, NDArray[np.float64]]] = deque()
        self._at = Place(-np.inf, first, np.nan, 0.0, 0, restarted=False)
        self._passed: float | None = None  # share gone through since the start; None = not begun

    def step(self, frame: Embeddings) -> Place:
        """Place of the next frame.

        Parameters
        ----------
        frame
            one frame, embedded by the model of the reference; later than the one before. Frames
            may be left out: time counts, not their number.
        """
        now = float(frame.times[0])
        passed_s = min(max(now - self._at.time_s, 1e-3), 1.0)
        self._belief = self._moved(passed_s if self._rows else 1 / RATE)
        if not np.isfinite(frame.mean).all():
            self._at = replace(self._at, time_s=now, distance=np.nan, restarted=False)
            return self._at
        cost = np.nan_to_num(frame_costs(frame, self._even)[0], nan=MISSING_COST)
        self._rows.append((now, cost.astype(np.float64)))
        while now - self._rows[0][0] > LOOK_BACK_S + 1e-6:
            self._rows.popleft()
        windowed = self._windowed(now)
        weight = _SHARPNESS * min(passed_s, LOOK_BACK_S)
        self._belief *= np.exp(-weight * (windowed - windowed.min()))
        self._belief /= self._belief.sum()
        self._at = self._found(now, cost)
        return self._at

    def _moved(self, passed_s: float) -> NDArray[np.float64]:
        """Probabilities (V, N) after a time: speeds change, people move on, some begin again."""
        kept = np.exp(-passed_s / _CHANGE_S)
        belief = kept * self._belief + (1 - kept) * np.outer(_USUAL, self._belief.sum(axis=0))
        belief = np.stack(
            [
                _shifted(row, speed * passed_s * RATE)
                for row, speed in zip(belief, SPEEDS, strict=True)
            ]
        )
        again = belief * (1 - np.exp(-passed_s * self._leaving))
        return belief - again + again.sum() * self._start

    def _windowed(self, now: float) -> NDArray[np.float64]:
        """Mean distance (V, N) over the look-back, for people who came at each speed."""
        times = np.array([time_s for time_s, _ in self._rows])
        total = np.zeros_like(self._belief)
        back = np.linspace(0, LOOK_BACK_S, _TAPS)
        back = back[back <= now - times[0] + 0.5 * LOOK_BACK_S / (_TAPS - 1)]
        for away in back:
            nearest = int(np.abs(times - (now - away)).argmin())
            time_s, cost = self._rows[nearest]
            for total_of, speed in zip(total, SPEEDS, strict=True):
                total_of += _came_from(cost, speed * (now - time_s) * RATE)
        return total / len(back)

    def _found(self, now: float, cost: NDArray[np.float32]) -> Place:
        """Place around which most of the probability lies, and what it tells of repetitions."""
        places = self._belief.sum(axis=0)
        reach = max(1, round(_NEAR_S * RATE))
        around = np.convolve(places, np.ones(2 * reach + 1), mode="same")
        best = int(around.argmax())
        near = slice(max(0, best - reach), best + reach + 1)
        at = float((places[near] * self._times[near]).sum() / places[near].sum())
        restarted = at < self._at.reference_s - _JUMP_S
        nearest = int(np.abs(self._times - at).argmin())
        count = self._at.repetitions + self._is_done(at)
        return Place(now, at, float(cost[nearest]), float(around[best]), count, restarted)

    def _is_done(self, at: float) -> bool:
        """Whether the person has just gone through the reference: jumps to its end do not count."""
        length = float(self._times[-1] - self._times[0])
        share, step = (at - float(self._times[0])) / length, (at - self._at.reference_s) / length
        if self._passed is not None and abs(step) <= _STEP:
            self._passed += step
        done = self._passed is not None and share > _DONE and self._passed >= _PASSED
        if done or share > _DONE:
            self._passed = None
        elif share < _FIRST and (self._passed is None or self._passed < 0 or step < -_STEP):
            self._passed = 0.0
        return done


def _shifted(row: NDArray[np.float64], places: float) -> NDArray[np.float64]:
    """Probabilities moved on by so many places, which need not be whole, and spread a little.

    What passes the end stays there.
    """
    whole, part = divmod(places, 1.0)
    out = np.zeros(len(row) + int(whole) + 2)
    start = int(whole)
    out[start : start + len(row)] += (1 - part) * row
    out[start + 1 : start + 1 + len(row)] += part * row
    over = out[len(row) :].sum()
    out = out[: len(row)]
    out[-1] += over
    if places == 0:
        return out
    spread = (1 - 2 * _SPREAD) * out
    spread[1:] += _SPREAD * out[:-1]
    spread[:-1] += _SPREAD * out[1:]
    spread[0] += _SPREAD * out[0]
    spread[-1] += _SPREAD * out[-1]
    return spread


def _came_from(cost: NDArray[np.float64], places: float) -> NDArray[np.float64]:
    """Distances of a past frame to where people at each place were then, so many places back."""
    back = round(places)
    if not back:
        return cost
    return np.concatenate([np.full(min(back, len(cost)), cost[0]), cost[:-back]])
