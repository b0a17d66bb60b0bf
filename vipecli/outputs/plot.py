"""A picture of an alignment: distances with the path, matching probability and speed over time."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vipecli.alignment.align import Alignment
from vipecli.alignment.takes import Match, Session
from vipecli.alignment.time_map import speed, warp
from vipecli.embedding.distance import frame_distance
from vipecli.outputs.angles import save_figure, shown_name
from vipecli.outputs.report_data import evenly
from vipecli.outputs.text import STILL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FRAMES = 800
"""Frames of a clip in the matrix at most; of longer ones every n-th."""

_A, _B, _GREY = "#1f5fd6", "#c2297f", "#5b6672"  # as in the page
_PATH = "#ffffff"
_SPEEDS = (0.25, 0.5, 1, 2, 4)


def write_plot(session: Session, out: Path) -> None:
    """Draw how every take matches the reference, one row for each.

    On the left the distances of all pairs of frames, bright where they are near, with the warping
    path; of repetitions all paths. On the right match and matching probability, and the speed of
    the take relative to the reference, over the time of the reference; none where it stays at one
    moment.

    Parameters
    ----------
    session
        takes and their alignments.
    out
        a ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    VipeError
        if it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [(number, match) for number, match in enumerate(session.matches) if match]
    figure = Figure(figsize=(11, 4.6 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 * len(rows), 2, width_ratios=(1, 1.35))
    letter = chr(ord("A") + session.reference)
    for row, (number, match) in enumerate(rows):
        names = letter, chr(ord("A") + number)
        _matrix(figure.add_subplot(grid[2 * row : 2 * row + 2, 0]), session, match, names)
        top = figure.add_subplot(grid[2 * row, 1])
        _probability(top, match.alignment)
        _speed(figure.add_subplot(grid[2 * row + 1, 1], sharex=top), match, names)
    save_figure(figure, out)


def _matrix(plot: "Axes", session: Session, match: Match, names: tuple[str, str]) -> None:
    a, b = (evenly(clip, MOST_FRAMES) for clip in (session.common.embeddings, match.seen))
    extent = (*_edges(a.times), *_edges(b.times))
    plot.imshow(
        frame_distance(a, b).T,
        cmap="viridis_r",
        origin="lower",
        aspect="auto",
        extent=extent,
        interpolation="nearest",
        vmin=0,
        vmax=3,
    )
    for alignment in match.repetitions or (match.alignment,):
        plot.plot(alignment.times_a, alignment.times_b, color="black", linewidth=3.2)
        plot.plot(alignment.times_a, alignment.times_b, color=_PATH, linewidth=1.6)
    clips = zip(names, (session.common, match.clip), strict=True)
    own = [f"{letter}  {shown_name(clip.path.name)}" for letter, clip in clips]
    plot.set_xlabel(f"{own[0]}, s", color=_A)
    plot.set_ylabel(f"{own[1]}{', mirrored' if match.mirrored else ''}, s", color=_B)
    plot.set_title("Poses: bright is near", loc="left", fontsize=10, fontweight="bold")
    figures = [f"distance {match.alignment.cost:.2f}"]
    if match.same_action is not None:
        figures.append(f"same action {match.same_action:.0%}")
    if match.shift:
        figures.append(f"shift {match.shift.shift_s:+.3f} s")
    plot.set_title(", ".join(figures), loc="right", fontsize=9, color=_GREY)


def _probability(plot: "Axes", alignment: Alignment) -> None:
    times, owner, count = np.unique(alignment.times_a, return_inverse=True, return_counts=True)
    for values, colour, name in (
        (alignment.match, _GREY, "match"),
        (alignment.match_probability, _A, "probability of the same pose"),
    ):
        plot.plot(
            times, np.bincount(owner, values) / count, color=colour, label=name, linewidth=1.6
        )
    plot.set_ylim(0, 1)
    plot.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    plot.set_title("Match", loc="left", fontsize=10, fontweight="bold")
    plot.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9)
    plot.tick_params(labelbottom=False)
    _plain(plot)


def _speed(plot: "Axes", match: Match, names: tuple[str, str]) -> None:
    alignment = match.alignment
    low, high = math.log2(_SPEEDS[0]), math.log2(_SPEEDS[-1])
    times, ratio = speeds(alignment)
    plot.axhline(0, color=_GREY, linewidth=0.8)
    plot.plot(times, np.log2(ratio).clip(low, high), color=_B, linewidth=1.6)
    for part in speed(alignment):
        if part.ratio < STILL:
            level = float(np.clip(math.log2(part.ratio), low, high))
            plot.plot((part.start_s, part.end_s), (level, level), color=_B, alpha=0.3, linewidth=4)
    plot.set_yticks([math.log2(s) for s in _SPEEDS], [f"{s:g}x" for s in _SPEEDS])
    plot.set_ylim(low - 0.2, high + 0.2)
    title = f"Speed of {names[1]}, relative to {names[0]}"
    plot.set_title(title, loc="left", fontsize=10, fontweight="bold")
    plot.set_xlabel(f"time of {names[0]}, s")
    _plain(plot)


def speeds(alignment: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Moments of a (F,), and the speed (F,) of b there, as `time_map.Segment` has it.

    NaN where b stays at one moment, as text and page say it.
    """
    start, end = alignment.times_a[[0, -1]]
    edges = np.linspace(start, end, max(3, round((end - start) / 0.05)))
    there = warp(alignment, edges)
    ratio = np.diff(edges).clip(1e-9) / np.diff(there).clip(1e-9)
    return (edges[1:] + edges[:-1]) / 2, np.where(ratio < STILL, ratio, np.nan)


def _plain(plot: "Axes") -> None:
    plot.grid(axis="y", color="#dfe3e8", linewidth=0.8)
    plot.spines[["top", "right"]].set_visible(False)


def _edges(times: np.ndarray) -> tuple[float, float]:
    """Where the first picture element of a row begins, and the last one ends."""
    half = (times[-1] - times[0]) / max(1, len(times) - 1) / 2 or 0.5
    return float(times[0] - half), float(times[-1] + half)
