"""A contact sheet: one picture of a query and of what was found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vipecli.errors import VideoError, VipeError
from vipecli.files import replacing
from vipecli.outputs.draw import draw_box, draw_skeleton, draw_text, elide
from vipecli.outputs.strip import BACKGROUND, BRIGHT, DIM
from vipecli.video.read import read_frames

TILE_PX = 300  # side of a picture
_CAPTION_PX, _GAP_PX, _FONT_PX = 52, 10, 17
_MARGIN = 0.25  # around the person, of their height
_NEAR_S = 0.5  # frames further from the moment asked for are not shown
_ACCENT = (255, 138, 76)  # blue, green, red


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet.

    Attributes
    ----------
    xy, score
        shapes (13, 2) and (13,), joints in pixels of the picture.
    size
        width and height of that.
    title, detail
        the two lines below it.
    video, time_s
        where the picture comes from; None = the joints alone.
    """

    xy: np.ndarray
    score: np.ndarray
    size: tuple[int, int]
    title: str
    detail: str = ""
    video: Path | None = None
    time_s: float = 0.0


def write_sheet(
    query: Tile,
    hits: Sequence[Tile],
    out: str | Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write query and hits, the person cut out and their joints drawn, as a PNG.

    Parameters
    ----------
    query
        stands first, framed.
    hits
        in order; what cannot be read is shown by its joints alone.
    out
        a ``.png``.
    progress
        called with 1 after each picture.

    Raises
    ------
    VipeError
        if it cannot be written.
    """
    tiles = [query, *hits]
    columns = min(len(tiles), max(3, int(np.ceil(np.sqrt(len(tiles) * 1.4)))))
    rows = -(-len(tiles) // columns)
    step_x, step_y = TILE_PX + _GAP_PX, TILE_PX + _CAPTION_PX + _GAP_PX
    size = rows * step_y + _GAP_PX, columns * step_x + _GAP_PX
    sheet = np.full((*size, 3), BACKGROUND, np.uint8)
    for i, tile in enumerate(tiles):
        x, y = _GAP_PX + i % columns * step_x, _GAP_PX + i // columns * step_y
        if i == 0:
            draw_box(sheet, (x - 4, y - 4, TILE_PX + 8, TILE_PX + 8), _ACCENT, radius=6)
        sheet[y : y + TILE_PX, x : x + TILE_PX] = tile_picture(tile)[0]
        _caption(sheet, tile, x, y + TILE_PX)
        if progress:
            progress(1)
    with replacing(Path(out)) as part:
        if not cv2.imwrite(str(part), sheet):
            raise VipeError(f"{out}: cannot be written as PNG")


def _caption(sheet: np.ndarray, tile: Tile, x: int, y: int) -> None:
    font = 0.85 * _FONT_PX
    title = elide(tile.title, _FONT_PX, TILE_PX)
    draw_text(sheet, title, (x, y + 0.3 * _CAPTION_PX), _FONT_PX, BRIGHT)
    draw_text(sheet, elide(tile.detail, font, TILE_PX), (x, y + 0.72 * _CAPTION_PX), font, DIM)


def tile_picture(tile: Tile) -> tuple[np.ndarray, np.ndarray]:
    """The person and some space around them, in a square, with the skeleton; and its joints there.

    Returns
    -------
    shapes (TILE_PX, TILE_PX, 3) uint8 BGR, and (13, 2), pixels of it.
    """
    image = _frame(tile)
    if image is None:
        image = np.full((tile.size[1], tile.size[0], 3), (46, 40, 36), np.uint8)
    scale = np.array(image.shape[1::-1]) / tile.size
    xy = tile.xy * scale
    left, top, side = _square(xy, image.shape)
    zoom = TILE_PX / side
    move = np.float32([[zoom, 0, -left * zoom], [0, zoom, -top * zoom]])
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    out = cv2.warpAffine(image, move, (TILE_PX, TILE_PX), flags=how, borderValue=(46, 40, 36))
    placed = (xy - (left, top)) * zoom
    draw_skeleton(out, placed, tile.score)
    return out, placed


def _square(xy: np.ndarray, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Left, top and side of what is shown: all known joints, or the whole picture."""
    known = xy[np.isfinite(xy).all(axis=1)]
    if not len(known):
        side = float(max(shape[:2]))
        return (shape[1] - side) / 2, (shape[0] - side) / 2, side
    low, high = known.min(axis=0), known.max(axis=0)
    side = float(max((high - low).max(), 16) * (1 + 2 * _MARGIN))
    middle = (low + high) / 2
    return middle[0] - side / 2, middle[1] - side / 2, side


def _frame(tile: Tile) -> np.ndarray | None:
    """Picture nearest to the moment; None where there is none."""
    if tile.video is None:
        return None
    best: tuple[float, np.ndarray] | None = None
    try:
        for time_s, image in read_frames(tile.video, start_s=max(0.0, tile.time_s - 0.1)):
            off = abs(time_s - tile.time_s)
            if best is not None and off > best[0]:
                break
            best = off, image.copy()
    except VideoError:
        pass  # a last frame that cannot be read; what came before is kept
    return best[1] if best is not None and best[0] < _NEAR_S else None
