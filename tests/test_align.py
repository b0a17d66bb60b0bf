"""Paths, time maps and speeds on movements with known timing."""

import dataclasses

import naive
import numpy as np
import pytest

from vipecli.align import (
    DIAGONAL,
    LEAST_OVERLAP,
    SKIP,
    WINDOW_S,
    Span,
    align,
    skip_price,
    speed,
    warp,
)
from vipecli.distance import SOFTNESS, atrous, frame_costs, matching_probability
from vipecli.embed import Embeddings
from vipecli.errors import FormatError


def movement(at, *, seed=0, noise=0.0, std=0.3, rate=30.0, noise_seed=0):
    """Embed one smooth movement at the moments `at` (seconds of the movement)."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.3, 4, (2, 4, 16))
    mean = np.sin(np.asarray(at)[:, None, None] * speeds + phases).sum(1)
    mean += np.random.default_rng(noise_seed).normal(size=mean.shape) * noise
    return Embeddings(
        mean.astype(np.float32),
        np.full(mean.shape, std, np.float32),
        np.arange(len(mean)) / rate,
        "demo:0",
        (1.5 * SOFTNESS, 4.0 * SOFTNESS),
    )


def align_distance(a, b):
    """Return the distance that `align` minimises."""
    return atrous(frame_costs(a, b), a.times, b.times, window_s=WINDOW_S)


def moments(seed, seconds=5.0, rate=30.0):
    """Moments of a movement seen at a speed that wanders between 0.5x and 2x."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, 60, 1 / rate)
    octaves = np.sin(t * rng.uniform(0.5, 1.5) + rng.uniform(0, 6))
    at = np.cumsum(2**octaves) / rate
    return at[at < seconds]


def test_the_path_is_the_cheapest():
    a, b = movement(np.arange(30) / 30), movement(moments(1, 1.0))
    got = align(a, b, ends="closed")
    cost = align_distance(a, b)
    want, _ = naive.dtw(cost, diagonal=DIAGONAL)
    np.testing.assert_array_equal(got.path, want)
    assert got.cost == pytest.approx(cost[tuple(want.T)].mean(), rel=1e-5)
    assert got.unmatched == ()
    i, j = got.path.T
    np.testing.assert_array_equal(got.times_a, a.times[i])
    np.testing.assert_array_equal(got.times_b, b.times[j])
    np.testing.assert_array_equal(got.distance, cost[i, j])
    np.testing.assert_allclose(got.match_probability, matching_probability(a, b)[i, j], atol=1e-5)
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
def test_an_open_path_pays_for_what_it_skips(ends):
    a, b = movement(np.arange(40) / 30), movement(moments(1, 2.0)[20:])
    got = align(a, b, ends=ends)
    cost = align_distance(a, b)
    price = skip_price(cost, SKIP[ends])
    want, _ = naive.dtw(cost, 1.0, price, price, DIAGONAL)
    kept = [cell in got.path.tolist() for cell in want.tolist()]
    np.testing.assert_array_equal(got.path, want[kept])
    cut = want[: kept.index(True) + 1], want[len(kept) - 1 - kept[::-1].index(True) :]
    for run in cut:  # what is cut off stays on one frame, and leads away from the nearest
        assert (run == run[0]).all(axis=0).any()
        assert len(run) < 8
    assert cost.min() < price < cost.mean()


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


def test_the_time_map_does_not_stutter():
    a, b = movement(np.arange(150) / 30, noise=0.2), movement(moments(5), noise=0.2, noise_seed=1)
    got = align(a, b)
    steps = np.diff(warp(got, a.times)) * 30  # frames of b per frame of a; truth 0.5 to 2
    assert steps.min() > 0.25
    assert steps.max() < 3
    stairs = np.diff([got.times_b[got.path[:, 0] == i].mean() for i in range(150)]) * 30
    assert np.abs(np.diff(steps)).mean() < 0.2 * np.abs(np.diff(stairs)).mean()


def test_more_smoothing_is_steadier():
    a, b = movement(np.arange(150) / 30, noise=0.2), movement(moments(5), noise=0.2, noise_seed=1)
    got = align(a, b)

    def jitter(smooth_s):
        there = warp(dataclasses.replace(got, smooth_s=smooth_s), a.times)
        assert (np.diff(there) >= 0).all()
        return np.abs(np.diff(there, 2)).mean()

    assert jitter(1.5) < jitter(0.45) < jitter(0.1) < jitter(0)


def test_the_time_map_of_one_frame():
    one, many = movement([0.5]), movement(np.arange(10) / 30)
    got = align(one, many)
    assert warp(got, np.array([0.0, 1.0])).shape == (2,)
    np.testing.assert_allclose(warp(got, many.times, onto="b"), 0.0)
    assert speed(got) == []
    with pytest.raises(ValueError, match="onto"):
        warp(got, many.times, onto="c")


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


def test_speeds_are_told():
    at = np.r_[np.arange(0, 2, 1 / 60), np.arange(2, 5, 1 / 30)]  # half speed, then the same
    a, b = movement(np.arange(150) / 30, noise=0.05), movement(at, noise=0.05, noise_seed=1)
    first, second = speed(align(a, b))
    assert first.start_s == 0
    assert first.end_s == second.start_s == pytest.approx(2, abs=0.25)
    assert second.end_s == pytest.approx(a.times[-1])
    assert first.ratio == pytest.approx(0.5, rel=0.1)
    assert second.ratio == pytest.approx(1.0, rel=0.1)
    same = speed(align(a, a))
    assert [(s.start_s, round(s.ratio, 3)) for s in same] == [(0.0, 1.0)]


def bodies(at):
    """Joints in space of the same movement: limbs that swing at speeds of their own."""
    rng = np.random.default_rng(9)
    rest, swing = rng.normal(size=(2, 13, 3))
    phase = np.asarray(at)[:, None, None] * rng.uniform(1, 3, (13, 3))
    return (rest + 0.3 * swing * np.sin(phase)).astype(np.float32)


def test_joints_in_space_guide_the_path():
    """Embeddings that look alike every second: the joints in space know which second it is."""
    at_a, at_b = np.arange(0, 4, 1 / 30), np.arange(1, 4, 1 / 30)
    a, b = (movement(np.sin(2 * np.pi * at), noise=0.05) for at in (at_a, at_b))
    alone = align(a, b)
    a, b = (dataclasses.replace(c, world=bodies(at)) for c, at in ((a, at_a), (b, at_b)))
    got = align(a, b)
    truth = np.interp(a.times, at_b, b.times)
    shown = at_a >= 1
    error, before = (np.abs(warp(m, a.times) - truth)[shown] for m in (got, alone))
    assert np.median(error) < 0.02 < 0.3 < np.median(before)
    assert got.cost < 1, "the distance is that of the embeddings"
    b.world[::9] = np.nan
    np.testing.assert_allclose(warp(align(a, b), a.times)[shown], truth[shown], atol=0.1)


def test_a_hole_is_crossed_the_shortest_way_with_joints_in_space_too():
    at = np.arange(0, 4, 1 / 30)
    a, b = (
        dataclasses.replace(movement(at, noise=0.1, noise_seed=seed), world=2 * bodies(at))
        for seed in (0, 1)
    )
    for clip in (a, b):
        clip.mean[40:70] = np.nan
        clip.world[40:70] = np.nan
    got = align(a, b)
    assert np.abs(warp(got, a.times) - a.times).max() < 0.2


def test_a_part_of_a_clip_keeps_what_belongs_to_its_frames():
    clip = dataclasses.replace(movement(np.arange(20) / 30), world=bodies(np.arange(20) / 30))
    part = clip.part(slice(3, 12, 2))
    assert len(part) == len(part.world) == 5
    np.testing.assert_array_equal(part.world[1], clip.world[5])
    np.testing.assert_array_equal(part.mean[1], clip.mean[5])
    assert part.times[1] == clip.times[5]
    with pytest.raises(FormatError, match="world"):
        dataclasses.replace(clip, world=clip.world[:4])


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
