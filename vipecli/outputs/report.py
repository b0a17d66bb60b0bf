"""One self-contained page that plays two aligned clips in step and shows how they match."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vipecli import __version__
from vipecli.alignment.align import Alignment
from vipecli.alignment.offset import Offset
from vipecli.alignment.warping_path import match_at
from vipecli.embedding.embed import Embeddings
from vipecli.errors import VipeError
from vipecli.files import check_output, replacing
from vipecli.outputs.reel import time_base
from vipecli.outputs.report_clips import SmallClip, encode_clips
from vipecli.outputs.report_data import (
    clip_states,
    events,
    facts,
    matrix,
    numbers,
    packed_poses,
    speed_of_b,
)
from vipecli.outputs.report_shift import shift_plot
from vipecli.outputs.text import one_line
from vipecli.poses.poses import Poses
from vipecli.video.source import ClipSource

_COMPACT_JSON = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}


@dataclass(frozen=True)
class Side:
    """One of the two clips of a page.

    Attributes
    ----------
    source
        video, or folder of frames; what cannot be played is shown by its joints alone, and so is a
        clip without a file, None, which needs a label.
    poses
        joints of all frames.
    embeddings
        what was aligned; of the mirrored poses where b is taken mirrored.
    label
        what stands above it; empty = the name of the file.
    """

    source: ClipSource | None
    poses: Poses
    embeddings: Embeddings
    label: str = ""

    @property
    def path(self) -> Path | None:
        """File or folder, if there is one."""
        return self.source and self.source.path

    @property
    def name(self) -> str:
        """Label, or name of the file, in one line."""
        return one_line(self.label) or one_line(getattr(self.path, "name", ""))


@dataclass(frozen=True)
class Chart:
    """Two curves over the time base of a page, one of each clip.

    Attributes
    ----------
    title, unit
        what the curves are of.
    times
        shape (K,), moments of a, seconds, increasing.
    a, b
        shape (K,), values at these moments; NaN = not known.
    """

    title: str
    unit: str
    times: np.ndarray
    a: np.ndarray
    b: np.ndarray


@dataclass(frozen=True)
class Words:
    """Texts and figures of a page besides the alignment.

    Attributes
    ----------
    title
        heading; empty = the two names.
    summary
        line below it.
    warnings
        lines that stand out.
    facts
        name and value of further figures.
    moments
        moment of a, seconds, and what happens there.
    charts
        further curves, two beside each other.
    charts_note
        line above them.
    shift
        the shift of two clocks and its evidence, which is drawn.
    """

    title: str = ""
    summary: str = ""
    warnings: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    moments: tuple[tuple[float, str], ...] = ()
    charts: tuple[Chart, ...] = ()
    charts_note: str = ""
    shift: Offset | None = None


def write_report(
    alignment: Alignment,
    a: Side,
    b: Side,
    out: str | Path,
    *,
    onto: str = "a",
    mirrored: bool = False,
    words: Words | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write a page that opens from disk, without a network: clips, curves and path in one file.

    Parameters
    ----------
    alignment
        of a and b.
    a, b
        the clips.
    out
        an ``.html``.
    onto
        whose time runs evenly: ``a``, ``b`` or ``both``, as in `synced.write_synced`.
    mirrored
        whether b was taken mirrored; it is shown so, and a button turns it.
    words
        what stands there besides the figures of the alignment.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VipeError
        if a clip cannot be read or the page cannot be written; nothing is left behind then.
    ValueError
        if `onto` is none of the above.
    """
    if onto not in ("a", "b", "both"):
        raise ValueError(f"onto is {onto!r}; use 'a', 'b' or 'both'")
    out, words = Path(out), words or Words()
    check_page(out, *(side.path for side in (a, b) if side.path))
    sides = a, b
    frames = [side.poses.times for side in sides]
    (moments_a, moments_b), fps = time_base([alignment], frames, onto)
    small = encode_clips([(side.source, side.poses.times) for side in sides], progress)
    data = {
        **_words(alignment, a, b, words, {"a": moments_a, "b": moments_b}),
        "fps": fps,
        "moments": {"a": numbers(moments_a, 4), "b": numbers(moments_b, 4)},
        "mirrored": mirrored,
        "clips": [_clip(*pair) for pair in zip(sides, small, strict=True)],
        "charts": _alignment_charts(alignment, moments_a, moments_b, fps, onto),
        "angles": [_chart(one, moments_a) for one in words.charts],
        "angles_note": words.charts_note,
        "shift": shift_plot(words.shift),
        "matrix": matrix(a.embeddings, b.embeddings),
        "path": {"a": numbers(alignment.times_a, 3), "b": numbers(alignment.times_b, 3)},
    }
    with replacing(out) as part:
        part.write_bytes(_page(data, [clip.video for clip in small]))


def check_page(out: Path, *inputs: Path) -> None:
    """Refuse a page that could not be written.

    Raises
    ------
    VipeError
        if its name does not end in ``.html`` or ``.htm``, or as in `files.check_output`.
    """
    if out.suffix.lower() not in (".html", ".htm"):
        raise VipeError(f"{out}: a page needs a name that ends in .html")
    check_output(out, *inputs)


# --- the file ------------------------------------------------------------------------------------


def _page(data: dict[str, Any], videos: Sequence[bytes]) -> bytes:
    """Fill the template; nothing that comes from a file name can become a tag or a script."""
    folder = Path(__file__).parent
    style, script = (
        (folder / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    pages.policies["json.dumps_kwargs"] = _COMPACT_JSON
    clips = [(i, base64.b64encode(video).decode()) for i, video in enumerate(videos) if video]
    page = pages.get_template("report.html").render(
        data=data,
        clips=clips,
        style=Markup(style),  # both are files of this package
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return page.encode("utf-8")


def _hash(text: str) -> str:
    """Hash of a style or script as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# --- words and curves ----------------------------------------------------------------------------


def _clip(side: Side, small: SmallClip) -> dict[str, Any]:
    unsure, missing = clip_states(side.poses, side.embeddings)
    return {
        "name": side.name,
        "width": side.poses.size[0],
        "height": side.poses.size[1],
        "fps": small.fps,
        "start": round(float(small.times[0]), 6),
        "frames": len(small.times),
        "poses": packed_poses(side.poses),
        "unsure": unsure,
        "missing": missing,
    }


def _words(
    alignment: Alignment, a: Side, b: Side, words: Words, moments: dict[str, np.ndarray]
) -> dict[str, Any]:
    found = [*(("a", *moment) for moment in words.moments), *events(alignment)]
    placed = [(int(np.abs(moments[clip] - time_s).argmin()), text) for clip, time_s, text in found]
    return {
        "title": one_line(words.title) or f"{a.name} and {b.name}",
        "summary": words.summary,
        "warnings": list(words.warnings),
        "facts": [*map(list, words.facts), *map(list, facts(alignment, a.poses, b.poses))],
        "events": [{"frame": frame, "text": text} for frame, text in sorted(placed)],
        "made": f"Made by vipe {__version__} with {alignment.model}. "
        "This file holds everything; it asks no network.",
    }


def _alignment_charts(
    alignment: Alignment, a: np.ndarray, b: np.ndarray, fps: float, onto: str
) -> list[dict[str, Any]]:
    matched, probability = match_at(alignment, b if onto == "b" else a, onto=onto)
    match = {
        "title": "Match",
        "note": "The match is graded; the probability asks for the same pose to a few centimetres. "
        "Marks at the foot: pose unclear (yellow), nobody seen (red), A above B.",
        "unit": "%",
        "range": [0, 1],
        "ticks": [[0, "0%"], [0.5, "50%"], [1, "100%"]],
        "curves": [
            _curve("match", "--good", matched, filled=True),
            _curve("probability of the same pose", "--accent", probability),
        ],
    }
    ratio = speed_of_b(a, b, fps)
    speed = {
        "title": "Speed of B",
        "note": "Against A: above 1 B is faster at the same movement. No line where one waits.",
        "unit": "×",
        "digits": 2,
        "log": True,
        "range": [1 / 4, 4],
        "ticks": [[1 / 4, "¼×"], [1 / 2, "½×"], [1, "1×"], [2, "2×"], [4, "4×"]],
        "curves": [_curve("speed", "--b", ratio)],
    }
    return [match, speed]


def _curve(name: str, colour: str, values: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"name": name, "colour": colour, "values": numbers(values, 3), **more}


def _chart(chart: Chart, base: np.ndarray) -> dict[str, Any]:
    a, b = (_resampled(base, chart.times, values) for values in (chart.a, chart.b))
    known = np.concatenate([chart.a, chart.b])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    step = next((s for s in (5, 10, 20, 30, 45, 60, 90) if high - low <= 4 * s), 180)
    low, high = step * np.floor(low / step), step * max(np.ceil(high / step), low // step + 1)
    return {
        "title": chart.title,
        "unit": chart.unit,
        "range": [low, high],
        "ticks": [[float(v), f"{v:.0f}{chart.unit}"] for v in np.arange(low, high + 1, step)],
        "between": True,
        "curves": [_curve("A", "--a", a), _curve("B", "--b", b)],
    }


def _resampled(at: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values at other times; NaN outside, and beside a NaN."""
    return np.interp(at, times, values, left=np.nan, right=np.nan)
