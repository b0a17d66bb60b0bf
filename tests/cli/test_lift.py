"""`vipe lift`, `vipe generate` and `vipe search --space 3d`."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.bodies import STANDING, seen, waving
from vipecli.evaluate.views import placed
from vipecli.poses.formats import save_poses


def test_lift_and_generate_from_a_file_of_poses(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving()), tmp_path / "clip.npz")
    code, out, _ = vipe("lift", "clip.npz", "--out", "wave.bvh", "--camera")
    assert code == 0 and "40 of 40 frames" in out
    assert vipe("lift", "clip.npz", "-o", "wave.npz")[0] == 0
    assert vipe("generate", "wave.npz@1.0", "-n", "3", "--out", "sheet.png")[0] == 0
    between = ("--between", "clip.npz@0", "wave.npz@1.2")
    assert vipe("generate", *between, "--out", "walk.npz")[0] == 0
    assert np.load("walk.npz")["joints"].shape == (10, 13, 3)
    import cv2

    assert cv2.imread("sheet.png").shape[1] == 4 * 220


def test_search_in_the_latent_finds_the_pose_from_another_camera(tmp_path, monkeypatch, vipe):
    monkeypatch.chdir(tmp_path)
    raised = placed(waving(), seed=3)
    still = placed(np.repeat(STANDING[None], 40, axis=0), seed=4)
    for label, motion in (("wave", raised), ("stand", still)):
        (tmp_path / "clips" / label).mkdir(parents=True)
        save_poses(seen(motion, 1), tmp_path / "clips" / label / "a.npz")
    save_poses(seen(raised, 0), tmp_path / "query.npz")
    assert vipe("index", "build", "clips")[0] == 0
    asked = ("search", "query.npz@1.2", "--index", "clips", "--space", "3d", "--json", "-")
    code, out, _ = vipe(*asked)
    found = json.loads(out)
    assert code == 0
    assert found["model"].startswith("vvipe")
    assert [hit["label"] for hit in found["hits"]] == ["wave", "stand"]
    assert abs(found["hits"][0]["time_s"] - 1.2) < 0.4
    code, out, _ = vipe(*["plain" if word == "3d" else word for word in asked])
    plain = json.loads(out)
    assert code == 0 and plain["model"].startswith("prvipe")
    assert plain["hits"][0]["label"] == "wave"


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
def test_bad_input_is_one_line(tmp_path, monkeypatch, vipe, arguments, says):
    monkeypatch.chdir(tmp_path)
    save_poses(seen(waving(8)), tmp_path / "clip.npz")
    code, _, error = vipe(*arguments)
    assert code == 1
    assert says in error and error.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["clip.npz"]


@pytest.mark.parametrize("command", ["lift", "predict"])
@pytest.mark.parametrize("torso", ["inf", "nan", "0", "1e300"])
def test_a_torso_that_nobody_has_is_told(tmp_path, vipe, command, torso):
    save_poses(seen(waving(8)), tmp_path / "clip.npz")
    code, _, error = vipe(command, tmp_path / "clip.npz", "--torso", torso)
    assert code == 2 and "--torso" in error and error.count("\n") == 1


@pytest.mark.slow
def test_preview_shows_the_clip_beside_the_skeleton(tmp_path, vipe):
    from vipecli.video.read import probe, read_frames

    clip = Path(__file__).parent.parent.parent / "examples/clips/squat/squat_120_ben.mp4"
    out = tmp_path / "p.mp4"
    part = ("--start", 1.0, "--end", 1.4)
    assert vipe("lift", clip, *part, "--preview", out)[0] == 0
    info = probe(out)
    assert (info.width, info.height, info.frames) == (480 + 360, 480, 12)
    for (_, picture), (_, source) in zip(
        read_frames(out), read_frames(clip, start_s=1.0, end_s=1.4), strict=True
    ):
        assert np.abs(picture[:60, :480].astype(int) - source[:60]).mean() < 6  # above the person
        panel = picture[:, 480:].reshape(-1, 3).astype(int)
        assert (panel.max(axis=1) > 150).mean() > 0.004  # a skeleton on a dark ground
    assert [p.name for p in tmp_path.iterdir()] == ["p.mp4"]
