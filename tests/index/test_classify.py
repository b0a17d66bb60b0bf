"""Labels from the nearest clips."""

import dataclasses

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads

from tests import naive
from vipecli.embedding.distance import MISSING_COST, SOFTNESS, window_distance
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, NoPoseError
from vipecli.index.classify import classify
from vipecli.index.neighbours import NeighbourSearch


def clip(action, take, *, t=40, rate=30.0):
    """One take of an action: the action's movement at its own speed, with noise."""
    rng = np.random.default_rng(action)
    speeds, phases = rng.uniform(0.5, 5, (2, 16))
    noise = np.random.default_rng(1000 * action + take)
    at = np.arange(t) / rate * noise.uniform(0.7, 1.4)
    mean = 1.5 * np.sin(at[:, None] * speeds + phases) + noise.normal(size=(t, 16)) * 0.15
    std = noise.uniform(0.1, 0.5, (t, 16))
    return Embeddings(
        mean.astype(np.float32),
        std.astype(np.float32),
        np.arange(t) / rate,
        "demo:0",
        (1.5 * SOFTNESS, 4.0 * SOFTNESS),
    )


def nearest_mean(a, b):
    """Return the mean of the window distance along the plain warping path."""
    cost = window_distance(a, b)
    path, _ = naive.dtw(cost)
    return cost[tuple(np.transpose(path))].mean(dtype=np.float64)


def index(actions=4, takes=3):
    return [
        (f"{action}-{take}", "abcdefgh"[action], clip(action, take, t=25 + 9 * take))
        for action in range(actions)
        for take in range(takes)
    ]


def test_labels_come_from_the_nearest():
    for action in range(4):
        got = classify(clip(action, 99), index(), k=5)
        assert got.label == "abcd"[action]
        assert 0.5 < got.confidence <= 1
        assert len(got.neighbours) == 5
        distances = [n.distance for n in got.neighbours]
        assert distances == sorted(distances)
        for n in got.neighbours:
            assert 0.05 <= n.match_probability <= 0.95


def uneven(x):
    times = np.cumsum(np.random.default_rng(3).uniform(0.01, 0.08, len(x)))
    return dataclasses.replace(x, times=times)


@pytest.mark.parametrize("query", [clip(0, 50), clip(1, 51, t=1), uneven(clip(2, 52))])
def test_distances_equal_align(query):
    clips = index()
    clips += [("one", "z", clip(5, 0, t=1)), ("60", "z", clip(5, 1, rate=60.0, t=90))]
    clips += [("uneven", "z", uneven(clip(5, 2)))]
    holes = clip(5, 3)
    holes.mean[5:9] = np.nan
    clips += [("holes", "z", holes)]
    blind = clip(5, 4)
    blind.mean[:] = np.nan
    clips += [("blind", "z", blind)]
    got = NeighbourSearch(clips).distances(query)
    want = [nearest_mean(query, x) for _, _, x in clips]
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert got[-1] == pytest.approx(MISSING_COST)


def test_missing_frames_in_the_query():
    query = clip(0, 50)
    query.mean[3] = np.nan
    query.mean[20:30] = np.nan
    got = NeighbourSearch(index()).distances(query)
    np.testing.assert_allclose(got, [nearest_mean(query, x) for _, _, x in index()], rtol=1e-5)


def test_threads_change_nothing():
    packed, query = NeighbourSearch(index(8, 5)), clip(3, 7)
    threads = get_num_threads()
    many = packed.distances(query)
    set_num_threads(1)
    one = packed.distances(query)
    set_num_threads(threads)
    np.testing.assert_array_equal(one, many)


def test_ties_are_resolved_by_name():
    same = clip(0, 1)
    got = classify(clip(0, 2), [("b", "second", same), ("a", "first", same)], k=2)
    assert [n.clip for n in got.neighbours] == ["a", "b"]
    assert got.label == "first"
    assert got.confidence == pytest.approx(0.5, abs=1e-3)


def test_few_clips_of_the_right_label_are_enough():
    clips = [("right", "a", clip(0, 1)), *(c for c in index() if c[1] != "a")]
    assert classify(clip(0, 99), clips, k=5).label == "a"


def test_bad_input():
    query = clip(0, 0)
    with pytest.raises(FormatError, match="no clips"):
        classify(query, [])
    with pytest.raises(FormatError, match="without frames"):
        classify(query, [("x", "a", clip(0, 1, t=0))])
    other = dataclasses.replace(query, model="other:0")
    with pytest.raises(FormatError, match="same model"):
        classify(other, index())
    with pytest.raises(FormatError, match="same model"):
        classify(query, [*index(), ("x", "a", other)])
    with pytest.raises(ValueError, match="k is 0"):
        classify(query, index(), k=0)
    blind = clip(0, 0)
    blind.mean[:] = np.nan
    with pytest.raises(NoPoseError, match="nobody"):
        classify(blind, index())
