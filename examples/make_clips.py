"""Film the clips of this folder again: ``python -m examples.make_clips --mocap FOLDER``.

With ``--other --out FOLDER`` twelve other clips, to measure what was chosen on these: other
motions, performers and cameras, three of each motion.

Every clip shows another performer: own bone lengths, clothes, camera and a clock of its own, that
runs slower and faster than the label's source motion. `clips/truth.json` says what time of the
source each frame shows (`source_s`), so that the error of an alignment can be computed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.film import Camera, Scene, Shot, film, proportions, uneven_times, warp
from examples.motions import Body, Style, perform
from examples.person import Look

HERE = Path(__file__).parent
SIZE = (480, 480)
FPS = 30.0
_MOCAP = "cmu_joints13_30fps.npz"


@dataclass(frozen=True)
class Source:
    """A motion to film: a piece of mocap, or an action of `examples.motions`."""

    label: str
    action: str
    clip: str = ""
    start: int = 0
    stop: int = 0
    seconds: float = 0.0
    reps: float = 0.0
    facing_deg: float | None = None


SOURCES = (
    Source("squat", "squat", "amc/13_29", 955, 1112),
    Source("toe_touch", "toetouch", "amc/13_29", 484, 590),
    Source("jumping_jack", "jumpingjack", seconds=3.6, reps=3),
    Source("golf_swing", "golfswing", seconds=3.4, reps=1),
)
VIEWS = {
    "squat": (0, 120),
    "toe_touch": (0, 120),
    "jumping_jack": (0, 120),
    "golf_swing": (60, 300),
}
OTHER_SOURCES = (
    Source("lunge", "lunge", seconds=3.2, reps=1),
    Source("overhead_press", "press", seconds=3.2, reps=1),
    Source("bat_swing", "batswing", seconds=3.0, reps=1),
    Source("sit_up", "situp", seconds=3.2, reps=1),
)
OTHER_VIEWS = {"lunge": (20, 110, 200), "overhead_press": (330, 80, 170)}
OTHER_VIEWS |= {"bat_swing": (40, 150, 280), "sit_up": (70, 125, 290)}
OTHER_SIZE = (320, 320)
NAMES = ("ada", "ben", "cleo", "dan", "eva", "finn", "gina", "hugo")
LOOKS = (
    Look(),
    Look((198, 140, 104), (30, 24, 22), (204, 84, 60), (58, 66, 92), (228, 228, 228), 0.92,
         shorts=1.0, sleeves=1.0, hairstyle="long"),
    Look((141, 92, 62), (24, 20, 18), (222, 190, 70), (40, 44, 50), (60, 120, 190), 1.10,
         shorts=0.42, sleeves=0.12),
    Look((241, 200, 172), (168, 128, 72), (70, 140, 96), (104, 88, 72), (40, 40, 44), 0.96,
         stripes=10.0),
    Look((92, 60, 44), (22, 18, 18), (150, 60, 120), (52, 56, 66), (226, 120, 40), 0.88,
         shorts=0.38, hairstyle="long"),
    Look((224, 172, 140), (120, 116, 112), (62, 66, 74), (150, 140, 118), (90, 60, 44), 1.18,
         hairstyle="none"),
    Look((198, 140, 104), (62, 42, 30), (226, 226, 222), (150, 40, 50), (240, 240, 240), 0.95,
         shorts=0.36, stripes=14.0),
    Look((241, 200, 172), (110, 74, 40), (34, 62, 80), (196, 184, 160), (120, 80, 50), 1.04,
         sleeves=1.0),
)  # fmt: skip


def make_other(out: Path) -> dict:
    """Film the twelve other clips, and return the truth about them."""
    truth, number = {}, 0
    for source in OTHER_SOURCES:
        for azimuth in OTHER_VIEWS[source.label]:
            file = f"{source.label}/{source.action}_{azimuth:03d}.mp4"
            rng = np.random.default_rng(900 + number)
            look = Look().random(rng)
            truth[file] = _shoot(source, azimuth, look, rng, {}, out / file, size=OTHER_SIZE)
            number += 1
    return truth


def make(out: Path, mocap: Path) -> dict:
    """Film every clip into `out`/<label>/ and return the truth about all of them."""
    recordings = np.load(mocap / _MOCAP)
    truth, number = {}, 0
    for source in SOURCES:
        for azimuth in VIEWS[source.label]:
            name = NAMES[number]
            file = f"{source.label}/{source.action}_{azimuth:03d}_{name}.mp4"
            rng = np.random.default_rng(100 + number)
            truth[file] = _shoot(source, azimuth, LOOKS[number], rng, recordings, out / file)
            number += 1
    return truth


def _shoot(
    source: Source, azimuth: int, look: Look, rng, recordings, path: Path, size=SIZE
) -> dict:
    """Film one clip; return the truth about it."""
    camera = Camera(azimuth_deg=azimuth, elevation_deg=float(np.round(rng.uniform(2, 12), 1)))
    if source.clip:
        raw = recordings[source.clip][source.start : source.stop]
        duration = (len(raw) - 1) / FPS
        at = uneven_times(duration, rng, slowest=0.65, fastest=1.6)
        factors = dict(zip(
            ("size", "legs", "arms", "torso", "shoulders", "hips"),
            np.round(rng.uniform([0.9] + [0.93] * 5, [1.1] + [1.07] * 5), 3).tolist(),
            strict=True,
        ))  # fmt: skip
        joints, props = proportions(warp(raw, at, fps=FPS), **factors), ()
        scene = Scene()
        origin = f"CMU {source.clip}, frames {source.start} to {source.stop} at 30 fps"
    else:
        duration = source.seconds
        at = uneven_times(duration, rng, slowest=0.65, fastest=1.6)
        body, style = Body.random(rng), Style.random(rng)
        motion = perform(
            source.label, phase=at / duration * source.reps * (1 - 1e-9), body=body, style=style
        )
        joints, props, factors = motion.joints, motion.props, vars(body)
        scene = Scene(floor_m=0.0)
        origin = f"examples.motions {source.label}, {source.reps:g} repetitions"
    shot = film(
        joints, path, fps=FPS, camera=camera, look=look, size=size, props=props, scene=scene
    )
    return _truth(source, camera, origin, factors, at, shot) | {"size": list(size)}


def _truth(source: Source, camera: Camera, origin: str, factors: dict, at, shot: Shot) -> dict:
    """Return what is true of one clip, as plain numbers."""
    return {
        "label": source.label,
        "source": origin,
        "azimuth_deg": camera.azimuth_deg,
        "elevation_deg": camera.elevation_deg,
        "performer": {k: round(float(v), 3) for k, v in factors.items()},
        "fps": FPS,
        "size": list(SIZE),
        "source_s": np.round(at, 4).tolist(),
        "xy_px": np.round(shot.xy.astype(float), 1).tolist(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Film all example clips."""
    shared = Path(os.environ.get("VIPE_SHARED", HERE.parent.parent / "shared"))
    parser = argparse.ArgumentParser(prog="python -m examples.make_clips", description=__doc__)
    parser.add_argument("--mocap", type=Path, default=shared / "data" / "mocap")
    parser.add_argument("--out", type=Path, default=HERE / "clips")
    parser.add_argument("--other", action="store_true", help="the twelve other clips, into --out")
    a = parser.parse_args(arguments)
    if a.other and a.out == HERE / "clips":
        parser.error("--other takes an --out of its own")
    truth = make_other(a.out) if a.other else make(a.out, a.mocap)
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in truth.items()]
    (a.out / "truth.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    for name in truth:
        print(f"{name}: {(a.out / name).stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
