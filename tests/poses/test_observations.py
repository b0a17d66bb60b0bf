"""Observations on disk behave as a list of them."""

import numpy as np
import pytest

from vipecli.embedding.clip import Recipe, _pieces
from vipecli.embedding.embed import embed
from vipecli.poses import observations
from vipecli.poses.gaps import fill_gaps
from vipecli.poses.npz_writer import NpzWriter
from vipecli.poses.observations import Observations
from vipecli.poses.poses import Scene
from vipecli.poses.tracking import SEEN, Tracks

COUNT = 6000  # more than one piece, and many blocks


def people(count, seed=0):
    rng = np.random.default_rng(seed)
    still = rng.uniform(100, 300, (33, 7)).astype(np.float32)
    rows = still + rng.normal(0, 1, (count, 33, 7)).astype(np.float32)
    rows[..., SEEN] = rng.uniform(0, 1, (count, 33))
    return rows


def filled(rows):
    kept = Observations()
    for row in rows:
        kept.append(row)
    return kept


@pytest.mark.parametrize("count", [0, 1, 511, 1024, 1025, 3000])
def test_observations_are_like_a_list(count):
    rows = people(count)
    kept = filled(rows)
    assert len(kept) == count
    assert len(list(kept)) == count
    for first, last in [(0, count), (0, 700), (500, 1030), (1020, None), (-3, None), (count, None)]:
        part = kept[first:last]
        assert len(part) == len(rows[first:last])
        if len(part):
            np.testing.assert_array_equal(part, rows[first:last])
    for place in {0, count // 2, count - 1, -1} if count else ():
        np.testing.assert_array_equal(kept[place], rows[place])
    with pytest.raises(IndexError):
        kept[count]


def test_most_of_them_leave_memory():
    kept = filled(people(COUNT))
    assert len(kept._latest) < 2 * observations._BLOCK


def test_without_room_on_disk_they_stay(monkeypatch):
    def full(**options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(observations.tempfile, "TemporaryFile", full)
    rows = people(2000)
    np.testing.assert_array_equal(np.stack(list(filled(rows))), rows)


@pytest.mark.parametrize("kept", [list, Observations])
def test_pieces_of_a_film_are_those_of_the_whole(kept):
    """Gaps of all lengths, across the edges of pieces, too."""
    rng, tracks = np.random.default_rng(1), Tracks(storage=kept)
    there = rng.random(COUNT) < 0.8
    there[4080:4098] = there[4090] = False
    there[5000:5020] = False
    times = np.cumsum(rng.uniform(0.02, 0.05, COUNT))
    for frame, row in enumerate(people(COUNT)):
        tracks.add(frame, float(times[frame]), [row] if there[frame] else [])
    scene, model = Scene(tracks, times, (640, 480)), Recipe().load_model()
    whole = fill_gaps(scene.choose("largest"))
    pieces = list(_pieces(scene, scene.track("largest"), model, Recipe()))
    assert len(pieces) == 3
    for name in ("xy", "score", "times", "landmarks", "landmark_score", "world"):
        together = np.concatenate([getattr(poses, name) for poses, _ in pieces])
        np.testing.assert_array_equal(together, getattr(whole, name))
    wanted = embed(whole, model)
    np.testing.assert_array_equal(np.concatenate([e.mean for _, e in pieces]), wanted.mean)


def test_appended_archive_equals_the_one_of_numpy(tmp_path):
    arrays = {"a": people(900), "b": np.arange(5), "text": np.array("x"), "none": np.zeros((0, 3))}
    with NpzWriter(tmp_path) as archive:
        for name, array in arrays.items():
            for part in np.array_split(array, 3) if array.ndim else [array]:
                archive.add(name, part)
        archive.write(tmp_path / "appended.npz")
    np.savez(tmp_path / "saved.npz", **arrays)
    assert (tmp_path / "appended.npz").read_bytes() == (tmp_path / "saved.npz").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["appended.npz", "saved.npz"]
