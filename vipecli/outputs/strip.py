"""The graph below a synchronised video: match of the clips over time."""

from dataclasses import dataclass

import cv2
import numpy as np

from vipecli.outputs.draw import Colour, draw_box, draw_text, text_width

BACKGROUND: Colour = (30, 25, 22)
GRAPH: Colour = (46, 40, 36)
BRIGHT: Colour = (245, 243, 242)
DIM: Colour = (168, 160, 154)

_MATCH_COLOURS = np.float32([(86, 84, 230), (64, 174, 245), (142, 196, 72)])  # at 0, 1/2 and 1
_TO_COME = 0.45  # how strongly the part that is still to come is shown
_TICKS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
_TICK_FONT, _SMALLEST_TICK_FONT = 0.72, 10.0  # of the times below it: share of the font, pixels
_TICK_GAP = 7.0  # least distance of two times below the graph, in their font sizes


def clock(time_s: float, *, digits: int = 2) -> str:
    """Time as on a stop-watch: 0:03.25, or 1:02:03 with hours."""
    unit = 10**digits
    ticks = round(max(0.0, time_s) * unit)
    minutes, ticks = divmod(ticks, 60 * unit)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{ticks // unit:02d}" + (f".{ticks % unit:0{digits}d}" if digits else "")
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def match_colour(match: np.ndarray) -> np.ndarray:
    """BGR float32 (..., 3) of matches (...): red, amber, green."""
    steps = np.linspace(0, 1, len(_MATCH_COLOURS))
    return np.stack(
        [np.interp(match, steps, channel) for channel in _MATCH_COLOURS.T], axis=-1
    ).astype(np.float32)


@dataclass(frozen=True)
class Strip:
    """A graph of the match over the whole clip, and its place for every frame.

    Attributes
    ----------
    match
        shape (F,), match at each frame, in [0, 1].
    past, to_come
        shape (h, w, 3) uint8: the strip behind and before the playhead.
    left, top, width, height
        of the graph in it, pixels.
    font
        font size, pixels.
    """

    match: np.ndarray
    past: np.ndarray
    to_come: np.ndarray
    left: int
    top: int
    width: int
    height: int
    font: float

    def picture(self, frame: int) -> np.ndarray:
        """Strip at a frame, (h, w, 3) uint8 BGR."""
        share = frame / max(1, len(self.match) - 1)
        x = self.left + share * (self.width - 1)
        edge = min(self.left + self.width, round(x))
        image = self.to_come.copy()
        image[:, :edge] = self.past[:, :edge]
        value = float(self.match[frame])
        colour = tuple(match_colour(np.float32(value)).tolist())
        self._playhead(image, x, value, colour)
        right, middle = image.shape[1] - self.font, self.top + self.height / 2
        draw_text(
            image,
            f"{value:.0%}",
            (right, middle),
            1.55 * self.font,
            colour,
            anchor="right",
            tabular=True,
        )
        return image

    def _playhead(self, image: np.ndarray, x: float, value: float, colour: Colour) -> None:
        line = max(1, round(self.font / 12))
        x0, overhang = round(x - line / 2), round(self.font / 5)
        box = (x0, self.top - overhang, line, self.height + 2 * overhang)
        draw_box(image, box, BRIGHT)
        y = self.top + self.height * (1 - value)
        centre = (round(16 * x), round(16 * y))
        for radius, tint in ((self.font / 3.2, BRIGHT), (self.font / 4.6, colour)):
            cv2.circle(image, centre, round(16 * radius), tint, cv2.FILLED, cv2.LINE_AA, 4)


def make_strip(match: np.ndarray, seconds: float, size: tuple[int, int], font: float) -> Strip:
    """Draw the graph once, for all frames.

    Parameters
    ----------
    match
        shape (F,), matches in [0, 1].
    seconds
        length of the video.
    size
        (width, height) of the strip, pixels.
    font
        font size, pixels.
    """
    width, height = size
    left = round(2 * font) + text_width("Match", font)
    graph_width = max(2, width - left - round(2 * font) - text_width("100%", 1.55 * font))
    top, graph_height = round(0.75 * font), max(2, height - round(2.35 * font))
    empty = np.full((height, width, 3), BACKGROUND, np.uint8)
    draw_text(empty, "Match", (font, top + graph_height / 2), font, DIM)
    draw_box(empty, (left, top, graph_width, graph_height), GRAPH)
    _times(empty, seconds, (left, graph_width, top + graph_height + 0.75 * font), font)
    past, to_come = empty.copy(), empty
    columns = _columns(match, graph_width)
    for image, strength in ((past, 1.0), (to_come, _TO_COME)):
        _curve(image[top : top + graph_height, left : left + graph_width], columns, strength)
    return Strip(match, past, to_come, left, top, graph_width, graph_height, font)


def _columns(match: np.ndarray, width: int) -> np.ndarray:
    """One match per column of pixels: the mean over the moments that it stands for."""
    if len(match) == 1:
        return np.full(width, match[0])
    at = np.linspace(0, len(match) - 1, width)
    total = np.concatenate([[0.0], np.cumsum((match[1:] + match[:-1]) / 2)])
    reach = max(0.5, (len(match) - 1) / width / 2)  # frames on both sides
    low, high = (at - reach).clip(0), (at + reach).clip(max=len(match) - 1)
    return (_integral(match, total, high) - _integral(match, total, low)) / (high - low)


def _integral(match: np.ndarray, total: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Integral of the line through all matches, from frame 0 to fractional frames."""
    i = np.minimum(at.astype(int), len(match) - 2)
    d = at - i
    return total[i] + match[i] * d + (match[i + 1] - match[i]) * d * d / 2


def _curve(image: np.ndarray, columns: np.ndarray, strength: float) -> None:
    """Fill the area under a curve, with a brighter edge on top."""
    height = image.shape[0]
    rows = np.arange(height)[:, None] + 1
    level = columns * height
    area = np.clip(level + rows - height, 0, 1)
    edge = area * np.clip(1 - (level + rows - height - max(1.5, height / 25)), 0, 1)
    share = (0.45 * area + 0.55 * edge)[..., None].astype(np.float32) * strength
    image[:] = np.round(image + (match_colour(columns) - image) * share).astype(np.uint8)


def _times(image: np.ndarray, seconds: float, place: tuple[int, int, float], font: float) -> None:
    """Write times below the graph, as many as fit."""
    left, width, y = place
    small = max(_TICK_FONT * font, _SMALLEST_TICK_FONT)
    space = max(1.0, width / (_TICK_GAP * small))
    step = next((t for t in _TICKS_S if seconds / t <= space), seconds)
    digits = 0 if step >= 1 else 1
    for time_s in np.arange(0, seconds + 1e-6, step) if step > 0 else [0.0]:
        x = left + width * time_s / max(seconds, 1e-9)
        if x + font > left + width and time_s > 0:
            continue
        cv2.line(image, (round(x), round(y - 0.7 * font)), (round(x), round(y - 0.5 * font)), DIM)
        text = clock(float(time_s), digits=digits)
        draw_text(image, text, (x, y + 0.1 * font), small, DIM, anchor="middle")
