"""Trials of one movement as files: figures, table, picture, grid video, a video of each."""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.alignment.joint_angles import ANGLES
from vipecli.alignment.takes import MOST_CLIPS
from vipecli.alignment.trials import Deviation, GroupDifference, Trial, Trials, mean_and_std
from vipecli.files import replacing
from vipecli.outputs.angles import save_figure, shown_name
from vipecli.outputs.reel import Reel, Take, rate
from vipecli.outputs.synced import write_reel
from vipecli.outputs.text import one_line, table_cell
from vipecli.outputs.video_options import Style, VideoOptions

_TEMPO = ("out_s", "hold_s", "back_s")
_GREY, _BLUE, _PINK, _YELLOW = "#5b6672", "#1f5fd6", "#c2297f", "#f0b429"
_PHASE_DIGITS, _DEG_DIGITS, _TIME_DIGITS = 4, 2, 6


def as_data(found: Trials, differences: Sequence[GroupDifference] = ()) -> dict[str, Any]:
    """Trials as plain lists and numbers; None where an angle is not seen."""
    return {
        "trials": [_trial(trial) for trial in found.trials],
        "typical": found.typical + 1,
        "leading_angle": found.leading,
        "farthest": None if found.deviation is None else _farthest(found.deviation),
        "groups_differ": [_difference(one) for one in differences],
        "phase": [round(p, _PHASE_DIGITS) for p in np.linspace(0, 1, len(found.mean_deg))],
        "mean_deg": _by_angle(found.mean_deg),
        "std_deg": _by_angle(found.std_deg),
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "name": trial.name,
        "clip": str(trial.clip.path),
        "start_s": round(trial.start_s, _TIME_DIGITS),
        "end_s": round(trial.end_s, _TIME_DIGITS),
        "distance": round(trial.cost, _TIME_DIGITS),
        **{name: _number(v, 3) for name, v in zip(_TEMPO, trial.tempo_s, strict=True)},
        "range_deg": dict(zip(ANGLES, map(_number, trial.range_deg), strict=True)),
    }


def _farthest(odd: Deviation) -> dict[str, Any]:
    return {
        "trial": odd.trial + 1,
        "angle": odd.angle,
        "phase": round(odd.phase, _PHASE_DIGITS),
        "time_s": round(odd.time_s, _TIME_DIGITS),
        "own_deg": _number(odd.own_deg),
        "mean_deg": _number(odd.mean_deg),
        "std_deg": _number(odd.std_deg),
        "certain": odd.certain,
    }


def farthest_in_words(found: Trials) -> str:
    """Which trial is farthest from the others, and where; empty if there are too few to tell."""
    odd = found.deviation
    if odd is None:
        return ""
    name = one_line(found.trials[odd.trial].name)
    place = f"{name}, at {odd.time_s:.2f} s ({odd.phase:.0%} of the movement)"
    angles = f"{odd.own_deg:.0f}°, the others {odd.mean_deg:.0f}° ± {odd.std_deg:.0f}°"
    doubt = "" if odd.certain else ", no more than chance explains"
    return f"Farthest from the others: {place}: {odd.angle} {angles}{doubt}"


def _difference(one: GroupDifference) -> dict[str, Any]:
    return {
        "angle": one.angle,
        "first_phase": round(one.first, _PHASE_DIGITS),
        "last_phase": round(one.last, _PHASE_DIGITS),
        "difference_deg": _number(one.difference_deg),
        "spread_deg": _number(one.spread_deg),
    }


def _by_angle(values: np.ndarray) -> dict[str, list[float | None]]:
    return {k: [_number(v) for v in column] for k, column in zip(ANGLES, values.T, strict=True)}


def _number(value: float, digits: int = _DEG_DIGITS) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)


def write_csv(found: Trials, out: Path) -> None:
    """Write one row per trial and phase: name, phase in %, seconds, angles; empty = not seen."""
    names = [f"{name.replace(' ', '_')}_deg" for name in ANGLES]
    with replacing(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["trial", "phase_percent", "time_s", *names])
        for trial, times, angles in zip(found.trials, found.times, found.angles_deg, strict=True):
            for phase, (time_s, row) in enumerate(zip(times, angles, strict=True)):
                percent = 100 * phase / (len(times) - 1)
                cells = ["" if np.isnan(v) else f"{v:.2f}" for v in row]
                writer.writerow([table_cell(trial.name), f"{percent:g}", f"{time_s:.6f}", *cells])


def write_picture(
    found: Trials,
    out: Path,
    *,
    groups: Mapping[str, Sequence[int]] | None = None,
    differences: Sequence[GroupDifference] = (),
) -> None:
    """Draw every angle over the phase: each trial as a line, mean and spread of all or of groups.

    Parameters
    ----------
    found
        what to draw.
    out
        a ``.png``, ``.svg`` or ``.pdf``.
    groups
        two names with the numbers of their trials, from 0; None = all trials are one.
    differences
        where the groups differ: shaded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(ANGLES) // 2, 2, sharex=True, sharey="row").ravel()
    for k, (name, plot) in enumerate(zip(ANGLES, axes, strict=True)):
        if groups:
            _draw_groups(plot, found, k, groups)
        else:
            _draw(plot, found, k)
        for one in differences:
            if one.angle == name:
                plot.axvspan(100 * one.first, 100 * one.last, color=_YELLOW, alpha=0.25, lw=0)
        _finish(plot, name, seen=bool(np.isfinite(found.mean_deg[:, k]).any()))
    for plot in axes[-2:]:
        plot.set_xlabel("movement, %")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, frameon=False)
    save_figure(figure, out)


def _draw(plot: Any, found: Trials, k: int) -> None:
    """All trials, the farthest one in colour, their mean and spread."""
    percent = np.linspace(0, 100, len(found.mean_deg))
    mean, std = found.mean_deg[:, k], np.nan_to_num(found.std_deg[:, k])
    odd = found.deviation.trial if found.deviation else None
    _band(plot, percent, mean, std, _BLUE, "standard deviation")
    for number, angles in enumerate(found.angles_deg):
        if number == odd:
            label = f"farthest: {shown_name(found.trials[number].name)}"
            plot.plot(percent, angles[:, k], color=_PINK, linewidth=1.3, label=label)
        else:
            first = number == (1 if odd == 0 else 0)
            label = "each trial" if first else None
            plot.plot(percent, angles[:, k], color=_GREY, linewidth=0.7, alpha=0.7, label=label)
    plot.plot(percent, mean, color=_BLUE, linewidth=2.0, label=f"mean of {len(found)}")


def _draw_groups(plot: Any, found: Trials, k: int, groups: Mapping[str, Sequence[int]]) -> None:
    """Trials of two groups in two colours, mean and spread of each."""
    percent = np.linspace(0, 100, len(found.mean_deg))
    for (name, members), colour in zip(groups.items(), (_BLUE, _PINK), strict=True):
        angles = found.angles_deg[list(members), :, k]
        mean, std = (column[:, 0] for column in mean_and_std(angles[..., None]))
        _band(plot, percent, mean, np.nan_to_num(std), colour, None)
        plot.plot(percent, angles.T, color=colour, linewidth=0.7, alpha=0.6)
        label = f"{shown_name(name)}: mean of {len(members)}, standard deviation"
        plot.plot(percent, mean, color=colour, linewidth=2.0, label=label)


def _band(
    plot: Any, percent: np.ndarray, mean: np.ndarray, std: np.ndarray, colour: str, label: Any
) -> None:
    plot.fill_between(
        percent, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0, label=label
    )


def _finish(plot: Any, name: str, *, seen: bool) -> None:
    """Heading, unit and grid of one angle."""
    plot.set_title(name, loc="left", fontsize=10, fontweight="bold")
    if not seen:
        plot.set_title("not seen", loc="right", fontsize=9, color=_GREY)
    plot.yaxis.set_major_formatter("{x:.0f}°")
    plot.grid(axis="y", color="#dfe3e8", linewidth=0.8)
    plot.spines[["top", "right"]].set_visible(False)


def wall(found: Trials) -> Reel:
    """Trials in step on the time of the typical one; of many those nearest to it, and the farthest.

    At most `takes.MOST_CLIPS` fit.
    """
    order = np.argsort([trial.cost for trial in found.trials], kind="stable")
    shown = sorted({*map(int, order[: MOST_CLIPS - 1]), int(order[-1])})
    typical = found.trials[found.typical]
    fps = rate(typical.clip.poses.times)
    count = max(2, round((typical.end_s - typical.start_s) * fps) + 1)
    phase = np.linspace(0, 1, count)
    own = np.linspace(0, 1, found.times.shape[1])
    takes, least = [], np.ones(count)
    for k in shown:
        trial, times = found.trials[k], np.interp(phase, own, found.times[k])
        match = found.alignments[k]
        at = None if match is None else np.interp(times, match.times_b, match.match)
        if at is not None:
            least = np.minimum(least, at)
        takes.append(Take(trial.clip.source, times, trial.clip.poses, trial.name, match=at))
    return Reel(tuple(takes), least, fps, shown.index(found.typical))


def write_wall(
    found: Trials, out: Path, *, progress: Callable[[int, int], object] | None = None
) -> None:
    """Write a film of all trials in step, see `wall`."""
    write_reel(wall(found), out, VideoOptions(style=Style.GRID, audio=None), progress=progress)


def snippets(found: Trials, folder: Path) -> list[Path]:
    """Paths of the films that `write_snippets` makes."""
    width = len(str(len(found)))
    return [
        folder / f"{trial.clip.path.stem}_{number:0{width}d}.mp4"
        for number, trial in enumerate(found.trials, start=1)
    ]


def write_snippets(
    found: Trials, folder: Path, *, progress: Callable[[int], object] | None = None
) -> list[Path]:
    """Write each trial as a film of its own, with its sound; returns the files.

    Parameters
    ----------
    found
        trials of films.
    folder
        is made if it is not there.
    progress
        called with the number of films done, after each.

    Raises
    ------
    VipeError
        if a file cannot be written; those written before it stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = snippets(found, folder)
    for done, (trial, path) in enumerate(zip(found.trials, paths, strict=True), start=1):
        fps = rate(trial.clip.poses.times)
        count = max(1, round((trial.end_s - trial.start_s) * fps) + 1)
        times = np.minimum(trial.start_s + np.arange(count) / fps, trial.end_s)
        reel = Reel((Take(trial.clip.source, times, None, trial.name),), np.ones(count), fps)
        write_reel(reel, path, VideoOptions(captions=False, skeleton=False))
        if progress:
            progress(done)
    return paths
