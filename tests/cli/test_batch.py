import hashlib
import itertools
import json
import os
import platform
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.conftest import ROOT
from tests.media import make_video
from vipecli import engine, files
from vipecli.cli import batch
from vipecli.cli.app import main
from vipecli.index.store import load
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.formats import save_poses


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
    assert "1 frame is missing" in frames["warning"]
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


OF_FILES = [
    "poses",
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("align", "openpose", "lift")),
]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("moments", [2, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("command", OF_FILES)
def test_a_killed_command_loses_nothing_and_the_next_run_sweeps(folder, tmp_path, command, moments):
    """Before: `.synced-PID-*.part.mp4` for ever."""
    program = [sys.executable, "-m", "tests.killed_files", folder, tmp_path / "out", moments]
    done = subprocess.run([*map(str, program), command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split(" of ")[0]) > 0, done.stdout


def test_pace_is_told_where_there_is_no_terminal(folder, vipe, monkeypatch):
    monkeypatch.setattr(batch, "_REPORT_S", 0.0)
    err = vipe("embed", folder)[2]
    lines = re.findall(r"^vipe: (\d) of 8 clips, [\d.]+ per minute, 0:00:\d\d left$", err, re.M)
    assert lines == [str(i) for i in range(1, 8)]


def test_what_killed_processes_left_is_swept(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    names = {
        f".a.mp4-{here}-{dead.pid}-abc_1.part.npz": False,
        f".a.mp4-{here}-{os.getpid()}-abc_1.part.npz": True,
        f".a.mp4-0123abcd-{dead.pid}-abc_1.part.npz": True,
        "a.mp4.npz": True,
        ".hidden.part.npz": True,
    }
    (tmp_path / "walk").mkdir()
    for name in names:
        (tmp_path / "walk" / name).touch()
    files.sweep(tmp_path)
    left = {path.name for path in (tmp_path / "walk").iterdir()}
    assert left == {name for name, stays in names.items() if stays}
    old = tmp_path / "walk" / f".a.mp4-{here}-{os.getpid()}-abc_1.part.npz"
    os.utime(old, (0, 0))
    files.sweep(tmp_path)
    assert not old.exists()


@pytest.mark.parametrize(
    "name", ["a.npz", "a.json", "frames", "line\nbreak.npz", "a.x-y", "ü" * 120]
)
def test_the_next_run_sweeps_whatever_it_is_called(tmp_path, name):
    """Before: folders of OpenPose and odd names stayed; a long name could not be written."""
    write = "replacing" if "." in name else "replacing_folder"
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        f"from vipecli.files import {write}\n"
        f"with {write}(Path(sys.argv[1])) as part:\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, tmp_path / name], cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    with files.replacing(tmp_path / "next.txt") as part:
        part.write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["next.txt"]


BAD = [(0,), (2,), (4,), (0, 2, 4)]  # places of the clips without anybody, among five


@pytest.fixture
def takes(tmp_path, vipe, monkeypatch):
    """Return a folder of five films in which the given ones are black, and show nobody."""
    sees = BlazePose.people
    monkeypatch.setattr(
        BlazePose, "people", lambda *args: sees(*args) if args[1].mean() > 5 else []
    )

    def make(bad):
        folder = tmp_path / "takes"
        (folder / "squat").mkdir(parents=True)
        for i in range(5):
            pictures = [np.full((32, 32, 3), 0 if i in bad else 40 + i, np.uint8)] * 10
            make_video(
                folder / "squat" / f"{i}.mp4", range(0, 400, 40), images=pictures, size=(32, 32)
            )
        return folder, [f"{i}.mp4" for i in range(5) if i not in bad]

    return make


@pytest.fixture
def labelled(tmp_path):
    """Return a folder of five keypoint files of which the given ones hold nobody."""

    def make(bad):
        folder = tmp_path / "labelled"
        (folder / "squat").mkdir(parents=True)
        for i in range(5):
            name = folder / "squat" / f"{i}.json"
            save_poses([seen(waving(12 + i))], name, format="coco")
            if i in bad:
                name.write_text(json.dumps({**json.loads(name.read_text()), "annotations": []}))
        return folder, [f"{i}.json" for i in range(5) if i not in bad]

    return make


def _done(folder):
    return sorted(path.name.removesuffix(".npz") for path in folder.rglob("*.npz"))


@pytest.mark.parametrize("bad", BAD)
def test_every_clip_behind_one_without_anybody_is_embedded(takes, vipe, bad):
    folder, good = takes(bad)
    code, out, err = vipe("embed", folder)
    assert (code, out.split(",")[0]) == (1, f"{len(good)} embedded")
    assert f"{len(bad)} of 5 clips failed" in err
    assert _done(folder) == good


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("bad", BAD)
def test_every_clip_is_indexed_whatever_the_others_are(labelled, vipe, bad, jobs):
    folder, good = labelled(bad)
    code, out, err = vipe("index", "build", folder, "--jobs", jobs)
    assert (code, out.split(" in ")[0]) == (1, f"{len(good)} clips"), err
    assert f"{len(bad)} of 5 clips failed" in err
    assert sorted(facts.name for facts in load(folder).facts()) == [
        f"squat/{name}" for name in good
    ]


@pytest.mark.parametrize("bad", BAD)
def test_two_jobs_embed_what_one_does(labelled, vipe, bad):
    folder, good = labelled(bad)
    code, out, _ = vipe("embed", folder, "--jobs", 2)
    assert (code, out.split(",")[0]) == (1, f"{len(good)} embedded")
    assert _done(folder) == good


@pytest.mark.parametrize("bad", BAD)
def test_every_clip_of_a_folder_is_labelled(labelled, vipe, bad, tmp_path):
    folder, good = labelled(bad)
    assert vipe("index", "build", folder)[0] == 1
    queries = folder.rename(tmp_path / "queries")
    (folder / "squat").mkdir(parents=True)
    (queries / ".vipe").rename(folder / ".vipe")
    code, out, _ = vipe("classify", queries, "--index", folder, "--json", "-")
    assert code == 1
    assert [os.path.basename(one["clip"]) for one in json.loads(out)["clips"]] == good


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("large", [0, 2, 4])
def test_a_file_that_does_not_fit_costs_no_other(labelled, large, jobs):
    folder, names = labelled(())
    save_poses([seen(waving(4000))], folder / "squat" / f"{large}.json", format="mmpose")
    # a process of its own, since a fork server keeps the limits that it was started with
    limited = (
        "import resource, sys\nfrom vipecli.cli.app import main\n"
        "hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))\nmain(sys.argv[1:])"
    )
    command = [sys.executable, "-c", limited, "embed", str(folder), "--jobs", str(jobs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(",")[0]) == (1, "4 embedded")
    assert f"{large}.json.npz: cannot be written" in done.stderr
    assert _done(folder) == [name for name in names if name != f"{large}.json"]


def test_a_batch_that_lost_a_clip_says_so(takes, vipe, monkeypatch):
    folder, _ = takes(())
    run = engine.Local.run
    monkeypatch.setattr(engine.Local, "run", lambda *a, **k: itertools.islice(run(*a, **k), 4))
    code, _, err = vipe("embed", folder)
    assert code == 1
    assert "4.mp4: 4 of 5 clips have an outcome" in err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("moments", [3, pytest.param(30, marks=pytest.mark.slow)])
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
        "import time, os\nfrom vipecli import engine\nfrom tests.cli.test_batch import nap\n"
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
