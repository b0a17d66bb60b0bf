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

from tests.index.test_sources import penn_archive
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, WeightsError
from vipecli.index.commit import commit
from vipecli.index.manifest import MANIFEST
from vipecli.index.records import Facts, Record
from vipecli.index.store import BATCH, Index, load, store, verify
from vipecli.poses.poses import Poses


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
    with pytest.raises(WeightsError, match=r"m:1, not with m:2; rebuild it with `vipe index"):
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


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes({"cut": data[: len(data) // 2], "empty": b""}.get(how, data))


@pytest.mark.parametrize("how", ["flip", "cut", "empty", "gone"])
def test_a_damaged_file_is_found_and_never_used(tmp_path, how):
    index = commit(Index(tmp_path), [record("a"), record("b")])
    path = store(tmp_path) / index.batches[0].file
    path.unlink() if how == "gone" else damage(path, how)
    faults = verify(tmp_path)
    assert len(faults) == 1
    assert faults[0].path == path
    for read in (Index.facts, Index.embeddings, lambda i: list(i.records())):
        with pytest.raises(FormatError, match=r"index build .* --force"):
            read(load(tmp_path))


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_a_damaged_manifest_is_found(tmp_path, how):
    commit(Index(tmp_path), [record("a")])
    damage(store(tmp_path) / MANIFEST, how)
    with pytest.raises(FormatError, match=r"damaged .* --force"):
        load(tmp_path)


def test_a_newer_index_is_not_read(tmp_path):
    commit(Index(tmp_path), [record("a")])
    path = store(tmp_path) / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    with pytest.raises(FormatError, match="version 99"):
        load(tmp_path)


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
    import numpy, pyarrow.parquet, scipy.io, scipy.optimize, rich.progress, onnxruntime
    from vipecli.index import build, commit, stores
    from vipecli.cli import index_update

    pyarrow.array(numpy.zeros(1))  # imports what every child would import again
    from vipecli.cli.app import main
    from vipecli.index.store import load, verify
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

REMOVED = """
    import os, random, signal, sys, time
    from pathlib import Path

    os.environ["OMP_NUM_THREADS"] = "1"
    import pyarrow.parquet, onnxruntime, rich.progress
    from vipecli.index import commit
    from vipecli.cli import index as _
    from vipecli.cli.app import main
    from vipecli.index.store import load, store, verify

    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])

    def remove(name):
        child = os.fork()
        if child:
            return child
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main(["index", "remove", str(folder), name])
        except SystemExit as stop:
            os._exit(stop.code or 0)
        os._exit(9)

    there = sorted(facts.name for facts in load(folder).facts())
    begin = time.perf_counter()
    assert os.waitstatus_to_exitcode(os.waitpid(remove(there.pop(0)), 0)[1]) == 0
    takes, rng, gone = time.perf_counter() - begin, random.Random(5), 0
    for _ in range(rounds):
        child = remove(there[0])
        time.sleep(rng.uniform(0, 1.1 * takes))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert verify(folder) == []
        names = sorted(facts.name for facts in load(folder).facts())
        assert names in (there, there[1:]), "neither the old nor the new index"
        table = pyarrow.parquet.read_table(store(folder))  # as pandas does, after an opening
        assert sorted(table.column("name").to_pylist()) == names
        gone += names != there
        there = names
    left = [p.name for p in store(folder).iterdir() if p.name.startswith(".clips")]
    print(f"killed {rounds} times, {gone} removed, {left} left over")
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_removal_leaves_the_old_or_the_new_index(tmp_path):
    commit(Index(tmp_path), [record(f"{i:03d}") for i in range(700)], source={"kind": "table"})
    program = [sys.executable, "-c", textwrap.dedent(REMOVED), str(tmp_path), "30"]
    root = Path(__file__).parent.parent.parent
    done = subprocess.run(program, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("killed 30 times"), done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_a_kill_leaves_the_old_or_the_new_index(tmp_path, kills):
    for name, clips in (("a", range(1, 60)), ("b", range(30, 90))):
        penn_archive(tmp_path / f"{name}.npz", clips)
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{n:04d}" for n in clips))
    program = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(kills)]
    done = subprocess.run(
        program, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"killed {kills} times")
    assert not list(store(tmp_path).glob("*.part*")) or verify(tmp_path) == []
    shutil.rmtree(store(tmp_path))
