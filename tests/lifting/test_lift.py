"""Lifting 2D joints to 3D poses."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import STANDING, seen, waving
from vipecli.errors import WeightsError
from vipecli.evaluate.metrics import np_mpjpe_pairs
from vipecli.evaluate.views import CAMERAS, Camera, in_camera, placed, project
from vipecli.lifting.lift import lift
from vipecli.lifting.lifter import Lifter, default_lifter
from vipecli.lifting.placement import where
from vipecli.poses import anatomy
from vipecli.poses import skeleton as sk
from vipecli.poses.canonical import torso
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses

WEIGHTS = Path(__file__).resolve().parent.parent.parent / "weights"


def test_lifts_a_pose_from_several_cameras_to_nearly_the_same():
    room = placed(np.repeat(STANDING[None], 8, axis=0), seed=3)
    for camera in range(4):
        joints = lift(seen(room, camera), smooth_s=0).joints
        error = np_mpjpe_pairs(
            joints, room.astype(np.float32), np.repeat(np.arange(8), 2).reshape(8, 2)
        )
        assert error.max() < 0.12


def test_camera_axes_are_those_of_the_camera():
    room = placed(np.repeat(STANDING[None], 8, axis=0), seed=3)
    lifted = lift(seen(room, 1), smooth_s=0)
    truth = in_camera(room, CAMERAS["chest"][1])
    truth = (truth - truth[:, 7:9].mean(1, keepdims=True)) / torso(truth)[:, None, None]
    assert np.linalg.norm(lifted.in_camera() - truth, axis=-1).mean() < 0.25
    assert np.allclose(lifted.rotation @ np.swapaxes(lifted.rotation, 1, 2), np.eye(3), atol=1e-5)


def test_a_mirror_image_is_lifted_to_the_mirrored_pose():
    poses = seen(placed(waving(), seed=3), 1)
    poses.xy[4], poses.score[4] = np.nan, 0
    lifted, other = lift(poses, smooth_s=0), lift(mirrored(poses), smooth_s=0)
    flipped = other.in_camera()[:, sk.MIRROR] * [-1, 1, 1]
    np.testing.assert_allclose(flipped, lifted.in_camera(), atol=1e-4)
    assert np.flatnonzero(np.isnan(lifted.joints).any(axis=(1, 2))).tolist() == [4]


def test_the_detectors_own_landmarks_are_taken_into_account():
    room = placed(waving(), seed=3)
    truth = in_camera(room, CAMERAS["chest"][1])
    world = np.full((len(room), 33, 3), np.nan, np.float32)
    at = [7, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
    world[:, at] = truth - truth[:, 7:9].mean(1, keepdims=True)
    world[:, 8] = world[:, 7]
    world[5] = np.nan  # it found nobody in one frame
    poses = replace(seen(room, 1), world=world)
    lifted, alone = lift(poses, smooth_s=0), lift(poses, smooth_s=0, world=False)
    assert np.isfinite(lifted.joints).all()
    assert np.array_equal(lifted.joints[5], alone.joints[5])
    assert not np.allclose(lifted.joints[6], alone.joints[6], atol=1e-3)
    pairs = np.repeat(np.arange(len(room))[:, None], 2, axis=1)
    errors = [
        np_mpjpe_pairs(x.joints, room.astype(np.float32), pairs).mean() for x in (lifted, alone)
    ]
    assert errors[0] < 0.15
    turned = lifted.rotation @ np.swapaxes(lifted.rotation, 1, 2)
    assert np.allclose(turned, np.eye(3), atol=1e-5)


def test_a_walk_across_the_picture_is_a_walk():
    walk = np.repeat(STANDING[None], 20, axis=0)
    walk[..., 0] += np.linspace(-0.8, 0.8, 20)[:, None]
    camera = Camera(0.0, 5.0, 1.0)
    xy = project(walk, camera)
    poses = Poses(xy, np.ones(xy.shape[:2], np.float32), np.arange(20) / 30, (1000, 1000))
    place = where(lift(poses), poses)
    unit = 0.5  # metres from mid-hip to mid-shoulder
    assert place[-1, 0] - place[0, 0] == pytest.approx(1.6 / unit, rel=0.2)
    assert np.ptp(place[:, 1]) < 0.3
    score = poses.score.copy()
    score[8:10] = 0
    filled = where(lift(replace(poses, score=score)), replace(poses, score=score))
    assert np.allclose(filled, place, atol=0.15)


def test_nobody_is_lifted_before_and_after_the_person_is_in_view():
    poses = seen(waving(60))
    score, xy = poses.score.copy(), poses.xy.copy()
    for gone in (slice(0, 6), slice(45, 60)):
        score[gone], xy[gone] = 0, np.nan
    lifted = lift(replace(poses, score=score, xy=xy))
    found = np.isfinite(lifted.joints).all(axis=(1, 2))
    assert found[6:45].all() and not found[:6].any() and not found[45:].any()


def test_smoothing_gives_constant_bones_and_fills_short_gaps_only():
    poses = seen(waving(60))
    score, xy = poses.score.copy(), poses.xy.copy()
    for gap in (slice(5, 8), slice(20, 50)):
        score[gap], xy[gap] = 0, np.nan
    lifted = lift(replace(poses, score=score, xy=xy))
    found = np.isfinite(lifted.joints).all(axis=(1, 2))
    assert found[5:8].all()
    assert not found[20:50].any()  # a longer gap: nothing is held at its ends
    lengths = anatomy.bones(lifted.joints[found].astype(float))[1]
    assert np.ptp(lengths, axis=0).max() < 1e-4
    assert np.isfinite(lifted.std[found]).all() and (lifted.std[found] > 0).all()
    bare = lift(replace(poses, score=score, xy=xy), smooth_s=0)
    assert not np.isfinite(bare.joints[5:8]).any()


def test_hidden_limbs_are_less_certain():
    poses = seen(waving())
    score, xy = poses.score.copy(), poses.xy.copy()
    arm = [sk.LEFT_ELBOW, sk.LEFT_WRIST]
    score[:, arm], xy[:, arm] = 0, np.nan
    hidden = lift(replace(poses, score=score, xy=xy), smooth_s=0)
    whole = lift(poses, smooth_s=0)
    assert hidden.std[:, arm].mean() > whole.std[:, arm].mean()


def test_nobody_and_no_frames():
    empty = Poses(
        np.zeros((0, 13, 2), np.float32), np.zeros((0, 13), np.float32), np.zeros(0), (9, 9)
    )
    assert lift(empty).joints.shape == (0, 13, 3)
    gone = Poses(
        np.full((3, 13, 2), np.nan, np.float32),
        np.zeros((3, 13), np.float32),
        np.arange(3.0),
        (9, 9),
    )
    assert np.isnan(lift(gone).joints).all()


def test_lifter_needs_its_three_files(tmp_path):
    with pytest.raises(WeightsError, match="does not lift"):
        Lifter.load(WEIGHTS / "prvipe.onnx")
    (tmp_path / "mine.onnx").write_bytes((WEIGHTS / "vvipe.onnx").read_bytes())
    with pytest.raises(WeightsError, match=r"mine_decoder\.onnx"):
        Lifter.load(tmp_path / "mine.onnx")


def test_the_lifter_is_read_once():
    assert default_lifter() is default_lifter()
