"""Whether an embedding tells who moves, and whether it finds the same pose of other people.

    python -m benchmarks.subjects MOCAP... --models MODEL.onnx... [--moments 20000]

Per model, without the vertical: how often a fresh classifier names the person (training subjects
of MOCAP, in clips that it has not seen), and for poses of the subjects held out, each seen by one
camera, the NP-MPJPE of the nearest pose of anybody else among as many of another camera.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from vipecli.embedding.model import Model
from vipecli.evaluate.views import HELD_OUT
from vipecli.lifting.lifter import in_batches
from vipecli.train.augment import Augmenter
from vipecli.train.config import load_config
from vipecli.train.data import Mocap, load_mocap
from vipecli.train.identity import UNKNOWN, subject_recognised
from vipecli.train.limited import Film
from vipecli.train.losses import np_mpjpe

CONFIG = Path(__file__).parent.parent / "weights" / "prvipe.toml"


def film(mocap: Mocap, moments: int) -> Film:
    """Film poses of known people by the cameras of the committed training."""
    config = load_config(CONFIG)
    return Film.of(
        mocap,
        np.ones(len(mocap.poses)),
        Augmenter(config.augment, seed=1),
        moments=moments,
        labels=1.0,
        rng=np.random.default_rng(1),
    )


def embedded(model: Model, filmed: Film, camera: int) -> torch.Tensor:
    """Means (P, D) of what one camera saw, without the vertical."""
    feed = {"joints": filmed.joints[:, camera], "visibility": filmed.visibility[:, camera]}
    feed = {name: value.numpy().astype(np.float32) for name, value in feed.items()}
    dims = model.plain[0] if model.plain else model.dims
    return torch.from_numpy(in_batches(model.session, ("mean",), feed)[0][:, :dims])


def among_others(mean: torch.Tensor, index: torch.Tensor, filmed: Film) -> float:
    """NP-MPJPE of the nearest pose of another person, mean over the moments of known people."""
    distance = torch.cdist(mean, index)
    distance[filmed.who[:, None] == filmed.who[None]] = torch.inf
    known = filmed.who != UNKNOWN
    distance[:, ~known] = torch.inf
    nearest = distance.argmin(1)
    poses = filmed.seen[:, 0]
    return float(np_mpjpe(poses[known], poses[nearest][known]).mean())


def main() -> None:
    """Print a row per model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    parser.add_argument("--moments", type=int, default=20_000)
    asked = parser.parse_args()
    taught = film(load_mocap(asked.mocap, exclude=HELD_OUT), asked.moments)
    others = film(load_mocap(asked.mocap, include=HELD_OUT), asked.moments // 5)
    print("| model | subject told % | most frequent % | NP-MPJPE, nearest of other people |")
    print("|---|---|---|---|")
    for path in asked.models:
        model = Model.load(path)
        told, most = subject_recognised(embedded(model, taught, 0), taught.who, taught.clip)
        found = among_others(embedded(model, others, 0), embedded(model, others, 1), others)
        print(f"| {path} | {100 * told:.1f} | {100 * most:.1f} | {found:.4f} |", flush=True)


if __name__ == "__main__":
    main()
