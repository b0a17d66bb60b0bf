"""Kinds of indices, names and tables that went wrong once, and what is right.

Each row of a table names the kind, how it is made, and what the code did before.
"""

import json
import os
import unicodedata
from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from tests.index.test_sources import touch
from tests.index.test_store import names, poses, record
from vipecli.embedding.embed import Model, embed
from vipecli.errors import FormatError
from vipecli.index import sources
from vipecli.index.commit import commit
from vipecli.index.manifest import MANIFEST, digest
from vipecli.index.records import to_table
from vipecli.index.store import Index, load, store, verify
from vipecli.poses.formats import save_poses

# -- an index that somebody else made --------------------------------------------------------------


def made(folder):
    """An index of three clips, whose manifest and table can be changed."""
    model = Model.load()
    clips = [record(name, "walk", t=20, model=model.id) for name in ("a", "b", "c")]
    clips = [replace(c, embeddings=embed(c.poses, model)) for c in clips]
    commit(Index(folder), clips, source={"kind": "table", "path": "labels.csv"})
    return folder


def sign(folder, change):
    """Change what the manifest says, with a checksum that fits."""
    path = store(folder) / MANIFEST
    data = json.loads(path.read_text())
    change(data["index"])
    data["sha256"] = digest(data["index"])
    path.write_text(json.dumps(data))


def put(folder, write, clips=None):
    """Put another file in place of the only one, named and counted correctly in the manifest."""
    from hashlib import sha256

    path = store(folder) / load(folder).batches[0].file
    table = parquet.read_table(path)
    path.unlink()
    sink = pyarrow.BufferOutputStream()
    rows = write(table, sink)
    data = sink.getvalue().to_pybytes()
    checksum = sha256(data).hexdigest()
    new = f"clips-{checksum[:24]}.parquet"
    (store(folder) / new).write_bytes(data)
    count = clips if clips is not None else rows
    entry = {"file": new, "sha256": checksum, "size": len(data), "clips": count}
    sign(folder, lambda content: content.update(batches=[entry]))


def with_column(name, values):
    """A writer of a table with another column."""

    def write(table, sink):
        place = table.schema.get_field_index(name)
        column = values(table.column(name)) if callable(values) else values
        changed = table.set_column(place, name, column)
        parquet.write_table(changed, sink, compression="zstd")
        return changed.num_rows

    return write


def series(change):
    """Lists of the same lengths whose values are changed."""

    def values(column):
        lists = [change(i, np.array(one, np.float32)) for i, one in enumerate(column.to_pylist())]
        return pyarrow.array(lists, pyarrow.large_list(pyarrow.float32()))

    return values


def bomb(count, **options):
    """Zeros of which a few kilobytes of Parquet stand for gigabytes."""

    def write(table, sink):
        zeros = np.zeros(count, np.float32)
        ends = pyarrow.array([0, count, count, count], pyarrow.int64())
        column = pyarrow.LargeListArray.from_arrays(ends, zeros)
        place = table.schema.get_field_index("mean")
        parquet.write_table(table.set_column(place, "mean", column), sink, **options)
        return 3

    return write


def long_label(table, sink):
    """One label of 3 MB, which a dictionary repeats for each of 300 clips."""
    many = pyarrow.concat_tables([table] * 100)
    codes = pyarrow.array([0] * 300, pyarrow.int32())
    labels = pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(["x" * 3_000_000]))
    place = many.schema.get_field_index("label")
    many = many.set_column(place, "label", labels)
    parquet.write_table(many, sink, compression="zstd", store_schema=False)
    return 300


def file_of(folder, target):
    """Make the only file of an index a link to something that never ends."""
    path = store(folder) / load(folder).batches[0].file
    path.unlink()
    if target == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target)


def manifest_is(folder, target):
    path = store(folder) / MANIFEST
    path.unlink()
    if target == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(target)


def entry(**fields):
    return lambda content: content["batches"][0].update(fields)


DIMS = Model.load().dims


def nan_row(i, values):
    values[DIMS : 2 * DIMS] = np.nan
    return values


def some_nan(i, values):
    values[5] = np.nan
    return values


HOSTILE = {
    # name: (how it is made, what was wrong before; what the line has to say)
    "manifest names a device": (lambda f: sign(f, entry(file="/dev/zero")), "name of a file"),
    "manifest names a parent": (lambda f: sign(f, entry(file="../../a.parquet")), "name of a file"),
    "file is a device": (lambda f: file_of(f, "/dev/zero"), "not a regular file"),
    "file is a pipe": (lambda f: file_of(f, "fifo"), "not a regular file"),
    "manifest is a device": (lambda f: manifest_is(f, "/dev/zero"), "not a regular file"),
    "manifest is a pipe": (lambda f: manifest_is(f, "fifo"), "not a regular file"),
    "a trillion rows in the manifest": (lambda f: sign(f, entry(clips=10**12)), "clips is 1000"),
    "a trillion clips of dimensions": (
        lambda f: sign(f, lambda c: c.update(dims=10**12)),
        "dims is",
    ),
    "more rows than there are": (lambda f: sign(f, entry(clips=60000)), "3 clips, not 60000"),
    "size is not that of the file": (lambda f: sign(f, entry(size=10)), "over the limit of 10"),
    "a size that is text": (lambda f: sign(f, entry(size="28")), "size is '28'"),
    "a file named twice": (
        lambda f: sign(f, lambda c: c["batches"].append(c["batches"][0])),
        "a file is named twice",
    ),
    "model is a list": (lambda f: sign(f, lambda c: c.update(model=["m"])), "model is of type"),
    "sigmoid is NaN": (
        lambda f: sign(f, lambda c: c.update(sigmoid=[float("nan"), 1])),
        "sigmoid is not two finite",
    ),
    "source is text": (lambda f: sign(f, lambda c: c.update(source="x")), "source is 'x'"),
    "source path is a number": (
        lambda f: sign(f, lambda c: c.update(source={"path": 3})),
        "source, path is 3",
    ),
    "excluded holds numbers": (lambda f: sign(f, lambda c: c.update(excluded=[1])), "excluded is"),
    "no field": (lambda f: sign(f, lambda c: c.pop("dims")), "its fields are"),
    "nested deeply": (
        lambda f: (store(f) / MANIFEST).write_text("[" * 200_000),
        "nested too deeply",
    ),
    "28 kB that become 4.5 GB": (lambda f: put(f, bomb(2**25, compression="zstd")), "when decoded"),
    "the same by a dictionary": (
        lambda f: put(f, bomb(2**25, compression="none", use_dictionary=True)),
        "when decoded",
    ),
    "a label of 3 MB for each clip": (lambda f: put(f, long_label), "when decoded"),
    "NaN in means": (lambda f: put(f, with_column("mean", series(some_nan))), "mean is infinite"),
    "NaN in a frame of means": (
        lambda f: put(f, with_column("mean", series(nan_row))),
        "standard deviation is infinite or NaN",
    ),
    "infinite means": (
        lambda f: put(f, with_column("mean", series(lambda i, v: v * np.float32(np.inf)))),
        "infinite",
    ),
    "huge means": (
        lambda f: put(f, with_column("mean", series(lambda i, v: v * np.float32(1e30)))),
        "over 1e",
    ),
    "negative deviations": (
        lambda f: put(f, with_column("std", series(lambda i, v: -v))),
        "negative",
    ),
    "too few means": (
        lambda f: put(f, with_column("mean", series(lambda i, v: v[:-1]))),
        f"{20 * DIMS - 1} values of mean for 20 frames",
    ),
    "missing values": (
        lambda f: put(
            f,
            with_column(
                "mean",
                pyarrow.array([[None] * 20 * DIMS] * 3, pyarrow.large_list(pyarrow.float32())),
            ),
        ),
        f"mean lacks {60 * DIMS} values",
    ),
    "means are text": (
        lambda f: put(f, with_column("mean", pyarrow.array(["x"] * 3))),
        "column mean is of type",
    ),
    "means are doubles": (
        lambda f: put(
            f,
            with_column(
                "mean", pyarrow.array([[0.5] * 320] * 3, pyarrow.large_list(pyarrow.float64()))
            ),
        ),
        "column mean is of type",
    ),
    "a column less": (
        lambda f: put(
            f, lambda t, s: (parquet.write_table(t.drop_columns(["times", "label"]), s), 3)[1]
        ),
        "is there 0 times",
    ),
    "no name": (
        lambda f: put(f, with_column("name", pyarrow.array([None, "b", "c"]))),
        "name is missing",
    ),
    "names are numbers": (
        lambda f: put(f, with_column("name", pyarrow.array([1, 2, 3]))),
        "column name is of type",
    ),
    "times fall": (
        lambda f: put(
            f,
            with_column(
                "times",
                pyarrow.array([list(range(20, 0, -1))] * 3, pyarrow.large_list(pyarrow.float64())),
            ),
        ),
        "times do not increase",
    ),
    "starts at NaN": (
        lambda f: put(f, with_column("start_s", pyarrow.array([float("nan")] * 3))),
        "starts or ends at nan",
    ),
    "no Parquet": (lambda f: put(f, lambda t, s: s.write(b"PAR1" * 9) and 3), "damaged"),
    "another encoding": (
        lambda f: put(
            f,
            lambda t, s: (
                parquet.write_table(
                    t, s, use_dictionary=False, column_encoding={"label": "DELTA_BYTE_ARRAY"}
                ),
                3,
            )[1],
        ),
        "is encoded as DELTA_BYTE_ARRAY",
    ),
}


@pytest.mark.parametrize("make, says", HOSTILE.values(), ids=HOSTILE)
def test_an_index_from_somebody_else_is_refused_in_one_line(tmp_path, vipe, make, says):
    folder, query = made(tmp_path / "index"), tmp_path / "query.npz"
    save_poses(poses(20), query)
    make(folder)
    for command in (
        ("index", "verify", folder),
        ("index", "info", folder),
        ("classify", query, "--index", folder),
        ("search", query, "--index", folder),
    ):
        code, out, err = vipe(*command)
        if command[1] == "info" and code == 0:
            continue  # the figures do not need the columns that are wrong
        assert (code, out) == (1, ""), command
        assert len(err.splitlines()) == 1, err
        assert says in err
        assert "vipe index build" in err


def test_caches_beside_an_index_are_bounded_too(tmp_path, vipe):
    folder, query = made(tmp_path / "index"), tmp_path / "query.npz"
    save_poses(poses(20), query)
    want = vipe("classify", query, "--index", folder, "--json", "-")
    assert want[0] == 0
    for name in ("_neighbours.npz", "_calibration.json"):
        path = store(folder) / name
        for target in ("/dev/zero", "fifo", "huge", "deep"):
            path.unlink()
            if target == "fifo":
                os.mkfifo(path)
            elif target == "huge":
                with path.open("wb") as file:
                    np.savez_compressed(file, ids=["a"], distances=np.zeros((1, 10**7), np.int8))
            elif target == "deep":
                path.write_text("[" * 10_000)
            else:
                path.symlink_to(target)
            assert vipe("classify", query, "--index", folder, "--json", "-") == want


def test_a_path_in_an_index_is_opened_only_if_it_is_a_file(tmp_path):
    from vipecli.index.build import clip_path
    from vipecli.index.records import Facts

    os.mkfifo(tmp_path / "pipe.mp4")
    for path in ("/dev/zero", "pipe.mp4", "gone.mp4", "x" * 5000, "a\0b", ""):
        assert clip_path(Facts("a", "walk", path=path), tmp_path) is None


# -- a change that was killed ----------------------------------------------------------------------


def hide(folder, index):
    """As a kill leaves it: the manifest is new, files of the old state are there."""
    for batch in index.batches:
        os.replace(store(folder) / batch.file, store(folder) / f".{batch.file}")


def test_after_a_kill_other_programs_see_what_vipe_sees(tmp_path):
    index = commit(Index(tmp_path), [record(name) for name in ("a", "b", "c")])
    old = {p.name: p.read_bytes() for p in store(tmp_path).glob("clips-*")}
    index = commit(index, [record("d")], remove=["a"])
    for shown in (True, False):  # before and after the new files were given their names
        if not shown:
            hide(tmp_path, index)
        for name, data in old.items():
            (store(tmp_path) / name).write_bytes(data)
        assert names(load(tmp_path)) == ["b", "c", "d"]
        table = parquet.read_table(store(tmp_path))  # as pandas and DuckDB do
        assert sorted(table.column("name").to_pylist()) == ["b", "c", "d"]


def test_a_clip_is_never_seen_twice_while_files_change(tmp_path, monkeypatch):
    from vipecli.index import tidying

    index = commit(Index(tmp_path), [record(name) for name in ("a", "b", "c")])
    seen = []

    def replace_and_look(source, target):
        if target.name.startswith("clips-"):
            seen.append({p.name for p in store(tmp_path).glob("clips-*.parquet")})
        os.rename(source, target)

    monkeypatch.setattr(tidying.os, "replace", replace_and_look)
    after = commit(index, [record("d")], remove=["a"])
    old = {batch.file for batch in index.batches}
    assert seen and all(old.isdisjoint(there) for there in seen)
    assert names(after) == ["b", "c", "d"]


def test_an_index_that_cannot_be_written_is_read_as_it_is(tmp_path, monkeypatch):
    from vipecli.index import tidying

    index = commit(Index(tmp_path), [record("a")])
    (store(tmp_path) / f"clips-{'0' * 24}.parquet").write_bytes(b"left over")
    monkeypatch.setattr(tidying, "settle", lambda *_: (_ for _ in ()).throw(OSError(30, "ro")))
    assert names(load(tmp_path)) == names(index) == ["a"]


# -- names -----------------------------------------------------------------------------------------

NO_UTF8 = os.fsdecode(b"b\xff\xe9.npz")


def test_a_name_that_is_no_utf8_costs_no_other_clip(tmp_path, vipe):
    """Before: UnicodeEncodeError, and no index at all."""
    folder = tmp_path / os.fsdecode(b"walks\xff") / "clips"
    for i, name in enumerate(("a.npz", NO_UTF8, "\\udcff.npz", "ä.npz")):
        (folder / "walk").mkdir(parents=True, exist_ok=True)
        save_poses(poses(20, i), folder / "walk" / name)
    assert vipe("index", "build", folder)[0] == 0
    want = sorted(f"walk/{name}" for name in ("a.npz", NO_UTF8, "\\udcff.npz", "ä.npz"))
    assert names(load(folder)) == want
    assert verify(folder) == []
    code, out, err = vipe("classify", folder / "walk", "--index", folder, "--json", "-")
    assert code == 0, err
    assert {c["clip"] for c in json.loads(out)["clips"]} == {str(folder / name) for name in want}
    code, out, _ = vipe("index", "build", folder)  # nothing has changed
    assert code == 0
    assert vipe("index", "remove", folder, f"walk/{NO_UTF8}")[0] == 0
    assert names(load(folder)) == sorted(set(want) - {f"walk/{NO_UTF8}"})
    assert vipe("index", "info", folder, "--json", tmp_path / "info.json")[0] == 0
    assert json.loads((tmp_path / "info.json").read_text())["removed"] == [f"walk/{NO_UTF8}"]


def test_a_picture_whose_name_is_no_utf8_has_a_key(tmp_path):
    from vipecli.embedding.embedded_folder import content_key

    (tmp_path / os.fsdecode(b"1\xff.png")).write_bytes(b"x")
    assert len(content_key(tmp_path, "detector")) == 64


CAFE = [unicodedata.normalize(form, "café") for form in ("NFC", "NFD")]


def test_labels_in_two_spellings_are_one(tmp_path, vipe):
    """Before: two labels that look alike, and share the votes."""
    for i, label in enumerate(CAFE):
        (tmp_path / label).mkdir(exist_ok=True)
        save_poses(poses(20, i), tmp_path / label / f"{i}.npz")
    assert vipe("index", "build", tmp_path)[0] == 0
    assert {facts.label for facts in load(tmp_path).facts()} == {CAFE[0]}
    extra = tmp_path / "extra.npz"
    save_poses(poses(20, 7), extra)
    assert vipe("index", "add", tmp_path, extra, "--label", CAFE[1])[0] == 0
    assert "3 clips of 1 label," in vipe("index", "info", tmp_path)[1]


def test_an_index_of_before_with_two_spellings_has_one_label(tmp_path):
    two = [record("a", CAFE[0]), record("b", CAFE[1])]
    assert to_table(two).column("label").to_pylist() == CAFE
    commit(Index(tmp_path), two)
    assert {facts.label for facts in load(tmp_path).facts()} == {CAFE[0]}


# -- tables and folders as people have them --------------------------------------------------------

TABLES = {
    # name: (bytes of labels.csv, labels and starts)
    "plain": (b"path,label\na.mp4,walk\n", [("walk", None)]),
    "line break in a label": (b'path,label\r\na.mp4,"walk\r\nfast"\r\n', [("walk\r\nfast", None)]),
    "line separator": ("path,label\na.mp4,walk\u2028fast\n".encode(), [("walk\u2028fast", None)]),
    "form feed": (b"path,label\na.mp4,walk\x0cfast\n", [("walk\x0cfast", None)]),
    "old Macs": (b"path,label\ra.mp4,walk\r", [("walk", None)]),
    "UTF-16": ("path\tlabel\na.mp4\twalk\n".encode("utf-16"), [("walk", None)]),
    "sep= and decimal commas": (
        b"sep=;\r\npath;label;start\r\na.mp4;walk;1,5\r\n",
        [("walk", 1.5)],
    ),
    "byte order mark": (b"\xef\xbb\xbfpath;label\na.mp4;walk\n", [("walk", None)]),
    "NFD label": (f"path,label\na.mp4,{CAFE[1]}\n".encode(), [(CAFE[0], None)]),
    "NFC path, NFD on disk": (f"path,label\n{CAFE[0]}.mp4,walk\n".encode(), [("walk", None)]),
}


@pytest.mark.parametrize("data, want", TABLES.values(), ids=TABLES)
def test_tables(tmp_path, data, want):
    touch(tmp_path / "a.mp4")
    touch(tmp_path / f"{CAFE[1]}.mp4")
    (tmp_path / "labels.csv").write_bytes(data)
    found = sources.find(tmp_path)
    assert [(item.label, item.start_s) for item in found] == want
    assert all(item.path.exists() for item in found)


@pytest.mark.parametrize(
    "data, says",
    {
        b"path,label\na.mp4,wa\x00lk\n": r"line [12]",
        b"path,label\na.mp4,\xe9\n": "not UTF-8",
        b"path,label\na.mp4," + b"x" * 200_000 + b"\n": "field larger",
        b"path,label\n" + b"y" * 5000 + b".mp4,walk\n": "no such file",
    }.items(),
    ids=["NUL", "Latin-1", "long field", "long path"],
)
def test_tables_that_cannot_be_read(tmp_path, data, says):
    touch(tmp_path / "a.mp4")
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(FormatError, match=says):
        sources.find(tmp_path)


SIDECARS = [
    "._a.mp4",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
    "__MACOSX/walk/a.mp4",
    "@eaDir/a.mp4/thumb.jpg",
]


@pytest.mark.parametrize("name", SIDECARS)
def test_sidecar_files_are_passed_over(tmp_path, name):
    from vipecli.embedding.embedded_folder import content_key, find_videos

    touch(tmp_path / "walk/a.mp4")
    touch(tmp_path / "run/frames/1.png")
    key = content_key(tmp_path / "run/frames", "detector")
    for folder in (".", "walk", "run/frames"):
        if folder != "run/frames" or "/" not in name:  # a folder of frames holds no folders
            touch(tmp_path / folder / name)
    assert [i.name for i in sources.find(tmp_path)] == ["run/frames", "walk/a.mp4"]
    assert find_videos(tmp_path) == [tmp_path / "run/frames", tmp_path / "walk/a.mp4"]
    assert content_key(tmp_path / "run/frames", "detector") == key


def test_sidecar_files_of_penn_action(tmp_path):
    from tests.index.test_sources import penn_archive
    from vipecli.index import penn_action

    penn_archive(tmp_path / "penn.npz", range(1, 4))
    (tmp_path / "._penn.npz").write_bytes(b"Mac OS X")
    assert len(penn_action.load(tmp_path)) == 3
    assert sources.kind_of(tmp_path) == "penn"


# -- one bad clip, and folders that cannot be written ----------------------------------------------


def test_a_named_clip_that_cannot_be_used_costs_no_other(tmp_path, vipe):
    folder = made(tmp_path / "index")
    good = [tmp_path / "a.npz", tmp_path / "c.npz"]
    for i, path in enumerate(good):
        save_poses(poses(20, i), path)
    bad = tmp_path / "b.npz"
    bad.write_bytes(b"no archive")
    for named in ([bad, *good], [good[0], bad, good[1]], [*good, bad], [*good, tmp_path / "gone"]):
        code, out, err = vipe("classify", *named, "--index", folder, "--json", "-")
        assert code == 1
        assert [c["clip"] for c in json.loads(out)["clips"]] == list(map(str, good))
        assert "1 of 3 clips failed:" in err
    code, out, err = vipe("classify", bad, tmp_path / "gone", "--index", folder, "--json", "-")
    assert (code, json.loads(out)) == (1, {"clips": []})
    assert "2 of 2 clips failed:" in err


@pytest.fixture
def read_only(monkeypatch):
    """No file can be made anywhere; root may write to any folder, so that modes do not tell."""
    import vipecli.files

    def refused(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(vipecli.files.tempfile, "TemporaryFile", refused)


def test_a_read_only_folder_is_told_a_command_that_works(tmp_path, vipe, read_only):
    folder, query = tmp_path / "clips", tmp_path / "query.npz"
    (folder / "walk").mkdir(parents=True)
    for i in range(2):
        save_poses(poses(20, i), folder / f"walk/{i}.npz")
    save_poses(poses(20, 5), query)
    for command in (("classify", query, "--index", folder), ("index", "build", folder)):
        code, out, err = vipe(*command)
        assert (code, out) == (1, "")
        assert f"`vipe index build {folder} --out FOLDER`" in err
        assert len(err.splitlines()) == 1


def test_a_read_only_index_is_used_as_it_is(tmp_path, vipe, monkeypatch, request):
    folder, query = tmp_path / "clips", tmp_path / "query.npz"
    (folder / "walk").mkdir(parents=True)
    for i in range(2):
        save_poses(poses(20, i), folder / f"walk/{i}.npz")
    save_poses(poses(20, 5), query)
    assert vipe("index", "build", folder)[0] == 0
    save_poses(poses(20, 9), folder / "walk/new.npz")
    request.getfixturevalue("read_only")
    code, out, err = vipe("classify", query, "--index", folder)
    assert (code, "used as it is" in err, "walk/0.npz" in out) == (0, True, True)
    assert len(load(folder)) == 2
