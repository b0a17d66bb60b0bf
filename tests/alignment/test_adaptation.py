"""What tells that frames of a pair of clips belong together, beside their distance."""

from dataclasses import replace

import numpy as np

from tests.movements import moments, movement
from vipecli.alignment import adaptation
from vipecli.alignment.adaptation import HEADING, ROUNDS, WINDOW_S, Pair, adapted
from vipecli.alignment.align import align
from vipecli.alignment.dtw import cheapest
from vipecli.alignment.time_map import warp
from vipecli.embedding.distance import MISSING_COST, atrous, frame_costs


def seen_otherwise(clip, *, seed=0):
    """A clip by another camera: less deep, leaning over, and its dimensions a little mixed."""
    rng = np.random.default_rng(seed)
    mix = 0.7 * np.eye(16) + 0.08 * rng.normal(size=(16, 16))
    return replace(clip, mean=(clip.mean @ mix + 0.6 * rng.normal(size=16)).astype(np.float32))


def test_clips_that_differ_all_along_are_adapted():
    at = moments(3)
    a, b = movement(np.arange(150) / 30), seen_otherwise(movement(at))
    path = cheapest(Pair(a, b).smooth())
    moved_a, moved_b = Pair(a, b).adapted(path).clips
    i, j = np.arange(150), np.searchsorted(at, np.arange(150) / 30).clip(max=len(at) - 1)
    before, after = (
        np.linalg.norm(x.mean[i] - y.mean[j], axis=1).mean()
        for x, y in ((a, b), (moved_a, moved_b))
    )
    assert after < 0.4 * before
    spread = moved_a.mean.std() / a.mean.std()
    assert 0.6 < spread < 1.1, "they must meet, not shrink to a point"


def test_it_makes_the_alignment_better(monkeypatch):
    errors = np.zeros((6, 2))
    for rounds in (0, ROUNDS):
        monkeypatch.setattr(adaptation, "ROUNDS", rounds)
        for seed in range(6):
            at = moments(seed)
            a = movement(np.arange(150) / 30, seed=seed, noise=0.1)
            b = seen_otherwise(movement(at, seed=seed, noise=0.1, noise_seed=1), seed=seed)
            there = warp(align(a, b), a.times)
            errors[seed, int(rounds > 0)] = np.abs(np.interp(there, b.times, at) - a.times).mean()
    without, with_ = errors.mean(axis=0)
    assert with_ < 1 / 30
    assert with_ < 0.7 * without


def test_clips_of_one_view_stay_nearly_as_they_are():
    a = movement(np.arange(90) / 30)
    path = np.arange(90).repeat(2).reshape(-1, 2)
    for moved in Pair(a, a).adapted(path).clips:
        np.testing.assert_allclose(moved.mean, a.mean, atol=1e-4)


def test_frames_that_go_the_other_way_are_farther():
    """Down and up again: the poses are the same, the direction tells the two apart."""
    phase = np.r_[np.arange(30), 30 - np.arange(30)] / 30
    clip = movement(phase)
    smooth = Pair(clip, clip).smooth()
    plain = atrous(frame_costs(clip, clip), clip.times, clip.times, window_s=WINDOW_S)
    added = smooth - plain
    assert added[15, 15] < 0.5 * HEADING
    assert added[15, 45] > 1.4 * HEADING
    assert (added > -1e-6).all()
    assert (added < 2 * HEADING + 1e-6).all()
    still = movement(np.full(20, 0.4))
    np.testing.assert_allclose(Pair(still, still).headings[0], 0, atol=1e-6)


def test_frames_without_a_person_are_farthest():
    a, b = movement(np.arange(60) / 30), movement(np.arange(60) / 30, noise=0.1)
    a.mean[20:40] = np.nan
    pair = Pair(a, b)
    for got in (pair, pair.adapted(cheapest(pair.smooth()))):
        smooth = got.smooth()
        assert np.isfinite(smooth).all()
        np.testing.assert_allclose(smooth[25:35], 2 * MISSING_COST)
        assert smooth[:15].max() < 2 * MISSING_COST
    a.mean[:] = np.nan
    assert Pair(a, b).adapted(np.array([[0, 0], [1, 1]])).maps is None


def test_parts_of_the_clips_have_the_distances_of_the_whole():
    a, b = movement(np.arange(90) / 30), movement(moments(4, 3.0))
    pair = Pair(a, b).adapted(cheapest(Pair(a, b).smooth()))
    whole = pair.smooth()
    rows, columns = slice(20, 60), slice(10, 50)
    inner = np.s_[4:-4, 4:-4]  # the window reaches 3 frames
    np.testing.assert_allclose(
        pair.smooth(rows, columns)[inner], whole[rows, columns][inner], atol=1e-5
    )


def test_the_same_maps_for_more_frames():
    a, b = movement(np.arange(90) / 30), seen_otherwise(movement(moments(4, 3.0)))
    few = Pair(a.part(slice(None, None, 2)), b.part(slice(None, None, 2)))
    few = few.adapted(cheapest(few.smooth()))
    moved = few.with_clips(a, b).clips
    for part, whole in zip(few.clips, moved, strict=True):
        np.testing.assert_allclose(whole.mean[::2], part.mean, atol=1e-5)


def test_what_brings_the_matched_frames_nearest_is_taken(monkeypatch):
    """A short clip by another camera: moved from the first path, or from one a moment off."""
    found = np.zeros((8, 2))
    for seed in range(8):
        at = np.linspace(1.0, 2.2, 30)
        a = movement(np.arange(120) / 30, seed=seed, noise=0.05)
        b = seen_otherwise(movement(at, seed=seed, noise=0.05, noise_seed=1), seed=seed)
        for k, starts in enumerate([(0.0,), adaptation.STARTS_S]):
            monkeypatch.setattr(adaptation, "STARTS_S", starts)
            smooth = adapted(Pair(a, b)).smooth()
            found[seed, k] = smooth[tuple(cheapest(smooth).T)].mean()
        monkeypatch.undo()
    one, three = found.T
    assert (three <= one + 1e-6).all()
    assert (three < one - 1e-3).any()
