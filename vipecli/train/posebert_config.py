"""What fixes a training of PoseBERT."""

from dataclasses import dataclass, field
from pathlib import Path

from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT
from vipecli.train.config import check_heads, load_config
from vipecli.train.posebert_film import Filming

KIND = "posebert"
NEGATIVES = ("random", "pose", "cosine")
LEAST_FRAMES = 16
"""Of a window: what is hidden in it leaves something seen."""


@dataclass(frozen=True)
class Sizes:
    """Arguments of `PoseBert`."""

    width: int = 192
    layers: int = 4
    heads: int = 6
    dropout: float = 0.05
    chunk: int = 4

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        check_heads(self.width, self.heads)


@dataclass(frozen=True)
class Config:
    """All that fixes a training.

    Attributes
    ----------
    pretrain_steps, steps
        of the contrastive task, which sees 2D alone, and of the tasks after it.
    frames
        of a window; a multiple of the frames of a token.
    decay
        share of the steps, the last ones, in which the learning rate falls in a straight line to 0.
    bfloat16
        as in `posegpt_config.Config`.
    negatives
        distractors of the contrastive task: ``random``; ``pose``, those nearest in 3D that are
        another pose; ``cosine``, those with the most similar latent.
    distractors
        how many.
    quantised
        the true latent is a choice from two code books (product quantiser) instead.
    other_view
        the true latent is that of the same moment from another camera.
    labels
        share of the clips whose 3D is used after the contrastive task.
    embedded
        share of the windows whose frames enter with their single-frame embedding, too.
    filmed
        share of the windows that are what a real detector found (``--detected``).
    own
        share of the windows that are of clips without labels, where such are given: their joints
        are hidden and found again, no 3D is learnt of them.
    seen
        weight of the error of seen joints; that of hidden ones is 1.
    pose, embedding
        weights of the 3D pose and of the embedding.
    """

    name: str = "posebert"
    kind: str = KIND
    seed: int = 1
    pretrain_steps: int = 0
    steps: int = 8000
    batch: int = 32
    frames: int = 48
    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.3
    weight_decay: float = 0.02
    bfloat16: bool = True
    average: float = 0.998
    negatives: str = "random"
    distractors: int = 64
    temperature: float = 0.1
    quantised: bool = False
    other_view: bool = False
    labels: float = 1.0
    embedded: float = 0.5
    filmed: float = 0.0
    own: float = 0.25
    seen: float = 0.25
    pose: float = 0.5
    embedding: float = 0.5
    power: float = 0.5
    exclude: tuple[str, ...] = HELD_OUT
    network: Sizes = field(default_factory=Sizes)
    augment: Filming = field(default_factory=Filming)


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces those after the contrastive task.

    Raises
    ------
    FormatError
        if it is none.
    """
    config = load_config(path, steps=steps, kind=Config, network=Sizes, augment=Filming)
    if config.negatives not in NEGATIVES:
        raise FormatError(f"{path}: negatives is {config.negatives!r}; use {', '.join(NEGATIVES)}")
    if config.frames < LEAST_FRAMES:
        raise FormatError(f"{path}: frames has to be {LEAST_FRAMES} or more")
    if config.frames % config.network.chunk:
        raise FormatError(f"{path}: frames has to be a multiple of chunk, {config.network.chunk}")
    return config
