"""The file formats of poses: which are read, and which are written."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vipecli.errors import FormatError
from vipecli.poses.formats import writers
from vipecli.poses.formats.csv_files import read_csv_poses
from vipecli.poses.formats.hdf5 import read_h5, read_slp, write_slp
from vipecli.poses.formats.json_files import read_json_poses
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.penn import read_penn
from vipecli.poses.formats.trc import read_trc
from vipecli.poses.poses import Poses

READERS: dict[str, Callable[[Path], KeypointTable]] = {
    ".csv": read_csv_poses,
    ".h5": read_h5,
    ".json": read_json_poses,
    ".jsonl": read_json_poses,
    ".mat": read_penn,
    ".slp": read_slp,
    ".trc": read_trc,
    ".tsv": read_csv_poses,
}
"""Readers of other tools' files by extension; JSON is recognised by its content. A folder of
OpenPose has its own, and so has vipe's `.npz`, whose poses are chosen already."""


@dataclass(frozen=True)
class Format:
    """A format that can be written.

    Attributes
    ----------
    suffix
        of its files; empty for a folder.
    write
        writer(people, path); of `.npz` see `save_poses`.
    several
        whether it holds several people.
    about
        in words.
    """

    suffix: str
    write: Callable[[Sequence[Poses], Path], None] | None
    several: bool
    about: str


FORMATS: dict[str, Format] = {
    "npz": Format(".npz", None, False, "vipe's own, all that is known"),
    "coco": Format(".json", writers.write_coco, True, "COCO keypoint labels, 17 points"),
    "openpose": Format("", writers.write_openpose, True, "OpenPose's folder, BODY_25"),
    "mmpose": Format(".json", writers.write_mmpose, True, "MMPose (RTMPose), 17 points"),
    "alphapose": Format(".json", writers.write_alphapose, True, "AlphaPose, 17 points"),
    "halpe26": Format(".json", writers.write_halpe26, True, "AlphaPose, Halpe's 26 points"),
    "mediapipe": Format(".json", writers.write_mediapipe, False, "MediaPipe's 33 landmarks"),
    "mediapipe-csv": Format(".csv", writers.write_mediapipe_csv, False, "the same as a table"),
    "penn": Format(".mat", writers.write_penn, False, "labels of Penn Action, 13 points"),
    "slp": Format(".slp", write_slp, True, "SLEAP's predictions, 13 points (extra formats)"),
    "trc": Format(".trc", writers.write_trc, False, "markers of Sports2D, flat, in pixels"),
}
"""Formats by name; the first of an extension is what that extension stands for."""


def format_of(path: str | os.PathLike, name: str | None = None) -> str:
    """Name of the format in which a file is to be written.

    Parameters
    ----------
    path
        its extension decides, unless a name is given.
    name
        a name in `FORMATS`; None = by the extension.

    Raises
    ------
    FormatError
        if there is none of that name or extension.
    """
    path = Path(path)
    if name is not None:
        if name not in FORMATS:
            raise FormatError(f"{name}: no such format; known are {', '.join(FORMATS)}")
        wanted = FORMATS[name].suffix
        if path.suffix.lower() != wanted and (wanted or path.suffix.lower() in _SUFFIXES):
            raise FormatError(f"{path}: files of the format {name} end in {wanted or 'nothing'}")
        return name
    for known, one in FORMATS.items():
        if one.suffix and one.suffix == path.suffix.lower():
            return known
    raise FormatError(
        f"{path}: pose files of type {path.suffix or '(none)'!r} cannot be written; known are "
        + ", ".join(sorted(_SUFFIXES))
    )


_SUFFIXES = {one.suffix for one in FORMATS.values()} - {""}
