"""Queries of `classify` and `search`, and the index that they search."""

import functools
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.embed import Embeddings
    from vipecli.embedding.remote import Clip
    from vipecli.engine import Executor, Outcome, Tick
    from vipecli.index.lance_opened import OpenedLance
    from vipecli.index.opened import OpenedIndex
    from vipecli.index.records import Facts
    from vipecli.index.stores import AnyIndex
    from vipecli.poses.poses import Poses
    from vipecli.video.source import ClipSource

    AnyOpened = OpenedIndex | OpenedLance


@dataclass(frozen=True)
class Query:
    """A clip to label: its poses, its embeddings, and its copies in the index.

    The source of a remote clip is a copy that is gone.
    """

    path: "Clip"
    source: "ClipSource"
    poses: "Poses"
    embeddings: "Embeddings"
    copies: list[int]


def inputs(clips: list[str], part: "Recipe") -> "tuple[list[Clip], list[Outcome]]":
    """Return the clips of arguments that may be folders, and outcomes of those that cannot be used.

    Prefixes of a store count as folders, and patterns as what they match there.

    Raises
    ------
    VipeError
        if there is one clip only, and it cannot be used.
    """
    from vipecli.embedding.clip import check_clip
    from vipecli.embedding.clip_list import remote_clips
    from vipecli.embedding.remote import Remote, clip_of
    from vipecli.engine import Outcome
    from vipecli.errors import VipeError
    from vipecli.index.sources import find_clips

    out: list[Clip] = []
    failed: list[Outcome] = []
    for text in clips:
        try:
            clip = clip_of(text)
            if isinstance(clip, Remote):
                out += remote_clips(clip)
                continue
            inside = find_clips(clip) if clip.is_dir() else []
            if inside and inside != [clip]:
                out += inside
                continue
            check_clip(clip, part)
            out.append(clip)
        except VipeError as exc:
            if len(clips) == 1:
                raise
            failed.append(Outcome(text, error=exc))
    return out, failed


@dataclass(frozen=True)
class Lookup:
    """The index to search, what to leave out of it, hubs to correct for, neighbours that vote."""

    folder: Path
    exclude: tuple[str, ...]
    hubs: int
    k: int
    labels: tuple[str, ...] = ()
    viewpoints: tuple[str, ...] = ()

    def leaves_out(self, facts: "Facts") -> bool:
        """Return whether a clip counts as not there."""
        from fnmatch import fnmatchcase

        return (
            any(fnmatchcase(facts.name, pattern) for pattern in self.exclude)
            or bool(self.labels and facts.label not in self.labels)
            or bool(self.viewpoints and facts.viewpoint not in self.viewpoints)
        )


def open_index(lookup: Lookup, recipe: "Recipe", executor: "Executor") -> "AnyOpened":
    """Return the index of a folder, updated if it was built from sub-folders of videos."""
    return _open(lookup, up_to_date(lookup.folder, recipe, executor, list(lookup.exclude)))


@functools.lru_cache(maxsize=1)
def open_unchanged(lookup: Lookup) -> "AnyOpened":
    """Return the index of a folder as it is, kept for the next clip: for worker processes."""
    from vipecli.index.stores import load

    return _open(lookup, load(lookup.folder))


def _open(lookup: Lookup, index: "AnyIndex") -> "AnyOpened":
    from vipecli.cli.console import progress_bars
    from vipecli.index.lance_store import LanceIndex
    from vipecli.index.opened import open_for_search

    if isinstance(index, LanceIndex):
        from vipecli.index.lance_opened import open_lance

        names = {"labels": lookup.labels, "viewpoints": lookup.viewpoints}
        return open_lance(index, k=lookup.k, exclude=lookup.exclude, **names)
    with progress_bars() as bars:
        bar = bars.add_task("distances", total=None, unit="pairs", visible=False)
        return open_for_search(
            index,
            hubs=lookup.hubs,
            k=lookup.k,
            leave_out=lookup.leaves_out,
            progress=lambda done, total: bars.update(bar, advance=done, total=total, visible=True),
        )


def up_to_date(
    folder: Path, recipe: "Recipe", executor: "Executor", exclude: list[str]
) -> "AnyIndex":
    """Return the index of a folder; one of sub-folders with videos is built or updated first."""
    from vipecli.cli.console import note
    from vipecli.cli.index_update import check_place, is_writable
    from vipecli.errors import VideoError
    from vipecli.index import sources
    from vipecli.index.store import Index
    from vipecli.index.stores import exists, load

    there = exists(folder)
    if not there and folder.is_dir():
        check_place(folder)
    index = load(folder, model=recipe.load_model().id) if there else Index(folder)
    origin = index.source or {"kind": "folders", "path": str(folder.resolve())}
    if origin.get("kind") != "folders" or origin.get("path") != str(folder.resolve()):
        return index
    if there and not any(path.parent != folder for path in sources.find_clips(folder)):
        return index  # the videos are elsewhere, or gone
    if not there and folder.is_dir() and sources.kind_of(folder) != "folders":
        raise VideoError(f"{folder}: build its index first, with `vipe index build {folder}`")
    if there and not is_writable(folder):
        note(f"{folder}: cannot be written, so its index is used as it is")
        return index
    return _updated(index, origin, recipe, executor, exclude)


def _updated(
    index: "AnyIndex",
    origin: dict[str, Any],
    recipe: "Recipe",
    executor: "Executor",
    exclude: list[str],
) -> "AnyIndex":
    """Update the index of a folder; clips that failed before and have not changed are skipped."""
    from vipecli.cli.console import note
    from vipecli.cli.index_update import update
    from vipecli.index import sources
    from vipecli.index.build import added_from_elsewhere, stamp_of
    from vipecli.index.failures import failed_names, load_failures, save_failures
    from vipecli.index.store import STORE

    folder = index.folder
    kept = origin.get("exclude", [])
    items = sources.find(folder, exclude=[*exclude, *kept])
    present = {item.name for item in sources.find(folder, exclude=kept)}
    present |= added_from_elsewhere(index, folder, present)
    items = [item for item in items if item.name not in index.excluded]
    known = load_failures(folder / STORE)
    have = {facts.name for facts in index.facts()}
    stamps = {one.name: stamp_of(one, recipe) for one in items if one.name not in have}
    still = {name: stamp for name, stamp in stamps.items() if stamp and known.get(name) == stamp}
    if still:
        count = "1 clip" if len(still) == 1 else f"{len(still)} clips"
        note(
            f"{folder}: without {count} that could not be used before and have not changed; "
            f"`vipe index build {shlex.quote(str(folder))}` tries again"
        )
    items = [item for item in items if item.name not in still]
    index, failures = update(
        index, items, recipe, executor=executor, present=present, source=origin
    )
    new = {name: stamps[name] for name in failed_names(failures, items) if name in stamps}
    if {**still, **new} != known:
        save_failures(folder / STORE, {**still, **new})
    return index


def read_query(
    path: "Clip", part: "Recipe", library: "AnyOpened", tick: "Tick | None" = None
) -> Query:
    """Return the query of a clip, or of a part of it; poses come from the index if it is in it.

    Progress goes to `tick`, or is shown if there is none. A remote clip is downloaded meanwhile.
    """
    from vipecli.embedding.batch import at_hand

    with at_hand(path) as (clip, _):
        return replace(_read(clip, part, library, tick), path=path)


def _read(path: Path, part: "Recipe", library: "AnyOpened", tick: "Tick | None") -> Query:
    from vipecli.cli.console import progress_bars
    from vipecli.embedding.clip import check_clip, clip_source, read_clip
    from vipecli.embedding.embedded_folder import content_key, detector_key

    complete = replace(part, start_s=None, end_s=None, fps=None)
    key = content_key(path, detector_key(complete))
    copies = library.copies(key)
    whole = [place for place in copies if _is_whole(library.facts_of(place))]
    if whole and part == complete:
        poses = library.poses(whole[0])
        return Query(path, clip_source(path, part), poses, library.clip(whole[0]), copies)
    info = check_clip(path, part)
    if tick:
        return Query(path, info.source, *read_clip(path, part, tick), copies)
    with progress_bars() as bars:
        bar = bars.add_task(f"poses of {path.name}", total=info.frames, unit="frames")
        poses, embeddings = read_clip(path, part, lambda steps: bars.advance(bar, steps))
    return Query(path, info.source, poses, embeddings, copies)


def _is_whole(facts: "Facts") -> bool:
    return facts.start_s is None and facts.end_s is None
