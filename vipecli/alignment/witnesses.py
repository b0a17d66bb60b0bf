"""The shift between two recordings of one event by two witnesses: poses and sound."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vipecli.alignment.offset import (
    LEAST_CONFIDENCE,
    NO_RATE,
    Offset,
    find_offset,
    mean_distance,
    overlap_s,
    overlap_warning,
)
from vipecli.alignment.rises import Rises
from vipecli.alignment.settings import Witness
from vipecli.alignment.shift_between import LARGEST_DRIFT, LEAST_PARTS
from vipecli.alignment.shift_score import RIVAL
from vipecli.alignment.sound_shift import LEAST_SOUND, SoundShift, is_heard, sound_shift
from vipecli.embedding.model import Embeddings
from vipecli.errors import UnsureError
from vipecli.video.sound import SoundTrack

AGREE_S = 0.15
"""Poses and sound agree where their shifts differ by no more than this, seconds."""

SURE_SOUND = 12.0
"""With a lower score of the sound alone an answer comes with a warning."""

_LAG_S = 0.06  # by which sound and pictures may differ without a word


@dataclass(frozen=True, eq=False)
class Recording:
    """What a clip shows and what it lets hear; None = no sound, rises not known."""

    embeddings: Embeddings
    sound: SoundTrack | None = None
    rises: Rises | None = None


def find_shift(
    a: Recording, b: Recording, *, by: Witness = Witness.BOTH, drift: bool = False
) -> Offset:
    """Shift of the clock of b against that of a.

    Parameters
    ----------
    a, b
        two recordings of one event, embedded by the same model.
    by
        ``poses``: as `offset.find_offset`; ``sound``: as `sound_shift.sound_shift`; ``both``: where
        the two agree within `AGREE_S`, the shift is that of the sound, which is sharper, and the
        confidence that of both together; where they do not, the more confident one of them answers,
        with a warning. One that is not sure, or silent, does not count.
    drift
        search for a rate, too.

    Raises
    ------
    FormatError
        if the two come from different models.
    UnsureError
        if no witness is sure.
    ValueError
        if a clip has fewer than two frames.
    """
    if by is Witness.POSES:
        return _by_poses(a, b, drift=drift)
    heard = sound_shift(a.sound, b.sound)
    if by is Witness.SOUND:
        if heard is None:
            raise UnsureError(f"{_silent(a, b)}; --by poses needs none")
        if reason := _refusal(heard):
            raise UnsureError(reason)
        return _by_sound(a.embeddings, b.embeddings, heard, *heard.best, drift=drift)
    return _by_both(a, b, heard, drift=drift)


def _silent(a: Recording, b: Recording) -> str:
    """Which of two recordings has no sound, in words."""
    first, second = is_heard(a.sound), is_heard(b.sound)
    if first == second:
        return "there is too little sound in both" if first else "neither has any sound"
    return f"the {'second' if first else 'first'} has no sound"


def _refusal(heard: SoundShift) -> str:
    """Why the sound gives no shift; empty if it does."""
    score, shift = heard.best
    if score < LEAST_SOUND:
        return (
            f"the sound has nothing in common: the best shift, {shift:+.2f} s, has a score of "
            f"{score:.1f} and {LEAST_SOUND:g} is needed"
        )
    if others := heard.score.rivals():
        shifts = ", ".join(f"{one:+.2f} s" for one in (shift, *others))
        return f"the sound repeats itself, and several shifts fit as well: {shifts}"
    return ""


def _by_poses(a: Recording, b: Recording, *, drift: bool) -> Offset:
    known = a.rises is not None and b.rises is not None
    rises = (a.rises, b.rises) if known else None
    return find_offset(a.embeddings, b.embeddings, rises=rises, drift=drift)


def _by_both(one: Recording, other: Recording, heard: SoundShift | None, *, drift: bool) -> Offset:
    a, b = one.embeddings, other.embeddings
    try:
        seen = _by_poses(one, other, drift=drift)
    except UnsureError as exc:
        if heard and (found := _common(exc.shifts, heard)):
            return replace(_by_sound(a, b, heard, *found, drift=drift), by="both")
        if heard is None:
            raise
        if reason := _refusal(heard):
            raise UnsureError(f"{exc}; by sound: {reason}") from exc
        return _by_sound(a, b, heard, *heard.best, drift=drift)
    score = heard.best[0] if heard else 0.0
    if heard is None or score < LEAST_SOUND:
        return replace(seen, heard=heard)
    middle = float(a.times.mean())
    near, shift = heard.near(seen.shift_s + (seen.rate - 1) * middle, AGREE_S)
    if near >= max(LEAST_SOUND, RIVAL * score):
        return _together(a, b, seen, heard, (near, shift), drift=drift)
    if seen.score and seen.score.near(heard.best[1], AGREE_S) >= RIVAL * seen.confidence:
        return _together(a, b, seen, heard, heard.best, drift=drift)
    return _disagreeing(a, b, seen, heard, drift=drift)


def _common(shifts: Sequence[float], heard: SoundShift) -> tuple[float, float] | None:
    """Score and shift of the only one of several equal shifts that the sound has, too."""
    least = max(LEAST_SOUND, RIVAL * heard.best[0])
    found = [heard.near(shift, AGREE_S) for shift in shifts]
    clear = [one for one in found if one[0] >= least]
    return clear[0] if len(clear) == 1 else None


def _together(
    a: Embeddings,
    b: Embeddings,
    seen: Offset,
    heard: SoundShift,
    found: tuple[float, float],
    *,
    drift: bool,
) -> Offset:
    """Shift on which poses and sound agree."""
    got = _by_sound(a, b, heard, *found, drift=drift)
    if drift and got.rate == 1 != seen.rate:  # too little sound for a rate
        return replace(seen, heard=heard)
    lag = abs(got.shift_s + (got.rate - seen.rate) * float(a.times.mean()) - seen.shift_s)
    words = overlap_warning(got.overlap_s)
    if not words and _LAG_S < lag <= AGREE_S:
        words = (
            f"poses and sound differ by {lag:.2f} s: a camera's sound may lag behind its pictures; "
            "--by poses goes by the pictures"
        )
    if not words and drift and got.rate == 1:
        words = NO_RATE
    confidence = math.hypot(seen.confidence, found[0])
    return replace(got, confidence=confidence, warning=words, score=seen.score, by="both")


def _disagreeing(
    a: Embeddings, b: Embeddings, seen: Offset, heard: SoundShift, *, drift: bool
) -> Offset:
    """Shift of the more confident witness, with a warning."""
    score, shift = heard.best
    words = (
        f"poses ({seen.shift_s:+.2f} s, confidence {seen.confidence:.1f}) and sound "
        f"({shift:+.2f} s, score {score:.1f}) disagree: check the shift"
    )
    trusted = score / LEAST_SOUND > seen.confidence / LEAST_CONFIDENCE
    if trusted and not _refusal(heard):
        got = _by_sound(a, b, heard, score, shift, drift=drift)
        return replace(got, warning=words, score=seen.score)
    return replace(seen, warning=words, heard=heard)


def _by_sound(
    a: Embeddings, b: Embeddings, heard: SoundShift, score: float, shift: float, *, drift: bool
) -> Offset:
    """Shift as it is heard, and the rate by the pieces of the sound."""
    found = 1.0
    if drift:
        shift, found = _line(heard, shift, float(np.ptp(a.times)))
    rate = 1.0 if found is None else found
    overlap = overlap_s(a, b, shift, rate)
    if overlap == 0:
        raise UnsureError(f"by their sound the pictures do not overlap (shift {shift:+.2f} s)")
    words = overlap_warning(overlap)
    if not words and score < SURE_SOUND:
        words = f"weak evidence (score of the sound {score:.1f}): check the shift"
    if not words and found is None:
        words = NO_RATE
    cost = mean_distance(a, b, shift, rate)
    return Offset(shift, rate, cost, overlap, score, words, by="sound", heard=heard)


def _line(heard: SoundShift, shift: float, length: float) -> tuple[float, float | None]:
    """Shift and rate of a robust line through the shifts of the pieces; None: too few of them."""
    from scipy import stats  # pyright: ignore[reportMissingTypeStubs]

    library: Any = stats  # it has no types
    x, y = heard.along(shift, LARGEST_DRIFT * length + AGREE_S)
    if len(x) < LEAST_PARTS:
        return shift, None
    slope = float(library.siegelslopes(y, x)[0])
    slope = min(max(slope, -LARGEST_DRIFT), LARGEST_DRIFT)
    return float(np.median(y - slope * x)), 1 + slope
