"""Reader of the label files of Penn Action (Zhang, Zhu, Derpanis, ICCV 2013)."""

from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.matlab import load_mat
from vipecli.poses.formats.text import picture_size
from vipecli.poses.skeleton import JOINTS, MIRROR

HIDDEN_SCORE = 0.5
"""Score of a joint that Penn Action labels as not visible, but at a place."""

_ARRAYS = ("x", "y", "visibility", "dimensions")
_FPS = 30.0  # the labels do not say it

OUTSIDE_PX = 2.0
"""A joint that is not visible is outside of the picture if it is so near to its upper left corner.

The labellers' mark is (1, 1); why not exactly: `docs/detection.md`.
"""


def read_penn(path: Path) -> KeypointTable:
    """Rows of a label file of Penn Action; its left and right are the viewer's and are swapped.

    Raises
    ------
    FormatError
        if it is no such file.
    ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    mat = load_mat(path)
    if missing := [name for name in _ARRAYS if not isinstance(mat.get(name), np.ndarray)]:
        raise FormatError(f"{path}: not a label file of Penn Action (no {', '.join(missing)})")
    xy = np.stack([mat["x"], mat["y"]], axis=-1).astype(np.float64)
    seen = np.asarray(mat["visibility"], np.float64) > 0
    if xy.ndim != 3 or xy.shape[1:] != (13, 2) or seen.shape != xy.shape[:2]:
        raise FormatError(f"{path}: labels of shape {xy.shape}, expected (frames, 13, 2)")
    dimensions = np.ravel(mat["dimensions"])
    table = KeypointTable("labelled", names=list(JOINTS), fps=_FPS)
    table.size = picture_size(float(dimensions[1]), float(dimensions[0]))
    if isinstance(mat.get("times"), np.ndarray):
        table.times = dict(enumerate(np.ravel(mat["times"]).astype(float).tolist()))
    missing = ~seen & (xy <= OUTSIDE_PX).all(axis=-1)  # outside of the picture
    score = np.where(missing, 0, np.where(seen, 1, HIDDEN_SCORE))
    rows = np.concatenate([xy, score[..., None]], axis=-1)[:, list(MIRROR)]
    for frame, points in enumerate(rows):
        table.all_frames.append(frame)
        if (points[:, 2] > 0).any():
            table.add(frame, points)
    return table
