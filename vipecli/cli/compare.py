"""`vipe compare`: what differs between two performances, once they are aligned."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.align import Ends, Mirror
from vipecli.cli.options import Json, Person, PoseModel, Weights

if TYPE_CHECKING:
    from vipecli.align import Alignment
    from vipecli.clip import Recipe
    from vipecli.compare import Comparison
    from vipecli.embed import Embeddings
    from vipecli.poses import Poses

TURNS_SHOWN = 12  # the rest is in the JSON


class Pose(str, Enum):
    """Where the joints are measured."""

    PICTURE = "2d"
    SPACE = "3d"


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Video, or folder of frames.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
    pose: Annotated[
        Pose | None,
        typer.Option(
            help="2d: angles as the picture shows them; 3d: in space, as the detector guesses.  "
            "[default: 3d where the poses have it]"
        ),
    ] = None,
    ends: Annotated[Ends, typer.Option(help="As for align.")] = Ends.AUTO,
    mirror: Annotated[
        Mirror, typer.Option(help="Compare b's left with a's right; auto: where that fits better.")
    ] = Mirror.NO,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all angles, one row per moment.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw all angles: .png, .svg or .pdf.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Page (.html) with both clips in step and all angles."),
    ] = None,
    json: Json = None,
    person: Person = "largest",
    pose_model: PoseModel = None,
    weights: Weights = None,
) -> None:
    """Tell what differs between two performances of one movement.

    Aligns the clips, then compares the angles of elbows, shoulders, hips and knees: their ranges,
    the moments of largest difference, and what turns earlier or later than the rest.
    """
    from vipecli.cli.console import check_json, progress_bars, write_json
    from vipecli.clip import Recipe, check_clip, read_clips
    from vipecli.compare import SOURCES
    from vipecli.compare import compare as compare_poses
    from vipecli.outputs import angles

    infos = [check_clip(path) for path in (a, b)]
    _check_outputs(a, b, csv=csv, plot=plot, report=report)
    check_json(json, a, b, *(path for path in (csv, plot, report) if path))
    recipe = Recipe(person=person, pose_model=pose_model, weights=weights)
    with progress_bars() as bars:
        tasks = [
            bars.add_task(f"poses of {info.path.name}", total=info.frames, unit="frames")
            for info in infos
        ]
        (poses_a, embedded_a), (poses_b, embedded_b) = read_clips(
            (a, b), recipe, lambda clip, steps: bars.advance(tasks[clip], steps)
        )
        alignment, embedded_b, more = _align(
            embedded_a, (poses_b, embedded_b), recipe, ends=ends.value, mirror=mirror
        )
        in_space = all(poses.world is not None for poses in (poses_a, poses_b))
        pose = pose or (Pose.SPACE if in_space else Pose.PICTURE)
        found = compare_poses(
            alignment, poses_a, poses_b, source=SOURCES[pose.value], mirrored=more["mirrored"]
        )
        caveat = angles.CAVEAT[pose.value]
        if csv:
            angles.write_csv(found, csv)
        if plot:
            angles.write_picture(found, plot, names=(a.name, b.name), caveat=caveat)
        if report:
            bar = bars.add_task(f"writing {report.name}", total=None, unit="frames")
            _write_page(
                found,
                alignment,
                ((a, poses_a, embedded_a), (b, poses_b, embedded_b)),
                report,
                more | {"caveat": caveat},
                lambda done, total: bars.update(bar, completed=done, total=total),
            )
    if json:
        steps = {"inputs": [str(a), str(b)], "model": alignment.model, "pose": pose.value}
        write_json(steps | more | angles.as_data(found), json)
    written = [path for path in (csv, plot, report) if path]
    _show(found, more | {"caveat": caveat}, written, to_stderr=json == Path("-"))


def _check_outputs(
    a: Path, b: Path, *, csv: Path | None, plot: Path | None, report: Path | None
) -> None:
    """Refuse files that could not be written, before minutes go into what belongs in them."""
    from vipecli.files import check_output
    from vipecli.outputs.angles import check_picture
    from vipecli.outputs.report import check_page

    if csv:
        check_output(csv, a, b)
    if plot:
        check_picture(plot, a, b)
    if report:
        check_page(report, a, b)


def _align(
    a: "Embeddings",
    b: "tuple[Poses, Embeddings]",
    recipe: "Recipe",
    *,
    ends: str,
    mirror: Mirror,
) -> "tuple[Alignment, Embeddings, dict[str, Any]]":
    """Alignment, the embeddings of b that it rests on, and what is to be told of it."""
    from vipecli.align import align
    from vipecli.embed import embed
    from vipecli.matching import align_either_side, mirrored, same_action

    side, flipped = b[1], mirror is Mirror.YES
    other = embed(mirrored(b[0]), recipe.load_model()) if mirror is not Mirror.NO else side
    if mirror is Mirror.AUTO:
        alignment, flipped = align_either_side(a, side, other, ends=ends)
    else:
        alignment = align(a, other, ends=ends)
    side = other if flipped else side
    more = {
        "mirrored": flipped,
        "same_action": round(same_action(a, side), 4),
        "distance": round(alignment.cost, 6),
    }
    return alignment, side, more


def _write_page(
    found: "Comparison",
    alignment: "Alignment",
    clips: "tuple[tuple[Path, Poses, Embeddings], tuple[Path, Poses, Embeddings]]",
    out: Path,
    more: dict[str, Any],
    progress: Any,
) -> None:
    """Write the page: both clips, all angles, and the moments to look at."""
    from vipecli.outputs.angles import charts
    from vipecli.outputs.report import Side, Words, write_report

    moments = [
        (one.time_a, f"{one.angle}: A {one.a_deg:.0f}°, B {one.b_deg:.0f}°")
        for one in found.moments
    ]
    words = Words(
        title=f"{clips[0][0].name} and {clips[1][0].name}, compared",
        summary=f"Match {alignment.similarity.mean():.0%} on average"
        + (", B is taken mirrored: its left is compared with the right of A" * more["mirrored"]),
        warnings=tuple(_warnings(more)),
        facts=(("same action", f"{more['same_action']:.0%}"),),
        moments=tuple(moments),
        charts_note=more["caveat"],
    )
    sides = (Side(*clip) for clip in clips)
    write_report(
        alignment,
        *sides,
        out,
        mirrored=more["mirrored"],
        words=words,
        charts=charts(found),
        progress=progress,
    )


def _warnings(more: dict[str, Any]) -> list[str]:
    from vipecli.matching import DIFFERENT

    score = more["same_action"]
    differ = f"These look like two different actions (same action: {score:.0%})."
    return [differ] if score < DIFFERENT else []


def _show(
    found: "Comparison", more: dict[str, Any], written: list[Path], *, to_stderr: bool
) -> None:
    """Print ranges, largest differences, turning points, and what to keep in mind."""
    from rich.console import Console

    console = Console(stderr=to_stderr, markup=False, highlight=False, emoji=False)
    for path in written:
        console.print(f"Wrote {path}", soft_wrap=True)
    for text in _warnings(more):
        console.print(text)
    if more["mirrored"]:
        console.print("B is taken mirrored: its left is compared with the right of A.")
    console.print(_ranges_table(found))
    console.print(_moments_table(found))
    if found.turns:
        console.print(_turns_table(found))
    console.print(more["caveat"], style="dim")


def _ranges_table(found: "Comparison") -> Any:
    from vipecli.compare import LEAST_KNOWN

    table = _table("Angles, degrees", "angle", ("A", "B", "mean difference", "seen in both"))
    for one in found.ranges:
        if one.known < LEAST_KNOWN:
            table.add_row(one.angle, "", "", "", f"{one.known:.0%}")
            continue
        spans = (f"{low:.0f} - {high:.0f}" for low, high in (one.a_deg, one.b_deg))
        table.add_row(one.angle, *spans, f"{one.mean_deg:.0f}", f"{one.known:.0%}")
    return table


def _moments_table(found: "Comparison") -> Any:
    columns = "A at, s", "B at, s", "A", "B", "B less A"
    table = _table("Largest differences, degrees", "angle", columns)
    for one in found.moments:
        times = f"{one.time_a:.2f}", f"{one.time_b:.2f}"
        values = f"{one.a_deg:.0f}", f"{one.b_deg:.0f}", f"{one.difference_deg:+.0f}"
        table.add_row(one.angle, *times, *values)
    return table


def _turns_table(found: "Comparison") -> Any:
    title = "Turning points, and how much later B turns than the rest of its movement"
    table = _table(title, "angle", ("", "A at, s", "B at, s", "later, s"))
    for one in sorted(found.turns, key=lambda turn: -abs(turn.late_s))[:TURNS_SHOWN]:
        times = f"{one.time_a:.2f}", f"{one.time_b:.2f}", f"{one.late_s:+.2f}"
        table.add_row(one.angle, one.kind, *times)
    return table


def _table(title: str, first: str, columns: tuple[str, ...]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    table.add_column(first)
    for heading in columns:
        table.add_column(heading, justify="right" if heading else "left")
    return table
