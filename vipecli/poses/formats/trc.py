"""Reader of OpenSim's marker files, as Sports2D (flat) and Pose2Sim (3D) write them."""

from pathlib import Path

import numpy as np

from vipecli.errors import FormatError
from vipecli.poses.formats.keypoint_table import KeypointTable
from vipecli.poses.formats.spatial import into_picture, seen_from_front
from vipecli.poses.formats.text import MOST_COLUMNS, number, read_table
from vipecli.poses.joint_sets import canonical_name

_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "inches": 0.0254, "ft": 0.3048}
_PIXELS = ("px", "pixel", "pixels")
_METRES_LIMIT = 10.0  # in a flat file, a body larger than this is in pixels, y down
_FLAT = 1e-6  # spread of z, of that of x and y, up to which a file is flat
_MOST_VALUES = 20_000_000


def read_trc(path: Path) -> KeypointTable:
    """Rows of a marker file.

    A flat one is taken as it is: in pixels with y down if the header says so, or if it says metres
    and a body would be larger than 10 m; else y is up. A 3D one is seen by a camera in front of the
    person, see `spatial`. Frames whose times do not increase follow each other at the stated rate.

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
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    table = _sheet(path, xyz, names, header.get("Units", "m").strip().lower())
    rate = number(header.get("DataRate", ""))
    if np.isfinite(rate) and rate > 0 and not (np.diff(times) > 0).all():
        table.fps, table.all_frames = rate, list(range(len(times)))
    else:
        table.times, table.time_unit = dict(enumerate(times)), 0.0
    return table


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
    out[~np.isfinite(out).all(axis=2) | (out == 0).all(axis=2)] = np.nan  # 0, 0, 0: not seen
    return [number(cells[1]) for cells in rows], out


def _sheet(path: Path, xyz: np.ndarray, names: list[str], unit: str) -> KeypointTable:
    """Return the table of markers (T, K, 3)."""
    known = xyz[np.isfinite(xyz).all(axis=2)]
    table = KeypointTable("trc", names=names)
    spread = np.ptp(known, axis=0)
    if spread.min() > _FLAT * spread.max() or spread.argmin() != 2:
        table.detector = "trc, seen from the front"
        places = {canonical_name(name): i for i, name in enumerate(names)}
        xy, table.size = seen_from_front(path, xyz, places)
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
    return into_picture(xy * [1, -1])
