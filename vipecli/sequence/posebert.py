"""PoseBERT: poses of a clip in their context, from an ONNX file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.embedding.model import Model, checked_name
from vipecli.errors import WeightsError
from vipecli.onnx_file import Network, open_network
from vipecli.poses.poses import Poses
from vipecli.sequence.paths import smooth, straight

Array = NDArray[np.floating[Any]]

MODEL_FORMAT = 1
OUTPUTS = "joints_placed", "joints_error", "pose", "pose_error", "mean_placed", "std_placed"
_BATCH = 32  # windows per call of the network
_MOST = 1000  # frames, dimensions or frames per second
_GUESSED = 0.5  # visibility, for the single-frame embedding, of joints that are only expected


def single_frames(model: Model, joints: Array, score: Array) -> tuple[Array, Array]:
    """Single-frame mean and std (..., D) of joints (..., 13, 2), hidden ones where expected.

    Those of score 0 (..., 13) count half.

    Raises
    ------
    WeightsError
        if the model embeds windows of several frames.
    """
    if model.window:
        raise WeightsError(f"{model.id}: sees several frames at once; give one of single frames")
    flat = joints.reshape(-1, 13, 2).astype(np.float32)
    seen = np.where(score > 0, score, _GUESSED).reshape(-1, 13).astype(np.float32)
    found = [model.run(flat[i : i + 512], seen[i : i + 512]) for i in range(0, len(flat), 512)]
    mean, std = (np.concatenate(column) for column in zip(*found, strict=True))
    return mean.reshape(*score.shape[:-1], -1), std.reshape(*score.shape[:-1], -1)


def expected(joints: Array, path: Array, score: Array) -> Array:
    """Seen joints (..., 13, 2) where they are, those of score 0 on their smooth path."""
    return np.where(score[..., None] > 0, joints, path)


@dataclass(frozen=True)
class Context:
    """What the context of its frames says of a clip.

    Attributes
    ----------
    joints, joints_error
        shapes (T, 13, 2) and (T, 13): where every joint is, hidden ones too, and how far off that
        is expected to be; pixels.
    pose, pose_error
        shapes (T, 13, 3) and (T, 13): right, down, forward about the mid-hip, torso units, and the
        expected error.
    mean, std
        shape (T, D): the embedding.
    """

    joints: Array
    joints_error: Array
    pose: Array
    pose_error: Array
    mean: Array
    std: Array


@dataclass(frozen=True)
class PoseBert:
    """The network.

    Attributes
    ----------
    id
        name and short checksum, as `Embeddings.model`.
    frames
        frames of a window.
    fps
        range of frames per second that it was trained on.
    dims
        D of the embedding.
    single
        `Model.id` of the single-frame embedding that it was trained with.
    session
        the network.
    """

    id: str
    frames: int
    fps: tuple[float, float]
    dims: int
    single: str
    session: Network

    @classmethod
    def load(cls, path: Path) -> "PoseBert":
        """Read a file that `vipe train` wrote.

        Raises
        ------
        WeightsError
            if it is missing, is no ONNX model, or of another kind.
        """
        network = open_network(Path(path))
        meta = network.metadata
        if meta.get("kind") != "posebert":
            raise WeightsError(f"{path}: knows no context; give a file of kind posebert")
        try:
            version, single = json.loads(meta["format"]), checked_name(meta["single"])
            frames, dims = (int(_number(json.loads(meta[key]))) for key in ("frames", "dims"))
            slowest, fastest = map(_number, json.loads(meta["fps"]))
            name = f"{checked_name(meta['name'])}:{network.sha256[:8]}"
        except (KeyError, ValueError, TypeError, RecursionError) as exc:
            raise WeightsError(f"{path}: not a model written by `vipe train`") from exc
        if version != MODEL_FORMAT:
            raise WeightsError(f"{path}: made by another version of vipe")
        model = cls(name, frames, (slowest, fastest), dims, single, network)
        model._try_it()
        return model

    def _try_it(self) -> None:
        """Run it once, so that a network that does not fit is refused at once."""
        size = 1, self.frames
        feed = _feed(np.ones((*size, 13, 2)), np.ones((*size, 13)), np.arange(self.frames)[None])
        feed |= {name: np.ones((*size, self.dims), np.float32) for name in ("mean", "std")}
        last = (13, 2), (13,), (13, 3), (13,), (self.dims,), (self.dims,)
        shapes = {name: (*size, *rest) for name, rest in zip(OUTPUTS, last, strict=True)}
        self.session.tried(feed, shapes)

    def run(
        self, xy: Array, score: Array, times: Array, *, single: Model | None = None
    ) -> list[Array]:
        """What the network says of windows (B, frames, ...): arrays in the order of `OUTPUTS`.

        Parameters
        ----------
        xy, score, times
            shapes (B, frames, 13, 2), (B, frames, 13) and (B, frames); hidden joints have score 0,
            whatever `xy` holds there.
        single
            the single-frame embedding; None = joints alone, and no embedding comes out.

        Raises
        ------
        WeightsError
            if it was trained with another single-frame embedding.
        """
        if single and single.id != self.single:
            raise WeightsError(f"{self.id} belongs to {self.single}, not to {single.id}")
        parts = [
            self._some(xy[rows], score[rows], times[rows], single)
            for rows in (slice(i, i + _BATCH) for i in range(0, len(xy), _BATCH))
        ]
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def _some(self, xy: Array, score: Array, times: Array, single: Model | None) -> list[Array]:
        feed = _feed(xy, score, times)
        mean = std = np.zeros((*times.shape, self.dims), np.float32)
        if single:
            mean, std = single_frames(
                single, expected(feed["joints"], feed["smooth"], score), score
            )
        return self.session.run(list(OUTPUTS), feed | {"mean": mean, "std": std})


def _feed(xy: Array, score: Array, times: Array) -> dict[str, NDArray[np.float32]]:
    """What the network takes of joints."""
    joints, away = straight(xy, score, times)
    feed = {"joints": joints, "smooth": smooth(xy, score, times), "visibility": score}
    feed |= {"away": away, "times": times - times.mean(axis=1, keepdims=True)}
    return {name: np.ascontiguousarray(values, np.float32) for name, values in feed.items()}


def _number(value: object) -> float:
    """Return a size or rate as read from a file; ValueError where it is none."""
    if type(value) not in (int, float) or not 1 <= value <= _MOST:
        raise ValueError(f"{value!r} is no number up to {_MOST}")
    return float(value)


def in_context(poses: Poses, model: PoseBert, *, single: Model | None = None) -> Context:
    """Poses of a clip in their context.

    Parameters
    ----------
    poses
        T frames at any rate, T at least 1; missing joints are NaN with score 0.
    model
        the network.
    single
        the single-frame embedding that belongs to it; None = joints alone: `mean` means nothing.

    Returns
    -------
    T rows, none of them NaN. Windows overlap by half; what the middle of one says counts most.
    Faster film than the network knows is taken as several slower ones, frame by frame in turn.
    """
    turns = max(1, int(np.ceil(_rate(poses.times) / model.fps[1] - 0.1)))
    if turns == 1:
        return _windowed(poses, model, single)
    parts = [_windowed(poses.part(slice(k, None, turns)), model, single) for k in range(turns)]
    merged = []
    for name in Context.__dataclass_fields__:
        columns = [getattr(part, name) for part in parts]
        out = np.zeros((len(poses), *columns[0].shape[1:]))
        for k, column in enumerate(columns):
            out[k::turns] = column
        merged.append(out)
    return Context(*merged)


def _rate(times: Array) -> float:
    """Frames per second, 0 of a single frame."""
    return 1 / float(np.median(np.diff(times))) if len(times) > 1 else 0.0


def _windowed(poses: Poses, model: PoseBert, single: Model | None) -> Context:
    """As `in_context`, of film no faster than the network knows."""
    size, count = model.frames, len(poses)
    total = max(count, size)
    xy, score, times = np.nan_to_num(poses.xy), poses.score, poses.times
    if count < size:  # nobody is seen after the end
        step = 1 / (_rate(times) or model.fps[1])
        more = size - count
        xy = np.concatenate([xy, np.zeros((more, 13, 2), xy.dtype)])
        score = np.concatenate([score, np.zeros((more, 13), score.dtype)])
        times = np.concatenate([times, times[-1] + step * np.arange(1, more + 1)])
    starts = sorted({*range(0, total - size + 1, size // 2), total - size})
    rows = np.array(starts)[:, None] + np.arange(size)
    found = model.run(xy[rows], score[rows], times[rows], single=single)
    weight = 1.0 - np.abs(np.arange(size) - (size - 1) / 2) / (size / 2) + 1e-3
    return Context(*(_merged(windows, rows, weight)[:count] for windows in found))


def _merged(windows: Array, rows: NDArray[np.int64], weight: Array) -> Array:
    """Weighted mean (total, ...) of windows (B, frames, ...) at rows (B, frames)."""
    wide = weight.reshape(-1, *[1] * (windows.ndim - 2))
    out = np.zeros((rows.max() + 1, *windows.shape[2:]))
    share = np.zeros((len(out), *[1] * (windows.ndim - 2)))
    for row, window in zip(rows, windows, strict=True):
        out[row] += wide * window
        share[row] += wide
    return out / share
