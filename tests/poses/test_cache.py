"""Poses found before: kept, found again, evicted, and never in the way."""

import errno
import json
import multiprocessing
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.media import make_video
from vipecli.cli.app import main
from vipecli.embedding import clip as embedding_clip
from vipecli.embedding.clip import Recipe, read_clip, read_scene
from vipecli.errors import VideoWarning
from vipecli.poses import cache
from vipecli.poses.detection.model_file import stored_model
from vipecli.poses.poses import Scene
from vipecli.poses.tracking import Track, Tracks

RNG = np.random.default_rng(3)


def scene(frames=6, points=33, people=2):
    tracks = Tracks()
    for n in range(people):
        track = Track()
        for frame in range(n, frames):
            person = RNG.uniform(0.1, 1, (points, 7)).astype(np.float32)
            person[:, :2] = person[:, :2] * 80 + 200 * n
            track.add(frame, frame / 30, person)
        tracks.tracks.append(track)
    return Scene(tracks, np.arange(frames) / 30, (640, 480), "a.mp4", "test")


def assert_same(a, b):
    assert (a.size, a.detector) == (b.size, b.detector)
    np.testing.assert_array_equal(a.times, b.times)
    for one, other in zip(a.tracks.tracks, b.tracks.tracks, strict=True):
        assert one.frames == other.frames
        np.testing.assert_array_equal(np.stack(one.people), np.stack(other.people))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A cache without poses."""
    folder, model = tmp_path / "cache", stored_model()
    if model is not None:  # a mediapipe without one needs it
        folder.mkdir()
        shutil.copy(model, folder)
    monkeypatch.setenv("VIPE_CACHE", str(folder))
    return folder / "poses"


@pytest.fixture
def detected(monkeypatch):
    """Clips that were really looked at; what is seen there is made up."""
    seen = []

    def detect_everyone(clip, *, progress=None, **options):
        seen.append((clip.path.name, options))
        if clip.path.name.startswith("cut"):
            clip.warn("cut off; read 1 of 2 s")
        for n in range(6 if progress else 0):
            progress(n)
        return scene()

    monkeypatch.setattr(embedding_clip, "detect_everyone", detect_everyone)
    monkeypatch.setattr(Recipe, "finder", "detector 1")
    return seen


@pytest.mark.parametrize("made", [scene(), scene(points=13), scene(people=0)])
def test_people_come_back_as_they_were(place, made):
    assert cache.save("k", made, ("cut off",))
    found, remarks = cache.load("k", source="b.mp4")
    assert_same(found, made)
    assert (found.source, remarks) == ("b.mp4", ("cut off",))
    assert cache.load("other", source="b.mp4") is None


def test_a_clip_is_looked_at_once_whatever_its_name(place, detected, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "b.mp4").write_bytes(b"one")
    (tmp_path / "c.mp4").write_bytes(b"two")
    ticks = []
    first = read_scene(tmp_path / "a.mp4", Recipe())
    again = read_scene(tmp_path / "b.mp4", Recipe(person="matching"), ticks.append)
    read_scene(tmp_path / "c.mp4", Recipe())
    assert [name for name, _ in detected] == ["a.mp4", "c.mp4"]
    assert_same(first, again)
    assert again.source == "b.mp4"
    assert sum(ticks) == 6


def test_detector_and_settings_tell_clips_apart(place, detected, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"one")
    for recipe in (Recipe(), Recipe(fps=10), Recipe(start_s=1), Recipe(end_s=1)):
        read_scene(tmp_path / "a.mp4", recipe)
    assert len(detected) == 4
    for recipe in (Recipe(person="2"), Recipe(equally=True), Recipe(person="center")):
        read_scene(tmp_path / "a.mp4", recipe)
    assert [options["equally"] for _, options in detected] == [False] * 4 + [True]
    monkeypatch.setattr(Recipe, "finder", "detector 2")
    read_scene(tmp_path / "a.mp4", Recipe())
    assert len(detected) == 6
    read_scene(tmp_path / "a.mp4", Recipe(cached=False))
    assert len(detected) == 7


def test_what_was_said_of_a_clip_is_said_again(place, detected, tmp_path):
    (tmp_path / "cut.mp4").write_bytes(b"one")
    for _ in range(2):
        with pytest.warns(VideoWarning, match=r"cut\.mp4: cut off; read 1 of 2 s"):
            read_scene(tmp_path / "cut.mp4", Recipe())
    assert len(detected) == 1


def test_a_folder_of_frames(place, detected, tmp_path):
    for name in ("1.png", "2.png"):
        (tmp_path / "frames").mkdir(exist_ok=True)
        (tmp_path / "frames" / name).write_bytes(name.encode())
    for _ in range(2):
        read_scene(tmp_path / "frames", Recipe())
    (tmp_path / "frames" / "2.png").rename(tmp_path / "frames" / "3.png")
    read_scene(tmp_path / "frames", Recipe())
    assert len(detected) == 2


@pytest.mark.parametrize("content", [b"", b"PK", bytes(500)])
def test_a_damaged_file_is_made_again(place, content):
    cache.save("k", scene())
    (place / "k.npz").write_bytes(content or (place / "k.npz").read_bytes()[:-200])
    assert cache.load("k", source="a") is None
    assert not (place / "k.npz").exists()
    assert cache.save("k", scene())


def test_bits_that_turned_are_noticed(place):
    cache.save("k", scene(frames=60))
    content = bytearray((place / "k.npz").read_bytes())
    content[len(content) // 2] ^= 4
    (place / "k.npz").write_bytes(content)
    assert cache.load("k", source="a") is None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_disk_fails_nothing(place, detected, tmp_path, monkeypatch, code):
    (tmp_path / "a.mp4").write_bytes(b"one")

    def full(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(cache.NpzWriter, "write", full)
    assert len(read_scene(tmp_path / "a.mp4", Recipe()).tracks.tracks) == 2
    assert list(place.iterdir()) == []


def test_a_cache_that_cannot_be_made_fails_nothing(detected, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"one")
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIPE_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        read_scene(tmp_path / "a.mp4", Recipe())
    assert len(detected) == 2


def test_switched_off(detected, tmp_path, monkeypatch):
    (tmp_path / "a.mp4").write_bytes(b"one")
    monkeypatch.setenv("VIPE_CACHE", "off")
    for _ in range(2):
        read_scene(tmp_path / "a.mp4", Recipe())
    assert len(detected) == 2
    assert cache.usage().folder is None


def test_the_least_recently_used_go_first(place, monkeypatch):
    cache.save("0", scene())
    size = cache.usage().size
    monkeypatch.setenv("VIPE_CACHE_MB", str(3.5 * size / (1 << 20)))
    start = time.time() - 1000
    os.utime(place / "0.npz", (start, start))
    for n in (1, 2):
        cache.save(str(n), scene())
        os.utime(place / f"{n}.npz", (start + n, start + n))
    assert cache.load("0", source="a")  # used just now
    cache.save("3", scene())
    assert sorted(path.stem for path in place.iterdir()) == ["0", "2", "3"]
    assert cache.usage().size <= cache.limit_bytes()


def test_the_leavings_of_a_killed_process_go(place):
    place.mkdir(parents=True)
    for name, age_s in ((".k-1.part.npz", 3 * 24 * 3600), (".k-2.part.npz", 60)):
        (place / name).touch()
        os.utime(place / name, (time.time() - age_s,) * 2)
    cache.save("k", scene())
    assert sorted(path.name for path in place.iterdir()) == [".k-2.part.npz", "k.npz"]
    assert cache.usage().clips == 1


def _busy(number):
    rng = np.random.default_rng(number)
    for _ in range(40):
        key = str(rng.integers(4))
        found = cache.load(key, source="a")
        if found is not None and len(found[0].times) != 6:
            return False
        cache.save(key, scene())
    return True


def test_several_processes_at_once(place, monkeypatch):
    cache.save("0", scene())
    monkeypatch.setenv("VIPE_CACHE_MB", str(2.5 * cache.usage().size / (1 << 20)))
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert all(pool.map(_busy, range(4)))
    assert all(not path.name.startswith(".") for path in place.iterdir())


def test_a_real_clip_gives_the_same_twice(place, tmp_path):
    path = Path(__file__).resolve().parent.parent.parent / "examples/clips/squat/squat_000_ada.mp4"
    recipe = Recipe(end_s=0.3)
    first, again = read_clip(path, recipe), read_clip(path, recipe)
    assert cache.usage().clips == 1
    for one, other in zip(first, again, strict=True):
        for name in ("xy", "world", "landmarks", "mean", "std"):
            if hasattr(one, name):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_command(place, capfd):
    def vipe(*args):
        with pytest.raises(SystemExit) as left:
            main(["cache", *args])
        return left.value.code, capfd.readouterr().out

    assert "0 clips" in vipe("info")[1]
    cache.save("k", scene())
    code, out = vipe("info", "--json", "-")
    found = json.loads(out)
    assert (code, found["clips"], found["folder"]) == (0, 1, str(place))
    assert 0 < found["bytes"] < found["limit_bytes"]
    assert "1 clip," in vipe("clear")[1]
    assert "0 clips" in vipe("info")[1]


def test_nobody_is_remembered_too(place, tmp_path):
    make_video(tmp_path / "grey.mp4", range(0, 200, 40))
    for _ in range(2):
        assert read_scene(tmp_path / "grey.mp4", Recipe()).everyone() == []
    assert cache.usage().clips == 1


def test_scenes_are_not_changed_by_the_cut(place):
    made = scene()
    part = replace(made).part(0.05, 0.15)
    assert len(part.times) == 3
    assert part.tracks.tracks[0].frames == [0, 1, 2]
    assert len(made.times) == 6
