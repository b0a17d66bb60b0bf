"""A run that was killed, and goes on from its checkpoint."""

from collections.abc import Callable
from pathlib import Path

import torch


def goes_on_alike(trainer: Callable[[], object], folder: Path, *, first: int, then: int) -> None:
    """Assert that a run killed after `first` steps ends as one that goes through."""
    whole = trainer()
    for _ in range(first + then):
        whole.train_step()
    killed = trainer()
    for _ in range(first):
        killed.train_step()
    killed.save(folder / "half.pt")
    resumed = trainer()
    resumed.resume(folder / "half.pt")
    for _ in range(then):
        resumed.train_step()
    pairs = zip(_weights(whole), _weights(resumed), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def _weights(trainer: object) -> list[torch.Tensor]:
    return list(trainer.averaged.state_dict().values())
