"""Matching probabilities and their mean over time."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tests import naive
from vipecli.embedding.distance import (
    MISSING_COST,
    SOFTNESS,
    atrous,
    constant_taps,
    frame_costs,
    frame_distance,
    matching_probability,
    order_distance,
    taps,
    window_distance,
)
from vipecli.embedding.embed import Embeddings, Model
from vipecli.errors import FormatError
from vipecli.evaluate.metrics import kendall_tau


def clip(t, *, dims=16, seed=0, spread=1.0, sigmoid=(1.5, 4.0), rate=30.0):
    """Make embeddings that are nearly equal within one seed and far apart between two."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(t, dims)) * spread
    std = np.exp(rng.uniform(np.log(0.1), 0, (t, dims)))
    return Embeddings(
        mean.astype(np.float32), std.astype(np.float32), np.arange(t) / rate, "demo:0", sigmoid
    )


def softened(x):
    """Return the clip with the sigmoid that the frame distance uses."""
    return dataclasses.replace(x, sigmoid=tuple(v / SOFTNESS for v in x.sigmoid))


@pytest.mark.parametrize("dims", [16, 32])
@pytest.mark.parametrize("sigmoid", [(0.7, 1.0), (1.5, 4.0), (3.0, 6.0)])
@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0, 2.0])
def test_expected_equals_integration(dims, sigmoid, spread):
    a = clip(6, dims=dims, seed=1, spread=spread, sigmoid=sigmoid)
    b = clip(5, dims=dims, seed=2, spread=spread, sigmoid=sigmoid)
    want = naive.matching(a, b)
    np.testing.assert_allclose(matching_probability(a, b), want, atol=0.003)
    cost = -np.log(naive.matching(softened(a), softened(b)))
    np.testing.assert_allclose(frame_distance(a, b), cost, atol=0.02)


def test_sampled_estimates_the_same():
    a, b = clip(40, seed=1, spread=0.4), clip(30, seed=2, spread=0.4)
    sampled = matching_probability(a, b, match="sampled")
    error = sampled - matching_probability(a, b)
    assert abs(error.mean()) < 0.01
    assert np.abs(error).max() < 0.15
    np.testing.assert_array_equal(sampled, matching_probability(a, b, match="sampled"))


def test_the_sigmoid_of_the_model_that_comes_with_vipe():
    a = clip(6, seed=1, spread=0.3, sigmoid=Model.load().sigmoid)
    a = dataclasses.replace(a, std=np.full_like(a.std, 0.05))
    b = dataclasses.replace(a, mean=a.mean + np.float32(0.1))
    want = naive.matching(a, b)
    assert want.diagonal().min() > 0.9
    np.testing.assert_allclose(matching_probability(a, b), want, atol=0.006)
    cost = -np.log(naive.matching(softened(a), softened(b)))
    np.testing.assert_allclose(frame_distance(a, b), cost, atol=0.02)


def test_certain_embeddings_give_the_plain_sigmoid():
    a, b = clip(4, seed=1, spread=0.5), clip(3, seed=2, spread=0.5)
    a, b = (dataclasses.replace(x, std=np.zeros_like(x.std)) for x in (a, b))
    r = np.linalg.norm(a.mean[:, None] - b.mean, axis=2)
    want = 0.9 / (1 + np.exp(1.5 * r - 4.0)) + 0.05
    np.testing.assert_allclose(matching_probability(a, b), want, atol=0.001)
    np.testing.assert_allclose(
        np.diag(matching_probability(a, a)), 0.9 / (1 + np.exp(-4)) + 0.05, atol=0.001
    )


@pytest.mark.parametrize("wide", [0.5, 3.0, 20.0])
@pytest.mark.parametrize("dims", [1, 3, 16])
def test_one_uncertain_dimension_is_no_exception(dims, wide):
    a, b = (clip(5, dims=dims, seed=s, spread=0.05, sigmoid=(10.3, 9.0)) for s in (1, 2))
    a, b = (dataclasses.replace(x, std=0.1 * x.std) for x in (a, b))
    a.std[:, 0] = wide
    np.testing.assert_allclose(matching_probability(a, b), naive.matching(a, b), atol=0.002)


def test_swapping_the_clips_transposes():
    a, b = clip(70, seed=1), clip(270, seed=2)
    np.testing.assert_allclose(
        matching_probability(a, b), matching_probability(b, a).T, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e-6, 1e3, 1e8])
def test_extreme_embeddings_stay_in_range(scale):
    a, b = clip(5, seed=1, spread=scale), clip(4, seed=2, spread=scale)
    for std in (0.0, 1e-12, 1e4):
        wide = dataclasses.replace(a, std=np.full_like(a.std, std))
        for p in (matching_probability(wide, b), matching_probability(wide, wide)):
            assert ((p >= 0.05 - 1e-6) & (p <= 0.95 + 1e-6)).all()


@pytest.mark.parametrize("match", ["expected", "sampled"])
def test_missing_frames(match):
    a, b = clip(5, seed=1), clip(4, seed=2)
    a.mean[2] = np.nan
    b.std[3] = np.nan
    p = matching_probability(a, b, match=match)
    soft = matching_probability(softened(a), softened(b), match=match)
    hole = np.zeros((5, 4), bool)
    hole[2], hole[:, 3] = True, True
    np.testing.assert_array_equal(np.isnan(p), hole)
    cost = frame_distance(a, b, match=match)
    np.testing.assert_allclose(cost[hole], MISSING_COST)
    np.testing.assert_allclose(cost[~hole], -np.log(soft[~hole]), atol=1e-5)


def test_two_models_are_refused():
    a = clip(3)
    for other in (
        dataclasses.replace(a, model="other:1"),
        dataclasses.replace(a, sigmoid=(2.0, 1.0)),
        clip(3, dims=32),
    ):
        with pytest.raises(FormatError, match="same model"):
            matching_probability(a, other)
    with pytest.raises(ValueError, match="sampled"):
        matching_probability(a, a, match="guess")


TIMES = {
    "one": np.array([0.4]),
    "two": np.array([0.0, 0.1]),
    "30 fps": np.arange(25) / 30,
    "29.97 fps, in ms": np.round(np.arange(40) / 29.97, 3),
    "24 fps": 5 + np.arange(20) / 24,
    "60 fps": np.arange(50) / 60,
    "variable": np.cumsum(np.random.default_rng(0).uniform(0.01, 0.09, 30)),
    "a gap": np.r_[np.arange(10), np.arange(40, 52)] / 30,
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_taps_equal_twin(times):
    got, want = taps(times), np.array(naive.taps(times))
    differs = np.argwhere(got != want)
    for i, k in differs:  # halfway between two frames either will do
        wanted = times[i] + 0.1 * (k - 3)
        assert min(got[i, k], want[i, k]) >= 0
        assert abs(abs(times[got[i, k]] - wanted) - abs(times[want[i, k]] - wanted)) < 1e-9


def test_the_rate_is_seen():
    assert constant_taps(TIMES["30 fps"]).tolist() == [-9, -6, -3, 0, 3, 6, 9]
    assert constant_taps(TIMES["29.97 fps, in ms"]).tolist() == [-9, -6, -3, 0, 3, 6, 9]
    assert constant_taps(TIMES["60 fps"]).tolist() == [-18, -12, -6, 0, 6, 12, 18]
    assert constant_taps(np.arange(30) / 25).tolist() == [-8, -5, -3, 0, 3, 5, 8]
    assert constant_taps(TIMES["variable"]) is None
    assert constant_taps(TIMES["a gap"]) is None


@pytest.mark.parametrize("name_a", TIMES)
@pytest.mark.parametrize("name_b", ["one", "30 fps", "60 fps", "variable"])
def test_atrous_equals_twin(name_a, name_b):
    times_a, times_b = TIMES[name_a], TIMES[name_b]
    rng = np.random.default_rng(3)
    distance = rng.uniform(0.05, 3, (len(times_a), len(times_b))).astype(np.float32)
    distance[1::5] = np.nan
    distance[:, 4::6] = np.nan
    want = naive.atrous(distance, naive.taps(times_a), naive.taps(times_b))
    got = atrous(distance, times_a, times_b)
    if name_a == "24 fps":  # taps fall between frames; the edges may round the other way
        inner = slice(8, -8)
        got, want = got[inner], want[inner]
        assert np.isfinite(got).all()
        return
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_atrous_is_the_same_for_any_frame_rate():
    t = np.arange(0, 2, 1 / 60)
    smooth = np.abs(np.sin(t[:, None]) - np.cos(2 * t)).astype(np.float32)
    fine = atrous(smooth, t, t)
    coarse = atrous(np.ascontiguousarray(smooth[::2, ::2]), t[::2], t[::2])
    np.testing.assert_allclose(coarse, fine[::2, ::2], atol=1e-5)


def test_missing_frames_are_bridged_by_the_window():
    a = clip(60, seed=1)
    a.mean[20] = np.nan
    cost = window_distance(a, a)
    assert cost[20, 20] < 0.5 * MISSING_COST
    a.mean[:] = np.nan
    np.testing.assert_allclose(window_distance(a, clip(5)), MISSING_COST)


@pytest.mark.parametrize("frames", [1, 2, 9, 45])
def test_the_order_is_told_by_windows_inside_the_clip(frames):
    rng = np.random.default_rng(frames)
    times, other = (np.cumsum(rng.uniform(0.01, 0.09, n)) for n in (frames, 38))
    costs = rng.uniform(0.05, 3, (frames, 38)).astype(np.float32)
    costs[:, ::7] = np.nan
    means = [
        naive.atrous(costs, naive.sliding_taps(times, w), naive.sliding_taps(other, w))
        for w in (0.2, 0.4, 0.8, 1.6)
    ]
    mean = np.mean(means, axis=0)
    want = mean - mean.mean(axis=0) / 2 - mean.mean(axis=1, keepdims=True) / 2
    np.testing.assert_allclose(order_distance(costs, times, other), want, rtol=1e-5, atol=1e-5)


def test_a_movement_that_ends_as_it_began_keeps_its_order():
    """Down and up again: both ends look alike, and single frames do not tell which is which."""

    def cycle(frames):
        phase = np.linspace(0, 2 * np.pi, frames)
        height = (1 - np.cos(phase))[:, None] * np.ones(16)
        speed = np.float32(0.05)
        return dataclasses.replace(
            clip(frames),
            mean=height.astype(np.float32),
            std=np.full((frames, 16), speed),
            times=np.arange(frames) / 30,
        )

    a, b = cycle(60), cycle(75)
    near = order_distance(frame_costs(a, b), a.times, b.times).argmin(axis=1)
    assert kendall_tau(near[::5]) > 0.9
    assert kendall_tau(frame_costs(a, b).argmin(axis=1)[::5]) < 0.6


def test_where_a_frame_lies_in_its_clip_does_not_show():
    rng = np.random.default_rng(0)
    order, frame = [], []
    for _ in range(150):
        n, m = rng.integers(35, 110, 2)
        walk = [gaussian_filter1d(rng.standard_normal((k, 16)), 4, axis=0) for k in (n, m)]
        costs = np.linalg.norm(walk[0][:, None] - walk[1], axis=-1).astype(np.float32)
        near = order_distance(costs, np.arange(n) / 30, np.arange(m) / 30)
        order.append(kendall_tau(near[::5, ::5].argmin(axis=1)))
        frame.append(kendall_tau(costs[::5, ::5].argmin(axis=1)))
    assert np.nanmean(order) < np.nanmean(frame) + 0.25
