"""The protocols, on sets small enough to work out by hand."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import savemat
from scipy.spatial import procrustes

from vipecli.embed import Embeddings, Model
from vipecli.errors import FormatError, WeightsError
from vipecli.evaluate import alignment, calibration, penn, retrieval, views
from vipecli.metrics import np_mpjpe
from vipecli.poses import Poses
from vipecli.skeleton import MIRROR


class Session:
    """Stand in for a network: the mean is what `function` makes of the joints."""

    def __init__(self, function, metadata=(), std=0.1):
        self.function, self.metadata, self.std = function, dict(metadata), std

    def run(self, names, inputs):
        mean = self.function(inputs["joints"], inputs["visibility"]).astype(np.float32)
        return mean, np.full_like(mean, self.std)

    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map=self.metadata)


def model(function, dims, metadata=(), sigmoid=(5.0, 2.0), std=0.1):
    return Model("stub:0", sigmoid, dims, "nothing", Session(function, metadata, std))


# -- Penn Action -----------------------------------------------------------------------------------


def labelled(frames=12, *, missing=0.0):
    """Joints as in the label files; a share of them outside of the picture."""
    xy = np.random.default_rng(frames).uniform(20, 200, (frames, 13, 2)).astype(np.float32)
    seen = np.ones((frames, 13), np.uint8)
    gone = np.arange(13) < round(13 * missing)
    xy[:, gone], seen[:, gone] = 1, 0
    return xy, seen


def write_mat(path, xy, seen, action="squat", view="front", train=1):
    size = np.array([[270, 480, len(xy)]])
    fields = {"x": xy[..., 0], "y": xy[..., 1], "visibility": seen, "dimensions": size}
    labels = {"action": action, "pose": view, "train": train, "bbox": np.zeros((len(xy), 4))}
    path.parent.mkdir(exist_ok=True)
    savemat(path, fields | labels)


def test_penn_labels_are_mirrored_and_missing_joints_missing(tmp_path):
    xy, seen = labelled(3)
    xy[0, 5], seen[0, 5] = (1, 1), 0  # outside
    xy[1, 5], seen[1, 5] = (30, 40), 0  # hidden
    xy[2, 5], seen[2, 5] = (1, 1), 1  # seen in the corner
    write_mat(tmp_path / "labels" / "0007.mat", xy, seen, "strumming_guitar", "back", -1)
    (clip,) = penn.load(tmp_path, invisible=0.3)
    assert (clip.id, clip.action, clip.viewpoint, clip.train) == (
        "0007",
        "strum_guitar",
        "back",
        False,
    )
    assert clip.poses.size == (480, 270)
    np.testing.assert_allclose(clip.poses.times, [0, 1 / 30, 2 / 30])
    np.testing.assert_allclose(clip.poses.score[:, 6], [0, 0.3, 1])
    assert np.isnan(clip.poses.xy[0, 6]).all()
    np.testing.assert_array_equal(clip.poses.xy[1:], xy[1:, list(MIRROR)])
    assert penn.load(tmp_path, invisible=0)[0].poses.score[1, 6] == 0


def test_penn_archive_equals_label_files(tmp_path):
    clips = [labelled(5), labelled(7, missing=0.5)]
    for name, (xy, seen) in zip(("0002", "0001"), clips, strict=True):
        write_mat(tmp_path / "labels" / f"{name}.mat", xy, seen)
    np.savez(
        tmp_path / "penn_train.npz",
        keypoints=np.concatenate([xy for xy, _ in clips]),
        visibility=np.concatenate([seen for _, seen in clips]),
        offsets=[0, 5, 12],
        clip_id=["0002", "0001"],
        action=["squat", "squat"],
        viewpoint=["front", "front"],
        frame_size_hw=[[270, 480]] * 2,
    )
    for one, other in zip(penn.load(tmp_path), penn.load(tmp_path / "penn_train.npz"), strict=True):
        assert (one.id, one.action, one.train) == (other.id, other.action, other.train)
        np.testing.assert_array_equal(one.poses.xy, other.poses.xy)
        np.testing.assert_array_equal(one.poses.score, other.poses.score)
        assert one.visible is other.visible is (one.id == "0002")


@pytest.mark.parametrize("content", [None, b"text", b""])
def test_penn_labels_that_are_none(tmp_path, content):
    for suffix in (".mat", ".npz"):
        folder = tmp_path / suffix[1:] / "labels"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / f"0001{suffix}").write_bytes(content)
        with pytest.raises(FormatError, match="Penn Action"):
            penn.load(folder.parent)


def clips_of(*labels):
    """Clips with (action, viewpoint)."""
    poses = Poses(np.ones((1, 13, 2)), np.ones((1, 13)), np.zeros(1), (9, 9))
    return [penn.PennClip(f"{i:04}", *label, True, poses) for i, label in enumerate(labels)]


def table(*rows):
    """Make a symmetric table from the rows of its upper triangle."""
    out = np.zeros((len(rows) + 1,) * 2)
    for i, row in enumerate(rows):
        out[i, i + 1 :] = out[i + 1 :, i] = row
    return out


def test_penn_score_leaves_every_query_out():
    clips = clips_of(
        ("run", "left"), ("run", "left"), ("run", "back"), ("sit", "left"), ("sit", "left")
    )
    distances = table([1, 5, 4, 9], [6, 2, 9], [3, 9], [7])
    # nearest: 0 -> 1, 1 -> 0, 2 -> 3 (wrong), 3 -> 1 (wrong), 4 -> 3
    got = penn.score(distances, clips)
    assert got["accuracy"] == pytest.approx(3 / 5)
    assert got["per_action"] == {"run": pytest.approx(2 / 3), "sit": 0.5}
    # other viewpoints: 0, 1 -> 2 run, 3, 4 -> 2 run (wrong), 2 -> 3 sit (wrong)
    assert got["accuracy_other_views"] == pytest.approx(2 / 5)
    # left: 0 -> 1, 1 -> 0, 2 -> 3 wrong, 3 -> 1 wrong, 4 -> 3; back holds one run only
    assert got["accuracy_per_view"]["left"] == pytest.approx(3 / 5)
    assert got["accuracy_one_view"] == pytest.approx(3 / 5)
    assert (got["queries"], got["index"]) == (5, 5)


def test_penn_score_with_an_index():
    index = clips_of(("run", "left"), ("run", "left"), ("sit", "left"), ("sit", "left"))
    queries = clips_of(("run", "back"), ("sit", "left"))
    distances = np.array([[9.0, 1, 2, 3], [9, 1, 2, 3]])
    got = penn.score(distances, queries, index)
    assert got["accuracy"] == got["accuracy_one_view"] == 0.5
    assert got["accuracy_other_views"] == 0.5  # the second has no index clip from elsewhere
    with pytest.raises(ValueError, match="2 queries and 3"):
        penn.score(distances, queries, index[:3])
    with pytest.raises(ValueError, match="index to itself"):
        penn.score(distances, queries, index, hubs=5)


def test_penn_score_without_hubs_is_that_of_the_corrected_table():
    clips = clips_of(*[("run" if i % 2 else "sit", "left" if i % 3 else "back") for i in range(12)])
    points = np.random.default_rng(3).normal(size=(12, 3))
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    got = penn.score(distances, clips, hubs=3)
    right = []
    for q in range(12):
        others = np.delete(np.arange(12), q)
        part = np.sort(distances[np.ix_(others, others)], axis=1)[:, 1:4].mean(1)
        nearest = others[(distances[q, others] - part / 2).argmin()]
        right.append(clips[nearest].action == clips[q].action)
    assert got["accuracy"] == pytest.approx(np.mean(right))


def moving(values, name="stub:0"):
    """Embeddings of one dimension that say which phase each frame shows."""
    mean = np.asarray(values, np.float32)[:, None] * np.ones(2, np.float32)
    std = np.full_like(mean, 0.05)
    return Embeddings(mean, std, np.arange(len(mean)) / 30, name, (3.0, 2.0))


def test_penn_tau_of_the_same_motion_is_one():
    ramp = np.linspace(0, 6, 61)
    embeddings = [moving(ramp), moving(ramp[::2]), moving(ramp[::-1]), moving(ramp), moving(ramp)]
    clips = clips_of(
        ("run", "left"), ("run", "back"), ("sit", "left"), ("sit", "left"), ("jump_rope", "left")
    )
    pairs = penn.tau_pairs(embeddings, clips)
    assert sorted((i, j) for i, j, _ in pairs) == [(0, 1), (1, 0), (2, 3), (3, 2)]
    # the shorter clip has 7 frames to offer to 13, some are the neighbour of two, and frames at
    # the very ends share a window
    one = {(i, j): value for i, j, value in pairs}
    assert one[1, 0] > 0.93
    assert 0.9 < one[0, 1] < 1
    got = penn.tau(pairs, clips)
    assert got["kendall_tau_per_action"]["run"] == pytest.approx((one[0, 1] + one[1, 0]) / 2)
    # taps inside the clip: walking backwards still orders frames backwards
    assert got["kendall_tau_per_action"]["sit"] < -0.9
    assert got["kendall_tau"] == pytest.approx(
        np.mean(list(got["kendall_tau_per_action"].values()))
    )
    assert got["kendall_tau_same_view"] < -0.9 < 0.9 < got["kendall_tau_other_views"]
    none = penn.tau(pairs, clips, np.array([True, False, True, False, True]))
    assert np.isnan(none["kendall_tau"])


def test_penn_distances_of_all_pairs_equal_one_by_one():
    rng = np.random.default_rng(0)
    clips = [moving(rng.normal(size=n).cumsum()) for n in (9, 14, 11)]
    whole = penn.distances(clips)
    np.testing.assert_allclose(whole, whole.T, rtol=1e-6)
    np.testing.assert_allclose(whole, penn.distances(clips, clips), rtol=1e-5)
    halved = penn.distances(clips, clips[:1], every=2)
    assert halved.shape == (3, 1)
    assert halved[1, 0] != whole[1, 0]


def test_penn_blocks_cover_the_table(monkeypatch):
    clips = [moving(np.arange(8) * k / 9) for k in range(5)]
    whole, steps = penn.distances(clips), []
    monkeypatch.setattr(penn, "_BLOCK", 2)
    np.testing.assert_allclose(penn.distances(clips, progress=steps.append), whole, rtol=1e-5)
    assert sum(steps) == penn._cells(clips, None)


def test_penn_split():
    train, test = clips_of(("run", "left"))[0], replace(clips_of(("run", "left"))[0], train=False)
    assert penn.split([train, test], "train") == ([train], None)
    assert penn.split([train, test], "test") == ([test], [train])
    for clips, queries in (([train], "test"), ([test], "train"), ([], "train")):
        with pytest.raises(FormatError, match="split"):
            penn.split(clips, queries)
    with pytest.raises(ValueError, match="queries"):
        penn.split([train], "all")


def write_penn(folder):
    """Two actions that a hand's height tells apart, two viewpoints, one clip half unseen."""
    for i in range(16):
        xy, seen = labelled(12, missing=0.5 if i == 15 else 0)
        xy += np.random.default_rng(i).normal(size=xy.shape) * seen[..., None]
        xy[:, 5, 1] += 300 * (i % 2) * seen[:, 5]
        view, train = ("front", "left")[i // 2 % 2], 1 if i < 12 else -1
        labels = ("squat", "pullup")[i % 2], view, train
        write_mat(folder / "labels" / f"{i:04}.mat", xy, seen, *labels)


@pytest.mark.parametrize("queries", ["train", "test"])
@pytest.mark.parametrize("hubs", [0, 3])
def test_penn_evaluate(tmp_path, queries, hubs):
    write_penn(tmp_path)
    stub = model(lambda joints, seen: joints[:, 5:7].reshape(-1, 4) / 100, 4)
    done = {}

    def progress(stage, total, steps):
        before = done.get(stage, (0, total))[0]
        done[stage] = before + steps, total

    clips = penn.load(tmp_path)
    got = penn.evaluate(clips, stub, queries=queries, hubs=hubs, progress=progress)
    for key in ("accuracy", "accuracy_other_views", "accuracy_one_view"):
        assert got[key] >= (1 if queries == "train" else 0.75)
        assert got["visible_subset"][key] == 1
    assert set(got["per_action"]) == {"squat", "pullup"}
    assert -1 <= got["kendall_tau"] <= 1
    assert got["visible_subset"]["queries"] == (12 if queries == "train" else 3)
    assert all(steps == total for steps, total in done.values())
    json.dumps(got, allow_nan=False)


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
    score = views.hidden(500, 3)
    assert (score.sum(axis=1) == 10).all()
    assert (score.mean(axis=0) < 0.85).all()
    assert views.hidden(4, 0).all()


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
    u, v = views.hidden(5, 2, seed=1), views.hidden(4, 3, seed=2)
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
    same = replace(settings, hide=4, hide_in="same")
    (_, first), (_, second), *_ = retrieval.pictures(poses, "chest", same, noisy=True)
    np.testing.assert_array_equal(first, second)
    assert (first == 0).sum(1).tolist() == [4] * len(poses)


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


# -- alignment -------------------------------------------------------------------------------------


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


@pytest.fixture
def evaluate(vipe):
    """Run `vipe evaluate` here; returns exit code, standard output and standard error."""
    return lambda *args: vipe("evaluate", *args)


def test_commands_have_help(evaluate):
    code, out, _ = evaluate("--help")
    assert code == 0
    for command in ("retrieval", "penn", "alignment", "calibration"):
        assert f"\n  {command} " in out
        code, text, _ = evaluate(command, "--help")
        assert code == 0
        assert "--json" in text


def test_penn_command(evaluate, tmp_path):
    write_penn(tmp_path)
    code, out, _ = evaluate("penn", tmp_path, "--queries", "test", "--json", tmp_path / "penn.json")
    assert code == 0
    assert "one viewpoint" in out
    assert "pullup" in out
    got = json.loads((tmp_path / "penn.json").read_text())
    keys = {"accuracy", "accuracy_other_views", "accuracy_one_view", "kendall_tau", "per_action"}
    assert keys <= set(got) & set(got["visible_subset"])
    assert got["settings"]["queries"] == "test"
    assert got["model"].startswith("prvipe:")
    code, _, err = evaluate("penn", tmp_path / "nowhere")
    assert (code, err.count("\n")) == (1, 1)
    assert "Penn Action" in err


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


def test_alignment_command_refuses_what_is_no_set(evaluate, tmp_path):
    code, _, err = evaluate("alignment", tmp_path)
    assert (code, err.count("\n")) == (1, 1)
    assert "truth.json" in err


def test_alignment_command(evaluate, tmp_path):
    from conftest import ROOT

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
