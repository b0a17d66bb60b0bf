"""The differences of two performances as pictures: both persons side by side at each moment."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.compare import Comparison, Moment
from vipecli.alignment.joint_angles import ANGLES
from vipecli.alignment.takes import Clip, Match
from vipecli.errors import VipeError
from vipecli.files import check_output, replacing
from vipecli.outputs.draw import draw_text, elide
from vipecli.outputs.sheet import TILE_PX, Tile, tile_picture
from vipecli.outputs.strip import BACKGROUND, BRIGHT, DIM
from vipecli.poses.poses import Poses

_GAP_PX, _HEAD_PX, _FONT_PX = 10, 46, 18
_PAIR_PX = 2 * TILE_PX + _GAP_PX
_COLUMNS = 2
_NONE = "No difference exceeds the uncertainty of both angles."
_ARM: tuple[int, int, int] = (64, 200, 255)  # blue, green, red: the bones of the angle


def check_stills(out: Path, *inputs: Path) -> None:
    """Refuse a sheet that could not be written.

    Raises
    ------
    VipeError
        if its name does not end in ``.png``, or as in `files.check_output`.
    """
    if out.suffix.lower() != ".png":
        raise VipeError(f"{out}: use a name that ends in .png")
    check_output(out, *inputs)


def write_stills(
    found: Comparison, own: Clip, match: Match, out: Path, *, flip: bool = True
) -> None:
    """Write a sheet of the differences, most important first: A left, B right, the angle marked.

    Parameters
    ----------
    found
        of the two clips.
    own, match
        A, and B as it was matched.
    out
        a ``.png``.
    flip
        show B as a mirror shows it where it was taken mirrored.

    Raises
    ------
    VipeError
        if it cannot be written.
    """
    pairs = [_pair(one, own, match, flip=flip and match.mirrored) for one in found.moments]
    sheet = _laid_out(pairs) if pairs else _empty()
    with replacing(out) as part:
        done, data = cv2.imencode(".png", sheet)
        if not done:
            raise VipeError(f"{out}: cannot be written as PNG")
        part.write_bytes(data.tobytes())


def _laid_out(pairs: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Pairs in rows of two."""
    height, width = pairs[0].shape[:2]
    columns = min(len(pairs), _COLUMNS)
    rows = -(-len(pairs) // columns)
    step_x, step_y = width + 2 * _GAP_PX, height + _GAP_PX
    size = rows * step_y + _GAP_PX, columns * step_x
    sheet = np.full((*size, 3), BACKGROUND, np.uint8)
    for i, pair in enumerate(pairs):
        x, y = _GAP_PX + i % columns * step_x, _GAP_PX + i // columns * step_y
        sheet[y : y + height, x : x + width] = pair
    return sheet


def _empty() -> NDArray[np.uint8]:
    sheet = np.full((90, _PAIR_PX, 3), BACKGROUND, np.uint8)
    draw_text(sheet, _NONE, (16, 45), _FONT_PX, BRIGHT)
    return sheet


def _pair(one: Moment, own: Clip, match: Match, *, flip: bool) -> NDArray[np.uint8]:
    """One difference: a line above two pictures."""
    b = match.clip
    joints = list(ANGLES[one.angle])
    other = list(ANGLES[_other_side(one.angle)]) if match.mirrored else joints
    left = _still(own, one.time_a, joints)
    right = _still(b, one.time_b, other)
    pair = np.full((_HEAD_PX + TILE_PX + _HEAD_PX, _PAIR_PX, 3), BACKGROUND, np.uint8)
    size = f"{one.difference_deg:+.0f}° ± {one.std_deg:.0f}°"
    title = f"{one.angle.capitalize()}: {size} against the rest of the movement"
    draw_text(pair, title, (4, _HEAD_PX / 2), _FONT_PX, BRIGHT)
    rows = slice(_HEAD_PX, _HEAD_PX + TILE_PX)
    pair[rows, :TILE_PX], pair[rows, -TILE_PX:] = left, right[:, ::-1] if flip else right
    captions = (("A", own, one.time_a, one.a_deg), ("B", b, one.time_b, one.b_deg))
    for k, (letter, clip, time_s, angle) in enumerate(captions):
        text = f"{letter}  {angle:.0f}°  at {time_s:.2f} s  {clip.path.name}"
        at = (4 + k * (TILE_PX + _GAP_PX), _HEAD_PX + TILE_PX + _HEAD_PX / 2)
        draw_text(pair, elide(text, 0.8 * _FONT_PX, TILE_PX - 8), at, 0.8 * _FONT_PX, DIM)
    return pair


def _other_side(angle: str) -> str:
    side, name = angle.split(" ")
    return f"{'right' if side == 'left' else 'left'} {name}"


def _still(clip: Clip, time_s: float, joints: list[int]) -> NDArray[np.uint8]:
    """The person at a moment, the two bones of the angle drawn over the skeleton."""
    frame = int(np.abs(clip.poses.times - time_s).argmin())
    poses: Poses = clip.poses.part(slice(frame, frame + 1))
    video = None if clip.source.canvas is not None else clip.path
    tile = Tile(poses.xy[0], poses.score[0], poses.size, "", "", video, float(poses.times[0]))
    image, placed = tile_picture(tile)
    points: Any = np.round(16 * placed[joints]).astype(np.int32)
    if np.isfinite(placed[joints]).all():
        cv2.polylines(image, [points], isClosed=False, color=_ARM, thickness=6,
                      lineType=cv2.LINE_AA, shift=4)  # fmt: skip
    return image
