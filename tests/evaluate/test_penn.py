"""Penn Action's labels, accuracy and Kendall's tau, on sets small enough to work out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.io import savemat

from tests.stubs import model
from vipecli.embedding.embed import Embeddings
from vipecli.engine import Local
from vipecli.errors import FormatError
from vipecli.evaluate import penn
from vipecli.evaluate.penn_score import blocks
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import MIRROR


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
    xy[2, 3], seen[2, 3] = (1.5, 1.5), 0  # outside, of a clip that was scaled
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
    assert np.isnan(clip.poses.xy[2, 4]).all() and clip.poses.score[2, 4] == 0
    np.testing.assert_array_equal(clip.poses.xy[1], xy[1, list(MIRROR)])
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


def test_penn_vote_outweighs_a_single_near_clip():
    clips = clips_of(*[("run", "left")] * 3, ("sit", "left"), ("run", "left"), ("sit", "back"))
    # clip 4 is nearest to a sitter, and nearly as near to three runners
    rows = [[0.1, 0.1, 2, 0.52, 2], [0.1, 2, 0.51, 2], [2, 0.53, 2], [0.5, 0.2], [2]]
    got = penn.score(table(*rows), clips)
    assert got["per_action"]["run"] == pytest.approx(3 / 4)
    assert got["per_action_voted"] == {"run": 1, "sit": 1}
    assert got["accuracy_voted"] == 1
    assert penn.score(table(*rows), clips, k=1)["accuracy_voted"] == got["accuracy"]


def test_penn_blocks_are_contiguous_ids_of_an_action():
    clips = clips_of(*[("run" if i % 3 else "sit", "left") for i in range(30)])
    shuffled = [clips[i] for i in np.random.default_rng(0).permutation(30)]
    fold = {c.id: f for c, f in zip(shuffled, blocks(shuffled, 5), strict=True)}
    for action, size in (("run", 4), ("sit", 2)):
        ids = sorted(c.id for c in clips if c.action == action)
        assert [fold[i] for i in ids] == [k for k in range(5) for _ in range(size)]


def test_penn_folds_never_compare_within_a_block():
    clips = clips_of(*[("run" if i % 2 else "sit", "left") for i in range(8)])
    # each clip is nearest to its neighbour in id of the same action, but no other clip of it
    distances = np.array(
        [[abs(i - j) if i % 2 == j % 2 else 3.0 for j in range(8)] for i in range(8)]
    )
    assert penn.score(distances, clips)["accuracy"] == 1
    got = penn.score(distances, clips, folds=2)
    # 0 and 1, 6 and 7 have to go 4 or 6 ids far, and clips of the other action are 3 away
    assert got["accuracy"] == got["accuracy_one_view"] == 0.5
    assert (got["queries"], got["accuracy_other_views"]) == (8, 0)


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


def test_penn_distances_by_other_processes_are_equal():
    clips = [moving(np.arange(8 + k) * k / 9) for k in range(60)]
    together = penn.distances(clips)
    pool = Local(2)
    np.testing.assert_array_equal(penn.distances(clips, executor=pool), together)
    both = penn.distances(clips[:5], clips), penn.distances(clips[:5], clips, executor=pool)
    np.testing.assert_array_equal(*both)


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
        xy[:, 5, 1] += 300.0 * (i % 2) * seen[:, 5]
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


def test_penn_command(evaluate, tmp_path):
    write_penn(tmp_path)
    code, out, _ = evaluate("penn", tmp_path, "--queries", "test", "--json", tmp_path / "penn.json")
    assert code == 0
    assert "one viewpoint" in out
    assert "pullup" in out
    got = json.loads((tmp_path / "penn.json").read_text())
    assert got["settings"]["folds"] == 0 and "accuracy_voted" in got
    keys = {"accuracy", "accuracy_other_views", "accuracy_one_view", "kendall_tau", "per_action"}
    assert keys <= set(got) & set(got["visible_subset"])
    assert got["settings"]["queries"] == "test"
    assert got["model"].startswith("prvipe:")
    code, out, _ = evaluate("penn", tmp_path, "--folds", 2, "-k", 1, "--every", 2)
    assert code == 0
    assert "full index, vote" in out
    code, _, err = evaluate("penn", tmp_path / "nowhere")
    assert (code, err.count("\n")) == (1, 1)
    assert "Penn Action" in err
