"""The index in Lance: what goes in comes out, whatever is killed; needs the extra lance."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

import vipecli
from tests.bodies import seen, waving
from tests.movements import movement
from vipecli.errors import FormatError, VipeError
from vipecli.index import stores
from vipecli.index.classify import classify
from vipecli.index.manifest import digest
from vipecli.index.records import Facts, Record
from vipecli.poses.formats import save_poses

pytest.importorskip("lance")

from vipecli.index import lance_commit, lance_search
from vipecli.index.lance_opened import open_lance
from vipecli.index.lance_search import LanceSearch, condition

LABELS = "squat", "it's", "run"


def record(number, *, label=None, frames=20):
    """Return a clip that is unlike the others; some frames show nobody."""
    poses = seen(waving(frames))
    clip = movement(np.linspace(0, 2, frames), seed=number % 7, noise=0.2, noise_seed=number)
    missing = np.arange(frames) % 11 == number % 11
    mean, std = np.array(clip.mean), np.array(clip.std)
    mean[missing] = std[missing] = np.nan
    xy, score = np.array(poses.xy), np.array(poses.score)
    xy[missing], score[missing] = np.nan, 0
    facts = Facts(
        f"a/{number}'.mp4",
        label or LABELS[number % 3],
        viewpoint=("front", "")[number % 2],
        path=f"a/{number}.mp4",
        key=f"k{number}",
        stamp="1 2 3",
        start_s=None if number % 2 else 0.5,
    )
    return Record(
        facts,
        replace(poses, xy=xy, score=score),
        replace(clip, mean=mean, std=std, times=poses.times),
    )


@pytest.fixture
def index(tmp_path):
    """Sixty clips."""
    return stores.commit(stores.empty(tmp_path / "x", "lance"), map(record, range(60)))


def same(a, b):
    """Whether two clips are equal to the last bit."""
    arrays = [
        (getattr(x, n), getattr(y, n))
        for x, y, names in (
            (a.poses, b.poses, ("xy", "score", "times")),
            (a.embeddings, b.embeddings, ("mean", "std", "times")),
        )
        for n in names
    ]
    return a.facts == b.facts and all(np.array_equal(x, y, equal_nan=True) for x, y in arrays)


def by_name(index):
    """Clips by their names."""
    return {one.facts.name: one for one in index.records()}


def test_what_goes_in_comes_out(index):
    loaded = stores.load(index.folder)
    assert len(loaded) == 60
    assert loaded.frames() == [20] * 60
    found = by_name(loaded)
    assert all(same(record(i), found[record(i).facts.name]) for i in range(60))
    assert stores.verify(index.folder) == []


def test_copies_in_both_directions_hold_equal_records(index, tmp_path):
    parquet = stores.copy(index, tmp_path / "p", "parquet")
    back = stores.copy(stores.load(parquet.folder), tmp_path / "l", "lance")
    assert (stores.kind_of(parquet.folder), stores.kind_of(back.folder)) == ("parquet", "lance")
    for other in (parquet, back):
        found = by_name(other)
        assert len(found) == 60
        assert all(same(one, found[name]) for name, one in by_name(index).items())
    with pytest.raises(VipeError, match="has an index already"):
        stores.copy(index, tmp_path / "p", "lance")


def test_clips_are_added_replaced_and_removed_and_a_reader_keeps_its_state(index):
    before = stores.load(index.folder)
    changed = record(3, label="new")
    after = stores.commit(index, [changed, record(99)], remove=[record(5).facts.name])
    assert (len(before), len(after)) == (60, 60)
    names = set(by_name(stores.load(index.folder)))
    assert names == {record(i).facts.name for i in (*range(60), 99) if i != 5}
    assert by_name(stores.load(index.folder))[changed.facts.name].facts.label == "new"
    assert set(by_name(before)) == {record(i).facts.name for i in range(60)}
    compacted = lance_commit.compact(stores.load(index.folder))
    assert set(by_name(compacted)) == names
    assert len(compacted.batches) == 1
    with pytest.raises(VipeError, match="changed meanwhile"):
        stores.commit(before, [record(100)])


def test_a_damaged_index_is_not_compacted_but_told_of(index):
    after = stores.commit(index, [record(99)])
    for path in (index.store / "index.lance" / "data").glob("*.lance"):
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(VipeError, match=r"cannot be compacted .*vipe index verify"):
        lance_commit.compact(stores.load(after.folder))


def test_a_failure_while_clips_are_written_is_raised_as_it_is_and_changes_nothing(index):
    def some():
        yield from map(record, (3, 70))
        raise VipeError("no more of them")

    before = by_name(index)
    with pytest.raises(VipeError, match="no more of them"):
        stores.commit(index, some())
    with pytest.raises(FormatError, match="one model"):
        odd = record(71)
        stores.commit(index, [replace(odd, embeddings=replace(odd.embeddings, model="x"))])
    found = by_name(stores.load(index.folder))
    assert all(same(one, before[name]) for name, one in found.items())
    assert len(found) == len(before)


def test_what_a_killed_writer_left_is_not_seen(index, monkeypatch):
    def killed(index):
        raise KeyboardInterrupt

    monkeypatch.setattr(lance_commit, "_written", killed)
    with pytest.raises(KeyboardInterrupt):
        stores.commit(index, [record(77)], remove=[record(1).facts.name])
    monkeypatch.undo()
    loaded = stores.load(index.folder)
    assert set(by_name(loaded)) == {record(i).facts.name for i in range(60)}
    after = stores.commit(loaded, [record(78)])
    assert set(by_name(after)) == {record(i).facts.name for i in (*range(60), 78)}


def test_the_nearest_are_those_of_a_full_search(index):
    clips = [(r.facts.name, r.facts.label, r.embeddings) for r in index.records()]
    for seed in range(5):
        query = movement(np.linspace(0, 2, 25), seed=seed, noise=0.3, noise_seed=500 + seed)
        exact = classify(query, clips, k=7)
        for exhaustive in (False, True):
            found = classify(query, LanceSearch(index), k=7, exhaustive=exhaustive)
            assert [n.clip for n in found.neighbours] == [n.clip for n in exact.neighbours]
            assert np.allclose(
                [n.distance for n in found.neighbours], [n.distance for n in exact.neighbours]
            )


def test_filters_by_label_and_viewpoint(index):
    query = record(3).embeddings
    where = condition(["it's", "run"], ["front"])
    found = classify(query, LanceSearch(index, where), k=50)
    names = {one.clip for one in found.neighbours}
    assert names == {record(i).facts.name for i in range(60) if i % 3 and i % 2 == 0}


def test_the_shortlist_is_that_of_the_clips_that_count(index, monkeypatch):
    monkeypatch.setattr(lance_search, "shortlist_of", lambda clips: clips // 2)
    query = record(3).embeddings
    assert LanceSearch(index).candidates(query).num_rows == 30
    assert LanceSearch(index, condition(["run"], ["front"])).candidates(query).num_rows == 5


def test_of_a_label_that_no_clip_has_nothing_is_found(index):
    search = LanceSearch(index, condition(["nobody has it"], []))
    assert [len(found) for found in search.nearest(record(4).embeddings, 3)] == [0, 0, 0]


def test_an_opened_index_tells_what_the_command_asks(index):
    library = open_lance(index, k=3, exclude=["a/1*"])
    (copy,) = library.copies("k7")
    assert library.facts_of(copy) == record(7).facts
    assert same(record(7), Record(record(7).facts, library.poses(copy), library.clip(copy)))
    assert library.place_of(record(7).facts.name) == copy
    assert library.durations_s() == [pytest.approx(19 / 30)] * 60
    query = record(7).embeddings
    out = library.votes_not([copy])
    found = classify(query, library.packed, k=60, leave_out=out, calibration=library.calibration)
    gone = {record(i).facts.name for i in (1, *range(10, 20), 7)}
    assert {n.clip for n in found.neighbours} == {record(i).facts.name for i in range(60)} - gone
    again = open_lance(index, k=3, exclude=["a/1*"])
    assert again.calibration == library.calibration


def damaged(change):
    """Return a change of the manifest."""
    return lambda path: path.write_text(change(path.read_text()))


@pytest.mark.parametrize(
    "damage",
    [
        damaged(lambda text: ""),
        damaged(lambda text: "[" * 100_000),
        damaged(lambda text: "[]"),
        damaged(lambda text: text.replace("excluded", "x")),
        damaged(lambda text: text.replace('"dims": 16', '"dims": 17')),
        lambda path: shutil.rmtree(path.parent / "index.lance"),
        lambda path: [
            p.write_bytes(b"x" * 99) for p in path.parent.rglob("*.lance") if p.is_file()
        ],
    ],
)
def test_a_damaged_index_is_refused_in_one_line(index, vipe, damage):
    damage(index.folder / ".vipe" / "index-lance.json")
    code, _, err = vipe("index", "verify", index.folder)
    assert code == 1
    assert err.startswith("vipe: ")
    assert "damaged" in err and len(err.splitlines()) == 1


def test_blobs_that_are_not_what_their_frames_say_are_refused(index):
    import lance

    path = str(index.folder / ".vipe" / "index.lance")
    data = lance.dataset(path)
    data.update({"frames": "2000000000"}, where="label = 'run'")
    manifest = index.folder / ".vipe" / "index-lance.json"
    top = json.loads(manifest.read_text())
    top["index"]["data"] = data.version
    top["sha256"] = digest(top["index"])
    manifest.write_text(json.dumps(top))
    with pytest.raises(FormatError, match="not as large as its frames"):
        list(stores.load(index.folder).records())


def test_the_commands(tmp_path, vipe):
    folder = tmp_path / "clips"
    rng = np.random.default_rng(0)
    for i in range(12):
        where = folder / ("up", "down")[i % 2]
        where.mkdir(parents=True, exist_ok=True)
        motion = waving(20 + i)[:: 1 - 2 * (i % 2)]
        motion = motion + rng.normal(0, 0.01, motion.shape)
        save_poses([seen(motion)], where / f"{i}.json", format="coco")
    assert vipe("index", "build", folder, "--store", "lance")[0] == 0
    assert not (folder / ".vipe" / "index.parquet").exists()
    out = vipe("index", "build", folder)[1]
    assert out.startswith("12 clips")
    assert "12 clips of 2 labels" in vipe("index", "info", folder)[1]
    code, _, err = vipe("index", "build", folder, "--store", "parquet")
    assert code == 1 and "index copy" in err
    query = tmp_path / "query.json"
    save_poses([seen(waving(26))], query, format="coco")
    label = ("classify", query, "--index", folder, "--json", "-")
    found = json.loads(vipe(*label)[1])
    assert found["label"] == "up"
    assert json.loads(vipe(*label, "--exact")[1]) == found
    among = json.loads(vipe(*label, "--label", "down")[1])
    assert {one["label"] for one in among["neighbours"]} == {"down"}
    assert vipecli.classify(query, folder).label == "up"
    assert vipe("index", "copy", folder, tmp_path / "p")[0] == 0
    parquet = json.loads(
        vipe("classify", query, "--index", tmp_path / "p", "--json", "-", "--hubs", 0)[1]
    )
    assert [n["clip"] for n in parquet["neighbours"]] == [n["clip"] for n in found["neighbours"]]
    assert vipe("index", "copy", tmp_path / "p", tmp_path / "l", "--store", "lance")[0] == 0
    for place in (tmp_path / "l", tmp_path / "p"):
        for nothing in (("--label", "upp"), ("--viewpoint", "front"), ("--exclude", "*")):
            code, out, err = vipe("classify", query, "--index", place, *nothing)
            assert (code, out) == (1, "") and "no clip of its index is left" in err
    assert vipe("index", "remove", folder, "up/0.json")[0] == 0
    assert "11 clips in 1 file" in vipe("index", "compact", folder)[1]
    assert "all well" in vipe("index", "verify", folder)[1]
