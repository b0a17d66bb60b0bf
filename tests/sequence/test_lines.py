"""Hidden joints on straight lines in time."""

import numpy as np

from vipecli.sequence.lines import straight


def test_straight_lines_bridge_hold_and_guess():
    points = np.arange(6.0)[None, :, None, None] * np.ones((1, 6, 2, 1))
    score = np.ones((1, 6, 2))
    score[0, [0, 2, 3, 5], 0] = 0
    score[0, :, 1] = 0
    times = np.array([[0, 1, 2, 3, 4, 5.0]])
    found, away = straight(np.where(score[..., None] > 0, points, 99), score, times)
    assert found[0, :, 0, 0].tolist() == [1, 1, 2, 3, 4, 4]
    assert found[0, :, 1, 0].tolist() == [1, 1, 2, 3, 4, 4]  # never seen: where the others are
    assert away[0, :, 0].tolist() == [[-1, 1], [0, 0], [1, 2], [2, 1], [0, 0], [1, -1]]
    assert (away[0, :, 1] == -1).all()


def test_lines_are_those_of_times():
    points = np.array([0.0, 0, 0, 12])[None, :, None, None]
    score = np.array([1, 0, 0, 1])[None, :, None]
    found, away = straight(points, score, np.array([[0, 1, 5, 6.0]]))
    assert found[0, :, 0, 0].tolist() == [0, 2, 10, 12]
    assert away[0, 2, 0].tolist() == [5, 1]


def test_nothing_is_known():
    found, away = straight(np.ones((2, 3, 4, 2)), np.zeros((2, 3, 4)), np.arange(6.0).reshape(2, 3))
    assert (found == 0).all() and (away == -1).all()


def test_equals_interpolation_joint_by_joint():
    rng = np.random.default_rng(0)
    points, score = rng.normal(size=(3, 20, 5, 2)), (rng.random((3, 20, 5)) > 0.6).astype(float)
    times = np.cumsum(rng.random((3, 20)) + 0.1, axis=1)
    found, _ = straight(points, score, times)
    for b in range(3):
        for j in range(5):
            known = score[b, :, j] > 0
            for c in range(2):
                line = np.interp(times[b], times[b, known], points[b, known, j, c])
                assert np.allclose(found[b, :, j, c], line)
