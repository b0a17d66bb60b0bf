"""Hidden joints on straight lines in time, and on smooth paths."""

import numpy as np

from vipecli.sequence.paths import smooth, straight


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


def moving(frames: int = 40):
    """Joints that swing, times a tenth of a second apart, all of them seen."""
    times = np.arange(frames)[None] / 10.0
    phase = np.linspace(0, 6, 13)[:, None] + np.array([0.0, 2.0])
    points = 100 * np.sin(2 * times[..., None, None] + phase) + 300 * np.cos(3 * phase)
    return points, np.ones((1, frames, 13)), times


def test_smooth_paths_bridge_better_than_lines():
    points, score, times = moving()
    score[:, 15:23] = 0
    path = smooth(np.where(score[..., None] > 0, points, np.nan), score, times)
    line, _ = straight(points, score, times)
    hidden = score[0, :, 0] == 0
    off = [np.abs(x - points)[:, hidden].mean() for x in (path, line)]
    assert off[0] < 0.6 * off[1]
    assert np.abs(path - points)[:, ~hidden].mean() < 5


def test_smooth_paths_pass_by_what_is_far_off():
    points, score, times = moving()
    wrong = points.copy()
    wrong[0, 10, 5] += 500
    path = smooth(wrong, score, times)
    assert np.abs(path - points)[0, 10, 5].max() < 60


def test_smooth_paths_are_those_of_places_in_any_unit():
    points, score, times = moving()
    score[:, 15:20, :4] = 0
    path = smooth(points, score, times)
    assert np.allclose(smooth(7 * points - 50, score, times), 7 * path - 50, atol=0.5)
    nobody = smooth(points, 0 * score, times)
    assert np.isfinite(nobody).all() and np.abs(nobody).max() < 1e-3
