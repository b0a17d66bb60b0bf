"""The trained network as one ONNX file with its metadata, checked against torch."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

from vipecli.errors import WeightsError
from vipecli.poses import skeleton as sk
from vipecli.train.model import PrVipe

FORMAT = 1
_LARGE = 256  # numbers in a tensor that is worth it
TOLERANCE = 1e-5  # largest difference between ONNX and torch, relative to the largest output


def export(
    net: PrVipe,
    path: Path,
    *,
    name: str,
    trained_on: str,
    settings: dict | None = None,
    sigmoids: list[tuple[float, float]] | None = None,
) -> float:
    """Write the network in inference mode, atomically.

    Parameters
    ----------
    net
        dropout and batch statistics are frozen; the lifting head stays behind.
    path
        the ``.onnx`` file.
    name, trained_on, settings
        go into the file's metadata, beside joint order, a, b and the version.
    sigmoids
        from `calibrate.calibrate`; None = the network's own a and b.

    Returns
    -------
    Largest relative difference to torch on random input, at most `TOLERANCE`.

    Raises
    ------
    WeightsError
        if the written file does not give what torch gives.
    """
    own, *free = sigmoids or [(float(net.a.detach()), float(net.b.detach()))]
    metadata = {
        "name": name,
        "kind": net.kind,
        "sigmoid": own,
        "dims": net.mean.out_features + 3 * bool(net.vertical),
        "uses_visibility": net.use_visibility,
        "trained_on": trained_on,
        "settings": settings or {},
    }
    if net.window:
        metadata["window"] = asdict(net.window)
    if free:
        metadata["without_vertical"] = {"dims": net.mean.out_features, "sigmoid": free[0]}
    return write(net, path, views(within=len(net.order)), ("mean", "std"), metadata)


def write(
    net: nn.Module,
    path: Path,
    feed: dict[str, np.ndarray],
    outputs: tuple[str, ...],
    metadata: dict,
    *,
    tolerance: float = TOLERANCE,
    half: bool = False,
) -> float:
    """Write any network in inference mode, atomically, and check it.

    Parameters
    ----------
    feed
        inputs by name, frames first; the network takes them in this order.
    outputs
        names of what it gives.
    metadata
        beside format and joint order.
    tolerance
        largest relative difference to torch that is let pass.
    half
        store large tensors as float16, which halves the file; what is computed stays float32.

    Returns
    -------
    Largest relative difference to torch on `feed`, at most `tolerance`.

    Raises
    ------
    WeightsError
        if the written file does not give what torch gives.
    """
    net = net.eval().cpu()
    partial = path.with_name(path.name + ".part.onnx")
    frames = torch.export.Dim("frames", min=1)
    torch.onnx.export(
        net,
        tuple(torch.from_numpy(values[:3]) for values in feed.values()),
        partial,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=list(feed),
        output_names=list(outputs),
        dynamic_shapes=tuple({0: frames} for _ in feed),
    )
    model = onnx.load(partial)
    del model.metadata_props[:]
    for key, value in ({"format": FORMAT, "joints": list(sk.JOINTS)} | metadata).items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=key, value=text)
    for node in model.graph.node:
        del node.metadata_props[:]  # source paths of the exporting machine
        node.doc_string = ""
    if half:
        _store_half(model.graph)
    onnx.save(model, partial)
    difference = parity(net, partial, feed, outputs)
    if difference > tolerance:
        partial.unlink()
        raise WeightsError(f"{path}: ONNX differs from torch by {difference:.1e}; not written")
    os.replace(partial, path)
    return difference


def _store_half(graph: onnx.GraphProto) -> None:
    """Turn large float32 tensors into float16 ones that are cast back when the file is loaded."""
    for tensor in list(graph.initializer):
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        name = f"{tensor.name}_half"
        graph.initializer.remove(tensor)
        graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float16), name))
        cast = onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, cast)


def views(*, frames: int = 64, within: int = 1, seed: int = 0) -> dict[str, np.ndarray]:
    """Random joints and visibility, as a network that takes pictures' joints takes them.

    `within`: frames of a window.
    """
    rng = np.random.default_rng(seed)
    shape = (frames, 13) if within == 1 else (frames, within, 13)
    joints = rng.normal(size=(*shape, 2)).astype(np.float32) * 100
    visibility = rng.random(shape).astype(np.float32) * (rng.random(shape) > 0.2)
    visibility[0] = 0  # nobody there: must still be finite
    return {"joints": joints, "visibility": visibility.astype(np.float32)}


def parity(
    net: nn.Module, path: Path, feed: dict[str, np.ndarray], outputs: tuple[str, ...]
) -> float:
    """Largest difference between the file and torch, relative to the range of each output."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(list(outputs), feed)
    with torch.no_grad():
        ref = net.eval()(*(torch.from_numpy(values) for values in feed.values()))
    ref = ref if isinstance(ref, tuple) else (ref,)
    return max(
        float(np.abs(g - r.numpy()).max() / np.abs(r.numpy()).max())
        for g, r in zip(got, ref, strict=True)
    )
