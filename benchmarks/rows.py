"""What a benchmark gives, and how times are taken."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vipecli.embedding.embed import Embeddings


@dataclass(frozen=True)
class Row:
    """One task: our time and a peer's, in milliseconds; `note` tells what else counts."""

    task: str
    ours_ms: float
    peer: str = ""
    peer_ms: float | None = None
    note: str = ""
    peak_mb: float | None = None


def embeddings(t: int, seed: int, *, dims: int = 16) -> Embeddings:
    """Smooth random embeddings, two seeds as far apart as two poses are."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.3, 4, (2, dims))
    at = np.arange(t) / 30
    mean = 0.8 * np.sin(at[:, None] * speeds + phases) + rng.normal(size=(t, dims)) * 0.1
    std = np.exp(np.sin(at[:, None] + phases) - 1.3).clip(0.1, 1)
    return Embeddings(mean.astype(np.float32), std.astype(np.float32), at, "bench:0", (1.5, 4.0))


def least_ms(run: Callable[[], object], *, seconds: float = 1.0) -> float:
    """Least time of warm calls over about `seconds`, at least three: what others leave of it."""
    run()
    taken = []
    start = time.perf_counter()
    while len(taken) < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return 1000 * min(taken)


def side_by_side(
    ours: Callable[[], object], peer: Callable[[], object], *, seconds: float = 2.0
) -> tuple[float, float]:
    """Least times of warm calls that take turns, milliseconds; at least three of each."""
    ours(), peer()
    taken: tuple[list[float], list[float]] = ([], [])
    start = time.perf_counter()
    while len(taken[0]) < 3 or time.perf_counter() - start < seconds:
        for run, times in zip((ours, peer), taken, strict=True):
            begin = time.perf_counter()
            run()
            times.append(time.perf_counter() - begin)
    return 1000 * min(taken[0]), 1000 * min(taken[1])


def machine() -> str:
    """Name what the figures were measured on."""
    import numba

    threads = numba.get_num_threads()
    system = f"{platform.machine()}, {os.cpu_count()} cores, {threads} numba threads"
    return f"{system}, Python {platform.python_version()}, numba {numba.__version__}"
