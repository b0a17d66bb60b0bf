"""The labelled index: what goes in comes out, whole or not at all."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from vipecli import sources
from vipecli.cli.app import main
from vipecli.clip import Recipe
from vipecli.commit import commit
from vipecli.embed import Embeddings
from vipecli.errors import FormatError, VideoError, VipeError, WeightsError
from vipecli.formats import save_poses
from vipecli.index import BATCH, MANIFEST, Index, load, store, verify
from vipecli.indexing import make_records, plan
from vipecli.poses import Poses
from vipecli.rows import Facts, Record


def poses(t=12, seed=0):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(10, 300, (t, 13, 2)).astype(np.float32)
    score = np.ones((t, 13), np.float32)
    xy[1:2, 3], score[1:2, 3] = np.nan, 0
    return Poses(xy, score, np.arange(t) / 25, (320, 240), f"{seed}.mp4", "test")


def record(name, label="a", *, t=12, model="m:1", **facts):
    seed = sum(map(ord, name))
    rng = np.random.default_rng(seed)
    mean, std = rng.normal(size=(2, t, 16)).astype(np.float32)
    found = poses(t, seed)
    clip = Embeddings(mean, np.abs(std), found.times, model, (2.0, 3.0))
    return Record(Facts(name, label, key=f"k{name}", **facts), found, clip)


def same(a, b):
    assert a.facts == b.facts
    assert (a.poses.size, a.poses.source, a.poses.detector) == (
        b.poses.size,
        b.poses.source,
        b.poses.detector,
    )
    for name in ("xy", "score", "times"):
        np.testing.assert_array_equal(getattr(a.poses, name), getattr(b.poses, name))
    np.testing.assert_array_equal(a.embeddings.mean, b.embeddings.mean)
    np.testing.assert_array_equal(a.embeddings.std, b.embeddings.std)
    assert (a.embeddings.model, a.embeddings.sigmoid) == (b.embeddings.model, b.embeddings.sigmoid)


def names(index):
    return sorted(facts.name for facts in index.facts())


def test_what_goes_in_comes_out(tmp_path):
    made = [
        record("walk/a.mp4", "walk", viewpoint="left", path="walk/a.mp4", stamp="1 2 3"),
        record("run/ä.mp4@1-2.5", "run", t=40, start_s=1.0, end_s=2.5),
        record("z", "run", t=2),
    ]
    commit(Index(tmp_path), made, source={"kind": "folders"})
    index = load(tmp_path)
    assert len(index) == 3
    assert index.source == {"kind": "folders"}
    for want, got, clip in zip(made, index.records(), index.embeddings(), strict=True):
        same(want, got)
        np.testing.assert_array_equal(want.embeddings.mean, clip.mean)
    assert index.frames() == [12, 40, 2]
    found = index.poses([2, 0])
    np.testing.assert_array_equal(found[2].xy, made[2].poses.xy)
    assert set(found) == {0, 2}
    assert verify(tmp_path) == []


def test_adding_touches_nothing_that_is_there(tmp_path):
    index = commit(Index(tmp_path), [record(f"a{i}") for i in range(30)])
    before = {p.name: p.read_bytes() for p in store(tmp_path).glob("*.parquet")}
    index = commit(index, [record("new")])
    for name, data in before.items():
        assert (store(tmp_path) / name).read_bytes() == data
    assert names(load(tmp_path)) == sorted([*(f"a{i}" for i in range(30)), "new"])


def test_removing_and_replacing(tmp_path):
    index = commit(Index(tmp_path), [record("a"), record("b"), record("c")])
    index = commit(index, [record("b", "other")], remove=["c", "unknown"])
    index = load(tmp_path)
    assert {f.name: f.label for f in index.facts()} == {"a": "a", "b": "other"}
    assert names(commit(index, [], remove=["a", "b"])) == []
    assert verify(tmp_path) == []


def test_many_small_changes_leave_few_files_and_no_rubbish(tmp_path):
    index = Index(tmp_path)
    for i in range(30):
        index = commit(index, [record(f"{i:03d}", t=2)])
    assert len(index.batches) < 12
    assert names(load(tmp_path)) == [f"{i:03d}" for i in range(30)]
    files = {p.name for p in store(tmp_path).iterdir()}
    assert files == {MANIFEST, ".lock", *(batch.file for batch in index.batches)}


def test_large_sets_are_split(tmp_path):
    index = commit(Index(tmp_path), (record(str(i), t=1) for i in range(BATCH + 3)))
    assert [batch.clips for batch in index.batches] == [BATCH, 3]
    assert len(load(tmp_path).facts()) == BATCH + 3


def test_the_same_clips_give_the_same_bytes(tmp_path):
    for folder in ("x", "y"):
        commit(Index(tmp_path / folder), [record("a"), record("b")])
    x, y = ({p.name: p.read_bytes() for p in store(tmp_path / f).iterdir()} for f in ("x", "y"))
    assert x == y


def test_one_model_per_index(tmp_path):
    index = commit(Index(tmp_path), [record("a")])
    with pytest.raises(FormatError, match="an index holds the clips of one model"):
        commit(index, [record("b", model="m:2")])
    assert names(load(tmp_path)) == ["a"]
    with pytest.raises(WeightsError, match=r"m:1, not with m:2; make it anew with `vipe index"):
        load(tmp_path, model="m:2")


def test_a_stale_state_is_not_built_on(tmp_path):
    index = commit(Index(tmp_path), [record("a")])
    commit(index, [record("b")])
    with pytest.raises(FormatError, match="changed meanwhile"):
        commit(index, [record("c")])


def test_an_error_while_clips_come_leaves_the_old_index(tmp_path):
    def clips():
        yield from (record(str(i), t=1) for i in range(BATCH))
        raise KeyboardInterrupt

    index = commit(Index(tmp_path), [record("a")])
    before = sorted(p.name for p in store(tmp_path).iterdir())
    with pytest.raises(KeyboardInterrupt):
        commit(index, clips())
    assert sorted(p.name for p in store(tmp_path).iterdir()) == before
    assert names(load(tmp_path)) == ["a"]


def _damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b""}.get(how, data))


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "gone"])
def test_a_damaged_file_is_found_and_never_used(tmp_path, how):
    index = commit(Index(tmp_path), [record("a"), record("b")])
    path = store(tmp_path) / index.batches[0].file
    path.unlink() if how == "gone" else _damage(path, how)
    faults = verify(tmp_path)
    assert len(faults) == 1
    assert faults[0].path == path
    for read in (Index.facts, Index.embeddings, lambda i: list(i.records())):
        with pytest.raises(FormatError, match=r"index build .* --force"):
            read(load(tmp_path))


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_a_damaged_manifest_is_found(tmp_path, how):
    commit(Index(tmp_path), [record("a")])
    _damage(store(tmp_path) / MANIFEST, how)
    with pytest.raises(FormatError, match=r"damaged .* --force"):
        load(tmp_path)


def test_a_newer_index_is_not_read(tmp_path):
    commit(Index(tmp_path), [record("a")])
    path = store(tmp_path) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(FormatError, match="version 99"):
        load(tmp_path)


# --- where labelled clips come from ---------------------------------------------------------------


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_a_folder_per_label(tmp_path):
    for name in ("walk/a.mp4", "walk/b/c.MOV", "run/1/1.jpg", "jump/k.npz", "jump/.h.mp4", "x.mp4"):
        touch(tmp_path / name)
    touch(tmp_path / "walk/a.npz")  # beside a video: its poses, not a clip
    got = [(i.name, i.label) for i in sources.find(tmp_path)]
    assert got == [
        ("jump/k.npz", "jump"),
        ("run/1", "run"),
        ("walk/a.mp4", "walk"),
        ("walk/b/c.MOV", "walk"),
    ]
    assert [i.name for i in sources.find(tmp_path, exclude=["walk/*", "run*"])] == ["jump/k.npz"]
    with pytest.raises(VideoError, match="every clip is excluded"):
        sources.find(tmp_path, exclude=["*"])


TABLE = """path;label;start;end;viewpoint
a.mp4;squat;0;1:02.5;left
a.mp4;stand;62,5;;
sub/b.mp4;stand;;;
"""


def test_a_table(tmp_path):
    for name in ("a.mp4", "sub/b.mp4"):
        touch(tmp_path / name)
    (tmp_path / "labels.csv").write_text(TABLE.replace("62,5", "62.5"), encoding="utf-8-sig")
    for source in (tmp_path, tmp_path / "labels.csv"):
        got = sources.find(source)
        assert [i.name for i in got] == ["a.mp4@0-62.5", "a.mp4@62.5-", "sub/b.mp4"]
        assert [i.label for i in got] == ["squat", "stand", "stand"]
        assert (got[0].start_s, got[0].end_s, got[0].viewpoint) == (0, 62.5, "left")
        assert got[2].path == tmp_path / "sub/b.mp4"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("file,label\na.mp4,x\n", "has to name the columns path and label"),
        ("path,label\na.mp4,\n", "line 2: a clip needs a path and a label"),
        ("path,label\nb.mp4,x\n", "line 2: .*b.mp4: no such file"),
        ("path,label,start\na.mp4,x,soon\n", "line 2: 'soon' is no time"),
        ("path,label,start,end\na.mp4,x,3,2\n", "ends at 2.0 s, before it starts"),
        ("path,label\na.mp4,x\na.mp4,y\n", "line 3: a.mp4 is there twice"),
        ("", "has to name the columns"),
    ],
)
def test_bad_tables(tmp_path, text, problem):
    touch(tmp_path / "a.mp4")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(FormatError, match=problem):
        sources.find(tmp_path)


def test_penn_action_with_and_without_frames(tmp_path):
    from scipy.io import savemat

    (tmp_path / "labels").mkdir()
    for i, train in ((1, 1), (2, -1)):
        joints = np.random.default_rng(i).uniform(10, 200, (5, 13))
        fields = {"x": joints, "y": joints, "visibility": joints > 0, "dimensions": [240, 320, 5]}
        fields |= {"action": "squat", "pose": "left", "train": train}
        savemat(tmp_path / f"labels/000{i}.mat", fields)
    touch(tmp_path / "frames/0001/000001.jpg")
    one, two = sources.find(tmp_path)
    assert (one.poses, one.path) == (None, tmp_path / "frames/0001")
    assert (two.poses is None, two.path) == (False, None)
    assert [i.name for i in sources.find(tmp_path, split="train")] == ["0001"]
    assert sources.find(tmp_path, poses="given")[0].poses is not None
    with pytest.raises(VideoError, match="0002: no such folder"):
        sources.find(tmp_path, poses="detect")


def penn_archive(path, clips):
    """Labels of Penn Action as one archive: the number of each clip tells its joints."""
    numbers, t = list(clips), 8
    joints = [np.random.default_rng(n).uniform(10, 200, (t, 13, 2)) for n in numbers]
    np.savez(
        path,
        clip_id=np.array([f"{n:04d}" for n in numbers]),
        action=np.array(["squat" if n % 2 else "bowl" for n in numbers]),
        viewpoint=np.array(["left"] * len(numbers)),
        frame_size_hw=np.full((len(numbers), 2), 240),
        offsets=np.arange(len(numbers) + 1) * t,
        keypoints=np.concatenate(joints),
        visibility=np.ones((len(numbers) * t, 13)),
    )
    return path


# --- from files to records ------------------------------------------------------------------------


def build(folder, items, *, index=None, recipe=None):
    recipe = recipe or Recipe()
    index = index or Index(folder)
    todo = plan(index, items, recipe, present={i.name for i in items})
    failed = []
    made = make_records(todo.fresh, [], recipe, folder, failed=failed)
    return commit(index, made, remove=todo.gone), todo, failed


def test_keypoint_files_parts_and_what_has_changed(tmp_path):
    for i, name in enumerate(("walk/a.npz", "walk/b.npz", "run/c.npz")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_poses(poses(25, i), tmp_path / name)
    items = sources.find(tmp_path)
    items.append(sources.Item("part", "run", tmp_path / "run/c.npz", "", 0.2, 0.5))
    index, todo, failed = build(tmp_path, items)
    assert (len(todo.fresh), todo.gone, todo.same, failed) == (4, (), 0, [])
    part = list(index.records())[3]
    np.testing.assert_allclose(part.poses.times, np.arange(5, 13) / 25)
    assert len(part.embeddings) == 8

    save_poses(poses(30, 9), tmp_path / "walk/b.npz")
    os.unlink(tmp_path / "walk/a.npz")
    left = [item for item in items if item.name != "walk/a.npz"]
    index, todo, _ = build(tmp_path, left, index=load(tmp_path))
    assert [i.name for i in todo.fresh] == ["walk/b.npz"]
    assert todo.gone == ("walk/a.npz", "walk/b.npz")
    assert names(load(tmp_path)) == ["part", "run/c.npz", "walk/b.npz"]


def test_files_that_cannot_be_used_are_told_and_left_out(tmp_path):
    for name in ("a", "b", "c"):
        touch(tmp_path / f"walk/{name}.npz")
    save_poses(poses(25), tmp_path / "walk/b.npz")
    items = sources.find(tmp_path)
    items.append(sources.Item("late", "walk", tmp_path / "walk/b.npz", "", 7.0, 9.0))
    index, _, failed = build(tmp_path, items)
    assert names(index) == ["walk/b.npz"]
    assert [outcome.item.name for outcome in failed] == ["walk/a.npz", "walk/c.npz", "late"]
    assert "0 frames from 7 to 9 s; the clip runs from 0.00 to 0.96 s" in str(failed[2].error)
    twice = [items[1], items[1]]
    with pytest.raises(VipeError, match="two clips of this name"):
        plan(index, twice, Recipe())


# --- the commands ---------------------------------------------------------------------------------


@pytest.fixture
def vipe(capsys):
    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        out, err = capsys.readouterr()
        return stop.value.code, out, err

    return run


def test_the_life_of_an_index(tmp_path, vipe):
    archive = penn_archive(tmp_path / "penn.npz", range(1, 7))
    folder = tmp_path / "index"
    code, out, err = vipe("index", "build", archive, "--out", folder, "--exclude", "0006")
    assert (code, out, err) == (0, f"5 clips in the index of {folder}\n", "")
    code, out, _ = vipe("index", "info", folder)
    assert out.startswith("5 clips of 2 labels, 40 frames, model prvipe:")
    assert "     3  squat" in out
    assert vipe("index", "verify", folder) == (0, "5 clips in 1 files: all well\n", "")

    clip = tmp_path / "mine.npz"
    save_poses(poses(20), clip)
    code, _, err = vipe("index", "add", folder, clip)
    assert code == 1
    assert "which label?" in err
    code, out, _ = vipe("index", "add", folder, clip, "--label", "jump")
    assert (code, out) == (0, f"6 clips in the index of {folder}\n")
    code, out, _ = vipe("index", "remove", folder, "*mine.npz", "0001")
    assert out == f"2 clips removed, 4 clips in the index of {folder}\n"
    assert vipe("index", "remove", folder, "0001")[0] == 1
    vipe("index", "info", folder, "--json", tmp_path / "info.json")
    figures = json.loads((tmp_path / "info.json").read_text())
    assert figures["clips"] == 4
    assert figures["removed"] == [clip.as_posix(), "0001"]

    _damage(store(folder) / load(folder).batches[0].file, "flip")
    code, out, err = vipe("index", "verify", folder)
    assert (code, out) == (1, "")
    assert "damaged" in err
    assert vipe("index", "build", archive, "--out", folder)[0] == 1
    assert vipe("index", "build", archive, "--out", folder, "--force")[0] == 0
    assert vipe("index", "verify", folder)[:2] == (0, "6 clips in 1 files: all well\n")


def test_pandas_and_duckdb_read_the_folder(tmp_path):
    """As pyarrow's dataset does, which pandas.read_parquet uses; hidden files do not count."""
    from pyarrow import parquet

    index = commit(Index(tmp_path), [record("a"), record("b", t=3)])
    (store(tmp_path) / ".clips-killed.parquet").write_bytes(b"half")
    table = parquet.read_table(store(tmp_path))
    assert table.column("name").to_pylist() == ["a", "b"]
    assert len(table.column("mean")[1]) == 3 * 16
    assert len(index) == table.num_rows


KILLED = """
    import os, random, shutil, signal, sys, time
    from pathlib import Path

    os.environ["OMP_NUM_THREADS"] = "1"
    import pyarrow.parquet, scipy.io, rich.progress, onnxruntime
    from vipecli import indexing, commit
    from vipecli.cli.app import main
    from vipecli.index import load, verify
    from vipecli.cli import index as _

    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    archive, random = folder / "penn.npz", random.Random(3)

    def fork(work):
        child = os.fork()
        if child:
            return child
        try:
            work()
        except SystemExit as stop:
            os._exit(stop.code or 0)
        finally:
            os._exit(1)

    def build():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        main(["index", "build", str(archive), "--out", str(folder)])

    def check():
        assert verify(folder) == []
        names = sorted(facts.name for facts in load(folder).facts())
        states = [n for n in ("a", "b") if names == (folder / f"{n}.txt").read_text().split()]
        os._exit(100 + "ab".index(states[0]))

    def finish(child):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    shutil.copy(folder / "a.npz", archive)
    begin = time.perf_counter()
    assert finish(fork(build)) == 0
    takes, state, seen = time.perf_counter() - begin, 0, []
    for _ in range(rounds):
        shutil.copy(folder / f"{'ba'[state]}.npz", archive)
        child = fork(build)
        time.sleep(random.uniform(0, 1.1 * takes))
        os.kill(child, signal.SIGKILL)
        finish(child)
        code = finish(fork(check))
        assert code in (100, 101), f"neither the old nor the new index ({code})"
        seen.append(code - 100 != state)
        state = code - 100
    print(f"killed {rounds} times: {sum(seen)} times the new index was there")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_kill_leaves_the_old_or_the_new_index(tmp_path, kills):
    for name, clips in (("a", range(1, 60)), ("b", range(30, 90))):
        penn_archive(tmp_path / f"{name}.npz", clips)
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{n:04d}" for n in clips))
    program = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(kills)]
    done = subprocess.run(program, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"killed {kills} times")
    assert not list(store(tmp_path).glob("*.part*")) or verify(tmp_path) == []
    shutil.rmtree(store(tmp_path))
