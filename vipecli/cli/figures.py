"""Tables of `vipe evaluate`."""

from pathlib import Path
from typing import Any

from vipecli.cli.console import STDOUT, show, table


def show_retrieval(rows: list[dict[str, Any]], hidden: int, poses: int, json: Path | None) -> None:
    """Print Hit@k of every method."""
    hits = [key for key in rows[0] if key.startswith("hit_at_")]
    heading = "cameras", "joints", "method", *(key.replace("hit_at_", "Hit@") for key in hits)
    cells = [
        (r["cameras"], r["joints"], r["method"], *(_percent(r[key]) for key in hits)) for r in rows
    ]
    title = f"Cross-view pose retrieval, {poses} poses, {hidden} joints hidden, %"
    _table(title, heading, cells, json)


def show_alignment(rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print the error of every method."""
    keys = "median_frames", "mean_frames", "p90_frames"
    cells = [
        (
            r["method"],
            *(f"{r[key]:.2f}" for key in keys),
            f"{r['median_s']:.3f}",
            _percent(r["kendall_tau"], plain=True),
        )
        for r in rows
    ]
    heading = "method", "median", "mean", "90th percentile", "median s", "tau"
    title = f"Alignment error in frames, {rows[0]['alignments']} alignments"
    _table(title, heading, cells, json)


def show_penn(figures: dict[str, Any], json: Path | None) -> None:
    """Print the figures of both sets of clips, and those of each action."""
    subset = figures["visible_subset"] or {}
    indices = {
        "full index": "",
        "other viewpoints only": "_other_views",
        "one viewpoint": "_one_view",
    }
    keys = {
        f"{text}, {how}": f"accuracy{vote}{end}"
        for text, end in indices.items()
        for how, vote in (("nearest clip", ""), ("vote", "_voted"))
    }
    keys |= {"vote refused": "refused", "Kendall's tau": "kendall_tau"}
    rows = [
        (text, *(_percent(part.get(key), key == "kendall_tau") for part in (figures, subset)))
        for text, key in keys.items()
    ]
    rows.append(("queries", str(figures["queries"]), str(subset.get("queries", 0))))
    _table("Penn Action, % and tau", ("", "all clips", "visible subset"), rows, json)
    actions = [
        (
            name,
            _percent(value),
            _percent(subset.get("per_action", {}).get(name)),
            _percent(figures["kendall_tau_per_action"].get(name), True),
        )
        for name, value in figures["per_action"].items()
    ]
    heading = "action", "full index", "visible subset", "tau"
    _table("Per action", heading, actions, json)


def show_calibration(figures: dict[str, Any], unclear: dict[str, Any], json: Path | None) -> None:
    """Print the error, the diagram of the nearest pairs, and the groups by variance."""
    rows = [
        (
            name,
            str(part["count"]),
            _percent(part["matched"]),
            f"{part['expected_calibration_error']:.3f}",
        )
        for name, part in figures["pairs"].items()
    ]
    heading = "pairs", "count", "matching %", "calibration error"
    _table("Calibration of the matching probability", heading, rows, json)
    diagram = [
        (
            f"{row['from']:.1f} - {row['to']:.1f}",
            str(row["count"]),
            f"{row['probability']:.2f}",
            f"{row['matched']:.2f}",
            "#" * round(20 * row["matched"]),
        )
        for row in figures["pairs"]["nearest"]["diagram"]
    ]
    heading = "probability", "pairs", "mean", "matching", ""
    _table("Nearest pairs", heading, diagram, json)
    groups = [
        (f"{g['variance']:.4f}", f"{g['ambiguity']:.3f}", _percent(g["hit_at_1"]))
        for g in unclear["groups"]
    ]
    rank = "not defined" if unclear["spearman"] is None else f"{unclear['spearman']:.2f}"
    title = f"Ambiguity by variance, rank correlation {rank}"
    _table(title, ("variance", "ambiguity", "Hit@1"), groups, json)


def show_lifting(where: str, rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print the 3D errors of every method."""
    lead = [key for key in ("cameras", "joints") if key in rows[0]]
    cells = [
        (
            *(r[key] for key in lead),
            r["method"],
            f"{r['pa_mpjpe_mm']:.1f}",
            f"{r['mpjpe_mm']:.1f}",
            f"{r['np_mpjpe']:.3f}",
        )
        for r in rows
    ]
    seen = {"cameras": "held-out poses, cameras by rule", "film": "film, real detector"}[where]
    heading = *lead, "method", "PA-MPJPE mm", "MPJPE mm", "NP-MPJPE"
    _table(f"3D error, {seen}", heading, cells, json)


def show_agreement(rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print how far the poses of two cameras differ."""
    cells = [(r["method"], f"{r['median']:.3f}", f"{r['p90']:.3f}") for r in rows]
    title = f"NP-MPJPE between two cameras, {rows[0]['frames']} frames"
    _table(title, ("method", "median", "90th percentile"), cells, json)


def show_prediction(where: str, rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print errors by action, method and horizon."""
    horizons = [key for key in rows[0] if key[0].isdigit()]
    cells = [
        (
            r["action"],
            r["method"],
            *("-" if r[h] is None else f"{r[h]:.0f}" for h in horizons),
            _percent(r["within_limits"]),
            "-" if r["expected"] is None else f"{r['expected']:.2f}",
        )
        for r in sorted(rows, key=lambda r: (r["action"] == "mean", r["action"]))
    ]
    heading = "action", "method", *(f"{h} s" for h in horizons), "within limits %", "expected"
    seen = {"mocap": "held-out mocap", "film": "estimated poses"}[where]
    _table(f"Error of predicted joints about the mid-hip, mm, {seen}", heading, cells, json)


def show_benchmark(rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print the tables of the motion-prediction papers, one per protocol."""
    titles = {
        "all windows": "All test windows, 25 joints, mm of the papers",
        "8 windows": "8 windows, 38 joints, mm of the papers",
        "angles": "8 windows, Euler angles",
    }
    for protocol, title in titles.items():
        part = [row for row in rows if row["protocol"] == protocol]
        horizons = [key for key in part[0] if key.isdigit()]
        cells = [
            (r["action"], r["method"], *(f"{r[h]:.2f}" for h in horizons))
            for r in sorted(part, key=lambda r: (r["action"] == "mean", r["action"]))
        ]
        _table(title, ("action", "method", *horizons), cells, json)


def show_gaps(rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print the errors of hidden joints."""
    cells = [
        (
            r["hidden"],
            f"{r['hidden_s']:g}",
            str(r["clips"]),
            *(f"{r[key]:.1f}" for key in ("posebert", "lines")),
            *(f"{r[key]:.2f}" for key in ("ratio", "expected")),
        )
        for r in rows
    ]
    heading = "hidden", "seconds", "clips", "PoseBERT", "straight lines", "ratio", "expected"
    _table("Error of hidden joints in the picture, % of the torso", heading, cells, json)


def show_nearest(rows: list[dict[str, Any]], json: Path | None) -> None:
    """Print the 3D error of the poses found."""
    if not rows:
        return
    cells = [(r["method"], f"{r['np_mpjpe']:.4f}", f"{r['mpjpe_mm']:.1f}") for r in rows]
    title = f"Nearest frame of other people, {rows[0]['queries']} queries"
    _table(title, ("method", "NP-MPJPE", "MPJPE mm"), cells, json)


def _percent(value: float | None, plain: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if plain else f"{100 * value:.1f}"


def _table(
    title: str, headings: tuple[str, ...], rows: list[tuple[str, ...]], json: Path | None
) -> None:
    """Print a table; on standard error where JSON goes to standard output."""
    left = {"", "cameras", "joints", "method", "action", "pairs", "probability"}
    last = len(headings) - 1
    words = [
        i
        for i, heading in enumerate(headings)
        if i == 0 or (heading in left and i < 3) or (heading == "" and i == last)
    ]
    show(table(headings, rows, words=words, title=title), err=json == STDOUT)
