"""Clips named by a list or a pattern, with the files that belong to them."""

import csv
import glob
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vipecli.embedding.embedded_folder import Slot, default_store
from vipecli.embedding.remote import (
    Clip,
    Remote,
    below,
    clip_of,
    is_prefix,
    is_remote_pattern,
    remote_matches,
    with_stamps,
)
from vipecli.errors import FormatError, VideoError
from vipecli.files import is_sidecar, read_regular
from vipecli.urls import is_url, without_secrets

COLUMN = "path"

_MOST_BYTES = 1 << 31  # of a list: 20 million paths
_BATCH = 10_000  # rows that are read at a time


def is_pattern(path: Clip) -> bool:
    """Return whether a path is a pattern such as ``films/**/*.mp4``, and no file."""
    if isinstance(path, Remote):
        return is_remote_pattern(path)
    return glob.has_magic(str(path)) and not path.exists()


def matches(pattern: Clip) -> Sequence[Clip]:
    """Return the clips that a pattern matches, sorted; ``**`` stands for any folders.

    Raises
    ------
    VideoError
        if there are none.
    """
    found = remote_matches(pattern) if isinstance(pattern, Remote) else _matches_here(pattern)
    if not found:
        raise VideoError(f"{pattern}: matches no file")
    return found


def remote_clips(source: Remote) -> Sequence[Clip]:
    """Return the objects that a URL names: one, those that match a pattern, or those below it.

    Raises
    ------
    VideoError
        if there are none.
    VipeError
        if the store cannot be asked.
    """
    if is_pattern(source):
        return matches(source)
    return below(source) if is_prefix(source) else [source]


def _matches_here(pattern: Path) -> list[Path]:
    found = sorted(Path(one) for one in glob.glob(str(pattern), recursive=True))
    return [path for path in found if path.is_file() and not is_sidecar(path.name)]


def read_list(path: Path) -> list[Clip]:
    """Return the clips of a list: a path per line, or the column `COLUMN` of a .csv or .parquet.

    Relative paths are relative to the folder of the list; URLs are those of `remote.clip_of`.

    Raises
    ------
    FormatError
        if the list cannot be read, or names no clip.
    VideoError
        if it is a URL, or names one that is not read.
    """
    if is_url(path):
        raise VideoError(f"{without_secrets(path)}: lists are read here; download it first")
    kind = path.suffix.lower()
    rows = _parquet(path) if kind == ".parquet" else _lines(path, table=kind == ".csv")
    found = [text for text in map(str.strip, rows) if text and not text.startswith("#")]
    if not found:
        raise FormatError(f"{path}: names no clip")
    try:
        if any("\0" in text for text in found):
            raise VideoError("holds a NUL character; save the list as text")
        return with_stamps([clip_of(text, path.parent) for text in found])
    except VideoError as exc:
        raise VideoError(f"{path}: {exc}") from exc


def _lines(path: Path, *, table: bool) -> Iterator[str]:
    try:
        text = read_regular(path, most=_MOST_BYTES).decode("utf-8-sig")
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except UnicodeDecodeError as exc:
        raise FormatError(f"{path}: is not UTF-8 ({exc})") from exc
    if not table:
        yield from text.splitlines()
        return
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if COLUMN not in (rows.fieldnames or ()):
            raise FormatError(f"{path}: the first line has to name the column {COLUMN}")
        yield from (row[COLUMN] or "" for row in rows)
    except csv.Error as exc:
        raise FormatError(f"{path}: {exc}") from exc


def _parquet(path: Path) -> Iterator[str]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            if COLUMN not in file.schema_arrow.names:
                raise FormatError(f"{path}: has no column {COLUMN}")
            for batch in file.iter_batches(_BATCH, columns=[COLUMN], use_threads=False):
                yield from (str(text or "") for text in batch.column(0).to_pylist())
    except (pyarrow.ArrowException, OSError) as exc:
        raise FormatError(f"{path}: cannot be read ({str(exc).splitlines()[0]})") from exc


def listed_slots(clips: Sequence[Clip], out: Path | None = None) -> list[Slot]:
    """Return the files that belong to clips, named below the folder that holds them all.

    Parameters
    ----------
    clips
        files, folders of frames or objects, which may be missing; one that is named twice counts
        once. The names of objects are relative to the prefix that holds all objects.
    out
        folder for the files; None = the folder `STORE` where the clips are.

    Raises
    ------
    VideoError
        if two stores have objects of the same bucket and key.
    VipeError
        if a clip is remote and `out` is None.
    """
    remote = [clip for clip in clips if isinstance(clip, Remote)]
    here = {os.path.abspath(clip): clip for clip in clips if not isinstance(clip, Remote)}
    there = {one.key: one for one in remote}
    if remote and out is None:
        default_store(remote[0])
    for one in remote:
        if one != there[one.key]:
            raise VideoError(f"{one}: the same key in two stores; embed them into two folders")
    return [*_below_common(here, out), *_below_common(there, out)]


def _below_common(clips: Mapping[str, Clip], out: Path | None) -> list[Slot]:
    """Slots of clips by their paths or keys, named below the folder that holds them all."""
    if not clips:
        return []
    root = Path(os.path.commonpath([os.path.dirname(path) for path in clips]))
    store = default_store(root) if out is None else out
    return [Slot(c, store, Path(path).relative_to(root).as_posix()) for path, c in clips.items()]
