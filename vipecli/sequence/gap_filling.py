"""Joints hidden for up to two seconds, predicted from what is before and after."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.model import default_weights
from vipecli.poses.gaps import MAX_GAP_S, fill_gaps
from vipecli.poses.poses import Poses
from vipecli.sequence.posebert import PoseBert

WEIGHTS = "posebert.onnx"
LONGEST_S = 2.0
"""Longest gap that is filled, seconds between the known frames on both sides."""

SHORTEST_S = MAX_GAP_S
"""Gaps up to this length are filled by straight lines."""

_AROUND = 0.5  # share of a window that is known on both sides of a gap together, at least
_FILLED_SCORE = 0.5  # share of the lower score at the ends of a gap that a filled joint gets
_SETTLE_S = 0.05  # in which a path that does not meet the known ends is led there


@functools.cache
def default_posebert(path: Path | None = None) -> PoseBert:
    """The network of a file, read once per process; None = the one that comes with vipe.

    Raises
    ------
    WeightsError
        if it cannot be read.
    """
    return PoseBert.load(path or default_weights().with_name(WEIGHTS))


@dataclass(frozen=True)
class Filled:
    """Poses with gaps filled, and what was filled.

    Attributes
    ----------
    poses
        filled joints have half the lower score of the two ends of their gap.
    filled
        shape (T, 13) bool.
    error_px
        shape (T, 13), how far off joints filled by the network are expected to be, pixels; 0
        elsewhere.
    """

    poses: Poses
    filled: NDArray[np.bool_]
    error_px: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class _Gap:
    """A hidden joint, and the known frames on both sides."""

    joint: int
    left: int
    right: int


def fill_in_context(
    poses: Poses, model: PoseBert, *, max_gap_s: float = LONGEST_S, min_gap_s: float = SHORTEST_S
) -> Filled:
    """Hidden joints predicted from what is before and after them.

    Parameters
    ----------
    poses
        poses with missing joints (NaN, score 0).
    model
        the network.
    max_gap_s
        longest gap to fill; the time before the first and after the last known frame of a joint is
        never filled.
    min_gap_s
        shorter gaps are filled by straight lines, landmarks of the detector too (see `fill_gaps`);
        those of longer gaps stay missing.

    Returns
    -------
    Paths begin and end at the known places.
    """
    lines = fill_gaps(poses, max_gap_s=min_gap_s)
    gaps = list(_gaps(lines, max_gap_s))
    xy, score = lines.xy.astype(np.float64), lines.score.copy()
    error = np.zeros(score.shape)
    for windows, group in _by_span(lines, gaps, model):
        _fill(lines, group, windows, xy, score, error)
    filled = (score > 0) & (poses.score == 0)
    if gaps:
        marked = filled if poses.filled is None else filled | poses.filled
        lines = replace(lines, xy=xy.astype(np.float32), score=score, filled=marked)
    return Filled(lines, filled, error)


def fill(poses: Poses, *, max_gap_s: float = MAX_GAP_S) -> Poses:
    """Poses with gaps filled: short ones by straight lines, longer ones in context.

    Parameters
    ----------
    poses
        poses with missing joints (NaN, score 0).
    max_gap_s
        longest gap to fill, seconds; those up to `SHORTEST_S` are filled as by `gaps.fill_gaps`.
    """
    if max_gap_s <= SHORTEST_S or not (poses.score == 0).any():
        return fill_gaps(poses, max_gap_s=max_gap_s)
    return fill_in_context(poses, default_posebert(), max_gap_s=max_gap_s).poses


def _gaps(poses: Poses, max_gap_s: float) -> Iterator[_Gap]:
    """Every gap that is short enough."""
    for joint in range(poses.score.shape[1]):
        known = np.flatnonzero(poses.score[:, joint] > 0)
        for left, right in pairwise(known.tolist()):
            if right - left > 1 and poses.times[right] - poses.times[left] <= max_gap_s + 1e-9:
                yield _Gap(joint, left, right)


@dataclass(frozen=True)
class _Window:
    """Where the network sees joints at some times, and their expected error."""

    times: NDArray[np.floating[Any]]
    joints: NDArray[np.floating[Any]]
    error: NDArray[np.floating[Any]]


def _by_span(
    poses: Poses, gaps: list[_Gap], model: PoseBert
) -> Iterator[tuple[_Window, list[_Gap]]]:
    """Gaps between the same two frames, with what the network says of the frames around."""
    spans = sorted({(gap.left, gap.right) for gap in gaps})
    if not spans:
        return
    rows = np.stack([_frames(poses.times, span, model) for span in spans])
    inside = (rows >= 0) & (rows < len(poses))
    at = rows.clip(0, len(poses) - 1)
    times = _times(poses.times, rows)
    xy = np.nan_to_num(poses.xy[at])
    score = np.where(inside[..., None], poses.score[at], 0)
    joints, error = model.run(xy, score, times)[:2]
    for k, (left, right) in enumerate(spans):
        window = _Window(times[k], joints[k], error[k])
        yield window, [gap for gap in gaps if (gap.left, gap.right) == (left, right)]


def _frames(
    times: NDArray[np.float64], span: tuple[int, int], model: PoseBert
) -> NDArray[np.int64]:
    """Frames (model.frames,) about a gap, in which the gap takes half of the window at most.

    Numbers below 0 or beyond the last frame stand for times before and after the clip.
    """
    left, right = span
    step = float(np.median(np.diff(times)))
    seconds = (times[right] - times[left]) / (1 - _AROUND)
    stride = round(seconds / (model.frames - 1) / step)
    slowest = max(1, int(1 / model.fps[0] / step + 1e-6))
    stride = min(max(stride, int(np.ceil(1 / model.fps[1] / step - 0.1)), 1), slowest)
    first = (left + right - stride * (model.frames - 1)) // 2
    first += (left - first) % stride  # the last known frame is one of them
    return first + stride * np.arange(model.frames)


def _times(times: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Times of frames, those beyond the clip at the same pace."""
    step = float(np.median(np.diff(times)))
    at = rows.clip(0, len(times) - 1)
    return times[at] + (rows - at) * step


def _fill(
    poses: Poses,
    gaps: list[_Gap],
    window: _Window,
    xy: NDArray[np.float64],
    score: NDArray[np.floating[Any]],
    error: NDArray[np.float64],
) -> None:
    """Put the joints of gaps between two frames where the network sees them; in place."""
    for gap in gaps:
        inside, ends = slice(gap.left + 1, gap.right), [gap.left, gap.right]
        at, (start, end) = poses.times[inside], poses.times[ends]
        seen = window.joints[:, gap.joint]
        first, last = poses.xy[ends, gap.joint] - _interpolated(poses.times[ends], window, seen)
        share = ((at - start) / (end - start))[:, None]
        near_start = (1 - share) * np.exp(-(at - start) / _SETTLE_S)[:, None]
        near_end = share * np.exp(-(end - at) / _SETTLE_S)[:, None]
        xy[inside, gap.joint] = (
            _interpolated(at, window, seen) + near_start * first + near_end * last
        )
        score[inside, gap.joint] = _FILLED_SCORE * min(poses.score[ends, gap.joint])
        error[inside, gap.joint] = np.interp(at, window.times, window.error[:, gap.joint])


def _interpolated(
    at: NDArray[np.float64], window: _Window, values: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Values (T, 2) of a window at other times."""
    return np.stack([np.interp(at, window.times, column) for column in values.T], axis=1)
