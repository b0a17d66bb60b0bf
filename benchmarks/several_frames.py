"""Pr-VIPE of windows of seven frames beside single frames: equal runs, equal moments.

    python -m benchmarks.several_frames MOCAP... [--index HDM05.npz] [--steps 3000] [--width 576]

Two networks are trained alike to tell the middle pose of windows of motion: one sees that frame
alone, one all seven, end to end. Measured on the subjects left out, and on more motion: Hit@1 and
3D error of the nearest window of another camera, by its middle pose. Beside them the mean of the
seven single embeddings. Some errors of joints last, some change with every frame.
"""

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vipecli.evaluate.metrics import MATCH_AT
from vipecli.evaluate.views import HELD_OUT
from vipecli.train.config import Config, Network, load_config
from vipecli.train.losses import np_mpjpe
from vipecli.train.model import PrVipe, normalise
from vipecli.train.motion_clips import MotionClips, load_clips
from vipecli.train.posebert_film import Filming, Studio
from vipecli.train.run import descend, kept_share
from vipecli.train.terms import embedding_terms

FRAMES = 7
MIDDLE = FRAMES // 2
CONFIG = Path(__file__).parent.parent / "weights" / "prvipe_start.toml"
FILMING = Filming(
    fps=(10.0, 30.0), elevation_deg=50.0, roll_deg=12.0, distance=(2.5, 12.0), swapped=0.0
)


class WindowVipe(PrVipe):
    """`PrVipe` whose pictures are windows: joints (B, T, 13, 2) and visibility (B, T, 13)."""

    def __init__(self, size: Network, frames: int) -> None:
        super().__init__(size)
        first = self.backbone[0]
        self.backbone[0] = nn.Linear(first.in_features * frames, first.out_features)

    def inputs(self, joints: Tensor, visibility: Tensor) -> Tensor:
        """What the backbone takes, (B, T x 39); each frame about its own mid-hip."""
        return torch.cat([normalise(joints, visibility).flatten(2), visibility], 2).flatten(1)


@dataclass(frozen=True)
class Views:
    """Windows seen by two cameras each.

    Attributes
    ----------
    joints, visibility
        shapes (2, B, T, 13, 2) and (2, B, T, 13).
    poses
        shape (B, 13, 3): the middle pose, y up.
    """

    joints: Tensor
    visibility: Tensor
    poses: Tensor

    @classmethod
    def of(cls, studio: Studio, count: int, rng: np.random.Generator) -> "Views":
        """Draw windows of motion and film each twice."""
        motions, _ = studio.motions(count, rng)
        joints, scores = [], []
        for _ in range(2):
            _, exact = studio.exact(motions, rng)
            noise, score = studio.noise(exact.shape, rng)
            joints.append(torch.from_numpy((exact + noise).astype(np.float32)))
            scores.append(torch.from_numpy(score))
        return cls(
            torch.stack(joints),
            torch.stack(scores),
            torch.from_numpy(motions[:, MIDDLE]),
        )

    def of_frames(self, frames: int) -> "Views":
        """The same windows, that many frames about the middle."""
        kept = slice(MIDDLE - frames // 2, MIDDLE + frames // 2 + 1)
        return replace(self, joints=self.joints[:, :, kept], visibility=self.visibility[:, :, kept])


def trained(config: Config, studio: Studio, frames: int) -> WindowVipe:
    """Network after `config.steps` steps, its weights averaged."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    net = WindowVipe(config.network, frames)
    averaged = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=config.weight_decay)
    for step in range(config.steps):
        views = Views.of(studio, config.batch, rng).of_frames(frames)
        heads = net.train().heads(views.joints.flatten(0, 1), views.visibility.flatten(0, 1))
        terms = embedding_terms(config, net, heads, views.poses, views.poses)
        total = sum(getattr(config, name, 1.0) * value for name, value in terms.items())
        rate = min(1.0, (step + 1) / config.warmup, 2.5 * (1 - step / config.steps))
        descend(optimizer, total, net.parameters(), rate=config.learning_rate * rate, clip=5.0)
        kept = kept_share(config.average, step)
        for mine, theirs in zip(
            averaged.state_dict().values(), net.state_dict().values(), strict=True
        ):
            mine.lerp_(theirs, 1 - kept) if mine.is_floating_point() else mine.copy_(theirs)
    return averaged.eval()


def by_window(net: WindowVipe, frames: int) -> Callable[[Views], Tensor]:
    """Means (2, B, D) of both cameras' windows."""

    def means(views: Views) -> Tensor:
        part = views.of_frames(frames)
        return torch.stack(
            [net.heads(*one)[0] for one in zip(part.joints, part.visibility, strict=True)]
        )

    return torch.no_grad()(means)


def averaged_frames(net: WindowVipe) -> Callable[[Views], Tensor]:
    """Means (2, B, D) over the frames of the embedding of single frames."""

    def means(views: Views) -> Tensor:
        flat = views.joints.flatten(0, 2)[:, None], views.visibility.flatten(0, 2)[:, None]
        return net.heads(*flat)[0].unflatten(0, views.visibility.shape[:3]).mean(2)

    return torch.no_grad()(means)


def found(means: Tensor, poses: Tensor) -> tuple[float, float]:
    """Hit@1 in % and NP-MPJPE of the nearest window that the other camera saw."""
    nearest = torch.cdist(means[0], means[1]).argmin(1)
    error = np_mpjpe(poses, poses[nearest])
    return 100 * float((error <= MATCH_AT).float().mean()), float(error.mean())


def sets(mocap: list[Path], index: Path | None) -> dict[str, MotionClips]:
    """Motion to measure on, by name."""
    out = {"left out": load_clips(mocap, include=HELD_OUT)}
    return out | ({index.stem.split("_")[0]: load_clips([index])} if index else {})


def main() -> None:
    """Train, and print a row per way and set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--index", type=Path, help="motion capture to measure on, too")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--windows", type=int, default=1000)
    asked = parser.parse_args()
    config = load_config(CONFIG, steps=asked.steps)
    config = replace(
        config, warmup=200, detected=0.0, network=replace(config.network, width=asked.width)
    )
    studio = Studio(load_clips(asked.mocap, exclude=config.exclude), FILMING, frames=FRAMES)
    nets = {frames: trained(config, studio, frames) for frames in (1, FRAMES)}
    ways = {
        "single frames": by_window(nets[1], 1),
        f"mean of {FRAMES} single frames": averaged_frames(nets[1]),
        f"windows of {FRAMES} frames": by_window(nets[FRAMES], FRAMES),
    }
    print("| motion | way | Hit@1 % | NP-MPJPE of the nearest |")
    print("|---|---|---|---|")
    for name, clips in sets(asked.mocap, asked.index).items():
        views = Views.of(
            Studio(clips, FILMING, frames=FRAMES), asked.windows, np.random.default_rng(0)
        )
        for way, means in ways.items():
            hit, error = found(means(views), views.poses)
            print(f"| {name} | {way} | {hit:.1f} | {error:.4f} |", flush=True)


if __name__ == "__main__":
    main()
