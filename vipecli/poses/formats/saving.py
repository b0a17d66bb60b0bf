"""Saving poses in any format that can be written."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.files import replacing, replacing_folder
from vipecli.poses.formats.npz import write_npz
from vipecli.poses.formats.registry import FORMATS, Format, format_of
from vipecli.poses.poses import Poses


def save_poses(
    poses: Poses | Sequence[Poses],
    path: str | os.PathLike,
    *,
    format: str | None = None,
) -> None:
    """Write poses to a file, which appears complete or not at all; same data, same bytes.

    Parameters
    ----------
    poses
        what to write: one person, or several of one clip.
    path
        the extension tells the format. An existing file is replaced, a folder only if empty.
    format
        a name in `FORMATS`; None = by the extension.

    Raises
    ------
    FormatError
        if the format is unknown or holds one person only.
    OSError
        if the file cannot be written.
    """
    path, people = Path(path), [poses] if isinstance(poses, Poses) else list(poses)
    name = format_of(path, format)
    chosen = FORMATS[name]
    if not people or (len(people) > 1 and not chosen.several):
        raise FormatError(f"{path}: the format {name} holds one person, not {len(people)}")
    if any(not np.array_equal(one.times, people[0].times) for one in people):
        raise FormatError(f"{path}: people of one file have the same frames")
    if not chosen.suffix:
        _write_folder(chosen, people, path)
        return
    with replacing(path) as part:
        if chosen.write is None:
            write_npz([(people[0], {})], part)
        else:
            chosen.write(people, part)


def _write_folder(chosen: Format, people: Sequence[Poses], path: Path) -> None:
    """Write a folder beside its place, and move it there when it is complete."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FormatError(f"{path}: exists and is not an empty folder; choose another name")
    with replacing_folder(path) as part:
        chosen.write(people, part)
