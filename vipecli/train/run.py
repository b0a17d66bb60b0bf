"""What every training run does: steps, averaged weights, checkpoints, log."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

CHECKPOINT = "checkpoint.pt"


class Trainer(Protocol):
    """A run that `run` can train: `step` of `last` steps done, as `config` says."""

    step: int
    config: Any

    @property
    def last(self) -> int:
        """Step at which training ends."""
        ...

    def train_step(self) -> dict[str, float]:
        """Train on one batch; return the loss terms."""
        ...

    def figures(self) -> dict[str, float]:
        """Return what each line of the log shows besides the loss terms."""
        ...

    def score(self) -> dict[str, float]:
        """Return the running score on held-out poses."""
        ...

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        ...


def slow_here(config: object, device: str = "cpu") -> str | None:
    """Return the setting of a config that this processor has to imitate, some ten times slower.

    ``half`` and ``bfloat16`` pay from AVX-512 on.
    """
    if device != "cpu" or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "NO AVX"):
        return None
    return next((name for name in ("half", "bfloat16") if getattr(config, name, False)), None)


def run(
    trainer: Trainer,
    out: Path,
    *,
    report: Callable[[dict[str, float]], None] | None = None,
    every: int = 100,
    checkpoint_every: int = 1000,
    checkpoint_every_s: float = 180.0,
) -> None:
    """Train to the end.

    Parameters
    ----------
    out
        gets a checkpoint each `checkpoint_every` steps, and sooner where they take longer than
        `checkpoint_every_s` seconds; and a line in ``log.jsonl`` each `every` steps: step, seconds,
        mean loss terms, the trainer's figures and, each `checkpoint_every`, its running score.
    report
        called with each of these rows.
    """
    sums: dict[str, float] = {}
    started = saved = time.monotonic()
    while trainer.step < trainer.last:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value / every
        save = trainer.step % checkpoint_every == 0 or trainer.step == trainer.last
        if trainer.step % every == 0 or save:
            row = {"step": trainer.step, "seconds": round(time.monotonic() - started, 1), **sums}
            row |= trainer.figures()
            if save or time.monotonic() - saved > checkpoint_every_s:
                trainer.save(out / CHECKPOINT)
                saved = time.monotonic()
            if save:
                row |= trainer.score()
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            if report:
                report(row)
            sums = {}


def descend(
    optimizer: torch.optim.Optimizer,
    total: Tensor,
    parameters: Iterable[Tensor],
    *,
    rate: float,
    clip: float,
) -> None:
    """Take one step of the optimizer, with the norm of the gradient clipped."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("scale", 1.0)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    nn.utils.clip_grad_norm_(parameters, clip)
    optimizer.step()


def kept_share(most: float, age: int) -> float:
    """Return the share of averaged weights that a step keeps: smaller at first."""
    return min(most, (1 + age) / (10 + age))


def random_state(rng: np.random.Generator) -> dict[str, object]:
    """Return the state of torch's generator and of this one, for a checkpoint."""
    return {
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": json.dumps(rng.bit_generator.state),
    }


def restore_random_state(state: dict, rng: np.random.Generator) -> None:
    """Set torch's generator and this one from a checkpoint."""
    torch.set_rng_state(state["torch_rng"].cpu())
    rng.bit_generator.state = json.loads(state["numpy_rng"])
