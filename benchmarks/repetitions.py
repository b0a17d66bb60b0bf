"""Repetitions counted in movements made by rule, seen by a camera with detector noise.

    python -m benchmarks.repetitions [--clips 60] [--seed 1000]
    python -m benchmarks.repetitions --rendered build/repetitions [--clips 12] [--seed 1000]
    python -m benchmarks.repetitions --films build/pairs

Each clip holds 3 to 12 repetitions of one of eight movements with a varied tempo, a pause, and in
half of the clips an aborted attempt, from any side at chest height. ``--rendered`` films them and
lets the real detector find the poses, once: they are kept in the folder.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.differences import load_case
from examples.camera import Camera
from examples.film import Look, film
from examples.motions import perform
from vipecli.alignment.segmentation import find_repetitions
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.evaluate.views import CAMERAS, Noise, detected, project
from vipecli.poses.poses import Poses

MOVEMENTS = (
    "squat",
    "lunge",
    "overhead_press",
    "arm_raise",
    "jumping_jack",
    "push_up",
    "sit_up",
    "golf_swing",
)
FPS = 30
FILMED_FPS = 15
_SIZE = 320, 320
_TEMPO_S = {"jumping_jack": 1.2, "golf_swing": 2.6, "push_up": 2.0, "arm_raise": 2.6}
_MOVED = 0.04  # share of the way from the first pose at which a repetition has begun


@dataclass(frozen=True)
class Clip:
    """Poses, and the seconds at which each repetition leaves the first pose and is back."""

    movement: str
    poses: Poses
    spans: list[tuple[float, float]]


@dataclass(frozen=True)
class _Set:
    """A performance: joints (T, 13, 3), and the frames of each repetition."""

    movement: str
    joints: np.ndarray
    frames: list[tuple[int, int]]

    def clip(self, poses: Poses, fps: float) -> Clip:
        return Clip(self.movement, poses, [_moving(self.joints, *one, fps) for one in self.frames])


def make_clip(seed: int, *, count: int | None = None, noise: Noise | None = None) -> Clip:
    """A clip of its own for every seed; the movement follows from it, too."""
    rng = np.random.default_rng(seed)
    performed = _perform(seed, rng, count, FPS)
    angle = rng.uniform(-np.pi, np.pi)
    c, s = np.cos(angle), np.sin(angle)
    turned = performed.joints @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    xy = project(turned, CAMERAS["chest"][int(rng.integers(len(CAMERAS["chest"])))])
    xy = detected(xy, noise or Noise(), seed=seed)
    times, score = np.arange(len(xy)) / FPS, np.ones(xy.shape[:2], np.float32)
    poses = Poses(xy.astype(np.float32), score, times, (2000, 2000), source=performed.movement)
    return performed.clip(poses, FPS)


def film_clip(seed: int, folder: Path) -> Clip:
    """A clip of its own for every seed, filmed and put through the detector.

    The film stays in the folder, and is taken from there the next time.
    """
    rng = np.random.default_rng([seed, 1])
    performed = _perform(seed, rng, None, FILMED_FPS)
    camera = Camera(rng.uniform(0, 360), elevation_deg=rng.uniform(0, 10))
    path, look = folder / f"{seed}_{performed.movement}.mp4", Look().random(rng)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        film(performed.joints, path, fps=FILMED_FPS, camera=camera, look=look, size=_SIZE)
    return performed.clip(read_clip(path, Recipe())[0], FILMED_FPS)


def _perform(seed: int, rng: np.random.Generator, count: int | None, fps: float) -> _Set:
    movement = MOVEMENTS[seed % len(MOVEMENTS)]
    tempo_s = _TEMPO_S.get(movement, 3.0)
    phase, frames = _planted(rng, count or int(rng.integers(3, 13)), tempo_s, fps)
    return _Set(movement, perform(movement, phase=phase, rng=rng).joints, frames)


def _planted(
    rng: np.random.Generator, count: int, tempo_s: float, fps: float
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Phase of every frame, and the frames of each repetition."""
    tempo_s = tempo_s * rng.uniform(0.75, 1.35)
    pause, aborted = int(rng.integers(1, count)), int(rng.integers(0, 2 * count))
    parts, spans, at = [_rest(rng.uniform(0.3, 2), fps)], [], 0
    at = len(parts[0])
    for number in range(count):
        if number == aborted:
            bend = np.linspace(0, np.pi, int(tempo_s * 0.5 * fps))
            parts += [np.sin(bend) * rng.uniform(0.12, 0.2), _rest(0.3, fps)]
            at += len(parts[-1]) + len(parts[-2])
        steps = int(tempo_s * rng.uniform(0.75, 1.4) * fps)
        even = np.linspace(0, 1, steps, endpoint=False)
        spans.append((at, at + steps))
        rest = rng.uniform(0.8, 3) if number == pause else float(rng.choice([0, 0, 0.2]))
        parts += [even + rng.uniform(-0.08, 0.08) * np.sin(2 * np.pi * even), _rest(rest, fps)]
        at += steps + len(parts[-1])
    return np.concatenate([*parts, _rest(rng.uniform(0.3, 2), fps)]), spans


def _rest(seconds: float, fps: float) -> np.ndarray:
    return np.zeros(int(seconds * fps))


def _moving(joints: np.ndarray, first: int, last: int, fps: float) -> tuple[float, float]:
    """Seconds at which the movement begins and ends: at rest nobody can tell."""
    away = np.linalg.norm(joints[first:last] - joints[first], axis=2).mean(axis=1)
    moved = first + np.flatnonzero(away > _MOVED * away.max())
    return moved[0] / fps, moved[-1] / fps


def count_films(folder: Path) -> None:
    """Print how many sets of five are counted right, by whether furniture stands in the way.

    A set joins the two films of a pair of `benchmarks.differences`, as the detector saw them, in
    turn: two performers who repeat one movement at their own tempo.
    """
    model, right = Model.load(), {True: [], False: []}
    for path in sorted(folder.glob("*_[0-9][0-9].npz")):
        case = load_case(path)
        a, b = (embed(side.poses, model) for side in (case.a, case.b))
        mean, std = (
            np.concatenate([getattr(one, name) for one in (a, b, a, b, a)])
            for name in ("mean", "std")
        )
        times = np.arange(len(mean)) / FPS
        found = find_repetitions(Embeddings(mean, std, times, a.model, a.sigmoid))
        right[case.name.endswith("clear")].append(len(found) == 5)
    for clear, sets in right.items():
        where = "in the open" if clear else "behind a rack or a table"
        print(f"{where}: {sum(sets)} of {len(sets)} sets counted right")


def main() -> None:
    """Print how many clips are counted right, and the errors of start and end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--rendered", type=Path, help="folder for films of the clips")
    parser.add_argument("--films", type=Path, help="folder of benchmarks.differences, instead")
    args = parser.parse_args()
    if args.films:
        count_films(args.films)
        return
    model, right, errors = Model.load(), 0, []
    for seed in range(args.seed, args.seed + args.clips):
        clip = film_clip(seed, args.rendered) if args.rendered else make_clip(seed)
        found = find_repetitions(embed(clip.poses, model))
        if len(found) != len(clip.spans):
            print(f"{seed} {clip.movement}: {len(found)} found, {len(clip.spans)} there")
            continue
        right += 1
        errors += [
            (abs(one.start_s - start), abs(one.end_s - end))
            for one, (start, end) in zip(found, clip.spans, strict=True)
        ]
    print(f"{right} of {args.clips} counted right")
    for name, column in zip(("start", "end"), np.array(errors).T, strict=True):
        print(f"{name}: median {np.median(column):.2f} s, 90 % {np.percentile(column, 90):.2f} s")


if __name__ == "__main__":
    main()
