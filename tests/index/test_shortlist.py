"""Very many clips on disk: what is found, and from what."""

import json

import numpy as np
import pytest

from tests.index.test_neighbours import clip, holey
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.index import shortlist
from vipecli.index.neighbours import NeighbourSearch

CLIPS = [clip(action, take, t=40) for action in range(6) for take in range(10)]


@pytest.fixture(params=["one by one", "many at once"])
def index(tmp_path, request):
    writer = shortlist.Writer(tmp_path / "s", CLIPS[0], clips=len(CLIPS), frames=40 * len(CLIPS))
    frames = np.stack([np.stack([c.mean, c.std], axis=1) for c in CLIPS])
    for start in range(0, len(CLIPS), 25):
        if request.param == "many at once":
            writer.add_many(frames[start : start + 25], CLIPS[0].times)
        else:
            for one in CLIPS[start : start + 25]:
                writer.add(one)
    with pytest.raises(FormatError, match="no shortlist"):
        shortlist.Shortlist.open(tmp_path / "s")
    writer.close()
    return shortlist.Shortlist.open(tmp_path / "s")


def test_what_is_written_is_read(index):
    assert len(index) == len(CLIPS)
    for place in (0, 31, 59):
        np.testing.assert_array_equal(index.clip(place).mean, CLIPS[place].mean)
        np.testing.assert_array_equal(index.clip(place).std, CLIPS[place].std)
        np.testing.assert_allclose(index.clip(place).times, CLIPS[place].times)
        np.testing.assert_allclose(index.pooled[place], shortlist.pooled(CLIPS[place]), atol=2e-3)


def test_the_nearest_are_those_of_all_where_the_shortlist_holds_them(index):
    packed = NeighbourSearch([(f"{i:02d}", "", c) for i, c in enumerate(CLIPS)])
    for action in range(6):
        query = clip(action, 77, t=40)
        want, distances, _ = packed.nearest(query, 3)
        places, got, _ = index.nearest(query, 3, count=60)
        np.testing.assert_array_equal(places, want)
        np.testing.assert_allclose(got, distances, rtol=1e-6)
        assert want[0] in index.candidates(query, 20)
        np.testing.assert_array_equal(index.nearest(query, 3, exhaustive=True)[0], want)


def test_clips_with_holes_are_pooled_over_what_is_seen():
    vector = shortlist.pooled(holey(clip(1, 1, t=40)))
    assert np.isfinite(vector).all()
    nobody = clip(1, 1)
    nobody.mean[:] = np.nan
    assert (shortlist.pooled(nobody) == 0).all()


def test_clips_are_pooled_together_as_one_by_one():
    def naive(one):
        known = np.isfinite(one.mean).all(axis=1)
        whole = one.mean[known].mean(axis=0) if known.any() else np.zeros(one.mean.shape[1])
        parts = np.array_split(np.arange(len(one)), shortlist.PARTS)
        means = [one.mean[p[known[p]]].mean(axis=0) if known[p].any() else whole for p in parts]
        return np.concatenate(means)

    nobody = clip(1, 1)
    nobody.mean[:] = np.nan
    clips = [clip(0, 0, t=t) for t in (1, 2, 3, 4, 5, 41)]
    clips = [clips[0], holey(clip(1, 1, t=40)), nobody, *clips, clips[0]]
    found = shortlist.pooled_many(clips)
    np.testing.assert_allclose(found, [naive(one) for one in clips], rtol=1e-5, atol=1e-6)
    for one, vector in zip(clips, found, strict=True):
        np.testing.assert_array_equal(shortlist.pooled(one), vector)


def test_clips_that_are_left_out_take_no_places_of_the_shortlist(index):
    query = clip(2, 77, t=40)
    out = np.ones(len(CLIPS), bool)
    out[[3, 14, 35, 59]] = False
    places, _, _ = index.nearest(query, 10, leave_out=out, count=10)
    assert set(places) == {3, 14, 35, 59}
    assert not len(index.nearest(query, 10, leave_out=np.ones(len(CLIPS), bool))[0])


def test_many_clips_of_one_length_are_packed_alike():
    packed = NeighbourSearch([(f"{i:02d}", "", c) for i, c in enumerate(CLIPS)])
    mean, std = (np.concatenate([getattr(c, name) for c in CLIPS]) for name in ("mean", "std"))
    at_once = NeighbourSearch.of_frames(
        40, 1 / 30, Embeddings(mean, std, np.zeros(len(mean)), CLIPS[0].model, CLIPS[0].sigmoid)
    )
    query = clip(2, 9, t=33)
    np.testing.assert_allclose(at_once.distances(query), packed.distances(query), rtol=1e-6)
    near, found, _ = packed.nearest(query, 4)
    np.testing.assert_array_equal(at_once.nearest(query, 4)[0], near)
    few = at_once.nearest(query, 4, limit=float(found[1]))[0]
    np.testing.assert_array_equal(few[:2], near[:2])
    assert len(at_once.nearest(query, 4, limit=0.0)[0]) == 0


def test_a_large_index_is_classified_through_its_shortlist(tmp_path, monkeypatch):
    from vipecli.index import calibration, opened
    from vipecli.index.classify import classify
    from vipecli.index.commit import commit
    from vipecli.index.records import Facts, Record
    from vipecli.index.store import Index
    from vipecli.poses.poses import Poses

    def record(i, embeddings):
        ones = np.ones((40, 13, 2), np.float32)
        found = Poses(ones, ones[..., 0], embeddings.times, (64, 64))
        return Record(Facts(f"{i:02d}", "abcdefg"[i // 10], key=str(i)), found, embeddings)

    index = commit(Index(tmp_path), (record(i, c) for i, c in enumerate(CLIPS)))
    monkeypatch.setattr(opened, "IN_MEMORY", 10)
    monkeypatch.setattr(calibration, "SAMPLE", 12)
    for _ in range(2):  # made, and found again
        library = opened.open_for_search(
            index, hubs=5, k=3, leave_out=lambda facts: facts.name == "20"
        )
        query = clip(2, 99, t=40)
        found = classify(query, library.packed, k=3, leave_out=library.left_out)
        assert (found.label, len(found.neighbours)) == ("c", 3)
        assert "20" not in [one.clip for one in found.neighbours]
    commit(index, [record(60, CLIPS[0])])
    assert len(opened.open_for_search(loaded(tmp_path), hubs=5, k=3).packed) == 61


def loaded(folder):
    from vipecli.index.store import load

    return load(folder)


def test_files_that_do_not_belong_together_are_refused(index, tmp_path):
    np.save(tmp_path / "s/ends.npy", np.arange(3))
    with pytest.raises(FormatError, match="do not belong together"):
        shortlist.Shortlist.open(tmp_path / "s")
    (tmp_path / "s/facts.json").write_text(json.dumps([]))
    with pytest.raises(FormatError, match="damaged"):
        shortlist.Shortlist.open(tmp_path / "s")
    with pytest.raises(FormatError, match="no shortlist"):
        shortlist.Shortlist.open(tmp_path / "gone")


def test_warping_of_parts_is_that_of_their_frame_distances():
    from tests.naive import dtw
    from vipecli.embedding.distance import frame_distance

    query, clips = holey(clip(1, 5, t=53)), [*CLIPS[:25], clip(0, 1, t=1), clip(2, 1, t=3)]
    vectors = shortlist.pooled_many(clips)

    def frames(parts, vector):
        mean = vector.reshape(parts, -1)
        zeros = np.zeros_like(mean)
        return Embeddings(mean, zeros, np.arange(parts) / 30, query.model, query.sigmoid)

    asked = frames(8, shortlist.pooled_many([query], 8)[0])
    want = [dtw(frame_distance(asked, frames(4, vector)).astype(float))[1] for vector in vectors]
    np.testing.assert_allclose(shortlist.warped(query, vectors), want, rtol=1e-4)


def test_of_the_nearest_vectors_warping_picks_the_shortlist(index, monkeypatch):
    query = clip(3, 77, t=40)
    monkeypatch.setattr(shortlist, "WIDER", 5)
    near = np.square(index.pooled.astype(float) - shortlist.pooled(query)).sum(axis=1)
    wide = np.argsort(near)[:20]
    order = np.argsort(shortlist.warped(query, index.pooled[wide]))
    np.testing.assert_array_equal(index.candidates(query, 4), wide[order[:4]])


@pytest.mark.parametrize(
    ("clips", "count"),
    [(5, 3000), (300_000, 3000), (1_000_000, 8000), (1_249_999, 9999), (10**8, 10_000)],
)
def test_a_larger_index_has_a_longer_shortlist(clips, count):
    assert shortlist.shortlist_of(clips) == count


def test_clips_that_are_left_out_do_not_count_for_its_length(index, monkeypatch):
    monkeypatch.setattr(shortlist, "shortlist_of", lambda clips: clips // 2)
    out = np.arange(len(CLIPS)) % 3 == 0
    assert len(index.candidates(CLIPS[0])) == 30
    assert len(index.candidates(CLIPS[0], leave_out=out)) == 20
