"""Very many simulated clips: those of Penn Action, cut, warped in time and jittered."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.embedding.embed import Embeddings
from vipecli.index import shortlist

FRAMES = 56
VIEWPOINTS = "front", "left", "right", "back"
_BATCH = 5000


def variants(clips: list[Embeddings], count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Batches (B, FRAMES, 2, D) of cut, warped and jittered clips."""
    whole = np.concatenate([np.stack([c.mean, c.std], axis=1) for c in clips])
    whole = np.nan_to_num(whole, nan=0.1)
    lengths = np.array([len(c) for c in clips])
    firsts = np.cumsum(lengths) - lengths
    even = np.linspace(0, 1, FRAMES, dtype=np.float32)
    for start in range(0, count, _BATCH):
        b = min(_BATCH, count - start)
        which = rng.integers(len(clips), size=b)
        kept = rng.uniform(0.6, 1.0, b)
        begin = rng.uniform(0, 1 - kept)
        bend = rng.uniform(-0.12, 0.12, b)[:, None]
        place = begin[:, None] + kept[:, None] * (even + bend * np.sin(2 * np.pi * even))
        at = place.clip(0, 1) * (lengths[which] - 1)[:, None]
        low = np.minimum(at.astype(np.int64), (lengths[which] - 2)[:, None])
        share = (at - low).astype(np.float32)[:, :, None, None]
        index = firsts[which][:, None] + low
        out = whole[index]
        out += share * (whole[index + 1] - out)
        drift = rng.normal(0, 0.05, (b, 3, whole.shape[2])).astype(np.float32)
        waves = np.stack([np.ones(FRAMES), np.sin(6 * even), np.cos(9 * even)], axis=1)
        out[:, :, 0] += np.einsum("tw,bwd->btd", waves.astype(np.float32), drift)
        yield out


def as_clip(frames: np.ndarray, like: Embeddings) -> Embeddings:
    """Embeddings of one clip (T, 2, D) at 30 frames per second."""
    times = np.arange(len(frames)) / 30
    return Embeddings(frames[:, 0], frames[:, 1], times, like.model, like.sigmoid)


def make_mapped(folder: Path, clips: list[Embeddings], count: int) -> shortlist.Shortlist:
    """Return the memory-mapped index, built unless it is there."""
    if not (folder / "facts.json").exists():
        like = as_clip(np.zeros((FRAMES, 2, clips[0].mean.shape[1]), np.float32), clips[0])
        size = {"clips": count, "frames": count * FRAMES}
        writer = shortlist.Writer(folder, like, **size)
        for batch in variants(clips, count, np.random.default_rng(0)):
            writer.add_many(batch, like.times)
        writer.close()
    return shortlist.Shortlist.open(folder)


def records(
    clips: list[Embeddings], labels: list[str], count: int, *, seed: int = 0, name: str = "clip"
) -> Iterator[Any]:
    """Yield clips as an index takes them; labels and viewpoints take turns, joints are constant."""
    from vipecli.index.records import Facts, Record
    from vipecli.poses.poses import Poses

    xy, score = np.ones((FRAMES, 13, 2), np.float32), np.ones((FRAMES, 13), np.float32)
    poses = Poses(xy, score, np.arange(FRAMES) / 30, (640, 480), "simulated", "none")
    number = 0
    for batch in variants(clips, count, np.random.default_rng(seed)):
        for frames in batch:
            facts = Facts(
                f"{name}{number:08d}",
                labels[number % len(labels)],
                viewpoint=VIEWPOINTS[number % len(VIEWPOINTS)],
                key=f"{number:064x}",
            )
            yield Record(facts, poses, as_clip(frames, clips[0]))
            number += 1


def make_lance(folder: Path, clips: list[Embeddings], labels: list[str], count: int) -> Any:
    """Return the index in Lance, built unless it is there."""
    from vipecli.index import stores

    if not stores.exists(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stores.commit(stores.empty(folder, "lance"), records(clips, labels, count))
    return stores.load(folder)
