"""A simulated index of very many clips on disk: time, memory, and how often the nearest is found.

    python -m benchmarks.large PENN FOLDER [--clips N] [--queries 300] [--store both]
        [--check M [--among K]]

Clips of Penn Action's training split, cut, warped in time and jittered, 56 frames each. Queries are
clips of its test split as they are: nothing in the index was made of them. `--store mapped` is the
memory-mapped shortlist, `lance` a Lance dataset (extra `lance`), `both` the two beside each other;
each is asked for all clips, for those of one label and for those of one viewpoint. With `--check`
the nearest ten of the first M queries are compared with those of all clips: those whose lower bound
of the distance is larger are ruled out, of the others it is computed. With `--among` only the K
clips whose vectors are nearest are checked, and about as many of the others, drawn at random: how
many of those are nearer than the tenth that was found tells what lies beyond. `--add` adds a tenth
of so many clips to Lance, and then so many, while another process asks.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.__main__ import machine
from benchmarks.nearest import penn_clips
from benchmarks.simulated import FRAMES, VIEWPOINTS, make_lance, make_mapped, records
from vipecli.embedding.embed import Embeddings
from vipecli.index import shortlist
from vipecli.index.calibration import calibrate_by_sample
from vipecli.index.neighbours import NeighbourSearch

TOP = 10
FILTERS = "none", "label", "viewpoint"
_BLOCK = 20_000  # clips that are checked at a time
_CHECKED = 100  # queries that are checked at a time
_COUNTS = 1000, 2000, 3000, 5000, 10_000  # candidates, for whose number the recall is told
_FILTERED = 60  # queries for the clips of one label, or one viewpoint
_VOTES = 10  # neighbours that vote, for the calibration

Nearest = Callable[[Embeddings], Any]
Results = dict[tuple[str, str], np.ndarray]
"""Distances (Q, TOP) by store and filter."""


def wanted(count: int, labels: int, name: str) -> np.ndarray:
    """Return the places of the clips of a filter: of the first label, or the first viewpoint."""
    return np.arange(0, count, {"none": 1, "label": labels, "viewpoint": len(VIEWPOINTS)}[name])


def nearest_of(
    index: shortlist.Shortlist,
    places: np.ndarray,
    queries: list[Embeddings],
    found: np.ndarray,
    among: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the exact least distances (Q, K) of each query to some clips, from those found.

    And their places. `among`: check only so many clips, with the nearest vectors, and as many of
    the others; 0 = all.
    """
    best, of = np.full(found.shape, np.inf), np.full(found.shape, -1)
    count = found.shape[1]
    frames = index.frames.reshape(-1, FRAMES, *index.frames.shape[1:])
    rows = index.pooled[places].astype(np.float32)
    apart = index.squares[places, None] - 2 * rows @ shortlist.pooled_many(queries).T
    ranks = np.empty(apart.shape, np.int32)
    for q in range(len(queries)):
        ranks[np.argsort(apart[:, q]), q] = np.arange(len(places))
    share = among / max(len(places) - among, 1) if among else 1
    rng = np.random.default_rng(0)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        here = frames[places[block]].reshape(-1, *index.frames.shape[1:])
        times = np.zeros(len(here))
        like = Embeddings(here[:, 0], here[:, 1], times, index.model, index.sigmoid)
        packed = NeighbourSearch.of_frames(FRAMES, 1 / 30, like)
        out = (ranks[block] >= among) & (rng.random(ranks[block].shape) >= share)
        for q, query in enumerate(queries):
            limit = min(best[q, -1], found[q, -1] * (1 + 1e-6))
            near, distances, _ = packed.nearest(query, count, limit=limit, leave_out=out[:, q])
            known, known_of = np.append(best[q], distances), np.append(of[q], places[block][near])
            order = np.argsort(known, kind="stable")[:count]
            best[q], of[q] = known[order], known_of[order]
        print(json.dumps({"checked": start + len(packed)}), file=sys.stderr, flush=True)
    return best, of


def held(
    index: shortlist.Shortlist, places: np.ndarray, queries: list[Embeddings], of: np.ndarray
) -> dict[int, list[bool]]:
    """Return for some numbers of candidates whether they hold each of the nearest."""
    out = np.ones(len(index), bool)
    out[places] = False
    return {
        n: [
            bool(one)
            for query, nearest in zip(queries, of, strict=True)
            for one in np.isin(nearest, index.candidates(query, n, leave_out=out))
        ]
        for n in _COUNTS
    }


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


def begin() -> tuple[float, float]:
    """Return the time now: of the clock, and of the processor."""
    return time.perf_counter(), time.process_time()


def spent(name: str, since: tuple[float, float]) -> dict[str, float]:
    """Return the time since then, seconds."""
    wall, cpu = (now - then for now, then in zip(begin(), since, strict=True))
    return {f"{name}_wall_s": round(wall, 1), f"{name}_cpu_s": round(cpu, 1)}


def forget_peak() -> None:
    """Let the peak of memory start from here, on Linux."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def peak_gb() -> float:
    """Return the peak of memory since `forget_peak`."""
    status = Path("/proc/self/status")
    if not status.exists():
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
    line = next(one for one in status.read_text().splitlines() if one.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1e6, 2)


def asked(nearest: Nearest, queries: list[Embeddings]) -> tuple[dict[str, Any], np.ndarray]:
    """Return the times of queries, and the distances that they found, shape (Q, TOP)."""
    nearest(queries[0])
    forget_peak()
    wall, cpu, found = [], [], []
    for query in queries:
        since = begin()
        distances = np.asarray(nearest(query)[1])
        now = begin()
        found.append(np.pad(distances, (0, TOP - len(distances)), constant_values=np.inf))
        wall.append(now[0] - since[0])
        cpu.append(now[1] - since[1])
    times = {
        "cpu_s": [round(float(np.median(cpu)), 3), round(max(cpu), 3)],
        "wall_s": [round(float(np.median(wall)), 3), round(max(wall), 3)],
        "peak_memory_gb": peak_gb(),
    }
    return times, np.array(found)


def size_gb(folder: Path) -> float:
    """Return the bytes of a folder."""
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e9, 2)


def searches(index: Any, labels: list[str], filters: Sequence[str]) -> dict[str, Nearest]:
    """Return the search of a store for each filter."""
    if isinstance(index, shortlist.Shortlist):

        def mapped(name: str) -> Nearest:
            out = np.ones(len(index), bool)
            out[wanted(len(index), len(labels), name)] = False
            return lambda query: index.nearest(query, TOP, leave_out=out if out.any() else None)

        return {name: mapped(name) for name in filters}
    from vipecli.index.lance_search import LanceSearch, condition

    where = {"none": "", "label": condition(labels[:1], [])}
    where["viewpoint"] = condition([], VIEWPOINTS[:1])

    def lance(name: str) -> Nearest:
        search = LanceSearch(index, where[name])
        return lambda query: search.nearest(query, TOP)

    return {name: lance(name) for name in filters}


def first_use(index: Any, labels: list[str]) -> dict[str, float]:
    """Return what the first `classify` costs more than others: the calibration."""
    since = begin()
    if isinstance(index, shortlist.Shortlist):
        codes = np.arange(len(index)) % len(labels)
        there = np.ones(len(index), bool)
        calibrate_by_sample(
            lambda places: [index.clip(place) for place in places],
            index.pooled,
            codes,
            there,
            _VOTES,
        )
    else:
        from vipecli.index.lance_opened import CALIBRATION, open_lance

        (index.store / CALIBRATION).unlink(missing_ok=True)
        open_lance(index, k=_VOTES)
    return spent("first_use", since)


def read_on(folder: Path, queries: list[Embeddings], stop: Any, pipe: Any) -> None:
    """Ask an index in Lance as it is now until told to stop, and send how long each query took."""
    from vipecli.index import stores
    from vipecli.index.lance_search import LanceSearch

    search, taken = LanceSearch(stores.load(folder)), []
    while not (stop.is_set() and taken):
        since = time.perf_counter()
        search.nearest(queries[len(taken) % len(queries)], TOP)
        taken.append(time.perf_counter() - since)
        if len(taken) == 1:
            pipe.send("ready")
    pipe.send(taken)


def added(
    folder: Path, clips: list[Embeddings], labels: list[str], count: int, name: str
) -> dict[str, Any]:
    """Return what it costs to add clips to Lance while another process asks an older state."""
    from vipecli.index import stores

    context = multiprocessing.get_context("spawn")
    stop, (mine, theirs) = context.Event(), context.Pipe()
    reader = context.Process(target=read_on, args=(folder, clips[:50], stop, theirs))
    reader.start()
    mine.recv()
    since = begin()
    after = stores.commit(stores.load(folder), records(clips, labels, count, seed=count, name=name))
    row = spent("add", since)
    stop.set()
    asks = mine.recv()
    reader.join()
    times = [round(float(np.median(asks)), 3), round(max(asks), 3)]
    return {"added": count, "clips": len(after), **row, "reader": len(asks), "reader_wall_s": times}


def _arguments() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("penn", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="draws the queries")
    parser.add_argument("--filters", nargs="*", choices=FILTERS, default=FILTERS)
    parser.add_argument("--store", choices=("mapped", "lance", "both"), default="mapped")
    parser.add_argument("--check", type=int, default=0, help="measure the recall of so many, too")
    parser.add_argument("--among", type=int, default=0, help="clips checked per query; 0 = all")
    parser.add_argument("--add", type=int, default=0, help="add so many clips to Lance")
    parser.add_argument("--build", action="store_true", help="only make the index")
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
    results: Results = {}
    mapped: shortlist.Shortlist | None = None
    for store in ("lance", "mapped"):
        asked_for = args.store in (store, "both")
        if not asked_for and not (store == "mapped" and args.check):
            continue
        since = begin()
        folder = args.folder / store
        if store == "lance":
            index = make_lance(folder, clips, labels, args.clips)
        else:
            index = mapped = make_mapped(folder, clips, args.clips)
        row = {"store": store, "clips": len(index), **spent("build", since), "gb": size_gb(folder)}
        print(json.dumps(row), flush=True)
        if args.build or not asked_for:
            continue
        print(json.dumps({"store": store, **first_use(index, labels)}), flush=True)
        for name, nearest in searches(index, labels, args.filters).items():
            some = queries if name == "none" else queries[:_FILTERED]
            times, results[store, name] = asked(nearest, some)
            row = {"store": store, "filter": name, "queries": len(some), **times}
            print(json.dumps(row), flush=True)
    if mapped is not None and results and args.check:
        check(mapped, len(labels), queries[: args.check], results, args.among)
    if args.add:
        for count, name in ((args.add // 10, "few"), (args.add, "many")):
            print(json.dumps(added(args.folder / "lance", clips, labels, count, name)), flush=True)


def check(
    mapped: shortlist.Shortlist,
    labels: int,
    queries: list[Embeddings],
    results: Results,
    among: int,
) -> None:
    """Print the recall of every store and filter after so many queries, and how deep lies what."""
    for name in dict.fromkeys(name for _, name in results):
        found = {store: x[: len(queries)] for (store, of), x in results.items() if of == name}
        places, least = wanted(len(mapped), labels, name), np.min(list(found.values()), axis=0)
        best = np.zeros((0, TOP))
        there: dict[int, list[bool]] = {}
        for start in range(0, len(least), _CHECKED):
            some = slice(start, start + _CHECKED)
            asked, limits = queries[some][: len(least) - start], least[some]
            here, of = nearest_of(mapped, places, asked, limits, among)
            best = np.concatenate([best, here])
            for n, more in held(mapped, places, asked, of).items():
                there[n] = there.get(n, []) + more
            for store, distances in found.items():
                row = {"store": store, "filter": name, "clips": len(places), "checked": len(best)}
                print(json.dumps(row | recall(distances[: len(best)], best)), flush=True)
            shares = {n: np.reshape(x, (-1, TOP)) for n, x in there.items()}
            row = {n: [round(x[:, 0].mean(), 4), round(x.mean(), 4)] for n, x in shares.items()}
            print(json.dumps({"held_at_1_and_10_by": row, "among": among}), flush=True)
        if len(found) == 2:
            same = np.isclose(*found.values(), rtol=1e-5, atol=0).all(axis=1).mean()
            print(json.dumps({"filter": name, "stores_agree": round(float(same), 4)}), flush=True)


if __name__ == "__main__":
    main()
