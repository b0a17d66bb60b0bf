"""Poses and embeddings of many clips, each in its file, made where they are missing.

The driver looks at names, sizes and times only. Reading a clip, its key, its poses and embeddings
are one task, done for one clip after another in each process.
"""

import contextlib
import functools
import hashlib
import os
import platform
import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vipecli import engine
from vipecli.embedding.clip import Recipe, check_clip, read_pieces
from vipecli.embedding.clip_file import read_key, save_clip
from vipecli.embedding.done_list import (
    QUARANTINE,
    Mark,
    add_mark,
    add_to_quarantine,
    load_marks,
    load_quarantine,
    size_in,
    stamp_of,
)
from vipecli.embedding.embed import Embeddings, embed
from vipecli.embedding.embedded_folder import Entry, Slot, content_key, detector_key
from vipecli.embedding.remote import Clip, Remote, downloaded, full_name
from vipecli.errors import FormatError, UnfinishedError, VideoWarning, VipeError
from vipecli.files import sweep_temporary
from vipecli.poses.detection.mediapipe_session import ImageLandmarker, still
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.formats import load_poses
from vipecli.poses.poses import Poses
from vipecli.urls import is_url

_OTHER_PERSON = re.compile(r"\.(?!1\.npz)\d+\.npz$")


@dataclass(frozen=True)
class _Stored:
    """A file with poses, and what they were made of."""

    path: Path
    key: str
    model: str
    remote: bool = False  # made from an object in a store


@dataclass(frozen=True)
class _Job:
    """What a process needs to know to fill one slot."""

    slot: Slot
    recipe: Recipe
    stored: tuple[_Stored, ...]  # files that may hold its poses
    force: bool = False  # make it again whatever is there

    def __str__(self) -> str:
        return str(self.slot.video)


@dataclass(frozen=True)
class _Filled:
    """A slot that is filled, and the mark that says so."""

    entry: Entry
    mark: Mark


def embed_all(
    wanted: Sequence[Slot],
    recipe: Recipe,
    *,
    executor: engine.Executor | None = None,
    force: bool = False,
    moved: bool = True,
    tick: engine.Tick | None = None,
) -> Iterator[engine.Outcome]:
    """Make the files that are missing, and yield what came of every slot.

    Parameters
    ----------
    wanted
        videos and their files.
    recipe
        person and models.
    executor
        runs the work; None = this process.
    force
        make them all again.
    moved
        look through the whole store for the poses of videos that were renamed or copied.
    tick
        receives the number of frames done since its last call, and of frames found ahead.

    Returns
    -------
    Outcomes whose item is a slot, and whose result is an `Entry`.

    Raises
    ------
    WeightsError
        if a model cannot be read.
    """
    jobs: list[_Job] = []
    for one in _sorted_out(wanted, recipe, force=force, moved=moved):
        if isinstance(one, _Job):
            jobs.append(one)
        else:
            yield one
    try:
        for outcome in (executor or engine.Local()).run(_fill_one, jobs, tick=tick):
            yield _taken_down(outcome)
    finally:
        _release(recipe)
        if any(isinstance(slot.video, Remote) for slot in wanted):
            sweep_temporary()  # copies of processes that had to be killed


def _taken_down(outcome: engine.Outcome) -> engine.Outcome:
    """Outcome of a slot, once it stands in the lists."""
    slot, filled = outcome.item.slot, outcome.result
    if filled is not None:
        add_mark(slot.store, filled.mark)
        return engine.Outcome(slot, filled.entry)
    if isinstance(outcome.error, UnfinishedError):
        add_to_quarantine(slot.store, slot.video, outcome.error)
    return engine.Outcome(slot, error=outcome.error)


# -- before the work -------------------------------------------------------------------------------


def _sorted_out(
    wanted: Sequence[Slot], recipe: Recipe, *, force: bool, moved: bool
) -> Iterator[_Job | engine.Outcome]:
    """Slots as jobs, or as outcomes where nothing is to do; no file is opened for that."""
    model, stores = recipe.load_model().id, {slot.store for slot in wanted}
    for store in stores:
        store.mkdir(parents=True, exist_ok=True)
    if force:
        yield from (_Job(slot, recipe, (), force=True) for slot in wanted)
        return
    kept = _Kept(wanted, everywhere=moved)
    given_up = {store: load_quarantine(store) for store in stores}
    detector = _short(recipe)
    for slot in wanted:
        video, stamp = full_name(slot.video), stamp_of(slot.video)
        now, mark = (video, stamp, detector, model), kept.mark(slot)
        if mark and stamp and (mark.video, mark.stamp, mark.detector, mark.model) == now:
            yield engine.Outcome(slot, Entry(slot, mark.key, fresh=False))
        elif reason := given_up[slot.store].get((video, stamp)):
            yield engine.Outcome(slot, error=_skipped(slot, reason))
        else:
            yield _Job(slot, recipe, kept.candidates(slot, stamp))


def made_otherwise(wanted: Sequence[Slot], recipe: Recipe) -> list[Slot]:
    """Slots whose file was made from the same clip with other settings, such as another rate."""
    detector, marks = _short(recipe), {}
    found = []
    for slot in wanted:
        if slot.store not in marks:
            marks[slot.store] = load_marks(slot.store)
        mark = marks[slot.store].get(slot.target.relative_to(slot.store).as_posix())
        now = full_name(slot.video), stamp_of(slot.video)
        if mark and (mark.video, mark.stamp) == now and mark.detector != detector:
            found.append(slot)
    return found


def _short(recipe: Recipe) -> str:
    return hashlib.sha256(detector_key(recipe).encode()).hexdigest()[:16]


def _skipped(slot: Slot, reason: str) -> UnfinishedError:
    path = slot.store / QUARANTINE
    return UnfinishedError(f"{reason}; passed over since then: delete {path} to try it again")


class _Kept:
    """Files that stores hold already, by the size of the clip that each was made from."""

    def __init__(self, wanted: Sequence[Slot], *, everywhere: bool) -> None:
        self._marks = {store: load_marks(store) for store in {slot.store for slot in wanted}}
        self._by_size: dict[str, list[_Stored]] = defaultdict(list)
        if not everywhere:
            return
        for slot in {slot.store: slot for slot in wanted}.values():
            for path in sorted(slot.store.rglob("*.npz")):
                if not (slot.everyone and _OTHER_PERSON.search(path.name)):
                    self._add(path, slot)

    def mark(self, slot: Slot) -> Mark | None:
        """Mark of a slot, if its file is as it was then."""
        return self._mark(slot.target, slot.store)

    def candidates(self, slot: Slot, stamp: str) -> tuple[_Stored, ...]:
        """Files that may hold the poses of a slot: its own, and those of clips of its size."""
        own = self._stored(slot.target, slot.store) if os.path.exists(slot.target) else None
        others = [*self._by_size[size_in(stamp)], *self._by_size[""]]
        return tuple([*([own] if own else []), *(one for one in others if one != own)])

    def _add(self, path: Path, slot: Slot) -> None:
        """Note a file of a store by the size of its clip; by none where that is not known."""
        if (stored := self._stored(path, slot.store)) is None:
            return
        mark = self._mark(path, slot.store)
        stamp = mark.stamp if mark else _stamp_of_moved(path, slot)
        self._by_size[size_in(stamp)].append(stored)

    def _mark(self, path: Path, store: Path) -> Mark | None:
        mark = self._marks[store].get(path.relative_to(store).as_posix())
        return mark if mark and mark.made == stamp_of(path) else None

    def _stored(self, path: Path, store: Path) -> _Stored | None:
        """A file with its key, read from it unless it is marked; None if it is not one of ours."""
        if mark := self._mark(path, store):
            return _Stored(path, mark.key, mark.model, is_url(mark.video))
        try:
            return _Stored(path, *read_key(path))
        except FormatError:
            return None  # it is made again


def _stamp_of_moved(stored: Path, slot: Slot) -> str:
    return "" if isinstance(slot.video, Remote) else stamp_of(_video_of(stored, slot))


def _video_of(stored: Path, slot: Slot) -> Path:
    """Clip of this file system that a file of the slot's store was made from."""
    name = stored.relative_to(slot.store).as_posix()
    name = name.removesuffix(".1.npz" if slot.everyone else ".npz")
    return Path(str(slot.video).removesuffix(slot.name.replace("/", os.sep))) / name


# -- the work --------------------------------------------------------------------------------------


def _fill_one(job: _Job, tick: engine.Tick) -> _Filled:
    """Make the file of one slot, from stored poses where there are some."""
    slot, recipe = job.slot, replace(job.recipe, cached=False)
    if not slot.store.is_dir():
        raise VipeError(
            f"{slot.store}: no such folder on {platform.node()}; videos and --out have to be on a "
            "file system that all nodes share"
        )
    with at_hand(slot.video) as (clip, stamp):
        key = content_key(clip, detector_key(recipe))
        stored = [one for one in job.stored if one.key == key and one.path.is_file()]
        if not stored and not job.force:
            stored = _made_meanwhile(slot.target, key)
        chosen = stored[0] if stored else None
        fresh = not chosen or (chosen.path, chosen.model) != (slot.target, recipe.load_model().id)
        remarks = _make(job, clip, key, chosen, tick) if fresh else ()
    mark = Mark(
        file=slot.target.relative_to(slot.store).as_posix(),
        made=stamp_of(slot.target),
        video=full_name(slot.video),
        stamp=stamp,
        key=key,
        detector=_short(recipe),
        model=recipe.load_model().id,
    )
    return _Filled(Entry(slot, key, fresh, remarks), mark)


@contextlib.contextmanager
def at_hand(clip: Clip) -> Iterator[tuple[Path, str]]:
    """Yield a clip as a file or folder of this machine, and its stamp; a remote one as a copy.

    Raises
    ------
    VideoError, VipeError
        as `remote.downloaded`.
    """
    if isinstance(clip, Remote):
        with downloaded(clip) as copy_and_stamp:
            yield copy_and_stamp
    else:
        yield clip, stamp_of(clip)


def _made_meanwhile(target: Path, key: str) -> list[_Stored]:
    """The file of a slot, if a process made it that was lost before it could say so."""
    if not os.path.exists(target):  # False where the name is too long for one
        return []
    with contextlib.suppress(FormatError):
        if (found := _Stored(target, *read_key(target))).key == key:
            return [found]
    return []


def _make(
    job: _Job, clip: Path, key: str, stored: _Stored | None, tick: engine.Tick
) -> tuple[str, ...]:
    """Write the file of a slot, from its clip on this machine; returns what to tell about it."""
    slot, recipe = job.slot, replace(job.recipe, cached=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VideoWarning)
        files = (
            _siblings(stored.path) if stored and slot.everyone else [stored.path] if stored else []
        )
        found = _embedded(files, recipe) if files else _detected(clip, slot, recipe, tick)
    try:
        slot.target.parent.mkdir(parents=True, exist_ok=True)
        _save(slot, key, found)
        if stored and stored.path != slot.target and _is_gone(stored, slot):
            for path in files:
                path.unlink(missing_ok=True)
    except OSError as exc:
        raise VipeError(
            f"{slot.target}: cannot be written ({exc.strerror}); choose another folder with --out"
        ) from exc
    said = (str(w.message) for w in caught if issubclass(w.category, VideoWarning))
    said = (text.replace(str(clip), str(slot.video)) for text in said)
    return tuple(dict.fromkeys(said))  # a clip may be gone through twice


def _is_gone(stored: _Stored, slot: Slot) -> bool:
    """Return whether the clip of a file was moved, as far as this file system tells."""
    if stored.remote or isinstance(slot.video, Remote):
        return False
    return not _video_of(stored.path, slot).exists()


def _embedded(files: Sequence[Path], recipe: Recipe) -> list[list[tuple[Poses, Embeddings]]]:
    """Poses of files, embedded by the model of now."""
    people = [load_poses(path) for path in files]
    return [[(poses, embed(poses, recipe.load_model()))] for poses in people]


def _detected(
    clip: Path, slot: Slot, recipe: Recipe, tick: engine.Tick
) -> Sequence[Iterable[tuple[Poses, Embeddings]]]:
    """Poses and embeddings of a clip, made as they are taken."""
    tick(0, ahead=check_clip(clip, recipe).frames or 0)
    _kept(model_path(recipe.pose_model))
    return read_pieces(clip, recipe, tick, everyone=slot.everyone)


@functools.cache
def _kept(model: Path) -> ImageLandmarker:
    """Keep the landmarker of single pictures from clip to clip: a new one takes 0.15 s."""
    return still(model)


def _release(recipe: Recipe) -> None:
    """Close the landmarker that was kept; one that is open when Python ends prints a trace."""
    if _kept.cache_info().currsize:
        _kept(model_path(recipe.pose_model)).close()
        _kept.cache_clear()


def _save(slot: Slot, key: str, found: Sequence[Iterable[tuple[Poses, Embeddings]]]) -> None:
    """Write the files of a slot: its target, by which it counts as done, at last."""
    if slot.everyone:
        for number in range(len(found), 1, -1):
            save_clip(found[number - 1], slot.of_person(number), key=f"{key} person {number}")
        for path in _siblings(slot.target)[len(found) :]:
            path.unlink()  # of a video that showed more people
    save_clip(found[0], slot.target, key=key)


def _siblings(first: Path) -> list[Path]:
    """Files of all people of a video, from that of the first."""
    paths = []
    path = first
    while path.is_file():
        paths.append(path)
        path = first.with_name(f"{first.name.removesuffix('1.npz')}{len(paths) + 1}.npz")
    return paths
