"""From a video to poses and embeddings: the first half of every command."""

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from vipecli.embed import Embeddings, Model, embed
from vipecli.errors import VideoError
from vipecli.poses import Poses, detect, fill_gaps
from vipecli.video import VideoInfo, probe


@dataclass(frozen=True)
class Recipe:
    """How a clip becomes embeddings.

    Attributes
    ----------
    person
        ``largest``, ``center`` or N, as in `poses.detect`.
    pose_model
        MediaPipe bundle; None = as in `landmarker.model_path`.
    weights
        embedding model; None = the one that comes with vipe.
    """

    person: str = "largest"
    pose_model: Path | None = None
    weights: Path | None = None

    def load_model(self) -> Model:
        """Embedding model, read once per process.

        Raises
        ------
        WeightsError
            if it cannot be read.
        """
        return _load_model(self.weights)


_load_model = functools.cache(Model.load)


def check_clip(path: Path) -> VideoInfo:
    """Look at a clip and refuse one that cannot be compared, before minutes go into it.

    Raises
    ------
    VideoError
        if it cannot be read, or holds a single frame.
    """
    info = probe(path)
    if info.frames == 1:
        raise _single_frame(path)
    return info


def read_clip(
    path: Path, recipe: Recipe, tick: Callable[[int], object] | None = None
) -> tuple[Poses, Embeddings]:
    """Poses of the person in a clip, with short gaps filled, and their embeddings.

    Parameters
    ----------
    path
        video, or folder of frames.
    recipe
        person and models.
    tick
        called with the number of frames done since its last call.

    Raises
    ------
    NoPoseError
        if nobody is found.
    VideoError
        if the video cannot be read, or holds a single frame.
    WeightsError
        if a model cannot be read.
    """
    model = recipe.load_model()
    poses = detect(
        path,
        person=recipe.person,
        model=recipe.pose_model,
        progress=(lambda done: tick(1)) if tick else None,
    )
    if len(poses) < 2:
        raise _single_frame(path)
    poses = fill_gaps(poses)
    return poses, embed(poses, model)


class _StoppedError(Exception):
    """Raised in a thread whose result nobody wants any more."""


def read_clips(
    paths: Sequence[Path], recipe: Recipe, tick: Callable[[int, int], object]
) -> list[tuple[Poses, Embeddings]]:
    """Poses and embeddings of a few clips, read side by side.

    Threads suffice: nearly all of the time goes into native code. The first clip that fails
    stops the others, and so does an interrupt.

    Parameters
    ----------
    paths
        videos, or folders of frames.
    recipe
        person and models.
    tick
        called with the number of the clip, from 0, and the frames done since its last call.

    Raises
    ------
    VipeError
        as `read_clip`, for the first clip that fails.
    """
    recipe.load_model()  # once, before the threads ask for it
    stop = threading.Event()

    def advance(clip: int, steps: int) -> None:
        if stop.is_set():
            raise _StoppedError
        tick(clip, steps)

    with ThreadPoolExecutor(len(paths)) as pool:
        futures = [
            pool.submit(read_clip, path, recipe, functools.partial(advance, clip))
            for clip, path in enumerate(paths)
        ]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
    failures = [exc for exc in (future.exception() for future in futures) if exc]
    for exc in sorted(failures, key=lambda exc: isinstance(exc, _StoppedError)):
        raise exc
    return [future.result() for future in futures]


def _single_frame(path: Path) -> VideoError:
    return VideoError(f"{path}: holds a single frame; a movement needs at least two")
