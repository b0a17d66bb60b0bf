"""Folders of clips whose poses and embeddings are stored in files, so that they are made once.

The file of `FOLDER/walk/a.mp4` is `FOLDER/.vipe/walk/a.mp4.npz`. It carries a key made of the
content of the video and of everything that the poses depend on. What counts is the key: a renamed
video keeps its poses, a changed one loses them, and a new embedding model only embeds again.
"""

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vipecli.embedding.clip import POSES_FORMAT, Recipe
from vipecli.embedding.remote import Clip, Remote, below, is_prefix
from vipecli.errors import VideoError, VipeError
from vipecli.files import is_sidecar
from vipecli.poses.formats import is_pose_file, looks_like_poses
from vipecli.poses.gaps import MAX_GAP_S
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
        what to embed; it may be remote.
    store
        folder that the files of many videos share.
    name
        path of the video below the folder that was asked for, with forward slashes.
    everyone
        whether each person has a file, numbered from the left, not only the one chosen.
    """

    video: Clip
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


def passed_over(folder: Path) -> list[Path]:
    """Keypoint files that `find_videos` leaves out, because videos lie beside them; sorted."""
    found: list[Path] = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_sidecar(name)]
        if is_pose_file(where):
            folders.clear()
        elif any(_has_suffix(name, VIDEO_SUFFIXES) for name in files):
            found += [Path(where, name) for name in files if _is_keypoints(Path(where, name))]
    return sorted(found)


def _is_keypoints(path: Path) -> bool:
    return not is_sidecar(path.name) and looks_like_poses(path)


def _has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    return not is_sidecar(name) and Path(name).suffix.lower() in suffixes


def slots(inputs: Sequence[Clip], out: Path | None = None) -> list[Slot]:
    """List the videos of folders, and single videos, with the files that belong to them.

    Parameters
    ----------
    inputs
        folders and videos, and prefixes and objects of a store.
    out
        folder for the files; with several input folders each gets its own below it. None = the
        folder `STORE` inside each input folder, or beside a single video.

    Raises
    ------
    VideoError
        if an input is missing, a folder holds no video, or two videos would share a file.
    VipeError
        if an input is remote, and its store cannot be asked, or `out` is None.
    """
    videos = {path: _videos_of(path) for path in inputs}
    roots = {path: path.parent if found == [path] else path for path, found in videos.items()}
    several = sum(path == root for path, root in roots.items()) > 1
    found: dict[Path, Slot] = {}
    for path, root in roots.items():
        store = default_store(root) if out is None else out
        if out is not None and several and path == root:
            store = out / (path.name if isinstance(path, Remote) else path.resolve().name)
        for video in videos[path]:
            slot = Slot(video, store, video.relative_to(root).as_posix())
            other = found.setdefault(slot.target, slot)
            if _real_name(other.video) != _real_name(video):
                raise VideoError(
                    f"{video} and {other.video} would both go to {slot.target}; "
                    "embed them one after the other into different folders"
                )
    return list(found.values())


def _videos_of(path: Clip) -> Sequence[Clip]:
    """Videos of a folder or a prefix, or the one that is named itself."""
    if isinstance(path, Remote):
        return below(path) if is_prefix(path) else [path]
    return find_videos(path) if path.is_dir() and not is_pose_file(path) else [check_input(path)]


def _real_name(clip: Clip) -> Clip | str:
    return clip if isinstance(clip, Remote) else os.path.realpath(clip)


def default_store(root: Clip) -> Path:
    """Return the folder `STORE` in a folder.

    Raises
    ------
    VipeError
        if it is remote.
    """
    if isinstance(root, Remote):
        raise VipeError(
            f"{root}: stores are read only; say with --out which folder the files go to"
        )
    return root / STORE


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
    if recipe.fill_s != MAX_GAP_S:
        part += f" fill={recipe.fill_s!r}"
    return f"{POSES_FORMAT} {recipe.person} {recipe.finder}{part}\n"
