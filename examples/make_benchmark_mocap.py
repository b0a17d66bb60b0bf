"""Write test clips of the motion-prediction benchmark as mocap of 13 joints, 30 frames per second.

    python -m examples.make_benchmark_mocap FOLDER OUT.npz
    python -m examples.make_detected film.npz OUT.npz --takes 48 --frames 60

The second line films them, for `vipe evaluate predict --film film.npz`.
"""

import argparse
from pathlib import Path

import numpy as np

from vipecli.evaluate.motion_windows import ACTIONS, load_recordings, thirteen

STEP = 4  # of 120 frames per second


def make(folder: Path, out: Path) -> int:
    """Write one array (T, 13, 3) per test clip, named ACTION/CLIP; returns how many clips."""
    clips = {
        r.name: thirteen(r.joints)[::STEP].astype(np.float32)
        for r in load_recordings(folder, "test")
        if r.action in ACTIONS
    }
    np.savez_compressed(out, **clips)
    return len(clips)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    print(make(arguments.folder, arguments.out), "clips")
