"""What fixes a training of PoseBERT."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from vipecli.evaluate.views import HELD_OUT
from vipecli.train.config import check_heads, load_config
from vipecli.train.posebert_film import Filming
from vipecli.train.setting_types import CHECKED, Batch, Dropout, FileName, Share

KIND = "posebert"


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
class Sizes:
    """Arguments of `PoseBert`."""

    width: PositiveInt = 192
    layers: PositiveInt = 4
    heads: PositiveInt = 6
    dropout: Dropout = 0.05
    chunk: PositiveInt = 4

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        check_heads(self.width, self.heads)


@pydantic.dataclasses.dataclass(frozen=True, config=CHECKED)
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

    name: FileName = "posebert"
    kind: str = KIND
    seed: NonNegativeInt = 1
    pretrain_steps: NonNegativeInt = 0
    steps: PositiveInt = 8000
    batch: Batch = 32
    frames: Annotated[int, Field(ge=16)] = 48  # what is hidden leaves something seen
    learning_rate: PositiveFloat = 1e-3
    warmup: NonNegativeInt = 200
    decay: Share = 0.3
    weight_decay: NonNegativeFloat = 0.02
    bfloat16: bool = True
    average: Share = 0.998
    negatives: Literal["random", "pose", "cosine"] = "random"
    distractors: PositiveInt = 64
    temperature: PositiveFloat = 0.1
    quantised: bool = False
    other_view: bool = False
    labels: Share = 1.0
    embedded: Share = 0.5
    filmed: Share = 0.0
    own: Share = 0.25
    seen: NonNegativeFloat = 0.25
    pose: NonNegativeFloat = 0.5
    embedding: NonNegativeFloat = 0.5
    power: NonNegativeFloat = 0.5
    exclude: tuple[str, ...] = HELD_OUT
    network: Sizes = field(default_factory=Sizes)
    augment: Filming = field(default_factory=Filming)

    def __post_init__(self) -> None:
        """Check the sizes; ValueError if they contradict each other."""
        if self.frames % self.network.chunk:
            raise ValueError(f"frames has to be a multiple of chunk, {self.network.chunk}")


def read_config(path: Path, *, steps: int | None = None) -> Config:
    """Config from a TOML file; `steps` replaces those after the contrastive task.

    Raises
    ------
    FormatError
        if it is none, or its settings contradict each other.
    """
    return load_config(path, steps=steps, kind=Config)
