"""Prediction of 13 joints: from mocap as it is, and from film that went through a detector."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vipecli.evaluate.lifting import Filmed
from vipecli.evaluate.prediction import RULES, Method
from vipecli.lifting.lift import lift
from vipecli.lifting.lifter import Lifter
from vipecli.lifting.placement import where
from vipecli.lifting.predict import Future, error_of, predict
from vipecli.poses.anatomy import excess
from vipecli.poses.canonical import torso
from vipecli.sequence.predictor import Predictor

HORIZONS_S = (0.1, 0.2, 0.4, 0.5, 0.75, 1.0)
_DEPTH = np.array([0.0, 0.0, 1.0])
_EVERY_S = 0.25  # from one prediction to the next in a take
_SEEN_S = 0.5  # known before the first of them


@dataclass(frozen=True)
class Moment:
    """Known and future motion at one time: joints (T, 13, 3), y up, and times (T,)."""

    name: str
    joints: np.ndarray
    times: np.ndarray
    after: np.ndarray
    after_times: np.ndarray
    unseen: np.ndarray | None = None


def moments_of_mocap(
    clips: dict[str, tuple[np.ndarray, float]], *, at_most: int, seed: int = 0
) -> list[Moment]:
    """Moments of clips (T, 13, 3) with their frames per second, metres; drawn if there are many."""
    found = []
    for name, (joints, fps) in clips.items():
        times = np.arange(len(joints)) / fps
        for now in np.arange(_SEEN_S, times[-1] - HORIZONS_S[-1], _EVERY_S):
            count = int(np.searchsorted(times, now + 1e-6))
            first = max(0, int(np.searchsorted(times, now - 1.1)))
            last = int(np.searchsorted(times, now + HORIZONS_S[-1] + 0.1))
            found.append(
                Moment(
                    name,
                    joints[first:count],
                    times[first:count],
                    joints[count - 1 : last],
                    times[count - 1 : last],
                )
            )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(found))[:at_most]
    return [found[i] for i in np.sort(chosen)]


def moments_of_film(takes: Sequence[Filmed], lifter: Lifter) -> Iterator[Moment]:
    """Return moments of takes; the known part is lifted from the detections until then."""
    for take in takes:
        times = take.poses.times
        for now in np.arange(times[0] + _SEEN_S, times[-1] - 0.2, _EVERY_S):
            count = int(np.searchsorted(times, now + 1e-6))
            seen = take.poses.part(slice(count))
            lifted = lift(seen, lifter)
            size = float(np.median(torso(take.truth)))
            joints = (lifted.in_camera() + where(lifted, seen)[:, None]) * np.array([1, -1, -1])
            truth = take.truth * np.array([1, -1, -1])
            yield Moment(
                take.name, size * joints, seen.times, truth[count - 1 :], times[count - 1 :], _DEPTH
            )


def by_rule(rule: Method, moment: Moment, like: Future) -> Future:
    """Return the prediction of a rule at the times of another prediction."""
    step = like.times[0] - moment.times[-1]
    known = np.isfinite(moment.joints).all(axis=(1, 2))
    at, flat = moment.times[known], moment.joints[known].reshape(known.sum(), -1)
    grid = at[-1] - step * np.arange(10)[::-1]
    seen = np.stack([np.interp(grid, at, column) for column in flat.T], axis=1)
    joints = rule.predict(seen.reshape(1, 10, 13, 3), len(like.times))[0]
    return replace(like, joints=joints)


def errors(
    moments: Sequence[Moment], models: dict[str, Predictor], *, samples: int = 0
) -> list[dict[str, Any]]:
    """Errors about the mid-hip, mm, of models and rules, by source and horizon.

    Parameters
    ----------
    moments
        where to predict.
    models
        by name.
    samples
        futures to draw; their best is a row of its own.

    Returns
    -------
    Rows with ``action`` (first part of the clips' names, or ``mean`` of all moments), ``method``,
    ``moments``, a figure for each of `HORIZONS_S`, ``within_limits`` (share of poses at the
    farthest horizon within `anatomy.LIMITS`, less 5 degrees) and, of models, ``expected``: what
    they say their error is, over what it is.
    """
    found: dict[tuple[str, str], list[_Found]] = {}
    for moment in moments:
        for method, future in _futures(moment, models, samples):
            one = _found(future, moment)
            for action in (moment.name.split("/")[0], "mean"):
                found.setdefault((action, method), []).append(one)
    return [_row(action, method, many) for (action, method), many in found.items()]


_Found = tuple[np.ndarray, float, float]
_TOLERANCE_DEG = 5.0


def _futures(
    moment: Moment, models: dict[str, Predictor], samples: int
) -> Iterator[tuple[str, Future]]:
    first = None
    for name, model in models.items():
        future = predict(moment.joints, moment.times, model, samples=samples, unseen=moment.unseen)
        first = first or future
        yield name, future
        if samples:
            yield f"{name}, best of {samples}", _best(future, moment)
    for rule in RULES if first else ():
        yield rule.name, by_rule(rule, moment, replace(first, std=np.full_like(first.std, np.nan)))


def _best(future: Future, moment: Moment) -> Future:
    many = [replace(future, joints=joints) for joints in future.samples]
    gaps = [np.nanmean(error_of(one, moment.after, moment.after_times)) for one in many]
    return replace(many[int(np.argmin(gaps))], std=np.full_like(future.std, np.nan))


def _found(future: Future, moment: Moment) -> _Found:
    gap = 1000 * error_of(future, moment.after, moment.after_times)
    ahead = future.times - moment.times[np.isfinite(moment.joints).all(axis=(1, 2))][-1]
    at = np.array([np.abs(ahead - h).argmin() for h in HORIZONS_S])
    reached = np.abs(ahead[at] - HORIZONS_S) < 0.03
    within = float(excess(future.joints[-1:])[0] <= _TOLERANCE_DEG)
    known = np.isfinite(gap)
    foreseen = 1000 * future.std[known].mean() / gap[known].mean() if known.any() else np.nan
    return np.where(reached, gap[at], np.nan), within, float(foreseen)


def _row(action: str, method: str, found: list[_Found]) -> dict[str, Any]:
    gaps, within, foreseen = (np.array(part) for part in zip(*found, strict=True))
    row: dict[str, Any] = {"action": action, "method": method, "moments": len(found)}
    for horizon, gap in zip(HORIZONS_S, gaps.T, strict=True):
        reached = gap[np.isfinite(gap)]
        row[f"{horizon:g}"] = float(reached.mean()) if len(reached) else None
    row["within_limits"] = float(within.mean())
    known = foreseen[np.isfinite(foreseen)]
    row["expected"] = float(np.median(known)) if len(known) else None
    return row
