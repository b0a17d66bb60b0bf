"""3D motion in files: what is written is what is read, by vipe and by others."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.bodies import STANDING, waving
from vipecli.errors import FormatError
from vipecli.lifting.motion_files import WRITERS, Motion, even, load_motion, save_motion
from vipecli.poses import anatomy
from vipecli.poses import skeleton as sk


def motion(frames: int = 25) -> Motion:
    joints = waving(frames)
    directions, lengths = anatomy.bones(joints)
    joints = joints[:, 7:9].mean(1, keepdims=True) + anatomy.put_together(directions, lengths[:1])
    return Motion(joints, np.arange(frames) / 25, np.full((frames, 13), 0.1), "axes", "a.mp4", "m")


def test_bvh_read_by_two_readers_gives_the_joints(tmp_path):
    from vipecli.poses.mocap.bvh import read_bvh
    from vipecli.poses.mocap.joint_names import joints_of_bvh

    truth = motion()
    save_motion(truth, tmp_path / "a.bvh")
    read = read_bvh(tmp_path / "a.bvh")
    assert read.fps == pytest.approx(25, rel=1e-5)
    assert np.abs(joints_of_bvh(read, tmp_path / "a.bvh") - truth.joints).max() < 1e-4

    bvhio = pytest.importorskip("bvhio", reason="an independent reader of BVH")
    assert bvhio.readAsBvh(str(tmp_path / "a.bvh")).FrameTime == pytest.approx(1 / 25, rel=1e-5)
    root = bvhio.readAsHierarchy(str(tmp_path / "a.bvh"))
    names = {"LeftHand": sk.LEFT_WRIST, "RightFoot": sk.RIGHT_ANKLE, "LeftArm": sk.LEFT_SHOULDER}
    for frame in (0, 24):
        root.loadPose(frame)
        for joint, *_ in root.layout():
            if joint.Name in names:
                ref = truth.joints[frame, names[joint.Name]]
                assert np.abs(np.array(joint.PositionWorld) - ref).max() < 1e-4


def test_bvh_angles_do_not_jump():
    from vipecli.lifting.bvh_skeleton import _angles

    turning = np.linspace(0, 4 * np.pi, 200)
    turns = Rotation.from_rotvec(turning[:, None] * [0, 1, 0]).as_matrix()
    joints = np.einsum("tij,kj->tki", turns, STANDING)
    for angles in _angles(anatomy.bones(joints)[0]).values():
        assert np.abs(np.diff(angles, axis=0)).max() < 30


def test_uneven_times_and_gaps_become_a_constant_rate():
    one = motion()
    joints, times = one.joints.copy(), one.times.copy()
    joints[10:12] = np.nan
    times[20:] += 0.08  # two frames were dropped
    filled, fps = even(replace(one, joints=joints, times=times))
    assert fps == pytest.approx(25)
    assert len(filled) == 27
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("suffix", WRITERS)
def test_motion_is_written_whole_or_not_at_all(tmp_path, suffix):
    save_motion(motion(), tmp_path / f"a{suffix}")
    first = (tmp_path / f"a{suffix}").read_bytes()
    save_motion(motion(), tmp_path / f"b{suffix}")
    assert first.replace(b"a.", b"b.") == (tmp_path / f"b{suffix}").read_bytes().replace(
        b"a.", b"b."
    )
    nobody = replace(motion(), joints=np.full((25, 13, 3), np.nan))
    with pytest.raises(FormatError, match="nothing to write"):
        save_motion(nobody, tmp_path / f"c{suffix}")
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a{suffix}", f"b{suffix}"]


def test_npz_json_and_trc_hold_the_joints(tmp_path):
    truth = motion()
    joints = truth.joints.copy()
    joints[3] = np.nan
    truth = replace(truth, joints=joints)
    for suffix in (".npz", ".json", ".trc"):
        save_motion(truth, tmp_path / f"a{suffix}")
    again = load_motion(tmp_path / "a.npz")
    assert np.allclose(again.joints, joints, atol=1e-6, equal_nan=True)
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["joints"][3] is None
    assert np.allclose(data["joints"][4], joints[4], atol=1e-4)
    rows = (tmp_path / "a.trc").read_text().splitlines()
    assert rows[2].split("\t")[:5] == ["25", "25", "25", "13", "m"]
    assert rows[3].split("\t")[2::3][:13] == list(sk.JOINTS)
    cells = rows[6 + 4].split("\t")
    assert float(cells[1]) == pytest.approx(4 / 25)
    assert np.allclose(np.array(cells[2:], float).reshape(13, 3), joints[4], atol=1e-5)
    assert set(rows[6 + 3].split("\t")[2:]) == {""}
    with pytest.raises(FormatError, match="not a file of 3D motion"):
        load_motion(tmp_path / "a.trc")
    with pytest.raises(FormatError, match=r"use \.npz"):
        save_motion(truth, tmp_path / "a.fbx")
