"""Folders of clips whose poses and embeddings are stored in files, so that they are made once.

The file of `FOLDER/walk/a.mp4` is `FOLDER/.vipe/walk/a.mp4.npz`. It carries a key made of the
content of the video and of everything that the poses depend on. What counts is the key: a renamed
video keeps its poses, a changed one loses them, and a new embedding model only embeds again.
"""

import functools
import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vipecli import engine
from vipecli.embedding.clip import POSES_FORMAT, Recipe, check_clip, read_pieces
from vipecli.embedding.clip_file import read_key, save_clip
from vipecli.embedding.embed import Embeddings, embed
from vipecli.errors import FormatError, VideoError, VideoWarning, VipeError
from vipecli.files import is_sidecar
from vipecli.poses.detection.mediapipe_session import ImageLandmarker, still
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.formats import is_pose_file, load_poses, looks_like_poses
from vipecli.poses.poses import Poses
from vipecli.video.container import check_input
from vipecli.video.image_sequence import IMAGE_SUFFIXES
from vipecli.video.read import VIDEO_SUFFIXES

STORE = ".vipe"
_BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Slot:
    """A video and the file that holds, or will hold, its poses and embeddings.

    Attributes
    ----------
    video
        what to embed.
    store
        folder that the files of many videos share.
    name
        path of the video below the folder that was asked for, with forward slashes.
    everyone
        whether each person has a file, numbered from the left, not only the one chosen.
    """

    video: Path
    store: Path
    name: str
    everyone: bool = False

    @property
    def target(self) -> Path:
        """The file, or that of the first person, which is written last."""
        return self.of_person(1) if self.everyone else self.store / f"{self.name}.npz"

    def of_person(self, number: int) -> Path:
        """File of one person, where everyone has one."""
        return self.store / f"{self.name}.{number}.npz"

    @property
    def label(self) -> str:
        """First folder of the name; empty for a video that lies in none."""
        return self.name.partition("/")[0] if "/" in self.name else ""


@dataclass(frozen=True)
class Entry:
    """A video whose file exists.

    Attributes
    ----------
    slot
        video and file.
    key
        of the content, the detector and its settings.
    fresh
        False where nothing had to be done.
    remarks
        what to tell about the video, such as a damaged part.
    """

    slot: Slot
    key: str
    fresh: bool
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Job:
    """The task of a process: one slot to fill."""

    slot: Slot
    key: str
    recipe: Recipe
    stored: Path | None  # a file with the same key, whose poses can be used
    stored_is_stale: bool  # its video is gone: the file moves rather than being copied

    def __str__(self) -> str:
        return str(self.slot.video)


def find_videos(folder: Path) -> list[Path]:
    """Every video below a folder, sorted by path; hidden files and folders are skipped.

    Where a folder has none, the keypoint files in it count as videos.

    A folder that holds pictures, and neither videos nor folders, is a video too.

    Raises
    ------
    VideoError
        if the folder is missing or holds no video.
    """
    if not folder.is_dir():
        raise VideoError(f"{folder}: no such folder")
    found: list[Path] = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_sidecar(name)]
        if is_pose_file(where):  # OpenPose's, a file per frame
            found.append(Path(where))
            folders.clear()
            continue
        videos = [name for name in files if _has_suffix(name, VIDEO_SUFFIXES)]
        videos = videos or [name for name in files if _is_keypoints(Path(where, name))]
        found += [Path(where, name) for name in videos]
        if not videos and not folders and any(_has_suffix(f, IMAGE_SUFFIXES) for f in files):
            found.append(Path(where))
    if not found:
        raise VideoError(f"{folder}: holds no video ({', '.join(sorted(VIDEO_SUFFIXES))})")
    return sorted(found)


def _is_keypoints(path: Path) -> bool:
    return not is_sidecar(path.name) and looks_like_poses(path)


def _has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    return not is_sidecar(name) and Path(name).suffix.lower() in suffixes


def slots(inputs: Sequence[Path], out: Path | None = None) -> list[Slot]:
    """List the videos of folders, and single videos, with the files that belong to them.

    Parameters
    ----------
    inputs
        folders and videos.
    out
        folder for the files; with several input folders each gets its own below it. None = the
        folder `STORE` inside each input folder, or beside a single video.

    Raises
    ------
    VideoError
        if an input is missing, a folder holds no video, or two videos would share a file.
    """
    videos = {
        path: find_videos(path) if path.is_dir() and not is_pose_file(path) else [check_input(path)]
        for path in inputs
    }
    roots = {path: path.parent if found == [path] else path for path, found in videos.items()}
    several = sum(path == root for path, root in roots.items()) > 1
    found: dict[Path, Slot] = {}
    for path, root in roots.items():
        store = root / STORE if out is None else out
        if out is not None and several and path == root:
            store = out / path.resolve().name
        for video in videos[path]:
            slot = Slot(video, store, video.relative_to(root).as_posix())
            other = found.setdefault(slot.target, slot)
            if os.path.realpath(other.video) != os.path.realpath(video):
                raise VideoError(
                    f"{video} and {other.video} would both go to {slot.target}; "
                    "embed them one after the other into different folders"
                )
    return list(found.values())


def embed_all(
    wanted: Sequence[Slot],
    recipe: Recipe,
    *,
    jobs: int = 1,
    force: bool = False,
    moved: bool = True,
    planned: Callable[[int], object] = int,
    tick: engine.Tick | None = None,
) -> Iterator[engine.Outcome]:
    """Make the missing files, and yield the outcome of every slot.

    Parameters
    ----------
    wanted
        videos and their files.
    recipe
        person and models.
    jobs
        processes.
    force
        make them all again.
    moved
        search the whole store for the poses of renamed videos.
    planned
        called with the number of frames of each clip to be processed, 0 if unknown.
    tick
        called with the number of frames done since its last call.

    Returns
    -------
    Outcomes whose item is a slot, and whose result is an `Entry`.

    Raises
    ------
    WeightsError
        if a model cannot be read.
    """
    detector, model = detector_key(recipe), recipe.load_model().id
    known = {} if force else _known(wanted, everywhere=moved)
    settled: deque[engine.Outcome] = deque()

    def plan() -> Iterator[_Job]:
        for slot in wanted:
            try:
                key = content_key(slot.video, detector)
                stored = known.get(key, {}).get(slot.target) or next(
                    iter(known.get(key, {}).values()), None
                )
                if stored and stored == (slot.target, model):
                    settled.append(engine.Outcome(slot, Entry(slot, key, fresh=False)))
                    continue
                if not stored:
                    planned(check_clip(slot.video, recipe).frames or 0)
            except VipeError as exc:
                settled.append(engine.Outcome(slot, error=exc))
                continue
            path = stored[0] if stored else None
            yield _Job(slot, key, recipe, path, bool(path) and _is_stale(path, slot))

    try:
        for outcome in engine.run(_fill_one, plan(), jobs=jobs, tick=tick):
            yield from _taken(settled)
            yield engine.Outcome(outcome.item.slot, outcome.result, outcome.error)
        yield from _taken(settled)
    finally:
        _release(recipe)


def _taken(queue: deque) -> Iterator:
    while queue:
        yield queue.popleft()


def _fill_one(job: _Job, tick: engine.Tick) -> Entry:
    """Make the file of one slot, from stored poses where there are some."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", VideoWarning)
        if job.stored:
            stored = _siblings(job.stored) if job.slot.everyone else [job.stored]
            people = [load_poses(path) for path in stored]
            found = [[(poses, embed(poses, job.recipe.load_model()))] for poses in people]
        else:
            recipe = replace(job.recipe, cached=False)
            _kept(model_path(recipe.pose_model))
            found = read_pieces(job.slot.video, recipe, tick, everyone=job.slot.everyone)
    remarks = tuple(str(w.message) for w in caught if issubclass(w.category, VideoWarning))
    target = job.slot.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _save(job, found)
        if job.stored_is_stale and job.stored != target:
            for path in stored:
                path.unlink(missing_ok=True)
    except OSError as exc:
        raise VipeError(
            f"{target}: cannot be written ({exc.strerror}); choose another folder with --out"
        ) from exc
    return Entry(job.slot, job.key, fresh=True, remarks=remarks)


@functools.cache
def _kept(model: Path) -> ImageLandmarker:
    """Keep the landmarker of single pictures from clip to clip: a new one takes 0.15 s."""
    return still(model)


def _release(recipe: Recipe) -> None:
    """Close the landmarker that was kept; one that is open when Python ends prints a trace."""
    if _kept.cache_info().currsize:
        _kept(model_path(recipe.pose_model)).close()
        _kept.cache_clear()


def _save(job: _Job, found: Sequence[Iterable[tuple[Poses, Embeddings]]]) -> None:
    """Write the files of a slot: its target, by which it counts as done, at last."""
    slot = job.slot
    if slot.everyone:
        for number in range(len(found), 1, -1):
            key = f"{job.key} person {number}"
            save_clip(found[number - 1], slot.of_person(number), key=key)
        for path in _siblings(slot.target)[len(found) :]:
            path.unlink()  # of a video that showed more people
    save_clip(found[0], slot.target, key=job.key)


def _siblings(first: Path) -> list[Path]:
    """Files of all people of a video, from that of the first."""
    paths = []
    path = first
    while path.is_file():
        paths.append(path)
        path = first.with_name(f"{first.name.removesuffix('1.npz')}{len(paths) + 1}.npz")
    return paths


def _known(wanted: Sequence[Slot], *, everywhere: bool) -> dict[str, dict[Path, tuple[Path, str]]]:
    """Files by key, each with its path and its embedding model: of the slots, or of the stores."""
    known: dict[str, dict[Path, tuple[Path, str]]] = {}
    paths = {slot.target for slot in wanted if slot.target.exists()}
    if everywhere:
        paths |= {path for store in {s.store for s in wanted} for path in store.rglob("*.npz")}
    for path in sorted(paths):
        try:
            key, model = read_key(path)
        except FormatError:
            continue  # of another program, or damaged: it is rebuilt
        known.setdefault(key, {})[path] = (path, model)
    return known


def _is_stale(stored: Path, slot: Slot) -> bool:
    """Return whether the video of a file in the slot's store no longer exists."""
    name = stored.relative_to(slot.store).as_posix()
    name = name.removesuffix(".1.npz" if slot.everyone else ".npz")
    root = Path(str(slot.video).removesuffix(slot.name.replace("/", os.sep)))
    return not (root / name).exists()


def content_key(video: Path, detector: str) -> str:
    """Key of a video's poses: SHA-256 over its content and the detector's key.

    Raises
    ------
    VideoError
        if the video cannot be read.
    """
    check_input(video)  # reading a pipe would never end
    digest = hashlib.sha256(detector.encode())
    files = files_of(video)
    try:
        for path in files:
            if video.is_dir():
                digest.update(os.fsencode(path.name) + b"\0")
            with path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
    except OSError as exc:
        raise VideoError(f"{video}: cannot be read ({exc.strerror})") from exc
    return digest.hexdigest()


def files_of(video: Path) -> list[Path]:
    """Files of a video: itself, or those of a folder of frames, without hidden and system files."""
    if not video.is_dir():
        return [video]
    return sorted(p for p in video.iterdir() if p.is_file() and not is_sidecar(p.name))


@functools.cache
def detector_key(recipe: Recipe) -> str:
    """Return the settings that poses depend on besides the clip: person, detector, its model."""
    part = f" {recipe.part}" if recipe.part else ""
    return f"{POSES_FORMAT} {recipe.person} {recipe.finder}{part}\n"
