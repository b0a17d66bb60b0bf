"""Cache of detected poses, by the content of the clip, the detector and its settings.

One `.npz` per clip in a folder that several processes share: files appear whole, and what is
damaged or gone counts as not there. The clips asked for least recently go first when the folder
grows beyond its limit. Nothing here ever fails a command: a full disk only means no cache.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.files import replacing
from vipecli.poses.detection.model_file import OFF, cache_folder
from vipecli.poses.npz_writer import NpzWriter
from vipecli.poses.poses import Scene
from vipecli.poses.tracking import Track, Tracks

LIMIT_BYTES = 1 << 30
"""Size of the cache unless VIPE_CACHE_MB says otherwise: ten hours of one person at 30 frames/s."""

_KEPT_SHARE = 0.9  # of the limit that is kept when it is exceeded
_STALE_S = 24 * 3600.0  # after which the leavings of a killed process are removed
_FORMAT = 1  # of the files
_BLOCK = 1 << 20  # bytes read at a time
_BLOCK_FRAMES = 1024  # of a person, written at a time


@dataclass(frozen=True)
class Usage:
    """Number and size of the cached clips.

    Attributes
    ----------
    folder
        where it is; None if it is switched off.
    clips
        number of clips.
    size
        bytes of all of them.
    limit
        bytes that they may take.
    """

    folder: Path | None
    clips: int
    size: int
    limit: int


def folder() -> Path | None:
    """Folder of the poses; None if the environment variable VIPE_CACHE is ``off``."""
    if os.environ.get("VIPE_CACHE", "").lower() in OFF:
        return None
    return cache_folder() / "poses"


def limit_bytes() -> int:
    """Size that the cache may have, from the environment variable VIPE_CACHE_MB."""
    try:
        return int(float(os.environ.get("VIPE_CACHE_MB", "")) * (1 << 20))
    except (ValueError, OverflowError):
        return LIMIT_BYTES


def key_of(path: Path, settings: str) -> str | None:
    """Return the key of a clip: a hash of its content and of the settings of its detection.

    Parameters
    ----------
    path
        video, or folder of frames.
    settings
        detector, models, and the part of the clip.

    Returns
    -------
    None if the clip cannot be read; the detector will say why.
    """
    digest = hashlib.sha256(f"{_FORMAT} {settings}\n".encode())
    try:
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if path.is_dir():
                digest.update(os.fsencode(file.name) + b"\0")
            with file.open("rb") as opened:
                while block := opened.read(_BLOCK):
                    digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def load(key: str, *, source: str) -> tuple[Scene, tuple[str, ...]] | None:
    """Return the cached people of a clip and the warnings about it; None if it is not cached.

    Parameters
    ----------
    key
        from `key_of`.
    source
        name of the clip, for `Scene.source`.
    """
    where = folder()
    if where is None:
        return None
    path = where / f"{key}.npz"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            scene = _scene(data, source)
            remarks = tuple(str(text) for text in data["remarks"].tolist())
        os.utime(path)  # used just now
    except FileNotFoundError:
        return None
    except Exception:  # whatever is wrong with the file, it is rebuilt
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return scene, remarks


def _scene(data: "np.lib.npyio.NpzFile", source: str) -> Scene:
    tracks = Tracks()
    times, frames, people = data["times"], data["frames"], data["people"]
    for first, last in data["spans"].tolist():
        track = Track()
        for frame, person in zip(frames[first:last].tolist(), people[first:last], strict=True):
            track.add(frame, float(times[frame]), person)
        tracks.tracks.append(track)
    width, height = data["size"].tolist()
    return Scene(tracks, times, (width, height), source, str(data["detector"]))


def save(key: str, scene: Scene, remarks: tuple[str, ...] = ()) -> bool:
    """Store the people of a clip; return whether that was possible."""
    where = folder()
    limit = limit_bytes()
    if where is None or limit <= 0:
        return False
    try:
        where.mkdir(parents=True, exist_ok=True)
        with replacing(where / f"{key}.npz") as part:
            _write(scene, remarks, part)
        _evict(where, limit)
    except (OSError, MemoryError):
        return False
    return True


def _write(scene: Scene, remarks: tuple[str, ...], path: Path) -> None:
    """Write the people of a clip, some frames of one of them at a time."""
    tracks = scene.tracks.tracks
    ends = np.cumsum([0, *(len(track.frames) for track in tracks)])
    with NpzWriter(path.parent) as arrays:
        arrays.add("times", scene.times)
        arrays.add("size", np.array(scene.size))
        arrays.add("detector", np.array(scene.detector))
        arrays.add("spans", np.stack([ends[:-1], ends[1:]], axis=1))
        arrays.add("frames", np.array([f for track in tracks for f in track.frames], np.int64))
        arrays.add("remarks", np.array(list(remarks), np.str_))
        if not tracks:
            arrays.add("people", np.zeros((0, 33, 7), np.float32))
        for track in tracks:
            for first in range(0, len(track.people), _BLOCK_FRAMES):
                some = track.people[first : first + _BLOCK_FRAMES]
                arrays.add("people", np.asarray(some, np.float32))
        arrays.write(path)


def _files(where: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Files of the cache that are there right now."""
    with contextlib.suppress(OSError):
        for path in where.iterdir():
            if path.suffix == ".npz":
                with contextlib.suppress(OSError):
                    yield path, path.stat()


def _evict(where: Path, limit: int) -> None:
    """Remove the least recently used files until there is space, and those of killed processes."""
    kept, now = [], time.time()
    for path, stat in _files(where):
        if not path.name.startswith("."):
            kept.append((stat.st_mtime_ns, path, stat.st_size))
        elif now - stat.st_mtime > _STALE_S:
            _remove(path)
    total = sum(size for _, _, size in kept)
    if total <= limit:
        return
    for _, path, size in sorted(kept):
        if total <= _KEPT_SHARE * limit:
            break
        if _remove(path):
            total -= size


def _remove(path: Path) -> bool:
    """Remove a file; another process may be using it, or have removed it."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def usage() -> Usage:
    """Return the current number and size of the cached clips."""
    where = folder()
    sizes = [
        stat.st_size
        for path, stat in (_files(where) if where else ())
        if not path.name.startswith(".")
    ]
    return Usage(where, len(sizes), sum(sizes), limit_bytes())


def clear() -> Usage:
    """Remove all cached poses; return their number and size."""
    before, where = usage(), folder()
    for path, _ in list(_files(where)) if where else ():
        _remove(path)
    return before
