import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from vipecli.embedding import embedded_folder
from vipecli.embedding.clip import Recipe
from vipecli.embedding.clip_file import load_embeddings
from vipecli.embedding.embed import Embeddings
from vipecli.errors import NoPoseError, VideoError
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

    monkeypatch.setattr(embedded_folder, "read_pieces", read_pieces)
    monkeypatch.setattr(
        embedded_folder, "check_clip", lambda path, recipe: type("Info", (), {"frames": 3})
    )
    monkeypatch.setattr(embedded_folder, "embed", embed)
    monkeypatch.setattr(embedded_folder, "detector_key", lambda recipe: f"detector {recipe.person}")
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
    outcomes = list(embedded_folder.embed_all(embedded_folder.slots([folder]), recipe, **options))
    return {o.item.name: o.error or o.result.fresh for o in outcomes}


def test_finds_videos_and_folders_of_frames_and_nothing_hidden(folder):
    (folder / "jump" / "0001").mkdir(parents=True)
    (folder / "jump" / "0001" / "000001.jpg").touch()
    (folder / "walk" / "thumbnail.jpg").touch()
    (folder / ".vipe").mkdir()
    (folder / ".vipe" / "x.mp4").touch()
    names = [p.relative_to(folder).as_posix() for p in embedded_folder.find_videos(folder)]
    assert names == ["jump/0001", "run/c.mp4", "walk/a.mp4", "walk/b.MOV"]


@pytest.mark.parametrize("missing", ["", "nowhere"])
def test_a_folder_without_videos_is_an_error(tmp_path, missing):
    with pytest.raises(VideoError, match=r"holds no video|no such folder"):
        embedded_folder.find_videos(tmp_path / missing)


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


def test_files_go_where_they_are_asked_to(folder, tmp_path):
    targets = [slot.target for slot in embedded_folder.slots([folder], tmp_path / "out")]
    assert targets[0] == tmp_path / "out/run/c.mp4.npz"
    targets = [
        s.target for s in embedded_folder.slots([folder / "run", folder / "walk"], tmp_path / "out")
    ]
    assert targets[1] == tmp_path / "out/walk/a.mp4.npz"
    single = embedded_folder.slots([folder / "run/c.mp4"])[0]
    assert single.target == folder / "run/.vipe/c.mp4.npz"


def test_a_folder_of_frames_stands_for_itself(tmp_path):
    (tmp_path / "take").mkdir()
    (tmp_path / "take" / "1.png").touch()
    assert [s.target for s in embedded_folder.slots([tmp_path / "take"])] == [
        tmp_path / ".vipe/take.npz"
    ]


def test_two_videos_never_share_a_file(folder, tmp_path):
    other = tmp_path / "elsewhere" / "c.mp4"
    other.parent.mkdir()
    other.touch()
    with pytest.raises(VideoError, match="would both go to"):
        embedded_folder.slots([folder / "run/c.mp4", other], tmp_path / "out")


def test_the_key_is_the_content(folder):
    a = embedded_folder.content_key(folder / "walk/a.mp4", "d")
    assert a != embedded_folder.content_key(folder / "walk/b.MOV", "d")
    assert a != embedded_folder.content_key(folder / "walk/a.mp4", "e")
    assert a == embedded_folder.content_key(
        Path(shutil.copy(folder / "walk/a.mp4", folder / "x.mp4")), "d"
    )


def test_the_detectors_key_depends_on_the_person():
    assert embedded_folder.detector_key(RECIPE) == embedded_folder.detector_key(Recipe())
    assert embedded_folder.detector_key(RECIPE) != embedded_folder.detector_key(
        Recipe(person="center")
    )
