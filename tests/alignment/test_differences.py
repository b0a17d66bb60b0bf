"""Differences that exceed their uncertainty: by hand, and of a planted one behind furniture."""

from dataclasses import replace

import numpy as np
import pytest

from examples.motions import perform
from tests.alignment.test_compare import bent_elbow, in_step, seen_from_the_side
from vipecli.alignment.compare import compare
from vipecli.alignment.differences import (
    LEAST_S,
    Sight,
    certain,
    sight,
    stretches,
    uncertainty,
)
from vipecli.alignment.joint_angles import ANGLES
from vipecli.poses import skeleton as sk

NAMES = list(ANGLES)
ELBOW, KNEE = NAMES.index("right elbow"), NAMES.index("left knee")


def turned(degrees: float, frames: int = 3) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.tile([[c, 0, s], [0, 1, 0], [-s, 0, c]], (frames, 1, 1))


def clip(std: float, *, degrees: float = 0.0, score: float = 1.0) -> Sight:
    return Sight(np.full((3, 8), std), turned(degrees), np.full((3, 8), score))


def test_uncertainty_by_hand():
    still = np.zeros((3, 8))
    one_side = uncertainty(clip(10), clip(10), still)
    np.testing.assert_allclose(one_side, np.sqrt(0.64 * (200 - 1.5 * 100) + 4))
    other_side = uncertainty(clip(10), clip(10, degrees=90), still)
    np.testing.assert_allclose(other_side, np.sqrt(0.64 * 200 + 4), rtol=1e-3)
    moving = uncertainty(clip(0), clip(0), np.full((3, 8), 100.0))
    np.testing.assert_allclose(moving, np.sqrt(9 + 4))
    nobody = replace(clip(10), std=np.full((3, 8), np.nan))
    assert np.isnan(uncertainty(clip(10), nobody, still)).all()


def test_only_what_is_surely_seen_and_larger_is_certain():
    std, apart = np.full((3, 8), 5.0), np.full((3, 8), 6.0)
    shown = {"in_picture": apart}
    assert certain(apart, std, clip(1), clip(1), **shown).all()
    assert not certain(np.full((3, 8), 4.0), std, clip(1), clip(1), **shown).any()
    assert not certain(apart, std, clip(1), clip(1, score=0.9), **shown).any()
    assert not certain(apart, np.full((3, 8), np.nan), clip(1), clip(1), **shown).any()


def test_a_difference_that_no_picture_shows_is_guessed_depth():
    std, apart = np.full((3, 8), 5.0), np.full((3, 8), -6.0)
    for in_picture, listed in ((-3.1, True), (-2.9, False), (3.1, False), (np.nan, False)):
        flat = np.full((3, 8), in_picture)
        assert certain(apart, std, clip(1), clip(1), in_picture=flat).all() == listed
        assert certain(apart, std, clip(1), clip(1, degrees=60), in_picture=flat).all()


def test_stretches_last_and_hips_and_knees_come_first():
    times = np.arange(60) / 30
    apart, listed = np.zeros((60, 8)), np.zeros((60, 8), bool)
    long = round(LEAST_S * 30) + 2
    apart[5 : 5 + long, ELBOW], apart[10 : 10 + long, KNEE] = 17.0, -12.0
    apart[9, ELBOW] = 17.9  # less than 1.5 times the knee's
    apart[40:44, KNEE] = 50.0  # too short
    listed[apart != 0] = True
    first, second = stretches(times, apart, listed)
    assert (first.angle, first.first, first.end) == (KNEE, 10, 10 + long)
    assert (second.angle, second.first, second.peak) == (ELBOW, 5, 9)
    apart[9, ELBOW] = 18.1
    assert [one.angle for one in stretches(times, apart, listed)] == [ELBOW, KNEE]


def test_a_change_of_sign_ends_a_stretch():
    times = np.arange(40) / 30
    apart = np.zeros((40, 8))
    apart[:20, KNEE], apart[20:, KNEE] = 15.0, -15.0
    found = stretches(times, apart, apart != 0)
    assert sorted((one.first, one.end) for one in found) == [(0, 20), (20, 40)]


def test_an_ambiguous_pose_is_less_sure_than_a_clear_one():
    squat = seen_from_the_side(perform("squat", seconds=2, reps=1).joints)
    half = replace(squat, score=squat.score.copy(), xy=squat.xy.copy())
    half.score[:, sk.LEFT_HIP :], half.xy[:, sk.LEFT_HIP :] = 0, np.nan  # legs out of the picture
    whole, without = sight(squat), sight(half)
    assert whole.std.shape == (60, 8) and (whole.score == 1).all()
    assert np.median(without.std[:, KNEE]) > 1.2 * np.median(whole.std[:, KNEE])
    assert (without.score[:, KNEE] == 0).all()
    nobody = replace(squat, score=0 * squat.score, xy=np.full_like(squat.xy, np.nan))
    assert np.isnan(sight(nobody).std).all()


def test_a_lost_joint_is_no_difference():
    """A knee behind a rack that the detector puts 60 degrees elsewhere, with a low score."""
    squat = seen_from_the_side(perform("squat", seconds=4, reps=2).joints)
    lost = replace(squat, xy=squat.xy.copy(), score=squat.score.copy())
    lost.xy[30:80, sk.RIGHT_KNEE] += 60
    lost.score[30:80, sk.RIGHT_KNEE] = 0.6
    found = compare(in_step(squat, lost), squat, lost)
    assert not any(one.angle in ("right knee", "right hip") for one in found.moments)
    seen = replace(lost, score=np.ones_like(lost.score))
    found = compare(in_step(squat, seen), squat, seen)
    assert any(one.angle == "right knee" for one in found.moments)


def test_the_same_performance_twice_differs_nowhere():
    squat = seen_from_the_side(perform("squat", seconds=4, reps=2).joints)
    rng = np.random.default_rng(0)
    wobble = rng.normal(0, 2, squat.xy.shape).astype(np.float32)
    again = replace(squat, xy=squat.xy + wobble)
    assert compare(in_step(squat, again), squat, again).moments == ()
    other = bent_elbow(again, -60, 2.0, 0.5)
    (one,) = compare(in_step(squat, other), squat, other).moments
    assert one.angle == "right elbow" and one.start_a < 2.0 < one.end_a
    assert one.time_a == pytest.approx(2.0, abs=0.3)
    assert 2 < one.std_deg < abs(one.difference_deg)
