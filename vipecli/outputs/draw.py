"""Draw on pictures, in place: skeletons, text and soft-edged boxes."""

import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vipecli.outputs.text import one_line
from vipecli.poses import skeleton as sk
from vipecli.video.planes import Box

Colour = tuple[int, int, int]  # blue, green, red
Point = tuple[int, int]  # x, y in 2^-SHIFT pixels

LEFT: Colour = (54, 152, 255)  # orange: the person's own left
RIGHT: Colour = (255, 196, 66)  # light blue: the person's own right
MIDDLE: Colour = (240, 240, 240)  # shoulders, hips, neck
OUTLINE: Colour = (24, 20, 18)

HIDDEN_SCORE = 0.5
"""A joint seen less surely than this is drawn thin, as are the bones that end in it."""

_THICKNESS = 1 / 85  # of a bone, of the person's height in the picture
_THINNEST_PX, _THICKEST_PX = 1.5, 24.0
_HEAD_RADIUS = 1.7  # in thicknesses of a bone
_HOLLOW_RADIUS = 1.2  # likewise, of a joint that nobody saw
_LONGEST = 1000  # characters of a line; the longest is far wider than a picture
SHIFT = 4  # sub-pixel bits of cv2's drawing functions
_FARTHEST_PX = 1 << 14  # a joint beyond overflows them
_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 24, endpoint=False)) for f in (np.cos, np.sin)], 1)
_LEFT_JOINTS = frozenset(range(1, 13, 2))
_FALLBACK_FONTS = (  # for names that Pillow's own font cannot write, which has ASCII only
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "msgothic.ttc",
    "seguisym.ttf",
)


def draw_skeleton(
    image: np.ndarray,
    xy: np.ndarray,
    score: np.ndarray,
    colour: Colour | None = None,
    *,
    filled: np.ndarray | None = None,
) -> None:
    """Draw one person's joints and bones into a picture.

    Parameters
    ----------
    image
        shape (H, W, 3) uint8 BGR, changed in place; may be a part of a larger picture.
    xy
        shape (13, 2), pixels; joints with NaN, and bones that end in them, are left out.
    score
        shape (13,); joints below `HIDDEN_SCORE` are drawn thin.
    colour
        of all of it; None = one for each of the person's sides.
    filled
        shape (13,) bool: joints that nobody saw, drawn hollow, their bones thin; None = none.
    """
    known = known_joints(xy)
    if not known.any():
        return
    thick = _bone_thickness(xy[known])
    hollow = np.zeros(len(xy), bool) if filled is None else filled
    score = np.where(hollow, 0, score)
    bones = bones_of(xy, score, known)
    behind = image.copy() if (hollow & known).any() else image
    for outline in (True, False):
        for start, end, seen, own in bones:
            tint = OUTLINE if outline else colour or own
            _line(image, start, end, thick, seen, tint, outline)
    joints = np.flatnonzero(known)
    radii = thick * np.where(joints == sk.HEAD, _HEAD_RADIUS, 0.95)
    radii = radii * np.where(score[joints] >= HIDDEN_SCORE, 1.0, 0.6)
    radii = np.where(hollow[joints], _HOLLOW_RADIUS * thick, radii)
    rings = _rings(xy[joints], np.stack([radii + max(1.0, 0.3 * thick), radii, 0.5 * radii], 1))
    for joint, corners in zip(joints.tolist(), rings, strict=True):
        tints = OUTLINE, colour or _colour(joint), MIDDLE
        if hollow[joint]:
            _hollow(image, behind, corners[1], thick, tints[:2])
            continue
        for ring, tint in zip(corners, tints, strict=True):
            cv2.fillConvexPoly(image, ring, tint, cv2.LINE_AA, SHIFT)


def _hollow(
    image: np.ndarray,
    behind: np.ndarray,
    corners: np.ndarray,
    thick: float,
    tints: tuple[Colour, Colour],
) -> None:
    """Draw a circle (24, 2) that what is behind is seen through, with an outline."""
    low = np.maximum(corners.min(axis=0) >> SHIFT, 0)
    high = (corners.max(axis=0) >> SHIFT) + 1
    part = slice(low[1], max(high[1], 0)), slice(low[0], max(high[0], 0))
    mask = np.zeros(image[part].shape[:2], np.uint8)
    if not mask.size:  # outside of the picture
        return
    cv2.fillConvexPoly(mask, corners - (low << SHIFT), 1, cv2.LINE_8, SHIFT)
    np.copyto(image[part], behind[part], where=mask[..., None] > 0)
    for width, tint in zip((0.4 * thick + 2, 0.4 * thick), tints, strict=True):
        cv2.polylines(image, [corners], True, tint, max(1, round(width)), cv2.LINE_AA, SHIFT)


def skeleton_box(xy: np.ndarray) -> Box:
    """Box (x, y, width, height) of all that `draw_skeleton` draws of joints (13, 2), pixels."""
    joints = xy[known_joints(xy)]
    if not len(joints):
        return 0, 0, 0, 0
    thick = _bone_thickness(joints)
    margin = _HEAD_RADIUS * thick + max(1.0, 0.3 * thick) + 2
    low = np.floor(joints.min(axis=0) - margin).astype(int)
    high = np.ceil(joints.max(axis=0) + margin).astype(int)
    return (*low.tolist(), *(high - low).tolist())


def known_joints(xy: np.ndarray) -> np.ndarray:
    """Which joints (13, 2) can be drawn, (13,) bool."""
    return np.isfinite(xy).all(axis=1) & (np.abs(np.nan_to_num(xy)) < _FARTHEST_PX).all(axis=1)


def _bone_thickness(xy: np.ndarray) -> float:
    """Pixels, in proportion to the person's extent (K, 2), whichever way they lie."""
    extent = float(np.hypot(*np.ptp(xy, axis=0)))
    return float(np.clip(extent * _THICKNESS, _THINNEST_PX, _THICKEST_PX))


def bones_of(
    xy: np.ndarray, score: np.ndarray, known: np.ndarray
) -> list[tuple[Point, Point, bool, Colour]]:
    """Ends, whether seen, and colour of every bone that can be drawn, the neck included."""
    points = _fixed(np.where(known[:, None], xy, 0))
    seen = (score >= HIDDEN_SCORE).tolist()
    bones = [
        (points[i], points[j], seen[i] and seen[j], _bone_colour(i, j))
        for i, j in sk.LINKS
        if known[i] and known[j]
    ]
    shoulders = [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]
    if known[[sk.HEAD, *shoulders]].all():
        (middle,) = _fixed(xy[shoulders].mean(axis=0, keepdims=True))
        visible = all(seen[joint] for joint in (sk.HEAD, *shoulders))
        bones.append((points[sk.HEAD], middle, visible, MIDDLE))
    return bones


def _colour(joint: int) -> Colour:
    if joint == sk.HEAD:
        return MIDDLE
    return LEFT if joint in _LEFT_JOINTS else RIGHT


def _bone_colour(i: int, j: int) -> Colour:
    return _colour(i) if _colour(i) == _colour(j) else MIDDLE


def _fixed(points: np.ndarray) -> list[Point]:
    """Sub-pixel points (K, 2) as cv2 wants them."""
    return [(x, y) for x, y in np.round(points * (1 << SHIFT)).astype(int).tolist()]


def _line(
    image: np.ndarray,
    start: Point,
    end: Point,
    thick: float,
    seen: bool,
    colour: Colour,
    outline: bool,
) -> None:
    width = thick if seen else 0.5 * thick
    width += 2 * max(1.0, 0.3 * thick) if outline else 0
    cv2.line(image, start, end, colour, max(1, round(width)), cv2.LINE_AA, SHIFT)


def _rings(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Corners of circles around points (K, 2), radii (K, R), as cv2 wants them, (K, R, 24, 2).

    cv2.circle makes small ones into diamonds.
    """
    corners = centres[:, None, None] + radii[..., None, None] * _CIRCLE
    return np.round(corners * (1 << SHIFT)).astype(np.int32)


# --- text and boxes ------------------------------------------------------------------------------


def text_width(text: str, size: float, *, tabular: bool = False) -> int:
    """Width of a line of text in pixels, at a font size in pixels."""
    return _mask(text, round(size), tabular).shape[1]


def draw_text(
    image: np.ndarray,
    text: str,
    at: tuple[float, float],
    size: float,
    colour: Colour,
    *,
    anchor: str = "left",
    tabular: bool = False,
) -> None:
    """Write a line of text into a picture, centred upright on a point.

    Parameters
    ----------
    image
        shape (H, W, 3) uint8 BGR, changed in place; what lies outside is cut off.
    text
        any characters; line breaks become blanks, and what no font here has becomes boxes.
    at
        (x, y) of the left end, middle or right end of the line, at half the height of capitals.
    size
        font size, pixels.
    colour
        BGR.
    anchor
        ``left``, ``middle`` or ``right``.
    tabular
        give all digits the same width, so that a counter does not dance.
    """
    mask = _mask(text, round(size), tabular)
    height, width = mask.shape
    x = at[0] - {"left": 0.0, "middle": 0.5, "right": 1.0}[anchor] * width
    _blend(image, mask, round(x), round(at[1] - height / 2), colour)


def draw_box(
    image: np.ndarray,
    box: Box,
    colour: Colour,
    *,
    radius: int = 0,
    opacity: float = 1.0,
) -> None:
    """Lay a box (x, y, width, height) with round corners over a picture, in place."""
    x, y, width, height = box
    mask = _rounded(width, height, min(radius, width // 2, height // 2))
    _blend(image, mask, x, y, colour, opacity)


def elide(text: str, size: float, width: float) -> str:
    """Shorten a text in its middle until it fits into a width in pixels."""
    if text_width(text, size) <= width:
        return text
    text = one_line(text)[:_LONGEST]
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if text_width(short, size) <= width:
            return short
    return "…"


def _blend(
    image: np.ndarray, mask: np.ndarray, x: int, y: int, colour: Colour, opacity: float = 1.0
) -> None:
    """Mix a colour into a picture where a mask (h, w) of 0 to 255 says so."""
    left, top = max(0, -x), max(0, -y)
    right = min(mask.shape[1], image.shape[1] - x)
    bottom = min(mask.shape[0], image.shape[0] - y)
    if right <= left or bottom <= top:
        return
    part = image[y + top : y + bottom, x + left : x + right]
    share = mask[top:bottom, left:right, None] * np.float32(opacity / 255)
    part[:] = np.round(part + (np.float32(colour) - part) * share).astype(np.uint8)


@functools.lru_cache(maxsize=64)
def _rounded(width: int, height: int, radius: int) -> np.ndarray:
    """Mask of a box with round, smooth corners."""
    scale = 4
    mask = Image.new("L", (width * scale, height * scale))
    corner = (width * scale - 1, height * scale - 1)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *corner), radius * scale, fill=255)
    return np.asarray(mask.resize((width, height), Image.Resampling.BOX))


def _mask(text: str, size: int, tabular: bool) -> np.ndarray:
    """Ink of a line of text, 0 to 255; upright its middle is the middle of the capitals."""
    text = one_line(text)[:_LONGEST]
    return _tabular(text, size) if tabular else _ink(text, size)


def _tabular(text: str, size: int) -> np.ndarray:
    """Ink of a text in which all digits are as wide as the widest, put together from characters."""
    digit = max(_ink(d, size).shape[1] for d in "0123456789")
    inks = [_ink(c, size) for c in text]
    steps = [digit if c.isdigit() else ink.shape[1] for c, ink in zip(text, inks, strict=True)]
    mask = np.zeros((inks[0].shape[0] if inks else 1, max(1, sum(steps))), np.uint8)
    x = 0
    for ink, step in zip(inks, steps, strict=True):
        left = x + (step - ink.shape[1]) // 2
        mask[:, left : left + ink.shape[1]] = ink
        x += step
    return mask


@functools.lru_cache(maxsize=512)
def _ink(text: str, size: int) -> np.ndarray:
    """Ink of a line of text as the font sets it."""
    font = _font(size, frozenset(text))
    top, bottom = font.getbbox("H")[1::2]
    half = round(0.5 * (bottom - top) + 0.45 * size)
    mask = Image.new("L", (max(1, int(np.ceil(font.getlength(text)))), 2 * half))
    ImageDraw.Draw(mask).text((0, half - (top + bottom) / 2), text, fill=255, font=font)
    return np.asarray(mask)


@functools.lru_cache(maxsize=128)
def _font(size: int, needed: frozenset[str]) -> ImageFont.FreeTypeFont:
    """Pillow's own font, or one of the system's if that lacks a character."""
    own = ImageFont.load_default(size)
    missing = _missing(own, needed)
    best = own
    for name in _fallback_fonts() if missing else ():
        try:
            other = ImageFont.truetype(name, size)
        except OSError:
            continue
        if (lacks := _missing(other, needed)) < missing:
            best, missing = other, lacks
    return best


def _fallback_fonts() -> list[str]:
    """Fonts with more characters: matplotlib's, which mediapipe brings along, then the system's."""
    spec = importlib.util.find_spec("matplotlib")
    brought = Path(spec.origin).parent / "mpl-data/fonts/ttf" if spec and spec.origin else Path()
    return [str(brought / _FALLBACK_FONTS[0]), *_FALLBACK_FONTS]


def _missing(font: ImageFont.FreeTypeFont, chars: Iterable[str]) -> int:
    """Number of characters that a font draws as its box for unknown ones."""
    unknown = bytes(font.getmask("\U0010fffd"))
    return sum(bytes(font.getmask(c)) == unknown for c in chars if not c.isspace())
