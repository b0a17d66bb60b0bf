"""Joint sets of other tools, and their mapping to the model's joints."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.files import read_toml
from vipecli.poses.skeleton import JOINTS
from vipecli.poses.tracking import SEEN, XY

_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def _pairs(*names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


def _side(side: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names)


COCO = (*_FACE, *_pairs(*_LIMBS))
"""COCO's 17 (Lin et al. 2014); COCO-WholeBody's 133 begin with them."""

HALPE26 = (*COCO, "head", "neck", "hip", *_pairs("big_toe", "small_toe", "heel"))
"""Halpe's 26 body points, of which "head" is the top of the head; Halpe's 136 begin with them."""

_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")
BODY25 = (
    *("nose", "neck", *_side("right", *_ARM), *_side("left", *_ARM), "mid_hip"),
    *(*_side("right", *_LEG), *_side("left", *_LEG)),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
    *(*_side("left", "big_toe", "small_toe", "heel"), *_side("right", "big_toe", "small_toe")),
    "right_heel",
)
"""OpenPose's BODY_25."""

_OPENPOSE18 = (
    *("nose", "neck", *_side("right", *_ARM), *_side("left", *_ARM)),
    *(*_side("right", *_LEG), *_side("left", *_LEG)),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
_OPENPOSE15 = (
    *("head", "neck", *_side("right", *_ARM), *_side("left", *_ARM)),
    *(*_side("right", *_LEG), *_side("left", *_LEG), "chest"),
)
MEDIAPIPE = (
    *("nose", *_side("left", "eye_inner", "eye", "eye_outer")),
    *(*_side("right", "eye_inner", "eye", "eye_outer"), "left_ear", "right_ear"),
    *("mouth_left", "mouth_right", *_pairs("shoulder", "elbow", "wrist", "pinky", "index")),
    *(*_pairs("thumb", "hip", "knee", "ankle", "heel", "foot_index"),),
)
"""The 33 landmarks of MediaPipe."""

_BY_COUNT = {
    15: _OPENPOSE15,
    17: COCO,
    18: _OPENPOSE18,
    25: BODY25,
    26: HALPE26,
    33: MEDIAPIPE,
    133: COCO,
    136: HALPE26,
}

UNSEEN = -1.0
"""Visibility of a joint that is missing, in the arrays of `vipecli.poses.tracking`."""

_LEAST_SCORE = 1e-4  # of a joint that has coordinates

# Alternatives for the head, best first: the model's head is the middle of the ears.
_HEAD = (
    ("left_ear", "right_ear"),
    ("nose", "head"),
    ("left_ear",),
    ("right_ear",),
    ("head",),
    ("left_eye", "right_eye"),
    ("nose",),
)
_CHOICES = {"head": _HEAD} | {  # Human3.6M calls the ankle foot
    f"{side}_ankle": ((f"{side}_ankle",), (f"{side}_foot",)) for side in ("left", "right")
}
_NEEDED = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
_MOST_JOINT_POINTS = 16  # points that one joint may be the mean of
Sources = tuple[tuple[tuple[int, ...], ...], ...]
"""For each of the 13 joints the alternatives, best first; each is the mean of some points."""


@dataclass(frozen=True)
class JointMap:
    """Content of a ``--joints`` file.

    Attributes
    ----------
    joints
        pairs of a joint's name, one of `skeleton.JOINTS`, and the points, by name or number from
        0, of which it is the mean.
    size
        width and height of the picture, pixels, where the pose file does not say.
    fps
        frames per second, where the pose file does not say.
    """

    joints: tuple[tuple[str, tuple[str | int, ...]], ...]
    size: tuple[int, int] | None = None
    fps: float | None = None


def load_joint_map(path: Path) -> JointMap:
    """Read a joint map, a TOML file.

    It holds a table ``joints``: for each joint of the model the number (from 0) or the name of a
    point of the file, or a list of those, whose mean is taken; and, where the pose file does not
    say them, ``size = [width, height]`` and ``fps``.

    Raises
    ------
    FormatError
        if it cannot be read, names unknown joints, or lacks shoulders or hips.
    """
    table = read_toml(path)
    joints = table.get("joints", {})
    if not isinstance(joints, dict) or (unknown := sorted(set(joints) - set(JOINTS))):
        wrong = unknown[0] if isinstance(joints, dict) else "joints"
        raise FormatError(f"{path}: {wrong} is none of the joints {', '.join(JOINTS)}")
    points = tuple((joint, _points(path, joint, value)) for joint, value in joints.items())
    if joints and (missing := [joint for joint in _NEEDED if joint not in joints]):
        raise FormatError(f"{path}: says nothing of {', '.join(missing)}, which are needed")
    return JointMap(points, *_size_and_rate(path, table))


def _points(path: Path, joint: str, value: object) -> tuple[str | int, ...]:
    points = tuple(value) if isinstance(value, list) else (value,)
    good = all(isinstance(p, str | int) and not isinstance(p, bool) for p in points)
    if not good or not 0 < len(points) <= _MOST_JOINT_POINTS:
        raise FormatError(f"{path}: {joint} should be a point's number or name, or a list of them")
    return points


def _size_and_rate(path: Path, table: dict) -> tuple[tuple[int, int] | None, float | None]:
    size, fps = table.get("size"), table.get("fps")
    if size is not None:
        good = isinstance(size, list) and len(size) == 2 and all(type(n) is int for n in size)
        if not good or not all(0 < n < 1 << 16 for n in size):
            raise FormatError(f"{path}: size should be [width, height] in pixels")
        size = (size[0], size[1])
    if fps is not None and (not isinstance(fps, int | float) or not 0 < fps <= 100_000):
        raise FormatError(f"{path}: fps should be a number above 0")
    return size, None if fps is None else float(fps)


def sources(
    path: Path, count: int, names: Sequence[str] | None = None, joint_map: JointMap | None = None
) -> tuple[Sources, bool]:
    """Return the points whose mean is each joint.

    Parameters
    ----------
    path
        pose file, for messages.
    count
        number of points per person, K.
    names
        of the points, where the file tells them.
    joint_map
        what the user says; goes before all else, unless it names points that are not there and
        the joint set is known.

    Returns
    -------
    The sources, and whether the points are MediaPipe's 33 landmarks.

    Raises
    ------
    FormatError
        if the joint set is not known.
    """
    known = (names or _BY_COUNT.get(count, ()))[:count]
    found = _by_names(known)
    if joint_map is not None and joint_map.joints:
        try:
            return _from_map(path, count, known, joint_map), False
        except FormatError:
            if not _complete(found):  # else the map is meant for another file
                raise
    if names is not None and not _complete(found):
        raise FormatError(
            f"{path}: its points ({_few(names)}) lack shoulders or hips under names that are "
            "known; tell which is which with --joints MAP.toml"
        )
    if not known:
        counts = ", ".join(str(n) for n in _BY_COUNT)
        raise FormatError(
            f"{path}: poses of {count} points, a joint set that is not known (known are those of "
            f"{counts} points); tell which is which with --joints MAP.toml"
        )
    return found, tuple(map(canonical_name, known)) == MEDIAPIPE


def _from_map(path: Path, count: int, names: Sequence[str], joint_map: JointMap) -> Sources:
    places = {name: i for i, name in enumerate(names)}
    places = {canonical_name(name): i for name, i in places.items()} | places
    out, chosen = [], dict(joint_map.joints)
    for joint in JOINTS:
        indices = []
        for point in chosen.get(joint, ()):
            index = point if isinstance(point, int) else places.get(point)
            if isinstance(point, str) and index is None:
                index = places.get(canonical_name(point))
            if index is None or not 0 <= index < count:
                raise FormatError(
                    f"{path}: the joint map takes {joint} from point {point!r}, but there are "
                    f"only {_few(names) if names else f'0 to {count - 1}'}"
                )
            indices.append(index)
        out.append((tuple(indices),) if indices else ())
    return tuple(out)


def _by_names(names: Sequence[str]) -> Sources:
    places: dict[str, int] = {}
    for i, name in enumerate(names):
        places.setdefault(canonical_name(name), i)
    choices = [_CHOICES.get(joint, ((joint,),)) for joint in JOINTS]
    return tuple(
        tuple(tuple(places[n] for n in group) for group in groups if set(group) <= set(places))
        for groups in choices
    )


def is_complete(names: Sequence[str]) -> bool:
    """Return whether points of these names give shoulders and hips, which a pose needs."""
    return _complete(_by_names([str(name) for name in names]))


def _complete(found: Sources) -> bool:
    return all(found[JOINTS.index(joint)] for joint in _NEEDED)


def _few(names: Sequence[str]) -> str:
    text = ", ".join(str(name)[:24] for name in names[:6])
    return text + (", ..." if len(names) > 6 else "")


_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
_GLUED = re.compile(r"^(left|right|l|r)(" + "|".join((*_LIMBS, "eye", "ear", "heel")) + ")$")


def canonical_name(name: str) -> str:
    """Name of a point as in `skeleton.JOINTS`: ``LShoulder``, ``shoulder_l``: left_shoulder."""
    name = name.rpartition(":")[2].strip()[:64]  # motion capture puts the subject before it
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[LR])(?=[A-Z][a-z])", "_", name)
    parts = [part for part in re.split(r"[^a-z0-9]+", words.lower()) if part]
    if len(parts) == 1 and (glued := _GLUED.match(parts[0])):
        parts = [glued[1], glued[2]]
    if len(parts) > 1 and parts[-1] in _SIDES and "_".join(parts) not in MEDIAPIPE:
        parts = [parts[-1], *parts[:-1]]
    if parts and parts[0] in _SIDES and len(parts) > 1:
        parts[0] = _SIDES[parts[0]]
    return "_".join(parts)


def to_joints(points: np.ndarray, wanted: Sources) -> np.ndarray:
    """Joints of the model from the points of another joint set.

    Parameters
    ----------
    points
        shape (R, K, C), the last but the first two columns anything; NaN where missing.
    wanted
        as `sources` gives it.

    Returns
    -------
    shape (R, 13, C): of each joint the first alternative whose points are all known, else NaN.
    """
    out = np.full((len(points), len(JOINTS), points.shape[2]), np.nan, points.dtype)
    known = np.isfinite(points[..., :2]).all(axis=-1)
    for joint, groups in enumerate(wanted):
        open_rows = np.ones(len(points), bool)
        for group in groups:
            rows = open_rows & known[:, list(group)].all(axis=1)
            out[rows, joint] = points[rows][:, list(group)].mean(axis=1)
            open_rows &= ~rows
    return out


def marked(points: np.ndarray) -> np.ndarray:
    """Return people as `vipecli.poses.tracking` takes them, from rows with NaN for missing joints.

    Parameters
    ----------
    points
        shape (R, K, 7), columns as in `vipecli.poses.tracking`.

    Returns
    -------
    shape (R, K, 7): a missing point lies in the middle of the others, and is `UNSEEN`; the score
    of the others is in (0, 1].
    """
    missing = np.isnan(points[..., SEEN])
    known = ~missing
    count = np.maximum(known.sum(axis=1), 1)[:, None]
    middle = np.where(missing[..., None], 0, points[..., XY]).sum(axis=1) / count
    out = points.copy()
    out[..., XY] = np.where(missing[..., None], middle[:, None], points[..., XY])
    out[..., SEEN] = np.where(missing, UNSEEN, np.clip(points[..., SEEN], _LEAST_SCORE, 1))
    return out
