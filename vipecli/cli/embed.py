"""`vipe embed`: poses and embeddings of every video in a folder."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import say
from vipecli.cli.engines import with_executor
from vipecli.cli.help import OUTPUTS
from vipecli.cli.options import with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.embedded_folder import Slot
    from vipecli.embedding.remote import Clip
    from vipecli.engine import Executor


@with_recipe()
@with_executor
def embed(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FOLDER...",
            help="Folders of videos, videos, or patterns ('films/**/*.mp4'); s3:// and gs://, too.",
        ),
    ] = None,
    listed: Annotated[
        list[Path] | None,
        typer.Option(
            "--list",
            metavar="FILE",
            help="Videos named in a file: a path or URL per line, or the column path of a .csv or "
            ".parquet; may be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where to put the files.  [default: .vipe inside each folder]",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make again what is there.")] = False,
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="List what failed there, as JSON lines.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    all_people: Annotated[
        bool,
        typer.Option("--all-people", help="A file for each person, a.mp4.1.npz for the leftmost."),
    ] = False,
    *,
    recipe: "Recipe",
    executor: "Executor",
) -> None:
    """Embed every video below a folder, once.

    Writes one .npz per video: poses (xy, score, times), embeddings (mean, std) and the name of
    the model. The file of FOLDER/walk/a.mp4 is FOLDER/.vipe/walk/a.mp4.npz, where `vipe classify`
    looks for it, or OUT/walk/a.mp4.npz. What is done already is recognised by the content of the
    video, the models and --person, so that a renamed video keeps its file, and a run that was
    stopped, however roughly, goes on where it was. Videos that cannot be used do not stop it: they
    are listed at the end, with exit code 1, and in the --log as they come.
    """
    from vipecli.cli.batch import embed_with_progress, note_passed_over
    from vipecli.embedding.remote import clip_of
    from vipecli.urls import refuse_url

    recipe = replace(recipe, person="all") if all_people else recipe
    if out is not None:
        refuse_url(out)
    clips = [clip_of(text) for text in inputs or ()]
    wanted = [replace(s, everyone=all_people) for s in _slots(clips, listed or [], out)]
    for folder in (clip for clip in clips if isinstance(clip, Path) and clip.is_dir()):
        note_passed_over(folder)
    entries, failures = embed_with_progress(wanted, recipe, executor=executor, force=force, log=log)
    fresh = sum(entry.fresh for entry in entries)
    stores = ", ".join(sorted({str(slot.store) for slot in wanted}))
    say(f"{fresh} embedded, {len(entries) - fresh} were done already, in {stores}")
    if failures:
        raise typer.Exit(1)


def _slots(inputs: "list[Clip]", listed: list[Path], out: Path | None) -> "list[Slot]":
    """Files that belong to all videos that are named, in any way."""
    from vipecli.embedding.clip_list import is_pattern, listed_slots, matches, read_list
    from vipecli.embedding.embedded_folder import slots

    if not inputs and not listed:
        raise typer.BadParameter("name a folder, a video or a pattern, or a list with --list")
    patterns = [path for path in inputs if is_pattern(path)]
    clips = [clip for pattern in patterns for clip in matches(pattern)]
    clips += [clip for path in listed for clip in read_list(path)]
    rest = [path for path in inputs if path not in patterns]
    found = [*(slots(rest, out) if rest else ()), *(listed_slots(clips, out) if clips else ())]
    targets: dict[Path, Slot] = {}
    for slot in found:
        other = targets.setdefault(slot.target, slot)
        if other.video != slot.video:
            raise typer.BadParameter(
                f"{slot.video} and {other.video} would both go to {slot.target}; embed them one "
                "after the other into different folders"
            )
    return list(targets.values())
