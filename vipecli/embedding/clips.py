"""Several clips read in parallel threads."""

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TypeVar

from vipecli.embedding.clip import Recipe, read_clip

_Read = TypeVar("_Read")


class _StoppedError(Exception):
    """Raised in a thread whose result is no longer needed."""


def read_clips(
    paths: Sequence[Path],
    recipe: Recipe | Sequence[Recipe],
    tick: Callable[[int, int], object],
    *,
    read: Callable[[Path, Recipe, Callable[[int], object]], _Read] = read_clip,
) -> list[_Read]:
    """Poses and embeddings of a few clips, read side by side.

    In threads, since nearly all of the time goes into native code. The first clip that fails stops
    the others, and so does an interrupt.

    Parameters
    ----------
    paths
        videos, folders of frames or keypoint files.
    recipe
        person and models, one for all or one for each.
    tick
        called with the number of the clip, from 0, and the frames done since its last call.
    read
        `read_clip` or `candidates.read_people`; errors are those of the first clip that fails.
    """
    recipes = [recipe] * len(paths) if isinstance(recipe, Recipe) else recipe
    for one in recipes:
        one.load_model()  # once, before the threads ask for it
    stop = threading.Event()

    def advance(clip: int, steps: int) -> None:
        if stop.is_set():
            raise _StoppedError
        tick(clip, steps)

    with ThreadPoolExecutor(min(len(paths), max(2, os.cpu_count() or 2))) as pool:
        futures = [
            pool.submit(read, path, one, functools.partial(advance, clip))
            for clip, (path, one) in enumerate(zip(paths, recipes, strict=True))
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    failures = [exc for exc in (future.exception() for future in futures) if exc]
    for exc in sorted(failures, key=lambda exc: isinstance(exc, _StoppedError)):
        raise exc
    return [future.result() for future in futures]
