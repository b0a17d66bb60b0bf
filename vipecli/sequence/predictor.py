"""Models that predict motion, from ONNX files: frame after frame, on their own predictions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vipecli.embedding.model import checked_name
from vipecli.errors import WeightsError
from vipecli.onnx_file import Network, open_network

MODEL_FORMAT = 1
KINDS = ("posegpt", "dctmlp")
_BATCH = 256  # windows per call of the network
_MOST = 10_000  # frames, or numbers of a token
_MOST_FPS = 1000.0


@dataclass(frozen=True)
class Predictor:
    """Pose-GPT, or the MLP beside it.

    Attributes
    ----------
    id
        name and short checksum, as `Embeddings.model`.
    kind, data
        which network, and what it was trained on: ``mocap`` (13 joints in the axes of
        `WindowFrame`), ``cmu-prediction`` (the benchmark's 25 joints, metres) or
        ``cmu-prediction-angles`` (its exponential maps).
    fps
        frames per second.
    seen, future
        frames that it takes at most, and those it was trained to predict.
    chunk
        frames of a token: it needs at least `least` of these.
    least
        fewest tokens that it takes.
    context, noise
        how many numbers of the whole window, and of chance, every token takes.
    mirror
        permutation of the joints that swaps left and right; empty = no mirror image.
    session
        the network.
    """

    id: str
    kind: str
    data: str
    fps: float
    seen: int
    future: int
    chunk: int
    least: int
    context: int
    noise: int
    mirror: tuple[int, ...]
    session: Network

    @classmethod
    def load(cls, path: Path) -> "Predictor":
        """Read a file that `vipe train` wrote.

        Raises
        ------
        WeightsError
            if it is missing, is no ONNX model, or predicts nothing.
        """
        network = open_network(Path(path))
        meta = network.metadata
        if meta.get("kind") not in KINDS:
            raise WeightsError(f"{path}: does not predict motion; give a file of kind posegpt")
        try:
            if json.loads(meta["format"]) != MODEL_FORMAT:
                raise WeightsError(f"{path}: made by another version of vipe")
            counts = [_count(meta, n) for n in ("seen", "future", "chunk", "least")]
            more = _count(meta, "context", least=0), _count(meta, "noise", least=0)
            fps, mirror = _rate(json.loads(meta["fps"])), _permutation(json.loads(meta["mirror"]))
            name = f"{checked_name(meta['name'])}:{network.sha256[:8]}"
            model = cls(name, meta["kind"], meta["data"], fps, *counts, *more, mirror, network)
        except (KeyError, ValueError, TypeError, RecursionError) as exc:
            raise WeightsError(f"{path}: not a model written by `vipe train`") from exc
        model._try_it()
        return model

    def _try_it(self) -> None:
        """Predict something, so that a network that does not fit is refused at once."""
        values = self.session.inputs.get("frames", ())[-1:]
        if not (values and isinstance(values[0], int) and values[0] >= 3 and values[0] % 3 == 0):
            raise WeightsError(f"{self.session.path}: does not take frames of joints in 3D")
        joints = values[0] // 3
        if self.mirror and len(self.mirror) != joints:
            raise WeightsError(f"{self.session.path}: not a model written by `vipe train`")
        rng = np.random.default_rng(0)
        seen = rng.uniform(-1, 1, (1, max(self.seen, self.least * self.chunk), joints, 3))
        known = np.zeros((1, self.context)) if self.context else None
        try:
            future, error = self._rollout(seen, self.future, known, None)
        except (ValueError, IndexError) as exc:  # arrays that do not fit together
            raise WeightsError(f"{self.session.path}: gives arrays of other shapes") from exc
        if future.shape[1:] != (self.future, joints, 3) or error.shape[:2] != future.shape[:2]:
            raise WeightsError(f"{self.session.path}: gives arrays of other shapes")
        if not (np.isfinite(future).all() and np.isfinite(error).all()):
            raise WeightsError(f"{self.session.path}: gives infinite numbers or NaN; it is damaged")

    @property
    def shortest_s(self) -> float:
        """Seconds that have to be known."""
        return (self.least * self.chunk - 1) / self.fps

    def rollout(
        self,
        seen: np.ndarray,
        frames: int,
        *,
        known: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
        mirrored: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict what follows.

        Parameters
        ----------
        seen
            shape (B, T, J, 3) in the units and axes of the model; no NaN. Of many frames the last
            are taken.
        frames
            how many to predict.
        known
            shape (B, context).
        rng
            draws a future of many; None = the middle one.
        mirrored
            the mean with what is predicted of the mirror image, mirrored back; not where drawn.

        Returns
        -------
        Joints (B, frames, J, 3), and the expected error of each (B, frames, J), which never falls
        over time.

        Raises
        ------
        ValueError
            if fewer than `least` tokens of frames are known.
        """
        if seen.shape[1] < self.least * self.chunk:
            raise ValueError(f"{seen.shape[1]} frames known; give {self.least * self.chunk}")
        out = self._rollout(seen, frames, known, rng)
        if mirrored and rng is None and self.mirror:
            other = None if known is None else known * np.array([-1.0, 1.0])
            joints, error = self._rollout(self._mirror(seen), frames, other, None)
            error = error[:, :, list(self.mirror)]
            out = (out[0] + self._mirror(joints)) / 2, (out[1] + error) / 2
        return out[0], np.maximum.accumulate(out[1], axis=1)

    def _mirror(self, joints: np.ndarray) -> np.ndarray:
        return joints[:, :, list(self.mirror)] * np.array([-1.0, 1.0, 1.0])

    def _rollout(
        self,
        seen: np.ndarray,
        frames: int,
        known: np.ndarray | None,
        rng: np.random.Generator | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        shape = seen.shape[2:]
        if self.kind == "dctmlp":
            now = seen[:, -self.seen :].reshape(len(seen), self.seen, -1).astype(np.float32)
            joints = self._run({"frames": now})[0][:, :frames]
            return joints.reshape(len(seen), -1, *shape), np.ones((*joints.shape[:2], shape[0]))
        count = min(seen.shape[1], self.seen) // self.chunk * self.chunk
        motion = seen[:, -count:].reshape(len(seen), count, -1).astype(np.float32)
        drawn = np.zeros((len(seen), 0, self.noise), np.float32)
        errors = []
        while motion.shape[1] < count + frames:
            missing = motion.shape[1] // self.chunk - drawn.shape[1]
            more = (len(seen), missing, self.noise)
            noise = rng.standard_normal(more) if rng is not None else np.zeros(more)
            drawn = np.concatenate([drawn, noise.astype(np.float32)], axis=1)
            after, error = self._step(motion, known, drawn)
            motion = np.concatenate([motion, after], axis=1)
            errors.append(error)
        joints = motion[:, count : count + frames].reshape(len(seen), frames, *shape)
        return joints, np.concatenate(errors, axis=1)[:, :frames]

    def _step(
        self, motion: np.ndarray, known: np.ndarray | None, drawn: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next token (B, chunk, C) after motion (B, N * chunk, C), and its expected error.

        The network has a fixed number of places. Free ones at the end are 0: it looks back only.
        """
        places = (self.seen + self.future) // self.chunk - 1
        motion, drawn = motion[:, -places * self.chunk :], drawn[:, -places:]
        tokens = motion.shape[1] // self.chunk
        free = ((0, 0), (0, (places - tokens) * self.chunk), (0, 0))
        feed = {"frames": np.pad(motion, free)}
        if self.context + self.noise:
            parts = [np.pad(drawn, ((0, 0), (0, places - tokens), (0, 0)))]
            if known is not None:
                parts.insert(0, np.repeat(known[:, None].astype(np.float32), places, axis=1))
            feed["extra"] = np.concatenate(parts, axis=2)
        frames, error = self._run(feed)
        return frames[:, tokens - 1], error[:, tokens - 1]

    def _run(self, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        count = len(feed["frames"])
        parts = [
            self.session.run(None, {k: v[i : i + _BATCH] for k, v in feed.items()})
            for i in range(0, count, _BATCH)
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _count(meta: Mapping[str, str], key: str, *, least: int = 1) -> int:
    """A number from the metadata; ValueError where it is none of that size."""
    value = json.loads(meta[key])
    if type(value) is not int or not least <= value <= _MOST:
        raise ValueError(f"{key} is {value!r}")
    return value


def _rate(value: object) -> float:
    if type(value) not in (int, float) or not 0 < value <= _MOST_FPS:
        raise ValueError(f"fps is {value!r}")
    return float(value)


def _permutation(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or sorted(value) != list(range(len(value))):
        raise ValueError("mirror is no permutation")
    return tuple(value)
