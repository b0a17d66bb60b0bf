"""Angles of the joints from 2D and from 3D poses: against the truth, and between two views.

    python -m benchmarks.angles [--seconds 2.5]

People are rendered while they squat, jump and press, each from four sides, and found by the real
detector. Angles that `compare` would show are set against those of the joints that were rendered,
and against those of the same movement seen from another side, which should be the same.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import numpy as np

from examples.film import Camera, Look, film
from examples.motions import perform
from vipecli.clip import Recipe, read_clip
from vipecli.compare import SOURCES, joint_angles, smoothed_angles

ACTIONS = "squat", "jumping_jack", "overhead_press"
AZIMUTHS_DEG = 0, 40, 120, 200
FPS = 20
SIZE = (320, 320)


def measure(seconds: float) -> dict[str, dict[str, np.ndarray]]:
    """Errors in degrees by source, against the truth and between views."""
    found = {name: {"truth": [], "views": []} for name in SOURCES}
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
