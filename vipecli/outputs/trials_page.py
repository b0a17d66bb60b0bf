"""A self-contained page of trials: in step, tempo and range, mean and spread of the angles."""

import base64
import hashlib
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from vipecli import __version__
from vipecli.alignment.joint_angles import ANGLES
from vipecli.alignment.trials import GroupDifference, Trials, mean_and_std
from vipecli.files import replacing
from vipecli.outputs.synced import write_reel
from vipecli.outputs.text import one_line
from vipecli.outputs.trials import farthest_in_words, wall
from vipecli.outputs.video_options import Style, VideoOptions

_TILE_PX = 360  # height of each clip in the film of the page
_WIDTH, _HEIGHT = 600, 180  # of a chart, its own units
_STEPS_DEG = (5, 10, 20, 30, 45, 60, 90, 180)  # of the lines of a chart


def write_trials_page(
    found: Trials,
    out: Path,
    *,
    title: str,
    noun: str = "repetitions",
    groups: Mapping[str, Sequence[int]] | None = None,
    differences: Sequence[GroupDifference] = (),
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write a page that opens from disk, without a network.

    Parameters
    ----------
    found
        the trials.
    out
        an ``.html``.
    title, noun
        heading; what the trials are called, in the plural.
    groups, differences
        two names with the numbers of their trials, from 0, and where they differ, from
        `trials.group_differences`.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VipeError
        if a clip cannot be read or the page cannot be written; nothing is left behind then.
    """
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "wall.mp4"
        options = VideoOptions(style=Style.GRID, audio=None, height=_TILE_PX)
        write_reel(wall(found), film, options, progress=progress)
        video = base64.b64encode(film.read_bytes()).decode()
    here = Path(__file__).parent
    style, script = (
        (here / name).read_text(encoding="utf-8") for name in ("trials.css", "trials.js")
    )
    pages = Environment(loader=FileSystemLoader(here), autoescape=True, undefined=StrictUndefined)
    page = pages.get_template("trials.html").render(
        title=one_line(title),
        noun=noun,
        trials=_rows(found, list((groups or {}).values())),
        leading=found.leading,
        odd=farthest_in_words(found),
        certain=found.deviation is not None and found.deviation.certain,
        groups=[one_line(name) for name in groups or ()],
        differences=_differences(differences),
        charts=[
            _chart(found, k, groups, [one for one in differences if one.angle == name])
            for k, name in enumerate(ANGLES)
        ],
        width=_WIDTH,
        height=_HEIGHT,
        video=video,
        made=f"Made by vipe {__version__}. This file holds everything; it asks no network.",
        style=Markup(style),  # both are files of this package
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    with replacing(out) as part:
        part.write_bytes(page.encode("utf-8"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _rows(found: Trials, groups: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """What the table says of each trial; `group` is 1, 2, or 0 for none."""
    k = list(ANGLES).index(found.leading)
    return [
        {
            "number": number,
            "name": one_line(trial.name),
            "group": next((i for i, members in enumerate(groups, 1) if number in members), 0),
            "odd": found.deviation is not None and number == found.deviation.trial,
            "typical": number == found.typical,
            "times": [_seconds(v) for v in (trial.start_s, trial.end_s - trial.start_s)],
            "tempo": [_seconds(v) for v in trial.tempo_s],
            "range": _degrees(float(trial.range_deg[k])),
            "distance": f"{trial.cost:.2f}",
        }
        for number, trial in enumerate(found.trials)
    ]


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def _degrees(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.0f}°"


def _differences(differences: Sequence[GroupDifference]) -> list[dict[str, str]]:
    return [
        {
            "angle": one.angle,
            "where": f"{one.first:.0%} - {one.last:.0%}",
            "size": f"{one.difference_deg:+.0f}°",
            "spread": f"{one.spread_deg:.0f}°",
        }
        for one in differences
    ]


def _chart(
    found: Trials,
    k: int,
    groups: Mapping[str, Sequence[int]] | None,
    differences: Sequence[GroupDifference],
) -> dict[str, Any]:
    """Lines of one angle as points of an SVG: each trial, means, and the bands around them."""
    name, angles = list(ANGLES)[k], found.angles_deg[:, :, k]
    parts = [angles[list(members)] for members in groups.values()] if groups else [angles]
    curves = [[column[:, 0] for column in mean_and_std(part[..., None])] for part in parts]
    edges = [m + side * np.nan_to_num(std) for m, std in curves for side in (-1, 1)]
    values = np.concatenate([angles.ravel(), *edges])
    values = values[np.isfinite(values)]
    if not len(values):
        return {"title": name, "known": False}
    low, high = float(values.min()), float(values.max())
    step = next(s for s in _STEPS_DEG if high - low <= 4 * s or s == _STEPS_DEG[-1])
    bottom, top = step * math.floor(low / step), step * max(math.ceil(high / step), low // step + 1)
    x = np.linspace(0, _WIDTH, angles.shape[1])

    def line(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([x, _HEIGHT * (1 - (values - bottom) / (top - bottom))], axis=1)

    return {
        "title": name,
        "known": True,
        "curves": [
            {"band": _band(line(high), line(low)), "mean": _runs(line(mean))}
            for low, (mean, _), high in zip(edges[::2], curves, edges[1::2], strict=True)
        ],
        "lines": [_runs(line(one)) for one in angles],
        "spans": [
            {"x": f"{_WIDTH * one.first:.1f}", "width": f"{_WIDTH * (one.last - one.first):.1f}"}
            for one in differences
        ],
        "ticks": [
            {"y": f"{float(line(np.full(len(x), v))[0, 1]):.1f}", "text": f"{v:.0f}°"}
            for v in np.arange(bottom, top + 1, step)
        ],
    }


def _band(above: NDArray[np.float64], below: NDArray[np.float64]) -> str:
    """Polygon between two lines (P, 2); empty where nothing is known."""
    band = np.concatenate([above, below[::-1]])
    return _points(band[np.isfinite(band).all(axis=1)])


def _runs(points: NDArray[np.float64]) -> list[str]:
    """Known stretches of a line (P, 2), each as the points of a polyline."""
    known = np.isfinite(points).all(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]]))).reshape(-1, 2)
    return [_points(points[first:end]) for first, end in edges]


def _points(points: NDArray[np.float64]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
