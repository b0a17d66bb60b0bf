"""Shifts by sound: claps and noise planted in two tracks, and what gives no answer."""

import dataclasses

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment.settings import Witness
from vipecli.alignment.sound_shift import LEAST_SOUND, sound_shift
from vipecli.alignment.witnesses import Recording, find_shift
from vipecli.errors import UnsureError
from vipecli.video.sound import SoundTrack

RATE = 8000


def heard(claps, start, seconds, *, rate=RATE, noise=0.01, seed=0):
    """Sound from `start` on of claps at some moments, seconds, over noise of the microphone."""
    rng = np.random.default_rng(seed)
    samples = noise * rng.standard_normal(int(seconds * rate))
    t = np.arange(len(samples)) / rate
    burst = np.random.default_rng(99).standard_normal(40)
    for clap in claps:
        since = t - (clap - start)
        shape = np.interp(since, np.arange(40) / 4000, burst * np.exp(-np.arange(40) / 8))
        samples += 0.5 * np.where((since >= 0) & (since < 0.01), shape, 0)
    return SoundTrack(samples.astype(np.float32), rate)


def camera(start, end, seed, **more):
    at = np.arange(start, end, 1 / 30)
    return Recording(movement(at, noise=0.15, noise_seed=seed), **more)


@pytest.mark.parametrize("rates", [(RATE, RATE), (RATE, 2 * RATE)])
@pytest.mark.parametrize("start", [-2.3217, 0.0, 1.75])
def test_a_clap_gives_the_shift(start, rates):
    a = heard([2.5], 0, 5, rate=rates[0])
    b = heard([2.5], start, 6, rate=rates[1], seed=1)
    got = sound_shift(a, b)
    score, shift = got.best
    assert shift == pytest.approx(-start, abs=0.002) and score > LEAST_SOUND
    later = dataclasses.replace(b, start_s=10.0)
    assert sound_shift(a, later).best[1] == pytest.approx(10 - start, abs=0.002)
    assert "\n" not in repr(got) + repr(a)


def test_long_tracks_give_the_shift_piece_by_piece():
    claps = [3.1, 17.7, 31.9, 55.0, 62.3]
    a, b = heard(claps, 0, 70), heard(claps, 4.4, 70, seed=1)
    got = sound_shift(a, b)
    assert got.best[1] == pytest.approx(-4.4, abs=0.002)
    middles, shifts = got.along(-4.4, 0.1)
    assert middles.tolist() == [26.25, 61.25]  # the others hold no clap that b holds
    np.testing.assert_allclose(shifts, -4.4, atol=0.002)


def test_noise_and_silence_give_none():
    a, b = heard([], 0, 5), heard([], 0, 5, seed=1)
    assert sound_shift(a, b).best[0] < LEAST_SOUND
    silence = SoundTrack(np.zeros(5 * RATE, np.float32), RATE)
    assert sound_shift(a, silence) is None and sound_shift(None, b) is None
    for sound in (b, silence, None):
        pair = camera(0, 5, 0, sound=a), camera(1, 5, 1, sound=sound)
        with pytest.raises(UnsureError, match=r"sound"):
            find_shift(*pair, by=Witness.SOUND)
        assert find_shift(*pair).by == "poses"
    for one, other, words in ((a, silence, "the second has"), (None, a, "the first has")):
        pair = camera(0, 5, 0, sound=one), camera(1, 5, 1, sound=other)
        with pytest.raises(UnsureError, match=f"{words} no sound"):
            find_shift(*pair, by=Witness.SOUND)


def test_without_a_rate_the_sharper_shift_still_counts():
    a = camera(0, 5, 0, sound=heard([2.5], 0, 5))
    b = camera(1.013, 5, 1, sound=heard([2.5], 1.01, 4, seed=1))
    got = find_shift(a, b, drift=True)
    assert got.by == "both" and got.rate == 1 and "clock rate" in got.warning
    assert got.shift_s == find_shift(a, b, by=Witness.SOUND).shift_s


def test_both_agree_and_the_sharper_one_answers():
    a = camera(0, 5, 0, sound=heard([2.5], 0, 5))
    b = camera(1.013, 5, 1, sound=heard([2.5], 1.01, 4, seed=1))
    poses, sound, both = (find_shift(a, b, by=by) for by in Witness)
    assert poses.by == "poses" and sound.by == "sound" and both.by == "both"
    assert both.shift_s == sound.shift_s == pytest.approx(-1.01, abs=0.002)
    assert both.confidence > max(poses.confidence, sound.confidence)
    assert not both.warning


def test_sound_too_short_for_a_drift_comes_with_a_warning():
    a = camera(0, 5, 0, sound=heard([2.5], 0, 5))
    b = camera(1, 5, 1, sound=heard([2.5], 1, 5, seed=1))
    got = find_shift(a, b, by=Witness.SOUND, drift=True)
    assert got.rate == 1 and "clock rate" in got.warning
    assert not find_shift(a, b, by=Witness.SOUND).warning


def test_sound_decides_where_nobody_moves_and_among_periods():
    still = [movement(np.full(150, 0.3), noise=0.002, noise_seed=seed) for seed in (0, 1)]
    at = np.tile(np.arange(0, 2, 1 / 30), 6)
    periods = movement(at, noise=0.1), movement(at[60:240], noise=0.1, noise_seed=1)
    for (one, other), shift in ((still, -1.5), (periods, -4.0)):
        a = Recording(one, heard([2.5, 6.2], 0, 12))
        b = Recording(other, heard([2.5, 6.2], -shift, 6, seed=1))
        assert find_shift(a, b).shift_s == pytest.approx(shift, abs=0.002)


def test_a_disagreement_is_told():
    a = camera(0, 5, 0, sound=heard([2.5], 0, 5))
    b = camera(1, 5, 1, sound=heard([2.5], 1.8, 4, seed=1))
    got = find_shift(a, b)
    assert "disagree" in got.warning and "-1.0" in got.warning and "-1.8" in got.warning
