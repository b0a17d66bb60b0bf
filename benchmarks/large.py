"""A simulated index of very many clips on disk: time, memory, and how often the nearest is found.

    python -m benchmarks.large PENN FOLDER [--clips 1000000] [--queries 20] [--check] [--seed 1]

Clips of Penn Action, cut, warped in time and jittered, 56 frames each; the queries likewise, drawn
anew. The nearest clip found through the shortlist is checked against all clips: those whose lower
bound of the distance is larger are ruled out, of the others it is computed.
"""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import beta

from benchmarks.__main__ import machine
from benchmarks.nearest import penn_clips
from vipecli.embedding.embed import Embeddings
from vipecli.index import shortlist
from vipecli.index.neighbours import NeighbourSearch

FRAMES = 56
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
        drift = rng.normal(0, 0.05, (b, 3, 16)).astype(np.float32)
        waves = np.stack([np.ones(FRAMES), np.sin(6 * even), np.cos(9 * even)], axis=1)
        out[:, :, 0] += np.einsum("tw,bwd->btd", waves.astype(np.float32), drift)
        yield out


def as_clip(frames: np.ndarray, like: Embeddings) -> Embeddings:
    """Embeddings of one clip (T, 2, D) at 30 frames per second."""
    times = np.arange(len(frames)) / 30
    return Embeddings(frames[:, 0], frames[:, 1], times, like.model, like.sigmoid)


def nearest_of_all(
    index: shortlist.Shortlist, queries: list[Embeddings], limits: np.ndarray, block: int = 20000
) -> np.ndarray:
    """Exact least distance of each query to all clips, none above its limit being computed."""
    best = limits.copy()
    for start in range(0, len(index), block):
        places = range(start, min(start + block, len(index)))
        frames = np.asarray(index.frames[start * FRAMES : places.stop * FRAMES])
        packed = NeighbourSearch.of_frames(
            FRAMES,
            1 / 30,
            Embeddings(
                frames[:, 0], frames[:, 1], np.zeros(len(frames)), index.model, index.sigmoid
            ),
        )
        for q, query in enumerate(queries):
            _, found, _ = packed.nearest(query, 1, limit=best[q])
            best[q] = min(best[q], found.min(initial=np.inf))
    return best


def main() -> None:
    """Make the index unless it is there, ask, check, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("penn", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="draws the queries")
    parser.add_argument("--check", action="store_true", help="measure the recall, too (minutes)")
    args = parser.parse_args()
    clips = [clip for _, _, clip in penn_clips(args.penn) if len(clip) > 2]
    query_frames = next(variants(clips, args.queries, np.random.default_rng(args.seed)))
    queries = [as_clip(one, clips[0]) for one in query_frames]
    if not (args.folder / "facts.json").exists():
        size = {"clips": args.clips, "frames": args.clips * FRAMES}
        writer = shortlist.Writer(args.folder, queries[0], **size)
        for batch in variants(clips, args.clips, np.random.default_rng(0)):
            writer.add_many(batch, queries[0].times)
        writer.close()
    index = shortlist.Shortlist.open(args.folder)
    index.nearest(queries[0], 1)
    NeighbourSearch([("", "", query) for query in queries]).distances(queries[0])  # compiled, too
    wall, cpu, found = [], [], []
    for query in queries:
        begin = time.perf_counter(), time.process_time()
        found.append(index.nearest(query, 5)[1][0])
        wall.append(time.perf_counter() - begin[0])
        cpu.append(time.process_time() - begin[1])
    result = {
        "machine": machine(),
        "clips": len(index),
        "frames_gb": round(index.frames.nbytes / 1e9, 2),
        "queries": len(queries),
        "cpu_s": [round(float(np.median(cpu)), 3), round(max(cpu), 3)],
        "wall_s": [round(float(np.median(wall)), 3), round(max(wall), 3)],
        "peak_memory_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    }
    print(json.dumps(result, indent=2), flush=True)
    if args.check:
        best = nearest_of_all(index, queries, np.array(found))
        hits = np.isclose(best, found, rtol=1e-5)
        least = beta.ppf(0.05, hits.sum(), len(hits) - hits.sum() + 1)
        recall = {"recall_of_the_nearest": float(hits.mean()), "at_least_with_95_percent": least}
        print(json.dumps({"found": int(hits.sum()), "of": len(hits)} | recall))


if __name__ == "__main__":
    main()
