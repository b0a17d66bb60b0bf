"""`vipe index`: labelled clips in one place, for `vipe classify` and `vipe search`."""

from collections.abc import Sized
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import say
from vipecli.cli.engines import with_executor
from vipecli.cli.help import OUTPUTS, App
from vipecli.cli.index_update import check_place, start, summary, update
from vipecli.cli.options import OF_QUERIES, Json, with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.remote import Clip
    from vipecli.engine import Executor, Outcome
    from vipecli.index.sources import Item
    from vipecli.index.stores import AnyIndex

app = App("Build and maintain an index of labelled clips.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder that has an index.")]
Exclude = Annotated[
    list[str] | None,
    typer.Option(metavar="GLOB", help="Leave out clips whose name matches; may be repeated."),
]


class PosesFrom(str, Enum):
    """Where the joints of Penn Action come from."""

    AUTO = "auto"
    GIVEN = "given"
    DETECT = "detect"


class Store(str, Enum):
    """How an index is stored."""

    PARQUET = "parquet"
    LANCE = "lance"


class Split(str, Enum):
    """Which clips of Penn Action."""

    ALL = "all"
    TRAIN = "train"
    TEST = "test"


@app.command()
@with_recipe(without=OF_QUERIES)
@with_executor
def build(
    directory: Annotated[
        str,
        typer.Argument(
            metavar="DIR",
            help="Folder with one sub-folder per label, or such a prefix of s3:// or gs://, "
            "labels.csv (or its folder), or Penn Action (folder or .npz).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Put the index there.  [default: into DIR]",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    poses: Annotated[
        PosesFrom,
        typer.Option(help="Penn Action: its labelled joints, or detect them in the frames."),
    ] = PosesFrom.AUTO,
    split: Annotated[Split, typer.Option(help="Penn Action: which clips.")] = Split.ALL,
    exclude: Exclude = None,
    store: Annotated[
        Store | None,
        typer.Option(
            help="lance for more than about a million clips (extra lance).  [default: as it is, or "
            "parquet]",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Rebuild the index, also if it is damaged.")
    ] = False,
    *,
    recipe: "Recipe",
    executor: "Executor",
) -> None:
    """Build the index of a folder, or update it.

    Clips that are new or have changed are embedded, missing clips leave the index; those that
    were added from elsewhere stay, as long as DIR is the same. With another --model all clips of
    DIR are embedded again; their poses are reused.
    """
    from vipecli.cli.batch import note_passed_over
    from vipecli.embedding.embedded_folder import default_store
    from vipecli.embedding.remote import clip_of, full_name
    from vipecli.index import sources
    from vipecli.index.build import added_from_elsewhere
    from vipecli.urls import refuse_url

    source = clip_of(directory)
    if out is not None:
        refuse_url(out)
    if not isinstance(source, Path):
        folder = out or default_store(source)
    else:
        folder = out or (source if source.is_dir() else source.parent)
        if out is None and folder.is_dir():
            check_place(source)
    options = {"poses": poses.value, "split": split.value, "exclude": sorted(exclude or ())}
    items = sources.find(source, root=folder if out is None else None, **options)
    place = str(source.resolve()) if isinstance(source, Path) else full_name(source)
    origin = {"kind": sources.kind_of(source), "path": place} | options
    if origin["kind"] == "folders" and isinstance(source, Path):
        note_passed_over(source)
    index = start(folder, recipe, rebuild=force, store=store and store.value)
    present = {item.name for item in items}
    if origin["kind"] == "folders" and (index.source or {}).get("path") == place:
        present |= added_from_elsewhere(index, source, present)
    after, failures = update(
        index,
        items,
        recipe,
        executor=executor,
        present=present,
        force=force,
        source=origin,
        excluded=(),
    )
    _finish(after, failures)


@app.command()
@with_recipe(without=OF_QUERIES)
@with_executor
def add(
    folder: Folder,
    clips: Annotated[
        list[str],
        typer.Argument(
            metavar="CLIP...",
            help="Videos, folders of frames, keypoint files, URLs of s3:// or gs://; or as for "
            "build.",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(help="What the clips show.  [default: their folder, or as for build]"),
    ] = None,
    viewpoint: Annotated[str, typer.Option(help="Where they were filmed from.")] = "",
    *,
    recipe: "Recipe",
    executor: "Executor",
) -> None:
    """Add clips to an index; one that is in it already is updated if it has changed."""
    from vipecli.embedding.remote import clip_of
    from vipecli.index.stores import load

    named = [clip_of(clip) for clip in clips]
    index = load(folder, model=recipe.load_model().id)
    items = [item for clip in named for item in _to_add(clip, folder, label, viewpoint)]
    excluded = tuple(set(index.excluded) - {item.name for item in items})
    after, failures = update(index, items, recipe, executor=executor, excluded=excluded)
    _finish(after, failures)


@app.command()
def remove(
    folder: Folder,
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names of clips, or shell patterns.")
    ],
) -> None:
    """Remove clips from an index; the videos stay, and later updates leave them out."""
    from fnmatch import fnmatchcase

    from vipecli.errors import FormatError
    from vipecli.index.stores import commit, load

    index = load(folder)
    have = [facts.name for facts in index.facts()]
    gone: set[str] = set()
    for pattern in names:
        found = {name for name in have if name == pattern or fnmatchcase(name, pattern)}
        if not found:
            raise FormatError(f"{folder}: no clip {pattern} in the index; see `vipe index info`")
        gone |= found
    after = commit(index, [], remove=gone, excluded=tuple({*index.excluded, *gone}))
    say(f"{_clips(len(gone))} removed, {_clips(len(after))} in the index of {folder}")


@app.command()
def info(folder: Folder, json: Json = None) -> None:
    """Show what an index holds: clips, labels, frames, model."""
    from vipecli.cli.console import check_json, write_json
    from vipecli.index.stores import load

    check_json(json)
    index = load(folder)
    figures = summary(index)
    if json:
        write_json(figures, json)
    if json == Path("-"):
        return
    say(
        f"{_clips(figures['clips'])} of {_count(figures['labels'], 'label')}, {figures['frames']} "
        f"frames, model {figures['model']}, {_count(index.batches, 'file')}, "
        f"{figures['bytes'] / 1e6:.1f} MB"
    )
    for name, count in figures["labels"].items():
        say(f"  {count:6d}  {name}")


@app.command()
def verify(folder: Folder) -> None:
    """Read the whole index and compare it with its checksums."""
    from vipecli.cli.console import note, progress_bars
    from vipecli.index.stores import command, load
    from vipecli.index.stores import verify as check

    index = load(folder)
    with progress_bars() as bars:
        bar = bars.add_task("checksums", total=len(index), unit="clips")
        faults = check(folder, progress=lambda steps: bars.advance(bar, steps))
    if faults:
        advice = f"rebuild the index with `{command(index)} --force`"
        for fault in faults:
            note(f"{fault.path}: {fault.problem}" + (f"; {advice}" if len(faults) == 1 else ""))
        if len(faults) > 1:
            note(f"{_count(faults, 'fault')}; {advice}")
        raise typer.Exit(1)
    say(f"{_clips(len(index))} in {_count(index.batches, 'file')}: all well")


@app.command()
def compact(folder: Folder) -> None:
    """Merge the files of an index in Lance, and drop what was removed.

    Worth it after many additions. Readers go on with the state that they opened.
    """
    from vipecli.errors import VipeError
    from vipecli.index import lance_commit
    from vipecli.index.lance_store import LanceIndex
    from vipecli.index.stores import load

    index = load(folder)
    if not isinstance(index, LanceIndex):
        raise VipeError(f"{folder}: its index is in Parquet, which is merged as clips are added")
    after = lance_commit.compact(index)
    before = _count(index.batches, "file")
    say(f"{_clips(len(after))} in {_count(after.batches, 'file')}, {before} before")


@app.command("copy")
def copy_(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that has an index.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="Folder to put the copy into.")],
    store: Annotated[Store, typer.Option(help="Store of the copy.")] = Store.PARQUET,
) -> None:
    """Copy an index into another folder, and into another store."""
    from vipecli.cli.console import progress_bars
    from vipecli.index.stores import copy, load

    index = load(source)
    with progress_bars() as bars:
        bar = bars.add_task("copying", total=len(index), unit="clips")
        after = copy(index, target, store.value, progress=lambda n: bars.advance(bar, n))
    say(f"{_clips(len(after))} in the index of {target}")


def _to_add(clip: "Clip", folder: Path, label: str | None, viewpoint: str) -> "list[Item]":
    """Return the labelled clips that one argument of `add` stands for."""
    from vipecli.embedding.clip_list import remote_clips
    from vipecli.errors import VideoError, VipeError
    from vipecli.index import sources

    if not isinstance(clip, Path):
        if label is None:
            raise VipeError(f"{clip}: which label? Give it with --label")
        return [
            sources.Item(sources.name_of(one, folder), label, one, viewpoint)
            for one in remote_clips(clip)
        ]
    if not clip.exists():
        raise VideoError(f"{clip}: no such file or folder")
    if label is None:
        inside = clip.resolve().is_relative_to(folder.resolve())
        parts = clip.resolve().relative_to(folder.resolve()).parts if inside else ()
        if parts and (clip.is_dir() or len(parts) > 1):
            label = parts[0]
        elif clip.is_dir() or sources.is_table(clip):
            items = sources.find(clip, root=folder)
            return [replace(item, viewpoint=item.viewpoint or viewpoint) for item in items]
        else:
            raise VipeError(f"{clip}: which label? Give it with --label")
    paths = sources.find_clips(clip) if clip.is_dir() else [clip]
    if not paths:
        raise VideoError(f"{clip}: holds no video")
    return [sources.Item(sources.name_of(p, folder), label, p, viewpoint) for p in paths]


def _finish(index: "AnyIndex", failures: "list[Outcome]") -> None:
    say(f"{_clips(len(index))} in the index of {index.folder}")
    if failures:
        raise typer.Exit(1)


def _clips(count: int) -> str:
    return _count(range(count), "clip")


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"
