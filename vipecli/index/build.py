"""Index records made of labelled clips, and the plan of which have to be made."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vipecli.embedding.clip import Recipe, read_clip
from vipecli.embedding.clip_file import (
    load_embeddings,  # pyright: ignore[reportUnknownVariableType]
)
from vipecli.embedding.distance import known_frames
from vipecli.embedding.done_list import stamp_of as _stamp
from vipecli.embedding.embed import Embeddings, embed
from vipecli.embedding.embedded_folder import Entry, Slot, content_key, detector_key
from vipecli.embedding.remote import Clip, Remote
from vipecli.engine import Executor, Local, Outcome, Tick, in_order
from vipecli.errors import FormatError, VipeError
from vipecli.index.records import Facts, Record
from vipecli.index.sources import Item
from vipecli.index.store import STORE, Index
from vipecli.poses.formats import is_pose_file, load_poses
from vipecli.poses.poses import Poses
from vipecli.urls import is_url

_LEAST_FRAMES = 2  # of a clip that can be compared


@dataclass(frozen=True)
class Plan:
    """The changes that bring an index up to date.

    Attributes
    ----------
    new
        clips to add: new ones, and those that have changed.
    removed
        names of clips to remove, including those that have changed.
    unchanged
        number of clips that stay as they are.
    """

    new: tuple[Item, ...]
    removed: tuple[str, ...]
    unchanged: int


def plan(
    index: Index, items: Sequence[Item], recipe: Recipe, *, present: Collection[str] | None = None
) -> Plan:
    """Return the changes that an index needs; files are compared by size and time, not read.

    Parameters
    ----------
    index
        as loaded.
    items
        the clips that it should hold.
    recipe
        settings that the poses are made with.
    present
        clips of the index that are not among these names go; None = they all stay.

    Raises
    ------
    VipeError
        if two clips have one name.
    """
    have = {facts.name: facts for facts in index.facts()}
    names = [item.name for item in items]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise VipeError(f"{twice}: two clips of this name; an index needs one name per clip")
    new = [i for i in items if not _is_same(have.get(i.name), i, index.folder, recipe)]
    changed = {item.name for item in new} & set(have)
    left: set[str] = set() if present is None else set(have) - set(present)
    return Plan(tuple(new), tuple(sorted(changed | left)), len(names) - len(new))


def added_from_elsewhere(index: Index, source: Clip, present: Collection[str]) -> set[str]:
    """Return the clips that are not below a sub-folder of the source of an index: added singly.

    Those among the names that are given are left out.
    """
    facts = (one for one in index.facts() if one.name not in present)
    return {one.name for one in facts if not _lies_below(one.path, index.folder, source)}


def _lies_below(path: str, folder: Path, source: Clip) -> bool:
    """Return whether a path that an index keeps lies below a sub-folder of its source."""
    if isinstance(source, Remote):
        return path.startswith(f"{source.url}/") and "/" in path[len(source.url) + 1 :]
    if not path or is_url(path):
        return False
    root, parent = (Path(os.path.realpath(one)) for one in (source, (folder / path).parent))
    return parent != root and parent.is_relative_to(root)


def _is_same(facts: Facts | None, item: Item, folder: Path, recipe: Recipe) -> bool:
    return facts is not None and replace(facts, key="") == _facts(item, folder, recipe, "")


def _facts(item: Item, folder: Path, recipe: Recipe, key: str) -> Facts:
    return Facts(
        name=item.name,
        label=item.label,
        viewpoint=item.viewpoint,
        path=_stored_path(item.path, folder),
        key=key,
        stamp=stamp_of(item, recipe),
        start_s=item.start_s,
        end_s=item.end_s,
    )


def _stored_path(path: Clip | None, folder: Path) -> str:
    """Return the path relative to the folder if it lies below it, else the absolute one, or URL."""
    if path is None:
        return ""
    if isinstance(path, Remote):
        return path.url
    path, folder = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def clip_path(facts: Facts, folder: Path) -> Path | None:
    """Return the path of the video, frame folder or keypoint file of a clip.

    None if it is missing, or in a store.
    """
    path = folder / facts.path
    try:
        return path if facts.path and (path.is_file() or path.is_dir()) else None
    except (OSError, ValueError):  # a name that the system does not take
        return None


def stamp_of(item: Item, recipe: Recipe) -> str:
    """Return a stamp that changes with the clip: of its poses, or of its files' size and time."""
    if item.poses is not None:
        return f"given {poses_key(item.poses)[:16]}"
    path = item.path
    if path is None:
        return ""
    stamp = _stamp(path)
    how = hashlib.sha256(detector_key(recipe).encode()).hexdigest()[:8]
    return stamp and f"{stamp} {how}"


def poses_key(poses: Poses) -> str:
    """Return the hash of poses that come from no file."""
    digest = hashlib.sha256()
    for values in (poses.xy, poses.score, poses.times):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def slots(items: Iterable[Item], folder: Path) -> dict[Clip, Slot]:
    """Return the slot of every video among the items, by its path; parts of one video share it."""
    out: dict[Clip, Slot] = {}
    for item in items:
        path = item.path
        if path is None or item.poses is not None or path in out:
            continue
        if isinstance(path, Remote) or not is_pose_file(path):
            stored = _stored_path(path, folder)
            if isinstance(path, Remote) or Path(stored).is_absolute():
                parent = str(path.parent) if isinstance(path, Remote) else Path(stored).parent
                place = hashlib.sha256(os.fsencode(parent)).hexdigest()[:12]
                stored = f"elsewhere/{place}/{path.name}"
            out[path] = Slot(path, folder / STORE, stored)
    return out


def make_records(
    items: Iterable[Item],
    entries: Iterable[Entry],
    recipe: Recipe,
    folder: Path,
    *,
    failed: list[Outcome],
    executor: Executor | None = None,
    done: Callable[[int], object] = int,
) -> Iterator[Record]:
    """Yield the record of every item, in order.

    Parameters
    ----------
    items
        clips; a video that is not among the entries is passed over.
    entries
        of the videos, from `batch.embed_all`.
    recipe
        settings for clips that are not embedded yet.
    folder
        of the index.
    failed
        the outcomes of clips that cannot be used are appended to it.
    executor
        runs the work; None = this process.
    done
        called with 1 after each clip.
    """
    by_path: dict[Clip | None, Entry] = {entry.slot.video: entry for entry in entries}
    work = (_Work(item, by_path.get(item.path), recipe, folder) for item in items)
    for outcome in in_order(executor or Local(), _make_record, work):
        if outcome.error:
            failed.append(Outcome(outcome.item.item, error=outcome.error))
        elif outcome.result is not None:
            yield outcome.result
        done(1)


@dataclass(frozen=True)
class _Work:
    """What a process needs to know to make one record."""

    item: Item
    entry: Entry | None
    recipe: Recipe
    folder: Path

    def __str__(self) -> str:
        return self.item.name


def _make_record(work: _Work, tick: Tick) -> Record | None:
    """Return the record of one clip; None for a video that failed earlier."""
    made = _make(work.item, work.entry, work.recipe)
    if made is None:
        return None
    poses, embeddings, key = made
    return Record(_facts(work.item, work.folder, work.recipe, key), poses, embeddings)


def unchanged_clips(index: Index, todo: Plan) -> list[Facts]:
    """Return the clips of an index that the plan leaves as they are."""
    moving = {*todo.removed, *(item.name for item in todo.new)}
    return [facts for facts in index.facts() if facts.name not in moving]


def without_copies(
    records: Iterable[Record], existing: Iterable[Facts], copies: list[tuple[str, str]]
) -> Iterator[Record]:
    """Yield records, skipping copies of a clip with the same label: they would vote twice.

    The names of the copy and of the clip are appended to `copies`.
    """

    def content(facts: Facts) -> tuple[str, str, float | None, float | None]:
        return facts.label, facts.key, facts.start_s, facts.end_s

    seen = {content(facts): facts.name for facts in existing}
    for record in records:
        name = seen.setdefault(content(record.facts), record.facts.name)
        if name == record.facts.name:
            yield record
        else:
            copies.append((record.facts.name, name))


def _make(item: Item, entry: Entry | None, recipe: Recipe) -> tuple[Poses, Embeddings, str] | None:
    """Return poses, embeddings and key of one clip; None for a video that failed earlier."""
    if item.poses is not None:
        poses, key = item.poses, poses_key(item.poses)
        clip = embed(poses, recipe.load_model())
    elif item.path is None:
        return None
    elif isinstance(item.path, Path) and is_pose_file(item.path):
        poses, clip, key = read_keypoints(item.path, recipe)
    elif entry is not None:
        poses, clip = load_poses(entry.slot.target), load_embeddings(entry.slot.target)
        key = entry.key
    else:
        return None
    return *part(poses, clip, item.start_s, item.end_s, item.name), key


def read_keypoints(path: Path, recipe: Recipe) -> tuple[Poses, Embeddings, str]:
    """Return poses of a keypoint file with short gaps filled, their embeddings, and their key.

    Raises
    ------
    FormatError, NoPoseError, VideoError
        as `clip.read_clip`.
    """
    return *read_clip(path, recipe), content_key(path, detector_key(recipe))


def part(
    poses: Poses, clip: Embeddings, start_s: float | None, end_s: float | None, name: str
) -> tuple[Poses, Embeddings]:
    """Return the frames of a part of a clip, with their times in the whole clip.

    Raises
    ------
    FormatError
        if it holds fewer than two frames, or nobody.
    """
    low = -np.inf if start_s is None else start_s
    high = np.inf if end_s is None else end_s
    inside = (poses.times >= low) & (poses.times <= high)
    if inside.sum() < _LEAST_FRAMES:
        raise FormatError(
            f"{name}: {inside.sum()} frames from {low:g} to {high:g} s; the clip runs from "
            f"{poses.times[0]:.2f} to {poses.times[-1]:.2f} s"
        )
    if not known_frames(clip)[inside].any():
        raise FormatError(f"{name}: nobody is seen in this part")
    keep = {"xy": poses.xy[inside], "score": poses.score[inside], "times": poses.times[inside]}
    more = {f: None for f in ("landmarks", "landmark_score", "world", "filled")}
    return replace(poses, **keep, **more), clip.part(inside)
