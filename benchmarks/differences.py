"""Differences that `vipe compare` lists, against those that were planted in rendered films.

    python -m benchmarks.differences [--set told] [--folder build/pairs] [--first 0] [--last 60]
        [--kept]

Every pair of films of `examples.pairs` goes through the real detector, once: poses and truth are
kept in the folder. Set ``told``: squat, lunge, press, swing and toe touch, from front, oblique and
side, with and without a rack or a table, the same and with 15 degrees of difference in one joint.
Set ``tuned``: the same of five other movements, on which the limits were chosen. Set ``views``: as
``told``, without furniture, but the two cameras stand 45 or 90 degrees apart. ``--kept`` judges the
pairs that are in the folder, and makes none.

Three stages tell where findings are lost: the angles of the true joints in 3D, of the true joints
in the picture as if all were seen, and of the detector's. For each also what is found where other
limits would list more or less.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from examples.pairs import OCCLUDERS, PLANTED_DEG, VIEWS, make_pair
from vipecli.alignment.align import align
from vipecli.alignment.differences import CERTAINTY, Evidence, evidence, known, stretches
from vipecli.alignment.joint_angles import ANGLES, between, joint_angles
from vipecli.alignment.seen_angles import seen_angles
from vipecli.alignment.time_map import warp
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.embedding.embed import Model, embed
from vipecli.poses.poses import Poses

TOLD = "squat", "lunge", "overhead_press", "golf_swing", "toe_touch"
TUNED = "jumping_jack", "arm_raise", "clean_and_jerk", "bowl", "tennis_forehand"
SETS = {"told": (TOLD, 31000), "tuned": (TUNED, 17000), "views": (TOLD, 53000)}
_FIELDS = "xy", "score", "times", "landmarks", "landmark_score", "world"
STAGES = "3d", "2d", "detector"
_SWEEP = 1.5, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 5.0  # limits that are tried
_EXACT_DEG = 1.5  # standard uncertainty given to the true angles
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
    angles, seen, free
        shape (201, 8): the true angles, whether their joints are truly seen, and whether no
        furniture hides them: the person's own limbs may.
    xy, joints
        shape (T, 13, 2) and (T, 13, 3): where the joints truly are, pixels and metres.
    """

    poses: Poses
    phase: np.ndarray
    angles: np.ndarray
    seen: np.ndarray
    free: np.ndarray
    xy: np.ndarray
    joints: np.ndarray


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
        kept |= {f"{letter}_true_xy": film.shot.xy, f"{letter}_joints": film.shot.joints}
        kept |= {f"{letter}_free": film.before_all(_PHASES)}
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
        truth = ("phase", "angles", "seen", "free", "true_xy", "joints")
        sides.append(Seen(poses, *(kept[f"{letter}_{name}"] for name in truth)))
    planted = tuple(map(str, kept["planted"]))
    span = float(kept["first"]), float(kept["last"])
    return Case(str(kept["name"]), sides[0], sides[1], planted, *span)


@dataclass(frozen=True)
class Listed:
    """One difference, and what is true where it is listed.

    Attributes
    ----------
    text
        angle and size.
    angle
        key of `ANGLES`.
    surety
        in standard uncertainties.
    real
        whether the true difference is half of `PLANTED_DEG` or more there, of the same sign.
    free
        whether no furniture hides the joints there, in either film.
    """

    text: str
    angle: str
    surety: float
    real: bool
    free: bool


@dataclass(frozen=True)
class Verdict:
    """All differences of a pair down to the lowest limit.

    `seen` are the planted angles whose joints nothing hides, `free` those that no furniture does.
    """

    listed: tuple[Listed, ...]
    seen: tuple[str, ...]
    free: tuple[str, ...]

    def counts(self, certainty: float) -> tuple[int, int, bool, bool]:
        """False ones, ones behind furniture; whether the planted was found, if seen, if free."""
        here = [one for one in self.listed if one.surety >= certainty]
        real = {one.angle for one in here if one.real}
        return (
            sum(one.free and not one.real for one in here),
            sum(not one.free for one in here),
            bool(real & set(self.seen)),
            bool(real & set(self.free)),
        )


def judge(case: Case, model: Model, stage: str) -> Verdict:
    """Compare a pair as seen at a stage, and set what is listed against the truth."""
    a, b = case.a.poses, case.b.poses
    if stage != "detector":
        a, b = (
            replace(one.poses, xy=one.xy.astype(np.float32), score=np.ones_like(one.poses.score))
            for one in (case.a, case.b)
        )
    alignment = align(embed(a, model), embed(b, model))
    times = a.times[(a.times >= alignment.times_a[0]) & (a.times <= alignment.times_a[-1])]
    there = warp(alignment, times)
    seen = seen_angles(a).at(times, a.times), seen_angles(b).at(there, b.times)
    found = evidence(*seen)
    if stage == "3d":
        of_a, of_b = (
            between(at, one.poses.times, joint_angles(one.joints))
            for at, one in ((times, case.a), (there, case.b))
        )
        found = [Evidence(of_b - of_a, np.full(of_a.shape, _EXACT_DEG**2))]
    rows = stretches(times, found, known(*seen), certainty=_SWEEP[0])
    true = case.b.angles - case.a.angles
    seen, free = (getattr(case.a, name) & getattr(case.b, name) for name in ("seen", "free"))
    listed = []
    for one in rows:
        middle = times[(one.first + one.end - 1) // 2]
        near = np.abs(_PHASES - np.interp(middle, a.times, case.a.phase)) <= _NEAR
        real = (np.sign(one.size_deg) * true[near, one.angle]).max() >= PLANTED_DEG / 2
        name, surety = list(ANGLES)[one.angle], abs(one.size_deg) / one.std_deg
        here = bool(free[near, one.angle].mean() > 0.5)
        listed.append(Listed(f"{name} {one.size_deg:+.0f}", name, surety, bool(real), here))
    inside = (case.first <= _PHASES) & (case.last >= _PHASES)
    shown = (
        tuple(n for n in case.planted if truth[inside, list(ANGLES).index(n)].mean() >= _SEEN)
        for truth in (seen, free)
    )
    return Verdict(tuple(listed), *shown)


def report(cases: Sequence[Case], verdicts: Sequence[Verdict]) -> None:
    """Print a line per pair with what is listed of it."""
    for case, verdict in zip(cases, verdicts, strict=True):
        here = [one for one in verdict.listed if one.surety >= CERTAINTY]
        words = (
            f"{one.text}{'' if one.real else ' (false)'}{'' if one.free else ' (hidden)'}"
            for one in here
        )
        planted = ", ".join(case.planted) or "nothing"
        hidden = "" if verdict.free or not case.planted else " (hidden)"
        print(f"{case.name}: planted {planted}{hidden}: {', '.join(words) or '-'}")


def summary(stage: str, verdicts: Sequence[Verdict]) -> None:
    """Print the figures of a stage at every limit."""
    totals = sum(bool(v.seen) for v in verdicts), sum(bool(v.free) for v in verdicts)
    for certainty in _SWEEP:
        false, hidden, *found = zip(*(v.counts(certainty) for v in verdicts), strict=True)
        mark = " <- the limit" if certainty == CERTAINTY else ""
        print(
            f"{stage}, {certainty:g}: false per pair {np.mean(false):.2f} (of {sum(false)}), "
            f"behind furniture {np.mean(hidden):.2f}; planted and seen {sum(found[0])} of "
            f"{totals[0]} found, before all furniture {sum(found[1])} of {totals[1]}{mark}"
        )


def main() -> None:
    """Make the pairs that are missing, and judge all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="told", choices=SETS)
    parser.add_argument("--folder", type=Path, default=Path("build/pairs"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=60)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--kept", action="store_true", help="judge what is there, make nothing")
    args = parser.parse_args()
    made = sorted(args.folder.glob(f"{args.set}_[0-9][0-9].npz"))
    if not args.kept:
        numbers = range(args.first, args.last, args.step)
        made = [make_case(args.set, number, args.folder) for number in numbers]
    model, cases = Model.load(), [load_case(path) for path in made]
    print(f"{len(cases)} pairs, {sum(bool(case.planted) for case in cases)} with a difference")
    for stage in STAGES:
        verdicts = [judge(case, model, stage) for case in cases]
        if stage == "detector":
            report(cases, verdicts)
        summary(stage, verdicts)


if __name__ == "__main__":
    main()
