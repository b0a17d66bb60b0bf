"""Pr-VIPE of windows of seven frames beside single frames: equal runs, equal moments.

    python -m benchmarks.several_frames MOCAP... [--more HDM05.npz] [--steps 3000] [--width 576]
    python -m benchmarks.several_frames MOCAP... --film HELD_OUT.npz

Two networks are trained alike to tell the middle pose of windows of motion: one sees that frame
alone, one all seven, end to end. Measured on the subjects left out, and on more motion: Hit@1 and
3D error of the nearest window of another camera, by its middle pose. Beside them the mean of the
seven single embeddings. Some errors of joints last, some change with every frame.

With --film the models that come with vipe, instead: windows of film as a real detector found them,
searched among views of the same moments by other cameras.
"""

import argparse
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipecli.embedding.model import NAMES, Model
from vipecli.evaluate.metrics import MATCH_AT
from vipecli.evaluate.views import HELD_OUT
from vipecli.train.augment import Augmentation, Augmenter
from vipecli.train.config import Config, load_config
from vipecli.train.detected import Detections
from vipecli.train.losses import np_mpjpe
from vipecli.train.model import PrVipe
from vipecli.train.motion_clips import load_clips
from vipecli.train.posebert_film import Studio
from vipecli.train.run import descend, kept_share
from vipecli.train.terms import embedding_terms
from vipecli.train.window_views import Views, WindowFilm, WindowStudio
from vipecli.train.windows import filming

FRAMES = 7
CONFIGS = Path(__file__).parent.parent / "weights"
NOBODY = torch.zeros(0, 13, 3)
Means = Callable[[Views], Tensor]
"""From windows to vectors (B, D)."""


def studio(config: Config, mocap: list[Path], **which: tuple[str, ...]) -> WindowStudio:
    """Windows of seven frames of some clips."""
    clips = load_clips(mocap, **which)
    return WindowStudio(Studio(clips, filming(config), frames=FRAMES), Augmenter(Augmentation()))


def drawn(
    windows: WindowStudio, count: int, rng: np.random.Generator
) -> tuple[list[Views], Tensor]:
    """Two views of windows of motion, and their middle poses."""
    return windows.twice(windows.motions(NOBODY, count, rng), rng)


def some(views: Views, frames: int) -> Views:
    """The middle frames of windows; pictures where it is one."""
    if frames == FRAMES:
        return views
    return views[0][:, FRAMES // 2], views[1][:, FRAMES // 2]


def trained(config: Config, windows: WindowStudio, frames: int) -> PrVipe:
    """Network after `config.steps` steps, its weights averaged."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = PrVipe(replace(config.network, frames=frames))
    averaged = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=config.weight_decay)
    for step in range(config.steps):
        both, poses = drawn(windows, config.batch, rng)
        seen = zip(*(some(views, frames) for views in both), strict=True)
        heads = net.train().heads(*(torch.cat(parts) for parts in seen))
        terms = embedding_terms(config, net, heads, poses, poses)
        total = sum(getattr(config, name, 1.0) * value for name, value in terms.items())
        rate = min(1.0, (step + 1) / config.warmup, 2.5 * (1 - step / config.steps))
        descend(optimizer, total, net.parameters(), rate=config.learning_rate * rate, clip=5.0)
        kept = kept_share(config.average, step)
        states = averaged.state_dict().values(), net.state_dict().values()
        for mine, theirs in zip(*states, strict=True):
            mine.lerp_(theirs, 1 - kept) if mine.is_floating_point() else mine.copy_(theirs)
    return averaged.eval()


def of_network(net: PrVipe, frames: int) -> Means:
    """Means of the windows, or of their middle frames."""
    return torch.no_grad()(lambda views: net.heads(*some(views, frames))[0])


def averaged_frames(net: PrVipe) -> Means:
    """Means over the frames of the embedding of single frames."""

    def means(views: Views) -> Tensor:
        joints, visibility = views
        flat = net.heads(joints.flatten(0, 1), visibility.flatten(0, 1))[0]
        return flat.unflatten(0, visibility.shape[:2]).mean(1)

    return torch.no_grad()(means)


def of_model(model: Model) -> Means:
    """Means of a model file, without the vertical."""
    plain = model.without_vertical()

    def means(views: Views) -> Tensor:
        seen = some(views, plain.window.frames if plain.window else 1)
        return torch.from_numpy(plain.run(*(part.numpy() for part in seen))[0])

    return means


def found(means: list[Tensor], poses: Tensor) -> str:
    """Hit@1 in % and NP-MPJPE of the nearest window of the second view."""
    error = np_mpjpe(poses, poses[torch.cdist(*means).argmin(1)])
    hit = 100 * float((error <= MATCH_AT).float().mean())
    return f"{hit:.1f} | {float(error.mean()):.4f}"


def on_film(config: Config, mocap: list[Path], film: Path, count: int) -> None:
    """Print a row per model that comes with vipe."""
    rng = np.random.default_rng(0)
    joints, visibility, motions = WindowFilm(Detections.load([film]), FRAMES).draw(count, rng)
    views = studio(config, mocap).detect(motions, rng, hide=False)
    poses = torch.from_numpy(motions[:, FRAMES // 2].copy())
    filmed = torch.from_numpy(joints), torch.from_numpy(visibility)
    for name in NAMES:
        means = of_model(Model.load(name))
        both = [means(one) for one in (filmed, views)]
        print(f"| film | {name} | {found(both, poses)} |", flush=True)


def main() -> None:
    """Print a row per way and kind of motion."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="measure on these, too")
    parser.add_argument(
        "--film", type=Path, help="of `python -m examples.make_detected --held-out`"
    )
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--windows", type=int, default=1000)
    asked = parser.parse_args()
    print("| motion | way | Hit@1 % | NP-MPJPE of the nearest |")
    print("|---|---|---|---|")
    if asked.film:
        on_film(load_config(CONFIGS / "prvipe_t.toml"), asked.mocap, asked.film, asked.windows)
        return
    start = load_config(CONFIGS / "prvipe_start.toml", steps=asked.steps)
    cameras = load_config(CONFIGS / "prvipe_t.toml")
    config = replace(start, warmup=200, network=replace(start.network, width=asked.width))
    windows = studio(cameras, asked.mocap, exclude=HELD_OUT)
    single, several = (trained(config, windows, frames) for frames in (1, FRAMES))
    ways = {
        "single frames": of_network(single, 1),
        f"mean of {FRAMES} single frames": averaged_frames(single),
        f"windows of {FRAMES} frames": of_network(several, FRAMES),
    }
    sets = {"left out": studio(cameras, asked.mocap, include=HELD_OUT)}
    sets |= {path.stem: studio(cameras, [path]) for path in asked.more}
    for name, those in sets.items():
        views, poses = drawn(those, asked.windows, np.random.default_rng(0))
        for way, means in ways.items():
            print(f"| {name} | {way} | {found([means(v) for v in views], poses)} |", flush=True)


if __name__ == "__main__":
    main()
