"""Poses and embeddings of a clip in one `.npz`: what `vipe embed` writes."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.files import replacing
from vipecli.poses.formats.npz import SPECS, check_times, read_arrays, write_npz
from vipecli.poses.poses import Poses

_NAMES = ("mean", "std", "times", "model", "sigmoid")
_SPECS = SPECS | {
    "mean": ("f", ("T", "D")),
    "std": ("f", ("T", "D")),
    "model": ("U", ()),
    "sigmoid": ("f", (2,)),
}


def load_embeddings(path: str | os.PathLike) -> Embeddings:
    """Embeddings from an `.npz` that `save_clip` wrote.

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or holds no embeddings.
    """
    path = Path(path)
    found = read_arrays(path, _NAMES, specs=_SPECS)
    check_times(path, found["times"])
    return Embeddings(
        mean=found["mean"],
        std=found["std"],
        times=found["times"],
        model=str(found["model"]),
        sigmoid=(float(found["sigmoid"][0]), float(found["sigmoid"][1])),
    )


def read_key(path: str | os.PathLike) -> tuple[str, str]:
    """Key of an `.npz`, and the model of its embeddings (empty if it has none).

    Raises
    ------
    FormatError
        if it cannot be read, is damaged, or was saved without a key.
    """
    found = read_arrays(Path(path), ("key",), optional=("model",), specs=_SPECS)
    return str(found["key"]), str(found.get("model", ""))


def save_clip(
    blocks: Iterable[tuple[Poses, Embeddings]], path: str | os.PathLike, *, key: str | None = None
) -> None:
    """Write a clip's poses and embeddings; the file appears complete or not at all.

    Parameters
    ----------
    blocks
        consecutive parts of the clip, of which one is held in memory at a time.
    path
        of the `.npz`.
    key
        what the poses were made from, for `read_key`.

    Raises
    ------
    FormatError
        if poses and embeddings are not of the same frames.
    OSError
        if the file cannot be written.
    """
    path = Path(path)
    with replacing(path) as part:
        write_npz(_with_arrays(blocks, path), part, key=key, specs=_SPECS)


def _with_arrays(
    blocks: Iterable[tuple[Poses, Embeddings]], path: Path
) -> Iterator[tuple[Poses, dict[str, object]]]:
    for poses, embeddings in blocks:
        if not np.array_equal(embeddings.times, poses.times):
            raise FormatError(f"{path}: poses and embeddings are not of the same frames")
        yield poses, {name: getattr(embeddings, name) for name in _NAMES}
