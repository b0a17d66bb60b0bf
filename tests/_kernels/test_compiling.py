"""Kernels give the same bits whether they were compiled just now or come from the cache."""

import os
import subprocess
import sys

DISTANCES = """
import numpy as np
from vipecli.embedding.model import Embeddings
from vipecli.index.neighbours import NeighbourSearch

rng = np.random.default_rng(0)

def clip(count):
    mean = rng.normal(0, 0.06, (count, 16)).cumsum(axis=0).astype(np.float32)
    std = rng.uniform(0.02, 0.2, mean.shape).astype(np.float32)
    return Embeddings(mean, std, np.arange(count) / 30, "some", (1.0, 0.0))

packed = NeighbourSearch([(str(i), "", clip(20 + i)) for i in range(9)])
print(packed.distances(clip(30)).tobytes().hex())
"""


def test_compiled_now_or_before(tmp_path):
    place = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DISTANCES]
    first, second = (
        subprocess.run(command, env=os.environ | place, capture_output=True, check=True).stdout
        for _ in range(2)
    )
    assert len(first) > 100
    assert first == second
