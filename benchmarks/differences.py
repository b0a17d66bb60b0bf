"""Differences that `vipe compare` lists, against those that were planted in rendered films.

    python -m benchmarks.differences [--set told] [--folder build/pairs] [--first 0] [--last 60]

Every pair of films of `examples.pairs` goes through the real detector, once: poses and truth are
kept in the folder. Set ``told``: squat, lunge, press, swing and toe touch, from front, oblique and
side, with and without a rack or a table, the same and with 15 degrees of difference in one joint.
Set ``tuned``: the same of five other movements, on which the limits were chosen. Set ``views``: as
``told``, without furniture, but the two cameras stand 45 or 90 degrees apart.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.pairs import OCCLUDERS, PLANTED_DEG, VIEWS, make_pair
from vipecli.alignment.align import align
from vipecli.alignment.compare import compare
from vipecli.alignment.joint_angles import ANGLES, lifted
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.embedding.embed import Model, embed
from vipecli.poses.poses import Poses

TOLD = "squat", "lunge", "overhead_press", "golf_swing", "toe_touch"
TUNED = "jumping_jack", "arm_raise", "clean_and_jerk", "bowl", "tennis_forehand"
SETS = {"told": (TOLD, 31000), "tuned": (TUNED, 17000), "views": (TOLD, 53000)}
_FIELDS = "xy", "score", "times", "landmarks", "landmark_score", "world"
_NEAR = 0.03  # of the movement, around a moment that is listed
_SEEN = 0.6  # share of the planted stretch in which its joints are seen
_PHASES = np.linspace(0, 1, 201)


@dataclass(frozen=True)
class Seen:
    """One film as the detector saw it, and the truth over `_PHASES`.

    Attributes
    ----------
    poses
        T frames.
    phase
        shape (T,), of the movement.
    angles, seen
        shape (201, 8): the true angles, and whether their joints are truly seen.
    """

    poses: Poses
    phase: np.ndarray
    angles: np.ndarray
    seen: np.ndarray


@dataclass(frozen=True)
class Case:
    """A pair of films; the angles that differ, and from which phase to which."""

    name: str
    a: Seen
    b: Seen
    planted: tuple[str, ...]
    first: float
    last: float


def make_case(which: str, number: int, folder: Path) -> Path:
    """Film, detect and keep one pair; returns its file."""
    out = folder / f"{which}_{number:02d}.npz"
    if out.exists():
        return out
    actions, seed = SETS[which]
    rng = np.random.default_rng([seed, number])
    names = list(VIEWS)
    view = names[(number // 5) % 3]
    hidden, differs = (number // 15) % 2, (number // 30) % 2
    occluder = str(rng.choice(OCCLUDERS)) if hidden else None
    other = None
    if which == "views":
        occluder, other = None, names[((number // 5) % 3 + 1 + (number // 15) % 2) % 3]
    folder.mkdir(parents=True, exist_ok=True)
    films = tuple(folder / f"{which}_{number:02d}_{letter}.mp4" for letter in "ab")
    pair = make_pair(actions[number % 5], view, rng=rng, out=films, occluder=occluder,
                     differs=bool(differs), other_view=other)  # fmt: skip
    kept = {"planted": [], "first": 0.0, "last": 0.0}
    if pair.planted:
        kept = vars(pair.planted) | {"planted": list(pair.planted.angles)}
        del kept["angles"]
    for letter, film, path in zip("ab", (pair.a, pair.b), films, strict=True):
        poses = read_clip(path, Recipe(cached=False))[0]
        kept |= {f"{letter}_{name}": getattr(poses, name) for name in _FIELDS}
        kept |= {f"{letter}_phase": film.phase, f"{letter}_angles": film.angles(_PHASES)}
        kept |= {f"{letter}_seen": film.seen(_PHASES), f"{letter}_size": poses.size}
    name = f"{pair.action} {pair.view} {occluder or other or 'clear'}"
    np.savez_compressed(out.with_suffix(".part.npz"), name=name, **kept)
    out.with_suffix(".part.npz").replace(out)
    return out


def load_case(path: Path) -> Case:
    """Read a pair that was kept."""
    with np.load(path) as file:
        kept = dict(file)
    sides = []
    for letter in "ab":
        fields = {name: kept[f"{letter}_{name}"] for name in _FIELDS}
        size = tuple(int(side) for side in kept[f"{letter}_size"])
        poses = Poses(**fields, size=size, source=path.name)
        sides.append(
            Seen(poses, *(kept[f"{letter}_{name}"] for name in ("phase", "angles", "seen")))
        )
    planted = tuple(map(str, kept["planted"]))
    span = float(kept["first"]), float(kept["last"])
    return Case(str(kept["name"]), sides[0], sides[1], planted, *span)


@dataclass(frozen=True)
class Verdict:
    """What `compare` listed of a pair.

    Attributes
    ----------
    false
        differences of seen joints that are less than half of `PLANTED_DEG` in truth.
    hidden
        differences listed where a joint is hidden in truth, in either film.
    found
        whether the planted one was listed; None where there is none, or its joints are not seen.
    """

    false: tuple[str, ...]
    hidden: tuple[str, ...]
    found: bool | None


def judge(case: Case, model: Model) -> Verdict:
    """Compare a pair, and set what is listed against the truth."""
    a, b = (embed(side.poses, model) for side in (case.a, case.b))
    found = compare(align(a, b), case.a.poses, case.b.poses, source=lifted, most=99)
    true, seen = case.b.angles - case.a.angles, case.a.seen & case.b.seen
    false, hidden, hits = [], [], set()
    for one in found.moments:
        k = list(ANGLES).index(one.angle)
        phase = np.interp(one.time_a, case.a.poses.times, case.a.phase)
        near = np.abs(_PHASES - phase) <= _NEAR
        sign = np.sign(one.difference_deg)
        text = f"{one.angle} {one.difference_deg:+.0f}"
        if seen[near, k].mean() <= 0.5:
            hidden.append(text)
        if (sign * true[near, k]).max() >= PLANTED_DEG / 2:
            hits.add(one.angle)
        elif seen[near, k].mean() > 0.5:
            false.append(text)
    inside = (case.first <= _PHASES) & (case.last >= _PHASES)
    visible = [n for n in case.planted if seen[inside, list(ANGLES).index(n)].mean() >= _SEEN]
    hit = bool(hits & set(visible)) if visible else None
    return Verdict(tuple(false), tuple(hidden), hit)


def report(cases: Sequence[tuple[Case, Verdict]]) -> None:
    """Print a line per pair with something wrong, and the three figures."""
    for case, verdict in cases:
        print(
            f"{case.name}: planted {', '.join(case.planted) or 'nothing'}: found {verdict.found}; "
            f"false {', '.join(verdict.false) or '-'}; hidden {', '.join(verdict.hidden) or '-'}"
        )
    verdicts = [verdict for _, verdict in cases]
    known = [v.found for v in verdicts if v.found is not None]
    print(
        f"{len(verdicts)} pairs: false differences per pair "
        f"{np.mean([len(v.false) for v in verdicts]):.2f}; listed where hidden, per pair, "
        f"{np.mean([len(v.hidden) for v in verdicts]):.2f}; planted and seen: "
        f"{sum(known)} of {len(known)} found"
    )


def main() -> None:
    """Make the pairs that are missing, and judge all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="told", choices=SETS)
    parser.add_argument("--folder", type=Path, default=Path("build/pairs"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=60)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    made = []
    for number in range(args.first, args.last, args.step):
        made.append(make_case(args.set, number, args.folder))
    model = Model.load()
    cases = [load_case(path) for path in made]
    report([(case, judge(case, model)) for case in cases])


if __name__ == "__main__":
    main()
