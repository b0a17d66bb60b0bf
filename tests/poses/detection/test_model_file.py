import contextlib
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import zipfile

import pytest

from vipecli.cli.app import main
from vipecli.errors import WeightsError
from vipecli.poses.detection import model_file
from vipecli.poses.detection.model_file import download_model, model_path

carries_model = pytest.mark.skipif(
    model_file._wheel_folder() is None, reason="this mediapipe carries no pose model"
)


@carries_model
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


@carries_model
def test_damaged_bundle_is_built_again(tmp_path):
    path = model_path(cache=tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    assert zipfile.is_zipfile(model_path(cache=tmp_path))


@carries_model
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


@carries_model
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
        for name in model_file._PARTS:
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
        for name in model_file._PARTS:
            bundle.writestr(name, b"x")
    assert model_path(cache=tmp_path) == path


MODEL = bytes(range(256)) * 9000
CHECKSUM = hashlib.sha256(MODEL).hexdigest()


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(MODEL)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(MODEL[: 1000 if self.path == "/cut" else None])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_download(server, tmp_path):
    target = tmp_path / "new" / "model.task"
    assert download_model(f"{server}/good", sha256=CHECKSUM.upper(), target=target) == target
    assert target.read_bytes() == MODEL


@pytest.mark.parametrize(
    ("page", "checksum", "says"),
    [
        ("good", "0" * 64, "SHA-256"),
        ("missing", CHECKSUM, "Not Found"),
        ("cut", CHECKSUM, "1,000 of|IncompleteRead|more expected"),
    ],
)
def test_failed_download_leaves_nothing(server, tmp_path, page, checksum, says):
    with pytest.raises(WeightsError, match=says) as caught:
        download_model(f"{server}/{page}", sha256=checksum, target=tmp_path / "model.task")
    assert f"{server}/{page}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_refused_connection(server, tmp_path):
    with http.server.HTTPServer(("127.0.0.1", 0), _Server) as closed:
        url = f"http://127.0.0.1:{closed.server_port}/"
    with pytest.raises(WeightsError, match="failed"):
        download_model(url, target=tmp_path / "model.task", timeout_s=5)
    assert list(tmp_path.iterdir()) == []


def test_download_to_a_full_or_forbidden_place(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeightsError, match="file"):
        download_model(f"{server}/good", sha256=CHECKSUM, target=tmp_path / "file" / "model.task")


def test_only_web_addresses(tmp_path):
    with pytest.raises(WeightsError, match="http"):
        download_model((tmp_path / "x").as_uri(), target=tmp_path / "model.task")


def test_download_command(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(model_file, "cache_folder", lambda: tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["download", "--url", f"{server}/good", "--sha256", CHECKSUM])
    assert left.value.code == 0
    (kept,) = tmp_path.iterdir()
    assert capsys.readouterr().out.strip() == str(kept)
    assert kept.read_bytes() == MODEL


def test_download_command_keeps_nothing_but_the_expected_file(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(model_file, "cache_folder", lambda: tmp_path)
    with pytest.raises(SystemExit) as left:
        main(["download", "--url", f"{server}/good"])
    assert left.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("vipe: ") and "SHA-256" in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
