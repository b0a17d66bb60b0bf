"""Gaps in the poses of a person: short ones are filled, long ones reported."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from vipecli.poses.poses import Poses

MAX_GAP_S = 0.5
"""Default of the longest gap that is filled."""

_FILLED_SCORE = 0.5  # share of the lower score at the ends of a gap that a filled joint gets


def fill_gaps(poses: Poses, *, max_gap_s: float = MAX_GAP_S) -> Poses:
    """Return poses with short gaps interpolated linearly; long ones stay missing.

    Parameters
    ----------
    poses
        poses with missing joints (NaN, score 0).
    max_gap_s
        longest gap to fill, seconds between the known frames on both sides. The gap before the
        first and after the last known frame is never filled. At half a second a fast kick or
        jump can hide in a gap: use less where timing within it matters.

    Returns
    -------
    Filled joints have half the lower score of the two ends and are marked in `Poses.filled`.
    Landmarks and world landmarks are filled in the same way. The input itself is returned if
    nothing is missing.
    """
    if not (poses.score == 0).any():
        return poses
    changed = {}
    xy, score = _filled(poses.xy, poses.score, poses.times, max_gap_s)
    filled = (score > 0) & (poses.score == 0)
    if poses.filled is not None:
        filled |= poses.filled
    if poses.landmark_score is not None:
        before = poses.landmark_score
        for name in ("landmarks", "world"):
            if (points := getattr(poses, name)) is not None:
                changed[name], changed["landmark_score"] = _filled(
                    points, before, poses.times, max_gap_s
                )
    changed["filled"] = filled if filled.any() else None
    return replace(poses, xy=xy, score=score, **changed)


def _filled(
    points: np.ndarray, score: np.ndarray, times: np.ndarray, max_gap_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate points (T, K, C) and lower the score (T, K) inside short gaps."""
    points, score = points.copy(), score.copy()
    for k in range(score.shape[1]):
        known = np.flatnonzero(score[:, k] > 0)
        for left, right in pairwise(known):
            if right - left == 1 or times[right] - times[left] > max_gap_s + 1e-9:
                continue
            inside = slice(left + 1, right)
            share = (times[inside] - times[left]) / (times[right] - times[left])
            step = points[right, k] - points[left, k]
            points[inside, k] = points[left, k] + share[:, None] * step
            score[inside, k] = _FILLED_SCORE * min(score[left, k], score[right, k])
    return points, score


def missing_spans(poses: Poses, *, min_s: float = 0.0) -> list[tuple[float, float]]:
    """Return the stretches without a person.

    Parameters
    ----------
    poses
        poses, as a rule after `fill_gaps`.
    min_s
        shorter stretches are left out, seconds.

    Returns
    -------
    (start, end) in seconds: the times of the first frame without a person and of the next one
    with (at the end of the clip: of its last frame).
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[1], poses.found, [1]]).astype(int)))
    last = len(poses) - 1
    spans = [
        (float(poses.times[first]), float(poses.times[min(next_found, last)]))
        for first, next_found in edges.reshape(-1, 2)
    ]
    return [span for span in spans if span[1] - span[0] >= min_s]
