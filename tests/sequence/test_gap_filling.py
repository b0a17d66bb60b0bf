"""Gaps of a clip filled in context, and clips of any length put in context."""

from dataclasses import fields, replace

import numpy as np
import pytest

from tests.bodies import seen, waving
from vipecli.embedding.model import Model, default_weights
from vipecli.errors import WeightsError
from vipecli.poses.gaps import fill_gaps
from vipecli.sequence.gap_filling import default_posebert, fill, fill_in_context
from vipecli.sequence.posebert import PoseBert, in_context, single_frames


class Lines:
    """Stands for a trained network: joints as they come in, moved by some pixels."""

    def __init__(self, moved: float = 0.0) -> None:
        self.moved, self.calls = moved, []

    def run(self, outputs, feed):
        self.calls.append(feed)
        joints, score = feed["joints"], feed["visibility"]
        pose = np.concatenate([joints, 0 * joints[..., :1]], axis=-1)
        error = 2.0 + 0 * score
        return joints + self.moved, error, pose, error, feed["mean"] + 1, feed["std"]


def bert(moved: float = 0.0, frames: int = 16) -> PoseBert:
    return PoseBert("bert:1", frames, (12.0, 30.0), 19, Model.load().id, Lines(moved))


def with_gap(first: int = 20, end: int = 35, fps: float = 30.0):
    """Somebody who waves, not seen for a while, and one joint not seen at first."""
    poses, frames = seen(waving(80), fps=fps), slice(first, end)
    xy, score = poses.xy.copy(), poses.score.copy()
    xy[frames], score[frames] = np.nan, 0
    xy[:5, 3], score[:5, 3] = np.nan, 0
    score[end] = 0.8
    return replace(poses, xy=xy, score=score)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_gaps_are_filled_and_marked(fps):
    hidden = with_gap(fps=fps)
    found = fill_in_context(hidden, bert(frames=48), min_gap_s=0.15)
    assert found.filled[20:35].all() and found.filled.sum() == 15 * 13
    assert np.allclose(found.poses.score[20:35], 0.4)
    assert (found.error_px[found.filled] == 2).all() and (found.error_px[~found.filled] == 0).all()
    assert np.isnan(found.poses.xy[:5, 3]).all()  # never known before
    assert np.array_equal(found.poses.xy[40:], hidden.xy[40:])
    lines = fill_gaps(hidden, max_gap_s=5.0)
    assert np.abs(found.poses.xy[20:35] - lines.xy[20:35]).max() < 1.5


def test_paths_meet_what_is_known():
    hidden = with_gap(end=50)
    lines, moved = fill_in_context(hidden, bert()), fill_in_context(hidden, bert(moved=30))
    off = (moved.poses.xy - lines.poses.xy)[20:50]
    assert np.allclose(off[15], 30, atol=1)  # the network is followed in the middle
    assert (off[[0, -1]] < 20).all() and (off[[0, -1]] > 0).all()


def test_short_gaps_are_straight_and_long_ones_stay_open():
    hidden = with_gap(end=30)
    one = bert(moved=30)
    found = fill_in_context(hidden, one)
    assert np.array_equal(found.poses.xy, fill_gaps(hidden).xy, equal_nan=True)
    assert not one.session.calls and found.filled[20:30].all()
    long = with_gap(end=70, fps=15.0)
    found = fill_in_context(long, one, max_gap_s=2.0)
    assert not found.filled.any() and np.array_equal(found.poses.xy, long.xy, equal_nan=True)


def test_a_gap_takes_half_of_its_window_and_the_known_frames_are_seen():
    hidden = with_gap(end=50, fps=60.0)
    one = bert()
    fill_in_context(hidden, one)
    (feed,) = one.session.calls
    seen_ = feed["visibility"][0].any(axis=-1)
    assert 0.25 < np.mean(~seen_) < 0.6
    assert (np.diff(feed["times"][0]) > 0).all() and (feed["mean"] == 0).all()


@pytest.mark.parametrize(("frames", "fps"), [(1, 30.0), (9, 30.0), (41, 30.0), (100, 100.0)])
def test_clips_of_any_length_and_rate_are_put_in_context(frames, fps):
    poses = seen(waving(frames), fps=fps)
    context = in_context(poses, bert())
    assert np.allclose(context.joints, poses.xy, atol=1e-3)
    assert np.allclose(context.pose[..., :2], poses.xy, atol=1e-3)
    assert all(np.isfinite(getattr(context, f.name)).all() for f in fields(context))


def test_the_network_corrects_single_frames():
    poses, model = seen(waving(20)), Model.load()
    context = in_context(poses, bert(), single=model)
    mean, std = single_frames(model, poses.xy, poses.score)
    assert np.allclose(context.mean, mean + 1, atol=1e-4)
    assert np.allclose(context.std, std, atol=1e-5)


def test_other_models_are_refused():
    with pytest.raises(WeightsError, match="knows no context"):
        PoseBert.load(default_weights())
    with pytest.raises(WeightsError, match="belongs to"):
        in_context(seen(waving(20)), bert(), single=Model.load().without_vertical())


def test_long_gaps_alone_ask_the_network(monkeypatch):
    monkeypatch.setattr("vipecli.sequence.gap_filling.default_posebert", lambda: bert(moved=30))
    hidden = with_gap(end=50)
    assert np.isnan(fill(hidden).xy[20:50, 0]).all()
    found = fill(hidden, max_gap_s=2.0)
    assert found.filled[20:50].all() and not found.filled[:20].any()
    lines = fill_gaps(hidden, max_gap_s=2.0)
    assert np.abs(found.xy - lines.xy)[30:40].mean() > 10
    short = with_gap(end=30)
    assert np.array_equal(fill(short).xy, fill_gaps(short).xy, equal_nan=True)


def test_the_weights_that_come_along_belong_together():
    shipped = default_posebert()
    assert shipped.single == Model.load().id
    motion = np.concatenate([waving(60), waving(60)[::-1]])
    hidden = seen(motion)
    xy, score = hidden.xy.copy(), hidden.score.copy()
    xy[45:75], score[45:75] = np.nan, 0
    found = fill_in_context(replace(hidden, xy=xy, score=score), shipped)
    assert found.filled[45:75].all() and (found.error_px[45:75] > 0).all()
    off = np.linalg.norm(found.poses.xy - hidden.xy, axis=-1)[45:75]
    assert off.mean() < 0.5 * np.linalg.norm(hidden.xy[0, 1] - hidden.xy[0, 7])
