"""Cross-view pose retrieval, the paper's first table (section 4.2)."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from vipecli.embedding.distance import frame_distance
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.embedding.window import MOST_REACH_S
from vipecli.engine import Executor, Local, Tick, in_order
from vipecli.errors import WeightsError
from vipecli.evaluate.metrics import MATCH_AT, hit_at_k, np_mpjpe
from vipecli.evaluate.views import CAMERAS, Noise, detected, middle, occlusions, placed, project
from vipecli.poses.poses import Poses

KS = (1, 10, 20)
LIFTING = "lifting"
"""`kind` in the metadata of a model file whose `mean` is a 3D pose, 13 x 3 numbers."""
VVIPE = "vvipe"
"""`kind` of a model file whose Gaussian lies in the latent of 3D poses."""


@dataclass(frozen=True)
class Method:
    """A method of comparing poses.

    Attributes
    ----------
    name
        for the table.
    prepare
        joints (P, 13, 2) and scores (P, 13) to whatever `distance` takes.
    distance
        two such things to distances (P, Q).
    windows
        `prepare` takes windows: joints (P, F, 13, 2) and scores (P, F, 13).
    """

    name: str
    prepare: Callable[[np.ndarray, np.ndarray], Any]
    distance: Callable[[Any, Any], np.ndarray]
    windows: bool = False

    def seen(self, xy: np.ndarray, score: np.ndarray) -> Any:
        """What it makes of pictures, or of the middle ones of windows unless it takes these."""
        if xy.ndim == 4 and not self.windows:
            xy, score = middle(xy), middle(score)
        return self.prepare(xy, score)


@dataclass(frozen=True)
class Settings:
    """Cameras, noise and occlusions of a measurement.

    Attributes
    ----------
    cameras
        names of `views.CAMERAS`.
    noise
        of the detector.
    exact
        measure with exact joints too.
    hide
        joints occluded in each picture.
    hide_in
        ``both``: in the pictures of every camera, others in each; ``query``: in those of the first
        of a pair only; ``same``: the same joints of everybody in both, as behind a desk, others for
        each pair of cameras. (Others for each pose would identify the poses by their occlusions.)
    seed
        fixes positions, errors and occluded joints.
    """

    cameras: tuple[str, ...] = tuple(CAMERAS)
    noise: Noise = field(default_factory=Noise)
    exact: bool = True
    hide: int = 0
    hide_in: str = "both"
    seed: int = 0


def similarity_distance(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Distance of 2D poses after the best shift, turn and scaling of one onto the other.

    With joints as complex numbers the best fit is one complex factor c; what remains,
    min |q - c p|^2 / |q|^2 = 1 - |<p, q>|^2 / (|p|^2 |q|^2), comes from matrix products for all
    pairs at once. Joints known in both pictures count.

    Parameters
    ----------
    a, b
        joints (P, 13, 2) and scores (P, 13); 0 is missing.

    Returns
    -------
    shape (P, Q) float32 in [0, 1]: root of the share of the variance that is left; 1 where fewer
    than two joints are known in both.
    """
    (p, u), (q, v) = (_complex(*one) for one in (a, b))
    count = np.maximum(u @ v.T, 1)
    sum_p, sum_q = p @ v.T, u @ q.T
    dot = p.conj() @ q.T - sum_p.conj() * sum_q / count
    square_p = np.square(np.abs(p)) @ v.T - np.square(np.abs(sum_p)) / count
    square_q = u @ np.square(np.abs(q)).T - np.square(np.abs(sum_q)) / count
    both = square_p * square_q
    fits = np.divide(np.square(np.abs(dot)), both, out=np.zeros_like(both), where=both > 1e-12)
    return np.sqrt(np.clip(1 - fits, 0, 1)).astype(np.float32)


def _complex(xy: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joints about their mean, in units of their spread, as x + iy; zero where missing."""
    known = score > 0
    weight = known[..., None] / np.maximum(known.sum(1), 1)[:, None, None]
    xy = np.where(known[..., None], xy, 0).astype(np.float64)
    xy = (xy - (xy * weight).sum(1, keepdims=True)) * known[..., None]
    xy /= np.sqrt(np.square(xy).sum((1, 2), keepdims=True)).clip(1e-12)
    return xy[..., 0] + 1j * xy[..., 1], known.astype(np.float64)


JOINTS_2D = Method("2D joints, Procrustes", lambda xy, score: (xy, score), similarity_distance)


def method(name: str, model: Model) -> Method:
    """Return the method of a model file: by its embedding, or in 3D if it lifts.

    Parameters
    ----------
    name
        for the table.
    model
        its metadata says `kind`: "lifting" gives 3D poses, compared by NP-MPJPE pair by pair;
        "vvipe" a latent of 3D poses, compared by the distance of the means;
        everything else embeds, compared by `distance.frame_distance` (for embeddings without
        variance this orders pairs as the distance of the points does).
    """
    if kind(model) == VVIPE:
        return Method(name, lambda xy, score: embedded(model, xy, score).mean, _mean_distance)
    if kind(model) == LIFTING:
        return Method(name, lambda xy, score: _lifted(model, xy, score), np_mpjpe)
    return Method(
        name, lambda xy, score: embedded(model, xy, score), frame_distance, bool(model.window)
    )


def _mean_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return cdist(a, b).astype(np.float32)


def kind(model: Model) -> str:
    """`kind` in the metadata of a model file: pr-vipe where it says nothing."""
    return model.session.metadata.get("kind", "pr-vipe")


def embedded(model: Model, xy: np.ndarray, score: np.ndarray) -> Embeddings:
    """Embeddings of separate pictures: joints (P, 13, 2), scores (P, 13).

    Of the middle ones of windows (P, F, 13, 2), scores (P, F, 13).
    """
    xy = np.where(score[..., None] > 0, xy, np.float32(np.nan))
    if xy.ndim == 3:
        xy, score = xy[:, None], score[:, None]
    count, frames = xy.shape[:2]
    step = model.window.step_s if model.window else 0.1
    apart = 3 * MOST_REACH_S + frames * step  # no window reaches into the next one
    times = (apart * np.arange(count)[:, None] + step * np.arange(frames)).ravel()
    poses = Poses(xy.reshape(-1, 13, 2), score.reshape(-1, 13), times, (1, 1))
    return embed(poses, model, frames=slice(frames // 2, None, frames))


def _lifted(model: Model, xy: np.ndarray, score: np.ndarray) -> np.ndarray:
    mean = embedded(model, xy, score).mean
    if mean.size != len(mean) * 39:
        raise WeightsError(f"{model.id}: a lifting model gives 39 numbers, not {mean.shape[1]}")
    return mean.reshape(-1, 13, 3)


def pictures(
    poses: np.ndarray, cameras: str, settings: Settings, *, noisy: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Joints (P, 13, 2) and scores (P, 13) of the poses (P, 13, 3) in each camera of a set.

    Of windows (P, F, 13, 3) those of windows: errors are new in each frame, hidden joints stay so.
    """
    world = placed(poses, seed=settings.seed)
    out = []
    for i, camera in enumerate(CAMERAS[cameras]):
        seed = settings.seed * 1000 + i
        xy = project(world, camera)
        if noisy:
            xy = _detected(xy, settings.noise, seed)
        score = occlusions(len(poses), settings.hide, seed=seed + 500)
        out.append((xy, score[:, None] * _known(xy) if xy.ndim == 4 else score))
    return out


def _known(xy: np.ndarray) -> np.ndarray:
    """1 where there is a joint (..., 13) float32, else 0."""
    return np.isfinite(xy).all(axis=-1).astype(np.float32)


def _detected(xy: np.ndarray, noise: Noise, seed: int) -> np.ndarray:
    """Pictures, or windows of pictures, as a detector would find their joints."""
    if xy.ndim == 3:
        return detected(xy, noise, seed=seed)
    half = xy.shape[1] // 2
    seeds = [seed + 100_000 * abs(k - half) + 10_000_000 * (k > half) for k in range(xy.shape[1])]
    return np.stack([detected(xy[:, k], noise, seed=one) for k, one in enumerate(seeds)], axis=1)


def retrieval(
    poses: np.ndarray,
    methods: Sequence[Method],
    settings: Settings | None = None,
    *,
    executor: Executor | None = None,
    progress: Callable[[int], object] | None = None,
) -> list[dict[str, Any]]:
    """Hit@k over all ordered pairs of cameras, for every method.

    Parameters
    ----------
    poses
        shape (P, 13, 3), without near-duplicates (`views.distinct`); or (P, F, 13, 3) with the
        frames around them, for methods that take windows.
    methods
        what to compare.
    settings
        None = the defaults.
    executor
        computes the distances of each pair of cameras, with methods that can be pickled where
        other processes do; None = this process.
    progress
        called with the number of ordered pairs of cameras done since its last call.

    Returns
    -------
    One row per camera set, kind of joints (``exact``, ``detected``) and method: `hit_at_1`,
    `hit_at_10`, `hit_at_20` in [0, 1]. Every pose seen by the first camera is a query, all poses
    seen by the second are searched; one within 0.1 NP-MPJPE of the query is a hit.
    """
    settings = settings or Settings()
    shown = middle(poses) if poses.ndim == 4 else poses
    matches = np_mpjpe(shown, shown) <= MATCH_AT
    matches |= matches.T
    pairs = _pairs(poses, methods, settings)
    hits: dict[tuple[str, bool, str], list[dict[int, float]]] = defaultdict(list)
    for outcome in in_order(executor or Local(), partial(_hits, matches), pairs):
        if outcome.error:
            raise outcome.error
        pair = outcome.item
        hits[pair.cameras, pair.noisy, pair.method].append(outcome.result)
        if progress:
            progress(1)
    return [
        {
            "cameras": cameras,
            "joints": "detected" if noisy else "exact",
            "method": name,
            **{f"hit_at_{k}": float(np.mean([hit[k] for hit in found])) for k in KS},
        }
        for (cameras, noisy, name), found in hits.items()
    ]


@dataclass(frozen=True, eq=False)
class _Pair:
    """An ordered pair of cameras, and what a method makes of their pictures."""

    cameras: str
    noisy: bool
    method: str
    distance: Callable[[Any, Any], np.ndarray]
    query: Any
    index: Any

    def __str__(self) -> str:
        return f"{self.method}, cameras {self.cameras}"


def _pairs(poses: np.ndarray, methods: Sequence[Method], settings: Settings) -> Iterator[_Pair]:
    """Yield every pair of cameras for every method, prepared one after the other."""
    for cameras, noisy in itertools.product(settings.cameras, kinds(settings)):
        seen = pictures(poses, cameras, settings, noisy=noisy)
        for one in methods:
            for query, index in _prepared(one, seen, settings):
                yield _Pair(cameras, noisy, one.name, one.distance, query, index)


def _hits(matches: np.ndarray, pair: _Pair, tick: Tick) -> dict[int, float]:
    """Hit@k of one pair of cameras."""
    return hit_at_k(pair.distance(pair.query, pair.index), matches, KS)


def _prepared(
    one: Method, seen: list[tuple[np.ndarray, np.ndarray]], settings: Settings
) -> Iterator[tuple[Any, Any]]:
    """What a method makes of the pictures of each ordered pair of cameras."""
    pairs = itertools.permutations(range(len(seen)), 2)
    whole = [(xy, _known(xy)) for xy, _ in seen]
    if settings.hide and settings.hide_in == "same":
        for number, pair in enumerate(pairs):
            shown = occlusions(1, settings.hide, seed=settings.seed * 1000 + 500 + number)
            yield tuple(one.seen(xy, known * shown) for xy, known in (whole[c] for c in pair))
        return
    queries = index = [one.seen(*picture) for picture in seen]
    if settings.hide and settings.hide_in == "query":
        index = [one.seen(*picture) for picture in whole]
    for first, second in pairs:
        yield queries[first], index[second]


def kinds(settings: Settings) -> tuple[bool, ...]:
    """Whether joints are noisy, for each kind of joints measured."""
    return (False, True) if settings.exact else (True,)


def camera_pairs(settings: Settings) -> int:
    """Ordered pairs of cameras per method, over all sets and kinds of joints."""
    sizes = [len(CAMERAS[name]) for name in settings.cameras]
    return sum(n * (n - 1) for n in sizes) * len(kinds(settings))


def described(settings: Settings) -> dict[str, Any]:
    """Settings as plain numbers and strings."""
    return asdict(settings) | {"match_at": MATCH_AT}
