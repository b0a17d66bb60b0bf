"""From labelled clips to an index, and the commands that look after it."""

import json
import os

import numpy as np
import pytest

from tests.index.test_sources import penn_archive, touch
from tests.index.test_store import damage, names, poses
from vipecli.embedding.clip import Recipe
from vipecli.errors import VipeError
from vipecli.index import sources
from vipecli.index.build import make_records, plan
from vipecli.index.commit import commit
from vipecli.index.store import Index, load, store
from vipecli.poses.formats import save_poses


def build(folder, items, *, index=None, recipe=None):
    recipe = recipe or Recipe()
    index = index or Index(folder)
    todo = plan(index, items, recipe, present={i.name for i in items})
    failed = []
    made = make_records(todo.new, [], recipe, folder, failed=failed)
    return commit(index, made, remove=todo.removed), todo, failed


def test_keypoint_files_parts_and_what_has_changed(tmp_path):
    for i, name in enumerate(("walk/a.npz", "walk/b.npz", "run/c.npz")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_poses(poses(25, i), tmp_path / name)
    items = sources.find(tmp_path)
    items.append(sources.Item("part", "run", tmp_path / "run/c.npz", "", 0.2, 0.5))
    index, todo, failed = build(tmp_path, items)
    assert (len(todo.new), todo.removed, todo.unchanged, failed) == (4, (), 0, [])
    part = list(index.records())[3]
    np.testing.assert_allclose(part.poses.times, np.arange(5, 13) / 25)
    assert len(part.embeddings) == 8

    save_poses(poses(30, 9), tmp_path / "walk/b.npz")
    os.unlink(tmp_path / "walk/a.npz")
    left = [item for item in items if item.name != "walk/a.npz"]
    index, todo, _ = build(tmp_path, left, index=load(tmp_path))
    assert [i.name for i in todo.new] == ["walk/b.npz"]
    assert todo.removed == ("walk/a.npz", "walk/b.npz")
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


def test_the_life_of_an_index(tmp_path, vipe):
    archive = penn_archive(tmp_path / "penn.npz", range(1, 7))
    folder = tmp_path / "index"
    code, out, err = vipe("index", "build", archive, "--out", folder, "--exclude", "0006")
    assert (code, out, err) == (0, f"5 clips in the index of {folder}\n", "")
    code, out, _ = vipe("index", "info", folder)
    assert out.startswith("5 clips of 2 labels, 40 frames, model prvipe:")
    assert "     3  squat" in out
    assert vipe("index", "verify", folder) == (0, "5 clips in 1 file: all well\n", "")

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

    damage(store(folder) / load(folder).batches[0].file, "flip")
    code, out, err = vipe("index", "verify", folder)
    assert (code, out) == (1, "")
    assert "damaged" in err
    assert vipe("index", "build", archive, "--out", folder)[0] == 1
    assert vipe("index", "build", archive, "--out", folder, "--force")[0] == 0
    assert vipe("index", "verify", folder)[:2] == (0, "6 clips in 1 file: all well\n")


def test_a_clip_votes_once(tmp_path, vipe):
    folder = tmp_path / "clips"
    for name in ("walk/a.npz", "walk/copy.npz", "run/copy.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_poses(poses(20), folder / name)
    code, out, err = vipe("index", "build", folder)
    assert (code, out) == (0, f"2 clips in the index of {folder}\n")
    assert "walk/copy.npz: the same clip as walk/a.npz, so it is not added" in err
    assert names(load(folder)) == ["run/copy.npz", "walk/a.npz"]
    elsewhere = tmp_path / "b.npz"
    save_poses(poses(20), elsewhere)
    assert "so it is not added" in vipe("index", "add", folder, elsewhere, "--label", "walk")[2]
    assert vipe("index", "add", folder, elsewhere, "--label", "sit")[1:] == (
        f"3 clips in the index of {folder}\n",
        "",
    )
    (folder / "walk/a.npz").unlink()
    assert "is not added" not in vipe("index", "build", folder)[2]
    assert "walk/copy.npz" in names(load(folder))


def test_clips_that_were_added_from_elsewhere_stay(tmp_path, vipe):
    folder = tmp_path / "clips"
    for frames, name in enumerate(("walk/a.npz", "walk/b.npz", "run/c.npz"), start=20):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_poses(poses(frames), folder / name)
    for frames, path in enumerate((folder / "beside.npz", tmp_path / "far.npz"), start=30):
        save_poses(poses(frames), path)
    assert vipe("index", "build", folder)[0] == 0
    add = ("index", "add", folder, folder / "beside.npz", tmp_path / "far.npz", "--label", "sit")
    assert vipe(*add)[1].startswith("5 clips")
    (folder / "walk/b.npz").unlink()
    stay = ["beside.npz", "run/c.npz", "walk/a.npz", (tmp_path / "far.npz").as_posix()]
    assert vipe("classify", folder / "run" / "c.npz", "--index", folder)[0] == 0
    assert sorted(names(load(folder))) == sorted(stay)
    assert vipe("index", "build", folder)[1].startswith("4 clips")
    other = tmp_path / "other"
    (other / "run").mkdir(parents=True)
    save_poses(poses(40), other / "run" / "d.npz")
    assert vipe("index", "build", other, "--out", folder)[1].startswith("1 clip"), "another source"


def test_the_command_that_makes_an_index_anew(tmp_path, vipe):
    archive = penn_archive(tmp_path / "my penn.npz", range(1, 4))
    folder = tmp_path / "index"
    options = ("--poses", "given", "--split", "train", "--exclude", "0001")
    assert vipe("index", "build", archive, "--out", folder, *options)[0] == 0
    damage(store(folder) / load(folder).batches[0].file, "cut")
    for command in ("info", "verify"):
        err = vipe("index", command, folder)[2]
        assert f"`vipe index build '{archive}' --out {folder} {' '.join(options)} --force`" in err
