"""A model of several frames whose numbers say which frames it saw."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import JOINTS

FRAMES, STEP_S = 7, 1 / 15


def save(path: Path, *, frames: int = FRAMES, name: str = "prvipe-t", **facts: str | None) -> Path:
    """Write it: mean and std, D = F, are x and visibility of the first joint in each place.

    `facts` are other metadata; None leaves one out.
    """
    first = helper.make_node("Gather", ["visibility", "zero"], ["std"], axis=2)
    joint = helper.make_node("Gather", ["joints", "zero"], ["joint"], axis=2)
    x = helper.make_node("Gather", ["joint", "zero"], ["mean"], axis=2)
    number = TensorProto.FLOAT
    graph = helper.make_graph(
        [first, joint, x],
        "window",
        [
            helper.make_tensor_value_info("joints", number, ["T", frames, 13, 2]),
            helper.make_tensor_value_info("visibility", number, ["T", frames, 13]),
        ],
        [helper.make_tensor_value_info(one, number, ["T", frames]) for one in ("mean", "std")],
        [numpy_helper.from_array(np.array(0), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    known = {
        "format": "1",
        "joints": json.dumps(JOINTS),
        "sigmoid": "[5.0, 2.0]",
        "dims": str(frames),
        "name": name,
        "trained_on": "nothing",
        "window": json.dumps({"frames": frames, "step_s": STEP_S}),
    }
    for key, value in (known | facts).items():
        if value is not None:
            model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def numbered(times: np.ndarray, *, nobody: tuple[int, ...] = ()) -> Poses:
    """A clip whose every joint of frame i is at x = i + 1, with nobody in some frames."""
    xy = np.zeros((len(times), 13, 2), np.float32)
    xy[..., 0] = np.arange(1, len(times) + 1)[:, None]
    xy[..., 1] = np.arange(13)
    score = np.ones(xy.shape[:2], np.float32)
    xy[list(nobody)], score[list(nobody)] = np.nan, 0
    return Poses(xy, score, np.asarray(times, np.float64), (400, 300))
