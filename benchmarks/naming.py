"""How soon `vipe live --classify` names the right action: Penn Action, streamed in order.

    python -m benchmarks.naming PENN INDEX [--every 1]

The index is that of the training split (`vipe index build PENN --split train --out INDEX`); the
clips of the test split come frame by frame, from their labelled joints, at 30 frames/s. As in a
session the last seconds are labelled, as many as the clips of the index last in the median. Told
is the share of the clips that last so long whose shown name is right, wrong or none after 1, 2 and
3 seconds, and at their end.
"""

import argparse
import math
from pathlib import Path
from statistics import median

import numpy as np

from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.index import penn_action
from vipecli.index.classify import classify
from vipecli.index.naming import label_of
from vipecli.index.opened import OpenedIndex, open_for_search
from vipecli.index.store import load

AFTER_S = 1.0, 2.0, 3.0, math.inf
SHORTEST_WINDOW_S, LONGEST_WINDOW_S = 1.0, 10.0  # as `vipe live` has them


def shown_after(clip: Embeddings, after_s: float, library: OpenedIndex, window_s: float) -> str:
    """Name that is shown once a clip has run for so long."""
    now = min(after_s, float(clip.times[-1] - clip.times[0])) + float(clip.times[0])
    last = np.flatnonzero((clip.times <= now + 1e-6) & (clip.times >= now - window_s))
    frames = [clip.part(slice(i, i + 1)) for i in last]
    return label_of(
        frames,
        lambda part: classify(
            part, library.packed, hubs=library.hubs, calibration=library.calibration
        ),
    )


def interval(right: int, count: int) -> str:
    """Share with its 95 % interval (Wilson), per cent."""
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    half /= 1 + z * z / count
    return f"{share:.1%} ({middle - half:.1%} - {middle + half:.1%})"


def main() -> None:
    """Print one line per time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("penn", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every so many clips")
    args = parser.parse_args()
    library = open_for_search(load(args.index), hubs=0, k=5)
    window_s = min(max(median(library.durations_s()), SHORTEST_WINDOW_S), LONGEST_WINDOW_S)
    model = Model.load()
    clips = [clip for clip in penn_action.load(args.penn) if not clip.train][:: args.every]
    pairs = [(clip.action, embed(clip.poses, model)) for clip in clips]
    print(f"{len(pairs)} clips; window of {window_s:.1f} s")
    for after_s in AFTER_S:
        lasting = [
            (action, clip)
            for action, clip in pairs
            if after_s == math.inf or clip.times[-1] - clip.times[0] >= after_s
        ]
        shown = [(a, shown_after(clip, after_s, library, window_s)) for a, clip in lasting]
        right = sum(a == name for a, name in shown)
        wrong = sum(a != name and name != "" for a, name in shown)
        when = "at the end" if after_s == math.inf else f"after {after_s:g} s"
        print(
            f"{when}: {len(shown)} clips, right {interval(right, len(shown))}, wrong "
            f"{wrong / len(shown):.1%}, none {1 - (right + wrong) / len(shown):.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
