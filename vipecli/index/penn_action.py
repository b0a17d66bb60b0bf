"""The labels of Penn Action (Zhang, Zhu, Derpanis, ICCV 2013)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.files import is_sidecar
from vipecli.poses.formats.matlab import load_mat
from vipecli.poses.formats.penn import OUTSIDE_PX
from vipecli.poses.npz_reader import open_npz
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import MIRROR

FPS = 30.0
"""Frame rate taken for all clips: the labels do not say it."""

INVISIBLE_SCORE = 0.5
"""Score of an occluded joint whose position the labellers guessed."""

MOSTLY_HIDDEN = "strum_guitar"
"""Action that the visible subset leaves out: the legs are out of the picture in most clips."""

MISSING_SHARE = 1 / 3
"""Clips with this share of missing joints or more are not in the visible subset."""

_DAMAGED = KeyError, ValueError, IndexError, TypeError, AttributeError, FormatError
_NPZ_ARRAYS = (
    *("clip_id", "offsets", "frame_size_hw", "keypoints", "visibility"),
    *("action", "viewpoint"),
)
_SPELLINGS = {"strumming_guitar": "strum_guitar", "bowling": "bowl"}


@dataclass(frozen=True)
class PennClip:
    """One labelled clip.

    Attributes
    ----------
    id
        number of the clip, four digits.
    action, viewpoint
        its labels; the viewpoint is front, back, left or right.
    train
        in the official training split.
    poses
        the labelled joints, left and right the person's own.
    """

    id: str
    action: str
    viewpoint: str
    train: bool
    poses: Poses

    @property
    def visible(self) -> bool:
        """Whether the clip belongs to the visible subset."""
        missing = (self.poses.score == 0).mean()
        return self.action != MOSTLY_HIDDEN and bool(missing < MISSING_SHARE)


def load(path: Path | str, *, invisible: float = INVISIBLE_SCORE) -> list[PennClip]:
    """Clips of Penn Action with their labels.

    Parameters
    ----------
    path
        folder of the data set, with `labels/*.mat`; or an ``.npz`` of one split, or a folder of
        such files. A file counts as the official training split unless its name contains "test".
    invisible
        score of joints that are labelled as not visible but have coordinates, in [0, 1]; 0 takes
        them for missing.

    Returns
    -------
    In the order of their ids. The labels' left and right are those of the viewer: every pair is
    swapped. A joint within `OUTSIDE_PX` of the corner and not visible lies outside of the picture
    and is missing: NaN, score 0. Frames are taken to be 1/30 s apart.

    Raises
    ------
    FormatError
        if there are no labels, or one is damaged.
    """
    path = Path(path)
    labels = path / "labels" if (path / "labels").is_dir() else path
    files = [path] if path.is_file() else _shown(labels, "*.mat") or _shown(labels, "*.npz")
    if not files:
        raise FormatError(
            f"{path}: no Penn Action labels; give the folder that holds labels/*.mat, or an .npz"
        )
    readers: dict[str, Callable] = {".mat": _read_mat, ".npz": _read_npz}
    reader = readers.get(files[0].suffix.lower())
    if reader is None:
        raise FormatError(f"{files[0]}: Penn Action labels are .mat files or one .npz")
    clips = [clip for file in files for clip in reader(file, invisible)]
    return sorted(clips, key=lambda clip: clip.id)


def _shown(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not is_sidecar(path.name))


def _read_mat(path: Path, invisible: float) -> list[PennClip]:
    try:
        mat = load_mat(path)
        xy = np.stack([mat["x"], mat["y"]], axis=-1)
        height, width = (int(n) for n in np.ravel(mat["dimensions"])[:2])
        clip = PennClip(
            id=path.stem,
            action=_text(mat["action"]),
            viewpoint=_text(mat["pose"]),
            train=int(np.ravel(mat["train"])[0]) == 1,
            poses=_poses(xy, mat["visibility"], (width, height), path.name, invisible),
        )
    except (OSError, *_DAMAGED) as exc:
        raise FormatError(f"{path}: not a label file of Penn Action ({exc})") from exc
    return [clip]


def _text(value: np.ndarray | str) -> str:
    text = str(value).strip()
    return _SPELLINGS.get(text, text)


def _read_npz(path: Path, invisible: float) -> list[PennClip]:
    with open_npz(path, what="an archive of Penn Action labels") as archive:
        data = {name: archive.read(name) for name in _NPZ_ARRAYS}
        train = "test" not in path.stem
        clips = []
        for i, name in enumerate(data["clip_id"]):
            part = slice(*data["offsets"][i : i + 2])
            height, width = (int(n) for n in data["frame_size_hw"][i])
            xy, seen = data["keypoints"][part], data["visibility"][part]
            poses = _poses(xy, seen, (width, height), str(name), invisible)
            labels = str(data["action"][i]), str(data["viewpoint"][i])
            clips.append(PennClip(str(name), *labels, train, poses))
    return clips


def _poses(
    xy: np.ndarray, visibility: np.ndarray, size: tuple[int, int], source: str, invisible: float
) -> Poses:
    """Joints (F, 13, 2) as labelled, as the person's own."""
    xy = np.asarray(xy, np.float32)[:, list(MIRROR)]
    seen = np.asarray(visibility)[:, list(MIRROR)] > 0
    missing = (~seen & (xy <= OUTSIDE_PX).all(axis=-1)) | ~np.isfinite(xy).all(axis=-1)
    score = np.where(missing, 0, np.where(seen, 1, invisible)).astype(np.float32)
    xy = np.where(score[..., None] > 0, xy, np.float32(np.nan))
    return Poses(xy, score, np.arange(len(xy)) / FPS, size, source, "labelled")
