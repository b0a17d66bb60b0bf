"""Differences that `vipe compare` lists, against those that were planted in rendered films.

    python -m benchmarks.differences [--set told] [--folder build/pairs] [--first 0] [--last 60]

Every pair of films of `examples.pairs` goes through the real detector, once: poses and truth are
kept in the folder. Set ``told``: squat, lunge, press, swing and toe touch, from front, oblique and
side, with and without a rack or a table, the same and with 15 degrees of difference in one joint.
Set ``tuned``: the same of five other movements, on which the limits were chosen. Set ``views``: as
``told``, without furniture, but the two cameras stand 45 or 90 degrees apart.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.pairs import OCCLUDERS, VIEWS, make_pair
from vipecli.embedding.clip import Recipe, read_clip
from vipecli.poses.poses import Poses

TOLD = "squat", "lunge", "overhead_press", "golf_swing", "toe_touch"
TUNED = "jumping_jack", "arm_raise", "clean_and_jerk", "bowl", "tennis_forehand"
SETS = {"told": (TOLD, 31000), "tuned": (TUNED, 17000), "views": (TOLD, 53000)}
_FIELDS = "xy", "score", "times", "landmarks", "landmark_score", "world"
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


def main() -> None:
    """Make the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", default="told", choices=SETS)
    parser.add_argument("--folder", type=Path, default=Path("build/pairs"))
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--last", type=int, default=60)
    parser.add_argument("--step", type=int, default=1)
    args = parser.parse_args()
    for number in range(args.first, args.last, args.step):
        print(make_case(args.set, number, args.folder), flush=True)


if __name__ == "__main__":
    main()
