"""Differences that come and go: by hand, and of planted ones, seen, hidden or everywhere."""

from dataclasses import replace

import numpy as np
import pytest

from examples.motions import perform
from tests.alignment.test_compare import bent_elbow, in_step, seen_from_the_side
from vipecli.alignment.compare import compare
from vipecli.alignment.differences import Evidence, evidence, known, stretches
from vipecli.alignment.joint_angles import ANGLES
from vipecli.alignment.seen_angles import SeenAngles, seen_angles, turn_between, turn_deg, turned_to
from vipecli.poses import skeleton as sk

NAMES = list(ANGLES)
ELBOW, KNEE = NAMES.index("right elbow"), NAMES.index("left knee")
TIMES = np.arange(120) / 30


def witness(size: float = 0.0, first: int = 40, end: int = 70, variance: float = 1.0) -> Evidence:
    apart = np.zeros((120, 8))
    apart[first:end, KNEE] = size
    return Evidence(apart, np.full((120, 8), variance))


ALL = np.ones((120, 8), bool)


def test_a_stretch_by_hand():
    """12 degrees for 1 s, 3 s of rest: 12 over the root of its own variance, 2, and the rest's."""
    (one,) = stretches(TIMES, [witness(12)], ALL)
    assert one.angle == KNEE
    assert abs(one.first - 40) <= 5 and abs(one.end - 70) <= 5
    assert one.size_deg == pytest.approx(12, abs=0.5)
    lasts = (one.end - one.first) / 30
    believed = 2.7 / (2.7 + 0.4)
    variance = 2 * 0.6 / lasts + believed**2 * 2 * 0.6 / 2.7 + (6 * (1 - believed)) ** 2
    assert one.std_deg == pytest.approx(np.sqrt(variance), rel=0.03)


def test_what_differs_all_the_time_is_no_difference():
    everywhere = Evidence(np.full((120, 8), 9.0), np.ones((120, 8)))
    assert stretches(TIMES, [everywhere], ALL) == []
    shifted = witness(12)
    (one,) = stretches(TIMES, [replace(shifted, difference=shifted.difference + 9)], ALL)
    assert one.angle == KNEE and one.size_deg == pytest.approx(12, abs=1.5)


def test_what_is_not_seen_does_not_count():
    hidden = ALL.copy()
    hidden[40:70, KNEE] = False
    assert stretches(TIMES, [witness(40)], hidden) == []
    gone = witness(40)
    gone.difference[40:70, KNEE] = np.nan
    assert stretches(TIMES, [gone], ALL) == []


def test_moments_that_are_unsure_have_no_say():
    """Where an arm points to the camera its angle in the picture is anything."""
    wild = witness(45)
    wild.variance[40:70, KNEE] = 900
    assert stretches(TIMES, [wild], ALL) == []
    outside = witness(12)
    outside.difference[80:110, KNEE], outside.variance[80:110, KNEE] = 90, 3000
    (one,) = stretches(TIMES, [outside], ALL)
    assert one.size_deg == pytest.approx(12, abs=1)


def test_two_witnesses_are_surer_than_one_and_one_that_denies_counts():
    std = [stretches(TIMES, found, ALL)[0].std_deg for found in ([witness(12)], [witness(12)] * 2)]
    assert std[1] == pytest.approx(std[0] * np.sqrt(0.75))
    assert stretches(TIMES, [witness(30), witness(0)], ALL) == []


def test_several_of_one_angle_and_hips_and_knees_first():
    twice = witness(-12, 10, 35)
    twice.difference[75:105, KNEE] = -14
    twice.difference[45:65, ELBOW] = 14
    found = stretches(TIMES, [twice], ALL)
    assert [one.angle for one in found] == [KNEE, KNEE, ELBOW]
    early, late = sorted(found[:2], key=lambda one: one.first)
    assert early.end < 40 and late.first > 60
    twice.difference[45:65, ELBOW] = 28
    assert stretches(TIMES, [twice], ALL)[0].angle == ELBOW
    assert stretches(TIMES[:1], [Evidence(np.zeros((1, 8)), np.ones((1, 8)))], ALL[:1]) == []


def seen_by(joints: np.ndarray, degrees: float) -> SeenAngles:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = joints @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return seen_angles(seen_from_the_side(turned))


def test_an_ambiguous_pose_is_less_sure_than_a_clear_one():
    squat = seen_from_the_side(perform("squat", seconds=2, reps=1).joints)
    half = replace(squat, score=squat.score.copy(), xy=squat.xy.copy())
    half.score[:, sk.LEFT_HIP :], half.xy[:, sk.LEFT_HIP :] = 0, np.nan  # legs out of the picture
    whole, without = seen_angles(squat), seen_angles(half)
    assert whole.std.shape == (60, 8) and (whole.score == 1).all()
    assert np.median(without.std[:, KNEE]) > 1.2 * np.median(whole.std[:, KNEE])
    assert (without.score[:, KNEE] == 0).all() and np.isnan(without.flat[:, KNEE]).all()
    nobody = replace(squat, score=0 * squat.score, xy=np.full_like(squat.xy, np.nan))
    assert np.isnan(seen_angles(nobody).std).all()
    assert not known(whole, without)[:, KNEE].any()


def test_hips_are_no_surer_than_their_knees():
    squat = seen_from_the_side(perform("squat", seconds=2, reps=1).joints)
    squat.score[:, sk.LEFT_KNEE] = 0.8
    scores = dict(zip(NAMES, seen_angles(squat).score[0], strict=True))
    assert scores["left hip"] == scores["left shoulder"] == pytest.approx(0.8)
    assert scores["right hip"] == scores["left elbow"] == 1


def test_the_other_camera_is_taken_off():
    """A camera 12 degrees beside shows other angles in the picture, but no other ones."""
    joints = perform("squat", seconds=2, reps=1).joints
    a, b = seen_by(joints, 40), seen_by(joints, 52)
    assert turn_deg(a, b) == pytest.approx(12, abs=4)
    lifted, picture = evidence(a, b)
    error = [np.abs(d[:, KNEE]).mean() for d in (b.flat - a.flat, picture.difference)]
    assert error[1] < 0.7 * error[0], error
    assert np.isfinite(lifted.variance).all() and (picture.variance > 0).all()
    assert len(evidence(a, seen_by(joints, 110))) == 1
    same = turn_between(a, a)
    np.testing.assert_allclose(same, np.eye(3), atol=1e-5)
    np.testing.assert_allclose(turned_to(a, same), turned_to(a, np.eye(3)), atol=1e-2)


def test_a_limb_that_points_to_the_camera_is_unsure():
    squat = seen_from_the_side(perform("squat", seconds=2, reps=1).joints)
    short = replace(squat, xy=squat.xy.copy())
    bone = short.xy[:, sk.LEFT_ANKLE] - short.xy[:, sk.LEFT_KNEE]
    short.xy[:, sk.LEFT_ANKLE] -= 0.8 * bone
    ratio = seen_angles(short).shortness[:, KNEE] / seen_angles(squat).shortness[:, KNEE]
    assert (ratio > 2.5).all()


def test_a_lost_joint_is_no_difference():
    """A knee behind a rack that the detector puts elsewhere for a while, with a low score."""
    squat = seen_from_the_side(perform("squat", seconds=4, reps=2).joints)
    lost = replace(squat, xy=squat.xy.copy(), score=squat.score.copy())
    lost.xy[30:70, sk.RIGHT_KNEE] += 60
    lost.score[30:70, sk.RIGHT_KNEE] = 0.6
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
    assert 1 < one.std_deg < abs(one.difference_deg)
