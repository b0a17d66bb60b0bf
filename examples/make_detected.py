"""Film mocap and find the joints: ``python -m examples.make_detected OUT.npz MOCAP...``.

What the detector says beside what is true: to train the lifting on the detector's own errors, and,
with ``--held-out``, to measure it (`vipe evaluate lift --detected`). Every take is another person,
motion and camera; pictures are never stored.
"""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from examples.camera import Camera
from examples.person import Look
from examples.retarget import proportions, warp
from examples.studio import Studio
from vipecli.evaluate.views import HELD_OUT
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.skeleton import from_mediapipe
from vipecli.poses.tracking import SEEN, WORLD, XY

FPS = 30.0
RATES = {"uiprmd": 20.0, "rule": 10.0}  # frames/s, by the first part of the clip names
USUAL_RATE = 30.0  # of all others
SHARES = {
    "uiprmd": 0.12, "amc": 0.18, "bvh": 0.08, "deepmimic": 0.1, "rule": 0.25,
    "cmu": 0.12, "g1moves": 0.06, "ballplay": 0.04, "cmupred_train": 0.02, "golf": 0.02,
    "opencap_subject4": 0.01,
}  # fmt: skip
OTHERS = 0.02  # share of any other source
SIZE = (320, 320)
_TAKEN_FOR_ANOTHER = 0.5  # of the person's height: a detection so far off is not of the person


def make(out: Path, mocap: list[Path], *, held_out: bool, takes: int, frames: int, seed: int):
    """Write the arrays that `vipecli.evaluate.detected.load` describes; returns the frames."""
    archives = [np.load(path) for path in mocap]
    clips = {n: a for a in archives for n in a.files if _is_held_out(n) == held_out}
    rows = [
        one
        for number in range(takes)
        for one in _take(clips, frames, np.random.default_rng([seed, held_out, number]), number)
    ]
    columns = zip(*rows, strict=True)
    names = "xy", "score", "world", "seen", "up", "times", "take", "source"
    np.savez_compressed(out, **dict(zip(names, map(np.array, columns), strict=True)))
    return len(rows)


def _is_held_out(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in HELD_OUT)


def _place(source: str) -> tuple[bool, int, str]:
    """Order in which sources are drawn: that of `SHARES`, then others by name."""
    known = list(SHARES)
    return source not in known, known.index(source) if source in known else 0, source


def _motion(clips: dict, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """A stretch (frames, 13, 3) of a random clip at `FPS`, by a person of other proportions."""
    sources = sorted({n.split("/")[0] for n in clips}, key=_place)
    share = np.array([SHARES.get(s, OTHERS) for s in sources])
    source = rng.choice(sources, p=share / share.sum())
    raw = np.empty((0, 13, 3))
    while len(raw) < 2:  # a clip of UI-PRMD has a single frame
        name = rng.choice([n for n in clips if n.startswith(source + "/")])
        raw = clips[name][name]
        raw = raw[np.isfinite(raw).all((1, 2))]
    rate = RATES.get(source, USUAL_RATE)
    last = (len(raw) - 1) / rate
    start = rng.uniform(0, max(0, last - frames / FPS))
    at = np.arange(start, min(last, start + frames / FPS), 1 / FPS)
    joints = warp(raw, at, fps=rate)
    names = "size", "legs", "arms", "torso", "shoulders", "hips"
    factors = rng.uniform([0.9] + [0.93] * 5, [1.1] + [1.07] * 5)
    return proportions(joints, **dict(zip(names, factors, strict=True))), name


def _take(clips: dict, frames: int, rng: np.random.Generator, number: int) -> Iterator[tuple]:
    """One row per frame in which the person was found."""
    joints, name = _motion(clips, frames, rng)
    camera = Camera(
        azimuth_deg=rng.uniform(0, 360),
        elevation_deg=rng.uniform(-8, 25),
        fov_deg=rng.uniform(28, 60),
        roll_deg=rng.normal(0, 3),
    )
    studio = Studio(joints, camera, Look().random(rng), SIZE, None, ())
    truth = studio.view.to_camera(joints)
    up = np.diff(studio.view.to_camera(np.array([[0.0, 0, 0], [0, 1, 0]])), axis=0)[0]
    pixels = studio.view.project(joints)
    with BlazePose(model_path(None)) as detector:
        for t in range(studio.length):
            time_s = t / FPS
            picture = np.ascontiguousarray(studio.picture(t)[0][..., ::-1])
            people = detector.people(picture, time_s, SIZE)
            if not people:
                continue
            found = people[0]
            xy = from_mediapipe(found[:, XY])
            gap = np.linalg.norm(np.nanmean(xy, 0) - np.nanmean(pixels[t], 0))
            if gap > _TAKEN_FOR_ANOTHER * np.ptp(pixels[t][:, 1]):
                continue
            score = from_mediapipe(np.clip(found[:, SEEN], 1e-4, 1)[:, None])[:, 0]
            seen = truth[t] - truth[t, 7:9].mean(0)
            yield (
                xy.astype(np.float32),
                score.astype(np.float32),
                from_mediapipe(found[:, WORLD]).astype(np.float32),
                seen.astype(np.float32),
                up.astype(np.float32),
                time_s,
                number,
                name,
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--held-out", action="store_true", help="subjects never trained on")
    parser.add_argument("--takes", type=int, default=400)
    parser.add_argument("--frames", type=int, default=30, help="of each take, at 30 frames/s")
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    count = make(a.out, a.mocap, held_out=a.held_out, takes=a.takes, frames=a.frames, seed=a.seed)
    print(count, "frames")
