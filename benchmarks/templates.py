"""Every repetition of a template (`vipe align --all`), in movements made by rule.

    python -m benchmarks.templates [--clips 48] [--seed 5000]

One repetition is cut out of a clip of `benchmarks.repetitions` and searched for in that clip, in
another person's clip of the same movement from another side, and in a clip of another movement.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.repetitions import MOVEMENTS, Clip, make_clip
from vipecli.alignment.repetitions import find_all
from vipecli.alignment.warping_path import Alignment
from vipecli.embedding.embed import Embeddings, Model, embed

KINDS = "same clip", "another person", "another movement"
_OVERLAP = 0.5  # of found and true span, over their union, that counts as found


@dataclass
class Tally:
    """Repetitions there, found and found rightly; clips, and those in which something is found."""

    there: int = 0
    found: int = 0
    right: int = 0
    clips: int = 0
    answered: int = 0
    complete: int = 0

    def add(self, got: Sequence[Alignment], spans: Sequence[tuple[float, float]]) -> None:
        """Count one clip."""
        right = sum(any(_same(one, span) for one in got) for span in spans)
        self.there, self.found, self.right = (
            self.there + len(spans), self.found + len(got), self.right + right,
        )  # fmt: skip
        self.clips, self.answered = self.clips + 1, self.answered + bool(got)
        self.complete += right == len(spans) == len(got)

    def line(self, kind: str) -> str:
        """Counts in words."""
        return (
            f"{kind:17s} {self.right} of {self.there} repetitions found, {self.found - self.right} "
            f"wrong; {self.complete} of {self.clips} clips complete, {self.answered} answered"
        )


def _same(found: Alignment, span: tuple[float, float]) -> bool:
    start, end = found.times_b[[0, -1]]
    both = min(end, span[1]) - max(start, span[0])
    return both >= _OVERLAP * (max(end, span[1]) - min(start, span[0]))


def cut(clip: Clip, embedded: Embeddings, number: int) -> Embeddings:
    """One repetition of a clip."""
    start, end = clip.spans[number]
    kept = np.flatnonzero((embedded.times >= start) & (embedded.times <= end))
    return embedded.part(slice(kept[0], kept[-1] + 1))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--seed", type=int, default=5000)
    args = parser.parse_args()
    model, tallies = Model.load(), {kind: Tally() for kind in KINDS}
    for seed in range(args.seed, args.seed + args.clips):
        shifts = 0, 1000 * len(MOVEMENTS), 1000 * len(MOVEMENTS) + 3
        clips = [make_clip(seed + shift) for shift in shifts]
        seen = [embed(clip.poses, model) for clip in clips]
        number = int(np.random.default_rng(seed).integers(len(clips[0].spans)))
        template = cut(clips[0], seen[0], number)
        for kind, clip, embedded in zip(KINDS, clips, seen, strict=True):
            spans = clip.spans if clip.movement == clips[0].movement else []
            tallies[kind].add(find_all(template, embedded), spans)
    for kind, tally in tallies.items():
        print(tally.line(kind))


if __name__ == "__main__":
    main()
