"""Configuration of the training of a predictor."""

from dataclasses import field
from pathlib import Path
from typing import Literal

import pydantic
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from vipecli.evaluate.views import HELD_OUT
from vipecli.train.config import check_heads, load_config
from vipecli.train.motion_variation import Variation
from vipecli.train.setting_types import CHECKED, Batch, Dropout, FileName, Range, Share

KINDS = ("posegpt", "dctmlp")
"""Values of `kind` in a config that are trained here."""


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Sizes:
    """Of `PoseGpt`; of `DctMlp` layers alone."""

    chunk: PositiveInt = 5
    width: PositiveInt = 256
    layers: PositiveInt = 2
    heads: PositiveInt = 4
    dropout: Dropout = 0.1
    noise: NonNegativeInt = 0

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        check_heads(self.width, self.heads)


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Config:
    """Settings of a training.

    Attributes
    ----------
    kind
        ``posegpt``; or ``dctmlp``, an MLP over DCT coefficients.
    data
        ``cmu-prediction``: a folder with the benchmark's files, 25 joints, root held;
        ``cmu-prediction-angles``: their exponential maps, root left out. ``mocap``: any mocap,
        13 joints, and the translation of the body.
    fps, seen, future
        frames per second, frames that are known (at most), frames to predict.
    least
        fewest tokens that are known; the number is drawn up to `seen`.
    bfloat16
        products of matrices with 8 bits of mantissa: twice as fast where the processor can.
    own_from, own_until
        scheduled sampling: shares of the steps between which the probability that the model goes on
        from its own prediction rises from 0 to 1. Both 0: always from its own.
    sampled
        False: no scheduled sampling, every token follows the truth.
    speed
        range of factors of the playing speed.
    power
        see `MotionClips.weights`.
    velocity
        weight of the error of the steps from frame to frame.
    early
        frame n ahead weighs n ** -early: near ones, whose errors are small, count for as much.
    energy
        weight of the energy score of drawn futures; wants `network.noise`.
    input_noise
        greatest error of seen joints, torso units; ``mocap`` alone.
    exclude, validate
        patterns of clip names: those that are not used, and those of the running score.
    augment
        of ``cmu-prediction`` alone.
    """

    name: FileName = "posegpt"
    kind: str = "posegpt"
    data: Literal["mocap", "cmu-prediction", "cmu-prediction-angles"] = "mocap"
    seed: NonNegativeInt = 1
    steps: PositiveInt = 4000
    batch: Batch = 128
    fps: PositiveFloat = 30.0
    seen: PositiveInt = 30
    least: PositiveInt = 2
    future: PositiveInt = 30
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 200
    weight_decay: NonNegativeFloat = 1e-2
    bfloat16: bool = False
    average: Share = 0.999
    sampled: bool = True
    own_from: Share = 0.1
    own_until: Share = 0.5
    speed: Range = (0.85, 1.15)
    power: NonNegativeFloat = 0.5
    velocity: NonNegativeFloat = 1.0
    early: NonNegativeFloat = 0.0
    energy: NonNegativeFloat = 0.0
    input_noise: NonNegativeFloat = 0.0
    exclude: tuple[str, ...] = HELD_OUT
    validate: tuple[str, ...] = ()
    network: Sizes = field(default_factory=Sizes)
    augment: Variation = field(default_factory=Variation)

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        chunk = self.network.chunk
        if self.kind == "posegpt" and (self.seen % chunk or self.future % chunk):
            raise ValueError(f"seen and future want to be multiples of chunk = {chunk}")
        if self.kind == "posegpt" and self.least > self.seen // chunk:
            raise ValueError(f"least wants to be 1 to seen / chunk = {self.seen // chunk}")
        if self.energy and not self.network.noise:
            raise ValueError("energy wants network.noise above 0")


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces its own.

    Raises
    ------
    FormatError
        if it is none, or its settings contradict each other.
    """
    return load_config(path, steps=steps, kind=Config)
