"""The canonical frame; bones, joint angles and limits of 3D poses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.bodies import STANDING, people
from vipecli.poses import anatomy
from vipecli.poses import skeleton as sk
from vipecli.poses.canonical import canonical, rotation_onto, torso


def test_canonical_does_not_see_how_the_body_is_turned():
    poses, turn = people(), Rotation.random(30, random_state=1).as_matrix()
    moved = np.einsum("tij,tkj->tki", turn, 1.7 * poses) + np.array([3, -2, 5])
    known, rotation = canonical(poses)
    again, turned = canonical(moved)
    assert np.allclose(known, again)
    assert np.allclose(turned, turn @ rotation)
    assert np.allclose(torso(known), 1)


def test_canonical_is_kabsch_on_hips_and_spine():
    pose = people(1)[0]
    left = pose[sk.LEFT_HIP] - pose[sk.RIGHT_HIP]
    up = pose[1:3].mean(0) - pose[7:9].mean(0)
    unit = np.stack([left / np.linalg.norm(left), up / np.linalg.norm(up)])
    ref, _ = Rotation.align_vectors(unit, np.eye(3)[:2])
    assert np.allclose(canonical(pose)[1], ref.as_matrix(), atol=1e-6)


def test_rotation_onto_recovers_a_rotation_and_never_reflects():
    poses, turn = people(), Rotation.random(30, random_state=2).as_matrix()
    assert np.allclose(rotation_onto(poses, np.einsum("tij,tkj->tki", turn, poses)), turn)
    assert np.allclose(np.linalg.det(rotation_onto(poses, -poses)), 1)


def test_put_together_undoes_bones():
    poses = people()
    directions, lengths = anatomy.bones(poses)
    again, same = anatomy.bones(anatomy.put_together(directions, lengths))
    assert np.allclose(directions, again)
    assert np.allclose(lengths, same)


def test_angles_of_one_who_stands_and_of_wrong_joints():
    angles = anatomy.joint_angles(STANDING)
    assert np.all(angles["knee_flexion"] < 20)
    assert np.all(np.abs(angles["hip_flexion"]) < 15)
    assert abs(angles["twist"]) < 1e-6
    assert anatomy.excess(STANDING) == 0
    bird = STANDING.copy()  # the knee bends forward
    bird[sk.LEFT_ANKLE] = bird[sk.LEFT_KNEE] + [0, -0.2, 0.35]
    assert anatomy.excess(bird) > 30
    squat = STANDING.copy()  # and backward
    squat[sk.LEFT_ANKLE] = squat[sk.LEFT_KNEE] + [0, -0.2, -0.35]
    assert anatomy.excess(squat) == 0
    owl = STANDING.copy()
    owl[[1, 2]] = owl[[2, 1]]
    assert anatomy.excess(owl) > 90
    turned = STANDING @ Rotation.random(random_state=3).as_matrix().T
    assert anatomy.excess(turned) == 0


def test_twist_has_a_side_and_a_size():
    pose = STANDING.copy()
    turn = Rotation.from_rotvec([0, np.radians(30), 0]).as_matrix()
    pose[1:3] = (pose[1:3] - [0, 1.4, 0]) @ turn.T + [0, 1.4, 0]
    assert anatomy.joint_angles(pose)["twist"] == pytest.approx(30, abs=0.1)
