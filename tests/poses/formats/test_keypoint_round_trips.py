"""Poses written in every format and read again, whole and damaged."""

import warnings
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vipecli.errors import FormatError, NoPoseError, VideoWarning
from vipecli.poses.formats import FORMATS as EVERY_FORMAT
from vipecli.poses.formats import (
    load_poses,
    load_scene,
    save_poses,
)
from vipecli.poses.poses import Poses
from vipecli.poses.skeleton import from_mediapipe

RNG = np.random.default_rng(7)
HAS_SLEAP = find_spec("sleap_io") is not None
FORMATS = {name: one for name, one in EVERY_FORMAT.items() if name != "slp" or HAS_SLEAP}


def poses(frames=6, landmarks=False, shift=0.0):
    body = RNG.normal(0, 60, (13, 2)) + np.array([300 + shift, 240])
    xy = (body + RNG.normal(0, 3, (frames, 13, 2))).astype(np.float32)
    score = RNG.uniform(0.55, 1, (frames, 13)).astype(np.float32)
    xy[1, 5], score[1, 5] = np.nan, 0
    xy[3], score[3] = np.nan, 0
    times = np.arange(frames) / 30
    made = Poses(xy, score, times, (640, 480), "a.mp4", "by hand")
    if not landmarks:
        return made
    points = RNG.normal(200, 60, (33, 3)) + RNG.normal(0, 3, (frames, 33, 3))
    points = points.astype(np.float32)
    seen = RNG.uniform(0.55, 1, (frames, 33)).astype(np.float32)
    points[3], seen[3] = np.nan, 0
    world = RNG.normal(size=(frames, 33, 3)).astype(np.float32)
    world[3] = np.nan
    joints, joint_score = from_mediapipe(points[..., :2]), from_mediapipe(seen[..., None])[..., 0]
    return replace(
        made, xy=joints, score=joint_score, landmarks=points, landmark_score=seen, world=world
    )


def target(tmp_path, name):
    return tmp_path / f"a{FORMATS[name].suffix}"


def assert_same(found, made, name, atol=1e-3):
    score = made.score if name != "penn" else (made.score > 0).astype(np.float32)
    assert len(found) == len(made)
    np.testing.assert_allclose(found.xy, made.xy, atol=atol)
    if name != "trc":
        np.testing.assert_allclose(found.score, score, atol=1e-4)
    np.testing.assert_allclose(found.times, made.times, atol=1e-6)
    if name not in ("openpose", "alphapose", "halpe26", "trc"):
        assert found.size == made.size


@pytest.mark.parametrize("landmarks", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_round_trip(tmp_path, name, landmarks):
    made = poses(landmarks=landmarks)
    save_poses(made, target(tmp_path, name), format=name)
    found = load_poses(target(tmp_path, name))
    assert_same(found, made, name)
    if name == "mediapipe" and landmarks:
        np.testing.assert_allclose(found.world, made.world, atol=1e-5)
        np.testing.assert_allclose(found.landmarks, made.landmarks, atol=1e-3)


@pytest.mark.parametrize("first", FORMATS)
def test_from_one_format_to_every_other_and_back(tmp_path, first):
    save_poses(poses(), target(tmp_path, first), format=first)
    start = load_poses(target(tmp_path, first))
    for second in FORMATS:
        folder = tmp_path / second
        folder.mkdir()
        save_poses(start, target(folder, second), format=second)
        between = load_poses(target(folder, second))
        np.testing.assert_allclose(between.xy, start.xy, atol=1e-3, err_msg=second)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.several])
def test_several_people_keep_apart(tmp_path, name):
    made = [poses(shift=shift) for shift in (-150, 150)]
    save_poses(made, target(tmp_path, name), format=name)
    scene = load_scene(target(tmp_path, name))
    for found, one in zip(scene.everyone(), made, strict=True):
        assert_same(found, one, name)
    with pytest.raises(NoPoseError, match="only 2"):
        scene.choose(3)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if not one.several])
def test_formats_for_one_person_refuse_two(tmp_path, name):
    with pytest.raises(FormatError, match="one person"):
        save_poses([poses(), poses()], target(tmp_path, name), format=name)
    assert list(tmp_path.iterdir()) == []


def test_same_poses_same_bytes(tmp_path):
    made = poses(landmarks=True)
    for name, one in FORMATS.items():
        if one.suffix:
            for part in "ab":
                save_poses(made, tmp_path / f"{part}{one.suffix}", format=name)
            first, second = ((tmp_path / f"{part}{one.suffix}").read_bytes() for part in "ab")
            assert first == second, name


def test_a_folder_that_is_not_empty_stays(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    with pytest.raises(FormatError, match="not an empty folder"):
        save_poses(poses(), tmp_path / "a", format="openpose")
    assert [p.name for p in tmp_path.rglob("*")] == ["a", "x"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A good file of every format."""
    folder = tmp_path_factory.mktemp("saved")
    found = {}
    for name, one in FORMATS.items():
        place = folder / name
        place.mkdir()
        path = place / f"a{one.suffix}"
        save_poses(poses(4, landmarks=True), path, format=name)
        found[name] = next(path.iterdir()) if path.is_dir() else path
    return {name: (path, path.read_bytes()) for name, path in found.items()}


SNIPPETS = st.sampled_from(
    [b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"a"', b",", b"\t", b"\n", b"\x00", b"9" * 30]
)


@pytest.mark.parametrize("name", FORMATS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_anywhere_is_a_format_error_or_harmless(saved, name, data):
    path, good = saved[name]
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        if data.draw(st.booleans()):
            content[place : place + data.draw(st.integers(0, 40))] = data.draw(SNIPPETS)
        elif content:
            content[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    damaged = path.with_name(f"damaged_1_keypoints{path.suffix}")
    damaged.write_bytes(content[:cut])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", VideoWarning)  # that everyone is upside down, and the like
        try:
            load_poses(damaged)
        except (FormatError, NoPoseError) as exc:
            assert "damaged_1" in str(exc)
