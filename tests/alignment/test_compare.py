"""Angles by hand, and differences that were planted."""

import csv
import json

import numpy as np
import pytest

from examples.motions import perform
from vipecli.alignment.align import Alignment
from vipecli.alignment.compare import compare
from vipecli.alignment.joint_angles import (
    ANGLES,
    joint_angles,
    lifted,
    picture,
    smoothed_angles,
    world,
)
from vipecli.errors import NoPoseError, VipeError
from vipecli.outputs.angles import as_data, charts, check_picture, write_csv, write_picture
from vipecli.poses import skeleton as sk
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses

NAMES = list(ANGLES)


def seen_from_the_side(joints: np.ndarray, *, fps: float = 30.0) -> Poses:
    """Joints (T, 13, 3) as a camera far away sees them that looks along x; nothing is hidden."""
    xy = np.stack([joints[..., 2], -joints[..., 1]], axis=-1) * 200 + 400
    times = np.arange(len(joints)) / fps
    return Poses(xy.astype(np.float32), np.ones(xy.shape[:2], np.float32), times, (800, 800))


def in_step(a: Poses, b: Poses, first: int = 0) -> Alignment:
    """Frame i of a belongs to frame i of b, from a frame on."""
    path = np.stack([np.arange(first, len(a))] * 2, axis=1).astype(np.int32)
    ones = np.ones(len(path), np.float32)
    times = a.times[path[:, 0]], b.times[path[:, 1]]
    return Alignment(path, 0.1, *times, 0.1 * ones, 0.9 * ones, "demo:0", smooth_s=0.05)


def slowed(poses: Poses, factor: float) -> Poses:
    return Poses(poses.xy, poses.score, poses.times * factor, poses.size)


@pytest.fixture(scope="module")
def squat() -> Poses:
    return seen_from_the_side(perform("squat", seconds=4, reps=2).joints)


# --- angles --------------------------------------------------------------------------------------


def test_angles_by_hand():
    joints = np.full((1, 13, 2), np.nan)
    points = {
        sk.LEFT_SHOULDER: (0, 0),
        sk.LEFT_HIP: (0, 10),  # straight below: y points down
        sk.LEFT_ELBOW: (5, 0),  # arm held out: 90 degrees at the shoulder
        sk.LEFT_WRIST: (5 + 3 * np.cos(np.pi / 3), -3 * np.sin(np.pi / 3)),  # bent up by 60
        sk.LEFT_KNEE: (6, 10),  # thigh level: 90 degrees at the hip
        sk.LEFT_ANKLE: (2, 10),  # folded back on itself
    }
    for joint, point in points.items():
        joints[0, joint] = point
    got = dict(zip(NAMES, joint_angles(joints)[0], strict=True))
    want = {"left shoulder": 90, "left elbow": 120, "left hip": 90, "left knee": 0}
    assert {name: got[name] for name in want} == pytest.approx(want, abs=1e-4)
    assert all(np.isnan(got[name]) for name in NAMES if name.startswith("right"))
    joints[0, sk.LEFT_ANKLE] = joints[0, sk.LEFT_KNEE]
    assert np.isnan(joint_angles(joints)[0, NAMES.index("left knee")])


def test_angles_in_space_do_not_depend_on_the_camera():
    joints = perform("squat", seconds=1).joints.astype(np.float64)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    np.testing.assert_allclose(joint_angles(joints @ rotation), joint_angles(joints), atol=1e-4)


def test_unsure_joints_are_not_measured(squat):
    score = squat.score.copy()
    score[10:20, sk.LEFT_WRIST] = 0.3
    poses = Poses(squat.xy, score, squat.times, squat.size)
    angles = smoothed_angles(poses, picture)
    elbow = NAMES.index("left elbow")
    assert np.isnan(angles[10:20, elbow]).all()
    assert np.isfinite(np.delete(angles[:, elbow], np.s_[10:20])).all()
    assert np.isfinite(np.delete(angles, elbow, axis=1)).all()
    with pytest.raises(NoPoseError, match="--pose lifted"):
        world(poses)


def test_the_lifted_pose_turns_with_the_camera(squat):
    """From the side and from the front a squat has the same knees, in space but not in 2D."""
    joints = perform("squat", seconds=4, reps=2).joints
    front = seen_from_the_side(joints[..., [2, 1, 0]] * [-1, 1, 1])
    knee = NAMES.index("left knee")
    apart = {
        name: np.abs(np.subtract(*(smoothed_angles(p, source)[:, knee] for p in (squat, front))))
        for name, source in (("2d", picture), ("3d", lifted))
    }
    assert np.median(apart["3d"]) < 0.7 * np.median(apart["2d"])
    front.score[5] = 0.2
    assert np.isnan(lifted(front)[5]).all() and np.isfinite(lifted(front)[6]).all()


def test_smoothing_keeps_a_line_and_calms_noise(squat):
    angles, raw = smoothed_angles(squat, picture), joint_angles(squat.xy)
    assert np.abs(angles - raw)[5:-5].max() < 3
    noisy = squat.xy + np.random.default_rng(0).normal(size=squat.xy.shape).astype(np.float32) * 2
    noisy = Poses(noisy, squat.score, squat.times, squat.size)
    error, unsmoothed = smoothed_angles(noisy, picture) - raw, joint_angles(noisy.xy) - raw
    assert error.std() < 0.7 * unsmoothed.std()


# --- planted differences -------------------------------------------------------------------------


def bent_elbow(poses: Poses, extra_deg: float, around_s: float, width_s: float = 0.4) -> Poses:
    """Same performance, but the right forearm is turned about the elbow for a while."""
    share = np.exp(-(((poses.times - around_s) / width_s) ** 2))
    turn = np.radians(extra_deg) * share
    elbow, wrist = poses.xy[:, sk.RIGHT_ELBOW], poses.xy[:, sk.RIGHT_WRIST]
    c, s = np.cos(turn)[:, None], np.sin(turn)[:, None]
    arm = wrist - elbow
    xy = poses.xy.copy()
    xy[:, sk.RIGHT_WRIST] = elbow + arm * c + arm[:, ::-1] * [-1, 1] * s
    return Poses(xy, poses.score, poses.times, poses.size)


def test_a_planted_difference_is_found(squat):
    other = slowed(bent_elbow(squat, 40, 2.5), 1.5)
    found = compare(in_step(squat, other), squat, other)
    top = found.moments[0]
    assert top.angle == "right elbow"
    truth = joint_angles(other.xy)[:, NAMES.index("right elbow")]
    before = joint_angles(squat.xy)[:, NAMES.index("right elbow")]
    assert top.time_a == pytest.approx(2.5, abs=0.15)
    assert top.time_b == pytest.approx(2.5 * 1.5, abs=0.25)
    largest = (truth - before)[np.abs(truth - before).argmax()]
    assert 0.5 < top.difference_deg / largest < 1  # its mean, of which lifting sees less
    assert (top.b_deg - top.a_deg) * top.difference_deg > 0
    rest = [one for one in found.ranges if one.angle != "right elbow"]
    assert max(one.mean_deg for one in rest) < 0.5
    elbow = next(one for one in found.ranges if one.angle == "right elbow")
    assert elbow.mean_deg == pytest.approx(np.abs(truth - before).mean(), abs=1)
    assert elbow.known == 1


def test_the_same_performance_differs_nowhere(squat):
    found = compare(in_step(squat, slowed(squat, 2)), squat, slowed(squat, 2))
    assert np.nanmax(np.abs(found.a_deg - found.b_deg)) < 2.5  # slower: less smoothed
    assert all(abs(turn.late_s) < 0.1 for turn in found.turns)
    knee = next(one for one in found.ranges if one.angle == "left knee")
    assert knee.a_deg == pytest.approx(knee.b_deg, abs=2)


def test_only_what_both_show_is_compared(squat):
    found = compare(in_step(squat, squat, first=30), squat, squat)
    assert found.times_a[0] == pytest.approx(1.0)
    assert len(found.times_a) == len(squat) - 30


def test_moments_of_one_angle_lie_apart(squat):
    other = bent_elbow(bent_elbow(squat, -60, 1.0, 0.4), -55, 3.0, 0.4)
    found = compare(in_step(squat, other), squat, other)
    elbow = [one for one in found.moments if one.angle == "right elbow"]
    assert sorted(one.time_a for one in elbow[:2]) == pytest.approx([1.0, 3.0], abs=0.15)
    sizes = [abs(one.difference_deg) for one in found.moments]
    assert sizes == sorted(sizes, reverse=True)


def test_mirrored_takes_are_compared_side_by_other_side(squat):
    other = mirrored(bent_elbow(squat, 40, 2.5))
    found = compare(in_step(squat, other), squat, other, mirrored=True)
    assert found.moments[0].angle == "right elbow"
    assert max(one.mean_deg for one in found.ranges if one.angle != "right elbow") < 0.1


def test_nothing_in_common(squat):
    blind = Poses(squat.xy, 0.2 * squat.score, squat.times, squat.size)
    with pytest.raises(NoPoseError, match="no angle is seen"):
        compare(in_step(squat, blind), squat, blind)


def test_what_turns_late_is_found(squat):
    """The arms of b move 0.2 s later than the rest of it."""
    arms = [sk.LEFT_ELBOW, sk.RIGHT_ELBOW, sk.LEFT_WRIST, sk.RIGHT_WRIST]
    bend = 30 * np.cos(2 * np.pi * (squat.times - np.array([[0.0], [0.2]])) / 2)
    clips = []
    for angle in np.radians(120 + bend):
        xy = squat.xy.copy()
        direction = np.stack([np.sin(angle), np.cos(angle)], axis=1) * 50
        for shoulder, elbow, wrist in ((1, *arms[::2]), (2, *arms[1::2])):
            xy[:, elbow] = xy[:, shoulder] + (0, 60)
            xy[:, wrist] = xy[:, elbow] - direction * [1, 1]
        clips.append(Poses(xy.astype(np.float32), squat.score, squat.times, squat.size))
    found = compare(in_step(*clips), *clips)
    late = {
        part: [turn.late_s for turn in found.turns if turn.angle.endswith(part)]
        for part in ("elbow", "knee")
    }
    assert late["elbow"] == pytest.approx([0.2] * len(late["elbow"]), abs=0.04)
    assert late["knee"] == pytest.approx([0.0] * len(late["knee"]), abs=0.01)
    assert len(late["elbow"]) >= 4 and len(late["knee"]) >= 4


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(squat):
    score = squat.score.copy()
    score[:, sk.LEFT_WRIST] = 0
    score[50:60, sk.LEFT_ANKLE] = 0
    xy = np.where((score > 0)[..., None], squat.xy, np.nan)
    other = bent_elbow(Poses(xy, score, squat.times, squat.size), 40, 2.5)
    return compare(in_step(squat, other), squat, other)


def test_json_holds_no_nan(found):
    data = json.loads(json.dumps(as_data(found), allow_nan=False))
    assert data["matched_a"] == [0, pytest.approx(119 / 30, abs=1e-6)]
    assert len(data["times_a"]) == len(data["b_deg"]["left knee"]) == 120
    assert data["b_deg"]["left knee"][55] is None
    left = next(one for one in data["ranges"] if one["angle"] == "left elbow")
    assert left["known"] == 0 and left["b_deg"] == [None, None]
    assert data["differences"][0]["angle"] == "right elbow"


def test_csv(found, tmp_path):
    write_csv(found, tmp_path / "angles.csv")
    rows = list(csv.DictReader((tmp_path / "angles.csv").open(encoding="utf-8")))
    assert len(rows) == 120
    assert float(rows[30]["time_a"]) == pytest.approx(1.0)
    knee = NAMES.index("right knee")
    assert float(rows[30]["right_knee_b_deg"]) == pytest.approx(found.b_deg[30, knee], abs=0.01)
    assert rows[55]["left_knee_b_deg"] == "" != rows[55]["left_knee_a_deg"]


def test_picture(found, tmp_path):
    files = [tmp_path / name for name in ("1.png", "2.svg", "3.svg")]
    for file in files:
        write_picture(found, file, names=("cost $5$ take.mp4", "b.mp4"), caveat="as seen")
        assert file.stat().st_size > 10_000
    assert files[1].read_bytes() == files[2].read_bytes()
    with pytest.raises(VipeError, match=r"\.png"):
        check_picture(tmp_path / "x.bmp")


def test_charts_leave_out_what_is_not_seen(found):
    titles = [chart.title for chart in charts(found)]
    assert "Left elbow" not in titles and "Right elbow" in titles
    assert len(titles) == 7
