"""Stretches of a clip as a table or as subtitles, by the extension of the file."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path

from vipecli.errors import VipeError
from vipecli.files import replacing, writable
from vipecli.index.timeline import Stretch
from vipecli.outputs.text import cue, table_cell

NONE = "none of these"


def check_captions(path: Path) -> None:
    """Refuse an extension that is not known.

    Raises
    ------
    VipeError
        with those that are.
    """
    if path.suffix.lower() not in _WRITERS:
        raise VipeError(f"{path}: timelines are written as {', '.join(sorted(_WRITERS))}")


def write_captions(stretches: Sequence[Stretch], path: Path) -> None:
    """Write a ``.json``, ``.csv``, ``.srt`` or ``.vtt``; it appears whole or not at all.

    Raises
    ------
    VipeError
        if the extension is another.
    """
    check_captions(path)
    with replacing(path) as part:
        part.write_text(_WRITERS[path.suffix.lower()](stretches), encoding="utf-8", newline="")


def as_rows(stretches: Sequence[Stretch]) -> list[dict[str, float | str | None]]:
    """Plain numbers and strings; None for none of the labels, and where nobody said how sure."""
    return [
        {
            "start_s": round(one.start_s, 3),
            "end_s": round(one.end_s, 3),
            "label": one.label,
            "confidence": None if isnan(one.confidence) else round(one.confidence, 4),
        }
        for one in stretches
    ]


def _json(stretches: Sequence[Stretch]) -> str:
    rows = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in as_rows(stretches))
    return writable(f"[\n{rows}\n]\n")


def _csv(stretches: Sequence[Stretch]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ("start_s", "end_s", "label", "confidence"), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"label": table_cell(row["label"] or "")} for row in as_rows(stretches))
    return text.getvalue()


def _cues(stretches: Sequence[Stretch], comma: str) -> list[str]:
    return [
        f"{_time(one.start_s, comma)} --> {_time(one.end_s, comma)}\n"
        f"{cue(one.label or NONE)} ({one.confidence:.0%})\n"
        for one in stretches
    ]


def _srt(stretches: Sequence[Stretch]) -> str:
    return "\n".join(f"{i}\n{cue}" for i, cue in enumerate(_cues(stretches, ","), start=1))


def _vtt(stretches: Sequence[Stretch]) -> str:
    cues = _cues([replace(one, label=_escaped(one.label)) for one in stretches], ".")
    return "WEBVTT\n\n" + "\n".join(cues)


def _escaped(label: str | None) -> str | None:
    """Label with what WebVTT would read as markup spelled out."""
    return label and label.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, comma: str) -> str:
    ms = round(1000 * seconds)
    return (
        f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{comma}{ms % 1000:03d}"
    )


_WRITERS = {".json": _json, ".csv": _csv, ".srt": _srt, ".vtt": _vtt}
