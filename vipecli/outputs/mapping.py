"""The time mapping of a session, as plain numbers for JSON and as rows of a table."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.alignment.align import Alignment
from vipecli.alignment.takes import Match, Session
from vipecli.alignment.time_map import warp
from vipecli.files import replacing
from vipecli.outputs.reel import Reel
from vipecli.outputs.text import table_cell

COLUMNS = (
    "a",
    "b",
    "repetition",
    "frame_a",
    "frame_b",
    "time_a_s",
    "time_b_s",
    "smooth_b_s",
    "distance",
    "match",
    "match_probability",
)
"""Columns of the table: names of the files; number of the repetition from 1, empty without `--all`;
frames, from 0, and their times; the moment of b in the smooth time map at the moment of a;
atrous frame distance, match and matching probability of the step."""


def as_json(session: Session, reel: Reel | None = None) -> dict[str, Any]:
    """Return the time mapping as plain lists and numbers; times in seconds.

    For two takes the mapping itself; for more of them one per take in ``clips``, and in ``times``
    the moments of all takes at every frame of the common clock.

    Parameters
    ----------
    session
        of two takes with an alignment, or more.
    reel
        the common clock; None leaves it out.
    """
    if len(session.clips) == 2:
        return _of_pair(session)
    common = {}
    if reel is not None:
        common = {"fps": reel.fps, "times": [take.times.round(6).tolist() for take in reel.takes]}
    return {
        "inputs": [str(clip.path) for clip in session.clips],
        "reference": session.reference,
        "model": session.others[0].alignment.model,
        **_persons(session),
        **({"remarks": list(session.remarks)} if session.remarks else {}),
        "clips": [
            {"input": number, **_of_match(match), **_steps(match.alignment, "reference", "clip")}
            for number, match in enumerate(session.matches)
            if match
        ],
        **common,
    }


def _of_pair(session: Session) -> dict[str, Any]:
    match = session.others[0]
    alignment = match.alignment
    return {
        "inputs": [str(session.common.path), str(match.clip.path)],
        "model": alignment.model,
        **_persons(session),
        **_of_match(match),
        **_steps(alignment, "a", "b"),
        **(
            {"repetitions": [_repetition(part) for part in match.repetitions]}
            if match.every
            else {}
        ),
    }


def _persons(session: Session) -> dict[str, Any]:
    """Return who was taken of clips that show several people."""
    taken = [
        {"input": number, "person": clip.person, "people": clip.people}
        for number, clip in enumerate(session.clips)
        if clip.who
    ]
    return {"persons": taken} if taken else {}


def _of_match(match: Match) -> dict[str, Any]:
    """Return the match without its steps."""
    more = _distance(match.alignment)
    if match.shift:
        more["offset_s"] = round(match.shift.shift_s, 6)
        more["rate"] = round(match.shift.rate, 6)
        more["overlap_s"] = round(match.shift.overlap_s, 6)
        more["by"] = match.shift.by
        if math.isfinite(match.shift.confidence):
            more["confidence"] = round(match.shift.confidence, 2)
        if match.shift.warning:
            more["warning"] = match.shift.warning
    else:
        more["mirrored"] = match.mirrored
    if match.same_action is not None:
        more["same_action"] = round(match.same_action, 4)
    return more


def _distance(alignment: Alignment) -> dict[str, Any]:
    """Return distance and match of two takes, means over the path."""
    return {"distance": round(alignment.cost, 6), "match": round(float(alignment.match.mean()), 4)}


def _steps(alignment: Alignment, a: str, b: str) -> dict[str, Any]:
    """Return the steps of the path, and the unmatched frames."""
    names = {"a": a, "b": b}
    return {
        "unmatched": [
            {
                "clip": names[span.clip],
                "start_s": round(span.start_s, 6),
                "end_s": round(span.end_s, 6),
            }
            for span in alignment.unmatched
        ],
        f"times_{a}": alignment.times_a.round(6).tolist(),
        f"times_{b}": alignment.times_b.round(6).tolist(),
        "step_match": alignment.match.round(4).astype(float).tolist(),
        "match_probability": alignment.match_probability.round(4).astype(float).tolist(),
    }


def _repetition(part: Alignment) -> dict[str, Any]:
    steps = _steps(part, "a", "b")
    del steps["unmatched"]
    return {
        "start_s": round(float(part.times_b[0]), 6),
        "end_s": round(float(part.times_b[-1]), 6),
        **_distance(part),
        **steps,
    }


def write_csv(session: Session, target: Path) -> None:
    """Write every step of every path as a row of `COLUMNS`."""
    a = table_cell(str(session.common.path))
    with replacing(target) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for match in session.others:
            parts = match.repetitions or [match.alignment]
            for number, alignment in enumerate(parts, start=1):
                name = number if match.every else ""
                b = table_cell(str(match.clip.path))
                rows = zip(*_columns(alignment), strict=True)
                writer.writerows([a, b, name, *row] for row in rows)


def _columns(alignment: Alignment) -> list[list[float]]:
    """The numbers of the table, column by column."""
    smooth = warp(alignment, alignment.times_a)
    times = (alignment.times_a, alignment.times_b, smooth)
    figures = (alignment.distance, alignment.match, alignment.match_probability)
    return [
        *(column.tolist() for column in alignment.path.T),
        *(column.round(6).tolist() for column in times),
        *(np.round(column.astype(float), 4).tolist() for column in figures),
    ]
