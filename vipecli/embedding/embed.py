"""View-invariant probabilistic embeddings of 2D poses (Sun et al., ECCV 2020)."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vipecli.errors import FormatError, WeightsError
from vipecli.poses import skeleton as sk
from vipecli.poses.poses import Poses

if TYPE_CHECKING:
    import onnxruntime

DEFAULT_WEIGHTS = "prvipe.onnx"
MODEL_FORMAT = 1
BATCH = 512  # frames per call of the network
MIN_JOINTS = 4  # with fewer known joints a frame counts as one without a person


@dataclass(frozen=True)
class Embeddings:
    """One Gaussian per frame, in the space of one model.

    Attributes
    ----------
    mean, std
        shape (T, D) float32: mean and standard deviation per dimension; a row of NaN where no
        person was found.
    times
        shape (T,) float64, presentation times in seconds.
    model
        name of the weights and the first 8 hex digits of their SHA-256, ``prvipe:0123abcd``.
    sigmoid
        the model's (a, b) of p(z1, z2) = 0.9 sigmoid(-a |z1 - z2| + b) + 0.05 (equation 5).
    """

    mean: np.ndarray
    std: np.ndarray
    times: np.ndarray
    model: str
    sigmoid: tuple[float, float]

    def __post_init__(self) -> None:
        """Check the shapes once.

        Raises
        ------
        FormatError
            if the shapes of mean, std and times disagree.
        """
        if self.mean.shape != self.std.shape or len(self.mean) != len(self.times):
            raise FormatError(
                f"embeddings: mean {self.mean.shape}, std {self.std.shape} and "
                f"{len(self.times)} times do not belong together"
            )

    def __len__(self) -> int:
        """Return the number of frames, T."""
        return len(self.times)

    def part(self, frames: slice | np.ndarray) -> "Embeddings":
        """Some of the frames, in order: a slice, or a mask or indices (T,)."""
        return replace(self, mean=self.mean[frames], std=self.std[frames], times=self.times[frames])


@dataclass(frozen=True)
class Model:
    """A network that embeds poses, from one ONNX file.

    Attributes
    ----------
    id
        name and short checksum, as in `Embeddings.model`.
    sigmoid
        (a, b) of the matching probability.
    dims
        D.
    trained_on
        the data, in words.
    session
        the onnxruntime session.
    """

    id: str
    sigmoid: tuple[float, float]
    dims: int
    trained_on: str
    session: "onnxruntime.InferenceSession"

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> "Model":
        """Read a model file.

        Parameters
        ----------
        path
            an ``.onnx`` file written by `vipe train`; None = the model that comes with vipe.
        threads
            the network is small: one thread is fastest for a clip at a time.

        Raises
        ------
        WeightsError
            if the file is missing, is no ONNX model, or was made for other joints.
        """
        path = Path(path) if path else default_weights()
        data, session = open_network(path, threads=threads)
        meta = session.get_modelmeta().custom_metadata_map
        try:
            version, joints = json.loads(meta["format"]), tuple(json.loads(meta["joints"]))
            a, b = json.loads(meta["sigmoid"])
            name, dims, trained_on = meta["name"], json.loads(meta["dims"]), meta["trained_on"]
        except (KeyError, ValueError) as exc:
            raise WeightsError(f"{path}: not a model written by `vipe train`") from exc
        if version != MODEL_FORMAT or joints != sk.JOINTS:
            raise WeightsError(f"{path}: made for other joints or by another version of vipe")
        checksum = hashlib.sha256(data).hexdigest()[:8]
        return cls(f"{name}:{checksum}", (a, b), dims, trained_on, session)


def default_weights() -> Path:
    """Path of the model that comes with vipe: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "weights", package.parent / "weights"):
        if (folder / DEFAULT_WEIGHTS).is_file():
            return folder / DEFAULT_WEIGHTS
    raise WeightsError(f"{DEFAULT_WEIGHTS} is missing from the installation; install vipe again")


def open_network(path: Path, *, threads: int = 1) -> tuple[bytes, "onnxruntime.InferenceSession"]:
    """Content of an ONNX file, and a session that runs it.

    Raises
    ------
    WeightsError
        if the file is missing or is no ONNX model.
    """
    import onnxruntime

    try:
        data = path.read_bytes()
    except OSError as exc:
        raise WeightsError(f"{path}: cannot read the model ({exc.strerror})") from exc

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # onnxruntime raises its own classes, not all of them public
        raise WeightsError(f"{path}: not an ONNX model") from exc
    return data, session


def embed(poses: Poses, model: Model) -> Embeddings:
    """Embed every frame of a clip.

    Parameters
    ----------
    poses
        T frames; missing joints are NaN with score 0. The scores go to the network as the
        joints' visibility.
    model
        what to embed with. Normalisation (section 3.6) is part of the model file.

    Returns
    -------
    T rows; NaN where fewer than `MIN_JOINTS` joints are known.
    """
    known = poses.score > 0
    joints = np.where(known[..., None], poses.xy, 0).astype(np.float32)
    score = poses.score.astype(np.float32)
    parts = [
        model.session.run(
            ["mean", "std"],
            {"joints": joints[i : i + BATCH], "visibility": score[i : i + BATCH]},
        )
        for i in range(0, len(poses), BATCH)
    ]
    empty = np.zeros((0, model.dims), np.float32)
    mean, std = (
        (np.concatenate([empty, *column]) for column in zip(*parts, strict=True))
        if (parts)
        else (empty, empty.copy())
    )
    nobody = known.sum(1) < MIN_JOINTS
    mean[nobody] = std[nobody] = np.nan
    return Embeddings(mean, std, poses.times, model.id, model.sigmoid)
