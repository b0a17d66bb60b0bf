"""A simulated index of very many clips on disk: time, memory, and how often the nearest is found.

    python -m benchmarks.large PENN FOLDER [--clips N] [--queries 300] [--store both] [--check]

Clips of Penn Action's training split, cut, warped in time and jittered, 56 frames each. Queries are
clips of its test split as they are: nothing in the index was made of them. `--store mapped` is the
memory-mapped shortlist, `lance` a Lance dataset (extra `lance`), `both` the two beside each other.
With `--check` the nearest ten are compared with those of all clips: those whose lower bound of the
distance is larger are ruled out, of the others it is computed. `--add` adds clips to Lance while
another process asks.
"""

import argparse
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.__main__ import machine
from benchmarks.nearest import penn_clips
from vipecli.embedding.embed import Embeddings
from vipecli.index import shortlist
from vipecli.index.neighbours import NeighbourSearch

FRAMES = 56
TOP = 10
_BATCH = 5000


def variants(clips: list[Embeddings], count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches (B, FRAMES, 2, D) of cut, warped and jittered clips."""
    whole = np.concatenate([np.stack([c.mean, c.std], axis=1) for c in clips])
    whole = np.nan_to_num(whole, nan=0.1)
    lengths = np.array([len(c) for c in clips])
    firsts = np.cumsum(lengths) - lengths
    even = np.linspace(0, 1, FRAMES, dtype=np.float32)
    for start in range(0, count, _BATCH):
        b = min(_BATCH, count - start)
        which = rng.integers(len(clips), size=b)
        kept = rng.uniform(0.6, 1.0, b)
        begin = rng.uniform(0, 1 - kept)
        bend = rng.uniform(-0.12, 0.12, b)[:, None]
        place = begin[:, None] + kept[:, None] * (even + bend * np.sin(2 * np.pi * even))
        at = place.clip(0, 1) * (lengths[which] - 1)[:, None]
        low = np.minimum(at.astype(np.int64), (lengths[which] - 2)[:, None])
        share = (at - low).astype(np.float32)[:, :, None, None]
        index = firsts[which][:, None] + low
        out = whole[index]
        out += share * (whole[index + 1] - out)
        drift = rng.normal(0, 0.05, (b, 3, whole.shape[2])).astype(np.float32)
        waves = np.stack([np.ones(FRAMES), np.sin(6 * even), np.cos(9 * even)], axis=1)
        out[:, :, 0] += np.einsum("tw,bwd->btd", waves.astype(np.float32), drift)
        yield out


def as_clip(frames: np.ndarray, like: Embeddings) -> Embeddings:
    """Embeddings of one clip (T, 2, D) at 30 frames per second."""
    times = np.arange(len(frames)) / 30
    return Embeddings(frames[:, 0], frames[:, 1], times, like.model, like.sigmoid)


def nearest_of_all(
    index: shortlist.Shortlist, queries: list[Embeddings], found: np.ndarray, block: int = 20000
) -> np.ndarray:
    """Return the exact least distances (Q, K) of each query to all clips, from those found."""
    best = np.full(found.shape, np.inf)
    count = found.shape[1]
    for start in range(0, len(index), block):
        places = range(start, min(start + block, len(index)))
        frames = np.asarray(index.frames[start * FRAMES : places.stop * FRAMES])
        like = Embeddings(
            frames[:, 0], frames[:, 1], np.zeros(len(frames)), index.model, index.sigmoid
        )
        packed = NeighbourSearch.of_frames(FRAMES, 1 / 30, like)
        for q, query in enumerate(queries):
            limit = min(best[q, -1], found[q, -1] * (1 + 1e-6))
            _, near, _ = packed.nearest(query, count, limit=limit)
            best[q] = np.sort(np.concatenate([best[q], near]))[:count]
        print(json.dumps({"checked": places.stop}), file=sys.stderr, flush=True)
    return best


def recall(found: np.ndarray, best: np.ndarray) -> dict[str, float]:
    """Return how much of the exact nearest was found, and bounds from below, one-sided 95 %."""
    hits = found <= best[:, -1:] * (1 + 1e-5)
    first = found[:, 0] <= best[:, 0] * (1 + 1e-5)
    shares = hits.mean(axis=1)
    least = beta.ppf(0.05, first.sum(), len(first) - first.sum() + 1)
    error = shares.std(ddof=1) / np.sqrt(len(shares))
    return {
        "recall_at_1": round(float(first.mean()), 4),
        "recall_at_1_at_least": round(float(least), 4),
        "recall_at_10": round(float(shares.mean()), 4),
        "recall_at_10_at_least": round(float(shares.mean() - 1.645 * error), 4),
    }


def make_mapped(folder: Path, clips: list[Embeddings], count: int) -> shortlist.Shortlist:
    """Return the memory-mapped index, built unless it is there."""
    if not (folder / "facts.json").exists():
        like = as_clip(np.zeros((FRAMES, 2, clips[0].mean.shape[1]), np.float32), clips[0])
        size = {"clips": count, "frames": count * FRAMES}
        writer = shortlist.Writer(folder, like, **size)
        for batch in variants(clips, count, np.random.default_rng(0)):
            writer.add_many(batch, like.times)
        writer.close()
    return shortlist.Shortlist.open(folder)


def records(
    clips: list[Embeddings], labels: list[str], count: int, *, seed: int = 0, name: str = "clip"
) -> Iterator[Any]:
    """Yield clips as an index takes them, with joints of the size that they have."""
    from vipecli.index.records import Facts, Record
    from vipecli.poses.poses import Poses

    xy, score = np.ones((FRAMES, 13, 2), np.float32), np.ones((FRAMES, 13), np.float32)
    number = 0
    for batch in variants(clips, count, np.random.default_rng(seed)):
        for frames in batch:
            clip = as_clip(frames, clips[0])
            facts = Facts(
                f"{name}{number:08d}",
                labels[number % len(labels)],
                viewpoint=("front", "left", "right", "back")[number % 4],
                key=f"{number:064x}",
            )
            poses = Poses(xy, score, clip.times, (640, 480), "simulated", "none")
            yield Record(facts, poses, clip)
            number += 1


def make_lance(folder: Path, clips: list[Embeddings], labels: list[str], count: int) -> Any:
    """Return the index in Lance, built unless it is there."""
    from vipecli.index import lance_store, stores

    if not stores.exists(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lance_store.compact(
            stores.commit(stores.empty(folder, "lance"), records(clips, labels, count))
        )
    return stores.load(folder)


def asked(nearest: Callable[..., Any], queries: list[Embeddings]) -> tuple[dict[str, Any], Any]:
    """Return the times of queries, and the distances that they found, shape (Q, TOP)."""
    nearest(queries[0], TOP)
    wall, cpu, found = [], [], []
    for query in queries:
        begin = time.perf_counter(), time.process_time()
        found.append(nearest(query, TOP)[1])
        wall.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
    times = {
        "cpu_s": [round(float(np.median(cpu)), 3), round(max(cpu), 3)],
        "wall_s": [round(float(np.median(wall)), 3), round(max(wall), 3)],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    return times, np.array(found)


def size_gb(folder: Path) -> float:
    """Return the bytes of a folder."""
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e9, 2)


def added(index: Any, clips: list[Embeddings], labels: list[str], count: int) -> dict[str, Any]:
    """Return what it costs to add clips while a thread asks an older state, in Lance."""
    from vipecli.index import stores
    from vipecli.index.lance_search import LanceSearch

    asks: list[float] = []
    stop = threading.Event()

    def ask() -> None:
        reader = LanceSearch(index)
        while not stop.is_set():
            begin = time.perf_counter()
            reader.nearest(clips[len(asks) % len(clips)], TOP)
            asks.append(time.perf_counter() - begin)

    thread = threading.Thread(target=ask)
    thread.start()
    begin = time.perf_counter()
    after = stores.commit(index, records(clips, labels, count, seed=7, name="added"))
    spent = time.perf_counter() - begin
    stop.set()
    thread.join()
    return {
        "clips": len(after),
        "added": count,
        "add_wall_s": round(spent, 1),
        "reader": {
            "queries": len(asks),
            "wall_s": [round(float(np.median(asks)), 3), round(max(asks), 3)],
        },
    }


def _arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("penn", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="draws the queries")
    parser.add_argument("--store", choices=("mapped", "lance", "both"), default="mapped")
    parser.add_argument("--check", action="store_true", help="measure the recall, too")
    parser.add_argument("--add", type=int, default=0, help="add so many clips to Lance")
    return parser.parse_args()


def main() -> None:
    """Make the index unless it is there, ask, check, print JSON."""
    args = _arguments()
    known = [(clip, label) for _, label, clip in penn_clips(args.penn) if len(clip) > 2]
    clips, labels = [c for c, _ in known], sorted({label for _, label in known})
    strange = [c for _, _, c in penn_clips(args.penn, train=False) if len(c) > 2]
    drawn = np.random.default_rng(args.seed).permutation(len(strange))[: args.queries]
    queries = [strange[i] for i in drawn]
    NeighbourSearch([("", "", query) for query in queries]).distances(queries[0])  # compiled, too
    print(json.dumps({"machine": machine(), "queries": len(queries)}), flush=True)
    results: dict[str, np.ndarray] = {}
    mapped = None
    for store in ("lance", "mapped"):
        if args.store not in (store, "both") and not (store == "mapped" and args.check):
            continue
        begin = time.perf_counter(), time.process_time()
        folder = args.folder / store
        if store == "lance":
            from vipecli.index.lance_search import LanceSearch

            index = make_lance(folder, clips, labels, args.clips)
            search = LanceSearch(index)
        else:
            index = search = mapped = make_mapped(folder, clips, args.clips)
        row = {
            "store": store,
            "clips": len(index),
            "build_wall_s": round(time.perf_counter() - begin[0], 1),
            "build_cpu_s": round(time.process_time() - begin[1], 1),
            "gb": size_gb(folder),
        }
        times, results[store] = asked(search.nearest, queries)
        print(json.dumps(row | times), flush=True)
    if args.check and mapped is not None:
        least = np.min(np.stack(list(results.values())), axis=0)
        best = nearest_of_all(mapped, queries, least)
        for store, found in results.items():
            print(json.dumps({"store": store} | recall(found, best)), flush=True)
    if args.add:
        print(
            json.dumps(
                added(make_lance(args.folder / "lance", clips, labels, 0), clips, labels, args.add)
            )
        )


if __name__ == "__main__":
    main()
