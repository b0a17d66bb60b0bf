"""Configuration of a training run, from a TOML file."""

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from vipecli.embedding.window import Window
from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT
from vipecli.files import read_toml
from vipecli.train.augment import Augmentation

_COUNTS = {
    "steps",
    "frames",
    "seen",
    "future",
    "width",
    "pose_width",
    "layers",
    "heads",
    "chunk",
    "dims",
    "candidates",
    "distractors",
}
"""Whole numbers of which there is at least one; of clips in a batch at least two."""

_POSITIVE = {"learning_rate", "fps", "temperature", "step_s", "start_a", "start_std"}
"""Numbers above 0."""

_SIGNED = {"start_b"}
"""Numbers that may be negative."""


@dataclass(frozen=True)
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

    dims: int = 16
    width: int = 1024
    blocks: int = 2
    dropout: float = 0.3
    use_visibility: bool = True
    lift: bool = False
    vertical: float = 0.0
    frames: int = 1
    step_s: float = 1 / 15
    start_a: float = 0.478
    start_b: float = -0.5
    start_std: float = 1.0

    def __post_init__(self) -> None:
        """Check the window.

        Raises
        ------
        ValueError
            if there is none of that size.
        """
        Window(self.frames, self.step_s)


@dataclass(frozen=True)
class Config:
    """Settings of a training run. The defaults are the paper's (section 3.6), but for steps."""

    name: str = "prvipe"
    kind: Literal["prvipe", "vipe", "l2vipe", "lifting"] = "prvipe"  # the last three are baselines
    seed: int = 0
    steps: int = 20_000
    batch: int = 256
    optimizer: Literal["adamw", "adagrad"] = "adamw"
    learning_rate: float = 1e-3
    warmup: int = 500
    schedule: Literal["cosine", "constant", "decay"] = "cosine"  # decay: constant, then down to 0
    decay_from: int = 0  # step from which it goes down
    restarts: tuple[int, ...] = ()  # steps at which the cosine restarts, `restart_rate` as high
    restart_rate: float = 0.6
    average_cycles: bool = False  # the result is the mean of the weights at the end of each cosine
    blend: float = 1.0  # the result lies so far on the way from the weights given to those learnt
    weight_decay: float = 1e-4
    half: bool = False  # the wide layers in bfloat16: three times as fast where the CPU has it
    average: float = 0.9995  # exponential average of the weights
    match: Literal["moments", "sampled"] = "moments"  # sampled: K = 20
    ratio: float = 1.0
    positive: float = 0.005
    prior: float = 0.001
    lift: float = 0.0
    metric: float = 0.0  # embedding distance regressed on NP-MPJPE
    vertical: float = 0.0  # likelihood of the world's vertical in the body's canonical frame
    frozen: bool = False  # only the head of the vertical learns
    upright: float = 0.0  # metric terms with the vertical, beside those without
    calibration: float = 0.0  # cross-entropy of the matching probability on mined pairs
    detected: float = 0.0  # share of each batch whose anchors a real detector found in film
    detected_from: int = 0  # step from which they are taken
    still: float = 0.3  # of windows of several frames: share in which one pose is held
    speed: tuple[float, float] = (0.8, 4 / 3)  # at which their motion is played, log-uniform
    candidates: int = 8
    pool: int = 0  # positives of the batches before, among which negatives are looked for, too
    identity: float = 0.0  # factor of the turned gradient of a classifier of people; 0 = none
    rarity: float = 0.0
    source_weights: dict[str, float] = field(default_factory=dict)  # by first part of clip name
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


def load_config(
    path: Path,
    *,
    steps: int | None = None,
    kind: type = Config,
    network: type = Network,
    augment: type = Augmentation,
) -> Config:
    """Config from a TOML file; unknown names are errors, missing ones keep their default.

    `steps` replaces the file's; `kind`, `network` and `augment` are the dataclasses to fill.

    Raises
    ------
    FormatError
        if the file is no TOML or names something that does not exist.
    """
    try:
        values = read_toml(path)
        parts = {"network": network, "augment": augment}
        for name in parts.keys() & {f.name for f in dataclasses.fields(kind)}:
            values[name] = _filled(parts[name], values.get(name, {}))
        config = _filled(kind, values)
    except (TypeError, ValueError, AttributeError) as exc:
        raise FormatError(f"{path}: not a valid training config ({exc})") from exc
    return dataclasses.replace(config, steps=steps) if steps else config


def _filled(kind: type, values: object) -> Any:
    """Return a dataclass with values from a TOML table, its lists as tuples."""
    if not isinstance(values, dict):
        raise TypeError(f"{values!r} stands where a table is wanted")
    hints = get_type_hints(kind)
    for name, value in values.items():
        if name not in hints:
            raise TypeError(f"it has no setting {name!r}")
        if not (_fits(value, hints[name]) and _in_range(name, value)):
            raise TypeError(f"{name} wants {_wanted(name, hints[name])}, not {value!r}")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from TOML can be a setting of this type; pairs are ranges above 0."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return value in parts
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(one, parts[1]) and one >= 0 for one in value.values()
        )
    if origin is tuple:
        if not (isinstance(value, list) and all(_fits(one, parts[0]) for one in value)):
            return False
        return parts[-1] is ... or (len(value) == 2 and 0 < value[0] <= value[1])
    if isinstance(value, bool) or hint is bool:
        return isinstance(value, bool) and hint is bool
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, hint)


def _in_range(name: str, value: Any) -> bool:
    """Whether a setting of this name can have a value that fits its type."""
    if name == "name":
        return Path(value).name == value and bool(value.strip(". "))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return True
    if name == "dropout":
        return 0 <= value < 1
    if isinstance(value, int) and name in _COUNTS | {"batch"}:
        return value >= 1 + (name == "batch")
    return name in _SIGNED or value > 0 or (value == 0 and name not in _POSITIVE)


def _wanted(name: str, hint: Any) -> str:
    """Return what `_fits` and `_in_range` want, in words."""
    if name == "name":
        return "a name for files"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    if get_origin(hint) is tuple:
        return "a list" if get_args(hint)[-1] is ... else "two numbers above 0, the smaller first"
    if hint is int:
        least = 2 if name == "batch" else int(name in _COUNTS)
        return f"a whole number of {least} or more"
    if hint is float:
        bound = " above 0" if name in _POSITIVE else " of 0 or more"
        return "a number" + ("" if name in _SIGNED else bound) + ", below 1" * (name == "dropout")
    return {bool: "true or false", str: "a text"}.get(hint, "a table")
