"""Embeddings of made-up movements with known timing, to align."""

import numpy as np

from vipecli.embedding.distance import SOFTNESS
from vipecli.embedding.embed import Embeddings


def movement(at, *, seed=0, noise=0.0, std=0.3, rate=30.0, noise_seed=0):
    """Embed one smooth movement at the moments `at` (seconds of the movement)."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(0.3, 4, (2, 4, 16))
    mean = np.sin(np.asarray(at)[:, None, None] * speeds + phases).sum(1)
    mean += np.random.default_rng(noise_seed).normal(size=mean.shape) * noise
    return Embeddings(
        mean.astype(np.float32),
        np.full(mean.shape, std, np.float32),
        np.arange(len(mean)) / rate,
        "demo:0",
        (1.5 * SOFTNESS, 4.0 * SOFTNESS),
    )


def moments(seed, seconds=5.0, rate=30.0):
    """Moments of a movement seen at a speed that wanders between 0.5x and 2x."""
    rng = np.random.default_rng(seed)
    t = np.arange(0, 60, 1 / rate)
    octaves = np.sin(t * rng.uniform(0.5, 1.5) + rng.uniform(0, 6))
    at = np.cumsum(2**octaves) / rate
    return at[at < seconds]
