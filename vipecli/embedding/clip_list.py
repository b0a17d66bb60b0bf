"""Clips named by a list or a pattern, with the files that belong to them."""

import csv
import glob
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vipecli.embedding.embedded_folder import STORE, Slot
from vipecli.errors import FormatError, VideoError
from vipecli.files import is_sidecar, read_regular

COLUMN = "path"

_MOST_BYTES = 1 << 31  # of a list: 20 million paths
_BATCH = 10_000  # rows that are read at a time


def is_pattern(path: Path) -> bool:
    """Return whether a path is a pattern such as ``films/**/*.mp4``, and no file."""
    return glob.has_magic(str(path)) and not path.exists()


def matches(pattern: Path) -> list[Path]:
    """Return the clips that a pattern matches, sorted; ``**`` stands for any folders.

    Raises
    ------
    VideoError
        if there are none.
    """
    found = sorted(Path(one) for one in glob.glob(str(pattern), recursive=True))
    found = [path for path in found if path.is_file() and not is_sidecar(path.name)]
    if not found:
        raise VideoError(f"{pattern}: matches no file")
    return found


def read_list(path: Path) -> list[Path]:
    """Return the clips of a list: a path per line, or the column `COLUMN` of a .csv or .parquet.

    Relative paths are relative to the folder of the list.

    Raises
    ------
    FormatError
        if the list cannot be read, or names no clip.
    VideoError
        if it names a URL.
    """
    kind = path.suffix.lower()
    rows = _parquet(path) if kind == ".parquet" else _lines(path, table=kind == ".csv")
    found = [text for text in map(str.strip, rows) if text and not text.startswith("#")]
    if not found:
        raise FormatError(f"{path}: names no clip")
    for text in found:
        if "\0" in text or "://" in text:
            raise VideoError(f"{path}: {text[:200]!r} is not a path of this file system")
    return [path.parent / text for text in found]


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


def listed_slots(clips: Sequence[Path], out: Path | None = None) -> list[Slot]:
    """Return the files that belong to clips, named below the folder that holds them all.

    Parameters
    ----------
    clips
        files or folders of frames, which may be missing; one that is named twice counts once.
    out
        folder for the files; None = the folder `STORE` where the clips are.
    """
    absolute = {os.path.abspath(path): path for path in clips}
    root = Path(os.path.commonpath([os.path.dirname(path) for path in absolute]))
    store = root / STORE if out is None else out
    return [Slot(p, store, Path(a).relative_to(root).as_posix()) for a, p in absolute.items()]
