"""Measure everything beside others, in one run: ``python -m benchmarks [TASK...] [--json]``.

Ours and a peer take turns, so that whatever else the machine does meets both. `growth` is the
second table: how time and memory grow.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import footage, growth, gym, peers
from benchmarks.rows import Row, embeddings, least_ms, machine, side_by_side
from vipecli import _kernels
from vipecli.alignment.align import align
from vipecli.embedding.distance import atrous, frame_distance, matching_probability
from vipecli.embedding.embed import Embeddings
from vipecli.index.neighbours import NeighbourSearch


def penn_accuracy(path: Path, count: int = 300) -> Iterator[Row]:
    """Error of the expected probability on Penn Action against 10^6 draws; and the worst of many.

    Pairs of frames at random, near in time within a clip, and nearest among 2,000.
    """
    from vipecli.embedding.embed import Model, embed
    from vipecli.index.penn_action import load

    model = Model.load()
    clips = [embed(clip.poses, model) for clip in load(path)]
    mean, std = (np.concatenate([getattr(c, name) for c in clips]) for name in ("mean", "std"))
    known = np.isfinite(mean).all(axis=1)
    mean, std = mean[known], std[known]
    rng = np.random.default_rng(0)
    i = rng.integers(len(mean), size=count)
    few = rng.integers(len(mean), size=2000)
    nearest = few[[int(((mean[few] - mean[k]) ** 2).sum(1).argmin()) for k in i]]
    kinds = {
        "at random": rng.integers(len(mean), size=count),
        "near in time": (i + rng.integers(-15, 16, count)).clip(0, len(mean) - 1),
        "nearest of 2,000": nearest,
    }
    noise = rng.standard_normal((10**6, mean.shape[1]), np.float32)
    for kind, j in kinds.items():
        a, b = (
            Embeddings(mean[k], std[k], np.arange(count) / 30, model.id, model.sigmoid)
            for k in (i, j)
        )
        start = time.perf_counter()
        got = np.diagonal(matching_probability(a, b))
        taken = 1000 * (time.perf_counter() - start)
        yield Row(f"{count} Penn pairs, {kind}", taken, note=_errors(a, b, got, noise))


def _errors(a: Embeddings, b: Embeddings, got: np.ndarray, noise: np.ndarray) -> str:
    """Largest errors of pairs (i, i) against draws (K, D)."""
    slope, offset = a.sigmoid
    worst = worst_log = 0.0
    for i, value in enumerate(got):
        std = np.sqrt(a.std[i] ** 2 + b.std[i] ** 2)
        r = np.linalg.norm(a.mean[i] - b.mean[i] + std * noise, axis=1).astype(np.float64)
        p = 0.9 * float((1 / (1 + np.exp(np.minimum(slope * r - offset, 80)))).mean()) + 0.05
        worst = max(worst, abs(p - value))
        worst_log = max(worst_log, abs(np.log(p / value)))
    return f"error at most {worst:.4f} in p, {worst_log:.4f} in -log p"


def distances() -> Iterator[Row]:
    """Matching probability of 300 x 300 frames."""
    a, b = embeddings(300, 1), embeddings(300, 2)
    few = slice(0, 24)
    noise = np.random.default_rng(0).standard_normal((10**6, 16), np.float32)
    got = np.diagonal(matching_probability(a, b))[few]
    ours, theirs = side_by_side(
        lambda: matching_probability(a, b), lambda: peers.monte_carlo(a, b), seconds=4
    )
    yield Row(
        "matching probability 300 x 300",
        ours,
        "NumPy Monte Carlo, K = 20",
        theirs,
        _errors(a.part(few), b.part(few), got, noise),
    )
    cost = frame_distance(a, b)
    yield Row("atrous mean 300 x 300", least_ms(lambda: atrous(cost, a.times, b.times)))
    yield Row("align 300 x 300, from embeddings", least_ms(lambda: align(a, b)))


def paths(sizes: tuple[int, ...] = (300, 3000)) -> Iterator[Row]:
    """Warping path through a given table of costs."""
    for n in sizes:
        cost = np.random.default_rng(0).uniform(0.05, 3, (n, n)).astype(np.float32)
        low, high = _kernels.band_limits(n, n, 1.0)
        limits = low, high, np.inf, np.inf, 1.0
        task, wide = f"warping path {n} x {n}", cost.astype(np.float64)
        known = list(peers.warping_paths())
        for name, run in known:
            ours, theirs = side_by_side(
                lambda c=cost, rest=limits: _kernels.dtw_path(c, *rest),
                lambda run=run, c=wide: run(c),
            )
            yield Row(task, ours, name, theirs)
        if not known:
            ours = least_ms(lambda c=cost, rest=limits: _kernels.dtw_path(c, *rest))
            yield Row(task, ours, note="no peer installed: pip install 'vipecli[bench]'")


def search(clips: int = 1258, frames: int = 56) -> Iterator[Row]:
    """Distance of one query to every clip of an index."""
    index = [(str(c), str(c % 15), embeddings(frames, c)) for c in range(clips)]
    packed, query = NeighbourSearch(index), embeddings(frames, clips)
    task = f"one query against {clips} clips of {frames} frames"
    ours = least_ms(lambda: packed.distances(query))
    series = [np.ascontiguousarray(clip.mean, np.float64) for _, _, clip in index]
    x = np.ascontiguousarray(query.mean, np.float64)
    note = "ours with variances and atrous mean, the peer on the means alone"
    known = list(peers.warping_series())
    for name, run in known:
        taken = least_ms(lambda run=run: [run(x, y) for y in series])
        yield Row(task, ours, name, taken, note)
    if not known:
        yield Row(task, ours, note="no peer installed: pip install 'vipecli[bench]'")


def table(rows: list[Row]) -> None:
    """Print the rows with the ratio of the two times."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    shown = Table("task", "ours, ms", "MB", "peer", "peer, ms", "ratio", "note", title=machine())
    for row in rows:
        peer_ms = "" if row.peer_ms is None else f"{row.peer_ms:.3g}"
        ratio = "" if row.peer_ms is None else f"{row.peer_ms / row.ours_ms:.1f} x"
        ours = f"{row.ours_ms:.3g}", "" if row.peak_mb is None else f"{row.peak_mb:.0f}"
        shown.add_row(row.task, *ours, row.peer, peer_ms, ratio, escape(row.note))
    Console().print(shown)


def main() -> None:
    """Run all tasks, or those named."""
    tasks = {
        "start": footage.start,
        "distances": distances,
        "paths": paths,
        "search": search,
        "embed": lambda: itertools.chain(gym.gym(), footage.embed()),
        "align": footage.align,
        "growth": growth.rows,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="task", help=", ".join(tasks))
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--penn", type=Path, metavar="FILE", help="Penn Action, for the error of p")
    args = parser.parse_args()
    for name in set(args.tasks) - set(tasks):
        parser.error(f"no task {name}; there are {', '.join(tasks)}")
    rows = [row for name in args.tasks or tasks for row in tasks[name]()]
    if args.penn:
        rows += penn_accuracy(args.penn)
    if args.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}, indent=2))
    else:
        table(rows)


if __name__ == "__main__":
    main()
