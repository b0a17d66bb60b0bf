"""Clocks of several cameras from the shifts of all pairs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from vipecli.alignment.cameras import settle
from vipecli.alignment.offset import Offset


def planted(shifts, rates=None, *, confidence=10.0, jitter=0.0):
    """Shifts of all pairs of cameras whose clocks are known."""
    rates, rng = rates or [1.0] * len(shifts), np.random.default_rng(0)
    pairs = {}
    for i, j in itertools.combinations(range(len(shifts)), 2):
        rate = rates[j] / rates[i]
        shift = shifts[j] - rate * shifts[i] + jitter * rng.standard_normal()
        pairs[i, j] = Offset(shift, rate, 0.5, 3.0, confidence)
    return pairs


@pytest.mark.parametrize("reference", [0, 2])
def test_nine_cameras_on_one_clock(reference):
    truth = np.random.default_rng(1).uniform(-30, 30, 9)
    got = settle(planted(truth, jitter=0.01), 9, reference)
    np.testing.assert_allclose(got.shift_s, truth - truth[reference], atol=0.02)
    assert not got.outliers and (got.rate == 1).all()


def test_wrong_pairs_are_named_and_left_out():
    truth = [0.0, 1.5, -2.0, 4.0]
    pairs = planted(truth)
    pairs[0, 2] = Offset(3.0, 1.0, 0.5, 3.0, 6.0)
    pairs[1, 3] = Offset(2.9, 1.0, 0.5, 3.0, 10.0)
    got = settle(pairs, 4, 0)
    np.testing.assert_allclose(got.shift_s, truth, atol=1e-6)
    assert [(i, j) for i, j, _ in got.outliers] == [(0, 2), (1, 3)]
    assert [off for *_, off in got.outliers] == pytest.approx([5.0, 0.4], abs=0.01)


@pytest.mark.parametrize("confidences", [(25, 25, 25), (30, 22, 60), (8, 9, 10)])
def test_three_cameras_that_contradict_each_other_are_all_placed_and_doubtful(confidences):
    pairs = planted([0.0, 1.0, 3.0])
    pairs[0, 2] = Offset(2.0, 1.0, 0.5, 3.0)
    pairs = {
        p: replace(one, confidence=c)
        for (p, one), c in zip(pairs.items(), confidences, strict=True)
    }
    got = settle(pairs, 3, 0)
    assert np.isfinite(got.shift_s).all() and len(got.outliers) == 1
    least = min(pairs, key=lambda pair: pairs[pair].confidence)
    assert got.outliers[0][:2] == least and abs(got.outliers[0][2]) == pytest.approx(1.0)
    assert got.contradicted.tolist() == [False, True, True]


def test_a_camera_whose_pairs_all_differ_is_doubtful_the_others_are_not():
    pairs = planted([0.0, 1.0, 2.0, 5.0])
    pairs[1, 3], pairs[2, 3] = (Offset(s, 1.0, 0.5, 3.0, 10.0) for s in (-2.0, 9.0))
    got = settle(pairs, 4, 0)
    np.testing.assert_allclose(got.shift_s[:3], [0, 1, 2], atol=1e-9)
    assert got.contradicted.tolist() == [False, False, False, True]


def test_a_camera_with_more_pairs_left_out_than_kept_is_doubtful():
    pairs = planted([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    pairs |= {(i, 5): Offset(9.0 - i, 1.0, 0.5, 3.0, 60.0) for i in (1, 2)}
    for i in (0, 3, 4):
        pairs[i, 5] = replace(pairs[i, 5], shift_s=5.0 - i + i / 2, confidence=5.0)
    got = settle(pairs, 6, 0)
    np.testing.assert_allclose(got.shift_s[:5], [0, 1, 2, 3, 4], atol=1e-6)
    assert got.shift_s[5] == pytest.approx(9.0, abs=1e-6)
    assert got.contradicted.tolist() == [False] * 5 + [True]


def test_a_pair_that_is_left_out_has_no_say_in_the_rates():
    pairs = planted([0.0, 2.0, -1.0, 3.0], [1.0, 1.001, 0.998, 1.0])
    pairs[0, 1] = Offset(7.0, 1.02, 0.5, 3.0, 10.0)
    got = settle(pairs, 4, 0)
    assert [pair[:2] for pair in got.outliers] == [(0, 1)]
    np.testing.assert_allclose(got.rate, [1.0, 1.001, 0.998, 1.0], atol=1e-9)
    np.testing.assert_allclose(got.shift_s, [0.0, 2.0, -1.0, 3.0], atol=1e-6)


def test_a_camera_is_placed_through_others_or_not_at_all():
    pairs = planted([0.0, 1.5, -2.0, 4.0])
    for pair in ((0, 2), (0, 3), (1, 3), (2, 3)):
        del pairs[pair]
    got = settle(pairs, 4, 0)
    np.testing.assert_allclose(got.shift_s, [0, 1.5, -2, np.nan])


def test_rates_fit_all_pairs():
    shifts, rates = [0.0, 2.0, -1.0], [1.0, 1.001, 0.998]
    got = settle(planted(shifts, rates), 3, 0)
    np.testing.assert_allclose(got.rate, rates, atol=1e-9)
    np.testing.assert_allclose(got.shift_s, shifts, atol=1e-6)
