"""`vipe index`: labelled clips in one place, for `vipe classify` and `vipe search`."""

import shlex
from collections.abc import Collection, Sequence, Sized
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.console import say
from vipecli.cli.engines import with_executor
from vipecli.cli.help import OUTPUTS, App
from vipecli.cli.options import Detector, Joints, Json, Person, PoseModel, Vertical, Weights

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.engine import Executor, Outcome
    from vipecli.index.sources import Item
    from vipecli.index.store import Index

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


class Split(str, Enum):
    """Which clips of Penn Action."""

    ALL = "all"
    TRAIN = "train"
    TEST = "test"


@app.command()
@with_executor
def build(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one sub-folder per label, labels.csv (or its folder), or Penn "
            "Action (folder or .npz).",
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
    force: Annotated[
        bool, typer.Option("--force", help="Rebuild the index, also if it is damaged.")
    ] = False,
    person: Person = "largest",
    joints: Joints = None,
    detector: Detector = "mediapipe",
    pose_model: PoseModel = None,
    weights: Weights = None,
    vertical: Vertical = True,
    *,
    executor: "Executor",
) -> None:
    """Build the index of a folder, or update it.

    Clips that are new or have changed are embedded, missing clips leave the index. With another
    --model all clips are embedded again; their poses are reused.
    """
    from vipecli.embedding.clip import Recipe
    from vipecli.index import sources

    folder = out or (source if source.is_dir() else source.parent)
    if out is None and folder.is_dir():
        check_place(source)
    options = {"poses": poses.value, "split": split.value, "exclude": sorted(exclude or ())}
    items = sources.find(source, root=folder if out is None else None, **options)
    origin = {"kind": sources.kind_of(source), "path": str(source.resolve())} | options
    recipe = Recipe(
        person=person,
        detector=detector,
        pose_model=pose_model,
        weights=weights,
        joints=joints,
        vertical=vertical,
    )
    index = start(folder, recipe, rebuild=force)
    after, failures = update(
        index,
        items,
        recipe,
        executor=executor,
        present={item.name for item in items},
        force=force,
        source=origin,
        excluded=(),
    )
    _finish(after, failures)


@app.command()
@with_executor
def add(
    folder: Folder,
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIP...", help="Videos, folders of frames, keypoint files; or as for build."
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(help="What the clips show.  [default: their folder, or as for build]"),
    ] = None,
    viewpoint: Annotated[str, typer.Option(help="Where they were filmed from.")] = "",
    person: Person = "largest",
    joints: Joints = None,
    detector: Detector = "mediapipe",
    pose_model: PoseModel = None,
    weights: Weights = None,
    vertical: Vertical = True,
    *,
    executor: "Executor",
) -> None:
    """Add clips to an index; one that is in it already is updated if it has changed."""
    from vipecli.embedding.clip import Recipe
    from vipecli.index.store import load

    recipe = Recipe(
        person=person,
        detector=detector,
        pose_model=pose_model,
        weights=weights,
        joints=joints,
        vertical=vertical,
    )
    index = load(folder, model=recipe.load_model().id)
    items = [item for clip in clips for item in _to_add(clip, folder, label, viewpoint)]
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
    from vipecli.index.commit import commit
    from vipecli.index.store import load

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
    from vipecli.index.store import load

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
    from vipecli.index.store import command, load
    from vipecli.index.store import verify as check

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


# -- what the commands share -----------------------------------------------------------------------


def start(folder: Path, recipe: "Recipe", *, rebuild: bool = False) -> "Index":
    """Return the index to update: an empty one if there is none, or the model differs."""
    from vipecli.index.store import Index, exists, load

    if rebuild or not exists(folder):
        return Index(folder)
    index = load(folder)
    return index if index.model == recipe.load_model().id else Index(folder)


def update(
    index: "Index",
    items: "Sequence[Item]",
    recipe: "Recipe",
    *,
    executor: "Executor | None" = None,
    present: Collection[str] | None = None,
    force: bool = False,
    **changes: Any,
) -> "tuple[Index, list[Outcome]]":
    """Add clips to an index with progress bars; failures are listed on standard error.

    Returns
    -------
    The index as it is now, and what failed.
    """
    from vipecli.cli.batch import embed_with_progress, list_failures
    from vipecli.cli.console import note, progress_bars
    from vipecli.embedding.batch import made_otherwise
    from vipecli.errors import VipeError
    from vipecli.index.build import make_records, plan, slots, unchanged_clips, without_copies
    from vipecli.index.commit import commit

    todo = plan(index, items, recipe, present=present)
    wanted = list(slots(todo.new, index.folder).values())
    entries, failures = [], []
    if others := made_otherwise(wanted, recipe):
        note(
            f"{_clips(len(others))} of {index.folder}, embedded with other settings, such as "
            "--fps or --person, are embedded again"
        )
    if wanted:
        moved = force or bool(todo.removed) or not index.batches
        entries, failures = embed_with_progress(wanted, recipe, executor=executor, moved=moved)
    unchanged = not todo.new and not todo.removed and index.batches
    if unchanged and all(getattr(index, name) == value for name, value in changes.items()):
        return index, failures
    failed: list[Outcome] = []
    copies: list[tuple[str, str]] = []
    with progress_bars() as bars:
        bar = bars.add_task("index", total=len(todo.new), unit="clips")
        records = make_records(
            todo.new,
            entries,
            recipe,
            index.folder,
            failed=failed,
            executor=executor,
            done=lambda steps: bars.advance(bar, steps),
        )
        records = without_copies(records, unchanged_clips(index, todo), copies)
        first = next(records, None)
        if first is None and not todo.unchanged and len(index) == len(todo.removed):
            list_failures(failed, len(todo.new))
            raise VipeError(f"{index.folder}: no clip could be used, so there is no index of it")
        chain = ([] if first is None else [first], records)
        index = commit(index, (r for part in chain for r in part), remove=todo.removed, **changes)
    list_failures(failed, len(todo.new))
    for copy, name in copies:
        note(f"{copy}: the same clip as {name}, so it is not added")
    return index, [*failures, *failed]


def summary(index: "Index") -> dict[str, Any]:
    """Return the figures of an index."""
    from collections import Counter

    facts = index.facts()
    frames = index.frames()
    return {
        "folder": str(index.folder),
        "model": index.model,
        "clips": len(facts),
        "frames": int(sum(frames)),
        "labels": dict(sorted(Counter(f.label for f in facts).items())),
        "viewpoints": dict(sorted(Counter(f.viewpoint for f in facts if f.viewpoint).items())),
        "files": len(index.batches),
        "bytes": sum(batch.size for batch in index.batches),
        "source": index.source,
        "removed": list(index.excluded),
    }


def _to_add(clip: Path, folder: Path, label: str | None, viewpoint: str) -> "list[Item]":
    """Return the labelled clips that one argument of `add` stands for."""
    from vipecli.errors import VideoError, VipeError
    from vipecli.index import sources

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


def _finish(index: "Index", failures: "list[Outcome]") -> None:
    say(f"{_clips(len(index))} in the index of {index.folder}")
    if failures:
        raise typer.Exit(1)


def _clips(count: int) -> str:
    return _count(range(count), "clip")


def _count(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"


def check_place(folder: Path) -> None:
    """Refuse a folder in which no index can be built, with a command that works.

    Raises
    ------
    VipeError
        if nothing can be written there.
    """
    from vipecli.errors import VipeError

    if not is_writable(folder if folder.is_dir() else folder.parent):
        raise VipeError(
            f"{folder}: no index can be written there; build one elsewhere with "
            f"`vipe index build {shlex.quote(str(folder))} --out FOLDER`, then use --index FOLDER"
        )


def is_writable(folder: Path) -> bool:
    """Whether an index can be written in a folder."""
    from vipecli.errors import VipeError
    from vipecli.files import check_writable
    from vipecli.index.store import STORE

    try:
        check_writable(folder / STORE if (folder / STORE).is_dir() else folder)
    except VipeError:
        return False
    return True
