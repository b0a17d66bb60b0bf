"""3D errors of lifted poses: `vipe evaluate lift`."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.bodies import people, waving

ROOT = Path(__file__).resolve().parent.parent.parent


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


def test_evaluate_lift_on_cameras_and_on_film(tmp_path, vipe):
    np.savez(tmp_path / "m.npz", **{"amc/13_01": people(80).astype(np.float32)})
    json_file = tmp_path / "r.json"
    film_file = filmed(tmp_path)
    arguments = ("--poses", 50, "--detected", film_file, "--json", json_file)
    code, out, _ = vipe("evaluate", "lift", tmp_path / "m.npz", *arguments)
    assert code == 0
    result = json.loads(json_file.read_text())
    assert [r["cameras"] for r in result["cameras"]] == ["chest", "chest", "all", "all"]
    exact, noisy = result["cameras"][:2]
    assert 0 < exact["np_mpjpe"] < noisy["np_mpjpe"] < 0.25
    assert {r["method"] for r in result["film"]} >= {"BlazePose 3D", "V-VIPE", "V-VIPE, smoothed"}
    assert "PA-MPJPE" in out


def test_evaluate_lift_says_what_it_wants(tmp_path, vipe):
    code, _, error = vipe("evaluate", "lift")
    assert code == 2 and "MOCAP" in error
    film_file = tmp_path / "no.npz"
    film_file.write_bytes(b"no")
    code, _, error = vipe("evaluate", "lift", "--detected", film_file)
    assert code == 1 and "examples.make_detected" in error
    prvipe = ROOT / "weights" / "prvipe.onnx"
    code, _, error = vipe("evaluate", "lift", "--detected", film_file, "--compare", prvipe)
    assert code == 1 and "does not lift" in error


@pytest.mark.slow
def test_two_synced_videos_agree_alike_whoever_finds_the_poses(vipe, tmp_path):
    clips = ROOT / "examples" / "clips" / "squat"
    pair = sorted(clips.glob("*.mp4"))[:2]
    for jobs in (1, 2):
        result = tmp_path / f"{jobs}.json"
        asked = ("evaluate", "lift", "--synced", *pair, "--jobs", jobs, "--json", result)
        code, _, err = vipe(*asked)
        assert code == 0, err
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    assert json.loads((tmp_path / "1.json").read_text())["synced"]
