"""Measure everything and print a table, or JSON with ``--json``."""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks import peers
from vipecli import _kernels
from vipecli.align import align
from vipecli.distance import atrous, frame_distance, matching_probability
from vipecli.embed import Embeddings
from vipecli.packed import Packed


@dataclass(frozen=True)
class Row:
    """One task: our median time and a peer's, in milliseconds; `note` tells what else counts."""

    task: str
    ours_ms: float
    peer: str = ""
    peer_ms: float | None = None
    note: str = ""


def embeddings(t: int, seed: int, *, dims: int = 16) -> Embeddings:
    """Smooth random embeddings, two seeds as far apart as two poses are."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.3, 4, (2, dims))
    at = np.arange(t) / 30
    mean = 0.8 * np.sin(at[:, None] * speeds + phases) + rng.normal(size=(t, dims)) * 0.1
    std = np.exp(np.sin(at[:, None] + phases) - 1.3).clip(0.1, 1)
    return Embeddings(mean.astype(np.float32), std.astype(np.float32), at, "bench:0", (1.5, 4.0))


def median_ms(run: Callable[[], object], *, seconds: float = 1.0) -> float:
    """Median of warm calls over about `seconds`, at least three."""
    run()
    taken = []
    start = time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return 1000 * statistics.median(taken)


def accuracy(pairs: int = 24) -> str:
    """Largest error of the expected probability against 10^6 draws."""
    a, b = embeddings(300, 1), embeddings(300, 2)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((10**6, 16), np.float32)
    got = matching_probability(a, b)
    worst = worst_log = 0.0
    for i, j in rng.integers(0, 300, (pairs, 2)):
        std = np.sqrt(a.std[i] ** 2 + b.std[j] ** 2)
        r = np.linalg.norm(a.mean[i] - b.mean[j] + std * noise, axis=1)
        p = 0.9 * float((1 / (1 + np.exp(1.5 * r.astype(np.float64) - 4.0))).mean()) + 0.05
        worst = max(worst, abs(p - got[i, j]))
        worst_log = max(worst_log, abs(np.log(p / got[i, j])))
    return f"error of {pairs} pairs at most {worst:.4f} in p, {worst_log:.4f} in -log p"


def distances() -> Iterator[Row]:
    """Matching probability of 300 x 300 frames."""
    a, b = embeddings(300, 1), embeddings(300, 2)
    yield Row(
        "matching probability 300 x 300",
        median_ms(lambda: matching_probability(a, b)),
        "NumPy Monte Carlo, K = 20",
        median_ms(lambda: peers.monte_carlo(a, b)),
        accuracy(),
    )
    cost = frame_distance(a, b)
    yield Row("atrous mean 300 x 300", median_ms(lambda: atrous(cost, a.times, b.times)))
    yield Row("align 300 x 300, from embeddings", median_ms(lambda: align(a, b)))


def paths(sizes: tuple[int, ...] = (300, 3000)) -> Iterator[Row]:
    """Warping path through a given table of costs."""
    for n in sizes:
        cost = np.random.default_rng(0).uniform(0.05, 3, (n, n)).astype(np.float32)
        low, high = _kernels.band_limits(n, n, 1.0)
        ours = median_ms(
            lambda c=cost, lo=low, hi=high: _kernels.dtw_path(c, lo, hi, np.inf, np.inf, 1.0)
        )
        task = f"warping path {n} x {n}"
        known = list(peers.warping_paths())
        for name, run in known:
            wide = cost.astype(np.float64)
            yield Row(task, ours, name, median_ms(lambda run=run, c=wide: run(c)))
        if not known:
            yield Row(task, ours, note="no peer installed: pip install 'vipe[bench]'")


def search(clips: int = 1258, frames: int = 56) -> Iterator[Row]:
    """Distance of one query to every clip of an index."""
    index = [(str(c), str(c % 15), embeddings(frames, c)) for c in range(clips)]
    packed, query = Packed(index), embeddings(frames, clips)
    task = f"one query against {clips} clips of {frames} frames"
    ours = median_ms(lambda: packed.distances(query))
    series = [np.ascontiguousarray(clip.mean, np.float64) for _, _, clip in index]
    x = np.ascontiguousarray(query.mean, np.float64)
    note = "ours with variances and atrous mean, the peer on the means alone"
    known = list(peers.warping_series())
    for name, run in known:
        taken = median_ms(lambda run=run: [run(x, y) for y in series])
        yield Row(task, ours, name, taken, note)
    if not known:
        yield Row(task, ours, note="no peer installed: pip install 'vipe[bench]'")


def table(rows: list[Row]) -> None:
    """Print the rows with the ratio of the two times."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table("task", "ours, ms", "peer", "peer, ms", "ratio", "note", title=machine())
    for row in rows:
        peer_ms = "" if row.peer_ms is None else f"{row.peer_ms:.3g}"
        ratio = "" if row.peer_ms is None else f"{row.peer_ms / row.ours_ms:.1f} x"
        shown.add_row(row.task, f"{row.ours_ms:.3g}", row.peer, peer_ms, ratio, escape(row.note))
    Console().print(shown)


def machine() -> str:
    """Name what the figures were measured on."""
    import numba

    threads = numba.get_num_threads()
    system = f"{platform.machine()}, {os.cpu_count()} cores, {threads} numba threads"
    return f"{system}, Python {platform.python_version()}, numba {numba.__version__}"


def main() -> None:
    """Run all tasks, or those named."""
    tasks = {"distances": distances, "paths": paths, "search": search}
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(tasks))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    args = parser.parse_args()
    for name in set(args.tasks) - set(tasks):
        parser.error(f"no task {name}; there are {', '.join(tasks)}")
    rows = [row for name in args.tasks or tasks for row in tasks[name]()]
    if args.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        table(rows)


if __name__ == "__main__":
    main()
