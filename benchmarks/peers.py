"""The same tasks as others do them; a peer that is not installed is left out."""

import importlib.util
from collections.abc import Callable, Iterator

import numpy as np

from vipecli.embedding.embed import Embeddings

DRAWS = 20  # K of the paper


def monte_carlo(a: Embeddings, b: Embeddings, *, chunk: int = 16) -> np.ndarray:
    """Matching probability by K x K draws, as float32 matrix products over chunks of a."""
    rng = np.random.default_rng(0)
    slope, offset = (np.float32(x) for x in a.sigmoid)

    def draw(clip: Embeddings) -> np.ndarray:
        noise = rng.standard_normal((len(clip), DRAWS, clip.mean.shape[1]), np.float32)
        return (clip.mean[:, None] + clip.std[:, None] * noise).reshape(-1, clip.mean.shape[1])

    x, y = draw(a), draw(b)
    xx, yy = np.einsum("nd,nd->n", x, x), np.einsum("nd,nd->n", y, y)
    y2 = np.ascontiguousarray(-2 * y.T)
    out = np.empty((len(a), len(b)), np.float32)
    for start in range(0, len(a), chunk):
        rows = slice(start * DRAWS, (start + chunk) * DRAWS)
        r = x[rows] @ y2
        r += xx[rows, None]
        r += yy
        np.maximum(r, 0, out=r)
        np.sqrt(r, out=r)
        r *= slope
        r -= offset
        np.minimum(r, 80, out=r)
        np.exp(r, out=r)
        r += 1
        np.reciprocal(r, out=r)
        sums = np.add.reduce(r.reshape(-1, DRAWS, len(b), DRAWS), axis=3)
        out[start : start + chunk] = sums.mean(1) / DRAWS
    return 0.9 * out + 0.05


def warping_paths() -> Iterator[tuple[str, Callable[[np.ndarray], object]]]:
    """Name and function of every library that returns a path through a given cost table."""
    if importlib.util.find_spec("librosa"):
        from librosa.sequence import dtw

        yield "librosa", lambda cost: dtw(C=cost, backtrack=True)
    if importlib.util.find_spec("tslearn"):
        from tslearn.metrics import dtw_path_from_metric

        # tslearn takes a table of costs as a precomputed metric
        yield "tslearn", lambda cost: dtw_path_from_metric(cost, metric="precomputed")


def warping_series() -> Iterator[tuple[str, Callable[[np.ndarray, np.ndarray], object]]]:
    """Name and function of every library that computes the distance of two series of vectors."""
    if importlib.util.find_spec("dtaidistance"):
        from dtaidistance import dtw_ndim

        yield "dtaidistance", dtw_ndim.distance_fast
    if importlib.util.find_spec("tslearn"):
        from tslearn.metrics import dtw

        yield "tslearn", dtw
    if importlib.util.find_spec("librosa"):
        from librosa.sequence import dtw as librosa_dtw

        yield (
            "librosa",
            lambda x, y: librosa_dtw(X=x.T, Y=y.T, metric="sqeuclidean", backtrack=False),
        )
