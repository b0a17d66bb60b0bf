"""The check of `benchmarks.large`: the nearest of all clips, as by every distance."""

import numpy as np
import pytest

from benchmarks.large import TOP, held, nearest_of, recall
from benchmarks.simulated import make_mapped
from tests.index.test_neighbours import QUERIES, clip
from vipecli.index.neighbours import NeighbourSearch
from vipecli.index.shortlist import pooled

ASKED = [QUERIES[name] for name in ("plain", "short", "long", "unlike")]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    made_of = [clip(action, take, t=40) for action in range(5) for take in range(3)]
    return make_mapped(tmp_path_factory.mktemp("large"), made_of, 600)


@pytest.fixture(scope="module")
def every(mapped):
    """Distances (Q, C) of all clips, one by one."""
    packed = NeighbourSearch([("", "", mapped.clip(i)) for i in range(len(mapped))])
    return np.array([packed.distances(query) for query in ASKED])


@pytest.fixture(scope="module")
def ranks(mapped):
    """How many clips have nearer vectors than each has, shape (Q, C)."""
    vectors = np.array([pooled(query) for query in ASKED])
    apart = np.square(mapped.pooled.astype(np.float64) - vectors[:, None]).sum(axis=2)
    return (apart[:, None] < apart[:, :, None]).sum(axis=2)


@pytest.mark.parametrize("step", [1, 4])
def test_the_nearest_of_all_clips_are_found(mapped, every, step):
    places = np.arange(0, len(mapped), step)
    found = np.sort(every[:, places], axis=1)[:, 3 : 3 + TOP]  # three were missed
    best, of = nearest_of(mapped, places, ASKED, found)
    order = np.argsort(every[:, places], axis=1)[:, :TOP]
    np.testing.assert_allclose(best, np.take_along_axis(every[:, places], order, 1), rtol=1e-5)
    np.testing.assert_array_equal(of, places[order])
    assert recall(found, best)["recall_at_10"] == 0.7
    assert recall(found, best)["recall_at_1"] == 0


def test_among_the_nearest_vectors_all_are_checked_and_some_of_the_others(mapped, every, ranks):
    found = np.full((len(ASKED), TOP), 10.0)
    best, of = nearest_of(mapped, np.arange(len(mapped)), ASKED, found, 100)
    assert (best >= np.sort(every, axis=1)[:, :TOP] - 1e-5).all()
    inside = np.sort(np.where(ranks < 99, every, np.inf), axis=1)[:, :TOP]
    assert (best <= inside + 1e-5).all()
    assert (of >= 0).all()
    shares = held(mapped, np.arange(len(mapped)), ASKED, of)
    assert shares[1000] == [True] * of.size  # of 600 clips
