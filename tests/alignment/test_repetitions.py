"""Repetitions of one movement within a longer clip."""

import dataclasses
import itertools

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment.repetitions import FASTEST, SLOWEST, find_all


def test_every_repetition_is_found_with_its_ends():
    a = movement(np.arange(15, 75) / 30)  # 0.5 to 2.5 s of the movement
    once, fast, slow = np.arange(0, 90), np.arange(0, 90, 2), np.arange(0, 90, 0.5)
    b = movement(np.r_[once, fast, slow, once] / 30, noise=0.1)
    got = find_all(a, b)
    starts = np.array([15, 90 + 7.5, 90 + 45 + 30, 90 + 45 + 180 + 15]) / 30
    lengths = np.array([60, 30, 120, 60]) / 30
    assert [one.times_b[0] for one in got] == pytest.approx(starts.tolist(), abs=0.35)
    assert [np.ptp(one.times_b) for one in got] == pytest.approx(lengths.tolist(), rel=0.2)
    for one in got:
        assert one.path[0, 0] == 0
        assert one.path[-1, 0] == len(a) - 1
        assert np.abs(one.times_b - b.times[one.path[:, 1]]).max() <= 0.5 / 30 + 1e-6
    assert all(x.path[-1, 1] < y.path[0, 1] for x, y in itertools.pairwise(got))


def test_nothing_is_found_in_another_movement():
    a = movement(np.arange(60) / 30)
    assert find_all(a, movement(np.arange(200) / 30, seed=3)) == []
    nobody = movement(np.arange(100) / 30)
    assert find_all(a, dataclasses.replace(nobody, mean=nobody.mean * np.nan)) == []


def test_a_clip_holds_itself_once():
    a = movement(np.arange(60) / 30)
    (one,) = find_all(a, a)
    np.testing.assert_array_equal(one.path[:, 0], one.path[:, 1])
    assert FASTEST < 1 < SLOWEST
    with pytest.raises(ValueError, match="without frames"):
        find_all(a, movement(np.zeros(0)))
