"""Windows, axes and rules of prediction; the benchmark's protocols; `vipe predict`."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import STANDING, seen, waving
from vipecli.errors import FormatError, NoPoseError
from vipecli.evaluate import motion_windows as mw
from vipecli.evaluate import prediction as protocol
from vipecli.evaluate import prediction_bodies as bodies_protocol
from vipecli.lifting.motion_files import Motion, load_motion, save_motion
from vipecli.lifting.predict import Future, default_predictor, error_of, predict
from vipecli.poses.anatomy import bones
from vipecli.poses.formats import save_poses
from vipecli.sequence.window_frame import WindowFrame, without_depth

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("VIPE_SHARED", ROOT.parent / "shared"))
CMU = SHARED / "data" / "mocap_prediction"

TIMES = np.arange(40) / 30
FUTURE = Future(np.zeros((3, 13, 3)), np.ones((3, 13)), np.empty((0, 3, 13, 3)), TIMES[:3], "m")


def test_the_persons_axes_and_back():
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # a quarter about y
    windows = np.stack([waving(12), 2 * waving(12) @ turn.T + [3, 1, 2]])
    frame = WindowFrame.of(windows)
    entered = frame.enter(windows)
    assert np.allclose(entered[0], entered[1])
    assert np.allclose(entered[:, -1, [7, 8]].mean(axis=1), 0)
    assert (entered[:, -1, 7, 0] > 0).all()  # the left hip is on the left
    assert np.allclose(frame.leave(entered), windows)
    assert np.allclose(frame.direction(np.array([[0, 0, 5.0], [0, 7.0, 0]]))[1], 0)
    walked = entered + np.arange(12)[:, None, None] * [0.1, 0.0, 0.2]
    unseen = np.array([[0.0, 1.0], [1.0, 0.0]])
    seen_only = without_depth(walked, unseen)
    path = seen_only[:, :, [7, 8]].mean(axis=2)
    assert np.allclose(path[0, :, 2], 0) and np.allclose(path[1, :, 0], 0)
    assert np.allclose(path[0, -1, 0] - path[0, 0, 0], 1.1)


def test_rules_by_hand():
    t = np.arange(10.0)
    steady = (0.5 * t)[None, :, None, None] * np.ones((1, 1, 2, 3))
    assert np.allclose(protocol.zero_velocity(steady, 2), 4.5)
    for rule in (protocol.constant_speed, protocol.line):
        assert np.allclose(rule(steady, 2)[0, :, 0, 0], [5, 5.5])


def test_windows_of_both_protocols():
    clip = np.arange(300.0)[:, None, None] * np.ones((1, 38, 3))
    windows = mw.all_windows(clip)
    assert windows.shape == (150 - 34, 35, 38, 3)
    assert windows[0, :3, 0, 0].tolist() == [0, 2, 4]
    few = mw.seeded_windows(clip)
    rng = np.random.RandomState(1234567890)
    assert few[0, 0, 0, 0] == 2 * (rng.randint(0, 75) + 40)


def test_joints_that_are_left_out_come_back():
    joints = np.random.default_rng(0).normal(size=(4, 38, 3))
    joints[:, [0, 1, 2, 7, 8, 13]] = joints[0, [0, 1, 2, 7, 8, 13]]
    for copy, source in ((16, 15), (20, 15), (29, 15), (24, 23), (27, 23), (33, 32), (36, 32)):
        joints[:, copy] = joints[:, source]
    assert np.allclose(mw.whole(joints[:, list(mw.JOINTS)], joints[0]), joints)


def test_angle_errors_do_not_see_the_root():
    rng = np.random.default_rng(0)
    truth = 0.3 * rng.normal(size=(2, 25, 117))
    other = truth.copy()
    other[..., :6] += 1
    assert np.allclose(mw.angle_error(other, truth), 0)
    other[..., 6] += 0.1
    assert (mw.angle_error(other, truth) > 0.05).all()


@pytest.mark.skipif(not CMU.is_dir(), reason=f"needs the prediction benchmark in {CMU}")
def test_standing_still_reads_as_published():
    rows = protocol.angle_benchmark(CMU, protocol.RULES[:1])
    found = {
        r["action"]: [round(r[ms], 2) for ms in ("80", "160", "320", "400", "1000")] for r in rows
    }
    assert found["basketball"] == [0.49, 0.82, 1.40, 1.64, 2.83]
    assert found["walking"] == [0.41, 0.60, 0.83, 0.95, 1.34]
    assert found["soccer"] == [0.27, 0.48, 0.92, 1.10, 1.84]


def test_a_folder_without_the_benchmark_is_told(tmp_path):
    with pytest.raises(FormatError, match="not the CMU prediction set"):
        mw.load_recordings(tmp_path, "test")


# -- the model that comes with vipe ----------------------------------------------------------------


def test_predictions_keep_bones_and_doubt_grows():
    motion = waving(40)
    future = predict(motion, TIMES, seconds=0.5, samples=3)
    assert future.joints.shape == (15, 13, 3) and future.samples.shape == (3, 15, 13, 3)
    assert np.allclose(future.times, TIMES[-1] + np.arange(1, 16) / 30)
    assert np.allclose(bones(future.joints)[1], np.median(bones(motion)[1], axis=0), atol=1e-6)
    assert (np.diff(future.std, axis=0) >= 0).all() and (future.std > 0).all()
    assert future.std[-1].mean() > 1.15 * future.std[0].mean()
    assert np.ptp(future.samples[:, -1], axis=0).max() > 0.01
    first = np.linalg.norm(future.joints[0] - motion[-1], axis=-1)
    assert first.max() < 0.08


def test_place_size_heading_and_rate_do_not_matter():
    motion = waving(40)
    turn = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    moved = 3 * motion @ turn.T + [1, 2, 3]
    a, b = predict(motion, TIMES), predict(moved, TIMES)
    assert np.allclose(3 * a.joints @ turn.T + [1, 2, 3], b.joints, atol=1e-3)
    twice = np.arange(79) / 60
    flat = motion.reshape(40, -1)
    fine = np.stack([np.interp(twice, TIMES, c) for c in flat.T], axis=1).reshape(79, 13, 3)
    assert np.allclose(predict(fine, twice).joints, a.joints, atol=1e-3)


def test_gaps_are_bridged_or_cut_off():
    motion = waving(40)
    motion[30:34] = np.nan
    assert np.isfinite(predict(motion, TIMES).joints).all()
    motion[10:38] = np.nan
    with pytest.raises(NoPoseError, match="without a break"):
        predict(motion, TIMES)
    with pytest.raises(NoPoseError, match="whole person"):
        predict(np.full_like(motion, np.nan), TIMES)
    with pytest.raises(ValueError, match="seconds"):
        predict(waving(40), TIMES, seconds=2)


def test_errors_are_those_worked_out_by_hand():
    came = np.zeros((3, 13, 3))
    came[:, 0] = [0, 1.3, 0]
    assert np.allclose(error_of(FUTURE, came, TIMES[:3]), 0.1)
    assert np.allclose(error_of(FUTURE, came + 5, TIMES[:3]), 0.1)  # about the mid-hip
    assert np.isnan(error_of(FUTURE, came[:2], TIMES[:2])[2])
    assert np.isnan(error_of(FUTURE, np.full_like(came, np.nan), TIMES[:3])).all()


def test_evaluation_of_a_swing_finds_the_model_and_the_rules():
    clips = {"amc/13_1": (np.concatenate([waving(40), waving(40)[::-1]]), 30.0)}
    moments = bodies_protocol.moments_of_mocap(clips, at_most=4)
    rows = bodies_protocol.errors(moments, {"Pose-GPT": default_predictor()}, samples=2)
    still = next(r for r in rows if r["method"] == "zero velocity" and r["action"] == "mean")
    assert still["0.1"] < still["1"]
    first = moments[0]
    gap = error_of(
        replace(FUTURE, joints=np.repeat(first.joints[-1:], 3, 0), times=first.after_times[1:4]),
        first.after,
        first.after_times,
    )
    assert gap[0] < gap[2]
    methods = {r["method"] for r in rows}
    assert methods >= {"Pose-GPT", "Pose-GPT, best of 2", "constant speed", "linear"}


# -- the command -----------------------------------------------------------------------------------


def test_predict_from_2d_poses_compares_with_what_came(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving(60)), tmp_path / "clip.npz")
    code, out, _ = vipe("predict", "clip.npz", "--at", "1.0", "--samples", "2", "--json", "r.json")
    assert code == 0 and "what came" in out
    result = json.loads(Path("r.json").read_text())
    assert len(result["times_s"]) == 30 and 1.0 < result["times_s"][0] < 1.04
    assert result["error_m"][0] is not None and result["error_m"][0] < 0.2
    assert vipe("predict", "clip.npz", "--seconds", "0.4")[0] == 0
    motion = load_motion("clip_future.npz")
    assert motion.joints.shape == (12, 13, 3) and motion.samples is None
    for name in ("a.npz", "b.bvh", "c.trc", "d.json"):
        assert vipe("predict", "clip.npz", "--samples", "2", "-o", name)[0] == 0
    assert load_motion("a.npz").samples.shape == (2, 30, 13, 3)
    assert len(json.loads(Path("d.json").read_text())["samples"]) == 2
    assert {p.name for p in tmp_path.iterdir()} >= {"b.bvh", "b_1.bvh", "b_2.bvh", "c_2.trc"}


def test_what_comes_later_does_not_matter(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    poses = seen(waving(60))
    save_poses(poses, tmp_path / "whole.npz")
    save_poses(poses.part(slice(31)), tmp_path / "part.npz")
    assert vipe("predict", "whole.npz", "--at", "1.0", "-o", "a.npz")[0] == 0
    assert vipe("predict", "part.npz", "-o", "b.npz")[0] == 0
    assert np.array_equal(load_motion("a.npz").joints, load_motion("b.npz").joints)


def test_who_has_left_is_predicted_from_when_last_seen(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    poses = seen(waving(60))
    xy, score = poses.xy.copy(), poses.score.copy()
    xy[31:], score[31:] = np.nan, 0
    save_poses(replace(poses, xy=xy, score=score), tmp_path / "left.npz")
    save_poses(poses.part(slice(31)), tmp_path / "part.npz")
    assert vipe("predict", "part.npz", "-o", "b.npz")[0] == 0
    for moment in ((), ("--at", "1.4")):
        code, _, error = vipe("predict", "left.npz", *moment, "-o", "a.npz")
        assert code == 0 and "left.npz: the person was last seen at 1.00 s" in error
        left, part = load_motion("a.npz"), load_motion("b.npz")
        assert np.allclose(left.times, part.times)
        assert np.allclose(left.joints, part.joints, atol=0.02)  # metres
    code, _, error = vipe("predict", "left.npz", "--at", "1.8", "-o", "c.npz")
    assert code == 1 and "not in view at 1.8 s, but last at 1.00 s" in error
    assert not Path("c.npz").exists()


def test_predict_from_3d_motion(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    axes = "x to the right of the picture, y up, z to the camera"
    motion = Motion(waving(60), np.arange(60) / 30, np.zeros((60, 13)), axes, "clip", "m")
    save_motion(motion, "lifted.npz")
    assert vipe("predict", "lifted.npz", "--at", "1", "-o", "f.npz")[0] == 0
    assert np.isfinite(load_motion("f.npz").joints).all()
    own = replace(motion, axes="x to the person's left, y up the spine, z forward")
    save_motion(own, "own.npz")
    code, _, error = vipe("predict", "own.npz")
    assert code == 1 and "--camera" in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("clip.npz", "--out", "a.fbx"), "use .npz"),
        (("clip.npz", "--out", "clip.npz"), "replace an input"),
        (("clip.npz", "--preview", "a.mp4"), "give the video itself"),
        (("none.mp4",), "none.mp4"),
        (("clip.npz", "--out", "a.json", "--json", "a.json"), "same name"),
        (("clip.npz", "--out", "a.bvh", "--samples", "2", "--json", "a_2.bvh"), "same name"),
        (("clip.npz", "--at", "99"), "not in it"),
        (("clip.npz", "--at", "0.1"), "clip.npz: the person is known for 0.10 s"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, vipe, arguments, says):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving(30)), tmp_path / "clip.npz")
    code, _, error = vipe("predict", *arguments)
    assert code == 1
    assert says in error and error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


def test_numbered_files_never_replace_the_clip(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    motion = Motion(waving(60), np.arange(60) / 30, np.zeros((60, 13)), "", "clip", "m")
    save_motion(motion, "clip_2.trc")
    before = Path("clip_2.trc").read_bytes()
    code, _, error = vipe("predict", "clip_2.trc", "--samples", "2", "-o", "clip.trc")
    assert code == 1 and "clip_2.trc: the output would replace an input" in error
    assert Path("clip_2.trc").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["clip_2.trc"]


def test_evaluate_predict_on_mocap(tmp_path, vipe):
    long = np.concatenate([waving(40), waving(40)[::-1]]).astype(np.float32)
    np.savez(tmp_path / "m.npz", **{"amc/13_01": long})
    result = tmp_path / "r.json"
    code, out, _ = vipe("evaluate", "predict", tmp_path / "m.npz", "--json", result)
    assert code == 0 and "about the mid-hip" in out
    rows = json.loads(result.read_text())["mocap"]
    assert {r["action"] for r in rows} == {"amc", "mean"}
    code, _, error = vipe("evaluate", "predict")
    assert code == 2 and "MOCAP" in error


def test_recorded_motion_goes_on(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    walk = waving(60) + np.arange(60)[:, None, None] / 30 * [0.0, 0.0, 1.2]  # towards z
    save_motion(Motion(walk, np.arange(60) / 30, np.zeros((60, 13))), tmp_path / "walk.bvh")
    code, _, error = vipe("predict", "walk.bvh", "--at", 1.5, "--out", "f.npz", "--json", "f.json")
    assert code == 0 and error == ""
    future = load_motion("f.npz")
    assert abs(future.times[0] - 1.5 - 1 / 30) < 0.02
    way = future.joints[:, 7:9].mean(axis=1) - walk[45, 7:9].mean(axis=0)
    assert way[14, 2] > 0.3  # after half a second; its depth is known
    found = json.loads(Path("f.json").read_text())
    assert found["error_m"][0] < 0.05 and found["error_m"][-1] is None
    code, _, error = vipe("predict", "walk.bvh", "--preview", "p.mp4")
    assert code == 1 and "give the video itself" in error


def test_the_ghost_is_drawn_where_it_was_predicted(tmp_path):
    from vipecli.outputs.ghost import Ghost, write_ghost
    from vipecli.video.read import probe, read_frames
    from vipecli.video.write import VideoWriter

    with VideoWriter(tmp_path / "in.mp4", size=(160, 120), fps=10.0) as writer:
        for _ in range(20):
            writer.write(np.full((120, 160, 3), 90, np.uint8))
    xy = STANDING[:, :2] * [60, -50] + [80, 100]
    poses = seen(waving(20))
    poses = replace(
        poses,
        xy=np.repeat(xy[None], 20, 0).astype(np.float32),
        times=np.arange(20) / 10,
        size=(160, 120),
    )
    later = np.repeat((xy + np.array([40, 0]))[None], 9, axis=0)
    ghost = Ghost(
        later, np.full((9, 13), 3.0), later[None], 1.5 + np.arange(9) / 10, np.full(9, 0.1)
    )
    write_ghost(ghost, poses, tmp_path / "in.mp4", tmp_path / "out.mp4")
    frames = [image for _, image in read_frames(tmp_path / "out.mp4")]
    assert probe(tmp_path / "out.mp4").frames == len(frames) == 19  # 0.5 to 2.3 s
    x, y = (xy[7] + np.array([40, 0])).round().astype(int)
    before, after = (frames[i][y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3) for i in (0, 14))
    assert np.abs(before.astype(int) - 90).max() < 12
    assert after[:, 2].mean() > after[:, 1].mean() + 40  # its colour
    assert frames[-1][:20, :20].mean() < 60 < frames[2][:20, :20].mean()  # held, darker


@pytest.mark.parametrize("every", [1, 3])
def test_the_ghosts_film_takes_as_long_as_it_took(tmp_path, every):
    from vipecli.outputs.ghost import Ghost, write_ghost
    from vipecli.video.read import read_frames
    from vipecli.video.write import VideoWriter

    with VideoWriter(tmp_path / "in.mp4", size=(160, 120), fps=30.0) as writer:
        for level in np.linspace(40, 200, 60):
            writer.write(np.full((120, 160, 3), level, np.uint8))
    poses = replace(seen(waving(60)), size=(160, 120), times=np.arange(60) / 30)
    poses = poses.part(slice(None, None, every))  # as --fps reads them
    far = np.full((31, 13, 2), -500.0)
    ghost = Ghost(far, np.zeros((31, 13)), far[None], 1.0 + np.arange(31) / 30, np.zeros(31))
    write_ghost(ghost, poses, tmp_path / "in.mp4", tmp_path / "out.mp4")
    frames = list(read_frames(tmp_path / "out.mp4"))
    assert len(frames) == 60 // every + 1
    assert abs(frames[-1][0] - 2.0) < 0.02
    middle = next(image for time_s, image in frames if time_s > 0.79)
    assert abs(middle[:20, :20].mean() - np.linspace(40, 200, 60)[24]) < 6
