"""Lifted poses drawn towards what the context says."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.sequence.test_gap_filling import bert
from vipecli.embedding.model import Model
from vipecli.lifting import context
from vipecli.lifting.lift import lift
from vipecli.poses.canonical import canonical


@pytest.fixture
def flat(monkeypatch):
    """A context that sees people as flat as their picture is, in units of its pixels."""
    monkeypatch.setattr(context, "default_context", lambda: (bert(), Model.load()))


def lifted(frames: int = 30):
    joints, rotation = canonical(waving(frames))
    return joints, rotation, seen(waving(frames))


def test_no_share_changes_nothing(flat):
    joints, rotation, poses = lifted()
    found, turn, model = context.with_context(joints, rotation, poses, share=0.0)
    assert np.allclose(found, joints, atol=1e-6) and np.allclose(turn, rotation, atol=1e-6)
    assert model == "bert:1"


def test_the_whole_share_is_the_context(flat):
    joints, rotation, poses = lifted()
    found, turn, _ = context.with_context(joints, rotation, poses, share=1.0)
    shown = np.einsum("tij,tkj->tki", turn, found)
    picture = poses.xy - poses.xy[:, 7:9].mean(axis=1, keepdims=True)
    scale = np.linalg.norm(picture[:, 1:3].mean(axis=1), axis=-1)[:, None, None]
    assert np.allclose(shown[..., :2], picture / scale, atol=1e-3)
    assert np.abs(shown[..., 2]).max() < 1e-3


def test_frames_without_a_pose_stay_so_and_few_frames_have_no_context(flat):
    joints, rotation, poses = lifted()
    joints[:3] = np.nan
    found, *_ = context.with_context(joints, rotation, poses)
    assert np.isnan(found[:3]).all() and np.isfinite(found[3:]).all()
    few = lifted(5)
    same, _, model = context.with_context(*few)
    assert same is few[0] and model == ""


def test_models_that_do_not_belong_together_have_no_context(monkeypatch):
    ours = bert()
    monkeypatch.setattr(context, "default_posebert", lambda: replace(ours, single="other:1"))
    assert context.default_context.__wrapped__() is None
    monkeypatch.setattr(context, "default_posebert", lambda: ours)
    assert context.default_context.__wrapped__()[0] is ours


def test_a_film_is_lifted_in_context():
    poses = seen(waving(60))
    plain, whole = lift(poses, context=False), lift(poses)
    assert whole.model.split()[0] == plain.model and whole.model.split()[1].startswith("posebert:")
    gap = np.linalg.norm(plain.joints - whole.joints, axis=-1).mean()
    assert 0.001 < gap < 0.2
    alone = lift(poses, smooth_s=0)
    assert np.array_equal(alone.joints, lift(poses, smooth_s=0, context=False).joints)
