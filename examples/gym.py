"""Films as people take them in a gym, with true joints: what hides the person, and who walks by.

    from examples.gym import SCENES, film_gym

    shot = film_gym("rack", "rack.mp4", rng=np.random.default_rng(1))

``rack``: squats behind the posts of a rack, with a barbell before the trunk; ``bystander``: two
people walk by behind somebody who presses, one after the other; ``mirror``: a mirror on the wall
behind shows the person from the back; ``handheld``: the camera drifts and trembles. The first
person is the one who exercises.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from examples.camera import Camera
from examples.film import Shot, Writer
from examples.motions import perform
from examples.person import Look
from examples.studio import Prop, Studio
from vipecli.poses.skeleton import MIRROR

FPS = 30.0
_POST_M = 0.04  # radius of a post
_MIRROR_Z_M = -1.4  # plane of the mirror, behind the person
_SHAKE_PX = 14.0  # amplitude of the hand-held camera, and what is drawn around the picture for it


@dataclass(frozen=True)
class Take:
    """People (T, 13, 3), rods, direction of the camera, and whether it is held by hand."""

    people: Sequence[np.ndarray]
    props: Sequence[Prop] = ()
    azimuth_deg: float = 0.0
    handheld: bool = False


def rack(rng: np.random.Generator, seconds: float) -> Take:
    """Squats with a barbell, seen through the posts of a rack."""
    squat = perform("squat", seconds=seconds, rng=rng)
    joints = squat.joints
    chest = joints[:, [1, 2]].mean(axis=1) + np.array([0, -0.12, 0.14])
    ends = (chest + np.array([side, 0, 0]) for side in (-1, 1))
    props: list[Prop] = [(*ends, 0.025)]
    for side in (-1, 1):
        plate = chest + np.array([side * 0.75, 0, 0])
        width = np.array([0.03, 0, 0])
        props.append((plate - width, plate + width, 0.21))
    for x in (-0.55, 0.12, 0.55):
        props.append(_post(len(joints), (x, 0.0, 0.7), (x, 2.2, 0.7)))
    for height in (0.75, 2.2):
        props.append(_post(len(joints), (-0.55, height, 0.7), (0.55, height, 0.7)))
    return Take([joints], props, azimuth_deg=20)


def bystander(rng: np.random.Generator, seconds: float) -> Take:
    """A press, and two people who walk by behind it, the second one the other way."""
    press = perform("overhead_press", seconds=seconds, rng=rng).joints
    frames = len(press)
    first = _walker(frames, -2.2, 2.2, slice(0, int(0.55 * frames)), -0.9, rng)
    second = _walker(frames, 2.2, -2.2, slice(int(0.5 * frames), frames), -1.3, rng)
    return Take([press, first, second])


def mirror(rng: np.random.Generator, seconds: float) -> Take:
    """A lunge before a mirror that shows the person from the back."""
    joints = perform("lunge", seconds=seconds, rng=rng).joints
    image = joints[:, list(MIRROR)] * (1, 1, -1) + (0, 0, 2 * _MIRROR_Z_M)
    low, high, z = 0.02, 2.1, _MIRROR_Z_M
    props = [_post(len(joints), (x, low, z), (x, high, z)) for x in (-1.5, 1.5)]
    props += [_post(len(joints), (-1.5, y, z), (1.5, y, z)) for y in (low, high)]
    return Take([joints, image.astype(np.float32)], props, azimuth_deg=35)


def handheld(rng: np.random.Generator, seconds: float) -> Take:
    """Jumping jacks from a camera in somebody's hand."""
    return Take([perform("jumping_jack", seconds=seconds, rng=rng).joints], handheld=True)


SCENES: dict[str, Callable[[np.random.Generator, float], Take]] = {
    "rack": rack,
    "bystander": bystander,
    "mirror": mirror,
    "handheld": handheld,
}
"""Scenes by name."""


def film_gym(
    name: str,
    out: Path | str | None = None,
    *,
    rng: np.random.Generator,
    seconds: float = 6.0,
    size: tuple[int, int] = (640, 480),
) -> Shot:
    """Film a scene of `SCENES`; parameters and result as those of `examples.film.film`."""
    take = SCENES[name](rng, seconds)
    looks = [Look().random(rng) for _ in take.people]
    if name == "mirror":
        looks = looks[:1] * 2
    margin = int(2 * _SHAKE_PX) if take.handheld else 0
    room = (size[0] + 2 * margin, size[1] + 2 * margin)
    camera = Camera(take.azimuth_deg, 8, target=_middle(take.people[0]), distance_m=3.9)
    studio = Studio(list(take.people), camera, looks, room, None, take.props)
    shake = _shake(rng, studio.length) if take.handheld else np.zeros((studio.length, 2), int)
    corner = shake + margin
    visible = np.zeros((len(studio.people), studio.length, 13), bool)
    with Writer(out, FPS, size, 23) as writer:
        for t, (x, y) in enumerate(corner):
            image, depth = studio.picture(t)
            visible[:, t] = studio.visible(t, depth)
            writer.write(np.ascontiguousarray(image[y : y + size[1], x : x + size[0]]))
    world = np.stack(studio.people).astype(np.float32)
    xy = (studio.view.project(world) - corner[:, None]).astype(np.float32)
    return Shot(xy, visible, world, studio.view, FPS, Path(out) if out else None)


def _middle(joints: np.ndarray) -> tuple[float, float, float]:
    x, _, z = joints[:, 7:9].mean(axis=(0, 1))
    return float(x), 0.95, float(z)


def _post(frames: int, low: Sequence[float], high: Sequence[float]) -> Prop:
    return np.tile(low, (frames, 1)), np.tile(high, (frames, 1)), _POST_M


def _walker(
    frames: int, start: float, end: float, when: slice, z: float, rng: np.random.Generator
) -> np.ndarray:
    """Somebody who walks along x between two moments, and stands outside the picture otherwise."""
    steps = perform("lunge", seconds=frames / FPS, reps=frames / 40, rng=rng).joints.copy()
    turned = steps[..., [2, 1, 0]] * (np.sign(end - start), 1, -np.sign(end - start))
    turned = turned - turned[:, 7:9].mean(axis=1, keepdims=True) * (1, 0, 1)
    x = np.full(frames, 3 * start)
    x[when] = np.linspace(start, end, when.stop - when.start)
    x[when.stop :] = 3 * end
    return (turned + np.stack([x, 0 * x, 0 * x + z], axis=-1)[:, None]).astype(np.float32)


def _shake(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Offset of the camera per frame, (T, 2) pixels: a slow drift and a tremor."""
    t = np.arange(frames)[:, None] / FPS
    out = np.zeros((frames, 2))
    for rate_hz, share in ((0.3, 0.6), (1.7, 0.25), (6.0, 0.15)):
        phase = rng.uniform(0, 2 * np.pi, 2)
        out += share * np.sin(2 * np.pi * rate_hz * t + phase)
    return np.round(_SHAKE_PX * out).astype(int)
