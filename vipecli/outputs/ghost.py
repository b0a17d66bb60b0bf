"""A film with the predicted skeleton drawn over the person, as a translucent ghost."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vipecli.outputs.draw import Colour, draw_box, draw_skeleton, draw_text
from vipecli.outputs.preview import even_frames, preview_format
from vipecli.poses.poses import Poses
from vipecli.video.source import AnyClip, ClipSource
from vipecli.video.write import VideoWriter

BEFORE_S = 1.0
"""Film shown before the prediction begins, seconds."""

_GHOST: Colour = (230, 110, 255)
_TEXT: Colour = (244, 240, 238)
_BOX: Colour = (24, 20, 18)
_GHOST_OPACITY, _SAMPLE_OPACITY, _SPREAD_OPACITY, _HELD = 0.85, 0.3, 0.18, 0.55


@dataclass(frozen=True)
class Ghost:
    """Predicted joints in the picture.

    Attributes
    ----------
    xy
        shape (F, 13, 2), pixels of the upright picture.
    spread
        shape (F, 13): expected error of each joint, pixels.
    samples
        shape (K, F, 13, 2): other futures.
    times
        shape (F,), seconds; the first is the moment from which on is predicted.
    error_m
        shape (F,): how far what came was off, metres; NaN = not known.
    """

    xy: np.ndarray
    spread: np.ndarray
    samples: np.ndarray
    times: np.ndarray
    error_m: np.ndarray

    def at(self, time_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """Joints, spread, samples and error at a moment within `times`, interpolated."""
        place = np.interp(time_s, self.times, np.arange(len(self.times)))
        low = int(place)
        high, share = min(low + 1, len(self.times) - 1), place - low

        def between(values: np.ndarray) -> np.ndarray:
            return (1 - share) * values[low] + share * values[high]

        samples = np.moveaxis(self.samples, 1, 0)
        return between(self.xy), between(self.spread), between(samples), float(self.error_m[high])


def write_ghost(
    ghost: Ghost,
    poses: Poses,
    clip: AnyClip,
    out: str | Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write the film around the moment of the prediction, with what was found and the ghost.

    Where the film ends before the prediction does, its last picture stays, darker.

    Parameters
    ----------
    ghost
        what was predicted.
    poses
        2D poses of the whole clip.
    clip
        video, or folder of frames.
    out
        an ``.mp4``, ``.mov`` or ``.mkv``.
    progress
        called with the number of frames written, after each.

    Raises
    ------
    VipeError
        if the clip cannot be read or the video cannot be written; nothing is left behind then.
    """
    times = poses.times
    fps, scale, size = preview_format(times, poses.size)
    start_s = times[np.searchsorted(times, ghost.times[0] - BEFORE_S - 1e-6)]
    frames = even_frames(clip, size=size, start_s=start_s, end_s=ghost.times[-1], fps=fps)
    with VideoWriter(out, size=size, fps=fps, inputs=(ClipSource.of(clip).path,)) as writer:
        for done, (time_s, picture, taken_s, over) in enumerate(frames, 1):
            nearest = int(np.abs(times - taken_s).argmin())
            if over:
                picture = np.round(_HELD * picture).astype(np.uint8)
            elif abs(times[nearest] - taken_s) < 1 / fps:
                filled = None if poses.filled is None else poses.filled[nearest]
                draw_skeleton(
                    picture, poses.xy[nearest] * scale, poses.score[nearest], filled=filled
                )
            _draw_ghost(picture, ghost, time_s, scale)
            writer.write(picture)
            if progress:
                progress(done)


def _draw_ghost(picture: np.ndarray, ghost: Ghost, time_s: float, scale: float) -> None:
    """Draw the ghost at a time, and how far ahead it is."""
    ahead = time_s - ghost.times[0]
    if ahead < 1e-6:
        return
    xy, spread, samples, error = ghost.at(time_s)
    _discs(picture, xy * scale, spread * scale)
    seen = np.ones(len(xy))
    for sample in samples:
        _blended(picture, sample * scale, 0 * seen, _SAMPLE_OPACITY)
    _blended(picture, xy * scale, seen, _GHOST_OPACITY)
    text = f"predicted {ahead:.2f} s ahead"
    if np.isfinite(error):
        text += f", {100 * error:.0f} cm off"
    height, width = picture.shape[:2]
    letters = max(11.0, min(height, width) / 26)
    draw_box(picture, (0, height - round(2 * letters), width, round(2 * letters)), _BOX,
             opacity=0.6)  # fmt: skip
    draw_text(picture, text, (letters, height - letters), letters, _TEXT, tabular=True)


def _blended(picture: np.ndarray, xy: np.ndarray, score: np.ndarray, opacity: float) -> None:
    layer = picture.copy()
    draw_skeleton(layer, xy, score, _GHOST)
    cv2.addWeighted(layer, opacity, picture, 1 - opacity, 0, dst=picture)


def _discs(picture: np.ndarray, centres: np.ndarray, radii: np.ndarray) -> None:
    """Return a mask of soft discs; overlapping ones are no darker."""
    layer = picture.copy()
    side = np.array([picture.shape[1], picture.shape[0]])
    for centre, radius in zip(centres, radii, strict=True):
        if not np.isfinite([*centre, radius]).all() or radius < 1:
            continue
        if (centre + radius <= 0).any() or (centre - radius >= side).any():
            continue
        at = np.round(centre * 16).astype(int)
        cv2.circle(layer, at.tolist(), round(radius * 16), _GHOST, -1, cv2.LINE_AA, 4)
    cv2.addWeighted(layer, _SPREAD_OPACITY, picture, 1 - _SPREAD_OPACITY, 0, dst=picture)
