"""The trained network as one ONNX file with its metadata, checked against torch."""

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from vipecli import skeleton as sk
from vipecli.errors import WeightsError
from vipecli.train.model import PrVipe

FORMAT = 1
TOLERANCE = 1e-5  # largest difference between ONNX and torch, relative to the largest output


def export(
    net: PrVipe, path: Path, *, name: str, trained_on: str, settings: dict | None = None
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

    Returns
    -------
    Largest relative difference to torch on random input, at most `TOLERANCE`.

    Raises
    ------
    WeightsError
        if the written file does not give what torch gives.
    """
    net = net.eval().cpu()
    example = (torch.randn(3, 13, 2), torch.ones(3, 13))
    partial = path.with_name(path.name + ".part.onnx")
    frames = torch.export.Dim("frames", min=1)
    torch.onnx.export(
        net,
        example,
        partial,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=["joints", "visibility"],
        output_names=["mean", "std"],
        dynamic_shapes={"joints": {0: frames}, "visibility": {0: frames}},
    )
    model = onnx.load(partial)
    del model.metadata_props[:]
    metadata = {
        "format": FORMAT,
        "name": name,
        "kind": net.kind,
        "joints": list(sk.JOINTS),
        "sigmoid": [float(net.a.detach()), float(net.b.detach())],
        "dims": net.mean.out_features,
        "uses_visibility": net.use_visibility,
        "trained_on": trained_on,
        "settings": settings or {},
    }
    for key, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value)
        model.metadata_props.add(key=key, value=text)
    for node in model.graph.node:
        del node.metadata_props[:]  # source paths of the exporting machine
        node.doc_string = ""
    onnx.save(model, partial)
    difference = parity(net, partial)
    if difference > TOLERANCE:
        partial.unlink()
        raise WeightsError(f"{path}: ONNX differs from torch by {difference:.1e}; not written")
    os.replace(partial, path)
    return difference


def parity(net: PrVipe, path: Path, *, frames: int = 64, seed: int = 0) -> float:
    """Largest difference between the file and torch over random poses, relative to the range."""
    rng = np.random.default_rng(seed)
    joints = rng.normal(size=(frames, 13, 2)).astype(np.float32) * 100
    visibility = rng.random((frames, 13)).astype(np.float32) * (rng.random((frames, 13)) > 0.2)
    visibility[0] = 0  # nobody there: must still be finite
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    got = session.run(
        ["mean", "std"], {"joints": joints, "visibility": visibility.astype(np.float32)}
    )
    with torch.no_grad():
        ref = net.eval()(torch.from_numpy(joints), torch.from_numpy(visibility.astype(np.float32)))
    return max(
        float(np.abs(g - r.numpy()).max() / np.abs(r.numpy()).max())
        for g, r in zip(got, ref, strict=True)
    )
