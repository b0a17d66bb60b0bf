"""Calibration of an index too large for all distances: who is near whom, by pooled vectors."""

import numpy as np
import pytest

from vipecli.index import calibration


@pytest.mark.parametrize("block", [1000, 64, 7])
@pytest.mark.parametrize("labels", [3, 2, 1])
def test_the_nearest_of_each_sampled_clip_of_all_and_of_other_labels(monkeypatch, block, labels):
    monkeypatch.setattr(calibration, "_BLOCK", block)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(230, 8)).astype(np.float16)
    codes = np.where(rng.random(230) < 0.8, 0, rng.integers(labels, size=230))
    there = rng.random(230) < 0.7
    sample = rng.choice(np.flatnonzero(there), 20, replace=False)
    of_all, of_others = calibration._near_by_vectors(vectors, codes, there, sample)
    rows = vectors.astype(np.float64)
    for i, near, strange in zip(sample, of_all, of_others, strict=True):
        apart = np.square(rows - rows[i]).sum(axis=1)
        apart[~there], apart[i] = np.inf, np.inf
        for found, counts in ((near, there), (strange, there & (codes != codes[i]))):
            count = min(int(counts.sum()) - int(counts[i]), calibration.CANDIDATES)
            order = np.argsort(np.where(counts, apart, np.inf))[:count]
            assert sorted(found) == sorted(order)
