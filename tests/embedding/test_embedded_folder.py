import shutil
from pathlib import Path

import pytest

from vipecli.embedding import embedded_folder
from vipecli.embedding.clip import Recipe
from vipecli.errors import VideoError

RECIPE = Recipe()


@pytest.fixture
def folder(tmp_path):
    for name in ("walk/a.mp4", "walk/b.MOV", "run/c.mp4", "run/.hidden.mp4", "run/notes.txt"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}".encode())
    return tmp_path / "videos"


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
