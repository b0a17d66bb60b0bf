"""Hostile inputs open no file but those given, and no connection: watched from outside, by strace.

Decoys that would be read gladly lie beside and above the inputs, which name them in every way.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.bodies import people, seen, waving
from tests.conftest import ROOT
from tests.media import make_video
from tests.test_model_kinds import outside
from tests.test_no_network import outward
from vipecli.embedding.model import default_weights
from vipecli.poses.formats import save_poses

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
]
CONFIG = """
name = "own"
steps = 1
batch = 8
"""
LISTS = {
    "concat.mp4": "ffconcat version 1.0\nfile '{decoy}.mp4'\n",
    "above.mp4": "ffconcat version 1.0\nfile ../decoys/decoy.mp4\n",
    "hls.mov": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{decoy}.mp4\n#EXT-X-ENDLIST\n",
    "web.mkv": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n",
    "dash.webm": "<?xml version='1.0'?><MPD><Period><AdaptationSet><Representation id='1'>"
    "<BaseURL>{decoy}.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp.avi": "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    "pose.bvh": "ffconcat version 1.0\nfile '{decoy}.bvh'\n",
    "pose.amc": ":ASF-FILE {decoy}.asf\n:FULLY-SPECIFIED\n:DEGREES\n1\nroot 0 0 0 0 0 0\n",
    "pose.json": '{{"images": [{{"file_name": "{decoy}.png"}}], "video": "{decoy}.mp4"}}',
    "pose.npz": "{decoy}.npz\n",
    "table.csv": "path,label\n{decoy}.npz,a\n../decoys/decoy.mp4,b\n",
}


@pytest.fixture
def place(tmp_path):
    """A folder of hostile inputs, `in`, beside one of decoys."""
    decoys, given = tmp_path / "decoys", tmp_path / "in"
    decoys.mkdir()
    given.mkdir()
    make_video(decoys / "decoy.mp4")
    save_poses(seen(waving(20)), decoys / "decoy.npz")
    for name in ("decoy.bvh", "decoy.asf", "decoy.png", "decoy.bin"):
        (decoys / name).write_bytes(bytes(4096))
    for name, text in LISTS.items():
        (given / name).write_text(text.format(decoy=decoys / "decoy"))
    model = onnx.load(default_weights())
    outside(model, "../decoys/decoy.bin")
    onnx.save(model, given / "model.onnx")
    (given / "own.toml").write_text(CONFIG)
    (given / "paths.toml").write_text(CONFIG + f'weights = "{decoys}/decoy.bin"\n')
    rng = np.random.default_rng(0)
    np.savez(given / "mocap.npz", **{f"walk{i}": moving(rng) for i in range(4)})
    return tmp_path


def moving(rng: np.random.Generator) -> np.ndarray:
    """Somebody's motion, (60, 13, 3)."""
    still = people(1, seed=int(rng.integers(100)))[0]
    return (still + np.cumsum(rng.normal(0, 0.01, (60, 13, 3)), axis=0)).astype(np.float32)


def watched(folder: Path, *command: object) -> tuple[int, str, list[str]]:
    """Run a command; its exit code, what it says, and its calls about files and networks."""
    log = folder / "calls"
    watch = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=%network,open,openat,execve"]
    cache = {"VIPE_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*watch, "-o", str(log), sys.executable, "-m", "vipecli", *map(str, command)],
        capture_output=True,
        text=True,
        errors="replace",
        cwd=folder / "in",
        env=os.environ | cache | {"PYTHONPATH": str(ROOT)},
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not watch here")
    return done.returncode, done.stdout + done.stderr, log.read_text(errors="replace").splitlines()


def decoys_in(calls: list[str]) -> list[str]:
    """Calls that opened a decoy."""
    return [c for c in calls if re.search(r"\bopen(at)?\(", c) and re.search(r'decoy\.\w+"', c)]


VIDEOS = [name for name in LISTS if Path(name).suffix in (".mp4", ".mov", ".mkv", ".webm", ".avi")]
REFUSED = [
    *(("poses", name, "--out", "../out.npz") for name in LISTS if name != "table.csv"),
    ("embed", ".", "--out", "../out"),
    ("align", *VIDEOS[:2], "--out", "../out.mp4"),
    ("lift", "hls.mov", "--out", "../out.trc"),
    ("reps", "concat.mp4"),
    ("align", "pose.npz", "pose.npz", "--model", "model.onnx"),
    ("train", "paths.toml", "mocap.npz", "--out", "../run"),
    ("train", "own.toml", "pose.bvh", "pose.amc", "pose.npz", "--out", "../run"),
    ("train", "own.toml", "mocap.npz", "pose.bvh", "--out", "../run"),
    ("train", "own.toml", "mocap.npz", "--weights", "model.onnx", "--out", "../run"),
    ("train", "own.toml", "mocap.npz", "--detected", "pose.npz", "--out", "../run"),
]


def test_a_decoy_that_is_opened_is_seen(place):
    code, said, calls = watched(place, "poses", "../decoys/decoy.npz", "--out", "../out.npz")
    assert code == 0, said
    assert decoys_in(calls)


@pytest.mark.parametrize("command", REFUSED, ids=" ".join)
def test_nothing_else_is_opened(place, command):
    code, said, calls = watched(place, *command)
    assert code == 1, said
    assert "unexpected" not in said and "Traceback" not in said
    assert not decoys_in(calls)
    assert not outward(calls)


def test_training_opens_its_inputs_alone(place):
    code, said, calls = watched(place, "train", "own.toml", "mocap.npz", "--out", "../run")
    assert code == 0, said
    assert not decoys_in(calls)
    assert not outward(calls)


@pytest.mark.parametrize("command", ["info", "clear"])
def test_a_cache_of_somebody_else(place, command):
    """Links to decoys and files that are no poses lie where those of the cache should."""
    folder = place / "cache" / "poses"
    folder.mkdir(parents=True)
    for i, name in enumerate(("decoy.mp4", "decoy.npz", "decoy.bin")):
        (folder / f"{i:064x}.npz").symlink_to(place / "decoys" / name)
    (folder / "playlist.npz").write_text(LISTS["above.mp4"])
    os.mkfifo(folder / f"{9:064x}.npz")
    code, said, calls = watched(place, "cache", command)
    assert code == 0, said
    assert not decoys_in(calls)
    assert not outward(calls)
    assert all((place / "decoys" / name).exists() for name in ("decoy.mp4", "decoy.npz"))
