"""Same action or not, mirrored or not: measured on people seen by any two cameras.

python -m benchmarks.same_action MOCAP [--seed 11] [--others N]

prints how well `matching.same_action` separates pairs of clips, the coefficients that fit best,
and what `matching.MIRROR_MARGIN` does. MOCAP is the folder of motion capture that
`benchmarks.planted` reads. Nothing is rendered; it takes ten minutes, with `--others 500`, an even
choice of pairs of two actions, two. Another seed measures on other people and cameras.
"""

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from benchmarks import planted
from examples.motions import perform
from vipecli.alignment.align import align
from vipecli.alignment.same_action import DIFFERENT, MIRROR_MARGIN, figures, same_action
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.evaluate.views import Noise
from vipecli.poses.mirror import mirrored

EXERCISES = (
    "squat", "jumping_jack", "arm_raise", "overhead_press", "lunge", "push_up", "sit_up", "pull_up",
    "bench_press", "golf_swing", "bat_swing",
)  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One take: where its motion comes from, what it shows, as it is and mirrored."""

    group: str
    label: str
    plain: Embeddings
    flipped: Embeddings


@dataclass(frozen=True)
class Pair:
    """Whether two clips show one action, and what there is to tell."""

    group: str
    same: bool
    figures: np.ndarray
    score: float
    mirror_gain: float


def clips(mocap: Path, model: Model, *, seed: int = 11) -> list[Clip]:
    """Eleven exercises by six people, ten movements of UI-PRMD, and planted warps of two kinds."""
    rng = np.random.default_rng(seed)
    out = []
    for action in EXERCISES:
        for _ in range(6):
            person = np.random.default_rng(int(rng.integers(1 << 31)))
            motion = perform(action, seconds=float(rng.uniform(2.5, 5)), rng=person).joints
            out.append(_clip("exercises", action, motion, None, model, rng))
    short = planted.read(mocap / "uiprmd_joints13_20hz.npz", 20)
    for movement in range(1, 11):
        names = [name for name in short if f"/ok/m{movement:02d}_" in name]
        for name in rng.choice(names, 4, replace=False):
            at = np.arange(0, len(short[name]) - 1, 20 / planted.RATE)
            out.append(_clip("rehabilitation", f"m{movement:02d}", short[name], at, model, rng))
    for name, motion in planted.motions(mocap, 60, seed=21)[::2]:
        for plan in (planted.Plan(speeds=(1, 1)), planted.Plan()):
            at = planted.moments(len(motion), plan, rng)
            out.append(_clip("everyday", name, motion, at, model, rng))
    return out


def _clip(
    group: str,
    label: str,
    motion: np.ndarray,
    at: np.ndarray | None,
    model: Model,
    rng: np.random.Generator,
) -> Clip:
    """Film the moments `at` of a motion, or all of its frames."""
    motion = planted.grounded(motion.astype(np.float64))
    at = np.arange(len(motion) - 1.0) if at is None else at
    camera, seed = planted.any_camera(rng), int(rng.integers(1 << 31))
    take = planted.seen(motion, at, model, camera=camera, noise=Noise(), seed=seed)
    return Clip(group, label, take.embeddings, embed(mirrored(take.poses), model))


def pairs(found: list[Clip], others: int | None = None) -> Iterator[Pair]:
    """All pairs within a group, but for two windows of one recording, which may be alike.

    Of pairs of two actions `others` at most, drawn at random; None = all.
    """
    both = [pair for pair in itertools.combinations(found, 2) if _comparable(*pair)]
    rng = np.random.default_rng(0)
    rng.shuffle(both)
    left = len(both) if others is None else others
    for a, b in both:
        if a.label != b.label:
            left -= 1
            if left < 0:
                continue
        got = align(a.plain, b.plain)
        yield Pair(
            a.group,
            a.label == b.label,
            figures(a.plain, b.plain),
            same_action(a.plain, b.plain),
            got.cost - align(a.plain, b.flipped).cost,
        )


def _comparable(a: Clip, b: Clip) -> bool:
    recording = a.label.split("@")[0] == b.label.split("@")[0]
    return a.group == b.group and (a.label == b.label or not recording)


def area(score: np.ndarray, same: np.ndarray) -> float:
    """Area under the curve of hits against false alarms."""
    n = same.sum()
    return (rankdata(score)[same].sum() - n * (n + 1) / 2) / n / (~same).sum()


def fitted(figures: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Coefficients, the constant last, of a logistic function; both classes weigh the same."""
    x = np.column_stack([figures, np.ones(len(same))])
    weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())

    def loss(b: np.ndarray) -> float:
        return (weight * np.logaddexp(0, -(2 * same - 1) * (x @ b))).sum() + 1e-6 * (b @ b)

    return minimize(loss, np.zeros(x.shape[1])).x


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_action", description=__doc__)
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--others", type=int)
    args = parser.parse_args()
    rows = list(pairs(clips(args.mocap, Model.load(), seed=args.seed), args.others))
    same, score = np.array([r.same for r in rows]), np.array([r.score for r in rows])
    gain = np.array([r.mirror_gain for r in rows])
    for group in ("exercises", "rehabilitation", "everyday", "all"):
        part = np.array([group in (r.group, "all") for r in rows])
        calls = score[part & same] < DIFFERENT, score[part & ~same] < DIFFERENT
        print(
            f"{group:15s} {(part & same).sum():4d} same, {(part & ~same).sum():4d} not: "
            f"AUC {area(score[part], same[part]):.3f}, warned of: "
            f"{calls[0].mean():.0%} of the same, {calls[1].mean():.0%} of the others; "
            f"mirrored wrongly {(gain[part & same] > MIRROR_MARGIN).mean():.0%}, "
            f"rightly {(gain[part & same] < -MIRROR_MARGIN).mean():.0%}"
        )
    print("coefficients", fitted(np.array([r.figures for r in rows]), same).round(2).tolist())


if __name__ == "__main__":
    main()
