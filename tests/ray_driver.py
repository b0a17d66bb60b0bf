"""A driver: runs one of the tasks below on the cluster of RAY_ADDRESS, an outcome per line.

python -m tests.ray_driver TASK ITEMS [LIMIT_S]
"""

import json
import os
import signal
import sys
import time

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


def main() -> None:
    """Run, and print."""
    task, items = {"square": square, "nap": nap}[sys.argv[1]], json.loads(sys.argv[2])
    limit_s = float(sys.argv[3]) if len(sys.argv) > 3 else None
    steps = 0

    def tick(count, *, ahead=0):
        nonlocal steps
        steps += count

    for outcome in Ray(limit_s=limit_s).run(task, items, tick=tick):
        error = None if outcome.error is None else type(outcome.error).__name__
        row = [outcome.item, outcome.result, error, steps]
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
