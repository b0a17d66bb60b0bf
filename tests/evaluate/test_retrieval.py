"""The protocols, on sets small enough to work out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import procrustes

from tests.stubs import model
from vipecli.embedding.window import Window
from vipecli.errors import FormatError, WeightsError
from vipecli.evaluate import calibration, retrieval, views
from vipecli.evaluate.metrics import np_mpjpe

# -- views -----------------------------------------------------------------------------------------


def people(count, seed=0):
    """Poses that stand on the floor with limbs anywhere."""
    rng = np.random.default_rng(seed)
    pose = np.array(
        [[0, 1.6, 0], [0.2, 1.4, 0], [-0.2, 1.4, 0], [0.3, 1.1, 0], [-0.3, 1.1, 0],
         [0.3, 0.9, 0.1], [-0.3, 0.9, 0.1], [0.1, 0.9, 0], [-0.1, 0.9, 0], [0.1, 0.5, 0.05],
         [-0.1, 0.5, 0.05], [0.1, 0.05, 0], [-0.1, 0.05, 0]]
    )  # fmt: skip
    out = np.repeat(pose[None], count, 0)
    out[:, 3:7] += rng.normal(scale=0.25, size=(count, 4, 3))
    out[:, 9:] += rng.normal(scale=0.15, size=(count, 4, 3))
    return out.astype(np.float32)


def test_camera_sees_what_it_aims_at_in_the_middle():
    camera = views.Camera(azimuth_deg=90, distance_m=4, height_m=0.9, aim_m=0.9)
    points = np.zeros((1, 13, 3))
    points[0, 0] = 0, 0.9, 0  # aimed at
    points[0, 1] = 0, 1.9, 0  # 1 m above, 4 m away
    points[0, 2] = 0, 0.9, 1  # towards azimuth 0, which a camera at +x has on its left
    points[0, 3] = 2, 0.9, 1  # the same at half the distance
    xy = views.project(points, camera)[0]
    focal = 1145 / 4
    np.testing.assert_allclose(xy[:4] - 500, [[0, 0], [0, -focal], [-focal, 0], [-2 * focal, 0]])


def test_camera_sets():
    assert {name: len(cameras) for name, cameras in views.CAMERAS.items()} == {
        "chest": 4,
        "all": 11,
    }
    heights = [camera.height_m for camera in views.CAMERAS["all"]]
    assert min(heights) < 0.6
    assert max(heights) > 3
    assert all(1.2 < camera.height_m < 1.8 for camera in views.CAMERAS["chest"])
    poses = views.placed(people(40))
    assert poses[..., 1].min() == pytest.approx(0.05)
    for camera in (*views.CAMERAS["chest"], *views.CAMERAS["all"]):
        xy = views.project(poses, camera)
        assert (xy[:, 0, 1] < xy[:, 11:, 1].max(axis=1)).all(), "heads above feet"


def test_placing_keeps_the_pose_and_turns_it():
    poses = people(30)
    room = views.placed(poses, seed=1)
    np.testing.assert_allclose(np.diag(np_mpjpe(poses, room)), 0, atol=1e-5)
    facing = np.arctan2(*(room[:, 1] - room[:, 2])[:, [0, 2]].T)
    assert np.ptp(facing) > 5


def test_detector_errors_are_those_described():
    xy = np.repeat(views.project(people(1), views.CAMERAS["chest"][0]), 20_000, 0)
    torso = xy[0, [1, 2, 7, 8]]
    size = np.linalg.norm(torso[:, None] - torso, axis=-1).max()
    plain = views.Noise(swap=0, outlier=0)
    error = (views.detected(xy, plain) - xy).std(axis=(0, 2)) / size
    np.testing.assert_allclose(error, 0.035 * np.array(plain.factors), rtol=0.03)
    sides = views.detected(xy, views.Noise(std=0, swap=0.2))
    swapped = np.abs(sides[:, 11] - xy[:, 12]).max(axis=1) < 1e-3
    assert swapped.mean() == pytest.approx(0.2, abs=0.02)
    np.testing.assert_array_equal(sides[:, 0], xy[:, 0])
    np.testing.assert_array_equal(
        views.detected(xy, plain, seed=4), views.detected(xy, plain, seed=4)
    )


def test_hidden_joints_are_counted():
    score = views.occlusions(500, 3)
    assert (score.sum(axis=1) == 10).all()
    assert (score.mean(axis=0) < 0.85).all()
    assert views.occlusions(4, 0).all()


def test_near_duplicates_go():
    poses = people(60)
    copies = poses * 1.2 + 1
    kept = views.distinct(np.concatenate([poses, copies, poses]), at_most=1000)
    assert len(kept) == 60
    between = np_mpjpe(kept, kept)
    assert between[~np.eye(60, dtype=bool)].min() > views.DUPLICATE_AT
    assert len(views.distinct(poses, at_most=7)) == 7


def test_mocap_is_chosen_by_name(tmp_path):
    path = tmp_path / "mocap.npz"
    clip = people(6)
    clip[2, 3] = np.nan
    np.savez(
        path, **{"uiprmd/ok/m01_s09_e01": clip, "uiprmd/ok/m01_s01_e01": clip, "amc/13_29": clip}
    )
    assert len(views.load_mocap([path])) == 10
    assert len(views.load_mocap([path], include=["*s01*"])) == 5
    with pytest.raises(FormatError, match="no clip whose name fits"):
        views.load_mocap([path], include=["x"])
    np.savez(path, a=np.zeros((4, 17, 3)))
    with pytest.raises(FormatError, match=r"clip a has shape"):
        views.load_mocap([path], include=["*"])
    path.write_text("no archive")
    with pytest.raises(FormatError, match="not a readable"):
        views.load_mocap([path])


# -- retrieval -------------------------------------------------------------------------------------


def test_similarity_distance_is_procrustes():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 13, 2)) + 9, rng.normal(size=(4, 13, 2))
    a[0] = 2 * b[0] @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + 3
    u, v = views.occlusions(5, 2, seed=1), views.occlusions(4, 3, seed=2)
    u[0] = v[0] = u[4] = 1
    a[u == 0] = np.nan
    got = retrieval.similarity_distance((a, u), (b, v))
    assert got[0, 0] == pytest.approx(0, abs=1e-3)
    for i in range(5):
        for j in range(4):
            both = (u[i] > 0) & (v[j] > 0)
            p, q = a[i, both], b[j, both]
            turned = (procrustes(p, q)[2], procrustes(p, q * [-1, 1])[2])
            assert got[i, j] ** 2 >= min(turned) - 1e-6, "no better than with reflections"
            p, q = p - p.mean(0), q - q.mean(0)
            x, y = p[:, 0] + 1j * p[:, 1], q[:, 0] + 1j * q[:, 1]
            factor = np.vdot(x, y) / np.vdot(x, x)
            left = np.sum(np.abs(y - factor * x) ** 2) / np.sum(np.abs(y) ** 2)
            assert got[i, j] ** 2 == pytest.approx(left, abs=1e-5)
    nothing = np.zeros((1, 13))
    assert retrieval.similarity_distance((b[:1], nothing), (b, v)).min() == 1


def test_retrieval_with_an_oracle_and_with_chance():
    poses = views.distinct(people(120), at_most=60)
    far = np_mpjpe(poses, poses)
    ids = np.arange(len(poses))
    oracle = retrieval.Method("oracle", lambda xy, score: ids, lambda a, b: far)
    blind = retrieval.Method("blind", lambda xy, score: ids, lambda a, b: np.ones_like(far))
    done = []
    settings = retrieval.Settings()
    rows = retrieval.retrieval(poses, [oracle, blind], settings, progress=done.append)
    assert [(r["cameras"], r["joints"]) for r in rows[::2]] == [
        ("chest", "exact"),
        ("chest", "detected"),
        ("all", "exact"),
        ("all", "detected"),
    ]
    assert sum(done) == 2 * retrieval.camera_pairs(settings) == 2 * 2 * (4 * 3 + 11 * 10)
    assert all(r["hit_at_1"] == 1 for r in rows if r["method"] == "oracle")
    assert all(r["hit_at_1"] == 0 for r in rows if r["method"] == "blind")


def test_2d_joints_match_the_same_picture_only():
    poses = views.distinct(people(120), at_most=50)
    settings = retrieval.Settings(cameras=("chest",))
    exact, noisy = retrieval.retrieval(poses, [retrieval.JOINTS_2D], settings)
    assert 0.05 < noisy["hit_at_1"] < exact["hit_at_1"] < 0.95
    hidden = retrieval.retrieval(poses, [retrieval.JOINTS_2D], replace(settings, hide=4))
    query = replace(settings, hide=4, hide_in="query")
    half = retrieval.retrieval(poses, [retrieval.JOINTS_2D], query)
    assert hidden[0]["hit_at_1"] <= half[0]["hit_at_1"] < exact["hit_at_1"]


def test_hidden_joints_of_everybody_tell_nobody_apart():
    poses, shown = views.distinct(people(60), at_most=20), []

    def prepare(xy, score):
        shown.append(score)
        return xy

    blank = retrieval.Method("blank", prepare, lambda a, b: np.ones((len(a), len(b)), np.float32))
    settings = retrieval.Settings(cameras=("chest",), exact=False, hide=4, hide_in="same")
    retrieval.retrieval(poses, [blank], settings)
    assert len(shown) == 2 * 4 * 3
    for query, index in zip(shown[::2], shown[1::2], strict=True):
        np.testing.assert_array_equal(query, index)
        assert (query == query[0]).all()
        assert (query[0] == 0).sum() == 4
    assert len({tuple(score[0]) for score in shown}) > 8, "others for each pair of cameras"


def test_methods_of_model_files():
    poses = views.distinct(people(40), at_most=20)
    xy, score = np.zeros((20, 13, 2), np.float32), np.ones((20, 13), np.float32)
    flat = poses.reshape(20, 39)
    lifting = retrieval.method("l", model(lambda j, v: flat, 39, {"kind": "lifting"}))
    np.testing.assert_allclose(
        lifting.distance(lifting.prepare(xy, score), lifting.prepare(xy, score)),
        np_mpjpe(poses, poses),
    )
    points = retrieval.method("p", model(lambda j, v: flat[:, :16], 16, std=1e-3))
    got = points.distance(points.prepare(xy, score), points.prepare(xy, score))
    want = np.linalg.norm(flat[:, None, :16] - flat[:, :16], axis=-1)
    np.testing.assert_array_equal(got[0].argsort(), want[0].argsort())
    with pytest.raises(WeightsError, match="39"):
        retrieval.method("l", model(lambda j, v: flat[:, :16], 16, {"kind": "lifting"})).prepare(
            xy, score
        )


# -- calibration -----------------------------------------------------------------------------------


def test_calibration_of_constant_probabilities():
    """Sure of every pair: the error is the share that does not match."""
    poses = views.distinct(people(200), at_most=80)
    sure = model(lambda joints, seen: np.zeros((len(joints), 2)), 2, sigmoid=(0.1, 20.0))
    got = calibration.calibration(poses, sure)
    for part in got["pairs"].values():
        wrong = abs(0.95 - part["matched"])  # 0.95 is the most that is ever said
        assert part["expected_calibration_error"] == pytest.approx(wrong, abs=1e-3)
        assert sum(row["count"] for row in part["diagram"]) == part["count"]
    assert got["pairs"]["balanced"]["matched"] == 0.5
    assert got["pairs"]["nearest"]["count"] == 80 * calibration.NEAREST
    assert got["expected_calibration_error"] == pytest.approx(
        got["pairs"]["nearest"]["expected_calibration_error"]
    )


def test_ambiguity_follows_the_variance_where_it_does():
    groups = calibration._groups(np.arange(30.0), np.arange(30.0) ** 2, np.arange(30) < 15)
    assert groups["spearman"] == pytest.approx(1)
    assert groups["pictures"] == 30
    assert [g["hit_at_1"] for g in groups["groups"]] == [1] * 5 + [0] * 5
    assert groups["groups"][0] == {"variance": 1, "ambiguity": pytest.approx(5 / 3), "hit_at_1": 1}
    assert calibration._groups(np.ones(4), np.arange(4.0), np.ones(4))["spearman"] is None
    assert calibration._groups(np.ones(0), np.ones(0), np.ones(0))["groups"] == []


def test_ambiguity_of_a_point_embedding():
    poses = views.distinct(people(300), at_most=150)
    stub = model(lambda joints, seen: joints.reshape(len(joints), -1)[:, :8] / 100, 8)
    got = calibration.ambiguity(poses, stub)
    assert got["spearman"] is None
    assert 0 <= got["pictures"] <= 150


# -- command line ----------------------------------------------------------------------------------


def test_commands_have_help(evaluate):
    code, out, _ = evaluate("--help")
    assert code == 0
    for command in ("retrieval", "penn", "alignment", "calibration"):
        assert f"\n  {command} " in out
        code, text, _ = evaluate(command, "--help")
        assert code == 0
        assert "--json" in text


def test_retrieval_and_calibration_commands(evaluate, tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, walk=people(150))
    options = "--held-out", "*", "--poses", "60", "--json", "-"
    code, out, err = evaluate("retrieval", path, *options, "--cameras", "chest", "--hide", "2")
    assert code == 0
    got = json.loads(out)
    assert [row["method"] for row in got["rows"]] == ["2D joints, Procrustes", "prvipe"] * 2
    assert got["settings"]["hide"] == 2
    assert "Hit@10" in err
    asked = ("retrieval", path, *options, "--cameras", "chest", "--hide", "2", "--jobs", "2")
    assert evaluate(*asked)[:2] == (0, out), "the same bytes from several processes"
    code, out, err = evaluate("calibration", tmp_path, *options)
    assert code == 0
    got = json.loads(out)
    assert 0 <= got["expected_calibration_error"] <= 1
    assert got["settings"]["mocap"] == ["mine.npz"]
    assert "calibration error" in err
    for command in ("retrieval", "calibration"):
        code, _, err = evaluate(command, path)
        assert (code, err.count("\n")) == (1, 1)
        assert "--held-out" in err


# -- windows ---------------------------------------------------------------------------------------


def test_windows_of_mocap_hold_the_frames_around_each(tmp_path):
    clip = people(8)
    clip[5, 3] = np.nan
    path = tmp_path / "mocap.npz"
    np.savez(path, **{"uiprmd/ok/m01_s09_e01": clip})  # 20 frames per second
    windows = views.load_windows([path], Window(3, 0.05))
    kept = [0, 1, 2, 3, 4, 6, 7]
    np.testing.assert_array_equal(views.middle(windows), clip[kept])
    np.testing.assert_array_equal(windows[2], clip[[1, 2, 3]])
    assert np.isnan(windows[0, 0]).all(), "before the clip"
    assert np.isnan(windows[4, 2]).all(), "a frame with a missing joint"
    assert np.isnan(windows[6, 2]).all(), "after the clip"


def test_single_frames_find_the_same_among_windows():
    poses = views.distinct(people(80), at_most=40)
    around = np.stack([people(40, seed=k) if k != 1 else poses for k in range(3)], axis=1)
    around[:4, 0] = np.nan
    for hide in ({}, {"hide": 3}, {"hide": 3, "hide_in": "same"}, {"hide": 3, "hide_in": "query"}):
        settings = retrieval.Settings(cameras=("chest",), **hide)
        alone = retrieval.retrieval(poses, [retrieval.JOINTS_2D], settings)
        assert retrieval.retrieval(around, [retrieval.JOINTS_2D], settings) == alone


def test_a_method_of_windows_sees_errors_that_are_new_in_each_frame():
    poses = views.distinct(people(150), at_most=80)
    still = np.repeat(poses[:, None], 5, axis=1)
    still[:3, 0] = np.nan

    def prepare(xy, score):
        assert xy.shape == (80, 5, 13, 2)
        assert (score[:3, 0] == 0).all() and score[3:].all()
        return np.nanmean(np.where(score[..., None] > 0, xy, np.nan), axis=1), score[:, 2]

    mean = retrieval.Method("mean", prepare, retrieval.similarity_distance, windows=True)
    settings = retrieval.Settings(cameras=("chest",), noise=views.Noise(std=0.1, outlier=0, swap=0))
    rows = retrieval.retrieval(still, [retrieval.JOINTS_2D, mean], settings)
    hits = {(row["joints"], row["method"]): row["hit_at_1"] for row in rows}
    single = retrieval.JOINTS_2D.name
    assert hits["exact", "mean"] == hits["exact", single]
    assert hits["detected", "mean"] > hits["detected", single]


def test_hidden_joints_stay_hidden_in_a_window():
    windows = np.repeat(people(20)[:, None], 3, axis=1)
    settings = retrieval.Settings(hide=4)
    for _, score in retrieval.pictures(windows, "chest", settings, noisy=True):
        assert score.shape == (20, 3, 13)
        assert (score == score[:, :1]).all()
        assert (score.sum(axis=2) == 9).all()
