"""Takes of a squat on one time base, step by step: run it, or paste its cells into a notebook.

python -m examples.takes [FOLDER]
"""

# %% two clips of one movement, another person, another pace, the other side
import sys
from pathlib import Path

import numpy as np

import vipecli

CLIPS = Path(__file__).parent / "clips"
OUT = Path(sys.argv[1] if len(sys.argv) > 1 else ".")

front = CLIPS / "squat/squat_000_ada.mp4"
behind = CLIPS / "squat/squat_120_ben.mp4"
both = vipecli.align(front, behind)

# %% what belongs together
print(f"{len(both.path)} steps, distance {both.alignment.cost:.2f}")
for a, b in both.times[:: len(both.path) // 5]:
    print(f"  {a:.2f} s in the first is {b:.2f} s in the second")

# %% any moment, and how fast the second one is
moments = np.arange(0, both.clips[0].poses.times[-1])
print("seconds 0, 1, 2, ... of the first:", both.warp(moments).round(2))
for part in vipecli.speed(both.alignment):
    print(f"  {part.start_s:.1f} to {part.end_s:.1f} s: {part.ratio:.2f}x")

# %% files: videos, a picture, tables, a timeline for an editing program
both.save(OUT / "overlay.mp4", style="overlay", labels=["Ada", "Ben"], height=360)
for name in ("path.png", "mapping.json", "mapping.csv", "timeline.otio"):
    both.save(OUT / name)

# %% more than two: all against the one that fits the others best
others = sorted(CLIPS.glob("*/*_120_*.mp4"))
wall = vipecli.align(front, behind, *others[:1], reference="best")
print("reference:", wall.clips[wall.session.reference].path.name)
for match in wall.session.others:
    print(f"  {match.clip.path.name}: same action {match.same_action:.0%}")
wall.save(OUT / "wall.mp4", height=240)
