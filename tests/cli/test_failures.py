"""Clips of a library that cannot be used, and settings that differ between commands."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from vipecli.index.failures import FILE, load_failures
from vipecli.poses.formats import load_poses, save_poses
from vipecli.poses.poses import Poses
from vipecli.video.read import read_frames

CLIPS = Path(__file__).resolve().parents[2] / "examples" / "clips"


def someone(seed):
    """A person who moves in a way of their own."""
    rng = np.random.default_rng(seed)
    x = np.array([0, 8, -8, 12, -12, 14, -14, 5, -5, 5, -5, 5, -5])
    y = np.array([-24, -18, -18, -10, -10, -2, -2, 0, 0, 12, 12, 24, 24])
    body = np.stack([x, y], axis=1) * 4.0 + 200
    way = rng.normal(0, 20, (13, 2)) * np.sin(np.linspace(0, 6, 40))[:, None, None]
    xy = (body + way).astype(np.float32)
    return Poses(xy, np.ones((40, 13), np.float32), np.arange(40) / 30, (400, 400), "", "made up")


@pytest.fixture
def library(tmp_path):
    for number, name in enumerate(("walk/a", "walk/b", "run/a", "run/b")):
        path = tmp_path / "library" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_poses(someone(number), path)
    (tmp_path / "library" / "run" / "bad.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "library" / "walk" / "film").mkdir()
    (tmp_path / "library" / "walk" / "film" / "broken.mp4").write_text("no video\n" * 99)
    save_poses(someone(9), tmp_path / "query.npz")
    return tmp_path / "library"


def test_a_failure_is_told_once_until_the_file_changes(library, vipe, tmp_path):
    command = ("classify", tmp_path / "query.npz", "--index", library)
    code, _, err = vipe(*command)
    assert code == 0 and "broken.mp4: not a video" in err
    code, _, err = vipe(*command)
    assert code == 0 and "broken.mp4" not in err
    assert "2 clips that could not be used before and have not changed" in err
    assert "walk/film/broken.mp4" in load_failures(library / ".vipe")
    _, _, err = vipe("search", tmp_path / "query.npz", "--index", library)
    assert "broken.mp4" not in err
    (library / "walk" / "film" / "broken.mp4").write_text("no video either\n" * 99)
    assert "broken.mp4: not a video" in vipe(*command)[2]
    assert "broken.mp4: not a video" in vipe("index", "build", library)[2], "asked to try again"
    (library / "walk" / "film" / "broken.mp4").unlink()
    (library / "run" / "bad.npz").unlink()
    assert vipe(*command)[2] == "" and not (library / ".vipe" / FILE).exists()


@pytest.mark.parametrize("content", ["", "[1]", '{"version": 1}', "[" * 9999, '{"clips": "x"}'])
def test_a_damaged_list_of_failures_counts_as_none(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    assert load_failures(tmp_path) == {}


def test_another_rate_is_told(vipe, tmp_path):
    library = tmp_path / "library"
    for name in ("squat/squat_000_ada", "toe_touch/toetouch_000_cleo"):
        (library / name).parent.mkdir(parents=True)
        shutil.copy(CLIPS / f"{name}.mp4", library / f"{name}.mp4")
    shutil.copy(CLIPS / "squat" / "squat_120_ben.mp4", tmp_path)
    save_poses(someone(1), library / "squat" / "joints.npz")
    code, _, err = vipe("embed", library, "--fps", 5, "--end", 2)
    assert code == 0 and "keypoint files beside videos are passed over (joints.npz)" in err
    ask = ("search", f"{tmp_path / 'squat_120_ben.mp4'}@1.5", "--fps", 5, "--index", library)
    code, _, err = vipe(*ask)
    assert (
        code == 0 and "2 clips of" in err and "such as --fps or --person, are embedded again" in err
    )
    code, _, err = vipe(*ask)
    assert (code, err) == (0, ""), "the index stays, whatever the rate of the query"
    assert len(load_poses(library / ".vipe" / "squat" / "squat_000_ada.mp4.npz")) > 20
    code, _, err = vipe("index", "build", library)
    assert code == 0 and "keypoint files beside videos are passed over (joints.npz)" in err


def test_what_is_wrong_with_a_clip_is_said_once(vipe, tmp_path):
    """A clip is read for its poses, for the video and for the page."""
    clip = CLIPS / "squat" / "squat_000_ada.mp4"
    bare = tmp_path / "bare.mjpeg"
    with av.open(str(bare), "w", format="mjpeg") as out:
        stream = None
        for _, image in read_frames(clip, end_s=0.6):
            if stream is None:
                stream = out.add_stream("mjpeg", rate=25)
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuvj420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        out.mux(stream.encode(None))
    code, _, err = vipe("align", bare, clip, "--out", tmp_path / "o.mp4", "--end", 0.6)
    assert code == 0 and err.count("states no frame rate") == 1
