"""Paths, time maps and speeds on movements with known timing."""

import dataclasses

import numpy as np
import pytest

from tests.movements import moments, movement
from vipecli.alignment.adaptation import WINDOW_S
from vipecli.alignment.align import Span, align
from vipecli.alignment.dtw import LEAST_OVERLAP
from vipecli.alignment.time_map import warp
from vipecli.embedding.distance import atrous, frame_costs, matching_probability
from vipecli.errors import FormatError


def test_what_the_path_tells_is_that_of_its_frames():
    a, b = movement(np.arange(30) / 30), movement(moments(1, 1.0))
    got = align(a, b, ends="closed")
    assert got.unmatched == ()
    i, j = got.path.T
    cost = atrous(frame_costs(a, b), a.times, b.times, window_s=WINDOW_S)
    np.testing.assert_array_equal(got.distance, cost[i, j])
    assert got.cost == pytest.approx(cost[i, j].mean(), rel=1e-5)
    np.testing.assert_allclose(got.match_probability, matching_probability(a, b)[i, j], atol=1e-5)
    for times, clip, frames in ((got.times_a, a, i), (got.times_b, b, j)):
        assert np.abs(times - clip.times[frames]).max() <= 0.5 / 30 + 1e-6
        assert (np.diff(times) >= 0).all()
        assert times[[0, -1]].tolist() == clip.times[[0, -1]].tolist()
    assert got.model == "demo:0"


@pytest.mark.parametrize("lengths", [(1, 1), (1, 8), (8, 1), (50, 7), (31, 47)])
@pytest.mark.parametrize("band", [None, 0.2, 0.01])
def test_the_path_is_monotone_with_fixed_ends(lengths, band):
    a, b = (movement(np.arange(n) / 20, seed=s) for s, n in enumerate(lengths))
    path = align(a, b, band=band, ends="closed").path
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [lengths[0] - 1, lengths[1] - 1]
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all()
    assert (steps.sum(1) > 0).all()


def test_swapping_the_clips_keeps_the_cost():
    a, b = movement(np.arange(90) / 30, seed=1, noise=0.3), movement(moments(2, 3.0), seed=1)
    there, back = align(a, b), align(b, a)
    assert there.cost == pytest.approx(back.cost, rel=1e-5)
    np.testing.assert_array_equal(there.path, back.path[:, ::-1])


def test_a_full_band_equals_no_band():
    a, b = movement(np.arange(60) / 30), movement(moments(3, 2.0))
    np.testing.assert_array_equal(align(a, b, band=1.0).path, align(a, b).path)


def shares(alignment, n, m):
    """Share of either clip that is matched."""
    return (alignment.path[-1] - alignment.path[0] + 1) / (n, m)


@pytest.mark.parametrize("ends", ["auto", "open"])
@pytest.mark.parametrize("seed", range(3))
def test_what_only_one_clip_shows_is_left_out(seed, ends):
    # of a movement of 8 s, a shows 0 to 5.5 s, and b 1.5 s to the end, faster and slower
    at = moments(seed, 8.0)
    at = at[at >= 1.5]
    a, b = movement(np.arange(165) / 30, noise=0.1), movement(at, noise=0.1, noise_seed=1)
    got = align(a, b, ends=ends)
    before, behind = got.unmatched
    assert (before.clip, before.start_s) == ("a", 0.0)
    assert before.end_s == pytest.approx(1.5, abs=0.2)
    assert (behind.clip, behind.end_s) == ("b", b.times[-1])
    assert at[round(behind.start_s * 30)] == pytest.approx(5.5, abs=0.2)
    shown = a.times >= 1.5
    error = np.abs(np.interp(warp(got, a.times[shown]), b.times, at) - a.times[shown])
    assert np.percentile(error, 90) < 3 / 30
    np.testing.assert_array_equal(warp(got, np.array([0.0, 1.0])), b.times[0])  # b waits
    assert align(a, b, ends="closed").unmatched == ()
    assert align(b, a, ends=ends).unmatched == tuple(
        Span("b" if span.clip == "a" else "a", span.start_s, span.end_s)
        for span in (behind, before)
    )


def test_a_part_is_found_in_the_whole():
    whole, part = movement(np.arange(300) / 30), movement(np.arange(120, 180) / 30, noise=0.1)
    got = align(part, whole)
    assert [span.clip for span in got.unmatched] == ["b", "b"]
    assert got.times_b[0] == pytest.approx(4, abs=0.1)
    assert got.times_b[-1] == pytest.approx(6, abs=0.1)


def test_clips_that_belong_together_stay_whole():
    a, b = movement(np.arange(150) / 30, noise=0.1), movement(moments(4), noise=0.1, noise_seed=1)
    assert (shares(align(a, b), len(a), len(b)) > 0.97).all()
    assert align(a, a).unmatched == ()


@pytest.mark.parametrize("ends", ["auto", "open"])
def test_a_third_is_matched_at_least(ends):
    for seed in range(5):
        a, b = movement(np.arange(60) / 30, seed=seed), movement(np.arange(90) / 30, seed=9 + seed)
        assert shares(align(a, b, ends=ends), 60, 90)[0] >= LEAST_OVERLAP


@pytest.mark.parametrize("rate", [24.0, 30.0, 60.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_planted_warp_is_recovered(seed, rate):
    at = moments(seed, rate=rate)
    a = movement(np.arange(0, 5, 1 / 30), noise=0.1)
    b = movement(at, noise=0.1, rate=rate, noise_seed=1)
    got = align(a, b)
    error = np.abs(warp(got, b.times, onto="b") - at)
    assert np.median(error) <= 1 / 30
    assert np.percentile(error, 95) <= 4 / 30
    there = warp(got, a.times)
    assert (np.diff(there) >= 0).all()
    assert there[0] == got.times_b[0] == pytest.approx(b.times[0], abs=0.1)
    assert there[-1] == pytest.approx(got.times_b[-1])
    assert got.times_b[-1] == pytest.approx(b.times[-1], abs=0.1)
    back = np.abs(warp(got, there, onto="b") - a.times)
    assert np.median(back) < 0.5 / 30
    assert back.max() < 0.25


def test_missing_frames_are_crossed():
    a, b = movement(np.arange(120) / 30), movement(np.arange(120) / 30, noise=0.05)
    a.mean[50:80] = np.nan
    got = align(a, b)
    assert np.isfinite(got.match_probability).all()
    assert np.isfinite(got.distance).all()
    error = np.abs(warp(got, a.times) - a.times)
    assert np.median(error) < 0.5 / 30
    assert error.max() < 0.35
    a.mean[:] = np.nan
    assert align(a, b).cost == pytest.approx(2.996, abs=1e-3)


def test_bad_arguments():
    a = movement(np.arange(5) / 30)
    empty = movement(np.zeros(0))
    with pytest.raises(ValueError, match="without frames"):
        align(a, empty)
    for band in (0, -0.1, 1.5):
        with pytest.raises(ValueError, match="band"):
            align(a, a, band=band)
    with pytest.raises(ValueError, match="ends"):
        align(a, a, ends="ajar")
    with pytest.raises(FormatError, match="same model"):
        align(a, dataclasses.replace(a, model="other:0"))
