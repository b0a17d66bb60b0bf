"""What `vipe generate` draws: within the limits of joints at once, and even steps between poses.

python -m benchmarks.generation MOCAP... [--lift-model FILE]
"""

import argparse
from pathlib import Path

import numpy as np

from vipecli.evaluate.views import distinct, load_mocap
from vipecli.lifting.generate import between, vary
from vipecli.lifting.lifter import Lifter

SOURCES, DRAWS, STEPS = 100, 100, 20


def main() -> None:
    """Print the figures of the model card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--lift-model", type=Path)
    asked = parser.parse_args()
    lifter = Lifter.load(asked.lift_model)
    poses = distinct(load_mocap(asked.mocap), at_most=SOURCES)
    for spread in (0.5, 1.0):
        drawn = (vary(pose, DRAWS, lifter, spread=spread, seed=i) for i, pose in enumerate(poses))
        shares = [one.first_try for one in drawn]
        print(f"spread {spread:g}: {100 * np.mean(shares):.1f} % within limits at first")
    middle = vary(None, SOURCES * DRAWS, lifter, seed=0).first_try
    print(f"around the middle: {100 * middle:.1f} %")
    ratios = []
    for a, b in zip(poses[0::2], poses[1::2], strict=True):
        step = np.linalg.norm(np.diff(between(a, b, STEPS, lifter), axis=0), axis=-1).mean(axis=1)
        ratios.append(step.max() / step.mean())
    print(f"largest step between two: {np.median(ratios):.2f} of the mean one, {len(ratios)} pairs")


if __name__ == "__main__":
    main()
