"""Kinds of indices, names and tables that went wrong once, and what is right.

Each row of a table names the kind, how it is made, and what the code did before.
"""

import json
import os
from dataclasses import replace

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from tests.index.test_store import poses, record
from vipecli.embedding.embed import Model, embed
from vipecli.index.commit import commit
from vipecli.index.manifest import MANIFEST, digest
from vipecli.index.store import Index, load, store
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


def nan_row(i, values):
    values[16:32] = np.nan
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
        "319 values of mean for 20 frames",
    ),
    "missing values": (
        lambda f: put(
            f,
            with_column(
                "mean", pyarrow.array([[None] * 320] * 3, pyarrow.large_list(pyarrow.float32()))
            ),
        ),
        "mean lacks 960 values",
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
