"""Recognition of files and folders that hold poses."""

import csv
import mmap
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from vipecli.files import is_sidecar
from vipecli.poses.formats.csv_files import kind_of_table
from vipecli.poses.formats.hdf5 import SIGNATURE
from vipecli.poses.formats.json_files import is_openpose_folder
from vipecli.poses.formats.registry import READERS
from vipecli.poses.formats.text import MOST_BYTES, decoded, rows_of

_HEAD_BYTES = 1 << 20
_JSON_SIGN = re.compile(rb'"(pose_?)?(keypoints|keypoints_2d|joints|landmarks?)"', re.IGNORECASE)
_JSON_START = re.compile(rb'"(images|image_id|annotations|instance_info|meta_info|people|bodies)"')
_TAIL = 64  # bytes in which a whole JSON file closes its last bracket


def is_pose_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is read as poses: by its extension, or as a folder of OpenPose."""
    path = Path(path)
    if path.is_dir():
        return is_openpose_folder(path)
    return path.suffix.lower() in (".npz", *READERS)


def looks_like_poses(path: Path) -> bool:
    """Return whether a file found in a folder holds keypoints, by its content.

    Hidden files, among them the ``._`` files of macOS, are none, and neither is what has
    embeddings: `vipe embed` made it.
    """
    if is_sidecar(path.name) or not is_pose_file(path) or not path.is_file():
        return False
    try:
        return _SIGNS[path.suffix.lower()](path)
    except (OSError, ValueError, RuntimeError, csv.Error, zipfile.BadZipFile):
        return False


def _is_npz(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    return {"format_version.npy", "xy.npy"} <= names and "mean.npy" not in names


def _is_json(path: Path) -> bool:
    """Whether a key of keypoints stands anywhere: a long list of images may come first.

    A file that is cut off before it counts by its beginning: reading it tells what is wrong.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[0] > 127:  # a byte order mark
            return (
                _JSON_SIGN.search(decoded(data[:MOST_BYTES], errors="replace").encode()) is not None
            )
        if _JSON_SIGN.search(data, 0, MOST_BYTES):
            return True
        is_cut = not data[-_TAIL:].rstrip().endswith((b"}", b"]"))
        return is_cut and _JSON_START.search(data, 0, _HEAD_BYTES) is not None


def _is_csv(path: Path) -> bool:
    header = next(rows_of(_head(path)), [])
    return kind_of_table(header) is not None


def _is_trc(path: Path) -> bool:
    return _head(path).startswith("PathFileType")


def _is_mat(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"MATLAB 5"


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def _head(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_HEAD_BYTES)
    return decoded(data, errors="replace")


_SIGNS: dict[str, Callable[[Path], bool]] = {
    ".csv": _is_csv,
    ".h5": _is_hdf5,
    ".json": _is_json,
    ".jsonl": _is_json,
    ".mat": _is_mat,
    ".npz": _is_npz,
    ".slp": _is_hdf5,
    ".trc": _is_trc,
    ".tsv": _is_csv,
}
