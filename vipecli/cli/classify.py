"""`vipe classify`: the action in a clip, from labelled clips."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.options import (
    End,
    Jobs,
    Joints,
    Json,
    Person,
    PoseModel,
    Rate,
    Start,
    Weights,
)

if TYPE_CHECKING:
    from vipecli.classify import Ranking


def classify(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="Video, frames or keypoint file.")],
    index: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Videos, in one sub-folder per label.")
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="How many of the nearest clips vote.")] = 5,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave out clips whose path below the index matches; may be repeated.",
        ),
    ] = None,
    jobs: Jobs = 1,
    json: Json = None,
    person: Person = "largest",
    start: Start = None,
    end: End = None,
    fps: Rate = None,
    joints: Joints = None,
    pose_model: PoseModel = None,
    weights: Weights = None,
) -> None:
    """Label a clip by the labelled clips that are nearest to it.

    The index is embedded on first use, into FOLDER/.vipe; --person is for the clip and the index,
    --start and --end are for the clip.
    A copy of the clip in the index does not vote.
    """
    from vipecli.classify import classify as rank
    from vipecli.cli.batch import fill_with_progress
    from vipecli.cli.console import check_json, note, progress_bars, write_json
    from vipecli.clip import Recipe, check_clip, read_clip
    from vipecli.formats import load_embeddings
    from vipecli.library import content_key, detector_key, labelled, load_clips

    recipe = Recipe(person=person, pose_model=pose_model, weights=weights, joints=joints, fps=fps)
    part = replace(recipe, start_s=start, end_s=end)
    info = check_clip(clip, part)
    check_json(json, clip)
    entries, _ = fill_with_progress(labelled(index, exclude=exclude or ()), recipe, jobs=jobs)
    key = content_key(clip, detector_key(part))
    copies = [entry for entry in entries if entry.key == key]
    for copy in copies:
        note(f"{copy.slot.name} is the clip itself and does not vote")
    if copies:
        query = load_embeddings(copies[0].slot.target)
    else:
        with progress_bars() as bars:
            bar = bars.add_task(f"poses of {clip.name}", total=info.frames, unit="frames")
            _, query = read_clip(clip, part, lambda steps: bars.advance(bar, steps))
    ranking = rank(query, load_clips(entry for entry in entries if entry.key != key), k=k)
    if json:
        write_json(as_json(ranking), json)
    if json != Path("-"):
        _show(ranking)


def as_json(ranking: "Ranking") -> dict[str, Any]:
    """Return the ranking as plain numbers and strings."""
    return asdict(ranking)


def _show(ranking: "Ranking") -> None:
    """Print the label, how sure it is, and the clips that it rests on."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{ranking.label}  ({ranking.confidence:.0%} of the vote)")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("nearest clip", "label"):
        table.add_column(heading, overflow="fold")
    for heading in ("distance", "match"):
        table.add_column(heading, justify="right")
    for one in ranking.neighbours:
        table.add_row(one.clip, one.label, f"{one.distance:.3f}", f"{one.match_probability:.0%}")
    Console(markup=False, highlight=False, emoji=False).print(table)
