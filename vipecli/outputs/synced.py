"""One video that shows several clips in step, with skeletons and how well they match."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.alignment.align import Alignment
from vipecli.outputs.cutout import Frozen, key_frames, lay_tinted
from vipecli.outputs.draw import (
    Colour,
    draw_box,
    draw_skeleton,
    draw_text,
    elide,
    text_width,
)
from vipecli.outputs.layout import Layout, shared, tiled
from vipecli.outputs.reel import Reel, Take, pair_reel
from vipecli.outputs.screen import Screen
from vipecli.outputs.silhouette import silhouette
from vipecli.outputs.strip import (
    BACKGROUND,
    BRIGHT,
    DIM,
    GRAPH,
    Strip,
    clock,
    make_strip,
    match_colour,
)
from vipecli.outputs.text import FASTEST, SLOWEST, times_as_fast
from vipecli.outputs.video_options import Style, VideoOptions
from vipecli.poses.poses import Poses
from vipecli.video.planes import Planes
from vipecli.video.read import probe
from vipecli.video.source import AnyClip
from vipecli.video.write import VideoWriter, check_container

__all__ = ["Take", "check_container", "draw_skeleton", "write_reel", "write_synced"]

BADGES: tuple[Colour, ...] = (
    (255, 138, 76),
    (180, 105, 240),
    (120, 190, 60),
    (80, 180, 245),
    (200, 190, 60),
    (120, 120, 235),
    (215, 130, 170),
    (90, 200, 190),
    (160, 160, 160),
)

_STEADY = 0.02  # a clip that stays this close to the speed of the reference shows no speed
_WIPE_S = 4.0  # in which the edge of a wipe goes over the picture and back
_WIPE_REACH = 0.3  # of the width, to both sides of the middle


def write_synced(
    alignment: Alignment,
    a: tuple[AnyClip, Poses],
    b: tuple[AnyClip, Poses],
    out: str | Path,
    *,
    onto: str = "a",
    audio: str = "a",
    progress: Callable[[int, int], object] | None = None,
    **options: Any,
) -> None:
    """Write two aligned clips in step, one warped onto the time of the other.

    Parameters
    ----------
    alignment
        of a and b.
    a, b
        clips, and their joints at the times of all frames.
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    onto
        ``a``: the video has a's length and rate, and b is warped; ``b``: the other way round;
        ``both``: each movement lasts the mean of its durations in a and b.
    audio
        ``a``, ``b`` or ``none``: whose sound is kept, in step with the pictures.
    progress
        as in `write_reel`.
    options
        further fields of `video_options.VideoOptions`.

    Raises
    ------
    VipeError
        if a clip cannot be read or the video cannot be written; nothing is left behind then.
    ValueError
        if an option is none of the above, or the height is out of range.
    """
    if audio not in ("a", "b", "none"):
        raise ValueError(f"audio is {audio!r}; use 'a', 'b' or 'none'")
    reel = pair_reel(alignment, a, b, onto=onto)
    video = VideoOptions(audio={"a": 0, "b": 1, "none": None}[audio], **options)
    write_reel(reel, out, video, progress=progress)


def write_reel(
    reel: Reel,
    out: str | Path,
    video: VideoOptions | None = None,
    *,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write clips in step, each frame showing corresponding frames of all.

    Every clip is decoded once, and one or two frames of each are held at a time.

    Parameters
    ----------
    reel
        the clips and their times.
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    video
        options of the video; None = as `VideoOptions` has them.
    progress
        called with the number of frames written, and of all frames, after each frame.

    Raises
    ------
    VipeError
        if a clip cannot be read or the video cannot be written; nothing is left behind then.
    ValueError
        if the reel cannot be shown in that style, or the height is out of range.
    """
    video = video or VideoOptions()
    _check(reel, video)
    reel = reel if video.flip else reel.as_filmed()
    sizes = [(info.width, info.height) for info in map(probe, [t.source for t in reel.takes])]
    if video.style in (Style.OVERLAY, Style.WIPE):
        layout = shared(reel.takes, sizes, reel.reference, video.height, captions=video.captions)
    else:
        layout = tiled(sizes, video.style.value, video.height, captions=video.captions)
    sound = {} if video.audio is None else _sound(reel, video.audio)
    inputs = tuple(take.path for take in reel.takes)
    marks = reel.chapters if video.chapters else []
    with (
        VideoWriter(
            out, size=layout.size, fps=reel.fps, inputs=inputs, chapters=marks, **sound
        ) as writer,
        contextlib.ExitStack() as stack,
    ):
        pictures = _Pictures(reel, layout, video, stack)
        for frame in range(len(reel)):
            writer.write(pictures.draw(frame))
            if progress:
                progress(frame + 1, len(reel))


def _check(reel: Reel, video: VideoOptions) -> None:
    """Refuse a style that does not fit the number of clips."""
    if video.style is Style.WIPE and len(reel.takes) != 2:
        raise ValueError(f"style 'wipe' shows two clips, not {len(reel.takes)}")


def _sound(reel: Reel, number: int) -> dict[str, object]:
    """Arguments of `VideoWriter` for the sound of a take."""
    take = reel.takes[number]
    return {"audio_from": take.source, "audio_times": take.times}


class _Pictures:
    """Composes the pictures of a video, frame by frame."""

    def __init__(
        self, reel: Reel, layout: Layout, video: VideoOptions, stack: contextlib.ExitStack
    ) -> None:
        self._reel, self._layout, self._skeleton = reel, layout, video.skeleton
        speeds = [reel.speeds(i) for i in range(len(reel.takes))]
        self._screens = [
            Screen(take, box[2:], speed, reel.fps, video.resample.value, stack)
            for take, box, speed in zip(reel.takes, layout.pictures, speeds, strict=True)
        ]
        special = {
            Style.OVERLAY: self._overlay,
            Style.WIPE: self._wipe,
            Style.STROBE: self._strobe,
        }
        self._show = special.get(video.style, self._tiles)
        moments = key_frames(reel) if video.style is Style.STROBE else []
        self._frozen = [Frozen(moments, reel.cuts) for _ in reel.takes]
        # One is drawn while the other is encoded.
        self._images = [Planes.filled(layout.size, BACKGROUND).framed() for _ in range(2)]
        self._captions = [
            _Caption(
                take,
                i,
                box[2:],
                layout.font,
                _relative(speeds[i], speeds[reel.reference]),
                with_match=len(reel.takes) > 2,
            )
            for i, (take, box) in enumerate(zip(reel.takes, layout.captions, strict=False))
        ]
        self._strip: Strip | None = None
        if layout.captions:
            size = layout.size[0], layout.size[1] - layout.strip
            match = np.asarray(reel.match, np.float64)
            self._strip = make_strip(match, len(reel) / reel.fps, size, layout.font)

    def draw(self, frame: int) -> Planes:
        """Picture of a frame; it changes with the next frame but one."""
        image, layout = self._images[frame % 2], self._layout
        self._show(image.part(layout.canvas), frame)
        for caption, box in zip(self._captions, layout.captions, strict=False):
            image.part(box).put(Planes.of(caption.picture(frame)))
        if self._strip:
            strip = Planes.of(self._strip.picture(frame))
            image.part((0, layout.strip, *strip.size)).put(strip)
        return image

    def _tiles(self, view: Planes, frame: int) -> None:
        """Pictures beside each other."""
        for number, screen in enumerate(self._screens):
            part = view.part((*self._corner(number), *screen.size))
            part.put(screen.picture(frame))
            if self._skeleton:
                screen.draw_skeleton(part)

    def _strobe(self, view: Planes, frame: int) -> None:
        """Pictures beside each other, with people frozen at key moments."""
        for number, screen in enumerate(self._screens):
            part = view.part((*self._corner(number), *screen.size))
            part.put(screen.picture(frame))
            if (joints := screen.joints()) is not None:
                self._frozen[number].show(part, silhouette(part, joints[0]), frame)
            if self._skeleton:
                screen.draw_skeleton(part)

    def _overlay(self, view: Planes, frame: int) -> None:
        """The picture of the reference, with the other people in it, tinted."""
        order = [self._reel.reference, *self._others()]
        for count, number in enumerate(order, start=1):
            part, picture = self._overlap(number, frame, view)
            joints = self._screens[number].joints()
            if count == 1 or joints is None:  # of whom nothing is known the whole picture
                part.blend(picture, 1 / count)
                continue
            xy = joints[0] + np.minimum(self._corner(number), 0)  # the part is inside the canvas
            mask = silhouette(picture, xy)
            lay_tinted(part, picture, mask, BADGES[number], self._layout.font / 8)
        for number in order if self._skeleton else ():
            self._screens[number].draw_skeleton(view, self._corner(number), BADGES[number])

    def _wipe(self, view: Planes, frame: int) -> None:
        """The first clip left of an edge, the second right of it."""
        width, height = view.size
        phase = np.sin(2 * np.pi * frame / self._reel.fps / _WIPE_S)
        edge = 2 * round(width * (0.5 + _WIPE_REACH * phase) / 2)
        for number, (left, right) in enumerate(((0, edge), (edge, width))):
            side = view.part((left, 0, right - left, height))
            side.fill(BACKGROUND)
            part, picture = self._overlap(number, frame, side, -left)
            part.put(picture)
            if self._skeleton:
                x, y = self._corner(number)
                self._screens[number].draw_skeleton(side, (x - left, y))
        line = max(2, round(self._layout.font / 6))
        with view.drawn((edge - line // 2, 0, line, height)) as (image, (x, _)):
            draw_box(image, (edge - line // 2 - x, 0, line, height), BRIGHT)

    def _others(self) -> list[int]:
        return [i for i in range(len(self._screens)) if i != self._reel.reference]

    def _corner(self, number: int) -> tuple[int, int]:
        """Corner (x, y) of a picture in the canvas."""
        (x, y, *_), (left, top, *_) = self._layout.pictures[number], self._layout.canvas
        return x - left, y - top

    def _overlap(
        self, number: int, frame: int, view: Planes, shift: int = 0
    ) -> tuple[Planes, Planes]:
        """The part of a view that a picture covers, and the part of the picture that does so."""
        picture = self._screens[number].picture(frame)
        x, y = self._corner(number)
        x += shift
        left, top = max(0, x), max(0, y)
        width = max(0, min(view.size[0], x + picture.size[0]) - left)
        height = max(0, min(view.size[1], y + picture.size[1]) - top)
        part = view.part((left, top, width, height))
        return part, picture.part((left - x, top - y, width, height))


class _Caption:
    """Caption of a clip: letter, name, speed and time, and a line for the match."""

    def __init__(
        self,
        take: Take,
        number: int,
        size: tuple[int, int],
        font: float,
        speeds: np.ndarray,
        *,
        with_match: bool,
    ) -> None:
        self._take, self._font = take, font
        self._speeds = None if (np.abs(speeds - 1) < _STEADY).all() else speeds
        self._with_match = with_match and take.match is not None
        self._bare = np.full((size[1], size[0], 3), BACKGROUND, np.uint8)
        self._draw_title(number)

    def _draw_title(self, number: int) -> None:
        """Draw the constant part: letter and name."""
        image, font = self._bare, self._font
        height, width = image.shape[:2]
        side, middle = round(1.45 * font), height / 2
        left = round(0.6 * font)
        box = (left, round(middle - side / 2), side, side)
        draw_box(image, box, BADGES[number % len(BADGES)], radius=round(0.3 * font))
        letter = chr(ord("A") + number)
        draw_text(image, letter, (left + side / 2, middle), font, BRIGHT, anchor="middle")
        space = width - side - 2.2 * font - text_width(self._clock(0), 0.9 * font, tabular=True)
        label = _named(self._take, font, space)
        draw_text(image, label, (left + side + 0.5 * font, middle), font, BRIGHT)

    def picture(self, frame: int) -> np.ndarray:
        """Caption at a frame, BGR: with speed, time, and a line whose length is the match."""
        image = self._bare.copy()
        height, width = image.shape[:2]
        at = (width - 0.6 * self._font, height / 2)
        text = self._clock(frame)
        draw_text(image, text, at, 0.9 * self._font, DIM, anchor="right", tabular=True)
        if self._with_match:
            line = max(2, round(self._font / 6))
            value = float(self._take.match[frame])
            colour = tuple(match_colour(np.float32(value)).tolist())
            draw_box(image, (0, height - line, width, line), GRAPH)
            draw_box(image, (0, height - line, max(1, round(value * width)), line), colour)
        return image

    def _clock(self, frame: int) -> str:
        text = clock(float(self._take.times[frame]))
        if self._speeds is None:
            return text
        return f"{times_as_fast(float(self._speeds[frame]))} | {text}"


def _named(take: Take, font: float, space: float) -> str:
    """Name of a take in a width in pixels; a long one loses its middle, not that it is mirrored."""
    tail = " (mirrored)" if take.mirrored else ""
    left = space - text_width(tail, font)
    if left < 3 * font:
        return elide(take.title + tail, font, space)
    return elide(take.title, font, left) + tail


def _relative(speed: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How fast a take does the movement relative to the reference (F,), as in `Segment.ratio`.

    The faster it moves, the slower it is played to stay in step.
    """
    return np.clip(reference / np.maximum(speed, 1e-9), SLOWEST, FASTEST)
