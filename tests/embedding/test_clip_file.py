"""Poses and embeddings in one file: what is saved comes back, and damage is one line."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.poses.formats.test_formats import T, assert_same, numbers, poses
from vipecli.embedding.clip_file import load_embeddings, read_key, save_clip
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.poses.formats import load_poses, save_poses
from vipecli.poses.skeleton import JOINTS

D = 16


def embeddings():
    return Embeddings(numbers(T, D), np.abs(numbers(T, D)), poses().times, "m:0123", (0.5, -0.25))


def test_embeddings_and_key_come_back(tmp_path):
    made = embeddings()
    save_clip([(poses(), made)], tmp_path / "a.npz", key="abc")
    assert_same(made, load_embeddings(tmp_path / "a.npz"))
    assert read_key(tmp_path / "a.npz") == ("abc", "m:0123")
    save_poses(poses(), tmp_path / "b.npz")
    with pytest.raises(FormatError, match="mean"):
        load_embeddings(tmp_path / "b.npz")
    with pytest.raises(FormatError, match="key"):
        read_key(tmp_path / "b.npz")


def test_a_clip_in_blocks_is_the_clip(tmp_path):
    whole, made = poses(), embeddings()
    frames = np.arange(T)
    blocks = [
        (whole.part(s), made.part(np.isin(frames, frames[s]))) for s in (slice(2), slice(2, T))
    ]
    save_clip([(whole, made)], tmp_path / "a.npz", key="k")
    save_clip(blocks, tmp_path / "b.npz", key="k")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_plain_numpy_reads_it(tmp_path):
    save_clip([(poses(), embeddings())], tmp_path / "a.npz", key="k")
    with np.load(tmp_path / "a.npz") as file:
        assert file.files == [
            *("format_version", "joints", "xy", "score", "times", "size", "source", "detector"),
            *("landmarks", "landmark_score", "world", "filled"),
            *("mean", "std", "model", "sigmoid", "key"),
        ]
        assert tuple(file["joints"]) == JOINTS
        assert file["xy"].shape == (T, 13, 2)


def test_poses_and_embeddings_of_other_frames(tmp_path):
    with pytest.raises(FormatError, match="same frames"):
        made = replace(embeddings(), times=poses().times + 1)
        save_clip([(poses(), made)], tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, b"", b"PK", bytes(1000), b"PK\x05\x06" + bytes(18)])
@pytest.mark.parametrize("read", [load_embeddings, read_key])
def test_files_that_are_none(tmp_path, content, read):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.npz"):
        read(tmp_path / "a.npz")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "a.npz"
    save_clip([(poses(), embeddings())], path, key="k")
    return path


@given(st.data())
def test_damage_anywhere_is_a_format_error_or_harmless(saved, data):
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    damaged = saved.with_name("damaged.npz")
    damaged.write_bytes(content[:cut])
    for read in (load_poses, load_embeddings, read_key):
        try:
            read(damaged)
        except FormatError as exc:
            assert "damaged.npz" in str(exc)
