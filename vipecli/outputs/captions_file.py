"""Reading labelled stretches: what `captions` writes, and tables and subtitles like it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vipecli.errors import FormatError
from vipecli.index.timeline import Stretch
from vipecli.outputs.captions import NONE
from vipecli.outputs.text import one_line
from vipecli.poses.formats.text import read_text, rows_of

_MOST_BYTES = 16 << 20
_MOST_STRETCHES = 100_000
_LONGEST_LABEL = 200  # characters
_LONGEST_S = 1e7  # seconds, four months
_TIMES = re.compile(
    r"^\s*((?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3})\s+-->\s+((?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3})"
)
_CONFIDENCE = re.compile(r"\s*\((\d{1,3})%\)$")
_MARKUP = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def load_stretches(path: Path) -> list[Stretch]:
    """Labelled stretches of a clip from a ``.json``, ``.csv``, ``.srt`` or ``.vtt``.

    Tables have the columns start_s, end_s and label, and may have confidence; the lines of
    subtitles are labels. "none of these", and no label, become None.

    Raises
    ------
    FormatError
        if the file cannot be read, is too large, or holds what is no stretch.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise FormatError(f"{path}: timelines are read as {', '.join(sorted(_READERS))}")
    try:
        text = read_text(path, at_most=_MOST_BYTES)
        found = []
        for number, row in enumerate(reader(text), start=1):
            if number > _MOST_STRETCHES:
                raise FormatError(f"{path}: more than {_MOST_STRETCHES:,} stretches")
            found.append(_stretch(path, number, row))
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror})") from exc
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise FormatError(f"{path}: holds no timeline ({str(exc)[:100]})") from exc
    if not found:
        raise FormatError(f"{path}: holds no labelled stretch")
    return found


def _stretch(path: Path, number: int, row: Mapping[str, Any]) -> Stretch:
    """One row, checked."""
    try:
        start, end = float(row["start_s"]), float(row["end_s"])
        sure = row.get("confidence")
        known = sure not in (None, "")
        confidence = float(sure) if known else 0.0
    except (KeyError, TypeError, ValueError, OverflowError):
        start = end = confidence = math.nan
        known = False
    if not (0 <= start < end <= _LONGEST_S and 0 <= confidence <= 1):
        raise FormatError(f"{path}: stretch {number} has no start_s below its end_s, in seconds")
    label = one_line(str(row.get("label") or ""))[:_LONGEST_LABEL].removeprefix("'")
    confidence = confidence if known else math.nan
    return Stretch(start, end, None if label in ("", NONE) else label, confidence)


def _json(text: str) -> Iterator[Mapping[str, Any]]:
    data = json.loads(text)
    rows = data.get("timeline") if isinstance(data, dict) else data
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("neither a list of stretches nor a result with a timeline")
    yield from rows


def _csv(text: str) -> Iterator[Mapping[str, Any]]:
    rows = rows_of(text)
    head = [cell.strip() for cell in next(rows, [])]
    if not {"start_s", "end_s", "label"} <= set(head):
        raise ValueError("its first line does not name start_s, end_s and label")
    for row in rows:
        if row:
            yield dict(zip(head, row, strict=False))


def _subtitles(text: str) -> Iterator[Mapping[str, Any]]:
    lines = iter(text.splitlines())
    for line in lines:
        if times := _TIMES.match(line):
            words = []
            while (word := next(lines, "")).strip():
                words.append(word)
            label = " ".join(words)
            for mark, char in _MARKUP.items():
                label = label.replace(mark, char)
            sure = _CONFIDENCE.search(label)
            yield {
                "start_s": _seconds(times[1]),
                "end_s": _seconds(times[2]),
                "label": _CONFIDENCE.sub("", label),
                "confidence": int(sure[1]) / 100 if sure else None,
            }


def _seconds(clock: str) -> float:
    parts = clock.replace(",", ".").split(":")
    return sum(float(part) * 60**i for i, part in enumerate(reversed(parts)))


_READERS = {".csv": _csv, ".json": _json, ".srt": _subtitles, ".vtt": _subtitles}
