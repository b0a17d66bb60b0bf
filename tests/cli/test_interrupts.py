import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT
from tests.media import make_video
from vipecli.cli.app import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there a process just ends")


@pytest.fixture
def clips(tmp_path):
    """Two films that take a while."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "ab":
        make_video(folder / f"{name}.mp4", range(0, 40 * 2000, 40), size=(64, 64))
    return folder


def start(*args, environment=None):
    return subprocess.Popen(
        [sys.executable, "-m", "vipecli", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "VIPE_CACHE": "off"},
        start_new_session=True,
    )


def living(group):
    """Processes of a group that have not ended; what only waits for `init` is not counted."""
    listed = subprocess.run(
        ["ps", "-e", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [pid for pid, pgid, state in rows if int(pgid) == group and "Z" not in state]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
@pytest.mark.parametrize("delay_s", [0.2, 1.0, 4.0])
def test_a_signal_ends_a_pool_and_leaves_nothing(clips, number, code, delay_s, tmp_path):
    process = start("embed", clips, "--jobs", 2, "--out", tmp_path / "out")
    time.sleep(delay_s)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (code, -number), err  # by the signal itself while Python starts
    assert "Fatal" not in err
    for _ in range(40):
        if not living(process.pid):
            break
        time.sleep(0.1)
    assert living(process.pid) == []
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_a_signal_that_native_code_makes_an_error_of_its_own_is_one():
    program = (
        "import os, signal\n"
        "from vipecli.cli import app, interrupts\n"
        "def load(*_, **__):\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except SystemExit:\n        raise ImportError('initialization failed') from None\n"
        "app.app = load\n"
        "with interrupts.ending_promptly():\n    app.main([])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (143, "vipe: interrupted\n")


def test_a_command_ended_while_it_writes_leaves_nothing(tmp_path):
    program = (
        "import os, signal, sys\n"
        "from vipecli.cli.interrupts import ending_promptly\n"
        "from vipecli.cli.app import main\n"
        "from vipecli.video.write import VideoWriter\n"
        "VideoWriter.write = lambda self, image: os.kill(os.getpid(), signal.SIGTERM)\n"
        "with ending_promptly():\n    main(sys.argv[1:])\n"
    )
    clips = [
        ROOT / "examples/clips/squat" / name for name in ("squat_000_ada.mp4", "squat_120_ben.mp4")
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "align",
            *clips,
            "--out",
            tmp_path / "out.mp4",
            "--end",
            "0.5",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 143
    assert done.stderr.splitlines()[-1] == "vipe: interrupted"
    assert list(tmp_path.iterdir()) == []


def test_native_code_does_not_keep_a_process_alive():
    program = (
        "import os, signal, threading, time\n"
        "from vipecli.cli.interrupts import ending_promptly\n"
        "with ending_promptly():\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30)
    assert done.returncode == -signal.SIGTERM


def test_interrupted_without_a_signal(monkeypatch, capfd):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("vipecli.cli.app.app", interrupted)
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert (left.value.code, capfd.readouterr().err) == (130, "vipe: interrupted\n")
