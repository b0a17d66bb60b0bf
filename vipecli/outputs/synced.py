"""One video that shows several clips in step, with skeletons and how well they match."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.align import Alignment, warp
from vipecli.encode import LONGEST_SIDE, VideoWriter, check_container, exact_rate
from vipecli.outputs.draw import Colour, draw_box, draw_skeleton, draw_text, elide, text_width
from vipecli.outputs.strip import BACKGROUND, BRIGHT, DIM, Strip, clock, make_strip
from vipecli.poses import Poses
from vipecli.video import probe, read_frames

__all__ = ["Take", "check_container", "write_synced", "write_takes"]

MAX_HEIGHT = 1080
"""Height of the pictures unless asked for: the tallest clip's, but no more than this, pixels."""

MAX_WIDTH = 3840
"""Width of the whole video unless a height is asked for, pixels; wider ones stutter on phones."""

LEAST_HEIGHT = 64  # pixels; below that no text can be read
BADGES: tuple[Colour, ...] = ((255, 138, 76), (180, 105, 240), (120, 190, 60), (80, 180, 245))

_FONT = 1 / 40  # font size, of the height of the pictures
_SMALLEST_FONT, _LARGEST_FONT = 11.0, 44.0  # pixels
_STEADY = 0.02  # a clip whose speed stays this close to 1 is shown without a speed
_SPEED_S = 0.25  # over which the speed that is shown is taken, seconds on both sides


@dataclass(frozen=True)
class Take:
    """One clip as it runs in a synchronised video.

    Attributes
    ----------
    path
        video, or folder of frames.
    times
        shape (F,), the moment of the clip that each frame of the video shows, seconds,
        non-decreasing.
    poses
        joints to draw; None = no skeleton.
    label
        what stands above it; empty = the name of the file.
    """

    path: Path
    times: np.ndarray
    poses: Poses | None = None
    label: str = ""


def write_synced(
    alignment: Alignment,
    path_a: str | Path,
    path_b: str | Path,
    poses_a: Poses,
    poses_b: Poses,
    out: str | Path,
    *,
    onto: str = "a",
    skeleton: bool = True,
    audio: str = "a",
    height: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write two aligned clips side by side, one warped onto the time of the other.

    Parameters
    ----------
    alignment
        of a and b.
    path_a, path_b
        the clips, videos or folders of frames.
    poses_a, poses_b
        their joints; the times are those of all frames.
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    onto
        ``a``: the video has a's length and rate, and b is warped; ``b``: the other way round;
        ``both``: every moment lasts the mean of what it lasts in a and b.
    skeleton
        draw the joints.
    audio
        ``a``, ``b`` or ``none``: whose sound goes along. It is not warped, so it stays in step
        only with a clip that is not warped either.
    height
        of the pictures in pixels; None = that of the taller clip, at most `MAX_HEIGHT`.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VipeError
        if a clip cannot be read or the video cannot be written; nothing is left behind then.
    ValueError
        if `onto` or `audio` is none of the above, or the height is out of range.
    """
    if onto not in ("a", "b", "both"):
        raise ValueError(f"onto is {onto!r}; use 'a', 'b' or 'both'")
    if audio not in ("a", "b", "none"):
        raise ValueError(f"audio is {audio!r}; use 'a', 'b' or 'none'")
    times_a, times_b, fps = time_base(alignment, poses_a.times, poses_b.times, onto)
    takes = [
        Take(Path(path), times, poses if skeleton else None)
        for path, times, poses in (
            (path_a, times_a, poses_a),
            (path_b, times_b, poses_b),
        )
    ]
    match = _match_at(alignment, times_a if onto != "b" else times_b, onto)
    sound = {"a": 0, "b": 1, "none": None}[audio]
    write_takes(takes, match, out, fps=fps, audio=sound, height=height, progress=progress)


def write_takes(
    takes: Sequence[Take],
    match: np.ndarray,
    out: str | Path,
    *,
    fps: float,
    audio: int | None = 0,
    height: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write clips side by side, each frame showing the moments that belong together.

    Every clip is decoded once, and one or two frames of each are held at a time.

    Parameters
    ----------
    takes
        the clips, from left to right, with F times each.
    match
        shape (F,), similarity at each frame, in [0, 1].
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    fps
        frames per second of the video.
    audio
        number of the clip whose sound goes along, from its first time on; None = silent.
    height
        of the pictures in pixels; None = that of the tallest clip, at most `MAX_HEIGHT`, and
        less where the row would be wider than `MAX_WIDTH`.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VipeError
        if a clip cannot be read or the video cannot be written; nothing is left behind then.
    ValueError
        if there are no frames, their numbers differ, or the height is out of range.
    """
    frames = len(match)
    if not takes or not frames or any(len(take.times) != frames for take in takes):
        raise ValueError("every take needs one time per frame, and there must be one at least")
    layout = _layout([(i.width, i.height) for i in map(probe, [t.path for t in takes])], height)
    strip_size = layout.size[0], layout.size[1] - layout.strip
    strip = make_strip(np.asarray(match, np.float64), frames / fps, strip_size, layout.font)
    sound = {} if audio is None else {"audio_from": takes[audio].path}
    if audio is not None:
        sound["audio_start_s"] = float(takes[audio].times[0])
    inputs = tuple(take.path for take in takes)
    with (
        VideoWriter(out, size=layout.size, fps=fps, inputs=inputs, **sound) as writer,
        contextlib.ExitStack() as stack,
    ):
        panels = [_Panel(*args, layout.font, stack) for args in _panel_args(takes, layout, fps)]
        for done, picture in enumerate(_pictures(panels, layout, strip), start=1):
            writer.write(picture)
            if progress:
                progress(done, frames)


# --- time ----------------------------------------------------------------------------------------


def time_base(
    alignment: Alignment, frames_a: np.ndarray, frames_b: np.ndarray, onto: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Moments of a and of b at every frame of a video in step (F,), and its rate.

    Parameters
    ----------
    alignment
        of a and b.
    frames_a, frames_b
        shapes (N,) and (M,), times of all frames of the clips, seconds.
    onto
        ``a``, ``b`` or ``both``, as in `write_synced`.
    """
    if onto == "b":
        base, fps = _grid(frames_b)
        return warp(alignment, base, onto="b"), base, fps
    base, fps = _grid(frames_a)
    there = warp(alignment, base)
    if onto == "a":
        return base, there, fps
    mean = (base - base[0] + there - there[0]) / 2  # increases strictly, since `base` does
    fps = max(fps, _rate(frames_b))
    even = np.arange(round(mean[-1] * fps) + 1) / fps
    return np.interp(even, mean, base), np.interp(even, mean, there), fps


def _grid(times: np.ndarray) -> tuple[np.ndarray, float]:
    """Evenly spaced times from the first to the last frame of a clip, and their rate."""
    fps = _rate(times)
    count = round((times[-1] - times[0]) * fps) + 1
    return np.minimum(times[0] + np.arange(count) / fps, times[-1]), fps


def _rate(times: np.ndarray) -> float:
    """Frame rate of a clip; where it varies that of most frames, not the average."""
    if len(times) < 2:
        return 30.0
    mean, typical = float(np.diff(times).mean()), float(np.median(np.diff(times)))
    # Timestamps in whole milliseconds make the typical step coarse: 33 ms for 30 frames/s.
    step = mean if abs(typical - mean) < 0.05 * mean else typical
    return float(exact_rate(min(max(1 / step, 1.0), 240.0)))


def _match_at(alignment: Alignment, times: np.ndarray, onto: str) -> np.ndarray:
    """Similarity at times of a, or of b if that is the base (F,).

    0 where the other clip has no counterpart and waits.
    """
    source = alignment.times_b if onto == "b" else alignment.times_a
    knots, owner, count = np.unique(source, return_inverse=True, return_counts=True)
    mean = np.bincount(owner, alignment.similarity) / count
    return np.interp(times, knots, mean, left=0.0, right=0.0)


def _speeds(times: np.ndarray, fps: float) -> np.ndarray | None:
    """How fast a clip runs at every frame (F,); None if it runs at its own speed throughout."""
    reach = min(max(1, round(_SPEED_S * fps)), len(times) - 1)
    if reach < 1:
        return None
    at = np.arange(len(times))
    low, high = (at - reach).clip(0), (at + reach).clip(max=len(times) - 1)
    speeds = (times[high] - times[low]) * fps / (high - low)
    return None if (np.abs(speeds - 1) < _STEADY).all() else speeds


class Follower:
    """A clip that is read forward only, and gives the frame nearest to a moment."""

    def __init__(self, frames: Iterator[tuple[float, np.ndarray]]) -> None:
        self._frames = frames
        self._now = next(frames)
        self._next = next(frames, None)

    def at(self, time_s: float) -> tuple[float, np.ndarray]:
        """Time and picture of the frame nearest to a time not before that of the last call."""
        while self._next and self._next[0] - time_s <= abs(time_s - self._now[0]) + 1e-9:
            self._now, self._next = self._next, next(self._frames, None)
        return self._now


# --- picture -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """Where everything stands, in pixels.

    `size` is (width, height) of the video, `boxes` are the pictures' (x, y, width, height),
    `font` is the font size, `header` the height of the line above the pictures, and `strip` the
    row where the strip begins.
    """

    size: tuple[int, int]
    boxes: list[tuple[int, int, int, int]]
    font: float
    header: int
    strip: int


def _layout(sizes: list[tuple[int, int]], height: int | None) -> _Layout:
    """Pictures of one height in a row, each as wide as its shape demands."""
    aspects = [width / height for width, height in sizes]
    if height is None:
        height = min(max(h for _, h in sizes), MAX_HEIGHT, int(MAX_WIDTH / sum(aspects)))
    elif not LEAST_HEIGHT <= height <= LONGEST_SIDE // max(2.0, sum(aspects)):
        most = int(LONGEST_SIDE // max(2.0, sum(aspects)))
        raise ValueError(f"height is {height}; use {LEAST_HEIGHT} to {most} pixels")
    height = max(height, LEAST_HEIGHT)
    font = float(np.clip(height * _FONT, _SMALLEST_FONT, _LARGEST_FONT))
    # Even positions, since colour is stored for 2 x 2 pixels and would bleed over an odd edge.
    gap, header, strip = 2 * max(1, round(font / 12)), 2 * round(1.2 * font), round(4.6 * font)
    boxes, x = [], 0
    for aspect in aspects:
        width = max(2, round(height * aspect))
        boxes.append((x, header, width, height))
        x += width + width % 2 + gap
    total = max(x + width for x, _, width, _ in boxes)
    size = total + total % 2, header + height + strip + (header + height + strip) % 2
    return _Layout(size, boxes, font, header, header + height)


def _panel_args(
    takes: Sequence[Take], layout: _Layout, fps: float
) -> Iterator[tuple[Take, str, Colour, tuple[int, int, int, int], np.ndarray | None]]:
    for i, (take, box) in enumerate(zip(takes, layout.boxes, strict=True)):
        yield take, chr(ord("A") + i), BADGES[i % len(BADGES)], box, _speeds(take.times, fps)


class _Panel:
    """One clip in the video: its header, pictures and skeleton."""

    def __init__(
        self,
        take: Take,
        letter: str,
        colour: Colour,
        box: tuple[int, int, int, int],
        speeds: np.ndarray | None,
        font: float,
        stack: contextlib.ExitStack,
    ) -> None:
        self._take, self._letter, self._colour = take, letter, colour
        self._box, self._speeds, self._font = box, speeds, font
        frames = read_frames(take.path, size=box[2:])
        stack.callback(frames.close)
        self._follower = Follower(frames)

    def draw_title(self, image: np.ndarray) -> None:
        """Write what stays: the letter and the name."""
        x, top, width, _ = self._box
        font, middle = self._font, top / 2
        side = round(1.45 * font)
        left = x + round(0.6 * font)
        box = (left, round(middle - side / 2), side, side)
        draw_box(image, box, self._colour, radius=round(0.3 * font))
        draw_text(image, self._letter, (left + side / 2, middle), font, BRIGHT, anchor="middle")
        room = width - side - 2.2 * font - text_width(self._clock_text(0), 0.9 * font, tabular=True)
        label = elide(self._take.label or self._take.path.name, font, room)
        draw_text(image, label, (left + side + 0.5 * font, middle), font, BRIGHT)

    def draw(self, image: np.ndarray, frame: int) -> None:
        """Draw picture, skeleton and time of one frame of the video."""
        x, top, width, height = self._box
        time_s, picture = self._follower.at(float(self._take.times[frame]))
        view = image[top : top + height, x : x + width]
        view[:] = picture
        self._draw_skeleton(view, time_s)
        at = (x + width - 0.6 * self._font, top / 2)
        text = self._clock_text(frame)
        draw_text(image, text, at, 0.9 * self._font, DIM, anchor="right", tabular=True)

    def _clock_text(self, frame: int) -> str:
        text = clock(float(self._take.times[frame]))
        if self._speeds is None:
            return text
        return f"{self._speeds[frame]:.1f}x  {text}"

    def _draw_skeleton(self, view: np.ndarray, time_s: float) -> None:
        poses = self._take.poses
        if poses is None or not len(poses):
            return
        i = int(np.searchsorted(poses.times, time_s))
        near = [j for j in (i - 1, i) if 0 <= j < len(poses)]
        i = min(near, key=lambda j: abs(poses.times[j] - time_s))
        scale = np.divide(view.shape[1::-1], poses.size)
        draw_skeleton(view, poses.xy[i] * scale, poses.score[i])


def _pictures(panels: list[_Panel], layout: _Layout, strip: Strip) -> Iterator[np.ndarray]:
    """All pictures of the video; one array, drawn over again and again."""
    width, height = layout.size
    titles = np.full((layout.header, width, 3), BACKGROUND, np.uint8)
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for panel in panels:
        panel.draw_title(titles)
    for frame in range(len(strip.match)):
        image[: layout.header] = titles
        for panel in panels:
            panel.draw(image, frame)
        strip.draw(image[layout.strip :], frame)
        yield image
