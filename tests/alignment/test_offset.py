"""Shifts and rates between recordings of one event, planted and real."""

import dataclasses

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment.offset import Offset, alignment_at, find_offset
from vipecli.alignment.rises import rises
from vipecli.alignment.shift_between import Evidence, refined
from vipecli.alignment.time_map import warp
from vipecli.errors import UnsureError
from vipecli.poses.poses import Poses


def camera(start, end, *, rate=30.0, noise_seed=0, clock=1.0):
    """Record the movement from `start` to `end` seconds; the clock runs `clock` times too fast."""
    at = np.arange(start, end, 1 / rate / clock)
    return movement(at, rate=rate, noise=0.15, noise_seed=noise_seed)


@pytest.mark.parametrize("rates", [(30, 30), (30, 50), (60, 25)])
@pytest.mark.parametrize("start", [-1.237, 0.0, 0.4551, 3.0172])
def test_a_shift_is_found_to_a_fraction_of_a_frame(start, rates):
    a, b = camera(0, 6, rate=rates[0]), camera(start, start + 5, rate=rates[1], noise_seed=1)
    got = find_offset(a, b)
    assert got.shift_s == pytest.approx(-start, abs=0.15 / min(rates))
    assert got.rate == 1
    assert got.overlap_s == pytest.approx(min(6, start + 5) - max(0, start), abs=0.1)
    back = find_offset(b, a)
    assert back.shift_s == pytest.approx(start, abs=0.15 / min(rates))


def test_people_missing_for_a_while_do_not_matter():
    a, b = camera(0, 5), camera(1.01, 6, noise_seed=1)
    a.mean[40:80] = np.nan
    b.mean[100:] = np.nan
    assert find_offset(a, b).shift_s == pytest.approx(-1.01, abs=0.01)


@pytest.mark.parametrize("clock", [0.985, 1.0, 1.004])
def test_a_drift_is_found(clock):
    a, b = camera(0, 20), camera(2, 19, noise_seed=1, clock=clock)
    got = find_offset(a, b, drift=True)
    assert got.rate == pytest.approx(clock, abs=3e-4)
    assert got.shift_s + got.rate * 10 == pytest.approx(8 * clock, abs=0.01)
    assert not got.warning


def test_a_clip_too_short_for_a_drift_comes_with_a_warning():
    a, b = camera(0, 4), camera(1, 4, noise_seed=1)
    got = find_offset(a, b, drift=True)
    assert got.rate == 1 and "clock rate" in got.warning
    assert not find_offset(a, b).warning


def test_parts_that_scatter_give_no_rate():
    at = np.arange(0, 14, 1 / 30)
    a = movement(at, noise=0.15)
    wander = 0.09 * np.sin(2 * np.pi * at / 9)
    b = movement(at[60:] + wander[60:], noise=0.15, noise_seed=1)
    got = find_offset(a, b, drift=True)
    assert got.rate == 1 and "clock rate" in got.warning
    assert got.shift_s == pytest.approx(-2, abs=0.1)


def test_a_rate_beyond_what_clocks_do_is_none():
    a, b = camera(0, 20), camera(2, 19, noise_seed=1, clock=1.03)
    got = find_offset(a, b, drift=True)
    assert got.rate == 1 and "clock rate" in got.warning


def test_two_actions_that_change_together_come_with_a_warning():
    a, b = camera(0, 6), camera(0, 6, noise_seed=1)
    moves = 0.35 * b.mean + np.roll(b.mean, 5, axis=1)
    other = dataclasses.replace(b, mean=moves)
    assert not find_offset(a, b).warning
    got = find_offset(a, other)
    assert got.confidence > 4 and "two different actions" in got.warning


def test_the_alignment_at_an_offset_is_exact():
    a, b = camera(0, 4), camera(1, 5, noise_seed=1)
    got = alignment_at(a, b, Offset(-1.005, 1.0, 0.3, 3.0))
    np.testing.assert_allclose(got.times_b, got.times_a - 1.005)
    assert (np.abs(b.times[got.path[:, 1]] - got.times_b) <= 0.5 / 30 + 1e-9).all()
    assert [(span.clip, span.start_s) for span in got.unmatched] == [
        ("a", 0.0),
        ("b", 0.0),
        ("b", pytest.approx(a.times[-1] - 1.005)),
    ]
    there = warp(got, np.array([2.0, 2.5]))
    np.testing.assert_allclose(there, [0.995, 1.495], atol=1e-6)
    with pytest.raises(ValueError, match="overlap"):
        alignment_at(a, b, Offset(30.0, 1.0, 0.3, 0.0))
    with pytest.raises(ValueError, match="single frame"):
        find_offset(a, movement([0.0]))


@pytest.mark.parametrize("start", [0.0, 3.2, 8.7])
def test_a_second_of_ten_is_found(start):
    a, b = camera(0, 10), camera(start, start + 1.1, noise_seed=1)
    assert find_offset(a, b).shift_s == pytest.approx(-start, abs=0.5 / 30)


def test_a_short_overlap_is_no_answer_without_a_warning():
    a, b = camera(0, 5), camera(4.2, 9, noise_seed=1)
    try:
        got = find_offset(a, b)
    except UnsureError:
        return
    assert "overlap" in got.warning and "may be wrong" in got.warning


def test_rises_sharpen_the_shift_and_say_nothing_where_nobody_rises():
    a, b = camera(0, 4), camera(1.013, 5, noise_seed=1)
    plain = find_offset(a, b).shift_s
    flat = [rises(filmed(np.zeros(len(one)), one.times)) for one in (a, b)]
    assert find_offset(a, b, rises=tuple(flat)).shift_s == pytest.approx(plain, abs=1e-3)
    waves = [rises(filmed(bounce(one.times + at), one.times)) for one, at in ((a, 0), (b, 1.013))]
    got = find_offset(a, b, rises=tuple(waves)).shift_s
    assert got == pytest.approx(-1.013, abs=0.004) and waves[0].shape == (len(a), 14)


def bounce(times):
    """Height of a body that rises and falls at no steady pace."""
    return 9 * np.sin(4 * times) + 7 * np.sin(7.3 * times + 1)


def filmed(height, times):
    """Poses of a body at some heights, pixels; one joint is never seen, another now and then."""
    xy = np.tile(np.linspace(0, 90, 26).reshape(13, 2), (len(times), 1, 1)).astype(np.float32)
    xy[..., 1] -= height[:, None].astype(np.float32)
    score = np.ones(xy.shape[:2], np.float32)
    for gone in ((slice(None), 3), (slice(5, 9), 5)):
        xy[gone], score[gone] = np.nan, 0
    return Poses(xy, score, times, (200, 200))


@pytest.mark.parametrize("cells", [20_000, 80_000])
def test_long_clips_are_searched_in_bounded_memory(cells):
    a, b = camera(0, 30), camera(3.213, 33, noise_seed=1)
    evidence = Evidence.of(a, b, None, cells)
    assert evidence.table.costs.size <= cells and not evidence.complete
    _, coarse = evidence.table.scores().best
    table, near = evidence.near(coarse, 1.0)
    assert refined(table, near, 1.0) == pytest.approx(-3.213, abs=0.15 / 30)


def test_nobody_moves():
    still = np.full(150, 0.3)
    a, b = movement(still, noise=0.002), movement(still, noise=0.002, noise_seed=1)
    with pytest.raises(UnsureError, match="nobody moves"):
        find_offset(a, b)


def test_a_movement_that_repeats_has_several_shifts():
    at = np.tile(np.arange(0, 2, 1 / 30), 6)
    a, b = movement(at, noise=0.1), movement(at[60:180], noise=0.1, noise_seed=1)
    with pytest.raises(UnsureError, match="several shifts fit as well") as caught:
        find_offset(a, b)
    text = str(caught.value).split(": ", 1)[1]
    told = [float(part.split(" s")[0]) for part in text.split(", ")[:3]]
    assert all(abs(one / 2 - round(one / 2)) < 0.05 for one in told), "whole periods"


def test_the_score_is_one_line_and_has_its_maximum_at_the_shift():
    a, b = camera(0, 6), camera(1, 6, noise_seed=1)
    got = find_offset(a, b)
    confidence, shift = got.score.best
    assert got.confidence == confidence > 5 and shift == pytest.approx(-1, abs=1.5 / 30)
    assert "\n" not in repr(got) + repr(got.score)


@pytest.mark.slow
def test_two_cameras_of_one_man(shared):
    """Frames match to within 3; the poses come from the detector (see `clip.read_clip`)."""
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.clips import read_clips

    folder = shared / "data" / "videos"
    paths = [folder / f"pose2sim_balancing_cam{n}.mp4" for n in ("01", "04")]
    (_, a), (_, b) = read_clips(paths, Recipe(), lambda *_: None)
    assert abs(find_offset(a, b).shift_s) <= 3 / 60
