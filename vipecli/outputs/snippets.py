"""Stretches of a clip as films of their own, a folder per label, with a list of them."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np

from vipecli.errors import VideoError
from vipecli.files import check_output, read_regular, replacing
from vipecli.index.timeline import Stretch
from vipecli.outputs.reel import Reel, Take
from vipecli.outputs.synced import write_reel
from vipecli.outputs.text import one_line, table_cell
from vipecli.outputs.video_options import VideoOptions
from vipecli.poses.formats import is_pose_file
from vipecli.video.copying import copy_part
from vipecli.video.info import VideoInfo
from vipecli.video.source import ClipSource
from vipecli.video.write import MOST_FPS

MANIFEST = "manifest.csv"

_COLUMNS = ("file", "label", "confidence", "source", "start_s", "end_s", "copied")
_UNWANTED = re.compile(r'[<>:"/\\|?*]')  # in names, on one system or another
_LONGEST_NAME = 80  # characters of a label in the name of a folder
_MOST_BYTES = 16 << 20  # of a manifest


@dataclass(frozen=True)
class Snippet:
    """A stretch of a clip in a file.

    Attributes
    ----------
    path
        the film.
    stretch
        label, and when it is in the clip.
    copied
        whether its packets are those of the clip; else it was encoded again.
    """

    path: Path
    stretch: Stretch
    copied: bool


def write_part(source: ClipSource, out: Path, start_s: float, end_s: float, fps: float) -> bool:
    """Write a part of a clip, with its sound; return whether it was copied without loss.

    Parameters
    ----------
    source
        video or folder of frames.
    out
        an ``.mp4``.
    start_s, end_s
        of the part, seconds.
    fps
        of the new film, where it has to be encoded; at most `MOST_FPS`.

    Raises
    ------
    VipeError
        if the clip cannot be read or the film cannot be written.
    """
    check_output(out, source.path)
    if source.canvas is None and source.path.is_file():
        if is_pose_file(source.path):
            raise VideoError(f"{source.path}: has no pictures to cut; name the video itself")
        if copy_part(source.path, out, start_s, end_s):
            return True
    fps = min(fps, MOST_FPS)
    count = max(1, int(np.ceil((end_s - start_s) * fps - 1e-3)))
    times = start_s + np.arange(count) / fps
    reel = Reel((Take(source, times, None),), np.ones(count), fps)
    write_reel(reel, out, VideoOptions(captions=False, skeleton=False))
    return False


def write_snippets(
    clip: VideoInfo,
    stretches: Sequence[Stretch],
    folder: Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> list[Snippet]:
    """Write every labelled stretch into the sub-folder of its label, and the list of them.

    The list, `MANIFEST`, keeps the rows of other clips. The folder can be used as an index: it has
    a sub-folder of films per label.

    Parameters
    ----------
    clip
        that is cut.
    stretches
        those without a label are left out.
    folder
        is made if it is not there.
    progress
        called with 1 after each film.

    Raises
    ------
    VipeError
        if a stretch starts behind the end of the clip, or a file cannot be written; what was
        written before stays.
    """
    length_s = clip.duration_s
    for one in stretches:
        if length_s is not None and one.start_s >= length_s:
            raise VideoError(
                f"{clip.path}: ends at {length_s:.2f} s; nothing to cut at {one.start_s:.2f} s"
            )
    made = []
    for one in stretches:
        if one.label is None:
            continue
        path = folder / _folder_name(one.label) / _file_name(clip.path, one)
        path.parent.mkdir(parents=True, exist_ok=True)
        end_s = one.end_s if length_s is None else min(one.end_s, length_s)
        copied = write_part(clip.source, path, one.start_s, end_s, clip.fps)
        made.append(Snippet(path, one, copied))
        if progress:
            progress(1)
    if made:
        _write_manifest(made, clip.path, folder)
    return made


def _folder_name(label: str) -> str:
    """Label as the name of one folder: never a way out of the folder, and never hidden."""
    return _UNWANTED.sub("_", one_line(label))[:_LONGEST_NAME].strip(" .") or "_"


def _file_name(clip: Path, stretch: Stretch) -> str:
    return f"{clip.stem}_{stretch.start_s:.2f}-{stretch.end_s:.2f}.mp4"


def _write_manifest(made: Sequence[Snippet], clip: Path, folder: Path) -> None:
    target, source = folder / MANIFEST, table_cell(str(clip))
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    files = [table_cell(one.path.relative_to(folder).as_posix()) for one in made]
    kept = [row for row in _rows(target) if row["file"] not in files]
    writer.writerows(kept)
    for one, file in zip(made, files, strict=True):
        part = one.stretch
        writer.writerow(
            {
                "file": file,
                "label": table_cell(part.label or ""),
                "confidence": "" if isnan(part.confidence) else round(part.confidence, 4),
                "source": source,
                "start_s": round(part.start_s, 3),
                "end_s": round(part.end_s, 3),
                "copied": "yes" if one.copied else "no",
            }
        )
    with replacing(target) as part_file:
        part_file.write_text(text.getvalue(), encoding="utf-8", newline="")


def _rows(manifest: Path) -> list[dict[str, str]]:
    """Rows of a manifest that is there.

    Raises
    ------
    VideoError
        if it is another kind of file.
    """
    if not manifest.exists():
        return []
    text = read_regular(manifest, most=_MOST_BYTES).decode("utf-8", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise VideoError(f"{manifest}: is no list of snippets; choose another folder with --out")
    return [{name: row.get(name) or "" for name in _COLUMNS} for row in reader]
