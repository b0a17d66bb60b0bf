"""Write a comparison: figures as plain data, curves as CSV, picture and charts."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.alignment.compare import Comparison
from vipecli.alignment.joint_angles import ANGLES
from vipecli.errors import VipeError
from vipecli.files import check_output, replacing
from vipecli.outputs.report import Chart
from vipecli.outputs.text import one_line

_DEPTH = (
    "one camera shows no depth, and the same movement seen from two sides differs by 6 to 10 "
    "degrees, by 20 and more in one of ten."
)
_CAVEATS = {
    "2d": "Angles as the camera shows them: of clips filmed from two sides they differ where the "
    "movements do not.",
    "lifted": f"Angles of the pose lifted to 3D: {_DEPTH}",
    "world": f"Angles in space as the detector guesses them: {_DEPTH}",
}
_MIRRORED = "B is taken mirrored: its left is compared with the right of A."

PICTURES = (".png", ".svg", ".pdf")
"""Extensions of pictures that can be written."""

_STAMPS = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
_COLOURS = {"A": "#1f5fd6", "B": "#c2297f"}  # as in the page


def caveat(source: str, *, mirrored: bool = False) -> str:
    """How reliable angles of a source are, in words; `source` as in `compare.SOURCES`."""
    return f"{_CAVEATS[source]} {_MIRRORED}" if mirrored else _CAVEATS[source]


def as_data(found: Comparison) -> dict[str, Any]:
    """Comparison as plain lists and numbers; None where an angle is not known."""
    return {
        "matched_a": _plain(found.times_a[[0, -1]], 6),
        "matched_b": _plain(found.times_b[[0, -1]], 6),
        "ranges": [
            {
                "angle": one.angle,
                "a_deg": _plain(one.a_deg),
                "b_deg": _plain(one.b_deg),
                "mean_difference_deg": _plain([one.mean_deg])[0],
                "known": round(one.known, 4),
            }
            for one in found.ranges
        ],
        "differences": [_rounded(one, _DIFFERENCE) for one in found.moments],
        "turning_points": [_rounded(one, _TURN) for one in found.turns],
        "times_a": _plain(found.times_a, 6),
        "times_b": _plain(found.times_b, 6),
        **{
            f"{letter}_deg": {
                name: _plain(column) for name, column in zip(ANGLES, values.T, strict=True)
            }
            for letter, values in (("a", found.a_deg), ("b", found.b_deg))
        },
    }


_DIFFERENCE = {
    "angle": None, "time_a": 6, "time_b": 6, "start_a": 6, "end_a": 6,
    "a_deg": 2, "b_deg": 2, "difference_deg": 2, "std_deg": 2,
}  # fmt: skip
_TURN = {"angle": None, "kind": None, "time_a": 6, "time_b": 6, "late_s": 6, "a_deg": 2, "b_deg": 2}


def _rounded(one: Any, digits: dict[str, int | None]) -> dict[str, Any]:
    """Fields of a record, rounded; None leaves a field as it is."""
    values = {name: getattr(one, name) for name in digits}
    return {
        name: v if digits[name] is None else round(v, digits[name]) for name, v in values.items()
    }


def _plain(values: Any, digits: int = 2) -> list[float | None]:
    return [None if math.isnan(v) else round(float(v), digits) for v in values]


def write_csv(found: Comparison, out: Path) -> None:
    """Write one row per moment: both times, then every angle of a and of b; empty = not known."""
    names = [name.replace(" ", "_") for name in ANGLES]
    header = ["time_a", "time_b", *(f"{name}_{letter}_deg" for name in names for letter in "ab")]
    pairs = np.stack([found.a_deg, found.b_deg], axis=2).reshape(len(found.times_a), -1)
    with replacing(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for time_a, time_b, row in zip(found.times_a, found.times_b, pairs, strict=True):
            angles = ["" if np.isnan(v) else f"{v:.2f}" for v in row]
            writer.writerow([f"{time_a:.6f}", f"{time_b:.6f}", *angles])


def check_picture(out: Path, *inputs: Path) -> None:
    """Refuse a picture that could not be written.

    Raises
    ------
    VipeError
        if its extension is none of `PICTURES`, or as in `files.check_output`.
    """
    if out.suffix.lower() not in PICTURES:
        raise VipeError(f"{out}: use a name that ends in {', '.join(PICTURES)}")
    check_output(out, *inputs)


def write_picture(found: Comparison, out: Path, *, names: tuple[str, str], caveat: str) -> None:
    """Draw every angle of both clips over the time of a, left beside right.

    Parameters
    ----------
    found
        what to draw.
    out
        a ``.png``, ``.svg`` or ``.pdf``.
    names
        of the clips.
    caveat
        line below.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 9.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(ANGLES) // 2, 2, sharex=True, sharey="row").ravel()
    for k, (name, plot) in enumerate(zip(ANGLES, axes, strict=True)):
        _draw(plot, found, k, name)
    for plot in axes[-2:]:
        plot.set_xlabel("time of A, s")
    handles, labels = axes[0].get_legend_handles_labels()
    labels = [f"{letter}  {shown_name(file)}" for letter, file in zip(labels, names, strict=True)]
    figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False)
    figure.supxlabel(caveat, fontsize=8, color="#5b6672", x=0.01, ha="left")
    save_figure(figure, out)


def save_figure(figure: Any, out: Path) -> None:
    """Write a figure of matplotlib, the same bytes every time."""
    import matplotlib as mpl

    kind = out.suffix.lower()
    with replacing(out) as part, mpl.rc_context({"svg.hashsalt": "vipe"}):
        figure.savefig(part, dpi=150, format=kind[1:], metadata=_STAMPS[kind])


def _draw(plot: Any, found: Comparison, k: int, name: str) -> None:
    a, b = found.a_deg[:, k], found.b_deg[:, k]
    plot.set_title(name, loc="left", fontsize=10, fontweight="bold")
    plot.fill_between(found.times_a, a, b, color="#5b6672", alpha=0.18, linewidth=0)
    for (letter, colour), values in zip(_COLOURS.items(), (a, b), strict=True):
        plot.plot(found.times_a, values, color=colour, linewidth=1.6, label=letter)
    for one in found.moments:
        if one.angle == name:
            plot.axvspan(one.start_a, one.end_a, color="#f0b429", alpha=0.25, linewidth=0)
            plot.axvline(one.time_a, color="#5b6672", linewidth=0.8, linestyle=":")
            text = f"{one.difference_deg:+.0f}°"
            place = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
            plot.annotate(text, (one.time_a, 1), (3, -9), fontsize=8, **place)
    if not np.isfinite(a - b).any():
        plot.set_title("not seen in both", loc="right", fontsize=9, color="#5b6672")
    plot.yaxis.set_major_formatter("{x:.0f}°")
    plot.grid(axis="y", color="#dfe3e8", linewidth=0.8)
    plot.spines[["top", "right"]].set_visible(False)


def shown_name(name: str) -> str:
    """Name as matplotlib shows it: a dollar would start a formula."""
    text = one_line(name).replace("$", r"\$")
    return text if len(text) <= 50 else f"{text[:30]}…{text[-18:]}"


def charts(found: Comparison) -> list[Chart]:
    """Curves of every angle that is known in both clips, for a page."""
    return [
        Chart(name[0].upper() + name[1:], "°", found.times_a, a, b)
        for name, a, b in zip(ANGLES, found.a_deg.T, found.b_deg.T, strict=True)
        if np.isfinite(a - b).any()
    ]
