"""Differences of joint angles that come and go, found by a matched filter.

For every angle and every stretch of 0.4 to 2 s: the mean difference within it, less the mean of the
rest of the movement, over its standard uncertainty. What two clips differ by all the time (bodies,
cameras, the bias of lifting) cancels, what comes and goes as quickly as a detector errs averages
out. The angles come from two witnesses, `seen_angles` and `evidence`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.joint_angles import ANGLES
from vipecli.alignment.seen_angles import SeenAngles, turn_between, turn_deg, turned_to

SURELY_SEEN = 0.95
"""Least score of the three joints of an angle, in both clips, for a moment to count."""

CERTAINTY = 3.5
"""Least size of a difference to be listed, in standard uncertainties."""

LEAST_DEG = 5.0
"""Least size of a difference to be listed, degrees."""

LENGTHS_S = 0.4, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0
"""Lengths of the stretches that are tried, seconds."""

APART_S = 0.4
"""Two stretches of one angle lie so far apart at least, seconds."""

SHOWN = 0.5
"""Of a difference between clips from one side the pictures show at least this share: what lifting
alone says is depth that it has guessed."""

NEAR_DEG = 20.0
"""Cameras stand alike where they look at the body from directions no farther apart."""

LIMB_WEIGHT = 1.5
"""Hips and knees are listed first, unless a shoulder or elbow differs this many times as much."""

_STEPS = 8  # per length, from one stretch to the next
_GUARD_S = 0.15  # beside a stretch, that count neither to it nor to the rest: it comes and goes
_KNOWN = 0.75  # of a stretch, in which the angle has to be known
_REST_S = 0.4  # known time in the rest at which its mean is believed by half
_LEVEL_DEG = 6.0  # standard deviation of what two clips differ by all the time
_USUAL_DEG = 1.0  # of the mean over `_USUAL_S` of the same performance twice, beside the below
_USUAL_S = 0.6
_OF_LATENT = 0.2  # error of a lifted angle, as a share of its standard deviation in the latent
_OF_TORSO = 0.015  # error of a joint in the picture, as a share of the torso
_OF_TURN_DEG = 4.0  # error of the angle between the cameras
_SHARED = 0.5  # correlation of the errors of both witnesses

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """Difference of all angles by one witness.

    Attributes
    ----------
    difference
        shape (F, 8), b less a at matched moments, degrees; NaN where not known.
    variance
        shape (F, 8), of the mean over a stretch around a moment, square degrees.
    """

    difference: Array
    variance: Array


@dataclass(frozen=True)
class Stretch:
    """Frames `first` to before `end` in which one angle differs from how it usually differs.

    Attributes
    ----------
    angle
        place in `ANGLES`.
    size_deg, std_deg
        by how much, and its standard uncertainty.
    """

    angle: int
    first: int
    end: int
    size_deg: float
    std_deg: float


def evidence(a: SeenAngles, b: SeenAngles) -> list[Evidence]:
    """What lifting says and, if the cameras stand alike, what the pictures say.

    From the angles in the picture is taken what the other camera alone changes: the lifted pose of
    a is turned to how b's camera sees it.

    Parameters
    ----------
    a, b
        of F matched moments.
    """
    lifted = Evidence(b.lifted - a.lifted, _OF_LATENT**2 * (a.std**2 + b.std**2) / 2)
    if turn_deg(a, b) >= NEAR_DEG:
        return [lifted]
    change = turned_to(a, turn_between(a, b)) - turned_to(a, np.eye(3))
    variance = np.degrees(_OF_TORSO) ** 2 * (a.shortness**2 + b.shortness**2)
    variance += _OF_TURN_DEG**2 * (a.by_turn**2 + b.by_turn**2) / 2
    return [lifted, Evidence(b.flat - a.flat - change, variance)]


def known(a: SeenAngles, b: SeenAngles) -> NDArray[np.bool_]:
    """Where (F, 8) all three joints of an angle are surely seen in both clips."""
    return np.minimum(a.score, b.score) >= SURELY_SEEN


def stretches(
    times: Array, found: list[Evidence], seen: NDArray[np.bool_], *, certainty: float = CERTAINTY
) -> list[Stretch]:
    """Stretches in which an angle differs, most important first; see `LIMB_WEIGHT`.

    Parameters
    ----------
    times
        shape (F,), seconds.
    found
        one or two witnesses, as of `evidence`.
    seen
        shape (F, 8), from `known`.
    certainty
        as `CERTAINTY`.
    """
    if len(times) < 2:
        return []
    windows = _windows(times)
    out: list[Stretch] = []
    for k in range(len(ANGLES)):
        weight, rest = np.gradient(times) * seen[:, k], np.ones(len(times), bool)
        open_ = np.ones(len(windows), bool)
        while open_.any():
            size, std, surety = _contrasts(times, windows, found, weight, rest, k)
            surety[~open_ | (np.abs(size) < LEAST_DEG)] = 0
            best = int(np.abs(surety).argmax())
            if abs(surety[best]) < certainty:
                break
            first, end, before, behind = map(int, windows[best])
            out.append(Stretch(k, first, end, float(size[best]), float(std[best])))
            rest[before:behind] = False
            near = times[first] - APART_S, times[end - 1] + APART_S
            open_ &= (times[windows[:, 1] - 1] < near[0]) | (times[windows[:, 0]] > near[1])
    weights = [1.0 if name.endswith(("hip", "knee")) else 1 / LIMB_WEIGHT for name in ANGLES]
    return sorted(out, key=lambda one: -weights[one.angle] * abs(one.size_deg))


def _windows(times: Array) -> NDArray[np.int64]:
    """Stretches (W, 4): first frame, end, and both with `_GUARD_S` around them."""
    rows: list[NDArray[np.int64]] = []
    for length in LENGTHS_S:
        starts = np.arange(times[0], times[-1] - length + 1e-9, length / _STEPS)
        edges = (0, length, -_GUARD_S, length + _GUARD_S)
        rows.append(np.stack([np.searchsorted(times, starts + e - 1e-9) for e in edges], axis=1))
    windows = np.concatenate(rows)
    return np.unique(windows[windows[:, 1] > windows[:, 0] + 1], axis=0)


def _contrasts(
    times: Array,
    windows: NDArray[np.int64],
    found: list[Evidence],
    weight: Array,
    rest: NDArray[np.bool_],
    k: int,
) -> tuple[Array, Array, Array]:
    """Size, uncertainty and their quotient (W,) of one angle; 0 where it is not known."""
    sizes, stds = np.zeros((2, len(found), len(windows)))
    for i, one in enumerate(found):
        usable = np.isfinite(one.difference[:, k]) & np.isfinite(one.variance[:, k])
        sizes[i], stds[i] = _contrast(
            times, windows, np.where(usable, one.difference[:, k], 0),
            np.where(usable, one.variance[:, k], 0), weight * usable, rest,
        )  # fmt: skip
    there = np.isfinite(sizes)
    count = there.sum(axis=0)
    share = np.where(there, 1 / np.where(there, stds, 1), 0)
    total = share.sum(axis=0).clip(1e-9)
    size = np.where(there, sizes * share, 0).sum(axis=0) / total
    surety = np.where(there, sizes / stds, 0).sum(axis=0)
    surety /= np.sqrt((count + _SHARED * count * (count - 1)).clip(1))
    for shown in sizes[1:]:
        surety[np.isfinite(shown) & (np.sign(size) * shown < SHOWN * np.abs(size))] = 0
    return size, np.abs(size) / np.abs(surety).clip(1e-9), surety


def _contrast(
    times: Array,
    windows: NDArray[np.int64],
    difference: Array,
    variance: Array,
    weight: Array,
    rest: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Mean difference (W,) in stretches less that of the rest, and its standard uncertainty.

    Moments count by the inverse of their variance: where a limb points to the camera for a while,
    neither a stretch nor the rest goes by that.
    """

    def inside(values: Array) -> Array:
        sums = np.concatenate([[0.0], np.cumsum(values)])
        return sums[windows[:, 1]] - sums[windows[:, 0]]

    def outside(values: Array) -> Array:
        sums = np.concatenate([[0.0], np.cumsum(values * rest)])
        return sums[-1] - sums[windows[:, 3]] + sums[windows[:, 2]]

    precision, lasts = weight / (variance + _USUAL_DEG**2), inside(np.gradient(times))
    known_s, rest_s = inside(weight), outside(weight)
    believed = rest_s / (rest_s + _REST_S)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, level = (part(precision * difference) / part(precision) for part in (inside, outside))
        spread, of_level = known_s / inside(precision), rest_s / outside(precision)
        of_level *= (_USUAL_S / rest_s).clip(0.2, 1)
    size = mean - np.where(rest_s > 0, believed * level, 0)
    variance = spread * np.maximum(_USUAL_S / lasts, 0.5)
    variance += np.where(rest_s > 0, believed**2 * of_level, 0)
    std = np.sqrt(variance + np.square(_LEVEL_DEG * (1 - believed)))
    enough = (known_s > 0) & (known_s >= _KNOWN * lasts)
    return np.where(enough, size, np.nan), np.where(enough, std, np.nan)
