"""Planted warps and the methods compared on them, on sets small enough to work out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.bodies import people
from vipecli.errors import FormatError
from vipecli.evaluate import alignment, views
from vipecli.poses.poses import Poses


def take(name, frames=90, rate=30.0, motion="walk", moment=None):
    """Make a clip whose first joint stands at its moment."""
    times = np.arange(frames) / rate
    moment = times if moment is None else moment
    xy = np.zeros((frames, 13, 2), np.float32)
    xy[:, 0, 0] = moment
    world = np.repeat(moment[:, None, None].astype(np.float32), 33, 1).repeat(3, 2)
    poses = Poses(xy, np.ones((frames, 13), np.float32), times, (9, 9), name, world=world)
    return alignment.Take(name, motion, poses, moment)


ORACLE = alignment.Method(
    "oracle", lambda poses: poses.xy[:, 0, 0], lambda a, b: np.abs(a[:, None] - b).astype("f4")
)
BLIND = alignment.Method(
    "blind", lambda poses: len(poses), lambda a, b: np.ones((a, b), np.float32)
)


@pytest.mark.parametrize("seed", range(4))
def test_planted_warps_know_their_truth(seed):
    clip = take("a", 150)
    bent = alignment.warped(clip, seed=seed)
    assert (np.diff(bent.moment) > 0).all()
    speed = np.diff(bent.moment) / np.diff(bent.poses.times)
    assert speed.min() > 0.45
    assert speed.max() < 2.2
    assert 0 <= bent.moment[0] <= 0.15 * 5
    assert 0.84 * 5 <= bent.moment[-1] <= 5
    np.testing.assert_allclose(bent.poses.xy[:, 0, 0], bent.moment, atol=1e-5)
    np.testing.assert_allclose(bent.poses.world[:, 5, 1], bent.moment, atol=1e-5)
    assert np.ptp(np.diff(bent.poses.times)) < 1e-9


def test_warps_keep_missing_joints_missing():
    clip = take("a")
    xy, score = clip.poses.xy.copy(), clip.poses.score.copy()
    xy[40:50, 3], score[40:50, 3] = np.nan, 0
    bent = alignment.warped(replace(clip, poses=replace(clip.poses, xy=xy, score=score)), seed=0)
    gone = np.isnan(bent.poses.xy[:, 3]).any(axis=1)
    np.testing.assert_array_equal(gone, bent.poses.score[:, 3] == 0)
    assert gone.any()


def test_alignment_of_an_oracle_is_near_the_truth_and_of_a_blind_one_is_not():
    done = []
    clips = [take("a"), take("b", 120), take("c", motion="run")]
    good, bad = alignment.alignment(clips, [ORACLE, BLIND], progress=done.append)
    assert sum(done) == 2
    assert good["alignments"] == 6
    assert good["median_frames"] < 0.5 < 3 < bad["median_frames"]
    assert good["median_s"] < 0.02
    assert good["kendall_tau"] > 0.95
    assert bad["kendall_tau"] is None, "one frame is nearest to all"
    assert good["p90_frames"] >= good["median_frames"]


def test_alignment_error_by_hand():
    # b shows moments 1.0 to 2.9 at 0 to 1.9 s; a map that is straight from end to end errs
    a, b = take("a", 31, 10.0), take("b", 20, 10.0, moment=1.0 + np.arange(20) / 10)
    straight = alignment.Alignment(
        np.array([[0, 0], [30, 19]]), 0, a.poses.times[[0, 30]], b.poses.times[[0, 19]],
        np.zeros(2), np.ones(2), "",
    )  # fmt: skip
    t = np.arange(10, 30) / 10
    want = np.abs(t * 1.9 / 3 - (t - 1))
    np.testing.assert_allclose(alignment.errors_s(straight, a, b), want, atol=1e-9)


def test_alignment_needs_a_pair():
    with pytest.raises(FormatError, match="pair"):
        alignment.alignment([take("a"), take("b", motion="run")], [ORACLE])


def test_joint_angles_by_hand():
    xy = np.zeros((1, 13, 2), np.float32)
    xy[0, [1, 3, 5]] = [[0, 0], [0, 10], [10, 10]]  # left arm bent at a right angle
    xy[0, [2, 4, 6]] = [[0, 0], [0, 10], [0, 30]]  # right arm straight
    xy[0, [7, 9, 11]] = [[0, 0], [5, 0], [5 - 5, 5]]  # left knee at 45 degrees
    score = np.ones((1, 13), np.float32)
    xy[0, 12], score[0, 12] = np.nan, 0
    angles = alignment.joint_angles(Poses(xy, score, np.zeros(1), (9, 9)))[0]
    np.testing.assert_allclose(angles[[0, 3, 4]], [90, 45, 180], atol=1e-3)
    assert np.isnan(angles[7])
    known = np.isfinite(angles)
    off = angles + 30.0 * (np.arange(8) % 2)
    want = 30 * np.mean(np.arange(8)[known] % 2) / 60
    got = alignment._mean_error(angles[None, known], off[None, known])
    assert got[0, 0] == pytest.approx(want)


def test_baselines_see_no_difference_in_the_same_clip():
    poses = people(8)
    xy = views.project(poses, views.CAMERAS["chest"][0])
    world = np.zeros((8, 33, 3), np.float32)
    sources = (7, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
    world[:, sources] = poses
    world[:, 8] = poses[:, 0]
    clip = Poses(xy, np.ones((8, 13), np.float32), np.arange(8.0), (9, 9), "x", world=world)
    for one in alignment.BASELINES:
        costs = one.costs(one.prepare(clip), one.prepare(clip))
        np.testing.assert_allclose(np.diag(costs), 0, atol=1e-4)
        assert costs[~np.eye(8, dtype=bool)].min() > 0.01
        assert costs.max() < 3
    with pytest.raises(FormatError, match="3D landmarks"):
        alignment.BASELINES[2].prepare(replace(clip, world=None))


def test_truth_of_rendered_clips(tmp_path):
    clip = {"label": "squat", "source_s": [0, 0.1]}
    (tmp_path / "truth.json").write_text(json.dumps({"squat/b.mp4": clip, "squat/a.mp4": clip}))
    (path, motion, moment), _ = alignment.read_truth(tmp_path)
    assert (path, motion, moment.tolist()) == (tmp_path / "squat" / "a.mp4", "squat", [0, 0.1])
    for text in ("{", "[1]", '{"a.mp4": {}}'):
        (tmp_path / "truth.json").write_text(text)
        with pytest.raises(FormatError, match=r"truth\.json"):
            alignment.read_truth(tmp_path)
    with pytest.raises(FormatError, match="synchronised"):
        alignment.read_truth(tmp_path / "nowhere")


def test_alignment_command_refuses_what_is_no_set(evaluate, tmp_path):
    code, _, err = evaluate("alignment", tmp_path)
    assert (code, err.count("\n")) == (1, 1)
    assert "truth.json" in err


def test_alignment_command(evaluate, tmp_path):
    from tests.conftest import ROOT

    clips = ROOT / "examples" / "clips" / "squat"
    truth = json.loads((clips.parent / "truth.json").read_text())
    chosen = {name: clip for name, clip in truth.items() if clip["label"] == "squat"}
    (tmp_path / "squat").symlink_to(clips)
    (tmp_path / "truth.json").write_text(json.dumps(chosen))
    code, out, _ = evaluate("alignment", tmp_path, "--warps", "1", "--json", tmp_path / "a.json")
    assert code == 0
    assert "BlazePose 3D" in out
    rows = {row["method"]: row for row in json.loads((tmp_path / "a.json").read_text())["rows"]}
    assert rows["prvipe"]["median_frames"] < rows["2D joints"]["median_frames"]
