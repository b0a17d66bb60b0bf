"""Data of a report: curves, matrix and states of two aligned clips, as plain lists."""

import base64
from typing import Any

import numpy as np

from vipecli.alignment.adaptation import Pair
from vipecli.alignment.align import Alignment
from vipecli.alignment.time_map import speed
from vipecli.alignment.warping_path import SHORT_S
from vipecli.embedding.distance import known_frames, matching_probability
from vipecli.embedding.embed import Embeddings
from vipecli.outputs.reel import around, stands_still
from vipecli.outputs.text import FASTEST, SLOWEST, speed_in_words
from vipecli.poses.gaps import missing_spans
from vipecli.poses.poses import Poses

CLEAR = 0.8
"""A pose is unclear if two draws from its Gaussian match with a smaller probability.

Unlike the variance it means the same for every model; chosen in `docs/detection.md`.
"""

MOST_CELLS = 480
"""Frames of a clip along one side of the matrix; of longer clips an even choice is shown."""

UNIT = 10_000
"""Steps of a joint's coordinates, of the width and of the height of the picture."""

_MISSING = -32768  # coordinate of a missing joint
_FARTHEST = 3 * UNIT  # a joint outside of the picture is moved no farther away
_SPEED_S = 0.2  # over which the speed is taken, seconds on both sides
_SLICE = 64  # frames whose probabilities are held at a time


def numbers(values: np.ndarray, digits: int) -> list[float | None]:
    """Plain rounded numbers; None for NaN."""
    return [None if np.isnan(v) else round(float(v), digits) for v in values]


def packed(values: np.ndarray) -> str:
    """Base64 of the values, little-endian."""
    little = values.astype(values.dtype.newbyteorder("<"))
    return base64.b64encode(little.tobytes()).decode()


def packed_poses(poses: Poses) -> dict[str, Any]:
    """Joints as parts of the picture, (T, 13, 2) 16-bit, and scores (T, 13) 8-bit."""
    known = np.isfinite(poses.xy).all(axis=-1)
    parts = np.nan_to_num(poses.xy) * np.divide(UNIT, poses.size)
    xy = np.where(known[..., None], parts.round().clip(-_FARTHEST, _FARTHEST), _MISSING)
    return {
        "times": numbers(poses.times, 4),
        "xy": packed(xy.astype(np.int16)),
        "score": packed((255 * poses.score).round().astype(np.uint8)),
    }


def clarity(clip: Embeddings) -> np.ndarray:
    """Probability that a pose drawn from a frame's Gaussian matches another draw of it.

    Returns
    -------
    shape (T,) float32 in [0.05, 0.95]; NaN where nobody is seen.
    """
    parts = []
    for start in range(0, len(clip), _SLICE):
        few = clip.part(slice(start, start + _SLICE))
        parts.append(np.diagonal(matching_probability(few, few)))
    return np.concatenate([np.zeros(0, np.float32), *parts])


def clip_states(
    poses: Poses, clip: Embeddings
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Stretches in which the pose is unclear, and in which nobody is seen, in seconds."""
    clear = clarity(clip)
    edges = np.append(poses.times, poses.times[-1] + 1e-3)
    unsure = _spans(clear < CLEAR, edges)
    missing = _spans(np.isnan(clear), edges)
    return unsure, missing


def _spans(marked: np.ndarray, edges: np.ndarray) -> list[tuple[float, float]]:
    """Start and end of every run of marked frames, by the times of the frames and of the end."""
    changes = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(int), [0]])))
    return [
        (round(float(edges[first]), 4), round(float(edges[behind]), 4))
        for first, behind in changes.reshape(-1, 2)
    ]


def speed_of_b(a: np.ndarray, b: np.ndarray, fps: float) -> np.ndarray:
    """Speed of b relative to a, as in `time_map.Segment`.

    Parameters
    ----------
    a, b
        shape (F,), corresponding moments, seconds, non-decreasing.
    fps
        how many of them there are per second.

    Returns
    -------
    shape (F,) within 1/16 to 16; NaN where one of the clips stands still.
    """
    waits = stands_still(a) | stands_still(b)
    low, high = around(waits, max(1, round(_SPEED_S * fps)))
    run_a, run_b = a[high] - a[low], b[high] - b[low]
    waits |= (run_a < 1e-6) | (run_b < 1e-6)
    ratio = run_a / np.where(waits, 1, run_b)
    return np.where(waits, np.nan, ratio.clip(SLOWEST, FASTEST))


def matrix(a: Embeddings, b: Embeddings) -> dict[str, Any]:
    """Smoothed frame distances before adaptation, all of a against all of b, in 256 steps.

    Returns
    -------
    `cells`, rows of a, near = 0, 255 where nobody is seen; `a`, `b`, the times of the edges in
    seconds. The frames are those of `evenly`, at most `MOST_CELLS`.
    """
    a, b = evenly(a, MOST_CELLS), evenly(b, MOST_CELLS)
    distance = Pair(a, b).smooth()
    low, high = (float(v) for v in np.percentile(distance, (0.5, 99.5)))
    high = max(high, low + 1e-3)
    distance[~known_frames(a)], distance[:, ~known_frames(b)] = high, high
    cells = (255 * (distance - low) / (high - low)).round().clip(0, 255).astype(np.uint8)
    return {
        "rows": len(a),
        "columns": len(b),
        "cells": packed(cells),
        "a": [float(a.times[0]), float(a.times[-1])],
        "b": [float(b.times[0]), float(b.times[-1])],
    }


def evenly(clip: Embeddings, most: int) -> Embeddings:
    """The frames next to evenly spaced times, at most `most`: a picture has cells of one size.

    All frames of a short clip of a constant rate.
    """
    times = clip.times
    wanted = np.linspace(times[0], times[-1], min(len(clip), most))
    after = np.searchsorted(times, wanted).clip(1, max(1, len(clip) - 1)).clip(max=len(clip) - 1)
    before = (after - 1).clip(0)
    return clip.part(np.where(wanted - times[before] <= times[after] - wanted, before, after))


def events(alignment: Alignment) -> list[tuple[str, float, str]]:
    """Return clip, time and text of events: changes of speed, unmatched parts."""
    found = [("a", part.start_s, _says(part.ratio)) for part in speed(alignment)]
    for span in alignment.unmatched:
        if span.end_s - span.start_s >= SHORT_S:
            here, other = span.clip.upper(), "BA"[span.clip == "b"]
            length = span.end_s - span.start_s
            found.append((span.clip, span.start_s, f"{here} shows {length:.1f} s not in {other}"))
    return found


def _says(ratio: float) -> str:
    text = speed_in_words(ratio, "A")
    return f"B {text}" if text.startswith("stays") else f"B is {text}"


def facts(alignment: Alignment, a: Poses, b: Poses) -> list[tuple[str, str]]:
    """Name and value of figures of the two clips and their match."""
    rows = [
        ("match, mean", f"{alignment.match.mean():.0%}"),
        ("probability of the same pose, mean", f"{alignment.match_probability.mean():.0%}"),
        ("distance", f"{alignment.cost:.3f}"),
    ]
    for letter, poses in (("A", a), ("B", b)):
        seconds = float(poses.times[-1] - poses.times[0])
        rate = (len(poses) - 1) / max(seconds, 1e-9)
        width, height = poses.size
        rows.append((letter, f"{seconds:.1f} s, {rate:.3g} frames/s, {width} x {height}"))
        hidden = sum(end - start for start, end in missing_spans(poses))
        if hidden:
            rows.append((f"nobody seen in {letter}", f"{hidden:.1f} s"))
    return rows
