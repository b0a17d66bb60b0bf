"""Commands that write files, killed at random moments, and again: run by tests/cli/test_batch.py.

    python -m tests.killed_files CLIPS SCRATCH MOMENTS COMMAND

An output that was there before is there after the kill, as it was or as the whole run makes it; the
next run leaves what an undisturbed one leaves and nothing else, in the folder and in the cache. The
detector is that of `tests.killed`.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.killed import finish, somebody
from vipecli.cli.align import load_libraries
from vipecli.cli.app import main
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.detection.model_file import model_path

OLD = b"what was there before"
COMMANDS = {
    "align": lambda clips, out: [
        *("align", *clips[:2], "--out", out / "synced.mp4", "--json", out / "map.json"),
        *("--otio", out / "cut.otio", "--plot", out / "path.png"),
    ],
    "poses": lambda clips, out: ["poses", clips[0], "--out", out / "poses.json", "--all-people"],
    "openpose": lambda clips, out: [
        *("poses", clips[0], "--format", "openpose", "--out", out / "frames"),
    ],
    "lift": lambda clips, out: ["lift", clips[0], "--out", out / "moves.trc"],
}


def start(command: list, cache: Path) -> int:
    """Begin a command in a process of its own; its number."""
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.environ["VIPE_CACHE"] = str(cache)
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        try:
            main([str(part) for part in command])
        except SystemExit as left:
            os._exit(left.code or 0)
    return pid


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones, too; a folder is one without content."""
    return {
        p.relative_to(folder).as_posix(): b"" if p.is_dir() else p.read_bytes()
        for p in folder.rglob("*")
    }


def left_over(cache: Path) -> Iterator[Path]:
    """What no run should leave in the cache."""
    return (path for path in cache.rglob("*") if ".part" in path.name)


def run(clips: list[Path], scratch: Path, moments: int, name: str) -> None:
    """Compare interrupted runs with an undisturbed one; raises where they differ."""
    make = COMMANDS[name]
    (scratch / "whole").mkdir(parents=True)
    begun = time.monotonic()
    code = finish(start(make(clips, scratch / "whole"), scratch / "cache"))
    length = time.monotonic() - begun
    whole = files(scratch / "whole")
    if code or not whole:
        raise SystemExit(f"undisturbed: exit code {code}, {sorted(whole)}")
    early, left, rng = 0, 0, random.Random(0)
    for moment in range(moments):
        out, cache = scratch / str(moment), scratch / f"cache{moment}"
        out.mkdir()
        before = {} if any("/" in one for one in whole) else dict.fromkeys(whole, OLD)
        for one in before:
            (out / one).write_bytes(OLD)
        pid = start(make(clips, out), cache)
        time.sleep(rng.uniform(0, 0.5 * length))
        os.kill(pid, signal.SIGKILL)
        early += finish(pid) == -signal.SIGKILL
        found = files(out)
        left += any(one.startswith(".") for one in found) or any(left_over(cache))
        for one, data in found.items():
            if not one.startswith(".") and data not in (before.get(one, data), whole[one]):
                raise SystemExit(f"moment {moment}: {one} is half-written, {len(data)} bytes")
        if before.keys() - found.keys():
            raise SystemExit(f"moment {moment}: {sorted(before.keys() - found.keys())} are lost")
        again = make(clips, out)
        code = finish(start(again, cache))
        if code and "frames" in found:  # a folder that is complete is not written over
            code = 0
        if code or files(out) != whole:
            raise SystemExit(f"moment {moment}: exit code {code}, {sorted(files(out))}")
        if any(left_over(cache)):
            raise SystemExit(f"moment {moment}: left in the cache: {list(left_over(cache))}")
        shutil.rmtree(out)
        shutil.rmtree(cache)
    sys.stdout.write(f"{early} of {moments} killed before their end, {left} left something over\n")


if __name__ == "__main__":
    BlazePose.people = somebody
    os.environ["VIPE_POSE_MODEL"] = str(model_path())
    load_libraries()  # what every process would import
    where = Path(sys.argv[1])
    run(sorted(where.rglob("[0-9].mp4")), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
