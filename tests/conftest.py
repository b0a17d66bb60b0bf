"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real footage and data, `$VIPE_SHARED` or `../shared`; skips where it is absent."""
    folder = Path(os.environ.get("VIPE_SHARED") or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared data at {folder}; set VIPE_SHARED to the folder that holds data/")
    return folder
