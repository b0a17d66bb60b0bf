"""Fixtures shared by all tests."""

import os
import shutil
from pathlib import Path

import pytest

from vipecli.cli.app import main
from vipecli.poses.detection.model_file import stored_model

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def pose_cache(tmp_path_factory):
    """Keep the poses that tests find in a folder of their own, not in the user's cache."""
    before, model = os.environ.get("VIPE_CACHE"), stored_model()
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # one for all processes: a clip is detected once
    folder /= "pose_cache"
    folder.mkdir(exist_ok=True)
    if model is not None:  # a mediapipe without one needs it; see `vipe download`
        part = Path(shutil.copy(model, tmp_path_factory.mktemp("model")))
        part.replace(folder / model.name)
    os.environ["VIPE_CACHE"] = str(folder)
    yield
    if before is None:
        del os.environ["VIPE_CACHE"]
    else:
        os.environ["VIPE_CACHE"] = before


@pytest.fixture
def vipe(capfd, monkeypatch):
    """Run the command line here; returns exit code, standard output and standard error."""
    for name in ("VIPE_DEBUG", "VIPE_MODEL", "VIPE_POSE_MODEL"):
        monkeypatch.delenv(name, raising=False)

    def run(*args):
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        return left.value.code, *capfd.readouterr()

    return run


@pytest.fixture
def evaluate(vipe):
    """Run `vipe evaluate` here; returns exit code, standard output and standard error."""
    return lambda *args: vipe("evaluate", *args)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real footage and data, `$VIPE_SHARED` or `../shared`; skips where it is absent."""
    folder = Path(os.environ.get("VIPE_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder}; set VIPE_SHARED to the folder that holds data/")
    return folder
