"""Two people in view of two cameras: how often the right pair is taken.

    python -m benchmarks.people MOCAP [--events 60] [--seed 300]

Two people of motion capture move at the same time, seen by two cameras with detector noise; either
may be the larger one in either picture. With a constant shift (`--offset`, frame rates of 24 to
60), and with a warp of both by one clock (`vipe align`). Right is a pair of the same person.
"""

import argparse
import types
from pathlib import Path

import numpy as np

from benchmarks import planted
from vipecli.alignment.people import choose_people
from vipecli.alignment.settings import Settings
from vipecli.alignment.takes import Clip
from vipecli.embedding.embed import Model, embed
from vipecli.evaluate.views import Camera, Noise, detected, project
from vipecli.poses.poses import Poses
from vipecli.video.source import ClipSource

RATES = 24.0, 25.0, 30.0, 50.0, 60.0
LEAST_S = 2.0  # that both cameras show


def film(
    people: list[np.ndarray],
    at: np.ndarray,
    rate: float,
    camera: Camera,
    rng: np.random.Generator,
    model: Model,
) -> list[Clip]:
    """Takes of each person (T, 13, 3) at moments `at`, frames of the motion; largest at random."""
    clips = []
    for number, joints in enumerate(people, start=1):
        low = np.minimum(at.astype(int), len(joints) - 2)
        share = (at - low)[:, None, None]
        xy = project(joints[low] * (1 - share) + joints[low + 1] * share, camera)
        xy = detected(xy, Noise(), seed=int(rng.integers(1 << 31)))
        score = np.ones(xy.shape[:2], np.float32)
        poses = Poses(xy, score, np.arange(len(xy)) / rate, (1000, 1000))
        source = ClipSource(Path(f"{number}.mp4"))
        clips.append(Clip(source, poses, embed(poses, model), number, len(people)))
    return clips if rng.random() < 0.5 else clips[::-1]


def offset_event(
    people: list[np.ndarray], rng: np.random.Generator, model: Model
) -> list[list[Clip]]:
    """What two cameras show of an event, each from another moment on."""
    length = (min(map(len, people)) - 1) / planted.RATE
    spare = max(0.0, length - LEAST_S)
    spans = [(0.0, length - rng.uniform(0, spare / 2)), (rng.uniform(0, spare / 2), length)]
    out = []
    for start, end in spans:
        rate = float(rng.choice(RATES))
        at = np.arange(start, end - 1 / rate, 1 / rate) * planted.RATE
        out.append(film(people, at, rate, planted.any_camera(rng), rng, model))
    return out


def warped_event(
    people: list[np.ndarray], rng: np.random.Generator, model: Model
) -> list[list[Clip]]:
    """Two performances of one scene, the second at another speed."""
    frames = min(map(len, people))
    out = []
    for plan in (planted.Plan(speeds=(1, 1)), planted.Plan()):
        at = planted.moments(frames, plan, rng)
        out.append(film(people, at, planted.RATE, planted.any_camera(rng), rng, model))
    return out


def main() -> None:
    """Print how many pairs are right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path)
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--seed", type=int, default=300)
    args = parser.parse_args()
    model, rng = Model.load(), np.random.default_rng(args.seed)
    found = planted.motions(args.mocap, 2 * args.events, seed=args.seed)
    kinds = types.MappingProxyType(
        {
            "offset": (offset_event, Settings(clock="offset")),
            "warp": (warped_event, Settings()),
        }
    )
    right = dict.fromkeys(kinds, 0)
    first = dict.fromkeys(kinds, 0)
    for k in range(args.events):
        people = [motion for _, motion in found[2 * k : 2 * k + 2]]
        for kind, (event, settings) in kinds.items():
            clips = event(people, rng, model)
            one, other = choose_people(clips, lambda: model, settings=settings)
            right[kind] += one.person == other.person
            first[kind] += clips[0][0].person == clips[1][0].person
    for kind in kinds:
        print(
            f"{kind}: right pair in {right[kind]} of {args.events}; "
            f"the largest of both are one in {first[kind]}"
        )


if __name__ == "__main__":
    main()
