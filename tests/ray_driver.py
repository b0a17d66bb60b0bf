"""A driver: runs one of the tasks below on the cluster of RAY_ADDRESS, an outcome per line.

python -m tests.ray_driver TASK ITEMS [LIMIT_S [PAUSE_S]], with a pause after each outcome
"""

import json
import os
import signal
import sys
import time
import types

from vipecli.engine.ray import Ray
from vipecli.errors import VideoError


def square(item, tick):
    """Square of a number; some numbers are bad in one way or another."""
    tick(item)
    if item == 3:
        raise VideoError("3: cannot be squared")
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 6:
        time.sleep(300)
    return item * item


def nap(item, tick):
    """Take a moment, and tell in a file that it was begun."""
    path, seconds = item
    with open(path, "a") as file:
        file.write("x")
    time.sleep(seconds)
    return seconds


class Unsound(int):
    """A number that can be pickled, but not rebuilt."""

    def __reduce__(self):
        """Say how it is rebuilt, wrongly."""
        return int, ("unsound",)


def absent():
    """Return a task whose module is on no node."""
    module = sys.modules["only_here"] = types.ModuleType("only_here")
    exec("def task(item, tick):\n    return item", module.__dict__)
    return module.task


def main() -> None:
    """Run, and print."""
    task = absent() if sys.argv[1] == "absent" else {"square": square, "nap": nap}[sys.argv[1]]
    items = [Unsound(i) if isinstance(i, int) and i < 0 else i for i in json.loads(sys.argv[2])]
    limit_s, pause_s = (float(sys.argv[i]) if len(sys.argv) > i else 0.0 for i in (3, 4))
    steps = 0

    def tick(count, *, ahead=0):
        nonlocal steps
        steps += count

    for outcome in Ray(limit_s=limit_s or None).run(task, items, tick=tick):
        error = None if outcome.error is None else type(outcome.error).__name__
        row = [outcome.item, outcome.result, error, steps]
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        time.sleep(pause_s)


if __name__ == "__main__":
    main()
