"""Configuration of the training of V-VIPE."""

from dataclasses import dataclass, field
from pathlib import Path

from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT
from vipecli.train.augment import Augmentation
from vipecli.train.config import load_config

KINDS = ("vvipe", "direct")
"""Values of `kind` in a config that are trained here."""


@dataclass(frozen=True)
class Sizes:
    """Of the networks."""

    dims: int = 32
    pose_width: int = 256
    pose_blocks: int = 1
    width: int = 512
    blocks: int = 2
    dropout: float = 0.05


@dataclass(frozen=True)
class Config:
    """Settings of a training of V-VIPE, or of the baseline that lifts directly.

    Attributes
    ----------
    kind
        ``vvipe``; or ``direct``, the baseline: the same data, straight to joints in camera axes.
    realign, pretrain
        False for the paper's ablations: poses in the axes of the camera; no VAE, the decoder
        learnt with the map.
    vae_steps, steps
        of the two stages.
    filmed
        poses that are filmed once, by `limited.RIG` synchronised cameras each, as a real recording
        is; 0 = every pose is varied and projected at each use.
    detected
        share of the pictures of the second stage that are film as the real detector found it.
    labels, own, views, across
        limited supervision (Mitra et al.), of what is `filmed` and with ``pretrain = false``: the
        share of the poses whose 3D is used; and the weights of `limited.terms`, which see pictures
        of all poses and no 3D.
    identity
        the term of the same paper that keeps out of the latent who is moving: factor of the
        gradient that a classifier of people turns round; 0 = none.
    """

    name: str = "vvipe"
    kind: str = "vvipe"
    seed: int = 1
    vae_steps: int = 6000
    steps: int = 12000
    batch: int = 512
    learning_rate: float = 1e-3
    warmup: int = 300
    weight_decay: float = 1e-4
    average: float = 0.999
    prior: float = 2e-4
    triplet: float = 0.05
    metric: float = 0.1
    latent: float = 0.02
    camera: float = 0.5
    realign: bool = True
    pretrain: bool = True
    filmed: int = 0
    detected: float = 0.0
    labels: float = 1.0
    own: float = 0.0
    views: float = 0.0
    across: float = 0.0
    identity: float = 0.0
    rarity: float = 0.5
    source_weights: dict[str, float] = field(default_factory=dict)
    exclude: tuple[str, ...] = HELD_OUT
    network: Sizes = field(default_factory=Sizes)
    augment: Augmentation = field(default_factory=Augmentation)


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces those of the second stage.

    Raises
    ------
    FormatError
        if it is none, or its settings contradict each other.
    """
    config = load_config(path, steps=steps, kind=Config, network=Sizes)
    few = config.labels < 1 or config.own or config.views or config.across or config.identity
    if few and (config.pretrain or not config.filmed):
        raise FormatError(
            f"{path}: labels, own, views, across and identity want pretrain = false and filmed "
            "above 0"
        )
    if config.filmed and config.detected:
        raise FormatError(f"{path}: detected wants filmed = 0: film is of poses of its own")
    return config
