"""Angles of the joints from 2D and from 3D poses: against the truth, and between two views.

    python -m benchmarks.angles [--seconds 2.5]

People are rendered while they squat, jump and press, each from four sides, and found by the real
detector. Angles that `compare` would show are set against those of the joints that were rendered,
and against those of the same movement seen from another side, which should be the same. So are
those of the two clips of each movement in `examples/clips`, whose timing is known.
"""

import argparse
import functools
import itertools
import json
import tempfile
from pathlib import Path

import numpy as np

from examples.film import Camera, Look, film
from examples.motions import perform
from vipecli.alignment.joint_angles import SOURCES, joint_angles, smoothed_angles
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.poses.poses import Poses

ACTIONS = "squat", "jumping_jack", "overhead_press"
AZIMUTHS_DEG = 0, 40, 120, 200
CLIPS = Path(__file__).parent.parent / "examples" / "clips"
FPS = 20
SIZE = (320, 320)


def measure(seconds: float) -> dict[str, dict[str, np.ndarray]]:
    """Errors in degrees by source, against the truth and between views."""
    found = {name: {"truth": [], "views": [], "clips": _clips(name)} for name in SOURCES}
    with tempfile.TemporaryDirectory() as folder:
        for action in ACTIONS:
            motion = perform(action, seconds=seconds, fps=FPS, rng=np.random.default_rng(3))
            clips = []
            for azimuth in AZIMUTHS_DEG:
                path = Path(folder) / f"{action}_{azimuth}.mp4"
                camera = Camera(azimuth_deg=azimuth)
                film(motion.joints, path, camera=camera, look=Look(), size=SIZE, fps=FPS)
                clips.append(read_clip(path, Recipe())[0])
            for name, source in SOURCES.items():
                views = [smoothed_angles(poses, source) for poses in clips]
                truth = joint_angles(motion.joints)
                found[name]["truth"] += [np.abs(view - truth) for view in views]
                pairs = itertools.combinations(views, 2)
                found[name]["views"] += [np.abs(one - other) for one, other in pairs]
    return {
        name: {kind: np.concatenate(parts).ravel() for kind, parts in errors.items()}
        for name, errors in found.items()
    }


@functools.cache
def _poses(name: str) -> Poses:
    return read_clip(CLIPS / name, Recipe())[0]


def _clips(source: str) -> list[np.ndarray]:
    """Differences between the two example clips of each movement, at their true timing."""
    truth = json.loads((CLIPS / "truth.json").read_text())
    errors = []
    for _, names in itertools.groupby(sorted(truth), lambda name: name.split("/")[0]):
        a, b = names
        at_a, at_b = (np.array(truth[name]["source_s"]) for name in (a, b))
        both = (at_a > at_b[0]) & (at_a < at_b[-1])
        in_b = np.interp(at_a[both], at_b, _poses(b).times)
        left, right = (smoothed_angles(_poses(name), SOURCES[source]) for name in (a, b))
        right = np.stack([np.interp(in_b, _poses(b).times, angle) for angle in right.T], axis=1)
        errors.append(np.abs(left[both] - right))
    return errors


def main() -> None:
    """Print median and 90th percentile."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.5)
    for name, errors in measure(parser.parse_args().seconds).items():
        for kind, values in errors.items():
            median, p90 = np.nanmedian(values), np.nanpercentile(values, 90)
            known = np.isfinite(values).mean()
            print(f"{name} {kind}: median {median:.1f}, p90 {p90:.1f} deg, known {known:.0%}")


if __name__ == "__main__":
    main()
