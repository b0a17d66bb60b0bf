"""What context is good for, measured: on stand-ins whose errors are known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.bodies import waving
from tests.conftest import ROOT
from tests.sequence.test_gap_filling import bert
from vipecli.embedding.embed import Model
from vipecli.evaluate import sequences


@pytest.fixture(scope="module")
def films():
    clips = {name: (np.concatenate([waving(60), waving(60)[::-1]]), 30.0) for name in ("a", "b")}
    return sequences.filmed(clips, seed=1)


def test_clips_are_filmed_once_each(films):
    assert [film.name for film in films] == ["a", "b"]
    for film in films:
        off = np.linalg.norm(film.poses.xy - film.exact, axis=-1)
        assert 0 < np.median(off) < 20 and film.truth.shape == (120, 13, 3)
    again = sequences.filmed({"a": (waving(60), 30.0), "b": (waving(90), 30.0)}, at_most=1)
    assert len(again) == 1


def test_joints_are_hidden_in_the_middle(films):
    poses, inside = sequences.hide(films[0].poses, 1.0, (3, 5))
    assert inside.sum() == 30 and inside[45:75].all()
    assert (poses.score[inside][:, [3, 5]] == 0).all() and (poses.score[:, 4] > 0).all()
    assert np.isnan(poses.xy[inside][:, [3, 5]]).all()
    assert sequences.hide(films[0].poses, 3.0) is None


def test_a_network_that_says_lines_is_as_good_as_lines(films):
    exact = [replace(f, poses=replace(f.poses, xy=f.exact.astype(np.float32))) for f in films]
    rows = sequences.gap_filling(exact, bert(frames=48))
    assert {(r["hidden"], r["hidden_s"]) for r in rows} >= {("person", 0.2), ("arm", 2.0)}
    for row in rows:
        if row["lines"] > 0.1:
            assert row["ratio"] == pytest.approx(1, abs=0.1)
    worse = sequences.gap_filling(exact, bert(moved=50, frames=48))
    assert all(b["posebert"] > a["posebert"] for a, b in zip(rows, worse, strict=True))


def test_the_nearest_frame_is_the_same_pose(films):
    truth = {"truth": lambda poses: films[poses.source == "b"].truth.reshape(120, -1)}
    (same,) = sequences.nearest(films[:1], films[:1], truth, every=3)
    assert same["queries"] == 40 and same["np_mpjpe"] < 1e-4 and same["mpjpe_mm"] < 0.1
    canonical = {"context": sequences.contextual(bert(), Model.load())}
    (found,) = sequences.nearest(films[:1], films[1:], canonical, every=3)
    assert 0 < found["np_mpjpe"] < 0.3 and 0 < found["mpjpe_mm"] < 150


def test_the_command_measures_what_comes_along(tmp_path, vipe):
    motion = np.concatenate([waving(60), waving(60)[::-1]]).astype(np.float32)
    other = motion + np.float32(0.02)
    np.savez(tmp_path / "m.npz", **{"a/1": motion, "b/1": other, "b/2": other[::-1]})
    result = tmp_path / "r.json"
    asked = ("evaluate", "sequence", tmp_path / "m.npz", "--held-out", "a/*", "--json", result)
    code, out, _ = vipe(*asked)
    assert code == 0 and "straight lines" in out and "Nearest frame" in out
    found = json.loads(result.read_text())
    assert found["model"]["PoseBERT"].startswith("posebert:")
    assert {row["method"] for row in found["nearest"]} >= {"prvipe", "PoseBERT", "PoseBERT, 3D"}
    assert all(row["clips"] == 1 and row["posebert"] > 0 for row in found["gaps"])


def test_alignments_with_a_gap_in_each_clip(tmp_path, vipe):
    clips = ROOT / "examples" / "clips" / "squat"
    truth = json.loads((clips.parent / "truth.json").read_text())
    chosen = {name: clip for name, clip in truth.items() if clip["label"] == "squat"}
    (tmp_path / "squat").symlink_to(clips)
    (tmp_path / "truth.json").write_text(json.dumps(chosen))
    result = tmp_path / "r.json"
    asked = ("evaluate", "sequence", "--aligned", tmp_path, "--json", result)
    code, _, err = vipe(*asked, "--jobs", "2")
    assert code == 0, err
    rows = {row["method"]: row for row in json.loads(result.read_text())["aligned"]}
    ways = {"hidden, left open", "hidden, straight lines", "hidden, PoseBERT"}
    assert rows.keys() == ways | {"nobody hidden"}
    errors = {way: row["mean_frames"] for way, row in rows.items()}
    assert errors["nobody hidden"] < 5 and len(set(errors.values())) == 4


def test_the_command_wants_something_to_measure(tmp_path, vipe):
    code, _, error = vipe("evaluate", "sequence")
    assert code == 2 and "--detected" in error
    (tmp_path / "m.npz").write_bytes(b"no archive")
    code, _, error = vipe("evaluate", "sequence", tmp_path / "m.npz")
    assert code == 1 and "m.npz" in error and error.count("\n") < 3
