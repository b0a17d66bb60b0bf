"""Write the exercises made by rule as mocap to train on: ``python -m examples.make_mocap out.npz``.

Every performance has its own body, style and tempo, from seeds far from those of the clips in
this folder. The archive is read by `vipe train` like any other.
"""

import argparse
from pathlib import Path

import numpy as np

from examples.motions import ACTIONS, perform

FIRST_SEED = 1000
FPS = 10.0  # neighbouring frames at 30 add little to train on


def make(path: Path, performances: int) -> int:
    """Write `performances` of each action, one array (T, 13, 3) each; returns how many poses."""
    clips = {}
    for number, action in enumerate(ACTIONS):
        for seed in range(FIRST_SEED, FIRST_SEED + performances):
            rng = np.random.default_rng([seed, number])
            clips[f"rule/{action}_{seed}"] = perform(action, fps=FPS, rng=rng).joints
    np.savez_compressed(path, **clips)
    return sum(map(len, clips.values()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--performances", type=int, default=150, help="of each action")
    arguments = parser.parse_args()
    print(make(arguments.out, arguments.performances), "poses")
