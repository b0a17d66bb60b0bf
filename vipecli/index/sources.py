"""Find labelled clips: a folder per label, a table, or Penn Action."""

import csv
import io
import os
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from vipecli.embedding.remote import Clip, Remote, below, clip_of, with_stamps
from vipecli.errors import FormatError, VideoError
from vipecli.files import is_sidecar, read_regular
from vipecli.index import penn_action
from vipecli.index.records import one_label
from vipecli.poses.formats import is_pose_file, looks_like_poses
from vipecli.poses.poses import Poses
from vipecli.video.image_sequence import IMAGE_SUFFIXES
from vipecli.video.read import VIDEO_SUFFIXES

TABLE = "labels.csv"
POSES = "auto", "given", "detect"
SPLITS = "all", "train", "test"
_MOST_BYTES = 1 << 28  # of a table
_COLUMNS = {"start": "start_s", "end": "end_s"}
_KNOWN = {"path", "label", "viewpoint", "start_s", "end_s"}


@dataclass(frozen=True)
class Item:
    """A labelled clip that is not embedded yet.

    Attributes
    ----------
    name
        unique: path below the root with forward slashes, and the part of the clip if any.
    label, viewpoint
        the viewpoint may be empty.
    path
        video, folder of frames or keypoint file, perhaps remote; None where only `poses` are given.
    start_s, end_s
        part of the clip, seconds; None = from its start, to its end.
    poses
        joints that came with the labels; None = to be read or detected.
    """

    name: str
    label: str
    path: Clip | None
    viewpoint: str = ""
    start_s: float | None = None
    end_s: float | None = None
    poses: Poses | None = None

    def __post_init__(self) -> None:
        """Normalise the label to composed Unicode."""
        object.__setattr__(self, "label", one_label(self.label))


def kind_of(source: Clip) -> str:
    """Return how the clips of a source are labelled: ``table``, ``penn`` or ``folders``.

    Raises
    ------
    VideoError
        if there is nothing.
    FormatError
        if it is a file of another kind.
    """
    if isinstance(source, Remote):
        return "folders"
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    if source.is_file():
        if is_table(source):
            return "table" if source.suffix.lower() == ".csv" else "penn"
        raise FormatError(
            f"{source}: neither a table (.csv) nor labels of Penn Action (.npz); "
            "give those, or a folder"
        )
    if (source / TABLE).is_file():
        return "table"
    return "penn" if _holds_penn_action(source) else "folders"


def _holds_penn_action(folder: Path) -> bool:
    archives = (path for path in folder.glob("*.npz") if not is_sidecar(path.name))
    labels = (path for path in (folder / "labels").glob("*.mat") if not is_sidecar(path.name))
    return any(_is_penn_archive(path) for path in archives) or any(True for _ in labels)


def is_table(path: Path) -> bool:
    """Return whether a file lists labelled clips: a .csv, or an archive of Penn Action."""
    return path.suffix.lower() == ".csv" or _is_penn_archive(path)


def find(
    source: Clip,
    *,
    root: Path | None = None,
    poses: str = "auto",
    split: str = "all",
    exclude: Iterable[str] = (),
) -> list[Item]:
    """Return the labelled clips of a source.

    Parameters
    ----------
    source
        a folder with one sub-folder per label, which hold videos, folders of frames or keypoint
        files; a ``labels.csv`` (columns path and label, and if wanted viewpoint, start and end),
        or the folder that holds it; or Penn Action, as a folder with `labels/*.mat` and perhaps
        `frames/`, or as an ``.npz``. Also a prefix of a store, with videos below one per label.
    root
        names are relative to it; None = the source, or the folder of the table.
    poses
        for Penn Action: ``given`` uses its labelled joints, ``detect`` detects them in the
        frames, ``auto`` detects where there are frames.
    split
        for Penn Action: ``all`` clips, or those of the official ``train`` or ``test`` split.
    exclude
        shell patterns; a clip whose name matches one is left out.

    Raises
    ------
    VideoError
        if there is nothing, or no labelled clip is left.
    FormatError
        if a table or label file is damaged.
    ValueError
        if `poses` or `split` is unknown.
    """
    if poses not in POSES or split not in SPLITS:
        raise ValueError(f"poses is {poses!r} and split {split!r}; see `find`")
    kind = kind_of(source)
    if isinstance(source, Remote):
        items = _prefixes(source)
    elif kind == "penn":
        items = _penn(source, poses, split)
    elif kind == "table":
        items = _table(source / TABLE if source.is_dir() else source, root)
    else:
        items = _folders(source, root or source)
    patterns = list(exclude)
    kept = [i for i in items if not any(fnmatchcase(i.name, pattern) for pattern in patterns)]
    if not kept:
        reason = "every clip is excluded" if items else "no sub-folder holds a video"
        raise VideoError(
            f"{source}: {reason}; an index has one sub-folder per label, with videos of it, "
            f"or a {TABLE}"
        )
    return kept


def name_of(path: Clip, root: Path) -> str:
    """Return the name of a clip: its path below the root, or its absolute path or URL elsewhere."""
    if isinstance(path, Remote):
        return path.url
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return Path(os.path.abspath(path)).as_posix()


def part_name(name: str, start_s: float | None, end_s: float | None) -> str:
    """Return the name of a part of a clip."""
    if start_s is None and end_s is None:
        return name
    ends = ("" if t is None else f"{t:.3f}".rstrip("0").rstrip(".") for t in (start_s, end_s))
    return f"{name}@{'-'.join(ends)}"


def _folders(source: Path, root: Path) -> list[Item]:
    """Return the clips below the sub-folders; the first folder is the label."""
    return [
        Item(name_of(path, root), path.relative_to(source).parts[0], path)
        for path in find_clips(source)
        if path.parent != source
    ]


def _prefixes(source: Remote) -> list[Item]:
    """Return the videos below the prefixes of a store; the first one is the label."""
    found = [(clip, clip.relative_to(source)) for clip in below(source)]
    return [
        Item(name.as_posix(), name.parts[0], clip) for clip, name in found if len(name.parts) > 1
    ]


def find_clips(folder: Path) -> list[Path]:
    """Return every video, frame folder and keypoint file below a folder, sorted; not hidden ones.

    Keypoint files beside videos are skipped, and so are pictures beside either.
    """
    found: list[Path] = []
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_sidecar(name)]
        shown = [Path(where, name) for name in files if not is_sidecar(name)]
        found += _clips_among(shown, Path(where), alone=not folders)
    return sorted(found)


def _clips_among(files: list[Path], folder: Path, *, alone: bool) -> list[Path]:
    """Return the clips among the files of one folder, or the folder itself if it is one."""
    if videos := [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]:
        return videos
    if is_pose_file(folder):
        return [folder]
    if poses := [path for path in files if _holds_poses(path)]:
        return poses
    pictures = any(path.suffix.lower() in IMAGE_SUFFIXES for path in files)
    return [folder] if alone and pictures else []


def _holds_poses(path: Path) -> bool:
    """Return whether a file holds keypoints; folders of clips hold other .json and .csv, too."""
    return looks_like_poses(path) or (path.suffix.lower() == ".npz" and is_pose_file(path))


def _table(path: Path, root: Path | None) -> list[Item]:
    """Return the clips of a table; paths are relative to it."""
    root = path.parent if root is None else root
    text, delimiter, skipped = _table_text(path)
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    items: dict[str, Item] = {}
    try:
        names = {name: _column(name) for name in rows.fieldnames or ()}
        if not {"path", "label"} <= set(names.values()):
            raise FormatError(
                f"{path}: the first line has to name the columns path and label, and may name "
                f"viewpoint, start and end; it says {header.strip()[:200]!r}"
            )
        for row in rows:
            where = f"{path}, line {rows.line_num + skipped}"
            values = {names[k]: (v or "").strip() for k, v in row.items() if k in names}
            item = _row(values, path.parent, root, where)
            if item.name in items:
                raise FormatError(f"{where}: {item.name} is there twice; leave one line out")
            items[item.name] = item
    except csv.Error as exc:
        raise FormatError(f"{path}, line {rows.line_num + skipped}: {exc}") from exc
    if not items:
        raise FormatError(f"{path}: lists no clip; write one line for each below the first one")
    paths = with_stamps([item.path for item in items.values() if item.path is not None])
    return [replace(item, path=p) for item, p in zip(items.values(), paths, strict=True)]


def _table_text(path: Path) -> tuple[str, str, int]:
    """Return the text of a table, its delimiter, and the lines before its header (``sep=;``)."""
    try:
        data = read_regular(path, most=_MOST_BYTES)
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except UnicodeDecodeError as exc:
        raise FormatError(f'{path}: is not UTF-8; save it as "CSV UTF-8" ({exc})') from exc
    if named := re.match(r"sep=(.)\r?\n", text, re.IGNORECASE):
        return text[named.end() :], named[1], 1
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]
    return text, max(",;\t", key=header.count), 0


def _column(name: str | None) -> str:
    name = (name or "").strip().lower()
    return _COLUMNS.get(name, name)


def _row(values: dict[str, str], folder: Path, root: Path, where: str) -> Item:
    if not values["path"] or not values["label"]:
        raise FormatError(f"{where}: a clip needs a path and a label")
    if "\0" in "".join(values.values()):
        raise FormatError(f"{where}: holds a NUL character; save the table as text")
    try:
        path = _existing(folder, values["path"])
    except VideoError as exc:
        raise FormatError(f"{where}: {exc}") from exc
    if path is None:
        raise FormatError(f"{where}: {folder / values['path']}: no such file or folder")
    start, end = (_seconds(values.get(name, ""), where) for name in ("start_s", "end_s"))
    if start is not None and end is not None and end <= start:
        raise FormatError(f"{where}: the part ends at {end} s, before it starts at {start} s")
    name = part_name(name_of(path, root), start, end)
    return Item(name, values["label"], path, values.get("viewpoint", ""), start, end)


def _existing(folder: Path, name: str) -> Clip | None:
    """Return the file of a name in composed or decomposed Unicode, or a URL; None = no file."""
    if isinstance(remote := clip_of(name), Remote):
        return remote
    for spelling in (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))):
        try:
            if (folder / spelling).exists():
                return folder / spelling
        except (OSError, ValueError):  # too long, or with a NUL
            return None
    return None


def _seconds(text: str, where: str) -> float | None:
    """Return seconds from text such as 83.5, 1:23.5 or 1:02:03; None for no text."""
    if not text:
        return None
    try:
        parts = [float(part) for part in text.replace(",", ".").split(":")]
        value = sum(part * 60**i for i, part in enumerate(reversed(parts)))
        if not np.isfinite(value) or value < 0:
            raise ValueError
    except ValueError:
        raise FormatError(f"{where}: {text!r} is no time; write seconds, or 1:23.5") from None
    return value


def _is_penn_archive(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {"clip_id", "offsets", "keypoints"} <= set(archive.files)
    except (OSError, ValueError, EOFError, AttributeError, RuntimeError, BadZipFile):
        return False  # another archive, or a damaged one


def _penn(source: Path, poses: str, split: str) -> list[Item]:
    """Return the clips of Penn Action, with their labelled joints or their frames."""
    items: list[Item] = []
    for clip in penn_action.load(source):
        if split != "all" and clip.train != (split == "train"):
            continue
        frames = source / "frames" / clip.id
        has_frames = source.is_dir() and frames.is_dir()
        if poses == "detect" and not has_frames:
            raise VideoError(f"{frames}: no such folder; --poses given takes the labelled joints")
        given = poses == "given" or not has_frames
        items.append(
            Item(
                clip.id,
                clip.action,
                frames if has_frames else None,
                clip.viewpoint,
                poses=clip.poses if given else None,
            )
        )
    return items
