"""Footage of gyms beside a bare loop: processor time, so that whatever else runs counts less."""

import itertools
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.footage import bare_loop, bare_mediapipe, vipe
from benchmarks.rows import Row
from examples.gym import SCENES, film_gym
from vipecli.poses.detect import detect_everyone

_SEED = 21  # not one of those that `benchmarks.poses` decides on
_SECONDS = 4.0
_TURNS = 3
_SHARED = Path(os.environ.get("VIPE_SHARED") or Path(__file__).parents[2] / "shared")
_FILMS = "squat_reps.mp4", "sports2d_walk.mp4"


def gym() -> Iterator[Row]:
    """Finding people in each scene of `examples.gym` and in real films, and `vipe embed` of all.

    The peer is MediaPipe's pose landmarker on every frame that OpenCV reads. The first rows leave
    imports out, the last one counts whole processes.
    """
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder) / f"{name}.mp4" for name in SCENES]
        for clip in clips:
            film_gym(clip.stem, clip, rng=np.random.default_rng(_SEED), seconds=_SECONDS)
        known = [_SHARED / "data/videos" / name for name in _FILMS]
        clips += [film for film in known if film.exists()]
        detect_everyone(clips[0], end_s=0.5)  # loads the libraries
        bare_mediapipe(clips[0])
        for clip in clips:
            yield _beside(
                f"people in {clip.stem}",
                lambda clip=clip: _spent(lambda: detect_everyone(clip)),
                lambda clip=clip: _spent(lambda: bare_mediapipe(clip)),
            )
        outs = (Path(folder) / str(turn) for turn in itertools.count())  # one's work is not redone
        yield _beside(
            f"vipe embed --jobs 1, these {len(clips)}",
            lambda: _spent_by_children(
                lambda: vipe("embed", *clips, "--jobs", 1, "--out", next(outs))
            ),
            lambda: _spent_by_children(lambda: bare_loop(clips)),
        )


def _spent(run: Callable[[], object]) -> float:
    """Processor time of this process, seconds."""
    before = time.process_time()
    run()
    return time.process_time() - before


def _spent_by_children(run: Callable[[], object]) -> float:
    """Processor time of the processes that are started and ended meanwhile, seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _beside(task: str, ours: Callable[[], float], peer: Callable[[], float]) -> Row:
    """Row of both by turns: the medians, and how many times the peer's time ours is."""
    turns = [(ours(), peer()) for _ in range(_TURNS)]
    ratios = sorted(mine / its for mine, its in turns)
    mine, its = (statistics.median(column) for column in zip(*turns, strict=True))
    note = f"processor time, times the peer's: {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    return Row(task, 1000 * mine, "bare MediaPipe", 1000 * its, note)
