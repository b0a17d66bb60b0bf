"""Same action or not, and which side."""

import dataclasses

import numpy as np
import pytest

from tests.movements import moments, movement
from vipecli.alignment.same_action import align_either_side, same_action
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import LEFT_WRIST, MIRROR, RIGHT_WRIST, from_mediapipe


def test_the_same_action_is_told_from_another():
    a = movement(np.arange(120) / 30, noise=0.1)
    again = movement(moments(1, 4.0), noise=0.1, noise_seed=1)
    other = movement(np.arange(120) / 30, seed=5, noise=0.1)
    assert same_action(a, again) > 0.9
    assert same_action(a, other) < 0.2
    assert same_action(a, again) == pytest.approx(same_action(again, a), abs=1e-3)
    nobody = dataclasses.replace(a, mean=np.full_like(a.mean, np.nan))
    assert same_action(a, nobody) < 0.05


def test_mirrored_poses_by_hand():
    xy = np.full((1, 13, 2), 10, np.float32)
    xy[0, LEFT_WRIST] = 30, 40
    score = np.ones((1, 13), np.float32)
    xy[0, 0], score[0, 0] = np.nan, 0
    poses = Poses(xy, score, np.zeros(1), (100, 80))
    got = mirrored(poses)
    np.testing.assert_array_equal(got.xy[0, RIGHT_WRIST], [70, 40])
    np.testing.assert_array_equal(got.xy[0, LEFT_WRIST], [90, 10])
    assert np.isnan(got.xy[0, 0]).all()
    assert got.score[0, 0] == 0
    np.testing.assert_array_equal(mirrored(got).xy, poses.xy)


def test_landmarks_in_space_are_mirrored_with_the_joints():
    rng = np.random.default_rng(0)
    xy = rng.uniform(0, 80, (2, 13, 2)).astype(np.float32)
    world = rng.normal(size=(2, 33, 3)).astype(np.float32)
    poses = Poses(xy, np.ones((2, 13), np.float32), np.arange(2.0), (100, 80), world=world)
    got = mirrored(poses)
    np.testing.assert_array_equal(mirrored(got).world, world)
    plain, flipped = from_mediapipe(world), from_mediapipe(got.world)
    np.testing.assert_allclose(flipped[:, LEFT_WRIST], plain[:, RIGHT_WRIST] * [-1, 1, 1])
    np.testing.assert_allclose(flipped, plain[:, list(MIRROR)] * [-1, 1, 1], atol=1e-6)


def test_the_side_that_fits_is_taken():
    a, same = movement(np.arange(90) / 30), movement(np.arange(90) / 30, noise=0.1)
    other = movement(np.arange(90) / 30, seed=3)
    assert align_either_side(a, same, other)[1] is False
    found, flipped = align_either_side(a, other, same)
    assert flipped
    assert found.cost < 0.6
    assert align_either_side(a, same, same)[1] is False, "symmetric: as it is"


@pytest.mark.parametrize(
    ("plain", "flipped", "want"), [(0.2, 0.8, True), (0.2, 0.6, False), (0.4, 0.9, False)]
)
def test_two_actions_as_filmed_and_one_mirrored(monkeypatch, plain, flipped, want):
    """Of a movement to both sides in turn a part fits as well as the whole does mirrored."""
    a, same = movement(np.arange(90) / 30), movement(np.arange(90) / 30, noise=0.1)
    other = movement(np.arange(90) / 30, noise=0.1)
    scores = {id(same): plain, id(other): flipped}
    module = "vipecli.alignment.same_action.same_action"
    monkeypatch.setattr(module, lambda _, clip: scores[id(clip)])
    assert align_either_side(a, same, other)[1] is want
