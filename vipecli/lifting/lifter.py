"""V-VIPE's networks, from their files."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.embed import BATCH
from vipecli.embedding.model import Model, default_weights, some_poses
from vipecli.errors import WeightsError
from vipecli.onnx_file import Network, open_network
from vipecli.poses import skeleton as sk
from vipecli.poses.canonical import canonical

LIFT_WEIGHTS = "vvipe.onnx"
_LENGTHS = 7  # of bones, of a decoder


@dataclass(frozen=True)
class Lifter:
    """V-VIPE's networks, from ONNX files that belong together.

    Attributes
    ----------
    mapper
        2D joints to the latent's Gaussian (`mean`, `std`) and the body's rotation (`rotation`);
        it also serves as a `Model` that embeds.
    decoder
        latent to a canonical pose and bone lengths.
    encoder
        canonical pose to the latent's Gaussian.
    refiner
        pose, and the detector's own 3D landmarks, to a better pose; None = there is none.
    spread
        shape (13,): how many times larger errors are than the samples of the latent say.
    latent_std
        shape (D,): how far the latents of all poses spread.
    """

    mapper: Model
    decoder: Network
    encoder: Network
    refiner: Network | None
    spread: NDArray[Any]
    latent_std: NDArray[Any]

    @classmethod
    def load(cls, path: Path | None = None) -> "Lifter":
        """Read ``NAME.onnx``, and ``NAME_decoder.onnx``, ``NAME_encoder.onnx`` beside it.

        ``NAME_refiner.onnx`` too, where it is there.

        Parameters
        ----------
        path
            the first of them; None = the model that comes with vipe.

        Raises
        ------
        WeightsError
            if a file is missing, is no ONNX model, or they were not trained together.
        """
        path = Path(path) if path else default_weights().with_name(LIFT_WEIGHTS)
        mapper = Model.load(path)
        meta = mapper.session.metadata
        if meta.get("kind") != "vvipe" or mapper.window:
            raise WeightsError(f"{path}: embeds but does not lift; give a file of kind vvipe")
        try:
            spread = _numbers(meta, "spread", len(sk.JOINTS))
            latent_std = _numbers(meta, "latent_std", mapper.dims)
        except (ValueError, TypeError, OverflowError, RecursionError) as exc:
            raise WeightsError(f"{path}: not a model written by `vipe train`") from exc
        return cls(mapper, *_networks(path, mapper), spread, latent_std)

    @property
    def dims(self) -> int:
        """D of the latent."""
        return self.mapper.dims

    def decode(self, latent: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Canonical poses (..., 13, 3), and bone lengths (..., 7), of latents (..., D)."""
        flat = latent.reshape(-1, self.dims).astype(np.float32)
        poses, lengths = in_batches(self.decoder, ("pose", "lengths"), {"latent": flat})
        return poses.reshape(*latent.shape[:-1], 13, 3), lengths.reshape(
            *latent.shape[:-1], lengths.shape[1]
        )

    def encode(self, poses: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Mean and std (P, D) of the latent of 3D poses (P, 13, 3) in any axes."""
        known = canonical(poses)[0].astype(np.float32)
        mean, std = in_batches(self.encoder, ("mean", "std"), {"pose": known})
        return mean, std


def _part(path: Path, name: str) -> Path:
    """File of one of the networks that belong to a mapper."""
    return path.with_name(f"{path.stem}_{name}.onnx")


def _networks(path: Path, mapper: Model) -> tuple[Network, Network, Network | None]:
    """Decoder, encoder and refiner beside a mapper; the last one may be absent."""
    inputs, count, dims, meta = some_poses(2), len(sk.JOINTS), mapper.dims, mapper.session.metadata
    mapper.session.tried(inputs, {"rotation": (2, 3, 3)})
    decoder, encoder = _network(path, "decoder", meta), _network(path, "encoder", meta)
    latent = {"latent": np.zeros((2, dims), np.float32)}
    (pose, _) = decoder.tried(latent, {"pose": (2, count, 3), "lengths": (2, _LENGTHS)})
    encoder.tried({"pose": pose}, {"mean": (2, dims), "std": (2, dims)})
    if not _part(path, "refiner").exists():
        return decoder, encoder, None
    refiner = _network(path, "refiner", meta)
    camera = np.float32([[0, 0, 1]] * 2)
    feed = {"pose": pose, "world": pose, "visibility": inputs["visibility"], "camera": camera}
    refiner.tried(feed, {"refined": (2, count, 3)})
    return decoder, encoder, refiner


def _network(path: Path, name: str, meta: Mapping[str, str]) -> Network:
    """Network beside a mapper; an error if the two were not trained together."""
    network = open_network(_part(path, name))
    if network.metadata.get("run") != meta.get("run"):
        raise WeightsError(f"{network.path}: not trained together with {path.name}")
    return network


def _numbers(meta: Mapping[str, str], key: str, count: int) -> NDArray[np.float64]:
    """Numbers from the metadata, one for each or one for all; 1 where there are none."""
    numbers = np.array(json.loads(meta.get(key, "1.0")), np.float64)
    if numbers.shape not in ((), (count,)) or not ((numbers > 0) & (numbers < np.inf)).all():
        raise ValueError(f"{key} is not {count} numbers above 0")
    return numbers * np.ones(count)


default_lifter = functools.cache(Lifter.load)
"""The lifter of a path, read once per process."""


def in_batches(
    session: Network, names: tuple[str, ...], feed: dict[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    """Return a network's outputs of the given names for N rows, run some rows at a time."""
    count = len(next(iter(feed.values())))
    if not count:  # the runtime does not take none
        one = {k: np.zeros((1, *v.shape[1:]), v.dtype) for k, v in feed.items()}
        return [out[:0] for out in session.run(names, one)]
    starts = range(0, count, BATCH)
    parts = [session.run(names, {k: v[i : i + BATCH] for k, v in feed.items()}) for i in starts]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
