"""`vipe classify`: the action in a clip, from labelled clips."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.console import say, show, table
from vipecli.cli.engines import with_executor
from vipecli.cli.help import MATCHING, OUTPUTS
from vipecli.cli.label_many import ClipLabeller, label_many
from vipecli.cli.labelling import LabelledClip, LabelOptions, step_seconds
from vipecli.cli.options import Estimator, Json, MatchBy, with_recipe
from vipecli.cli.queries import Lookup, inputs, open_index

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.remote import Clip
    from vipecli.engine import Executor
    from vipecli.index.classify import Ranking
    from vipecli.index.opened import OpenedIndex

HUBS = 50  # as in `vipe evaluate penn`


@with_recipe(without=("fill",))
@with_executor
def classify(
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP...",
            help="Videos, keypoint files, folders of either; URLs of s3:// or gs://.",
        ),
    ],
    index: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER",
            help="Folder with an index, or with one sub-folder of videos per label.",
        ),
    ],
    k: Annotated[
        int,
        typer.Option(
            "-k", min=1, help="How many of the nearest clips vote.", rich_help_panel=MATCHING
        ),
    ] = 5,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave out clips whose path below the index matches; may be repeated.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Only among clips of this label; may be repeated."),
    ] = None,
    viewpoint: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only among clips filmed from there; may be repeated."),
    ] = None,
    hubs: Annotated[
        int,
        typer.Option(
            min=0,
            help="Correct for hubs by the N nearest index clips (CSLS); 0 = no.",
            rich_help_panel=MATCHING,
        ),
    ] = HUBS,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help="Compute every distance, also in an index so large that a shortlist comes first.",
            rich_help_panel=MATCHING,
        ),
    ] = False,
    every: Annotated[
        str | None,
        typer.Option(metavar="SECONDS", callback=step_seconds, help="Label the clip over time."),
    ] = None,
    timeline: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With --every, .json, .csv, .srt or .vtt; may be repeated.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show the clip beside its nearest: .mp4 or .html.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    match: MatchBy = Estimator.EXPECTED,
    json: Json = None,
    *,
    recipe: "Recipe",
    executor: "Executor",
) -> None:
    """Label clips by the labelled clips that are nearest to them, or say "none of these".

    The index of a folder of videos is built on first use; --person is for clips and index,
    --start, --end and --fps are for the clips. Copies of a clip in the index do not vote.
    """
    from vipecli.cli.batch import list_failures
    from vipecli.cli.console import check_json

    part, recipe = recipe, replace(recipe, start_s=None, end_s=None, fps=None, video=None)
    paths, failed = inputs(clips, part)
    several = len(paths) + len(failed) > 1
    outputs = [*(timeline or ()), *([explain] if explain else ())]
    _check(paths, outputs, timeline, explain, every)
    check_json(json, *(path for path in paths if isinstance(path, Path)), *outputs)
    results: list[LabelledClip] = []
    if paths:
        some = tuple(label or ()), tuple(viewpoint or ())
        lookup = Lookup(index, tuple(exclude or ()), hubs, k, *some)
        library = open_index(lookup, recipe, executor)
        options = LabelOptions(k, exact, float(every) if every else None, match.value)
        for outcome in label_many(paths, ClipLabeller(lookup, part, options), library, executor):
            if outcome.error:
                if not several:
                    raise outcome.error
                failed.append(outcome)
                continue
            results.append(outcome.result)
            if json != Path("-"):
                _show(results[-1], several)
        if explain and results:
            _explain(results[0], library, explain)
    _write(results, several, timeline or (), json)
    if failed:
        list_failures(failed, len(results) + len(failed))
        raise typer.Exit(1)


def _check(
    clips: "list[Clip]",
    outputs: list[Path],
    timeline: list[Path] | None,
    explain: Path | None,
    every: float | None,
) -> None:
    """Refuse what cannot be written, before minutes go into it."""
    from vipecli.errors import VideoError
    from vipecli.files import check_output

    paths = [clip for clip in clips if isinstance(clip, Path)]
    if timeline and not every:
        raise typer.BadParameter("--timeline needs --every")
    if explain and paths != clips:
        raise VideoError(f"{clips[0]}: is remote; copy it here to show it")
    if outputs and len(clips) > 1:
        raise typer.BadParameter("--timeline and --explain take one clip")
    for path in timeline or ():
        from vipecli.outputs.captions import check_captions

        check_captions(path)
    if explain and explain.suffix.lower() == ".html":
        from vipecli.outputs.report import check_page

        check_page(explain, *paths)
    elif explain:
        from vipecli.outputs.synced import check_container

        check_container(explain)
    for path in outputs:
        check_output(path, *paths)


def _write(
    results: list[LabelledClip], several: bool, timelines: Sequence[Path], json: Path | None
) -> None:
    """Write the files that were asked for: timelines of the first result, JSON of all."""
    from vipecli.cli.console import write_json
    from vipecli.outputs.captions import write_captions

    for target in timelines if results else ():
        write_captions(results[0].stretches or [], target)
        say(f"Wrote {target}", err=True)
    rows = [result.as_json() for result in results]
    if json and (several or rows):
        write_json({"clips": rows} if several else rows[0], json)


def _show(result: LabelledClip, name: bool) -> None:
    """Print the label, its confidence, and the neighbours behind it."""
    from vipecli.outputs.captions import NONE

    ranking = result.ranking
    head = f"{result.query.path}: " if name else ""
    likely = next(iter(ranking.probabilities.items()), None)
    more = ""
    if ranking.label is None and likely:
        more = f"; if one of them, {likely[0]}"
    say(f"{head}{ranking.label or NONE}  ({ranking.confidence:.0%} sure{more})")
    if result.stretches is not None:
        for one in result.stretches:
            say(
                f"  {one.start_s:7.2f} - {one.end_s:.2f} s  {one.label or NONE}"
                f"  ({one.confidence:.0%})"
            )
    rows = [
        (one.clip, one.label, f"{one.match:.0%}", f"{one.distance:.3f}")
        for one in ranking.neighbours
    ]
    show(table(("nearest clip", "label", "match", "distance"), rows, words=(0, 1)))


def _explain(result: LabelledClip, library: "OpenedIndex", out: Path) -> None:
    """Write the clip beside its nearest one, aligned."""
    from vipecli.alignment.align import align
    from vipecli.cli.console import progress_bars
    from vipecli.errors import VideoError
    from vipecli.index.build import clip_path
    from vipecli.urls import is_url
    from vipecli.video.source import ClipSource

    query, ranking = result.query, result.ranking
    if not ranking.neighbours:
        raise VideoError(f"{query.path}: no clip is left to show beside it")
    nearest = ranking.neighbours[0]
    place = library.place_of(nearest.clip)
    facts = library.facts_of(place)
    video = clip_path(facts, library.index.folder)
    if out.suffix.lower() != ".html":
        _check_video(query.path, str(query.path))
        if is_url(facts.path):
            raise VideoError(f"{facts.path}: is remote; copy it here and index the copy to show it")
        _check_video(video, facts.path or nearest.clip)
    alignment = align(query.embeddings, library.clip(place), ends="closed")
    with progress_bars() as bars:
        bar = bars.add_task(f"writing {out.name}", total=None, unit="frames")

        def progress(done: int, total: int) -> None:
            bars.update(bar, completed=done, total=total)

        sides = (
            (query.source, query.poses, query.embeddings, ""),
            (
                video and ClipSource(video),
                library.poses(place),
                library.clip(place),
                f"{nearest.clip} ({nearest.label})",
            ),
        )
        if out.suffix.lower() == ".html":
            _write_page(alignment, sides, ranking, out, progress)
        else:
            from vipecli.outputs.synced import write_synced

            (a, poses_a, *_), (b, poses_b, *_) = sides
            write_synced(alignment, (a, poses_a), (b, poses_b), out, progress=progress)
    say(f"Wrote {out}", err=True)


def _check_video(path: Path | None, name: str) -> None:
    """Refuse a clip that has no pictures."""
    from vipecli.errors import VideoError
    from vipecli.poses.formats import is_pose_file

    if path is None or is_pose_file(path):
        raise VideoError(f"{name}: there is no video of it to show; an .html shows joints")


def _write_page(
    alignment: Any,
    sides: Any,
    ranking: "Ranking",
    out: Path,
    progress: Callable[[int, int], object],
) -> None:
    from vipecli.outputs.captions import NONE
    from vipecli.outputs.report import Side, Words, write_report

    neighbours = [
        (f"{i}. {one.label}", f"{one.clip}, distance {one.distance:.3f}")
        for i, one in enumerate(ranking.neighbours, start=1)
    ]
    words = Words(
        title=f"{ranking.label or NONE} ({ranking.confidence:.0%} sure)",
        summary="The clip, A, beside the nearest of the index, B",
        facts=tuple(neighbours),
    )
    a, b = (Side(*side) for side in sides)
    write_report(alignment, a, b, out, words=words, progress=progress)
