"""Instructions per call of the kernels: ``python -m benchmarks.instructions [TASK...]``.

Counted by callgrind (valgrind), as the difference between a run with one call and one with a few.
Kernels are compiled for a processor that valgrind knows, so that the counts compare from commit to
commit, not with times.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable

from benchmarks.rows import embeddings
from vipecli.alignment.dtw import cheapest
from vipecli.embedding.distance import frame_costs
from vipecli.index.euclidean_dtw import Series
from vipecli.index.neighbours import NeighbourSearch

CALLS = 11
ENVIRONMENT = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx2,+fma,+avx,+sse4.2",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
}
TASKS = "matching", "warping", "nearest", "plain"


def kernel(task: str) -> Callable[[], object]:
    """What is counted: 100 frames against 100, or against 30 clips of 70."""
    a, b = embeddings(100, 0), embeddings(100, 1)
    clips = [embeddings(70, c) for c in range(30)]
    if task == "matching":
        return lambda: frame_costs(a, b)
    if task == "warping":
        costs = frame_costs(a, b)
        return lambda: cheapest(costs, ends="closed")
    if task == "nearest":
        packed = NeighbourSearch([(str(i), "", clip) for i, clip in enumerate(clips)])
        return lambda: packed.nearest(a, 1)
    series = Series([clip.mean for clip in clips])
    return lambda: series.nearest(a.mean)


def collected(task: str, calls: int) -> int:
    """Instructions of a process that makes so many calls."""
    program = [sys.executable, "-m", "benchmarks.instructions", "--run", task, str(calls)]
    environment = os.environ | ENVIRONMENT
    subprocess.run(program, env=environment, check=True)  # compiled, and kept on disk
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    out = subprocess.run([*tool, *program], env=environment, check=True, capture_output=True)
    return int(re.search(rb"Collected : (\d+)", out.stderr)[1])


def main() -> None:
    """Count, one line per kernel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--run", nargs=2, metavar=("TASK", "CALLS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        run = kernel(args.run[0])
        for _ in range(int(args.run[1])):
            run()
        return
    for task in args.tasks or TASKS:
        each = (collected(task, CALLS) - collected(task, 1)) / (CALLS - 1)
        print(f"{task:10s} {each / 1e6:10.3f} million instructions per call")


if __name__ == "__main__":
    main()
