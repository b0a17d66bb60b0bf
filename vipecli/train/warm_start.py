"""The weights of an exported model as the start of a training run."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from vipecli.errors import WeightsError
from vipecli.train.model import PrVipe


def start_from(net: PrVipe, path: Path, views: tuple[Tensor, Tensor]) -> list[str]:
    """Copy what an exported model shares with a network; in place.

    A wider network takes the file's units for its first ones. Its other ones start at random, with
    no say in what the first ones and the heads make of them. An exported model holds each batch
    normalisation within the layer before it. Here it is set to undo what it does to `views`, so
    that the network starts as the function that the file is.

    Parameters
    ----------
    net
        as wide or wider, of as many blocks.
    path
        an ``.onnx`` file written by `vipe train`.
    views
        joints (B, 13, 2) and visibility (B, 13), many, as training will show them.

    Returns
    -------
    Names of the layers that the file does not hold: they start at random.

    Raises
    ------
    WeightsError
        if the file cannot be read, is wider or has fewer blocks.
    """
    try:
        stored = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    except Exception as exc:  # onnx raises protobuf's own errors
        raise WeightsError(f"{path}: not a model to start from ({exc})") from exc
    layers = {name: m for name, m in net.named_modules() if isinstance(m, nn.Linear)}
    fresh = [name for name, layer in layers.items() if not _copied(layer, stored, name)]
    if any(name.startswith("backbone") for name in fresh):
        raise WeightsError(f"{path}: wider than the config's network, or of fewer blocks")
    _undo_normalisation(net, views)
    return fresh


@torch.no_grad()
def _copied(layer: nn.Linear, stored: dict[str, np.ndarray], name: str) -> bool:
    """Whether weight and bias were there to copy, of this size or smaller."""
    weight, bias = (stored.get(f"{name}.{part}") for part in ("weight", "bias"))
    if weight is None or bias is None:
        return False
    rows, columns = weight.shape
    if rows > layer.out_features or columns > layer.in_features:
        return False
    layer.weight[:rows] = 0
    layer.weight[:rows, :columns] = torch.from_numpy(weight.copy())
    layer.bias[:rows] = torch.from_numpy(bias.copy())
    return True


@torch.no_grad()
def _undo_normalisation(net: PrVipe, views: tuple[Tensor, Tensor]) -> None:
    """Set scale and shift of every batch normalisation to the spread and mean of its input."""

    def before(norm: nn.BatchNorm1d, inputs: tuple[Tensor]) -> None:
        x = inputs[0]
        norm.running_mean.copy_(x.mean(0))
        norm.running_var.copy_(x.var(0))
        norm.bias.copy_(x.mean(0))
        norm.weight.copy_((x.var(0) + norm.eps).sqrt())

    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    hooks = [norm.register_forward_pre_hook(before) for norm in norms]
    net.eval()
    net.heads(*views)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def settle(net: PrVipe, views: tuple[Tensor, Tensor], *, batch: int = 1024) -> None:
    """Re-estimate the batch statistics of a network, which interpolated weights lack."""
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm1d)):
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    net.train()
    for part in zip(*(x.split(batch) for x in views), strict=True):
        net.heads(*part)
    net.eval()
