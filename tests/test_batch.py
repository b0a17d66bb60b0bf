import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.media import make_video
from vipecli.blazepose import BlazePose
from vipecli.cli import batch
from vipecli.cli.app import main
from vipecli.files import sweep


@pytest.fixture
def folder(tmp_path):
    """Seven clips, and one that is none."""
    path = tmp_path / "clips"
    (path / "walk").mkdir(parents=True)
    for i in range(7):
        times = range(0, 40 * (5 + i), 40)
        make_video(path / "walk" / f"{i}.mp4", times, size=(32 + 2 * i, 32))
    (path / "walk" / "broken.mp4").write_text("no video")
    return path


@pytest.fixture
def vipe(capfd, monkeypatch):
    """Run the command line with a detector that sees somebody in every picture."""
    from tests.killed import somebody

    monkeypatch.setattr(BlazePose, "people", somebody)

    def run(*args):
        with pytest.raises(SystemExit) as left:
            main([str(arg) for arg in args])
        return left.value.code, *capfd.readouterr()

    return run


def test_failures_and_damage_are_logged_line_by_line(folder, vipe, tmp_path):
    whole = (folder / "walk" / "6.mp4").read_bytes()
    (folder / "walk" / "6.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    (folder / "frames").mkdir()
    for i in (1, 2, 3, 5):
        import cv2

        cv2.imwrite(str(folder / "frames" / f"{i}.png"), np.full((32, 32, 3), 9 * i, np.uint8))
    code, out, err = vipe("embed", folder, "--log", tmp_path / "log.jsonl")
    assert (code, out.split(",")[0]) == (1, "7 embedded")
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    frames, cut, broken = sorted(records, key=lambda one: one["video"])
    assert frames == {"video": str(folder / "frames"), "warning": frames["warning"]}
    assert "1 frames are missing" in frames["warning"]
    assert (cut["video"], cut["error"]) == (str(folder / "walk" / "6.mp4"), "VideoError")
    assert broken["message"].startswith(str(folder / "walk" / "broken.mp4"))
    assert "2 of 9 clips failed" in err


def test_a_log_must_not_replace_a_clip(folder, vipe):
    clip = folder / "walk" / "0.mp4"
    before = clip.read_bytes()
    code, _, err = vipe("embed", folder, "--log", clip)
    assert code == 1
    assert "would replace an input" in err
    assert clip.read_bytes() == before


def test_pace_is_told_where_there_is_no_terminal(folder, vipe, monkeypatch):
    monkeypatch.setattr(batch, "_REPORT_S", 0.0)
    err = vipe("embed", folder)[2]
    lines = re.findall(r"^vipe: (\d) of 8 clips, [\d.]+ per minute, 0:00:\d\d left$", err, re.M)
    assert lines == [str(i) for i in range(1, 8)]


def test_what_killed_processes_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        f".a.mp4-{dead.pid}-abc_1.part.npz": False,
        f".a.mp4-{os.getpid()}-abc_1.part.npz": True,
        "a.mp4.npz": True,
        ".hidden.part.npz": True,
    }
    (tmp_path / "walk").mkdir()
    for name in names:
        (tmp_path / "walk" / name).touch()
    sweep(tmp_path)
    left = {path.name for path in (tmp_path / "walk").iterdir()}
    assert left == {name for name, stays in names.items() if stays}
    old = tmp_path / "walk" / f".a.mp4-{os.getpid()}-abc_1.part.npz"
    os.utime(old, (0, 0))
    sweep(tmp_path)
    assert not old.exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("moments", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_where_it_was(folder, tmp_path, moments):
    command = [sys.executable, "-m", "tests.killed", folder, tmp_path / "out", moments]
    (tmp_path / "out").mkdir()
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    early = int(done.stdout.split(" of ")[0])
    assert early >= moments / 2


@pytest.mark.slow
def test_a_killed_pool_leaves_no_process_behind(tmp_path):
    """The processes of a pool end with the one that started them."""
    script = (
        "import time, os\nfrom vipecli import engine\nfrom tests.test_batch import nap\n"
        "if __name__ == '__main__':\n"
        "    for outcome in engine.run(nap, [0, 0, 60, 60], jobs=2):\n"
        "        print(outcome.result, flush=True)\n"
    )
    (tmp_path / "pool.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "pool.py"], stdout=subprocess.PIPE, text=True, env=environment
    )
    workers = {int(parent.stdout.readline()) for _ in range(2)}
    parent.kill()
    parent.wait()
    for _ in range(100):
        alive = [pid for pid in workers if os.path.exists(f"/proc/{pid}/cmdline")]
        if not alive:
            return
        import time

        time.sleep(0.1)
    raise AssertionError(f"processes {alive} live on")


def nap(seconds, tick):
    import time

    time.sleep(seconds)
    return os.getpid()
