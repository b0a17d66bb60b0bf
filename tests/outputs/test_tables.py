"""Results as pandas tables, poses as xarray datasets, motion as .c3d."""

import json

import numpy as np
import pytest

import vipecli
from vipecli.errors import FormatError
from vipecli.lifting.motion_files import Motion, save_motion
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

RESULT = {
    "inputs": ["a.mp4", "b.mp4"],
    "distance": 0.5,
    "names": ["head", "hip"],
    "times": [0.0, 0.5, 1.0],
    "joints": [[[1, 2, 3], [4, 5, 6]], None, [[7, 8, 9], [1, 1, 1]]],
    "a_deg": {"left knee": [10, None, 30]},
    "trials": [
        {"name": "1", "center": [3, 4], "range_deg": {"knee": 90}, "times_a": [0, 1, 2, 3]},
        {"name": "2", "center": [5, 6], "range_deg": {"knee": 80}, "times_a": [4, 5, 6, 7]},
    ],
}


def test_every_list_of_a_result_is_in_a_table(tmp_path):
    pytest.importorskip("pandas", reason="the extra tables is not installed")
    (tmp_path / "r.json").write_text(json.dumps(RESULT))
    for source in (RESULT, tmp_path / "r.json"):
        found = vipecli.to_pandas(source)
        assert set(found) == {"frames", "trials", "trials frames"}
        frames = found["frames"]
        assert list(frames)[:3] == ["times", "head x", "head y"]
        assert frames["hip z"].tolist()[::2] == [6, 1] and np.isnan(frames["hip z"][1])
        assert np.isnan(frames["a_deg left knee"][1]) and frames.attrs["distance"] == 0.5
        assert found["trials"]["range_deg knee"].tolist() == [90, 80]
        assert found["trials"]["center 2"].tolist() == [4, 6]
        inner = found["trials frames"]
        assert inner["trial_number"].tolist() == [0] * 4 + [1] * 4 and inner["times_a"][7] == 7
    with pytest.raises(FormatError, match="no result"):
        vipecli.to_pandas([1, 2])


@pytest.fixture
def poses():
    xy = np.random.default_rng(0).uniform(0, 99, (5, 13, 2)).astype(np.float32)
    score = np.full((5, 13), 0.5, np.float32)
    xy[1, 2], score[1, 2] = np.nan, 0
    return Poses(xy, score, np.arange(5) / 25 + 1, (100, 100), "a.mp4", "made up")


def test_poses_as_a_dataset_of_movement(poses):
    pytest.importorskip("xarray", reason="the extra tables is not installed")
    dataset = poses.to_xarray()
    assert dataset["position"].dims == ("time", "space", "keypoint", "individual")
    assert dataset["confidence"].dims == ("time", "keypoint", "individual")
    assert dataset.attrs["fps"] == pytest.approx(25) and dataset.attrs["ds_type"] == "poses"
    plural = dataset.rename(keypoint="keypoints", individual="individuals")
    for one in (dataset, plural, dataset.transpose()):
        found = Poses.from_xarray(one)
        np.testing.assert_array_equal(found.xy, poses.xy)
        np.testing.assert_array_equal(found.score, poses.score)
        assert (found.size, found.times.tolist()) == (poses.size, poses.times.tolist())


def test_datasets_that_say_too_little(poses):
    xarray = pytest.importorskip("xarray", reason="the extra tables is not installed")
    dataset = poses.to_xarray()
    del dataset.attrs["width"]
    with pytest.raises(FormatError, match="give its size"):
        Poses.from_xarray(dataset)
    dataset.attrs.update(time_unit="frames", fps=None)
    with pytest.raises(FormatError, match="how many there are per second"):
        Poses.from_xarray(dataset, size=(10, 10))
    assert Poses.from_xarray(dataset, size=(10, 10), fps=2).times[0] == 0.5
    two = xarray.concat([dataset, dataset.assign_coords(individual=["other"])], "individual")
    with pytest.raises(FormatError, match="holds person, other; name one of them"):
        Poses.from_xarray(two, size=(10, 10), fps=2)
    with pytest.raises(FormatError, match="no dataset of poses"):
        Poses.from_xarray(dataset.drop_vars("position"))


def test_c3d_is_read_by_another_library(tmp_path):
    ezc3d = pytest.importorskip("ezc3d", reason="the extra formats is not installed")
    joints = np.random.default_rng(0).normal(size=(1, 13, 3)) + np.zeros((8, 1, 1))
    joints[3] = np.nan
    motion = Motion(joints, np.arange(8) / 50, np.full((8, 13), 0.1))
    save_motion(motion, tmp_path / "a.c3d")
    file = ezc3d.c3d(str(tmp_path / "a.c3d"))
    marks = file["parameters"]["POINT"]
    assert marks["LABELS"]["value"] == list(JOINTS) and marks["UNITS"]["value"] == ["mm"]
    assert marks["RATE"]["value"][0] == pytest.approx(50)
    points = file["data"]["points"]
    np.testing.assert_allclose(points[:3, :, 0].T, 1000 * joints[0], atol=0.5)
    assert np.isnan(points[0, :, 3]).all() and np.isfinite(points[0, :, 4]).all()
