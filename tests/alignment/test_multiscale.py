"""Long clips: from coarse to fine, with the path that a whole table gives."""

import dataclasses

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from vipecli.alignment import align as align_module
from vipecli.alignment import multiscale
from vipecli.alignment.align import align, probability_along
from vipecli.alignment.time_map import warp
from vipecli.embedding.embed import Embeddings


def wandering(moments, *, seed, rate=30.0):
    """A clip whose frames show these moments of one long movement, seen with errors."""
    steps = np.random.default_rng(0).normal(size=(600, 16)).cumsum(0)
    movement = CubicSpline(np.arange(600) / 2, 0.4 * np.tanh(0.15 * (steps - steps.mean(0))))
    rng = np.random.default_rng(seed)
    mean = movement(moments) + rng.normal(size=(len(moments), 16)) * 0.03
    std = np.full(mean.shape, 0.08, np.float32)
    times = np.arange(len(moments)) / rate
    return Embeddings(mean.astype(np.float32), std, times, "demo:0", (10.3, 9.0))


def two_clips(n, *, start=0.0, end=0.0):
    """The second runs at another, changing speed, and lacks the start and end of the first."""
    at = np.arange(n) / 30
    there = np.arange(start, at[-1] - end, 1 / 33)
    return wandering(at, seed=1), wandering(there + 0.8 * np.sin(there / 3), seed=2)


@pytest.mark.parametrize("ends", ["auto", "open", "closed"])
@pytest.mark.parametrize("missing", [(0.0, 0.0), (6.0, 0.0), (3.0, 8.0)])
def test_the_path_is_that_of_the_whole_table(ends, missing, monkeypatch):
    a, b = two_clips(900, start=missing[0], end=missing[1])
    b.mean[100:120] = np.nan
    want = align(a, b, ends=ends)
    monkeypatch.setattr(align_module, "LARGEST_TABLE", 1000)
    monkeypatch.setattr(multiscale, "COARSE_CELLS", 30_000)
    got = align(a, b, ends=ends)
    off = np.abs(warp(got, a.times) - warp(want, a.times)) * 30
    assert np.median(off) < 0.1, "the embeddings are moved by what a choice of frames tells"
    assert off.max() < 3
    assert got.cost == pytest.approx(want.cost, rel=0.01)


def test_a_band_still_holds(monkeypatch):
    a, b = two_clips(600)
    monkeypatch.setattr(align_module, "LARGEST_TABLE", 1000)
    monkeypatch.setattr(multiscale, "COARSE_CELLS", 20_000)
    path = align(a, b, ends="closed", band=0.02).path
    off = path[:, 0] / (len(a) - 1) - path[:, 1] / (len(b) - 1)
    assert np.abs(off).max() <= 0.02 + 1e-6
    assert np.abs(off).max() > 0.015, "the limit was not reached, so this shows nothing"


def test_uneven_times_and_unequal_lengths(monkeypatch):
    a, b = two_clips(500, start=9)
    rng = np.random.default_rng(4)
    a = dataclasses.replace(a, times=np.cumsum(rng.uniform(0.02, 0.05, len(a))))
    want = align(a, b)
    monkeypatch.setattr(align_module, "LARGEST_TABLE", 1000)
    monkeypatch.setattr(multiscale, "COARSE_CELLS", 20_000)
    got = align(a, b)
    assert got.cost == pytest.approx(want.cost, rel=0.01)
    assert [span.clip for span in got.unmatched] == [span.clip for span in want.unmatched]


def test_probability_along_a_path_is_that_of_its_cells():
    a, b = two_clips(200)
    found = align(a, b)
    from vipecli.embedding.distance import matching_probability

    want = matching_probability(a, b)[tuple(found.path.T)]
    np.testing.assert_allclose(probability_along(a, b, found.path), want, atol=1e-6)


@pytest.mark.slow
def test_twenty_thousand_frames_of_each_in_little_memory():
    import tracemalloc

    at = np.arange(20_000) / 30 * 0.4  # the movement above lasts 300 s
    a, b = wandering(at, seed=1), wandering(at + 0.8 * np.sin(at / 3), seed=2)
    tracemalloc.start()
    found = align(a, b)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500e6
    off = at[found.path[:, 0]] - (at + 0.8 * np.sin(at / 3))[found.path[:, 1]]
    assert np.median(np.abs(off)) < 0.15
