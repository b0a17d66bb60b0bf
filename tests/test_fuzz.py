"""Damaged files for every reader; more of them by ``python -m benchmarks.fuzz``."""

import contextlib
import json
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import cases
from tests.conftest import ROOT
from vipecli.errors import VipeError
from vipecli.poses.formats import READERS, load_joint_map, load_scene
from vipecli.video.read import read_frames

LOADERS = {suffix: load_scene for suffix in (".npz", *READERS)}
LOADERS |= {".toml": load_joint_map, ".mp4": lambda path: list(read_frames(path))}

KEYS = [
    "keypoints",
    "annotations",
    "image_id",
    "images",
    "people",
    "instances",
    "pose_keypoints_2d",
    "frame_id",
    "instance_info",
    "meta_info",
    "categories",
    "score",
    "bbox",
    "track_id",
]

# Texts as the readers expect them, with anything in place of what belongs there.
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_nothing_but_our_own_errors(tmp_path):
    read = 0
    for case, name, error in cases(0, 400, tmp_path):
        assert error is None or isinstance(error, VipeError), (case, name, error)
        assert error is None or "\n" not in str(error), (case, name, error)
        read += error is None
    assert 40 < read < 360  # edits that break nothing, or everything, would test nothing


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=400), suffix=st.sampled_from(sorted(LOADERS)))
def test_bytes(tmp_path, data, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with contextlib.suppress(VipeError):
        LOADERS[suffix](path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=values)
def test_json_of_another_shape(tmp_path, value):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    with contextlib.suppress(VipeError):
        load_scene(path).choose()


@pytest.mark.slow
def test_a_hundred_thousand_cases():
    command = [sys.executable, "-m", "benchmarks.fuzz", "--cases", "100000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
