"""Reader of OpenSim's marker files, as Sports2D (flat) and Pose2Sim (3D) write them."""

from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.text import MOST_COLUMNS, number, read_table
from vipecli.poses.joint_sets import canonical_name
from vipecli.poses.up_axis import turn_upright, up_axis

_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "inches": 0.0254, "ft": 0.3048}
_PIXELS = ("px", "pixel", "pixels")
_METRES_LIMIT = 10.0  # in a flat file, a body larger than this is in pixels, y down
_FLAT = 1e-6  # spread of z, of that of x and y, up to which a file is flat
_MOST_VALUES = 20_000_000
_UPWARDS = (("left_ankle", "right_ankle"), ("left_shoulder", "right_shoulder"))


def read_trc(path: Path) -> KeypointTable:
    """Rows of a marker file.

    A flat one is taken as it is: in pixels with y down if the header says so, or if it says metres
    and a body would be larger than 10 m; else y is up. A 3D one is seen by a camera in front of the
    person, as far away as five body heights: the embedding does not depend on where it stands. One
    with z or x up is turned.

    Raises
    ------
    FormatError
        if it is no .trc file.
    ValueError, TypeError, LookupError
        if something in it is not what it should be.
    """
    lines = read_table(path, fallback="cp1252").splitlines()
    if not lines[0].startswith("PathFileType") or len(lines) < 6:
        raise FormatError(f"{path}: not a .trc file (it should begin with PathFileType)")
    names = [cell.strip() for cell in lines[3].split("\t")[2:]]
    names = [name for name in names[::3] if name]
    if not 0 < len(names) <= MOST_COLUMNS:
        raise FormatError(f"{path}: names no markers, or more than {MOST_COLUMNS:,}")
    times, xyz = _table(lines[5:], len(names))
    if not times:
        raise FormatError(f"{path}: holds no frames")
    if not np.isfinite(xyz).any():
        raise FormatError(f"{path}: every marker is missing")
    return _sheet(path, xyz, times, names, _unit(lines))


def _unit(lines: list[str]) -> str:
    """Unit of the coordinates, as the header says."""
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    return header.get("Units", "m").strip().lower()


def _table(lines: list[str], markers: int) -> tuple[list[float], np.ndarray]:
    """Times of the frames, and the markers (T, K, 3), NaN where one is missing."""
    rows = [cells for line in lines if (cells := line.split("\t", 2))[0].strip()]
    rows = [cells for cells in rows if len(cells) > 1]
    if len(rows) * 3 * markers > _MOST_VALUES:
        raise FormatError(
            f"{len(rows):,} frames of {markers:,} markers: more than {_MOST_VALUES:,} values, the "
            "limit; split it"
        )
    out = np.full((len(rows), 3 * markers), np.nan)
    for i, (_, _, *more) in enumerate(rows):
        cells = more[0].split("\t")[: 3 * markers] if more else []
        out[i, : len(cells)] = [number(cell) for cell in cells]
    out = out.reshape(-1, markers, 3)
    out[~np.isfinite(out).all(axis=2)] = np.nan
    return [number(cells[1]) for cells in rows], out


def _sheet(
    path: Path, xyz: np.ndarray, times: list[float], names: list[str], unit: str
) -> KeypointTable:
    """Return the table of markers (T, K, 3)."""
    known = xyz[np.isfinite(xyz).all(axis=2)]
    table = KeypointTable("trc", names=names, times=dict(enumerate(times)))
    spread = np.ptp(known, axis=0)
    if spread.min() > _FLAT * spread.max() or spread.argmin() != 2:
        table.detector = "trc, seen from the front"
        xy, table.size = _seen_from_front(path, xyz, names)
    else:
        xy, table.size = _flat(xyz[..., :2], unit)
    for frame, points in enumerate(xy):
        score = np.isfinite(points).all(axis=1, keepdims=True)
        if score.any():
            table.add(frame, np.hstack([points, score]))
    return table


def _flat(xy: np.ndarray, unit: str) -> tuple[np.ndarray, tuple[int, int] | None]:
    """Pixels of a flat file; lengths with y up become pixels with y down."""
    some = xy[np.isfinite(xy).all(axis=2).any(axis=1)]
    extent = np.median(np.nanmax(some, axis=1) - np.nanmin(some, axis=1), axis=0).max()
    if unit in _PIXELS or extent * _METRES.get(unit, 1.0) > _METRES_LIMIT:
        return xy, None
    return _into_picture(xy * [1, -1])


def _into_picture(xy: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Points moved and scaled, alike in x and y, into a picture a thousand pixels high."""
    low, high = np.nanmin(xy, axis=(0, 1)), np.nanmax(xy, axis=(0, 1))
    side = max(float((high - low).max()), 1e-9)
    scale, margin = 800 / side, 100
    size = np.round((high - low) * scale).astype(int) + 2 * margin
    return (xy - low) * scale + margin, (int(size[0]), int(size[1]))


def _seen_from_front(
    path: Path, xyz: np.ndarray, names: list[str]
) -> tuple[np.ndarray, tuple[int, int]]:
    """Picture of 3D markers by a camera in front of the person."""
    places = {canonical_name(name): i for i, name in enumerate(names)}
    try:
        left, right = (places[f"{side}_hip"] for side in ("left", "right"))
    except KeyError:
        raise FormatError(
            f"{path}: 3D markers without LHip and RHip, so that it has no front; convert it to 2D"
        ) from None
    feet, shoulders = ([places[n] for n in pair if n in places] for pair in _UPWARDS)
    if feet and shoulders:
        xyz = turn_upright(xyz, up_axis(xyz, feet=feet, shoulders=shoulders))
    across = xyz[:, left] - xyz[:, right]
    across = across[np.isfinite(across).all(axis=1)].sum(axis=0) * [1, 0, 1]
    if not np.linalg.norm(across) > 0:
        raise FormatError(f"{path}: its hips are nowhere to be seen, so that it has no front")
    across /= np.linalg.norm(across)
    ahead = np.cross(across, [0.0, 1.0, 0.0])  # y up: left x up points to the front
    low, high = np.nanmin(xyz, axis=(0, 1)), np.nanmax(xyz, axis=(0, 1))
    middle, height = (low + high) / 2, float(np.linalg.norm(high - low))
    offset = xyz - middle
    depth = 5 * height - offset @ ahead
    # From the front the person's left is on the right.
    picture = np.stack([offset @ across, -offset[..., 1]], axis=-1) / depth[..., None]
    return _into_picture(picture)
