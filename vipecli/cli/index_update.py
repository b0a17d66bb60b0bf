"""What commands that change an index share."""

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.embedded_folder import Entry
    from vipecli.engine import Executor, Outcome
    from vipecli.index.build import Plan
    from vipecli.index.sources import Item
    from vipecli.index.stores import AnyIndex


def start(
    folder: Path, recipe: "Recipe", *, rebuild: bool = False, store: str | None = None
) -> "AnyIndex":
    """Return the index of a folder to build on; an empty one if there is none or models differ."""
    from vipecli.errors import VipeError
    from vipecli.index.stores import empty, kind_of, load

    there = kind_of(folder)
    if there and store and there != store:
        raise VipeError(
            f"{folder}: has an index in {there}; `vipe index copy {folder} OTHER --store {store}` "
            "copies it"
        )
    kind = there or store or "parquet"
    if rebuild or not there:
        return empty(folder, kind)
    index = load(folder)
    return index if index.model == recipe.load_model().id else empty(folder, kind)


def update(
    index: "AnyIndex",
    items: "Sequence[Item]",
    recipe: "Recipe",
    *,
    executor: "Executor | None" = None,
    present: Collection[str] | None = None,
    force: bool = False,
    **changes: Any,
) -> "tuple[AnyIndex, list[Outcome]]":
    """Add clips to an index with progress bars; failures are listed on standard error.

    A clip of the index that cannot be read at the moment, such as one in a store that does not
    answer, stays as it was.

    Returns
    -------
    The index as it is now, and what failed.
    """
    from vipecli.cli.batch import list_failures
    from vipecli.cli.console import note, progress_bars
    from vipecli.errors import VipeError
    from vipecli.index.build import make_records, plan, unchanged_clips, without_copies
    from vipecli.index.failures import unread_names
    from vipecli.index.stores import commit

    todo = plan(index, items, recipe, present=present)
    moved = force or bool(todo.removed) or not index.batches
    entries, failures = _embed_videos(index, todo, recipe, executor, moved=moved)
    unread = unread_names(failures, todo.new)
    removed = [name for name in todo.removed if name not in unread]
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
        if first is None and not todo.unchanged and len(index) == len(removed):
            list_failures(failed, len(todo.new))
            raise VipeError(f"{index.folder}: no clip could be used, so there is no index of it")
        chain = ([] if first is None else [first], records)
        index = commit(index, (r for part in chain for r in part), remove=removed, **changes)
    list_failures(failed, len(todo.new))
    for copy, name in copies:
        note(f"{copy}: the same clip as {name}, so it is not added")
    return index, [*failures, *failed]


def _embed_videos(
    index: "AnyIndex",
    todo: "Plan",
    recipe: "Recipe",
    executor: "Executor | None",
    *,
    moved: bool,
) -> "tuple[list[Entry], list[Outcome]]":
    """Embed the videos among the new clips; return their entries, and what failed."""
    from vipecli.cli.batch import embed_with_progress
    from vipecli.cli.console import note
    from vipecli.embedding.batch import made_otherwise
    from vipecli.index.build import slots

    wanted = list(slots(todo.new, index.folder).values())
    if others := made_otherwise(wanted, recipe):
        count = "1 clip" if len(others) == 1 else f"{len(others)} clips"
        note(
            f"{count} of {index.folder}, embedded with other settings, such as --fps or --person, "
            "are embedded again"
        )
    if not wanted:
        return [], []
    return embed_with_progress(wanted, recipe, executor=executor, moved=moved)


def summary(index: "AnyIndex") -> dict[str, Any]:
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
