"""Actors of Ray beside the local pool on this machine: pace, and memory of an actor.

    python -m benchmarks.engines FOLDER [--jobs 1] [--rounds 4] [--clips 250] [--films DIR]

Keypoint files, or the first films of a folder, are embedded in turns by both, with as many
processes; FOLDER receives the files.
The pace is that between the first clip that is done and the last. The last line has the memory of
an actor in the course of its clips.
"""

import argparse
import json
import os
import resource
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.__main__ import machine
from tests.bodies import seen, waving
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.embedding.clip_file import save_clip
from vipecli.engine import Executor, Local, Tick
from vipecli.engine.ray import Ray
from vipecli.poses.formats import save_poses


def embed_one(folder: Path, path: str, tick: Tick) -> tuple[int, float]:
    """Embed a clip; process, and its memory now in MB."""
    save_clip([read_clip(Path(path), Recipe())], folder / f"{os.getpid()}.npz", key="x")
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return os.getpid(), pages * resource.getpagesize() / 1e6


def make(folder: Path, count: int) -> list[str]:
    """Return keypoint files of 20 to 80 frames, made unless they are there."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    paths = [folder / f"{i:05d}.json" for i in range(count)]
    for path in paths:
        motion = waving(int(rng.integers(20, 80)))
        motion += rng.normal(0, 0.01, motion.shape)
        if not path.exists():
            save_poses([seen(motion)], path, format="coco")
    return [str(path) for path in paths]


def pace(
    executor: Executor, folder: Path, paths: list[str]
) -> tuple[float, list[tuple[int, float]]]:
    """Return clips per second after the first, and what the task returned for each."""
    results, begin = [], 0.0
    for outcome in executor.run(partial(embed_one, folder), paths):
        if outcome.error:
            raise outcome.error
        begin = begin or time.perf_counter()
        results.append(outcome.result)
    return (len(paths) - 1) / (time.perf_counter() - begin), results


def main() -> None:
    """Measure in turns, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--clips", type=int, default=250, help="of a round")
    parser.add_argument("--films", type=Path, help="folder of films, in place of keypoint files")
    args = parser.parse_args()
    if args.films:
        paths = [str(path) for path in sorted(args.films.rglob("*.mp4"))[: args.clips]]
    else:
        paths = make(args.folder, args.clips)
    os.environ["VIPE_CACHE"] = "off"  # of poses: each detects them again
    args.folder.mkdir(parents=True, exist_ok=True)
    print(json.dumps({"machine": machine(), "jobs": args.jobs}), flush=True)
    ratios = []
    for _ in range(args.rounds):
        local, _ = pace(Local(args.jobs, limit_s=600.0), args.folder, paths)
        ray, _ = pace(Ray(jobs=args.jobs), args.folder, paths)
        ratios.append(ray / local)
        row = {"local_per_s": round(local, 2), "ray_per_s": round(ray, 2)}
        print(json.dumps(row | {"ratio": round(ray / local, 3)}), flush=True)
    print(json.dumps({"median_ratio": round(float(np.median(ratios)), 3)}), flush=True)
    if args.films:
        return
    _, results = pace(Ray(jobs=1), args.folder, paths * 4)
    memory = [round(mb, 1) for _, mb in results]
    print(json.dumps({"actor_mb": memory[9 :: len(memory) // 10], "clips": len(memory)}))


if __name__ == "__main__":
    main()
