"""Names, sizes and units of files that people have: one row per kind.

Each row makes its input, says what is right, and what the code gave before the kind was known.
"""

import json
import subprocess
import sys
import zlib

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.conftest import ROOT
from tests.made_keypoints import FRAMES, POSES, write
from vipecli.evaluate.views import load_mocap
from vipecli.lifting.motion_files import Motion, save_motion
from vipecli.poses.formats import load_joint_map, load_poses, load_scene, save_poses
from vipecli.poses.mocap.bvh import read_bvh
from vipecli.poses.mocap.joint_names import joints_of_bvh

# --- 18: names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Müller.mp4", "体操.mp4", "a\nb\tc.mp4", "bad\udcff.mp4"])
@pytest.mark.parametrize("suffix", [".trc", ".bvh", ".json", ".npz"])
def test_18_motion_of_a_clip_of_any_name(tmp_path, name, suffix):
    """Before: UnicodeEncodeError, reported as an unexpected error."""
    motion = Motion(waving(5), np.arange(5) / 30, np.zeros((5, 13)), source=name)
    save_motion(motion, tmp_path / f"a{suffix}")
    if suffix == ".trc":
        lines = (tmp_path / "a.trc").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 6 + 5
        assert lines[0].count("\t") == 3
        assert "Mü" in lines[0] or "M" not in name


@pytest.mark.parametrize("name", ["Müller.mp4", "a\nb.mp4", "bad\udcff.mp4"])
@pytest.mark.parametrize("format", ["coco", "mmpose", "mediapipe", "trc", "npz"])
def test_18_poses_of_a_clip_of_any_name(tmp_path, name, format):
    from dataclasses import replace

    suffix = {"trc": ".trc", "npz": ".npz"}.get(format, ".json")
    save_poses(replace(POSES, source=name), tmp_path / f"a{suffix}", format=format)
    assert len(load_poses(tmp_path / f"a{suffix}")) == FRAMES


# --- 23: files that would fill the memory --------------------------------------------------------


def matlab_bomb(path):
    """245 kB that took 2.8 GB: a text of a hundred million letters."""
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
    size = 60_000_000
    tags = b"".join(
        [
            (6).to_bytes(4, "little") + (8).to_bytes(4, "little") + b"\4\0\0\0" + bytes(4),
            (5).to_bytes(4, "little") + (8).to_bytes(4, "little"),
            (1).to_bytes(4, "little") + size.to_bytes(4, "little"),
            b"\1\0\1\0a\0\0\0",
            (16).to_bytes(4, "little") + size.to_bytes(4, "little"),
        ]
    )
    matrix = (14).to_bytes(4, "little") + (len(tags) + size).to_bytes(4, "little") + tags
    packed = zlib.compress(matrix + bytes(size), 9)
    path.write_bytes(
        header + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    )


def npz_bomb(path):
    """1 MB that took 1.3 GB."""
    arrays = {
        "format_version": np.int64(1),
        "xy": np.zeros((200_000, 13, 2)),
        "score": np.zeros((200_000, 13)),
        "times": np.arange(200_000.0) * 0,
        "size": np.array([1, 1]),
        "source": "",
        "detector": "",
        "landmarks": np.zeros((200_000, 33, 3)),
    }
    np.savez_compressed(path, **arrays)


def mocap_bomb(path):
    np.savez_compressed(path, clip=np.zeros((400_000, 13, 3)))


def toml_bomb(path):
    """100 kB that took over 5.8 GB: memory by the square of the parts of a key."""
    path.write_text("a" + ".a" * 50_000 + " = 1\n")


def toml_of_many_keys(path):
    path.write_text("".join(f"{'.'.join('a' * 400)}.k{i} = 1\n" for i in range(120)))


def json_bomb(path):
    path.write_text("[" + "[]," * 12_000_000 + "[]]")


def csv_bomb(path):
    """Every row of one cell stands for ten thousand landmarks."""
    head = "frame,person,landmark,x,y\n"
    rows = [f"0,0,{k},1,1" for k in range(9000)] + [f"{n},0,1,1,1" for n in range(1, 60_000)]
    path.write_text(head + "\n".join(rows))


def line_bomb(path):
    """A line of 50 MB: took 240 MB before it was refused."""
    path.write_bytes(b"x1,y1\n" + b"1," * 25_000_000)


def trc_bomb(path):
    """Rows of two cells below ten thousand markers."""
    head = ["PathFileType\t4", "Units", "m", "F\tT\t" + "\t\t\t".join(map(str, range(9000))), ""]
    path.write_text("\n".join(head + [f"{n}\t{n}" for n in range(100_000)]))


def sparse_bomb(path):
    row = {"keypoints": [[10, 20]] * 17, "keypoint_scores": [1] * 17}
    frames = [{"frame_id": 49 * n, "instances": [row]} for n in range(20_000)]
    write(path, frames)


def read_config(path):
    from vipecli.train.config import load_config

    return load_config(path)


BOMBS = {
    "a.mat": (matlab_bomb, load_scene, "unpacks to more than 8 MB"),
    "a.npz": (npz_bomb, load_scene, "unpacks to more than 64 MB"),
    "b.npz": (mocap_bomb, lambda path: load_mocap([path], include=["*"]), "more than 64 MB"),
    "a.toml": (toml_bomb, load_joint_map, "at most 64 kB"),
    "b.toml": (toml_bomb, read_config, "at most 64 kB"),
    "c.toml": (toml_of_many_keys, load_joint_map, "at most 64 kB"),
    "a.json": (json_bomb, load_scene, "more than 20,000,000 values"),
    "b.json": (sparse_bomb, load_scene, "the limit is"),
    "a.csv": (csv_bomb, load_scene, "more than 10,000,000 points"),
    "b.csv": (line_bomb, load_scene, "a line of more than 1,048,576 characters"),
    "a.trc": (trc_bomb, load_scene, "more than 20,000,000 values"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_23_limits_hold_before_memory_is_reserved(tmp_path, name):
    """One line that says the limit, in a process that grows by less than 700 MB."""
    if name.endswith(".toml"):
        pytest.importorskip("torch", reason="needs the extra train")
    make, _, says = BOMBS[name]
    make(tmp_path / name)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from tests.test_limit_kinds import BOMBS\n"
        "from vipecli.errors import FormatError\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "path = Path(sys.argv[1])\n"
        "try:\n    BOMBS[path.name][1](path)\n"
        "except FormatError as exc:\n    print(exc)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    line, grown = done.stdout.splitlines()
    assert name in line
    assert says in line
    if sys.platform == "linux":
        assert int(grown) < (50_000 if make is line_bomb else 700_000), grown


# --- 29: mocap of any unit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "unit"),
    [
        (1, None),
        (100, "centimetres"),
        (1000, "millimetres"),
        (39.37, "inches"),
        (9, "unknown"),
    ],
)
def test_29_units_are_told_by_the_torso(tmp_path, factor, unit):
    """Before: centimetres were taken for metres without a word."""
    np.savez(tmp_path / "a.npz", clip=(waving(30) * factor).astype(np.float32))
    lines = []
    found = load_mocap([tmp_path / "a.npz"], include=["*"], remark=lines.append)
    np.testing.assert_allclose(found, waving(30), rtol=0.2 if unit == "unknown" else 1e-3)
    assert len(lines) == (unit is not None)
    assert unit is None or unit in lines[0]


def test_29_evaluation_reads_what_training_reads(tmp_path):
    """Before: .npz of one folder only."""
    truth = waving(30)
    motion = Motion(truth, np.arange(30) / 30, np.zeros((30, 13)))
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "mine").mkdir()
    save_motion(motion, tmp_path / "real/deep/walk.bvh")
    (tmp_path / "mine/link").symlink_to(tmp_path / "real", target_is_directory=True)
    (tmp_path / "mine/loop").symlink_to(tmp_path / "mine", target_is_directory=True)
    np.savez(tmp_path / "mine/a.npz", clip=truth.astype(np.float32))
    found = load_mocap([tmp_path / "mine"], include=["*"])
    assert len(found) == 60
    direct = joints_of_bvh(read_bvh(tmp_path / "real/deep/walk.bvh"), tmp_path)
    np.testing.assert_allclose(np.sort(found[30:].ravel()), np.sort(direct.ravel()), atol=1e-3)


# --- several clips named, one of them bad --------------------------------------------------------


def test_good_clips_beside_a_bad_one_are_labelled(tmp_path):
    """Before: `vipe classify a.json bad.json` did neither."""
    for label, frames in (("up", 30), ("down", 24)):
        (tmp_path / "index" / label).mkdir(parents=True)
        save_poses(seen(waving(frames)), tmp_path / "index" / label / "a.json")
    save_poses(seen(waving(33)), tmp_path / "a.json")
    (tmp_path / "bad.json").write_text("{")
    names = [str(tmp_path / n) for n in ("bad.json", "a.json", "gone.json")]
    command = [
        sys.executable,
        "-m",
        "vipecli",
        "classify",
        *names,
        "--index",
        "index",
        "--json",
        "-",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert [clip["clip"] for clip in json.loads(done.stdout)["clips"]] == [names[1]], done.stdout
    assert "bad.json" in done.stderr
    assert "gone.json" in done.stderr
