"""Lists beside the files of a folder: what is done, and what is given up.

The file of a clip is the mark that it is done. `DONE` has a line for each with size and time of the
clip and of its file, so that a run over millions of clips goes on without opening them. A missing
or damaged line costs time, not correctness: the clip is read and its key compared. `QUARANTINE`
lists the clips that ended their process or took too long, every time.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vipecli.embedding.remote import Clip, Remote, full_name, stamp_of_remote
from vipecli.files import is_sidecar, writable

DONE = ".done.jsonl"
QUARANTINE = "quarantine.jsonl"

_LONGEST = 1 << 16  # characters of a line
_TEXTS = "file", "made", "video", "stamp", "key", "detector", "model"


@dataclass(frozen=True, slots=True)
class Mark:
    """A clip whose file is there.

    Attributes
    ----------
    file, made
        path of the file below the folder, and its `stamp_of`.
    video, stamp
        absolute path or URL of the clip, and its `stamp_of`.
    key, detector, model
        what the poses were made of, a hash of how they were found, and the embedding model.
    """

    file: str
    made: str
    video: str
    stamp: str
    key: str
    detector: str
    model: str


def stamp_of(path: Clip) -> str:
    """Number, size and time of a file, or of the files in a folder; empty if it cannot be read."""
    if isinstance(path, Remote):
        return stamp_of_remote(path)
    try:
        files = [path]
        if path.is_dir():
            files = [one for one in path.iterdir() if one.is_file() and not is_sidecar(one.name)]
        stats = [file.stat() for file in files]
    except OSError:
        return ""
    newest = max((one.st_mtime_ns for one in stats), default=0)
    return f"{len(stats)} {sum(one.st_size for one in stats)} {newest}"


def size_in(stamp: str) -> str:
    """Bytes that a stamp names; empty if it names none."""
    parts = stamp.split()
    return parts[1] if len(parts) == 3 else ""


def load_marks(store: Path) -> dict[str, Mark]:
    """Marks of a folder by their file, the latest of each."""
    marks: dict[str, Mark] = {}
    for row in _rows(store / DONE):
        if all(isinstance(row.get(name), str) for name in _TEXTS):
            marks[row["file"]] = Mark(**{name: row[name] for name in _TEXTS})
    return marks


def load_quarantine(store: Path) -> dict[tuple[str, str], str]:
    """Why clips were given up, by absolute path or URL, and stamp."""
    return {
        (row["video"], row["stamp"]): row["message"]
        for row in _rows(store / QUARANTINE)
        if all(isinstance(row.get(name), str) for name in ("video", "stamp", "message"))
    }


def add_mark(store: Path, mark: Mark) -> None:
    """Append a mark to the list of its folder."""
    _append(store / DONE, asdict(mark))


def add_to_quarantine(store: Path, video: Clip, error: Exception) -> None:
    """List a clip as given up."""
    facts = {"video": full_name(video), "stamp": stamp_of(video), "message": str(error)}
    _append(store / QUARANTINE, {**facts, "error": type(error).__name__})


def _append(path: Path, row: dict[str, Any]) -> None:
    line = writable(json.dumps(row, ensure_ascii=False)) + "\n"
    with path.open("a+b") as file:  # in one write, after what a killed process left of a line
        torn = file.tell() > 0 and not _ends_a_line(file)
        file.write((b"\n" if torn else b"") + line.encode("utf-8"))


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a list that are whole."""
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            while line := file.readline(_LONGEST):
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(row, dict):
                    yield row
    except OSError:
        return
