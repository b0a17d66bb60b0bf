"""Summaries of the people in a clip, and a contact sheet with a picture of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vipecli.files import replacing
from vipecli.outputs.draw import draw_box, draw_skeleton, draw_text
from vipecli.outputs.strip import BACKGROUND, BRIGHT, DIM, GRAPH, clock
from vipecli.poses.poses import Poses, Scene
from vipecli.poses.tracking import choose, present
from vipecli.video.read import read_frames
from vipecli.video.source import AnyClip

_TILE, _CAPTION, _GAP = (240, 300), 58, 12  # pixels: picture (width, height), text below, between
_MOST_COLUMNS = 5
_MARGIN = 0.18  # around a person, of the longer side of the box
_SURE = 0.5  # score from which a joint counts for the box, if there are enough of them


@dataclass(frozen=True)
class PersonSummary:
    """One person of a clip.

    Attributes
    ----------
    number
        from the left, as `--person` takes it.
    start_s, end_s
        first and last moment in view, seconds.
    frames, share
        number of frames in view, and their share of the clip.
    centre, size
        median middle (x, y) and median width and height of the box around the joints, pixels.
    score
        mean of the joints' scores.
    choices
        those of ``largest``, ``center`` and ``longest`` that mean this person.
    best_frame
        index of a frame in which the person can be seen well.
    """

    number: int
    start_s: float
    end_s: float
    frames: int
    share: float
    centre: tuple[float, float]
    size: tuple[float, float]
    score: float
    choices: tuple[str, ...]
    best_frame: int


def person_summaries(scene: Scene) -> list[PersonSummary]:
    """Return a summary of each person, from left to right; empty without people."""
    tracks = present(scene.tracks.tracks)
    found = []
    for number, (track, poses) in enumerate(zip(tracks, scene.everyone(), strict=True), start=1):
        seen = np.flatnonzero(poses.found)
        boxes = np.array([_box(poses, frame) for frame in seen])
        middle, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
        names = ("largest", "center", "longest")
        choices = [name for name in names if choose(tracks, name, scene.size) is track]
        score = np.array([poses.score[frame].mean() for frame in seen])
        found.append(
            PersonSummary(
                number=number,
                start_s=float(poses.times[seen[0]]),
                end_s=float(poses.times[seen[-1]]),
                frames=len(seen),
                share=len(seen) / len(poses),
                centre=_pair(np.median(middle, axis=0)),
                size=_pair(np.median(extent, axis=0)),
                score=float(score.mean()),
                choices=tuple(choices),
                best_frame=int(seen[np.argmax(score * np.sqrt(extent.prod(axis=1)))]),
            )
        )
    return found


def _pair(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def _box(poses: Poses, frame: int) -> np.ndarray:
    """Left, top, right, bottom of a person's joints inside the picture (4,), pixels."""
    sure = poses.score[frame] >= _SURE
    known = sure if sure.sum() >= 4 else poses.score[frame] > 0
    xy = np.clip(poses.xy[frame][known], 0, poses.size)
    return np.concatenate([xy.min(axis=0), xy.max(axis=0)])


def write_contact_sheet(
    clip: AnyClip,
    scene: Scene,
    people: list[PersonSummary],
    out: Path,
    *,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a picture with a tile for each person: cut out, with skeleton, number and times.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file.
    scene, people
        people in it, from `person_summaries`.
    out
        a picture, as a rule ``.png``.
    progress
        called with the number of people drawn.

    Raises
    ------
    VideoError
        if the clip cannot be read.
    OSError
        if the picture cannot be written.
    """
    tiles: dict[int, np.ndarray] = {}
    everyone = scene.everyone()
    wanted = sorted(people, key=lambda one: one.best_frame)
    last_s = float(scene.times[wanted[-1].best_frame])
    for time_s, image in read_frames(clip, start_s=float(scene.times[wanted[0].best_frame]) - 1e-3):
        while wanted and time_s >= scene.times[wanted[0].best_frame] - 1e-3:
            one = wanted.pop(0)
            tiles[one.number] = _tile(image, everyone[one.number - 1], one)
            if progress:
                progress(len(tiles))
        if time_s > last_s or not wanted:
            break
    sheet = _sheet([tiles[one.number] for one in people if one.number in tiles])
    with replacing(out) as part:
        done, data = cv2.imencode(out.suffix, sheet)
        if not done:
            raise OSError(f"{out}: the picture cannot be written")
        part.write_bytes(data.tobytes())


def _tile(image: np.ndarray, poses: Poses, one: PersonSummary) -> np.ndarray:
    """One person in a picture of the size of a tile, with the caption below."""
    scale = np.divide(image.shape[1::-1], poses.size)
    frame = one.best_frame
    low, high = np.split(_box(poses, frame) * np.tile(scale, 2), 2)
    side = max(float((high - low).max()), 2.0) * (1 + 2 * _MARGIN)
    width, height = _TILE
    ratio = min(width, height) / side
    shift = np.array([width, height]) / 2 - (low + high) / 2 * ratio
    matrix = np.array([[ratio, 0, shift[0]], [0, ratio, shift[1]]])
    flags = cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC
    view = cv2.warpAffine(image, matrix, (width, height), flags=flags, borderValue=GRAPH)
    draw_skeleton(view, poses.xy[frame] * scale * ratio + shift, poses.score[frame])
    tile = np.full((height + _CAPTION, width, 3), BACKGROUND, np.uint8)
    tile[:height] = view
    draw_box(tile, (0, 0, 34, 34), (60, 40, 20))
    draw_text(tile, str(one.number), (17, 17), 20, BRIGHT, anchor="middle")
    words = ", ".join((f"person {one.number}", *one.choices))
    draw_text(tile, words, (4, height + 18), 16, BRIGHT)
    times = f"{clock(one.start_s)} - {clock(one.end_s)}   {one.share:.0%} of the frames"
    draw_text(tile, times, (4, height + 42), 13, DIM)
    return tile


def _sheet(tiles: list[np.ndarray]) -> np.ndarray:
    """Tiles in rows."""
    height, width = tiles[0].shape[:2]
    columns = min(len(tiles), _MOST_COLUMNS)
    rows = -(-len(tiles) // columns)
    size = (rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3)
    sheet = np.full(size, BACKGROUND, np.uint8)
    for i, tile in enumerate(tiles):
        top = _GAP + i // columns * (height + _GAP)
        left = _GAP + i % columns * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet
