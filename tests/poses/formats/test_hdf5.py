"""Poses in HDF5: SLEAP and DeepLabCut."""

import pickle

import numpy as np
import pytest

from vipecli.errors import FormatError, MissingExtraError
from vipecli.poses.formats import load_poses, load_scene, save_poses
from vipecli.poses.formats.hdf5 import read_h5, read_slp
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

h5py = pytest.importorskip("h5py", reason="the extra formats is not installed")

COLUMNS = [("net", joint, axis) for joint in JOINTS for axis in ("x", "y", "likelihood")]


@pytest.fixture
def poses():
    rng = np.random.default_rng(3)
    xy = rng.uniform(20, 220, (6, 13, 2)).astype(np.float32)
    score = rng.uniform(0.1, 1, (6, 13)).astype(np.float32)
    xy[2, 3], score[2, 3] = np.nan, 0
    xy[4], score[4] = np.nan, 0
    return Poses(xy, score, np.arange(6) / 30, (640, 480), "a.mp4", "made up")


def values(poses):
    return np.concatenate([poses.xy, poses.score[..., None]], axis=2).reshape(len(poses), -1)


def same(one, two):
    np.testing.assert_array_equal(one.xy, two.xy)
    np.testing.assert_allclose(one.score, two.score, atol=1e-6)


def blocks(path, poses, index=None):
    """A frame as pandas stores it by default: levels and codes of the columns, and the values."""
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs.update(nblocks=1, block0_items_nlevels=3)
        for level in range(3):
            names = list(dict.fromkeys(column[level] for column in COLUMNS))
            codes = [names.index(column[level]) for column in COLUMNS]
            group[f"block0_items_level{level}"] = np.array(names, "S20")
            group[f"block0_items_label{level}"] = np.array(codes, np.int8)
        group["axis1"] = np.arange(len(poses)) if index is None else np.array(index, "S40")
        group["block0_values"] = values(poses).astype(np.float64)
    return path


def table(path, poses, names=None):
    """A frame as `to_hdf(format="table")` stores it: names of columns are pickled."""
    kind = np.dtype([("index", "i8"), ("values_block_0", "f8", (len(COLUMNS),))])
    rows = np.zeros(len(poses), kind)
    rows["index"], rows["values_block_0"] = np.arange(len(poses)), values(poses)
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        stored = group.create_dataset("table", data=rows)
        stored.attrs["values_block_0_kind"] = np.bytes_(pickle.dumps(COLUMNS, 0))
        group.attrs["non_index_axes"] = np.bytes_(names or pickle.dumps([(1, COLUMNS)], 0))
    return path


@pytest.mark.parametrize("write", [blocks, table])
def test_tables_of_deeplabcut(tmp_path, poses, write):
    found = load_poses(write(tmp_path / "a.h5", poses))
    same(found, poses)
    assert found.detector == "deeplabcut" and len(found) == 6


def test_labelled_pictures_are_numbered_by_their_names(tmp_path, poses):
    names = [f"labeled-data/clip/img{i:03d}.png" for i in (1, 2, 3, 4, 5, 9)]
    found = load_poses(blocks(tmp_path / "CollectedData.h5", poses, names))
    assert len(found) == 9 and not found.found[5:8].any()


@pytest.mark.parametrize("by_frame", [False, True])
def test_an_analysis_of_sleap(tmp_path, poses, by_frame):
    tracks = np.stack([poses.xy.transpose(2, 1, 0)] * 2)
    tracks[1] += 300
    scores = np.stack([poses.score.T] * 2)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"] = tracks.transpose(3, 0, 2, 1) if by_frame else tracks
        file["node_names"] = np.array(JOINTS, "S20")
        file["point_scores"] = scores.transpose(2, 0, 1) if by_frame else scores
        file["track_names"] = np.array(["a", "b"], "S20")
    people = load_scene(tmp_path / "a.h5").everyone()
    assert len(people) == 2
    same(people[0], poses)


def test_sleap_reads_what_was_written(tmp_path, poses):
    pytest.importorskip("sleap_io", reason="the extra formats is not installed")
    other = Poses(
        poses.xy + np.float32(300), *(getattr(poses, n) for n in ("score", "times", "size"))
    )
    save_poses([poses, other], tmp_path / "a.slp")
    found = load_scene(tmp_path / "a.slp")
    same(found.everyone()[0], poses)
    same(found.everyone()[1], other)
    assert (found.size, found.source, len(found.times)) == ((640, 480), "a.mp4", 6)


class _Evil:
    def __reduce__(self):
        return print, ("taken over",)


def test_a_pickle_runs_nothing(tmp_path, poses, capsys):
    path = table(tmp_path / "a.h5", poses, pickle.dumps([(1, [_Evil()])], 0))
    with pytest.raises(FormatError, match=r"a\.h5: a damaged HDF5 file \(holds"):
        read_h5(path)
    assert "taken over" not in capsys.readouterr().out


def test_what_is_too_large_or_elsewhere_is_refused(tmp_path, poses):
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        group = file.create_group("df")
        group.create_dataset("block0_values", (1 << 20, 1 << 12), "f8", compression="gzip")
    with pytest.raises(FormatError, match=r"bomb\.h5: block0_values is larger than 256 MB|damaged"):
        read_h5(tmp_path / "bomb.h5")
    with h5py.File(tmp_path / "bomb2.h5", "w") as file:
        file.create_dataset("tracks", (1, 2, 13, 1 << 26), "f4", compression="gzip")
        file["node_names"] = np.array(JOINTS, "S20")
    with pytest.raises(FormatError, match="tracks is larger than 256 MB"):
        read_h5(tmp_path / "bomb2.h5")
    blocks(tmp_path / "a.h5", poses)
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["df"] = h5py.ExternalLink("a.h5", "/df_with_missing")
    with pytest.raises(FormatError, match="refers to something outside of itself"):
        read_h5(tmp_path / "link.h5")
    with h5py.File(tmp_path / "many.slp", "w") as file:
        file.create_group("metadata")
        for name in ("frames", "instances", "points", "pred_points"):
            file.create_dataset(name, (1 << 28,), "f4", compression="gzip")
    with pytest.raises((FormatError, MissingExtraError), match=r"500,000 people|sleap_io"):
        read_slp(tmp_path / "many.slp")


@pytest.mark.parametrize("suffix", [".h5", ".slp"])
@pytest.mark.parametrize("content", [b"", b"no such file", b"\x89HDF\r\n\x1a\n" + bytes(200)])
def test_what_is_no_hdf5_is_refused_in_one_line(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises((FormatError, MissingExtraError), match=f"a{suffix}"):
        load_scene(path)
