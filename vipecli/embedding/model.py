"""Embedding models: weights in ONNX files, their identity, and the Gaussians they give."""

import json
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.window import Window
from vipecli.errors import FormatError, WeightsError
from vipecli.onnx_file import Network, open_network
from vipecli.poses import skeleton as sk

DEFAULT_WEIGHTS = "prvipe.onnx"
DEFAULT_NAME = "prvipe"
NAMES = {DEFAULT_NAME: DEFAULT_WEIGHTS, "prvipe-t": "prvipe_t.onnx"}
"""Files of the embedding models that come with vipe, by name."""

MODEL_FORMAT = 1
_MOST_DIMS = 4096  # of an embedding
_LONGEST_NAME = 100  # characters
PLAIN = "-plain"  # ends the name of embeddings without the vertical


@dataclass(frozen=True, repr=False)
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
        name of the weights and the first 8 hex digits of their SHA-256, ``prvipe:0123abcd``;
        without the vertical ``prvipe:0123abcd-plain``.
    sigmoid
        the model's (a, b) of p(z1, z2) = 0.9 sigmoid(-a |z1 - z2| + b) + 0.05 (equation 5).
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    times: NDArray[np.float64]
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

    def part(self, frames: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Embeddings":
        """Some of the frames, in order: a slice, or a mask or indices (T,)."""
        return replace(self, mean=self.mean[frames], std=self.std[frames], times=self.times[frames])

    def __repr__(self) -> str:
        """One line: frames, dimensions, time span and model."""
        span = f", {self.times[0]:.2f}-{self.times[-1]:.2f} s" if len(self) else ""
        return (
            f"Embeddings({len(self)} frames x {self.mean.shape[-1]} dimensions{span}, "
            f"model {self.model!r})"
        )


@dataclass(frozen=True, repr=False)
class Model:
    """A network that embeds poses, from one ONNX file.

    Attributes
    ----------
    id
        name and short checksum, as in `Embeddings.model`.
    sigmoid
        (a, b) of the matching probability.
    dims
        D: so many of the network's numbers are taken.
    trained_on
        the data, in words.
    session
        the network.
    plain
        D and (a, b) of the embedding without the world's vertical, its first D numbers; None where
        the model knows no vertical.
    window
        the frames that it sees at once; None = one.
    """

    id: str
    sigmoid: tuple[float, float]
    dims: int
    trained_on: str
    session: Network
    plain: tuple[int, tuple[float, float]] | None = None
    window: Window | None = None

    @classmethod
    def load(cls, path: Path | str | None = None, *, threads: int = 1) -> "Model":
        """Read a model file.

        Parameters
        ----------
        path
            an ``.onnx`` file written by `vipe train`, or a name, see `weights_file`; None = the
            model that comes with vipe.
        threads
            the network is small: one thread is fastest for a clip at a time.

        Raises
        ------
        WeightsError
            if the file is missing, is no ONNX model, or was made for other joints.
        """
        path = weights_file(path) if path else default_weights()
        network = open_network(path, threads=threads)
        meta = network.metadata
        try:
            version, joints = json.loads(meta["format"]), tuple(json.loads(meta["joints"]))
            sigmoid, dims = _sigmoid(json.loads(meta["sigmoid"])), _dims(json.loads(meta["dims"]))
            name, trained_on = checked_name(meta["name"]), meta["trained_on"]
            plain = json.loads(meta.get("without_vertical", "null"))
            plain = plain and (_dims(plain["dims"], dims), _sigmoid(plain["sigmoid"]))
            window = Window(**json.loads(meta["window"])) if "window" in meta else None
        except (KeyError, ValueError, TypeError, OverflowError, RecursionError) as exc:
            raise WeightsError(f"{path}: not a model written by `vipe train`") from exc
        if version != MODEL_FORMAT or joints != sk.JOINTS:
            raise WeightsError(f"{path}: made for other joints or by another version of vipe")
        feed = some_poses(2, window.frames) if window else some_poses(2)
        network.tried(feed, {"mean": (2, dims), "std": (2, dims)})
        id_ = f"{name}:{network.sha256[:8]}"
        return cls(id_, sigmoid, dims, trained_on, network, plain, window)

    @property
    def reach_s(self) -> float:
        """Seconds around a frame in which others take part in its embedding."""
        return self.window.reach_s if self.window else 0.0

    def without_vertical(self) -> "Model":
        """The paper's embedding: poses are the same however they are turned, lying or standing.

        For cameras that are rolled. The model itself where it knows no vertical.
        """
        if self.plain is None:
            return self
        dims, sigmoid = self.plain
        return replace(self, id=self.id + PLAIN, sigmoid=sigmoid, dims=dims, plain=None)

    def run(
        self, joints: NDArray[np.float32], visibility: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and std (T, D) of 2D poses (T, 13, 2) in pixels with visibilities (T, 13).

        Of a model with a window: of the middle frames of poses (T, F, 13, 2), in order of time,
        with visibilities (T, F, 13); `embed` gathers them.
        """
        feed = {"joints": joints, "visibility": visibility}
        mean, std = self.session.run(["mean", "std"], feed)
        return mean[:, : self.dims], std[:, : self.dims]

    def __repr__(self) -> str:
        """One line: identity, dimensions and training data."""
        seen = f", windows of {self.window.frames} frames" if self.window else ""
        return f"Model({self.id!r}, {self.dims} dimensions{seen}, trained on {self.trained_on})"


def some_poses(*shape: int) -> dict[str, NDArray[np.float32]]:
    """Inputs of a network that takes 2D poses (*shape, 13, 2), to try it with."""
    joints = np.random.default_rng(0).uniform(0, 100, (*shape, len(sk.JOINTS), 2))
    return {
        "joints": joints.astype(np.float32),
        "visibility": np.ones(joints.shape[:-1], np.float32),
    }


def checked_name(name: str) -> str:
    """Return the name of a model as read from a file; ValueError where it could not be shown."""
    if not (name.isprintable() and 0 < len(name) <= _LONGEST_NAME):
        raise ValueError("its name cannot be shown")
    return name


def _sigmoid(value: object) -> tuple[float, float]:
    """Return (a, b) as read from a file; ValueError where it is no pair of numbers with a > 0."""
    numbers = cast("list[object]", value) if isinstance(value, list) else []
    if [type(x) in (int, float) for x in numbers] != [True, True]:
        raise ValueError(f"{value!r} is no pair of numbers")
    a, b = map(float, cast("list[float]", numbers))
    if not (math.isfinite(a) and math.isfinite(b) and a > 0):
        raise ValueError(f"{value!r}: both are to be finite, and the first above 0")
    return a, b


def _dims(value: object, most: int = _MOST_DIMS) -> int:
    """Return a number of dimensions as read from a file; ValueError where it is none."""
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"{value!r} is no number of dimensions up to {most}")
    return value


def weights_file(given: Path | str) -> Path:
    """Path of a model: of a file, or of one of `NAMES`; a file of that name in the folder wins.

    Raises
    ------
    WeightsError
        if it is neither.
    """
    path, name = Path(given), str(given)
    if path.suffix or path.name != name or os.path.isfile(path):
        return path
    if name in NAMES:
        return default_weights(NAMES[name])
    raise WeightsError(
        f"{name}: no such file, and no embedding model of that name; {', '.join(NAMES)} come with "
        "vipe, others are files (.onnx)"
    )


def options_of(model: str) -> str:
    """Options with which commands take a model, by its id; none for the default.

    >>> options_of("prvipe-t:0123abcd-plain")
    '--model prvipe-t --no-vertical'
    """
    name = model.partition(":")[0]
    which = "" if name == DEFAULT_NAME else f"--model {name if name in NAMES else 'FILE'} "
    return (which + ("--no-vertical" if model.endswith(PLAIN) else "")).strip()


def default_weights(file: str = DEFAULT_WEIGHTS) -> Path:
    """Path of a model that comes with vipe: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "weights", package.parent / "weights"):
        if (folder / file).is_file():
            return folder / file
    raise WeightsError(f"{file} is missing from the installation; install vipe again")
