"""Embed a folder, killed at random moments, and again: run by tests/cli/test_batch.py.

    python -m tests.killed FOLDER SCRATCH MOMENTS

The detector is replaced by one that sees somebody in every picture and takes its time; reading,
embedding, writing and the command line are real. Processes are forked, so that each starts at once.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np

import vipecli.embedding.embedded_folder
from vipecli.cli.app import main
from vipecli.embedding.done_list import DONE
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.tracking import SEEN, XY

BODY = np.zeros((33, 7), np.float32)
BODY[:, XY], BODY[:, SEEN] = np.random.default_rng(0).uniform(0.2, 0.8, (33, 2)), 0.9


def somebody(self, rgb, time_s, size):
    """One person, where the picture is bright."""
    time.sleep(0.002)
    person = BODY.copy()
    person[:, XY] = person[:, XY] * size + float(rgb.mean())
    return [person]


def start(folder: Path, store: Path) -> int:
    """Begin to embed in a process of its own; its number."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.environ["VIPE_POSE_MODEL"] = str(model_path())  # it may be in the cache
        os.environ["VIPE_CACHE"] = f"{store}.cache"  # or every run would profit from the first
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            main(["embed", str(folder), "-j", "1", "--out", str(store), "--log", f"{store}.log"])
        except SystemExit as left:
            os._exit(left.code)
    return pid


def finish(pid: int) -> int:
    """Exit code of a process."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def content(store: Path) -> dict[str, bytes]:
    """Every file of a store but the list of what is done, whose order may differ."""
    files = (p for p in store.rglob("*") if p.is_file() and p.name != DONE)
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in files}


def run(folder: Path, scratch: Path, moments: int) -> None:
    """Compare interrupted runs with an undisturbed one; raises where they differ."""
    finish(start(folder, scratch / "warm"))  # the first run of all is slower
    begun = time.monotonic()
    code = finish(start(folder, scratch / "whole"))
    length = time.monotonic() - begun
    whole, log = content(scratch / "whole"), (scratch / "whole.log").read_bytes()
    if code != 1 or len(whole) < 5 or log.count(b"\n") != 1:
        raise SystemExit(f"undisturbed: exit code {code}, {sorted(whole)}, {log!r}")
    early, rng = 0, random.Random(0)
    for moment in range(moments):
        store = scratch / f"killed{moment}"
        pid = start(folder, store)
        time.sleep(rng.uniform(0, 0.5 * length))
        os.kill(pid, signal.SIGKILL)
        early += finish(pid) == -signal.SIGKILL
        kept = {p: p.stat().st_mtime_ns for p in store.rglob("[!.]*.npz")}
        code = finish(start(folder, store))
        if code != 1 or content(store) != whole or Path(f"{store}.log").read_bytes() != log:
            raise SystemExit(f"moment {moment}: exit code {code}, {sorted(content(store))}")
        if any(path.stat().st_mtime_ns != made for path, made in kept.items()):
            raise SystemExit(f"moment {moment}: what was done was done again")
        if left := [p for p in Path(f"{store}.cache").rglob("*") if ".part" in p.name]:
            raise SystemExit(f"moment {moment}: left in the cache: {left}")
        shutil.rmtree(store)
    sys.stdout.write(f"{early} of {moments} killed before their end\n")


if __name__ == "__main__":
    BlazePose.people = somebody
    vipecli.embedding.embedded_folder.detector_key(
        vipecli.embedding.embedded_folder.Recipe()
    )  # what every process would import
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
