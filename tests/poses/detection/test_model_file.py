import hashlib
import os
import subprocess
import sys
import zipfile

import pytest

from vipecli.errors import WeightsError
from vipecli.poses.detection import model_file
from vipecli.poses.detection.model_bundle import PARTS
from vipecli.poses.detection.model_file import cache_folder, carries_model, model_path

needs_wheel = pytest.mark.skipif(not carries_model(), reason="this mediapipe carries no pose model")
BUNDLE_SHA256 = "437f15b07ba253ccd83364ebcce783e68ddb4a67764045c5fb235c1214935b95"


@needs_wheel
def test_bundle_is_built_once_and_always_the_same(tmp_path):
    first = model_path(cache=tmp_path / "a")
    made = first.stat().st_mtime_ns
    assert "mediapipe-" in first.name
    assert model_path(cache=tmp_path / "a") == first
    assert first.stat().st_mtime_ns == made
    assert model_path(cache=tmp_path / "b").read_bytes() == first.read_bytes()
    assert [p.name for p in (tmp_path / "a").iterdir()] == [first.name]  # nothing left over
    with zipfile.ZipFile(first) as bundle:
        assert {i.compress_type for i in bundle.infolist()} == {zipfile.ZIP_STORED}
        assert len(bundle.infolist()) == 2


@needs_wheel
def test_the_bundle_has_the_bytes_of_mediapipes_own_writer(tmp_path):
    assert hashlib.sha256(model_path(cache=tmp_path).read_bytes()).hexdigest() == BUNDLE_SHA256


@pytest.mark.parametrize(("named", "taken"), [("", False), ("off", False), ("here", True)])
def test_the_model_lies_where_the_cache_is(tmp_path, monkeypatch, named, taken):
    monkeypatch.setenv("VIPE_CACHE", str(tmp_path) if named == "here" else named)
    assert (cache_folder() == tmp_path) == taken


@needs_wheel
def test_damaged_bundle_is_built_again(tmp_path):
    path = model_path(cache=tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    assert zipfile.is_zipfile(model_path(cache=tmp_path))


@needs_wheel
def test_processes_that_start_together_get_the_same_bundle(tmp_path):
    script = (
        "import sys, hashlib, pathlib; from vipecli.poses.detection.model_file import model_path; "
        "path = model_path(cache=pathlib.Path(sys.argv[1])); "
        "print(path, hashlib.sha256(path.read_bytes()).hexdigest())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "cache")]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert len(list((tmp_path / "cache").iterdir())) == 1


@needs_wheel
def test_cache_that_cannot_be_written_gives_a_private_file(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the cache folder should be")
    path = model_path(cache=blocked)
    assert zipfile.is_zipfile(path)
    assert tmp_path not in path.parents
    assert os.name == "nt" or path.parent.stat().st_mode & 0o077 == 0


def test_own_model_is_taken_as_it_is(tmp_path):
    path = tmp_path / "mine.task"
    with zipfile.ZipFile(path, "w") as bundle:
        for name in PARTS:
            bundle.writestr(name, b"x")
    assert model_path(path) == path


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_own_model_that_is_none(tmp_path, content):
    path = tmp_path / "mine.task"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"mine\.task"):
        model_path(path)


def test_no_model_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "_wheel_folder", lambda: None)
    with pytest.raises(WeightsError, match="--pose-model"):
        model_path(cache=tmp_path)


def test_model_in_the_cache_serves_a_mediapipe_without_one(tmp_path, monkeypatch):
    monkeypatch.setattr(model_file, "_wheel_folder", lambda: None)
    path = tmp_path / "pose_landmarker-mediapipe-0.10.21.task"
    with zipfile.ZipFile(path, "w") as bundle:
        for name in PARTS:
            bundle.writestr(name, b"x")
    assert model_path(cache=tmp_path) == path
