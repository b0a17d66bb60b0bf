"""Time maps and speeds of alignments."""

import dataclasses

import numpy as np
import pytest

from tests.movements import moments, movement
from vipecli.alignment.align import align
from vipecli.alignment.time_map import speed, warp


def test_the_time_map_does_not_stutter():
    a, b = movement(np.arange(150) / 30, noise=0.2), movement(moments(5), noise=0.2, noise_seed=1)
    got = align(a, b)
    steps = np.diff(warp(got, a.times)) * 30  # frames of b per frame of a; truth 0.5 to 2
    assert steps.min() > 0.25
    assert steps.max() < 3
    stairs = np.diff([got.path[got.path[:, 0] == i, 1].mean() for i in range(150)])
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
