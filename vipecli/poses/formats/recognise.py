"""Which files and folders are poses."""

import os
import re
import zipfile
from pathlib import Path

from vipecli.poses.formats.json_files import is_openpose_folder
from vipecli.poses.formats.registry import READERS


def is_pose_file(path: str | os.PathLike[str]) -> bool:
    """Whether a path is to be read as poses: by its extension, or as a folder of OpenPose."""
    path = Path(path)
    if path.is_dir():
        return is_openpose_folder(path)
    return path.suffix.lower() in (".npz", *READERS)


def looks_like_poses(path: Path) -> bool:
    """Whether a file found in a folder is one of keypoints, by its first bytes.

    What has embeddings is no input: it was made by `vipe embed`.
    """
    if not is_pose_file(path) or path.is_dir():
        return False
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
            return {"format_version.npy", "xy.npy"} <= names and "mean.npy" not in names
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    return bool(_SIGNS[path.suffix.lower()].search(head))


_HEAD_BYTES = 1 << 16
_SIGNS = {
    ".csv": re.compile(rb"\A(\xef\xbb\xbf)?(scorer|.*\b[xy]_?\d+\b|.*_[xy]\b|.*\bx,y\b)", re.I),
    ".json": re.compile(rb'"(pose_?)?(keypoints|keypoints_2d|joints|landmarks?)"', re.I),
    ".mat": re.compile(rb"\AMATLAB 5"),
    ".trc": re.compile(rb"\APathFileType"),
}
