"""Checkpoints of a training run: one file, written whole, that only its own config reads."""

from pathlib import Path
from typing import Any

import torch

from vipecli.errors import FormatError
from vipecli.files import replacing


def save(state: dict[str, Any], path: Path) -> None:
    """Write the state of a run, its config as ``config`` among it, whole or not at all."""
    with replacing(path) as partial:
        torch.save(state, partial)


def read(path: Path, *, device: str = "cpu") -> dict[str, Any]:
    """State of a run of any config.

    Raises
    ------
    FormatError
        if the checkpoint cannot be read.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as exc:
        raise FormatError(
            f"{path}: not a checkpoint of `vipe train`, or damaged; delete it, or give another"
        ) from exc


def load(path: Path, config: object, *, device: str = "cpu") -> dict[str, Any]:
    """State of a run of this config.

    Raises
    ------
    FormatError
        if the checkpoint is of another config or damaged.
    """
    state = read(path, device=device)
    if state["config"] != repr(config):
        raise FormatError(f"{path}: belongs to another config; choose another --out folder")
    return state
