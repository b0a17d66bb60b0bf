import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vipecli.embedding import batch, embedded_folder
from vipecli.embedding.clip import Recipe
from vipecli.embedding.clip_file import load_embeddings
from vipecli.embedding.done_list import DONE, QUARANTINE, load_marks
from vipecli.embedding.embed import Embeddings
from vipecli.engine import Outcome
from vipecli.engine.outcome import ignore
from vipecli.errors import NoPoseError, UnfinishedError
from vipecli.poses.formats import load_poses
from vipecli.poses.poses import Poses

RECIPE = Recipe()


class _Model:
    def __init__(self, name):
        self.id = name


@pytest.fixture
def detected(monkeypatch):
    """Replace detector and network; the list tells which videos were looked at."""
    seen = []

    def read_pieces(path, recipe, tick, everyone):
        seen.append(path.name)
        if b"nobody" in path.read_bytes():
            raise NoPoseError(f"{path}: nobody was found")
        poses = Poses(
            xy=np.ones((3, 13, 2), np.float32),
            score=np.ones((3, 13), np.float32),
            times=np.arange(3) / 30,
            size=(64, 48),
            source=path.name,
        )
        tick(3)
        return [[(poses, embed(poses, recipe.load_model()))]]

    def embed(poses, model):
        ones = np.ones((3, 16), np.float32)
        return Embeddings(ones, ones, poses.times, model.id, (1.0, 0.0))

    monkeypatch.setattr(batch, "read_pieces", read_pieces)
    monkeypatch.setattr(batch, "check_clip", lambda path, recipe: type("Info", (), {"frames": 3}))
    monkeypatch.setattr(batch, "embed", embed)
    monkeypatch.setattr(batch, "detector_key", lambda recipe: f"detector {recipe.person}")
    monkeypatch.setattr(Recipe, "load_model", lambda recipe: _Model(f"m:{recipe.weights}"))
    return seen


@pytest.fixture
def folder(tmp_path):
    for name in ("walk/a.mp4", "walk/b.MOV", "run/c.mp4", "run/.hidden.mp4", "run/notes.txt"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}".encode())
    return tmp_path / "videos"


def fill(folder, recipe=RECIPE, **options):
    outcomes = list(batch.embed_all(embedded_folder.slots([folder]), recipe, **options))
    return {o.item.name: o.error or o.result.fresh for o in outcomes}


def test_a_file_per_video_and_nothing_twice(folder, detected):
    assert fill(folder) == {"run/c.mp4": True, "walk/a.mp4": True, "walk/b.MOV": True}
    assert load_poses(folder / ".vipe/walk/a.mp4.npz").source == "a.mp4"
    assert load_embeddings(folder / ".vipe/run/c.mp4.npz").model == "m:None"
    assert not any(fill(folder).values())
    assert len(detected) == 3


def test_a_renamed_video_keeps_its_file_and_a_changed_one_does_not(folder, detected):
    fill(folder)
    (folder / "walk/a.mp4").rename(folder / "run/renamed.mp4")
    (folder / "walk/b.MOV").write_bytes(b"other")
    detected.clear()
    fill(folder)
    assert detected == ["b.MOV"]
    files = sorted(p.relative_to(folder / ".vipe").as_posix() for p in folder.rglob("*.npz"))
    assert files == ["run/c.mp4.npz", "run/renamed.mp4.npz", "walk/b.MOV.npz"]


def test_a_copied_video_shares_the_work_and_has_its_own_file(folder, detected):
    fill(folder)
    shutil.copy(folder / "walk/a.mp4", folder / "run/copy.mp4")
    detected.clear()
    assert fill(folder)["run/copy.mp4"]
    assert detected == []
    assert (folder / ".vipe/walk/a.mp4.npz").exists()
    assert (folder / ".vipe/run/copy.mp4.npz").exists()
    assert not any(fill(folder).values())


def test_another_model_embeds_again_without_detecting(folder, detected):
    fill(folder)
    detected.clear()
    assert all(fill(folder, Recipe(weights=Path("other.onnx"))).values())
    assert detected == []
    assert load_embeddings(folder / ".vipe/run/c.mp4.npz").model == "m:other.onnx"


@pytest.mark.parametrize(("recipe", "force"), [(Recipe(person="2"), False), (RECIPE, True)])
def test_another_person_or_force_detects_again(folder, detected, recipe, force):
    fill(folder)
    detected.clear()
    fill(folder, recipe, force=force)
    assert len(detected) == 3


def test_a_damaged_file_is_made_again(folder, detected):
    fill(folder)
    (folder / ".vipe/walk/a.mp4.npz").write_bytes(b"PK damaged")
    assert [name for name, fresh in fill(folder).items() if fresh] == ["walk/a.mp4"]


def test_one_bad_video_does_not_stop_the_others(folder, detected):
    (folder / "walk/bad.mp4").write_bytes(b"nobody")
    done = fill(folder)
    assert isinstance(done.pop("walk/bad.mp4"), NoPoseError)
    assert all(value is True for value in done.values())
    assert not (folder / ".vipe/walk/bad.mp4.npz").exists()


def test_a_link_to_nothing_and_a_pipe_are_bad_videos(folder, detected):
    (folder / "walk/link.mp4").symlink_to("gone.mp4")
    os.mkfifo(folder / "walk/pipe.mp4")
    done = fill(folder)
    assert "a link that leads to no file" in str(done["walk/link.mp4"])
    assert "neither a file nor a folder" in str(done["walk/pipe.mp4"])
    assert done["walk/a.mp4"] is True


def test_what_is_done_is_known_without_opening_anything(folder, detected, monkeypatch):
    before = fill(folder)

    def refuse(*args, **kwargs):
        raise AssertionError("opened")

    for name in ("content_key", "read_key", "check_clip", "load_poses"):
        monkeypatch.setattr(batch, name, refuse)
    assert fill(folder) == dict.fromkeys(before, False)


@pytest.mark.parametrize("line", [b"", b"{", b"[1]\n", b'{"file": 3}\n', b"[" * 100_000, b"\xff\n"])
def test_a_damaged_list_costs_time_only(folder, detected, line):
    fill(folder)
    path = folder / ".vipe" / DONE
    path.write_bytes(path.read_bytes()[:-9] + line)
    for _ in range(2):
        assert not any(fill(folder).values())
    assert len(load_marks(folder / ".vipe")) == 3


def test_a_clip_of_the_same_size_and_another_content_is_another(folder, detected):
    fill(folder)
    (folder / "walk/a.mp4").write_bytes(b"CONTENT OF walk/a.mp4")
    assert [name for name, fresh in fill(folder).items() if fresh] == ["walk/a.mp4"]


class _Dying:
    """Runs tasks, but for clips of one name, whose process dies every time."""

    def run(self, task, items, *, tick=None):
        for item in items:
            if "b.MOV" in str(item):
                yield Outcome(item, error=UnfinishedError(f"{item}: died"))
            else:
                yield Outcome(item, task(item, tick))


def test_a_poisonous_clip_is_quarantined_until_it_changes(folder, detected):
    done = fill(folder, executor=_Dying(), tick=lambda steps, ahead=0: None)
    assert isinstance(done.pop("walk/b.MOV"), UnfinishedError)
    assert all(value is True for value in done.values())
    (row,) = (folder / ".vipe" / QUARANTINE).read_text().splitlines()
    assert json.loads(row)["video"] == str(folder / "walk/b.MOV")
    detected.clear()
    again = fill(folder)
    assert "walk/b.MOV: died; passed over since then" in str(again.pop("walk/b.MOV"))
    assert (detected, set(again.values())) == ([], {False})
    (folder / "walk/b.MOV").write_bytes(b"repaired")
    assert fill(folder)["walk/b.MOV"] is True
    (folder / "walk/b.MOV").unlink()


class _Forgetful:
    """Does every item twice, as if the first process had been lost before it could answer."""

    def run(self, task, items, *, tick=None):
        for item in items:
            task(item, ignore)
            yield Outcome(item, task(item, ignore))


@pytest.mark.parametrize(("force", "times"), [(False, 1), (True, 2)])
def test_what_a_lost_process_has_made_is_not_made_again(folder, detected, force, times):
    wanted = embedded_folder.slots([folder])
    outcomes = list(batch.embed_all(wanted, RECIPE, executor=_Forgetful(), force=force))
    assert [outcome.error for outcome in outcomes] == [None] * len(wanted)
    assert len(detected) == times * len(wanted)
