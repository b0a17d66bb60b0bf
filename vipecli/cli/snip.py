"""`vipe snip`: cut the labelled stretches of a clip into files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.help import OUTPUTS
from vipecli.cli.labelling import step_seconds
from vipecli.cli.options import Jobs, Json, with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.index.timeline import Stretch

HUBS, VOTES = 50, 5  # as `vipe classify` has them


@with_recipe()
def snip(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="Video, or folder of frames.")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where to put the films, a sub-folder per label, and the list of them.",
            rich_help_panel=OUTPUTS,
        ),
    ],
    index: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Label the clip by this index, see `vipe classify`."),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Stretches from a file: .json, .csv, .srt or .vtt."),
    ] = None,
    every: Annotated[
        str,
        typer.Option(
            metavar="SECONDS", callback=step_seconds, help="With --index, how often to label."
        ),
    ] = "0.5",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="Cut stretches of this label; may be repeated."),
    ] = None,
    at_least: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Leave out shorter stretches.")
    ] = 0.0,
    jobs: Jobs = 1,
    json: Json = None,
    *,
    recipe: "Recipe",
) -> None:
    """Cut the labelled stretches of a clip into films, a folder per label.

    Each is copied without loss where the clip has a key frame at its start, and encoded again
    elsewhere. A list, manifest.csv, tells where each comes from. What is none of the labels is
    left out. The folder is one that `vipe classify --index` takes.
    """
    from vipecli.cli.console import check_json, progress_bars, say, write_json
    from vipecli.embedding.clip import check_clip
    from vipecli.errors import VipeError
    from vipecli.outputs.snippets import MANIFEST, write_snippets
    from vipecli.urls import refuse_url

    if (index is None) == (timeline is None):
        raise typer.BadParameter("give --index FOLDER, or --timeline FILE")
    refuse_url(out)
    if out.exists() and not out.is_dir():
        raise typer.BadParameter(f"--out {out}: is a file; name a folder")
    check_json(json, clip)
    info = check_clip(clip, recipe)
    found = _stretches(clip, index, timeline, recipe, float(every), jobs)
    chosen = [
        one
        for one in found
        if one.label and one.end_s - one.start_s >= at_least and (not only or one.label in only)
    ]
    if not chosen:
        labels = sorted({one.label for one in found if one.label})
        seen = f"labels found: {', '.join(labels)}" if labels else "all of it is none of the labels"
        raise VipeError(f"{clip}: no such stretch to cut; {seen}")
    with progress_bars() as bars:
        bar = bars.add_task(f"writing to {out.name}", total=len(chosen), unit="films")
        made = write_snippets(info, chosen, out, progress=lambda n: bars.advance(bar, n))
    to_stderr = json == Path("-")
    for one in made:
        how = "copied" if one.copied else "encoded again"
        say(f"Wrote {one.path}  ({one.stretch.label}, {how})", err=to_stderr)
    say(f"Wrote {out / MANIFEST}", err=to_stderr)
    if json:
        write_json({"clip": str(clip), "snippets": [_as_json(one) for one in made]}, json)


def _stretches(
    clip: Path,
    index: Path | None,
    timeline: Path | None,
    recipe: "Recipe",
    every_s: float,
    jobs: int,
) -> "list[Stretch]":
    """Stretches of a file, or those that the clip gets by an index."""
    from dataclasses import replace

    from vipecli.cli.labelling import LabelOptions, label_clip
    from vipecli.cli.queries import Lookup, open_index, read_query
    from vipecli.engine import Local
    from vipecli.outputs.captions_file import load_stretches

    if timeline is not None or index is None:
        return load_stretches(timeline or Path())
    complete = replace(recipe, start_s=None, end_s=None, fps=None)
    library = open_index(Lookup(index, (), HUBS, VOTES), complete, Local(jobs))
    options = LabelOptions(VOTES, False, every_s, "expected")
    return label_clip(read_query(clip, recipe, library), library, options).stretches or []


def _as_json(one: Any) -> dict[str, Any]:
    from vipecli.outputs.captions import as_rows

    return {"file": str(one.path), **as_rows([one.stretch])[0], "copied": one.copied}
