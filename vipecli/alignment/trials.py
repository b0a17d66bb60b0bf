"""Trials of one movement on one time base: mean and spread of joint angles, the odd one out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vipecli.alignment.align import Alignment, align
from vipecli.alignment.joint_angles import ANGLES, Source, lifted, smoothed_angles
from vipecli.alignment.segmentation import Repetition, phase_distances
from vipecli.alignment.takes import Clip
from vipecli.alignment.time_map import warp
from vipecli.errors import NoPoseError
from vipecli.poses.poses import Poses

PHASES = 101
"""Moments of the normalised movement: 0, 1, ... 100 %."""

HOLD_SHARE = 0.1
"""Share of its range within which an angle counts as held at its extreme."""

LEAST_STD_DEG = 3.0
"""Spread that a difference is at least measured by, degrees: a detector trembles by as much."""

STANDARD_ERRORS = 3.5
"""Standard errors that a difference exceeds, of two groups or of one trial, as in `compare`."""

LEAST_PHASES = 6
"""Moments that a difference of two groups lasts: 5 % of the movement, not a tremble of one."""


@dataclass(frozen=True)
class Trial:
    """One performance of the movement.

    Attributes
    ----------
    clip
        its frames.
    name
        what it is called.
    start_s, end_s
        first and last moment, seconds of the clip.
    cost
        mean frame distance to the typical trial along the warping path; 0 for that one.
    range_deg
        shape (8,), how far each angle of `compare.ANGLES` goes; NaN where it is not seen.
    tempo_s
        seconds from the start to the extreme of the leading angle, at the extreme, and back.
    """

    clip: Clip
    name: str
    start_s: float
    end_s: float
    cost: float
    range_deg: np.ndarray
    tempo_s: tuple[float, float, float]


@dataclass(frozen=True)
class Deviation:
    """Where one trial differs most from the others.

    Attributes
    ----------
    trial
        its number, from 0.
    angle
        key of `compare.ANGLES`.
    phase
        in [0, 1].
    time_s
        seconds of the trial's clip.
    own_deg, mean_deg, std_deg
        its angle there; mean and standard deviation of the others.
    certain
        whether it differs by `STANDARD_ERRORS`; else the trials may differ by chance alone.
    """

    trial: int
    angle: str
    phase: float
    time_s: float
    own_deg: float
    mean_deg: float
    std_deg: float
    certain: bool


@dataclass(frozen=True)
class Trials:
    """Several trials, aligned with the most typical one.

    Attributes
    ----------
    trials
        R of them, in order.
    typical
        number of the one that resembles the others most, from 0.
    leading
        key of `compare.ANGLES`: the angle with the widest range.
    times
        shape (R, P), the moment of each trial's clip at each phase, seconds.
    angles_deg
        shape (R, P, 8), NaN where a joint is not seen.
    mean_deg, std_deg
        shape (P, 8), over the trials in which the angle is seen; std is that of a sample, NaN for
        fewer than two.
    alignments
        of the typical trial (a) with each; None for itself.
    deviation
        where the trial farthest from the others differs; None for fewer than three trials.
    """

    trials: tuple[Trial, ...]
    typical: int
    leading: str
    times: np.ndarray
    angles_deg: np.ndarray
    mean_deg: np.ndarray
    std_deg: np.ndarray
    alignments: tuple[Alignment | None, ...]
    deviation: Deviation | None

    def __len__(self) -> int:
        """Return the number of trials, R."""
        return len(self.trials)


@dataclass(frozen=True)
class GroupDifference:
    """A stretch of the movement in which two groups differ by more than they spread.

    Attributes
    ----------
    angle
        key of `compare.ANGLES`.
    first, last
        phases, in [0, 1].
    difference_deg
        largest difference of the means there, second group less first.
    spread_deg
        larger standard deviation of the two groups at that moment.
    """

    angle: str
    first: float
    last: float
    difference_deg: float
    spread_deg: float


def cut(clip: Clip, repetitions: Sequence[Repetition]) -> list[Clip]:
    """Frames of a clip that belong to each repetition."""
    parts = []
    for one in repetitions:
        first, last = np.searchsorted(clip.poses.times, (one.start_s, one.end_s))
        frames = slice(int(first), int(last) + 1)
        parts.append(Clip(clip.source, clip.poses.part(frames), clip.embeddings.part(frames)))
    return parts


def summarise(
    clips: Sequence[Clip], names: Sequence[str] | None = None, *, source: Source = lifted
) -> Trials:
    """Align trials with the most typical one, and take mean and spread of their joint angles.

    Parameters
    ----------
    clips
        R trials, each of one performance, embedded by one model.
    names
        one per trial; None = 1, 2, ...
    source
        where the joints come from, see `compare.SOURCES`.

    Raises
    ------
    NoPoseError
        if no angle is seen in any trial.
    ValueError
        if there are fewer than two trials.
    """
    if len(clips) < 2:
        raise ValueError(f"{len(clips)} trial; mean and spread need at least two")
    names = names or [str(number + 1) for number in range(len(clips))]
    typical = int(np.median(phase_distances([c.embeddings.mean for c in clips]), axis=1).argmin())
    own = clips[typical].embeddings
    alignments = [
        None if k == typical else align(own, clip.embeddings, ends="closed")
        for k, clip in enumerate(clips)
    ]
    base = np.linspace(own.times[0], own.times[-1], PHASES)
    times = np.stack([base if a is None else warp(a, base) for a in alignments])
    angles = np.stack(
        [_angles_at(clip.poses, at, source) for clip, at in zip(clips, times, strict=True)]
    )
    mean, std = mean_and_std(angles)
    if not np.isfinite(mean).any():
        raise NoPoseError(f"{clips[0].path}: no angle is seen surely enough in any trial")
    ranges = _ranges(angles)
    leading = int(np.where(np.isfinite(ranges).all(axis=0), ranges.mean(axis=0), -1).argmax())
    costs = [0.0 if a is None else a.cost for a in alignments]
    trials = tuple(
        _trial(clip, name, cost, reach, tempo(at, values[:, leading]))
        for clip, name, cost, reach, at, values in zip(
            clips, names, costs, ranges, times, angles, strict=True
        )
    )
    odd = _deviation(costs, times, angles) if len(clips) > 2 else None
    name = list(ANGLES)[leading]
    return Trials(trials, typical, name, times, angles, mean, std, tuple(alignments), odd)


def _trial(
    clip: Clip, name: str, cost: float, reach: np.ndarray, tempo_s: tuple[float, float, float]
) -> Trial:
    start_s, end_s = (float(time_s) for time_s in clip.poses.times[[0, -1]])
    return Trial(clip, name, start_s, end_s, cost, reach, tempo_s)


def _angles_at(poses: Poses, times: np.ndarray, source: Source) -> np.ndarray:
    """Angles (P, 8) at moments of a trial; NaN beside a missing one."""
    angles = smoothed_angles(poses, source)
    return np.stack([np.interp(times, poses.times, column) for column in angles.T], axis=1)


def mean_and_std(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sample standard deviation (P, K) over the known values of (R, P, K)."""
    known = np.isfinite(angles)
    count = known.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, angles, 0).sum(axis=0) / count
        squares = np.where(known, angles - mean, 0) ** 2
        return mean, np.sqrt(squares.sum(axis=0) / np.where(count > 1, count - 1, np.nan))


def _count(trials: Trials, members: Sequence[int]) -> np.ndarray:
    """Trials (P, K) of a group in which an angle is seen; 0 of one, which has no spread."""
    count = np.isfinite(trials.angles_deg[list(members)]).sum(axis=0)
    return np.where(count > 1, count, 0).astype(float)


def _ranges(angles: np.ndarray) -> np.ndarray:
    """How far each angle goes in each trial (R, K), degrees."""
    known = np.isfinite(angles)
    high = np.where(known, angles, -np.inf).max(axis=1)
    low = np.where(known, angles, np.inf).min(axis=1)
    return np.where(known.any(axis=1), high - low, np.nan)


def tempo(times: np.ndarray, angle: np.ndarray) -> tuple[float, float, float]:
    """Seconds to the extreme of an angle, at it, and back.

    Parameters
    ----------
    times
        shape (P,), seconds, non-decreasing.
    angle
        shape (P,), degrees; unknown ones are left out.

    Returns
    -------
    The extreme is the value farthest from that at the ends; an angle is at it within `HOLD_SHARE`
    of the way there. NaN where fewer than three values are known.
    """
    known = np.isfinite(angle)
    if known.sum() < 3:
        return (float("nan"),) * 3
    at, values = times[known], angle[known]
    away = np.abs(values - (values[0] + values[-1]) / 2)
    held = np.flatnonzero(away >= (1 - HOLD_SHARE) * away.max())
    first, last = at[held[0]], at[held[-1]]
    return float(first - times[0]), float(last - first), float(times[-1] - last)


def _deviation(costs: Sequence[float], times: np.ndarray, angles: np.ndarray) -> Deviation | None:
    """Where the trial with the largest cost differs most, in standard deviations of the others."""
    odd = int(np.argmax(costs))
    mean, std = mean_and_std(np.delete(angles, odd, axis=0))
    spread = np.maximum(np.nan_to_num(std), LEAST_STD_DEG)
    size = np.nan_to_num(np.abs(angles[odd] - mean) / spread, nan=-1.0)
    phase, k = np.unravel_index(int(size.argmax()), size.shape)
    if size[phase, k] < 0:
        return None
    others = np.isfinite(np.delete(angles[:, phase, k], odd)).sum()
    return Deviation(
        trial=odd,
        angle=list(ANGLES)[k],
        phase=float(phase) / (len(mean) - 1),
        time_s=float(times[odd, phase]),
        own_deg=float(angles[odd, phase, k]),
        mean_deg=float(mean[phase, k]),
        std_deg=float(std[phase, k]),
        certain=bool(size[phase, k] >= STANDARD_ERRORS * np.sqrt(1 + 1 / others)),
    )


def group_differences(trials: Trials, groups: Mapping[str, Sequence[int]]) -> list[GroupDifference]:
    """Stretches in which the means of two groups differ by more than chance explains.

    Their means differ by more than either group spreads, and by `STANDARD_ERRORS` of that,
    over `LEAST_PHASES`: of two trials each by 3.5 times the spread, of 25 each by the spread.

    Parameters
    ----------
    trials
        all trials.
    groups
        two names with the numbers of their trials, from 0.

    Returns
    -------
    Largest difference first.

    Raises
    ------
    ValueError
        if there are not two groups of two trials at least.
    """
    if len(groups) != 2 or min(map(len, groups.values())) < 2:
        raise ValueError("two groups of at least two trials can be compared")
    (mean_a, std_a), (mean_b, std_b) = (
        mean_and_std(trials.angles_deg[list(members)]) for members in groups.values()
    )
    difference = mean_b - mean_a
    spread = np.fmax(np.fmax(std_a, std_b), LEAST_STD_DEG)
    with np.errstate(divide="ignore"):
        error = np.sqrt(sum(1 / _count(trials, members) for members in groups.values()))
    limit = np.maximum(1.0, STANDARD_ERRORS * error) * spread
    apart = np.nan_to_num(np.abs(difference) - limit, nan=-1.0, neginf=-1.0) > 0
    found = []
    for k, name in enumerate(ANGLES):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], apart[:, k], [0]]).astype(int)))
        for first, end in edges.reshape(-1, 2):
            if end - first < LEAST_PHASES:
                continue
            at = first + int(np.abs(difference[first:end, k]).argmax())
            last = len(apart) - 1
            place = float(first) / last, float(end - 1) / last
            found.append(
                GroupDifference(name, *place, float(difference[at, k]), float(spread[at, k]))
            )
    return sorted(found, key=lambda one: -abs(one.difference_deg))
