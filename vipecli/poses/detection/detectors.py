"""Choice of the detector: MediaPipe's, or a pose model named by the user."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

from vipecli.errors import WeightsError
from vipecli.files import read_regular
from vipecli.onnx_file import MOST_BYTES
from vipecli.poses.detection.blazepose import BlazePose
from vipecli.poses.detection.model_file import model_path
from vipecli.poses.detection.onnxpose import OnnxPose

DEFAULT = "mediapipe"
_ONNX = "onnx:"


def open_detector(
    name: str = DEFAULT, *, model: str | Path | None = None, everyone: bool = False
) -> BlazePose | OnnxPose:
    """Return a detector that is ready to use, a context manager.

    Parameters
    ----------
    name
        ``mediapipe``, or ``onnx:FILE`` with a model that `onnxpose.OnnxPose` takes.
    model
        MediaPipe's pose landmarker bundle; None = see `model_file.model_path`.
    everyone
        as in `blazepose.BlazePose`.

    Raises
    ------
    WeightsError
        if there is no such detector, or a model cannot be read.
    """
    path = onnx_file(name)
    if path is None:
        return BlazePose(model_path(model), everyone=everyone)
    return OnnxPose(path, boxes=lambda: BlazePose(model_path(model)))


def identity(name: str = DEFAULT, *, model: str | Path | None = None) -> str:
    """Return the identity of a detector: its version and checksums of its models.

    Raises
    ------
    WeightsError
        as `open_detector`.
    """
    version = importlib.metadata.version("mediapipe")
    out = f"mediapipe-{version} {_checksum(model_path(model))}"
    path = onnx_file(name)
    return out if path is None else f"{out} onnx {_checksum(path)}"


def onnx_file(name: str) -> Path | None:
    """Return the file of ``onnx:FILE``; None for MediaPipe.

    Raises
    ------
    WeightsError
        if it is neither.
    """
    if name == DEFAULT:
        return None
    if not name.startswith(_ONNX) or len(name) == len(_ONNX):
        raise WeightsError(f"{name}: no such detector; use {DEFAULT} or {_ONNX}FILE")
    return Path(name[len(_ONNX) :])


def _checksum(path: Path) -> str:
    try:
        stat = path.stat()
        return _checksum_of(path, stat.st_size, stat.st_mtime_ns)
    except OSError as exc:
        raise WeightsError(f"{path}: cannot read the pose model ({exc.strerror or exc})") from exc


@functools.lru_cache(maxsize=16)
def _checksum_of(path: Path, size: int, changed_ns: int) -> str:
    return hashlib.sha256(read_regular(path, most=MOST_BYTES)).hexdigest()
