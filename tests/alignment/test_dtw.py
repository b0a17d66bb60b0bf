"""The cheapest path with its ends, and the mean of all likely ones."""

import numpy as np
import pytest

from tests import naive
from tests.movements import moments, movement
from vipecli.alignment.adaptation import WINDOW_S
from vipecli.alignment.dtw import (
    DIAGONAL,
    SKIP,
    cheapest,
    likely,
    matched_and_unrelated,
    skip_price,
)
from vipecli.embedding.distance import atrous, frame_costs


def table(a, b):
    """Distances of two movements."""
    return atrous(frame_costs(a, b), a.times, b.times, window_s=WINDOW_S)


def test_the_cheapest_path_is_that_of_the_twin():
    cost = table(movement(np.arange(30) / 30), movement(moments(1, 1.0)))
    want, _ = naive.dtw(cost, diagonal=DIAGONAL)
    np.testing.assert_array_equal(cheapest(cost, ends="closed"), want)


def test_matched_and_unrelated_by_hand():
    cost = np.array([[1, 5, 6], [4, 2, 7]], np.float32)
    # rows: least 1 and 2; columns: 1, 2 and 6; the rows are matched better
    assert matched_and_unrelated(cost) == (1.5, pytest.approx(25 / 6))
    assert skip_price(cost, 0.5) == pytest.approx((1.5 + 25 / 6) / 2)


@pytest.mark.parametrize("ends", ["auto", "open"])
def test_an_open_path_pays_for_what_it_skips(ends):
    cost = table(movement(np.arange(40) / 30), movement(moments(1, 2.0)[20:]))
    got = cheapest(cost, ends=ends)
    price = skip_price(cost, SKIP[ends])
    want, _ = naive.dtw(cost, 1.0, price, price, DIAGONAL)
    kept = [cell in got.tolist() for cell in want.tolist()]
    np.testing.assert_array_equal(got, want[kept])
    cut = want[: kept.index(True) + 1], want[len(kept) - 1 - kept[::-1].index(True) :]
    for run in cut:  # what is cut off stays on one frame, and leads away from the nearest
        assert (run == run[0]).all(axis=0).any()
        assert len(run) < 8
    assert cost.min() < price < cost.mean()


def test_the_likely_path_goes_the_middle_way_where_all_is_alike():
    for cost in (np.ones((41, 41), np.float32), np.ones((61, 21), np.float32)):
        n, m = cost.shape
        corner = np.r_[[(0, j) for j in range(m)], [(i, m - 1) for i in range(1, n)]]
        places = likely(corner[:1].repeat(1, 0), cost, 1.0)
        np.testing.assert_array_equal(places, [[0, 0]])
        straight = np.linspace(0, n - 1, 401)
        path = np.unique(np.stack([straight, straight * (m - 1) / (n - 1)], 1).round(), axis=0)
        path = path.astype(np.int32)
        got = likely(path, cost, 1.0)
        off = got[:, 0] / (n - 1) - got[:, 1] / (m - 1)
        assert np.abs(off).max() < 0.75 / min(n, m)


def test_the_likely_path_is_that_of_the_swapped_clips_too():
    a, b = movement(np.arange(90) / 30, noise=0.3), movement(moments(2, 3.0), noise=0.3)
    cost = table(a, b)
    path = cheapest(cost)
    got = likely(path, cost, 0.5)
    swapped = likely(path[:, ::-1], np.ascontiguousarray(cost.T), 0.5)
    np.testing.assert_allclose(got, swapped[:, ::-1], atol=1e-6)
    np.testing.assert_array_equal(got[[0, -1]], path[[0, -1]])
    steps = np.diff(got, axis=0)
    assert (steps > -1e-9).all()
    np.testing.assert_allclose(steps.sum(axis=1), 1)


def test_the_likely_path_is_nearer_to_the_truth_than_the_cheapest():
    errors = []
    for seed in range(12):
        at = moments(seed, 5.0)
        a = movement(np.arange(150) / 30, seed=seed, noise=0.8, noise_seed=1)
        b = movement(at, seed=seed, noise=0.8, noise_seed=2)
        cost = table(a, b)
        path = cheapest(cost, ends="closed")
        matched, unrelated = matched_and_unrelated(cost)
        places = likely(path, cost, unrelated - matched)
        errors.append(
            [
                np.abs(np.interp(p[:, 1], np.arange(len(at)), at) - p[:, 0] / 30).mean()
                for p in (path, places)
            ]
        )
    cheap, mean = np.mean(errors, axis=0)
    assert mean < 0.9 * cheap


def test_the_likely_path_keeps_to_limits():
    cost = np.ones((50, 50), np.float32)
    path = np.arange(50).repeat(2).reshape(-1, 2).astype(np.int32)
    i = np.arange(50)
    low, high = (i - 2).clip(0), (i + 2).clip(max=49) + 1
    packed = np.full((50, 5), np.nan, np.float32)
    for row in i:
        packed[row, : high[row] - low[row]] = cost[row, low[row] : high[row]]
    got = likely(path, packed, 1.0, at=low, limits=(low, high))
    assert np.abs(got[:, 0] - got[:, 1]).max() < 2
    np.testing.assert_allclose(got, likely(path, cost, 1.0, limits=(low, high)), atol=1e-9)
