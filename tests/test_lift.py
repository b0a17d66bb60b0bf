"""Canonical frame, anatomy, lifting, generation, motion files, and their commands."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vipecli import anatomy
from vipecli import skeleton as sk
from vipecli.canonical import canonical, rotation_onto, torso
from vipecli.errors import FormatError, WeightsError
from vipecli.evaluate.views import CAMERAS, Camera, in_camera, placed, project
from vipecli.formats import save_poses
from vipecli.generate import between, vary
from vipecli.lift import Lifter, default_lifter, lift, where
from vipecli.metrics import np_mpjpe_pairs
from vipecli.motion_files import WRITERS, Motion, even, load_motion, save_motion
from vipecli.poses import Poses

STANDING = np.array(
    [
        [0, 1.65, 0.05],
        [0.2, 1.4, 0], [-0.2, 1.4, 0], [0.25, 1.1, 0], [-0.25, 1.1, 0],
        [0.27, 0.85, 0.1], [-0.27, 0.85, 0.1],
        [0.1, 0.9, 0], [-0.1, 0.9, 0], [0.1, 0.5, 0.05], [-0.1, 0.5, 0.05],
        [0.1, 0.1, 0], [-0.1, 0.1, 0],
    ]
)  # fmt: skip


def people(count: int = 30, seed: int = 0) -> np.ndarray:
    """Return poses (count, 13, 3) around one that stands."""
    return STANDING + np.random.default_rng(seed).normal(0, 0.04, (count, 13, 3))


def seen(motion: np.ndarray, camera: int = 0, fps: float = 30.0) -> Poses:
    """Return the poses (T, 13, 3) as a camera sees them."""
    xy = project(motion, CAMERAS["chest"][camera])
    return Poses(xy, np.ones(xy.shape[:2], np.float32), np.arange(len(xy)) / fps, (1000, 1000))


def waving(frames: int = 40) -> np.ndarray:
    """Return somebody who raises the left forearm, shape (frames, 13, 3)."""
    motion = np.repeat(STANDING[None], frames, axis=0)
    angle = np.linspace(0, 2, frames)
    elbow = motion[:, sk.LEFT_ELBOW]
    reach = np.stack([0 * angle, -np.cos(angle), np.sin(angle)], 1) * 0.25
    motion[:, sk.LEFT_WRIST] = elbow + reach
    return motion


# -- frame and bones ------------------------------------------------------------------------------


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


# -- lifting --------------------------------------------------------------------------------------


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


def test_smoothing_gives_constant_bones_and_fills_short_gaps_only():
    poses = seen(waving(60))
    score, xy = poses.score.copy(), poses.xy.copy()
    for gap in (slice(5, 8), slice(20, 50)):
        score[gap], xy[gap] = 0, np.nan
    lifted = lift(replace(poses, score=score, xy=xy))
    found = np.isfinite(lifted.joints).all(axis=(1, 2))
    assert found[5:8].all()
    assert not found[30:40].any()
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
        Lifter.load(Path(__file__).parent.parent / "weights" / "prvipe.onnx")
    weights = Path(__file__).parent.parent / "weights" / "vvipe.onnx"
    (tmp_path / "mine.onnx").write_bytes(weights.read_bytes())
    with pytest.raises(WeightsError, match=r"mine_decoder\.onnx"):
        Lifter.load(tmp_path / "mine.onnx")


# -- generation -----------------------------------------------------------------------------------


def test_variations_keep_bones_and_limits():
    drawn = vary(STANDING, 300, spread=1.0)
    assert (anatomy.excess(drawn.poses) == 0).mean() >= 0.99
    lengths = anatomy.bones(drawn.poses)[1]
    assert (np.ptp(lengths, axis=0) / lengths.mean(axis=0)).max() < 0.03
    assert np.array_equal(vary(STANDING, 3, seed=4).poses, vary(STANDING, 3, seed=4).poses)


def test_more_spread_varies_more_and_none_not_at_all():
    source = vary(STANDING, 1, spread=0).poses[0]
    near, far = (
        np.linalg.norm(vary(STANDING, 100, spread=s).poses - source, axis=-1).mean()
        for s in (0.1, 0.8)
    )
    assert 0 < near < far / 3
    assert np.linalg.norm(source - canonical(STANDING)[0], axis=-1).mean() < 0.12


def test_between_goes_from_one_to_the_other_in_even_steps():
    other = waving()[-1]
    steps = between(STANDING, other, 11)
    assert np.linalg.norm(steps[-1] - canonical(other)[0], axis=-1).mean() < 0.15
    size = np.linalg.norm(np.diff(steps, axis=0), axis=-1).mean(axis=1)
    assert size.max() < 3 * size.mean()
    with pytest.raises(ValueError, match="at least 2"):
        between(STANDING, other, 1)


@pytest.mark.slow
def test_ten_thousand_variations_are_possible():
    drawn = vary(None, 10_000, spread=1.0)
    assert (anatomy.excess(drawn.poses) == 0).mean() >= 0.99


# -- files ----------------------------------------------------------------------------------------


def motion(frames: int = 25) -> Motion:
    joints = waving(frames)
    directions, lengths = anatomy.bones(joints)
    joints = joints[:, 7:9].mean(1, keepdims=True) + anatomy.put_together(directions, lengths[:1])
    return Motion(joints, np.arange(frames) / 25, np.full((frames, 13), 0.1), "axes", "a.mp4", "m")


def test_bvh_read_by_two_readers_gives_the_joints(tmp_path):
    from vipecli.train.bvh import read_bvh
    from vipecli.train.joint_names import joints_of_bvh

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
    from vipecli.motion_files import _angles

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


# -- commands -------------------------------------------------------------------------------------


def run(*arguments: object) -> int:
    from vipecli.cli.app import main

    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    return left.value.code


def test_lift_and_generate_from_a_file_of_poses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving()), tmp_path / "clip.npz")
    assert run("lift", "clip.npz", "--out", "wave.bvh", "--camera") == 0
    assert "40 of 40 frames" in capsys.readouterr().out
    assert run("lift", "clip.npz", "-o", "wave.npz") == 0
    assert run("generate", "wave.npz@1.0", "-n", "3", "--out", "sheet.png") == 0
    assert run("generate", "--between", "clip.npz@0", "wave.npz@1.2", "--out", "walk.npz") == 0
    assert np.load("walk.npz")["joints"].shape == (10, 13, 3)
    import cv2

    assert cv2.imread("sheet.png").shape[1] == 4 * 220


def test_search_in_the_latent_finds_the_pose_from_another_camera(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    raised = placed(waving(), seed=3)
    still = placed(np.repeat(STANDING[None], 40, axis=0), seed=4)
    for label, motion in (("wave", raised), ("stand", still)):
        (tmp_path / "clips" / label).mkdir(parents=True)
        save_poses(seen(motion, 1), tmp_path / "clips" / label / "a.npz")
    save_poses(seen(raised, 0), tmp_path / "query.npz")
    assert run("index", "build", "clips") == 0
    capsys.readouterr()
    asked = ("search", "query.npz@1.2", "--index", "clips", "--space", "3d", "--json", "-")
    assert run(*asked) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"].startswith("vvipe")
    assert [hit["label"] for hit in found["hits"]] == ["wave", "stand"]
    assert abs(found["hits"][0]["time_s"] - 1.2) < 0.4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lift", "clip.npz", "--out", "a.fbx"), "use .npz"),
        (("lift", "clip.npz", "--out", "clip.npz"), "replace an input"),
        (("lift", "clip.npz", "--preview", "a.mp4"), "give the video itself"),
        (("lift", "none.mp4"), "none.mp4"),
        (("generate", "clip.npz@9"), "not in it"),
        (("generate", "clip.npz", "--out", "a.txt"), ".png"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, says):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving(8)), tmp_path / "clip.npz")
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def test_the_lifter_is_read_once():
    assert default_lifter() is default_lifter()


# -- figures --------------------------------------------------------------------------------------


def filmed(tmp_path) -> Path:
    """Film two takes of somebody who waves, through the real detector."""
    from examples.make_detected import make

    np.savez(tmp_path / "wave.npz", **{"rule/wave": waving(30).astype(np.float32)})
    count = make(
        tmp_path / "film.npz", [tmp_path / "wave.npz"], held_out=False, takes=2, frames=6, seed=1
    )
    assert 6 <= count <= 14
    return tmp_path / "film.npz"


def test_errors_are_those_worked_out_by_hand():
    from vipecli.evaluate.lifting import errors

    truth = people(4)
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    aligned, plain = errors(2 * truth @ turn.T + 1, truth)
    assert np.allclose(aligned, 0, atol=1e-5)
    radius = np.hypot(*(truth - truth[:, 7:9].mean(1, keepdims=True))[..., :2].transpose(2, 0, 1))
    assert np.allclose(plain, np.sqrt(2) * radius.mean(axis=1))


def test_evaluate_lift_on_cameras_and_on_film(tmp_path, capsys):
    np.savez(tmp_path / "m.npz", **{"amc/13_01": people(80).astype(np.float32)})
    json_file = tmp_path / "r.json"
    film_file = filmed(tmp_path)
    arguments = ("--poses", 50, "--detected", film_file, "--json", json_file)
    assert run("evaluate", "lift", tmp_path / "m.npz", *arguments) == 0
    result = json.loads(json_file.read_text())
    assert [r["cameras"] for r in result["cameras"]] == ["chest", "chest", "all", "all"]
    exact, noisy = result["cameras"][:2]
    assert 0 < exact["np_mpjpe"] < noisy["np_mpjpe"] < 0.25
    assert {r["method"] for r in result["film"]} >= {"BlazePose 3D", "V-VIPE", "V-VIPE, smoothed"}
    assert "PA-MPJPE" in capsys.readouterr().out


def test_evaluate_lift_says_what_it_wants(tmp_path, capsys):
    assert run("evaluate", "lift") == 2
    (tmp_path / "no.npz").write_bytes(b"no")
    assert run("evaluate", "lift", "--detected", tmp_path / "no.npz") == 1
    weights = Path(__file__).parent.parent / "weights" / "prvipe.onnx"
    assert run("evaluate", "lift", "--detected", tmp_path / "no.npz", "--compare", weights) == 1
    errors = capsys.readouterr().err
    assert "examples.make_detected" in errors and "does not lift" in errors


@pytest.mark.slow
def test_preview_shows_the_clip_beside_the_skeleton(tmp_path):
    from vipecli.video import probe, read_frames

    clip = Path(__file__).parent.parent / "examples/clips/squat/squat_120_ben.mp4"
    out = tmp_path / "p.mp4"
    part = ("--start", 1.0, "--end", 1.4)
    assert run("lift", clip, *part, "--preview", out) == 0
    info = probe(out)
    assert (info.width, info.height, info.frames) == (480 + 360, 480, 12)
    for (_, picture), (_, source) in zip(
        read_frames(out), read_frames(clip, start_s=1.0, end_s=1.4), strict=True
    ):
        assert np.abs(picture[:60, :480].astype(int) - source[:60]).mean() < 6  # above the person
        panel = picture[:, 480:].reshape(-1, 3).astype(int)
        assert (panel.max(axis=1) > 150).mean() > 0.004  # a skeleton on a dark ground
    assert [p.name for p in tmp_path.iterdir()] == ["p.mp4"]
