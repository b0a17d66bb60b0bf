"""The CMU set of the motion-prediction papers: files, poses as the papers take them, test windows.

Both protocols count in frames of every second one of 120 per second. The papers call that 25 frames
per second; it is 60.
"""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from scipy.spatial.transform import Rotation

from vipecli.errors import FormatError

ACTIONS = ("basketball", "jumping", "running", "soccer", "walking", "washwindow")
"""Those with test clips that the papers report."""

TRAINED_ACTIONS = ACTIONS[:5]
"""Those of them that have training clips, too."""

FPS = 60.0
"""True frames per second of the windows."""

SEEN = 10
FUTURE = 25
HORIZONS = {"80": 2, "160": 4, "320": 8, "400": 10, "560": 14, "1000": 25}
"""Frames ahead by the milliseconds that the papers say."""

LEFT_OUT = (0, 1, 2, 7, 8, 13, 16, 20, 24, 27, 29, 33, 36)
"""Joints that do not move once the root is fixed, and copies of others."""

JOINTS = tuple(j for j in range(38) if j not in LEFT_OUT)
"""The 25 joints of the newer protocol, by their number in the files."""

MM = 1000 * 70 / (25.4 / 0.45)
"""Millimetres of the papers per metre: their unit is 70 mm, the mocap's 1/0.45 inch."""

THIRTEEN = ((18, 19), (21,), (30,), (22,), (31,), (23,), (32,), (2,), (8,), (3,), (9,), (4,), (10,))
"""Which of the 38 joints each of `skeleton.JOINTS` is the mean of."""

_COPY_OF = {16: 15, 20: 15, 29: 15, 24: 23, 27: 23, 33: 32, 36: 32}
_HELD = (0, 1, 2, 7, 8, 13)
_TEST_WINDOWS = 8  # of the older protocol, per action
_WINDOW = 75  # frames of one of them, 50 before the moment
_SEED = 1234567890
_BEFORE = 50


@dataclass(frozen=True)
class Recording:
    """One clip at 120 frames per second.

    Attributes
    ----------
    name
        ``ACTION/ACTION_N``.
    joints
        shape (T, 38, 3), metres, y up, world axes.
    angles
        shape (T, 117): position of the root, then 38 exponential maps.
    """

    name: str
    joints: np.ndarray
    angles: np.ndarray

    @property
    def action(self) -> str:
        """First part of the name."""
        return self.name.split("/")[0]

    def held(self) -> np.ndarray:
        """Joints (T, 38, 3) with the root at 0 and its rotation dropped, metres."""
        root = Rotation.from_rotvec(self.angles[:, 3:6]).as_matrix()
        return np.einsum("tjc,tdc->tjd", self.joints - self.joints[:, :1], root)


def load_recordings(folder: Path, split: str) -> list[Recording]:
    """Clips of ``cmu_prediction_SPLIT.npz`` and ``cmu_prediction_SPLIT_expmap.npz``.

    Raises
    ------
    FormatError
        if one of the files cannot be read or they do not belong together.
    """
    path = folder / f"cmu_prediction_{split}.npz"
    try:
        with np.load(path) as joints, np.load(path.with_stem(path.stem + "_expmap")) as angles:
            return [
                Recording(name, joints[name].astype(np.float64), angles[name].astype(np.float64))
                for name in joints.files
            ]
    except (OSError, ValueError, KeyError, BadZipFile) as exc:
        raise FormatError(f"{path}: not the CMU prediction set ({exc})") from exc


def thirteen(joints: np.ndarray) -> np.ndarray:
    """Joints (T, 13, 3) of vipe from the 38 of a recording (T, 38, 3)."""
    return np.stack([joints[:, list(among)].mean(axis=1) for among in THIRTEEN], axis=1)


def all_windows(values: np.ndarray, *, seen: int = SEEN, future: int = FUTURE) -> np.ndarray:
    """Every window (W, seen + future, ...) of a clip's every second frame (newer protocol)."""
    x = values[::2]
    starts = np.arange(len(x) - seen - future + 1)
    return x[starts[:, None] + np.arange(seen + future)]


def seeded_windows(values: np.ndarray, *, seen: int = SEEN, future: int = FUTURE) -> np.ndarray:
    """The 8 windows (8, seen + future, ...) of the older protocol."""
    x = values[::2]
    rng = np.random.RandomState(_SEED)
    starts = [rng.randint(0, len(x) - _WINDOW) for _ in range(_TEST_WINDOWS)]
    first = np.array(starts)[:, None] + _BEFORE - seen
    return x[first + np.arange(seen + future)]


def whole(moving: np.ndarray, held: np.ndarray) -> np.ndarray:
    """All 38 joints from the 25 that move.

    Parameters
    ----------
    moving
        shape (..., 25, 3).
    held
        shape (38, 3), any frame of a clip with the root held: where the others always are.
    """
    out = np.empty((*moving.shape[:-2], 38, 3))
    out[..., list(JOINTS), :] = moving
    out[..., list(_HELD), :] = held[list(_HELD)]
    for copy, source in _COPY_OF.items():
        out[..., copy, :] = out[..., source, :]
    return out


def euler(angles: np.ndarray) -> np.ndarray:
    """Euler angles (..., 117) of exponential maps, as the older protocol compares them."""
    maps = angles.reshape(*angles.shape[:-1], 39, 3)
    r = Rotation.from_rotvec(maps.reshape(-1, 3)).as_matrix()
    e2 = -np.arcsin(np.clip(r[:, 0, 2], -1, 1))
    c = np.cos(e2)
    c = np.where(np.abs(c) < 1e-12, 1e-12, c)
    out = np.stack(
        [
            np.arctan2(r[:, 1, 2] / c, r[:, 2, 2] / c),
            e2,
            np.arctan2(r[:, 0, 1] / c, r[:, 0, 0] / c),
        ],
        axis=1,
    ).reshape(maps.shape)
    out[..., 0, :] = maps[..., 0, :]
    return out.reshape(angles.shape)


def angle_error(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean over the windows of the distance of Euler angles, per frame: shape (future,).

    Both are exponential maps (W, future, 117); what does not vary in the truth is left out, and so
    is the root.
    """
    theirs, ours = euler(truth), euler(predicted)
    varies = theirs.std(axis=1) > 1e-4
    varies[:, :6] = False
    gap = np.where(varies[:, None], theirs - ours, 0)
    return np.linalg.norm(gap, axis=-1).mean(axis=0)
