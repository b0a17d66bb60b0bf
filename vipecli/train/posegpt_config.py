"""Configuration of the training of a predictor."""

from dataclasses import dataclass, field
from pathlib import Path

from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT
from vipecli.train.config import check_heads, load_config
from vipecli.train.motion_variation import Variation

DATA = ("mocap", "cmu-prediction", "cmu-prediction-angles")
KINDS = ("posegpt", "dctmlp")
"""Values of `kind` in a config that are trained here."""


@dataclass(frozen=True)
class Sizes:
    """Of `PoseGpt`; of `DctMlp` layers alone."""

    chunk: int = 5
    width: int = 256
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    noise: int = 0

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
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

    name: str = "posegpt"
    kind: str = "posegpt"
    data: str = "mocap"
    seed: int = 1
    steps: int = 4000
    batch: int = 128
    fps: float = 30.0
    seen: int = 30
    least: int = 2
    future: int = 30
    learning_rate: float = 1e-3
    warmup: int = 200
    weight_decay: float = 1e-2
    bfloat16: bool = False
    average: float = 0.999
    sampled: bool = True
    own_from: float = 0.1
    own_until: float = 0.5
    speed: tuple[float, float] = (0.85, 1.15)
    power: float = 0.5
    velocity: float = 1.0
    early: float = 0.0
    energy: float = 0.0
    input_noise: float = 0.0
    exclude: tuple[str, ...] = HELD_OUT
    validate: tuple[str, ...] = ()
    network: Sizes = field(default_factory=Sizes)
    augment: Variation = field(default_factory=Variation)


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces its own.

    Raises
    ------
    FormatError
        if it is none, or its settings contradict each other.
    """
    config = load_config(path, steps=steps, kind=Config, network=Sizes, augment=Variation)
    chunk = config.network.chunk
    if config.data not in DATA:
        raise FormatError(f"{path}: data is {config.data!r}; use {', '.join(DATA)}")
    if config.kind == "posegpt" and (config.seen % chunk or config.future % chunk):
        raise FormatError(f"{path}: seen and future want to be multiples of chunk = {chunk}")
    if config.kind == "posegpt" and not 0 < config.least <= config.seen // chunk:
        raise FormatError(f"{path}: least wants to be 1 to seen / chunk = {config.seen // chunk}")
    if config.energy and not config.network.noise:
        raise FormatError(f"{path}: energy wants network.noise above 0")
    return config
