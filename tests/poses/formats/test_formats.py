import io
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest

from vipecli.errors import FormatError
from vipecli.poses.formats import load_poses, save_poses
from vipecli.poses.poses import Poses

T = 5
RNG = np.random.default_rng(1)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def poses(**changes):
    xy, score = numbers(T, 13, 2), RNG.uniform(0.1, 1, (T, 13)).astype(np.float32)
    xy[2], score[2] = np.nan, 0
    made = Poses(
        xy=xy,
        score=score,
        times=np.array([0, 0.03, 0.07, 0.1, 0.2]),
        size=(640, 480),
        source="Übung 1.mp4",
        detector="test",
        landmarks=numbers(T, 33, 3),
        landmark_score=RNG.uniform(0, 1, (T, 33)).astype(np.float32),
        world=numbers(T, 33, 3),
    )
    return replace(made, **changes)


def assert_same(a, b):
    for field in fields(a):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype
            np.testing.assert_array_equal(x, y)
        else:
            assert x == y


@pytest.mark.parametrize(
    "changes", [{}, {"landmarks": None, "landmark_score": None, "world": None}, {"source": ""}]
)
def test_poses_come_back_as_they_were(tmp_path, changes):
    made = poses(**changes)
    save_poses(made, tmp_path / "a.npz")
    assert_same(made, load_poses(tmp_path / "a.npz"))


def test_hand_made_file_compressed_and_in_double_precision(tmp_path):
    np.savez_compressed(
        tmp_path / "a.npz",
        format_version=1,
        xy=np.asfortranarray(np.ones((2, 13, 2))),
        score=np.ones((2, 13)),
        times=[0.0, 1.0],
        size=[10, 20],
        source="x",
        detector="by hand",
    )
    assert load_poses(tmp_path / "a.npz").size == (10, 20)


def test_failed_write_leaves_the_old_file(tmp_path):
    made = poses()
    save_poses(made, tmp_path / "a.npz")
    with pytest.raises(FormatError):
        save_poses([made, made], tmp_path / "a.npz")
    assert_same(made, load_poses(tmp_path / "a.npz"))
    with pytest.raises(OSError, match="absent"):
        save_poses(made, tmp_path / "absent" / "a.npz")


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.txt"])
def test_unknown_type(tmp_path, name):
    with pytest.raises(FormatError, match=r"known are \.csv"):
        save_poses(poses(), tmp_path / name)
    with pytest.raises(FormatError, match=r"known are \.csv"):
        load_poses(tmp_path / name)


def _good():
    return {
        "format_version": 1,
        "xy": np.ones((2, 13, 2), np.float32),
        "score": np.ones((2, 13), np.float32),
        "times": np.array([0.0, 1.0]),
        "size": np.array([10, 20]),
        "source": "x",
        "detector": "y",
    }


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"xy": None}, "holds no xy"),
        ({"format_version": None}, "format_version"),
        ({"format_version": 99}, "version 99"),
        ({"format_version": "new"}, "whole numbers"),
        ({"xy": np.ones((2, 17, 2))}, "shape"),
        ({"score": np.ones((3, 13))}, "shape"),
        ({"times": np.array([1.0, 1.0])}, "increase"),
        ({"times": np.array([0.0, np.nan])}, "no time"),
        ({"times": np.array(["a", "b"])}, "numbers"),
        ({"score": np.full((2, 13), 2.0)}, "between 0 and 1"),
        ({"score": np.full((2, 13), np.nan)}, "between 0 and 1"),
        ({"xy": np.full((2, 13, 2), np.inf)}, "without coordinates"),
        ({"size": np.array([0, 20])}, "pixels"),
        ({"size": np.array([[10, 20]])}, "shape"),
        ({"source": np.array([{"a": 1}], dtype=object)}, "damaged"),
        ({"landmarks": np.ones((2, 33, 2))}, "shape"),
    ],
)
def test_wrong_content(tmp_path, changes, says):
    content = {k: v for k, v in (_good() | changes).items() if v is not None}
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(FormatError, match=says) as caught:
        load_poses(tmp_path / "a.npz")
    assert "a.npz" in str(caught.value)


def test_header_that_asks_for_all_memory(tmp_path):
    header = io.BytesIO()
    huge = {"descr": "<f8", "fortran_order": False, "shape": (1 << 50, 13, 2)}
    np.lib.format.write_array_header_1_0(header, huge)
    save_poses(poses(), tmp_path / "a.npz")
    with (
        zipfile.ZipFile(tmp_path / "a.npz") as good,
        zipfile.ZipFile(tmp_path / "b.npz", "w") as bad,
    ):
        for name in good.namelist():
            bad.writestr(name, header.getvalue() if name == "xy.npy" else good.read(name))
    with pytest.raises(FormatError, match="another size"):
        load_poses(tmp_path / "b.npz")


@pytest.mark.parametrize("content", [None, b"", b"PK", bytes(1000), b"PK\x05\x06" + bytes(18)])
def test_files_that_are_none(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FormatError, match=r"a\.npz"):
        load_poses(tmp_path / "a.npz")


def test_folder_instead_of_a_file(tmp_path):
    (tmp_path / "a.npz").mkdir()
    with pytest.raises(FormatError, match=r"a\.npz"):
        load_poses(tmp_path / "a.npz")
