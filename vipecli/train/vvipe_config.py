"""Configuration of the training of V-VIPE."""

from dataclasses import field
from pathlib import Path

import pydantic
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from vipecli.evaluate.views import HELD_OUT
from vipecli.train.augment import Augmentation
from vipecli.train.config import load_config
from vipecli.train.setting_types import CHECKED, Batch, Dropout, FileName, Share

KINDS = ("vvipe", "direct")
"""Values of `kind` in a config that are trained here."""


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Sizes:
    """Of the networks."""

    dims: PositiveInt = 32
    pose_width: PositiveInt = 256
    pose_blocks: NonNegativeInt = 1
    width: PositiveInt = 512
    blocks: NonNegativeInt = 2
    dropout: Dropout = 0.05


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
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

    name: FileName = "vvipe"
    kind: str = "vvipe"
    seed: NonNegativeInt = 1
    vae_steps: NonNegativeInt = 6000
    steps: PositiveInt = 12000
    batch: Batch = 512
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 300
    weight_decay: NonNegativeFloat = 1e-4
    average: Share = 0.999
    prior: NonNegativeFloat = 2e-4
    triplet: NonNegativeFloat = 0.05
    metric: NonNegativeFloat = 0.1
    latent: NonNegativeFloat = 0.02
    camera: NonNegativeFloat = 0.5
    realign: bool = True
    pretrain: bool = True
    filmed: NonNegativeInt = 0
    detected: Share = 0.0
    labels: Share = 1.0
    own: NonNegativeFloat = 0.0
    views: NonNegativeFloat = 0.0
    across: NonNegativeFloat = 0.0
    identity: NonNegativeFloat = 0.0
    rarity: NonNegativeFloat = 0.5
    source_weights: dict[str, NonNegativeFloat] = field(default_factory=dict)
    exclude: tuple[str, ...] = HELD_OUT
    network: Sizes = field(default_factory=Sizes)
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check what is supervised; ValueError if settings contradict each other."""
        few = self.labels < 1 or self.own or self.views or self.across or self.identity
        if few and (self.pretrain or not self.filmed):
            raise ValueError(
                "labels, own, views, across and identity want pretrain = false and filmed above 0"
            )
        if self.filmed and self.detected:
            raise ValueError("detected wants filmed = 0: film is of poses of its own")


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces those of the second stage.

    Raises
    ------
    FormatError
        if it is none, or its settings contradict each other.
    """
    return load_config(path, steps=steps, kind=Config)
