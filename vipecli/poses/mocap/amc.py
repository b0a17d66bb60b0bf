"""Reader of Acclaim motion: the skeleton in an ASF file, joint angles per frame in an AMC file."""

from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.mocap.motion import (
    Motion,
    by_blocks,
    check_rate,
    check_size,
    euler,
    numbers,
    read_text,
    vector,
)

_FPS = 120.0  # of the CMU database; most AMC files do not say
_UNITS = {"deg": np.pi / 180, "rad": 1.0, "degrees": np.pi / 180, "radians": 1.0}
_ROOT_ORDER = ("tx", "ty", "tz", "rx", "ry", "rz")


@dataclass
class _Bone:
    """A bone, or the root (no length), in the pose where all angles are 0."""

    name: str
    offset: np.ndarray  # from its start to its end; the position of the root
    axis: np.ndarray  # (3, 3), coordinate system of its rotations
    dof: tuple[str, ...]
    parent: int = -1
    first: int = 0  # column of its first value


@dataclass
class _Skeleton:
    bones: list[_Bone]  # the root first, parents before children
    length: float  # file units per inch
    angle: str


def read_amc(path: str | Path, asf: str | Path) -> Motion:
    """Return the positions of the bone ends of an AMC file.

    The angles of a bone turn about its own axes: its rotation is C M C^-1, with C from ``axis``
    and M = R_k ... R_2 R_1 from the values in the order of ``dof``, both about fixed axes.

    Parameters
    ----------
    path
        motion, fully specified: every bone with a degree of freedom in every frame.
    asf
        skeleton.

    Returns
    -------
    Point 0 is the root, each other one the far end of its bone: a bone starts where its parent
    ends. In inches for the CMU database: values divided by the ``length`` of the skeleton.
    120 frames per second, unless the file has ``:SAMPLES-PER-SECOND``.

    Raises
    ------
    FormatError
        if one of the two is malformed, or they do not belong together.
    """
    path, asf = Path(path), Path(asf)
    skeleton = _skeleton(asf)
    header, values = _motion(path, skeleton, asf)
    angle = next((w for w in ("degrees", "radians") if w in header), skeleton.angle)
    rate = numbers(header.get("samples-per-second", [_FPS])[:1], path, ":SAMPLES-PER-SECOND")
    bones = skeleton.bones
    check_size(len(values), len(bones), path)
    return Motion(
        names=tuple(b.name for b in bones),
        parents=tuple(b.parent for b in bones),
        positions=by_blocks(values, lambda v: _positions(bones, v, _UNITS[angle]))
        / np.float32(skeleton.length),
        fps=check_rate(float(rate[0]) if len(rate) else 0.0, path),
    )


def _skeleton(path: Path) -> _Skeleton:
    """Parse an ASF file."""
    sections = _sections(path)
    if missing := [s for s in ("root", "bonedata", "hierarchy") if s not in sections]:
        raise FormatError(f"{path}: no :{missing[0]} section; is it an ASF file?")
    units = {words[0].lower(): words[1:] for words in sections.get("units", [])}
    angle = "".join(units.get("angle", ["deg"])).lower()
    if angle not in _UNITS:
        raise FormatError(f"{path}: angle unit '{angle}'; expected deg or rad")
    length = numbers(units.get("length", ["1"]), path, "length of :units")
    if length.shape != (1,) or not 1e-6 < length[0] < 1e6:
        raise FormatError(f"{path}: malformed length in :units")
    bones = {"root": _root(sections["root"], _UNITS[angle], path)}
    for fields in _blocks(sections["bonedata"], path):
        bone = _bone(fields, _UNITS[angle], path)
        if bone.name in bones:
            raise FormatError(f"{path}: bone {bone.name} is given twice")
        bones[bone.name] = bone
    return _Skeleton(_ordered(bones, sections["hierarchy"], path), float(length[0]), angle)


def _sections(path: Path) -> dict[str, list[list[str]]]:
    """Return the lines of an ASF file as words, by section."""
    sections: dict[str, list[list[str]]] = {}
    lines: list[list[str]] = []
    for line in read_text(path).splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0].startswith(":"):
            lines = sections.setdefault(words[0][1:].lower(), [])
            words = words[1:]
        if words:
            lines.append(words)
    return sections


def _blocks(lines: list[list[str]], path: Path) -> list[dict[str, list[str]]]:
    """Return the fields of each ``begin`` ... ``end`` block."""
    blocks: list[dict[str, list[str]]] = []
    inside = False
    for keyword, *words in lines:
        keyword = keyword.lower()
        if keyword in ("begin", "end"):
            if inside == (keyword == "begin"):
                raise FormatError(f"{path}: misplaced '{keyword}' in :bonedata")
            inside = not inside
            if inside:
                blocks.append({})
        elif inside:
            blocks[-1][keyword] = words
        else:
            raise FormatError(f"{path}: '{keyword}' stands outside of a bone")
    if inside:
        raise FormatError(f"{path}: the last bone has no 'end'")
    return blocks


def _root(lines: list[list[str]], unit: float, path: Path) -> _Bone:
    fields = {words[0].lower(): words[1:] for words in lines}
    order = tuple(w.lower() for w in fields.get("order", _ROOT_ORDER))
    if len(set(order)) != len(order) or not set(order) <= set(_ROOT_ORDER):
        raise FormatError(f"{path}: malformed order of the root: {' '.join(order)}")
    orientation = vector(fields.get("orientation", ["0"] * 3), path, "orientation of the root")
    return _Bone(
        name="root",
        offset=vector(fields.get("position", ["0"] * 3), path, "position of the root"),
        axis=_axis(orientation, "".join(fields.get("axis", ["xyz"])), unit, path),
        dof=order,
    )


def _bone(fields: dict[str, list[str]], unit: float, path: Path) -> _Bone:
    name = " ".join(fields.get("name", []))
    if not name:
        raise FormatError(f"{path}: a bone has no name")
    *angles, order = fields.get("axis") or ["0", "0", "0", "xyz"]
    direction = vector(fields.get("direction", []), path, f"direction of {name}")
    length = numbers(fields.get("length", []), path, f"length of {name}")
    dof = tuple(w.lower() for w in fields.get("dof", []))
    if length.shape != (1,):
        raise FormatError(f"{path}: bone {name} needs one length")
    if len(set(dof)) != len(dof) or not set(dof) <= {"rx", "ry", "rz"}:
        raise FormatError(
            f"{path}: bone {name} has dof {' '.join(dof)}; only rotations rx, ry, rz are read"
        )
    size = np.linalg.norm(direction)
    return _Bone(
        name=name,
        offset=direction * (length[0] / size) if size > 1e-9 else np.zeros(3),
        axis=_axis(vector(angles, path, f"axis of {name}"), order, unit, path),
        dof=dof,
    )


def _axis(angles: np.ndarray, order: str, unit: float, path: Path) -> np.ndarray:
    """Return the rotation (3, 3) of an ``axis``: about fixed axes, in the order of the letters."""
    order = order.lower()
    if sorted(order) != ["x", "y", "z"]:
        raise FormatError(f"{path}: axis order '{order}'; expected the letters x, y, z")
    in_order = angles[["xyz".index(axis) for axis in order]]
    return euler(order[::-1], unit * in_order[None, ::-1])[0]


def _ordered(bones: dict[str, _Bone], lines: list[list[str]], path: Path) -> list[_Bone]:
    """Return the bones with parents set, the root first and parents before children."""
    children: dict[str, list[str]] = {}
    for parent, *names in (words for words in lines if words[0].lower() not in ("begin", "end")):
        children.setdefault(parent, []).extend(names)
    ordered, columns = [bones["root"]], 0
    # Breadth first: the list is extended while it is traversed. Each name is used once, so that
    # cycles end.
    waiting = {name: bone for name, bone in bones.items() if name != "root"}
    for index, bone in enumerate(ordered):
        bone.first, columns = columns, columns + len(bone.dof)
        for name in children.get(bone.name, []):
            if name not in waiting:
                raise FormatError(f"{path}: hierarchy names {name}, no bone or one placed twice")
            child = waiting.pop(name)
            child.parent = index
            ordered.append(child)
    if waiting:
        raise FormatError(f"{path}: not in the hierarchy: {', '.join(waiting)}")
    return ordered


def _motion(path: Path, skeleton: _Skeleton, asf: Path) -> tuple[dict[str, list[str]], np.ndarray]:
    """Return the header of an AMC file, and its values (T, C) in the order of the bones."""
    header: dict[str, list[str]] = {}
    moving = {bone.name: bone for bone in skeleton.bones if bone.dof}
    rows = {name: array("d") for name in moving}
    frames, number = 0, -1
    for line in read_text(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith(":"):
            header[words[0][1:].lower()] = words[1:]
        elif len(words) == 1 and words[0].isascii() and words[0].isdigit():
            current = int(words[0][:18])
            if frames and current != number + 1:
                raise FormatError(f"{path}: frame {current} follows frame {number}")
            frames, number = frames + 1, current
        elif not frames:
            raise FormatError(f"{path}: '{words[0]}' before the first frame; is it an AMC file?")
        elif words[0] not in moving:
            raise FormatError(f"{path}: {words[0]} does not move in {asf}; the right skeleton?")
        else:
            where = f"{path}: {words[0]} in frame {number}"
            _add_row(rows[words[0]], words[1:], len(moving[words[0]].dof), frames, where)
    if not frames:
        raise FormatError(f"{path}: no frames in it; is it an AMC file?")
    for name, bone in moving.items():
        if len(rows[name]) != frames * len(bone.dof):
            raise FormatError(f"{path}: {name} is missing in the last frame or in all")
    columns = [np.reshape(row, (frames, -1)) for row in rows.values()]
    values = np.concatenate([np.empty((frames, 0)), *columns], axis=1)
    return header, numbers(values, path, "a frame")


def _add_row(row: array, words: list[str], dof: int, frames: int, where: str) -> None:
    """Append the values of one line."""
    if len(words) != dof:
        raise FormatError(f"{where}: {len(words)} values instead of {dof}")
    if len(row) != (frames - 1) * dof:
        raise FormatError(f"{where}: given twice, or missing in the frame before")
    try:
        row.extend(map(float, words))
    except ValueError as exc:
        raise FormatError(f"{where}: malformed numbers ({exc})") from exc


def _positions(bones: list[_Bone], values: np.ndarray, unit: float) -> np.ndarray:
    """Return the ends of the bones (T, J, 3) from values (T, C): forward kinematics."""
    ends = np.empty((len(values), len(bones), 3))
    turned: list[np.ndarray] = []  # global rotation (T, 3, 3) per bone
    for j, bone in enumerate(bones):
        shift, rotation = _local(bone, values, unit)
        if bone.parent < 0:
            turned.append(rotation)
            ends[:, j] = bone.offset + shift
        else:
            turned.append(turned[bone.parent] @ rotation)
            ends[:, j] = ends[:, bone.parent] + turned[j] @ bone.offset
    return ends


def _local(bone: _Bone, values: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return translation (T, 3) and rotation (T, 3, 3) of a bone relative to its parent."""
    shift = np.zeros((len(values), 3))
    axes, columns = "", []
    for column, (kind, axis) in enumerate(bone.dof, bone.first):
        if kind == "t":
            shift[:, "xyz".index(axis)] = values[:, column]
        else:
            axes, columns = axis + axes, [column, *columns]  # the first one is applied first
    return shift, bone.axis @ euler(axes, unit * values[:, columns]) @ bone.axis.T
