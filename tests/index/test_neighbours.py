"""The nearest clips without computing most distances: the same as with all of them."""

from dataclasses import replace

import numpy as np
import pytest
from numba import get_num_threads, set_num_threads

from tests.index.test_classify import clip as wavy_clip
from tests.index.test_classify import uneven
from vipecli.evaluate.metrics import without_hubs
from vipecli.evaluate.penn import distances
from vipecli.index.hubness import Hubness
from vipecli.index.neighbours import NeighbourSearch


def clip(*args, **options):
    """A clip whose softened sigmoid is a sum of decays, as that of the model that comes along."""
    return replace(wavy_clip(*args, **options), sigmoid=(5.0, 9.02))


def index(actions=6, takes=4):
    clips = [
        (f"{action}-{take}", "abcdefgh"[action], clip(action, take, t=9 + 13 * take))
        for action in range(actions)
        for take in range(takes)
    ]
    clips += [("60", "z", clip(5, 1, rate=60.0, t=90)), ("one", "z", clip(2, 0, t=1))]
    clips += [("uneven", "z", uneven(clip(3, 2)))]
    holes = clip(4, 7)
    holes.mean[5:9] = np.nan
    return [*clips, ("holes", "z", holes)]


def holey(query):
    query.mean[4] = np.nan
    query.mean[20:27] = np.nan
    return query


QUERIES = {
    "plain": clip(0, 50),
    "short": clip(1, 51, t=2),
    "one frame": clip(1, 51, t=1),
    "long": clip(2, 52, t=150),
    "with holes": holey(clip(3, 53)),
    "60 frames a second": clip(4, 54, rate=60.0, t=80),
    "uneven": uneven(clip(5, 55)),
    "unlike": clip(40, 1),
}


@pytest.fixture(scope="module")
def packed():
    return NeighbourSearch(index())


@pytest.fixture(scope="module")
def hubs(packed):
    return Hubness.of(distances(list(packed.clips)), 5)


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize(("k", "corrected"), [(1, False), (4, True), (60, True)])
def test_nearest_are_those_of_all_distances(packed, hubs, name, k, corrected):
    query = QUERIES[name]
    leave_out = np.zeros(len(packed), bool)
    leave_out[::5] = True
    options = {"hubs": hubs if corrected else None, "leave_out": leave_out}
    found = packed.nearest(query, k, **options)
    all_of_them = packed.nearest(query, k, exhaustive=True, **options)
    np.testing.assert_array_equal(found[0], all_of_them[0])
    for got, want in zip(found[1:], all_of_them[1:], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
    assert len(found[0]) == min(k, (~leave_out).sum())


def test_a_member_is_no_neighbour_of_the_others(packed):
    table = np.stack([packed.distances(one) for one in packed.clips])  # ties are not symmetric
    hubs = Hubness.of(table, 5)
    want = without_hubs(table, table, np.ones(len(packed), bool), k=5)
    for i in range(0, len(packed), 9):
        leave_out = np.arange(len(packed)) == i
        near, _, scores = packed.nearest(
            packed.clips[i], 3, hubs=hubs, member=True, leave_out=leave_out
        )
        expected = np.where(leave_out, np.inf, want[i])
        np.testing.assert_allclose(scores, np.sort(expected)[:3], rtol=1e-5)
        np.testing.assert_allclose(expected[near], scores, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(set(QUERIES) - {"uneven"}))
def test_bounds_are_bounds_and_most_clips_are_ruled_out_by_them(packed, name):
    from vipecli import _kernels
    from vipecli._kernels.bounds import refined_bound
    from vipecli.embedding.distance import constant_taps
    from vipecli.index.lower_bounds import query_of

    query = QUERIES[name]
    asked = query_of(query, constant_taps(query.times), packed._terms[1])
    bounds = _kernels.lower_bounds(asked, packed._spheres, packed._even.bounded, packed._terms[0])
    found = packed.distances(query)[packed._even.order]
    assert (bounds <= found).all()
    for c, distance in enumerate(found):
        bound, _ = refined_bound(
            asked, packed._frames, packed._even.bounded, c, packed._terms[0], np.inf
        )
        assert bounds[c] - 1e-3 <= bound <= distance
    if name == "plain":
        assert (bounds > found.min()).mean() > 0.5


def test_without_bounds_all_distances_are_computed():
    packed = NeighbourSearch(
        [(name, label, replace(x, sigmoid=(7.5, 20.0))) for name, label, x in index()]
    )
    assert packed._terms is None
    found = packed.nearest(replace(QUERIES["plain"], sigmoid=(7.5, 20.0)), 3)
    assert [packed.labels[c] for c in found[0]] == ["a"] * 3


def test_threads_change_nothing(packed, hubs):
    threads = get_num_threads()
    found = [packed.nearest(q, 4, hubs=hubs) for q in QUERIES.values()]
    set_num_threads(1)
    alone = [packed.nearest(q, 4, hubs=hubs) for q in QUERIES.values()]
    set_num_threads(threads)
    for many, one in zip(found, alone, strict=True):
        for x, y in zip(many, one, strict=True):
            np.testing.assert_array_equal(x, y)


def test_hubs_are_those_of_the_metric():
    table = np.random.default_rng(0).uniform(0.3, 2, (20, 20))
    table = (table + table.T) / 2
    asked = np.random.default_rng(1).uniform(0.3, 2, 20)
    want = without_hubs(asked[None], table, k=6)[0]
    np.testing.assert_allclose(Hubness.of(table, 6).scores(asked, member=False), want)
    assert Hubness.of(table[:2, :2], 6).count == 0


@pytest.mark.slow
def test_classify_agrees_with_evaluate_penn_clip_by_clip(shared):
    """Leave-one-out over the training split: the same nearest clip, corrected for hubs."""
    from vipecli.embedding.embed import Model, embed
    from vipecli.index import penn_action

    model = Model.load()
    clips = penn_action.load(shared / "data" / "penn_action")
    packed = NeighbourSearch([(c.id, c.action, embed(c.poses, model)) for c in clips])
    table = distances(list(packed.clips))
    members = np.ones(len(clips), bool)
    scores = without_hubs(table, table, members, k=50)
    np.fill_diagonal(scores, np.inf)
    near, same = Hubness.of(table, 50), 0
    for i in range(len(clips)):
        leave_out = np.arange(len(clips)) == i
        found = packed.nearest(packed.clips[i], 1, hubs=near, member=True, leave_out=leave_out)
        same += packed.labels[found[0][0]] == packed.labels[scores[i].argmin()]
    assert same == len(clips)
