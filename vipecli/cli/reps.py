"""`vipe reps`: the repetitions of a movement, their mean and spread, and the odd one out."""

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.compare import Pose
from vipecli.cli.help import OUTPUTS
from vipecli.cli.options import Json, with_recipe
from vipecli.errors import VipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vipecli.alignment.takes import Clip
    from vipecli.alignment.trials import GroupDifference, Trials
    from vipecli.embedding.clip import Recipe
    from vipecli.engine.outcome import Outcome


@with_recipe()
def reps(
    clips: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP...", help="One clip with repetitions; or clips of one each."),
    ],
    like: Annotated[
        Path | None, typer.Option(metavar="A", help="Find what looks like this one repetition.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=GLOB", help="Trials by the names of their files; two to compare."
        ),
    ] = None,
    pose: Annotated[Pose, typer.Option(help="Where angles are measured, as for compare.")] = (
        Pose.LIFTED
    ),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Film of all repetitions in step.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    snip: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Cut each repetition into a film there.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Mean and spread of each angle: .png, .svg or .pdf.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="All angles, one row per phase and trial.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Page (.html): all in step, tempo and range of each, mean and spread.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    json: Json = None,
    *,
    recipe: "Recipe",
) -> None:
    """Count the repetitions in a clip, and report which one was different.

    Finds them without a template, aligns all with the most typical one, and gives the tempo and the
    range of each, mean and spread of the joint angles, and where the farthest one differs. Of
    several clips, or of a folder, each is one trial.
    """
    from vipecli.alignment.joint_angles import SOURCES
    from vipecli.alignment.trials import group_differences, summarise
    from vipecli.cli.batch import list_failures
    from vipecli.cli.console import progress_bars, write_json
    from vipecli.outputs.trials import as_data

    paths = _inputs(clips)
    groups = _groups(group or [], paths)
    if like and len(paths) > 1:
        raise typer.BadParameter("--like finds repetitions in one clip")
    _check_outputs(paths, out=out, snip=snip, plot=plot, csv=csv, report=report, json=json)
    failed: list[Outcome] = []
    total = len(paths)
    try:
        with progress_bars() as bars:
            trials, names = _trials(paths, like, recipe, bars, failed)
            if failed:
                paths = [path for path in paths if path not in {one.item for one in failed}]
                groups = _groups(group or [], paths)
            found = summarise(trials, names, source=SOURCES[pose.value])
            differences = group_differences(found, groups) if groups else []
            written = _write(
                found, bars, groups, differences, out=out, snip=snip, plot=plot, csv=csv
            )
            if report:
                _write_page(found, bars, report, paths, groups, differences)
                written.append(report)
        if json:
            facts = {"inputs": [str(path) for path in paths], "count": len(found)}
            write_json(facts | as_data(found, differences), json)
        _show(found, groups, differences, written, to_stderr=json == Path("-"))
    finally:
        list_failures(failed, total)
    if failed:
        raise typer.Exit(1)


def _inputs(clips: list[Path]) -> list[Path]:
    """Return the clips of arguments that may be folders."""
    from vipecli.embedding.embedded_folder import find_videos
    from vipecli.poses.formats import is_pose_file
    from vipecli.video.read import check_input

    paths: list[Path] = []
    for clip in clips:
        is_folder = clip.is_dir() and not is_pose_file(clip)
        paths += find_videos(clip) if is_folder else [check_input(clip)]
    return paths


def _groups(given: list[str], paths: list[Path]) -> dict[str, list[int]]:
    """Numbers of the clips of each group."""
    groups = {}
    for text in given:
        name, separator, glob = text.partition("=")
        if not (name and separator and glob):
            raise typer.BadParameter(f"--group {text!r}: use NAME=GLOB, such as left='*_left*'")
        groups[name] = [i for i, path in enumerate(paths) if fnmatchcase(path.name, glob)]
    if groups and (len(groups) != 2 or min(map(len, groups.values())) < 2):
        sizes = ", ".join(f"{name}: {len(members)} clips" for name, members in groups.items())
        raise typer.BadParameter(f"two groups of at least two clips can be compared ({sizes})")
    return groups


def _check_outputs(
    paths: list[Path],
    *,
    out: Path | None,
    snip: Path | None,
    plot: Path | None,
    csv: Path | None,
    report: Path | None,
    json: Path | None,
) -> None:
    """Refuse files that could not be written, before minutes go into what belongs in them."""
    from vipecli.cli.console import check_json
    from vipecli.files import check_output
    from vipecli.outputs.angles import check_picture
    from vipecli.outputs.report import check_page
    from vipecli.urls import refuse_url
    from vipecli.video.write import check_container

    if report:
        check_page(report, *paths)
    if out:
        check_container(out)
        check_output(out, *paths)
    if plot:
        check_picture(plot, *paths)
    if csv:
        check_output(csv, *paths)
    if snip:
        refuse_url(snip)
    if snip and snip.exists() and not snip.is_dir():
        raise typer.BadParameter(f"--snip {snip}: is a file; name a folder")
    check_json(json, *paths, *(path for path in (out, plot, csv, report) if path))


def _trials(
    paths: list[Path], like: Path | None, recipe: "Recipe", bars: Any, failed: "list[Outcome]"
) -> "tuple[list[Clip], list[str] | None]":
    """Two trials or more, and their names where they are clips of their own.

    Clips of several that cannot be read are appended to `failed`.
    """
    if len(paths) > 1:
        read = [clip for path in paths if (clip := _tried(path, recipe, bars, failed))]
        if len(read) < 2:
            raise VipeError(f"{len(read) or 'no'} clip left; at least 2 are compared")
        return read, [clip.path.name for clip in read]
    from vipecli.alignment.segmentation import Repetition, find_repetitions
    from vipecli.alignment.trials import cut

    clip = _read(paths[0], recipe, bars)
    if like is None:
        spans = find_repetitions(clip.embeddings)
    else:
        from vipecli.alignment.repetitions import find_all

        template = _read(like, recipe, bars)
        found = find_all(template.embeddings, clip.embeddings)
        spans = [Repetition(float(a.times_b[0]), float(a.times_b[-1]), a.cost) for a in found]
    if len(spans) < 2:
        _say_none(paths[0], len(spans))
    return cut(clip, spans), None


def _tried(path: Path, recipe: "Recipe", bars: Any, failed: "list[Outcome]") -> "Clip | None":
    """Clip, or None if it cannot be used, with the reason in `failed`."""
    from vipecli.engine.outcome import Outcome

    try:
        return _read(path, recipe, bars)
    except VipeError as exc:
        failed.append(Outcome(path, error=exc))
        return None


def _read(path: Path, recipe: "Recipe", bars: Any) -> "Clip":
    from vipecli.alignment.takes import Clip
    from vipecli.embedding.clip import check_clip, read_clip

    info = check_clip(path, recipe)
    bar = bars.add_task(f"poses of {path.name}", total=info.frames, unit="frames")
    return Clip(info.source, *read_clip(path, recipe, lambda steps: bars.advance(bar, steps)))


def _say_none(path: Path, count: int) -> None:
    raise VipeError(
        f"{path}: {count or 'no'} repetition{'s' * (count != 1)} found; at least 2 are needed; "
        "name one as a template with --like, or a part of the clip with --start and --end"
    )


def _write(
    found: "Trials",
    bars: Any,
    groups: dict[str, list[int]],
    differences: "Sequence[GroupDifference]",
    *,
    out: Path | None,
    snip: Path | None,
    plot: Path | None,
    csv: Path | None,
) -> list[Path]:
    """Write what was asked for; return the files."""
    from vipecli.outputs import trials as outputs

    if csv:
        outputs.write_csv(found, csv)
    if plot:
        outputs.write_picture(found, plot, groups=groups, differences=differences)
    if out:
        bar = bars.add_task(f"writing {out.name}", total=None, unit="frames")
        outputs.write_wall(
            found, out, progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )
    cuts: list[Path] = []
    if snip:
        bar = bars.add_task(f"writing to {snip.name}", total=len(found), unit="films")
        cuts = outputs.write_snippets(
            found, snip, progress=lambda done: bars.update(bar, completed=done)
        )
    return [path for path in (csv, plot, out) if path] + cuts


def _write_page(
    found: "Trials",
    bars: Any,
    out: Path,
    paths: list[Path],
    groups: dict[str, list[int]],
    differences: "Sequence[GroupDifference]",
) -> None:
    """Write the page."""
    from vipecli.outputs.trials_page import write_trials_page

    bar = bars.add_task(f"writing {out.name}", total=None, unit="frames")
    title = f"{paths[0].name}, repetitions" if len(paths) == 1 else f"{len(paths)} trials"
    write_trials_page(
        found,
        out,
        title=title,
        noun="repetitions" if len(paths) == 1 else "trials",
        groups=groups,
        differences=differences,
        progress=lambda done, total: bars.update(bar, completed=done, total=total),
    )


def _show(
    found: "Trials",
    groups: dict[str, list[int]],
    differences: "Sequence[GroupDifference]",
    written: list[Path],
    *,
    to_stderr: bool,
) -> None:
    """Print the count, a row per trial, the farthest one, and how groups differ."""
    from vipecli.cli.console import show, table
    from vipecli.outputs.trials import farthest_in_words

    noun = "repetitions" if len({one.clip.path for one in found.trials}) == 1 else "trials"
    lines = [*(f"Wrote {path}" for path in written), f"{len(found)} {noun}"]
    parts: list[Any] = [*lines, _trials_table(found)]
    if odd := farthest_in_words(found):
        parts.append(odd)
    if groups:
        rows = [
            (
                one.angle,
                f"{one.first:.0%} - {one.last:.0%}",
                f"{one.difference_deg:+.0f}",
                f"{one.spread_deg:.0f}",
            )
            for one in differences
        ]
        first, second = groups
        title = f"{second} less {first}, where they differ by more than chance explains, degrees"
        headings = "angle", "of the movement", "difference", "spread"
        parts.append(table(headings, rows, title=title) if rows else f"{title}: nowhere")
    show(*parts, err=to_stderr)


def _trials_table(found: "Trials") -> Any:
    from vipecli.alignment.joint_angles import ANGLES
    from vipecli.cli.console import table

    k = list(ANGLES).index(found.leading)
    rows = []
    for number, trial in enumerate(found.trials):
        mark = "typical" if number == found.typical else f"{trial.cost:.2f}"
        cells = [f"{v:.2f}" for v in (trial.start_s, trial.end_s, trial.end_s - trial.start_s)]
        tempo = [f"{v:.2f}" for v in trial.tempo_s]
        rows.append([trial.name, *cells, *tempo, f"{trial.range_deg[k]:.0f}°", mark])
    headings = "", "start", "end", "length", "out", "hold", "back", "range", "distance"
    return table(headings, rows, title=f"Seconds; out, hold, back and range of the {found.leading}")
