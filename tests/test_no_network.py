"""Nothing that vipe does opens a connection: watched from outside, by strace."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

CLIPS = ROOT / "examples" / "clips"
A, B = (CLIPS / "squat" / name for name in ("squat_000_ada.mp4", "squat_120_ben.mp4"))
LOCAL = re.compile(r"AF_(UNIX|LOCAL|NETLINK)|= -1 E(BADF|NOTSOCK)")


def watched(folder, *command):
    """Run a command; its calls that have to do with networks."""
    log = folder / "calls"
    watch = ["strace", "-f", "-qq", "-s", "80", "-e", "trace=%network", "-o", str(log)]
    done = subprocess.run(
        [*watch, sys.executable, *map(str, command)], capture_output=True, text=True, cwd=ROOT
    )
    if "ptrace" in done.stderr.lower():
        pytest.skip("strace may not watch here")
    assert done.returncode == 0, done.stderr
    return log.read_text(errors="replace").splitlines()


def outward(calls):
    """Sockets and connections that are not of this machine alone."""
    opened = [call for call in calls if re.search(r"\b(socket|connect|sendto|bind)\(", call)]
    return [c for c in opened if "AF_INET" in c or ("connect(" in c and not LOCAL.search(c))]


def test_onnxruntime_is_told_before_it_is_imported():
    script = (
        "import sys, vipecli.embedding.embed, os; assert 'onnxruntime' not in sys.modules;"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)


SOCKET = "import socket; socket.socket().connect_ex(('127.0.0.1', 9))"
# What onnxruntime reports it sends after some ten seconds.
SESSION = "import time; from vipecli.embedding.embed import Model; Model.load(); time.sleep(15)"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("command", ["align", "classify", "session"])
def test_no_connection(tmp_path, command):
    assert outward(watched(tmp_path, "-c", SOCKET))  # what is looked for would be seen
    for label in ("squat", "golf_swing"):
        (tmp_path / "index" / label).mkdir(parents=True)
        shutil.copy(sorted((CLIPS / label).glob("*.mp4"))[0], tmp_path / "index" / label)
    outputs = ("--out", tmp_path / "synced.mp4", "--json", tmp_path / "a.json")
    arguments = {
        "align": ("-m", "vipecli", "align", A, B, *outputs),
        "classify": ("-m", "vipecli", "classify", B, "--index", tmp_path / "index"),
        "session": ("-c", SESSION),
    }[command]
    assert outward(watched(tmp_path, *arguments)) == []
