"""Figures of merit, by hand."""

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from vipecli.evaluate.metrics import (
    expected_calibration_error,
    hit_at_k,
    kendall_tau,
    np_mpjpe,
    np_mpjpe_pairs,
    one_nn_accuracy,
    one_nn_correct,
    one_view_accuracy,
    pck,
    reliability,
    without_hubs,
)


def standing():
    """Make a pose whose spine, mid-hip to mid-shoulder, has length 2."""
    pose = np.zeros((13, 3))
    pose[0] = 0, 3, 0.1
    pose[[1, 2]] = [[1, 2, 0], [-1, 2, 0]]
    pose[[3, 4]] = [[1, 1, 0], [-1, 1, 0.2]]
    pose[[5, 6]] = [[1, 0, 0], [-1, 0, 0.3]]
    pose[[7, 8]] = [[0.5, 0, 0], [-0.5, 0, 0]]
    pose[[9, 10]] = [[0.5, -2, 0], [-0.5, -2, 0]]
    pose[[11, 12]] = [[0.5, -4, 0], [-0.5, -4, -0.1]]
    return pose


def test_np_mpjpe_ignores_place_turn_and_size():
    pose = standing()
    turned = pose @ np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]) * 5 + 7
    assert np_mpjpe(pose[None], turned[None])[0, 0] == pytest.approx(0, abs=1e-6)


def test_np_mpjpe_is_in_spine_lengths():
    pose, other = standing(), standing()
    other[5, 0] += 0.02  # one wrist, a hundredth of the spine of 2
    error = np_mpjpe(pose[None], other[None])[0, 0]
    # moving one joint of 13 by e costs at most e / 13 per joint, less what the best fit takes up
    assert 0.5 * 0.01 / 13 < error <= 2 * 0.01 / 13


def test_np_mpjpe_does_not_mirror():
    pose = standing()
    assert np_mpjpe(pose[None], (pose * [-1, 1, 1])[None])[0, 0] > 0.01


def test_np_mpjpe_pairs_are_cells():
    poses = np.random.default_rng(0).normal(size=(4, 13, 3))
    whole = np_mpjpe(poses, poses[:3])
    pairs = np.array([[0, 1], [3, 2], [2, 2]])
    np.testing.assert_allclose(np_mpjpe_pairs(poses, poses[:3], pairs), whole[tuple(pairs.T)])
    with pytest.raises(ValueError, match="expected"):
        np_mpjpe(poses[0], poses)


def test_hit_at_k():
    distances = np.array([[1.0, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    matches = np.array([[1, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], bool)
    assert hit_at_k(distances, matches, (1, 2, 3, 4)) == {
        1: pytest.approx(1 / 3),
        2: pytest.approx(1 / 3),
        3: pytest.approx(2 / 3),
        4: pytest.approx(2 / 3),
    }


def test_hit_at_k_counts_ties_against():
    same = np.ones((1, 4))
    assert hit_at_k(same, np.array([[True, False, False, False]]), (1, 3, 4)) == {1: 0, 3: 0, 4: 1}
    assert hit_at_k(same, np.array([[True, True, True, True]]), (1,)) == {1: 1}


def test_hit_at_k_leaves_out_forbidden_items():
    distances = np.array([[np.inf, 2.0, np.nan, 3.0]])
    assert hit_at_k(distances, np.array([[True, False, True, True]]), (1, 2)) == {1: 0, 2: 1}
    nothing = np.full((1, 2), np.inf)
    assert hit_at_k(nothing, np.ones((1, 2), bool), (1,)) == {1: 0}


@pytest.mark.parametrize(
    ("neighbours", "tau"),
    [
        ([0, 1, 2, 3], 1),
        ([3, 2, 1, 0], -1),
        ([0, 2, 1, 3], 4 / 6),  # 5 pairs in order, 1 against
        ([0, 0, 1], 2 / math.sqrt(2 * 3)),  # tau-b: one of three pairs is tied
        ([1, 0, 0, 2], (3 - 2) / math.sqrt(5 * 6)),
    ],
)
def test_kendall_tau_by_hand(neighbours, tau):
    assert kendall_tau(np.array(neighbours)) == pytest.approx(tau)


def test_kendall_tau_without_order():
    assert math.isnan(kendall_tau(np.array([2, 2, 2])))
    assert math.isnan(kendall_tau(np.array([4])))


def test_kendall_tau_equals_scipy():
    rng = np.random.default_rng(0)
    for n in (2, 3, 10, 57):
        neighbours = rng.integers(0, 8, n)
        want = kendalltau(np.arange(n), neighbours).statistic
        assert kendall_tau(neighbours.astype(np.uint8)) == pytest.approx(want, nan_ok=True)


def test_one_nn():
    distances = np.array([[1.0, 2, 3], [3, 2, 1], [2, 1, 1]])
    index = ["run", "sit", "run"]
    np.testing.assert_array_equal(
        one_nn_correct(distances, ["run", "sit", "sit"], index), [True, False, False]
    )
    # the tie of the last query, sit and run at 1, counts against it; then the run is not allowed
    allowed = np.array([[False, True, True], [True, True, False], [True, True, False]])
    np.testing.assert_array_equal(
        one_nn_correct(distances, ["run", "sit", "sit"], index, allowed), [False, True, True]
    )
    assert one_nn_accuracy(distances, ["run", "sit", "sit"], index, allowed) == pytest.approx(2 / 3)


def test_one_nn_with_nothing_to_compare():
    assert not one_nn_correct(np.ones((1, 1)), ["run"], ["run"], np.zeros((1, 1), bool))[0]
    assert math.isnan(one_nn_accuracy(np.ones((0, 2)), [], ["run", "sit"]))


def test_one_view_leaves_out_rare_actions():
    index = ["run", "run", "sit", "sit", "run", "hop", "hop"]
    views = ["left", "left", "left", "left", "back", "back", "back"]
    queries = ["run", "sit", "hop"]
    distances = np.array(
        [
            [1.0, 9, 2, 9, 9, 9, 9],  # right from the left; run is alone in the back
            [1.0, 9, 2, 9, 9, 9, 9],  # wrong from the left; no sit in the back
            [9.0, 9, 1, 9, 0, 5, 9],  # no hop on the left; right from the back, as run is left out
        ]
    )
    assert one_view_accuracy(distances, queries, index, views) == {"back": 1.0, "left": 0.5}
    allowed = np.ones((3, 7), bool)
    allowed[1, 0] = False
    assert one_view_accuracy(distances, queries, index, views, allowed)["left"] == 1.0


def test_one_view_without_any_action():
    assert math.isnan(one_view_accuracy(np.ones((1, 1)), ["run"], ["run"], ["back"])["back"])


def test_hubs_lose_their_advantage():
    # item 0 is near to everything; of the others 1 and 2 are near to each other
    index = np.array([[0.0, 1, 1, 1], [1, 0, 2, 6], [1, 2, 0, 6], [1, 6, 6, 0]])
    distances = np.array([[2.0, 2.2, 9, 9]])
    got = without_hubs(distances, index, k=2)
    np.testing.assert_allclose(got, [[2 - 0.5, 2.2 - 0.75, 9 - 0.75, 9 - 1.75]])
    assert got.argmin() == 1


def test_hubs_without_the_query_itself():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(9, 2))
    table = np.linalg.norm(points[:, None] - points, axis=-1)
    got = without_hubs(table, table, np.ones(9, bool), k=3)
    for q in range(9):
        others = np.delete(np.arange(9), q)
        want = without_hubs(table[q : q + 1, others], table[np.ix_(others, others)], k=3)
        np.testing.assert_allclose(got[q, others], want[0])


def test_reliability_and_its_error():
    probability = np.array([0.1, 0.15, 0.5, 0.5, 0.5, 0.5, 1.0])
    matched = np.array([0, 0, 1, 1, 1, 0, 1], bool)
    rows = reliability(probability, matched, bins=2)
    assert rows == [
        {"from": 0, "to": 0.5, "count": 2, "probability": pytest.approx(0.125), "matched": 0},
        {"from": 0.5, "to": 1, "count": 5, "probability": pytest.approx(0.6), "matched": 0.8},
    ]
    want = (2 * 0.125 + 5 * 0.2) / 7
    assert expected_calibration_error(probability, matched, bins=2) == pytest.approx(want)
    assert math.isnan(expected_calibration_error(np.empty(0), np.empty(0, bool)))


def test_perfect_calibration_has_no_error():
    assert expected_calibration_error(np.array([0.0, 1, 1]), np.array([0, 1, 1], bool)) == 0


def test_pck():
    truth = np.zeros((1, 4, 2))
    predicted = np.array([[[3.0, 4], [3, 4.1], [np.nan, 0], [0, 0]]])
    truth[0, 3] = np.nan
    assert pck(predicted, truth, np.array([10.0])) == pytest.approx(1 / 3)
    assert math.isnan(pck(predicted, np.full_like(truth, np.nan), np.array([10.0])))
