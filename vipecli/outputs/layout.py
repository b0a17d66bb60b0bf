"""Positions of pictures, captions and graph in a synchronised video."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vipecli.outputs.reel import Take
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import LEFT_HIP, LEFT_SHOULDER, RIGHT_HIP, RIGHT_SHOULDER
from vipecli.video.planes import Box
from vipecli.video.write import LONGEST_SIDE

LEAST_HEIGHT = 64  # pixels; below that no text can be read

WALL = 3840, 2160
"""Largest video of more than two clips unless a height is asked for, pixels: players stutter."""

_FONT = 1 / 40  # font size, of the height of the pictures
_SMALLEST_FONT, _LARGEST_FONT = 11.0, 44.0  # pixels
_SHAPE = 16 / 9  # of screens, that a grid should fill
_UNLIKE = 1.6  # ratio of aspects from which pictures get one area: 4:3 and 16:9 are alike
_CAPTION = 19.0  # least width of a caption over a shared picture, in font sizes
_SURE = 0.5  # least score of a joint that locates a person
_UPRIGHT = 0.6  # height over width from which the height measures the size of a person
_LEAST_SCALE, _MOST_SCALE = 0.2, 5.0  # of a ghost
_LEAST_JOINTS = 6  # of 13, known of both people, to measure their relative size
_TRUNK = [LEFT_SHOULDER, RIGHT_SHOULDER, LEFT_HIP, RIGHT_HIP]


@dataclass(frozen=True)
class Layout:
    """Boxes in a video, all at even places.

    Attributes
    ----------
    size
        (width, height) of the video, pixels.
    canvas
        box that all pictures lie in; what stands out of it is cut off.
    pictures
        one box per clip, the whole of its picture.
    captions
        one box per clip; none where there are no captions.
    strip
        row where the graph below the pictures begins; that of the end where there is none.
    font
        font size, pixels.
    """

    size: tuple[int, int]
    canvas: Box
    pictures: tuple[Box, ...]
    captions: tuple[Box, ...]
    strip: int
    font: float


def tiled(
    sizes: Sequence[tuple[int, int]], style: str, height: int | None, *, captions: bool = True
) -> Layout:
    """Pictures of one height, in a row, a column or a grid.

    Where some are far wider than others, as landscape beside portrait, all have one area instead.

    Parameters
    ----------
    sizes
        (width, height) of the clips, pixels.
    style
        ``side``, ``stack`` or ``grid``; a grid has as many columns as fill a screen best.
    height
        of every picture, of those of one area that of the tallest; None = that of the tallest
        clip, and of more than two clips so much that the video is no larger than `WALL`.
    captions
        leave space for captions and the graph.

    Raises
    ------
    ValueError
        if the height is out of range.
    """
    aspects = [width / height for width, height in sizes]
    tall = _heights(aspects)
    shapes = [(share * aspect, share) for share, aspect in zip(tall, aspects, strict=True)]
    columns = {"side": len(sizes), "stack": 1}.get(style) or _columns(shapes)
    widths, rows = _table(shapes, columns)
    height = _checked(height, sizes, sum(widths), sum(rows))
    font = _font(height)
    header = 2 * round(1.2 * font) if captions else 0
    gap = 2 * max(1, round(font / 12))
    places, top = {}, 0
    for row, share in enumerate(rows):
        x, cell_high = 0, _even(height * share)
        for column, wide in enumerate(widths):
            number, cell = row * columns + column, max(2, round(height * wide))
            if number < len(sizes):
                own = [max(2, round(height * side)) for side in shapes[number]]
                # Even places, since colour is stored for 2 x 2 pixels.
                left = x + (cell - own[0]) // 4 * 2
                y = top + header + max(0, cell_high - own[1]) // 4 * 2
                places[number] = (left, y, *own), (x, y - header, cell, header)
            x += cell + cell % 2 + gap
        top += header + cell_high + (0 if captions else gap)
    pictures, titles = zip(*(places[i] for i in range(len(sizes))), strict=True)
    total = max(left + width for left, _, width, _ in titles)
    bottom = max(y + own for _, y, _, own in pictures)
    canvas = (0, 0, total, bottom)
    return _framed(canvas, pictures, titles if captions else (), font)


def shared(
    takes: Sequence[Take],
    sizes: Sequence[tuple[int, int]],
    reference: int,
    height: int | None,
    *,
    captions: bool = True,
) -> Layout:
    """All pictures in one place, the people in them on top of each other.

    The picture of the reference fills the canvas. Every other one is scaled and moved, once for
    the whole clip, so that its person is as tall as that of the reference and stands in the same
    place, by the median over corresponding times; where a person is unknown it fits
    into the canvas.

    Parameters
    ----------
    takes, sizes
        clips, and their (width, height) in pixels.
    reference
        number of the one that sets the canvas.
    height
        of the canvas; None = that of the reference.
    captions
        leave space for captions and the graph.

    Raises
    ------
    ValueError
        if the height is out of range.
    """
    aspect = sizes[reference][0] / sizes[reference][1]
    height = _checked(height, [sizes[reference]], aspect, 1)
    width, font = max(2, round(height * aspect)), _font(height)
    per_row = max(1, min(len(takes), int(width / (_CAPTION * font))))
    line = 2 * round(1.2 * font) if captions else 0
    top = line * -(-len(takes) // per_row)
    canvas = (0, top, width, height)
    titles = [
        (i % per_row * width // per_row // 2 * 2, i // per_row * line, width // per_row, line)
        for i in range(len(takes))
    ]
    scale = height / sizes[reference][1]
    pictures = []
    for i, (take, size) in enumerate(zip(takes, sizes, strict=True)):
        box = (0.0, 0.0, width / scale, height / scale)
        if i != reference:
            box = _on_top(take, size, takes[reference], sizes[reference])
        x, y, own_width, own_height = (scale * side for side in box)
        pictures.append(
            (_even(x), top + _even(y), max(2, round(own_width)), max(2, round(own_height)))
        )
    return _framed(canvas, pictures, titles if captions else (), font)


def _even(value: float) -> int:
    """Nearest even number: colour is stored for 2 x 2 pixels."""
    return 2 * round(value / 2)


def _framed(canvas: Box, pictures: Sequence[Box], captions: Sequence[Box], font: float) -> Layout:
    """Add the graph below the pictures, and make the sides even."""
    width, bottom = canvas[2] + canvas[2] % 2, canvas[1] + canvas[3]
    strip = bottom + bottom % 2
    height = strip + (round(4.6 * font) if captions else 0)
    size = width, height + height % 2
    return Layout(size, canvas, tuple(pictures), tuple(captions), strip, font)


def _checked(
    height: int | None, sizes: Sequence[tuple[int, int]], widths: float, rows: float
) -> int:
    """Height in which the columns are `widths` heights wide, and the rows as many heights high."""
    most = int(LONGEST_SIDE // max(2.0, widths, 1.3 * rows))
    if height is None:
        height = min(most, max(own for _, own in sizes))
        if len(sizes) > 2:
            height = min(height, int(WALL[0] / widths), int(WALL[1] / rows / 1.06))
    elif not LEAST_HEIGHT <= height <= most:
        raise ValueError(f"height is {height}; use {LEAST_HEIGHT} to {most} pixels")
    return max(height, LEAST_HEIGHT)


def _font(height: int) -> float:
    return float(np.clip(height * _FONT, _SMALLEST_FONT, _LARGEST_FONT))


def _heights(aspects: Sequence[float]) -> list[float]:
    """Height of each picture, of that of the tallest: alike, or, of unlike shapes, for one area."""
    if max(aspects) < _UNLIKE * min(aspects):
        return [1.0] * len(aspects)
    return [math.sqrt(min(aspects) / aspect) for aspect in aspects]


def _table(shapes: Sequence[tuple[float, float]], columns: int) -> tuple[list[float], list[float]]:
    """Widths of the columns and heights of the rows of a table of pictures (width, height)."""
    widths = [max(width for width, _ in shapes[c::columns]) for c in range(columns)]
    starts = range(0, len(shapes), columns)
    return widths, [max(high for _, high in shapes[i : i + columns]) for i in starts]


def _columns(shapes: Sequence[tuple[float, float]]) -> int:
    """Columns of the grid with the largest pictures on a screen; of equals the one least empty."""

    def merit(columns: int) -> tuple[float, int]:
        widths, heights = _table(shapes, columns)
        return round(min(_SHAPE / sum(widths), 1 / sum(heights)), 6), -(-len(shapes) % columns)

    return max(range(len(shapes), 0, -1), key=merit)


# --- people on top of each other -----------------------------------------------------------------


def _on_top(
    take: Take, size: tuple[int, int], reference: Take, canvas: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Box of a take's picture in that of the reference; pixels of the latter."""
    fit = min(canvas[0] / size[0], canvas[1] / size[1])
    whole = ((canvas[0] - fit * size[0]) / 2, (canvas[1] - fit * size[1]) / 2)
    if take.poses is None or reference.poses is None:
        return (*whole, fit * size[0], fit * size[1])
    own, other = (_shown(one, shape) for one, shape in ((take, size), (reference, canvas)))
    both = np.isfinite(own + other)
    own, other = np.where(both, own, np.nan), np.where(both, other, np.nan)
    scale = _relative_size(own, other)
    away = other[:, _TRUNK].mean(axis=1) - scale * own[:, _TRUNK].mean(axis=1)
    if not np.isfinite(away).all(axis=1).any():
        return (*whole, fit * size[0], fit * size[1])
    x, y = np.nanmedian(away, axis=0)
    return float(x), float(y), scale * size[0], scale * size[1]


def _shown(take: Take, size: tuple[int, int]) -> np.ndarray:
    """Joints (F, 13, 2) at 200 of the times, in pixels of a picture; NaN where not sure."""
    poses: Poses = mirrored(take.poses) if take.mirrored else take.poses
    times = take.times[:: max(1, len(take.times) // 200)]
    chosen = np.abs(poses.times[:, None] - times).argmin(axis=0)
    xy = np.where(poses.score[chosen, :, None] >= _SURE, poses.xy[chosen], np.nan)
    return xy * np.divide(size, poses.size)


def _relative_size(own: np.ndarray, other: np.ndarray) -> float:
    """How much larger the other person is, by joints known of both (F, 13, 2); NaN = unknown.

    By the height that the joints spread over, which is the same from all around; by height and
    width where people lie.
    """
    enough = np.isfinite(own[..., 0]).sum(axis=1) >= _LEAST_JOINTS
    if not enough.any():
        return math.nan
    spreads = [np.nanstd(xy[enough], axis=1) for xy in (own, other)]
    upright = all(np.median(s[:, 1]) > _UPRIGHT * np.median(s[:, 0]) for s in spreads)
    one, two = (s[:, 1] if upright else np.hypot(*s.T) for s in spreads)
    return float(np.clip(np.median(two / one.clip(1e-9)), _LEAST_SCALE, _MOST_SCALE))
