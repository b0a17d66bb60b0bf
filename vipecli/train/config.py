"""Configuration of a training run, from a TOML file."""

import dataclasses
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from vipecli.embedding.window import Window
from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT
from vipecli.files import read_toml
from vipecli.train.augment import Augmentation
from vipecli.train.setting_types import CHECKED, Batch, Dropout, FileName, Range, Share


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Network:
    """Size of `PrVipe`, and where its training starts.

    Attributes
    ----------
    dims
        D of the embedding.
    width, blocks, dropout
        of the backbone.
    use_visibility
        take each joint's visibility as input beside its coordinates.
    lift
        add a decoder from the mean to the canonical 3D pose (training only).
    vertical
        length of a vertical vector in the embedding: D + 3 numbers come out, the last three of them
        the world's vertical in the body's canonical frame times this; 0 = none.
    frames, step_s
        of a window that is embedded as a whole, an odd number, and the time between two of them in
        seconds; 1 = single frames.
    start_a, start_b, start_std
        of the matching probability and of the std before training; the defaults are the paper's.
    """

    dims: PositiveInt = 16
    width: PositiveInt = 1024
    blocks: NonNegativeInt = 2
    dropout: Dropout = 0.3
    use_visibility: bool = True
    lift: bool = False
    vertical: NonNegativeFloat = 0.0
    frames: PositiveInt = 1
    step_s: PositiveFloat = 1 / 15
    start_a: PositiveFloat = 0.478
    start_b: float = -0.5
    start_std: PositiveFloat = 1.0

    def __post_init__(self) -> None:
        """Check the window.

        Raises
        ------
        ValueError
            if there is none of that size.
        """
        Window(self.frames, self.step_s)


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Config:
    """Settings of a training run. The defaults are the paper's (section 3.6), but for steps."""

    name: FileName = "prvipe"
    kind: Literal["prvipe", "vipe", "l2vipe", "lifting"] = "prvipe"  # the last three are baselines
    seed: NonNegativeInt = 0
    steps: PositiveInt = 20_000
    batch: Batch = 256
    optimizer: Literal["adamw", "adagrad"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 500
    schedule: Literal["cosine", "constant", "decay"] = "cosine"  # decay: constant, then down to 0
    decay_from: NonNegativeInt = 0  # step from which it goes down
    restarts: tuple[PositiveInt, ...] = ()  # steps: the cosine restarts, `restart_rate` as high
    restart_rate: Share = 0.6
    average_cycles: bool = False  # the result is the mean of the weights at the end of each cosine
    blend: Share = 1.0  # the result lies so far on the way from the weights given to those learnt
    weight_decay: NonNegativeFloat = 1e-4
    half: bool = False  # the wide layers in bfloat16: three times as fast where the CPU has it
    average: Share = 0.9995  # exponential average of the weights
    match: Literal["moments", "sampled"] = "moments"  # sampled: K = 20
    ratio: NonNegativeFloat = 1.0
    positive: NonNegativeFloat = 0.005
    prior: NonNegativeFloat = 0.001
    lift: NonNegativeFloat = 0.0
    metric: NonNegativeFloat = 0.0  # embedding distance regressed on NP-MPJPE
    vertical: NonNegativeFloat = 0.0  # likelihood of the world's vertical, canonical frame
    frozen: bool = False  # only the head of the vertical learns
    upright: NonNegativeFloat = 0.0  # metric terms with the vertical, beside those without
    calibration: NonNegativeFloat = 0.0  # cross-entropy of the matching probability on mined pairs
    detected: Share = 0.0  # share of each batch whose anchors a real detector found in film
    detected_from: NonNegativeInt = 0  # step from which they are taken
    still: Share = 0.3  # of windows of several frames: share in which one pose is held
    speed: Range = (0.8, 4 / 3)  # at which their motion is played, log-uniform
    candidates: PositiveInt = 8
    pool: NonNegativeInt = 0  # positives of the batches before: more candidates for negatives
    identity: NonNegativeFloat = 0.0  # factor of the turned gradient of a classifier of people
    rarity: NonNegativeFloat = 0.0
    source_weights: dict[str, NonNegativeFloat] = field(default_factory=dict)  # by source
    exclude: tuple[str, ...] = HELD_OUT
    network: Network = field(default_factory=Network)
    augment: Augmentation = field(default_factory=Augmentation)


def kind_of(path: Path) -> str:
    """The `kind` that a TOML file names, ``prvipe`` where it names none or cannot be read."""
    try:
        return str(read_toml(path).get("kind", "prvipe"))
    except FormatError:
        return "prvipe"


def check_heads(width: int, heads: int) -> None:
    """Refuse a width that the heads of self-attention cannot share out, with a ValueError."""
    if width % heads:
        raise ValueError(f"width = {width} is no multiple of heads = {heads}")


def load_config(path: Path, *, steps: int | None = None, kind: type = Config) -> Any:
    """Config from a TOML file; unknown names are errors, missing ones keep their default.

    `steps` replaces the file's; `kind` is the dataclass of settings to fill.

    Raises
    ------
    FormatError
        if the file is no TOML, names something that does not exist, or a setting cannot be so.
    """
    try:
        config = pydantic.TypeAdapter(kind).validate_python(read_toml(path))
    except pydantic.ValidationError as exc:
        raise FormatError(f"{path}: {_first(exc)}") from exc
    return dataclasses.replace(config, steps=steps) if steps else config


def _first(error: pydantic.ValidationError) -> str:
    """Return the first of the errors in a config, in a line."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "unexpected_keyword_argument":
        return f"there is no setting {name!r}"
    words = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    if words.startswith("should"):
        return f"{name} {words}, not {first['input']!r}"
    return f"{name}: {words}" if name else words
