"""Cuts of one of two synchronised cameras against the other: errors of the warp and of the shift.

    python -m benchmarks.cuts A B [--cuts 50] [--seed 0] [--frames 20 100]

Frame i of A matches frame i of B. Each cut holds 20 to 100 frames, from any place of B.
"""

import argparse
from pathlib import Path

import numpy as np

from vipecli.alignment.align import align
from vipecli.alignment.offset import find_offset
from vipecli.alignment.rises import rises
from vipecli.alignment.time_map import warp
from vipecli.embedding.clip import Recipe
from vipecli.embedding.clips import read_clips
from vipecli.errors import UnsureError

LONG_S = 1.0  # overlap from which a shift has to be right


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs=2)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, nargs=2, default=(20, 100))
    args = parser.parse_args()
    (poses_a, a), (poses_b, b) = read_clips(args.clips, Recipe(), lambda *_: None)
    rng, rate = np.random.default_rng(args.seed), (len(b) - 1) / float(np.ptp(b.times))
    warps, long, short, refused = [], [], [], 0
    for _ in range(args.cuts):
        count = int(rng.integers(args.frames[0], min(args.frames[1], len(b)) + 1))
        first = int(rng.integers(len(b) - count + 1))
        cut = b.part(slice(first, first + count))
        there = warp(align(cut, a), cut.times)
        warps += (rate * np.abs(there - cut.times)).tolist()
        is_long = np.ptp(cut.times) >= LONG_S - 1.5 / rate
        try:
            own = rises(poses_b.part(slice(first, first + count)))
            got = find_offset(cut, a, rises=(own, rises(poses_a)))
        except UnsureError:
            refused += 1
            if is_long:
                print(f"refused: frames {first} to {first + count}")
            continue
        (long if is_long else short).append((rate * got.shift_s, bool(got.warning)))
    print(f"warp: median {np.median(warps):.2f} frames, 90 % {np.percentile(warps, 90):.1f}")
    off = np.array([error for error, _ in long])
    print(
        f"shift, {len(off)} cuts of {LONG_S:g} s and more: largest {np.abs(off).max():.2f} frames, "
        f"median {np.median(np.abs(off)):.2f}; from their median {np.median(off):+.2f} they are "
        f"{np.median(np.abs(off - np.median(off))):.2f} apart in the median"
    )
    wrong = [error for error, warned in short if abs(error) > 3 and not warned]
    print(f"shorter cuts: {len(short)} answered, {refused} refused, {len(wrong)} wrong unwarned")


if __name__ == "__main__":
    main()
