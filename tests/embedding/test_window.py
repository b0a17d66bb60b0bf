"""Models of several frames: which frames they see, and where they are asked for one."""

import numpy as np
import pytest

from tests import window_model
from tests.window_model import STEP_S, numbered
from vipecli.embedding import clip as clips
from vipecli.embedding.clip import Recipe, read_clip, read_moment, read_pieces
from vipecli.embedding.embed import BATCH, embed
from vipecli.embedding.model import Model
from vipecli.embedding.stream import PoseStream
from vipecli.embedding.window import Window
from vipecli.errors import NoPoseError, WeightsError
from vipecli.evaluate.retrieval import embedded
from vipecli.poses.detection.mediapipe_session import VideoLandmarker
from vipecli.poses.formats import save_poses
from vipecli.sequence.posebert import single_frames

WINDOW = Window(7, STEP_S)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return window_model.save(tmp_path_factory.mktemp("weights") / "window.onnx")


@pytest.fixture(scope="module")
def model(weights):
    return Model.load(weights)


def varied(count: int, *, rate: float = 30.0) -> np.ndarray:
    """Times of a variable rate, with a hole of a second."""
    steps = np.random.default_rng(0).uniform(0.3, 1.7, count) / rate
    steps[count // 2] = 1.0
    return np.cumsum(steps)


# --- the window ----------------------------------------------------------------------------------


def test_the_window_is_read_from_the_file(model):
    assert model.window == WINDOW
    assert model.reach_s == pytest.approx(3.5 / 15)
    assert (Model.load().window, Model.load().reach_s) == (None, 0)


@pytest.mark.parametrize(
    ("rate", "rows"),
    [
        (7.5, [-1, 79, -1, 80, -1, 81, -1]),
        (15, [77, 78, 79, 80, 81, 82, 83]),
        (24, [75, 77, 78, 80, 82, 83, 85]),  # one place is 1.6 frames on
        (30, [74, 76, 78, 80, 82, 84, 86]),
        (60, [68, 72, 76, 80, 84, 88, 92]),
        (240, [32, 48, 64, 80, 96, 112, 128]),
    ],
)
def test_frames_nearest_in_time(rate, rows):
    assert WINDOW.rows(np.arange(160) / rate, np.array([80])).tolist() == [rows]


def test_places_beyond_the_ends_and_in_a_hole_are_empty():
    times = np.array([0, 1, 2, 3, 4, 16, 17]) / 15
    assert WINDOW.rows(times, np.array([0, 4, 5])).tolist() == [
        [-1, -1, -1, 0, 1, 2, 3],
        [1, 2, 3, 4, -1, -1, -1],
        [-1, -1, -1, 5, 6, -1, -1],
    ]


@pytest.mark.parametrize("rate", [12, 30, 240])
def test_frames_of_a_variable_rate_are_those_of_a_loop(rate):
    times = varied(60, rate=rate)
    for middle, row in enumerate(WINDOW.rows(times, np.arange(60))):
        for k, found in zip(range(-3, 4), row, strict=True):
            away = np.abs(times - (times[middle] + k * STEP_S))
            assert found == (away.argmin() if away.min() <= STEP_S / 2 else -1)


@pytest.mark.parametrize(
    "window",
    [
        "[7, 0.0667]",
        "null",
        "{}",
        '{"frames": 7}',
        '{"frames": 6, "step_s": 0.0667}',
        '{"frames": 0, "step_s": 0.0667}',
        '{"frames": 7.0, "step_s": 0.0667}',
        '{"frames": true, "step_s": 0.0667}',
        '{"frames": 1001, "step_s": 0.0667}',
        '{"frames": 7, "step_s": 0}',
        '{"frames": 7, "step_s": -0.0667}',
        '{"frames": 7, "step_s": NaN}',
        '{"frames": 7, "step_s": 1e400}',
        '{"frames": 7, "step_s": 9}',
        f'{{"frames": 7, "step_s": 1{"0" * 400}}}',
        '{"frames": 7, "step_s": "0.0667"}',
        '{"frames": 7, "step_s": 0.0667, "more": 1}',
        '{"frames": 5, "step_s": 0.0667}',  # the network takes 7
        None,
    ],
)
def test_a_wrong_window_is_one_line(tmp_path, window):
    path = window_model.save(tmp_path / "wrong.onnx", window=window)
    with pytest.raises(WeightsError, match=r"wrong\.onnx: ") as caught:
        Model.load(path)
    assert "\n" not in str(caught.value)


# --- clips ---------------------------------------------------------------------------------------


def test_each_frame_is_seen_with_those_around_it(model):
    found = embed(numbered(np.arange(9) / 15, nobody=(5,)), model)
    assert found.mean[0].tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert found.mean[4].tolist() == [2, 3, 4, 5, 0, 7, 8]  # nobody is seen in frame 5
    assert found.std[4].tolist() == [1, 1, 1, 1, 0, 1, 1]
    assert found.mean[8].tolist() == [0, 7, 8, 9, 0, 0, 0]
    assert np.isnan(found.mean).all(axis=1).tolist() == [i == 5 for i in range(9)]


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_a_clip(model, count):
    found = embed(numbered(np.arange(count) / 15), model)
    assert found.mean.tolist() == [[0, 0, 0, 1, 0, 0, 0]] * count


def test_batches_make_no_difference(model):
    poses = numbered(np.arange(2 * BATCH + 9) / 30)
    whole = embed(poses, model)
    assert whole.mean[BATCH].tolist() == [BATCH + 1 + 2 * k for k in range(-3, 4)]
    some = embed(poses, model, frames=slice(BATCH - 5, BATCH + 5))
    np.testing.assert_array_equal(some.mean, whole.mean[BATCH - 5 : BATCH + 5])
    np.testing.assert_array_equal(some.times, whole.times[BATCH - 5 : BATCH + 5])


@pytest.fixture
def film(tmp_path):
    """A keypoint file of a variable rate."""
    path = tmp_path / "film.npz"
    save_poses([numbered(varied(300))], path)
    return path


def test_a_moment_is_embedded_as_in_the_whole_clip(film, weights):
    recipe = Recipe(weights=weights)
    poses, whole = read_clip(film, recipe)
    for frame in (0, 1, 70, 149, 150, 298, 299):
        one, found = read_moment(film, recipe, float(poses.times[frame]))
        np.testing.assert_array_equal(one.times, poses.times[[frame]])
        np.testing.assert_array_equal(found.mean, whole.mean[[frame]])
        np.testing.assert_array_equal(found.std, whole.std[[frame]])


def test_a_moment_is_no_farther_away_than_without_a_window(tmp_path, weights):
    path = tmp_path / "film.npz"
    save_poses([numbered(np.arange(90) / 30, nobody=tuple(range(30, 58)))], path)
    for recipe in (Recipe(), Recipe(weights=weights)):
        assert read_moment(path, recipe, 1.2)[0].times.tolist() == [29 / 30]
        with pytest.raises(NoPoseError, match=r"film\.npz: nobody"):
            read_moment(path, recipe, 1.45)


def test_pieces_are_those_of_the_whole_clip(film, weights, monkeypatch):
    monkeypatch.setattr(clips, "_PIECE", 40)
    recipe = Recipe(weights=weights)
    ((*pieces,),) = read_pieces(film, recipe)
    assert len(pieces) == 8
    whole = read_clip(film, recipe)[1]
    np.testing.assert_array_equal(np.concatenate([one.mean for _, one in pieces]), whole.mean)
    for poses, one in pieces:
        np.testing.assert_array_equal(poses.times, one.times)


def test_a_live_frame_is_seen_with_those_before_it(model, monkeypatch):
    monkeypatch.setattr(VideoLandmarker, "__init__", lambda self, path: None)
    monkeypatch.setattr(VideoLandmarker, "people", lambda self, *given: [])
    monkeypatch.setattr(VideoLandmarker, "close", lambda self: None)
    poses = numbered(np.arange(40) / 30)
    frames = iter(poses.part(slice(i, i + 1)) for i in range(40))
    monkeypatch.setattr("vipecli.embedding.stream._poses", lambda *given: next(frames))
    whole, picture = embed(poses, model), np.zeros((300, 400, 3), np.uint8)
    with PoseStream(model) as stream:
        for i, time_s in enumerate(poses.times):
            seen = stream.step(time_s, picture)
            np.testing.assert_array_equal(seen.poses.times, [time_s])
            past = np.where(np.arange(7) <= 3, whole.mean[i], 0)
            np.testing.assert_array_equal(seen.embedding.mean, past[None])


# --- no clips ------------------------------------------------------------------------------------


def test_separate_pictures_are_not_seen_together(tmp_path):
    path = window_model.save(tmp_path / "wide.onnx", window='{"frames": 7, "step_s": 2}')
    poses = numbered(np.arange(5))
    found = embedded(Model.load(path), poses.xy, poses.score)
    assert found.mean.tolist() == [[0, 0, 0, i + 1, 0, 0, 0] for i in range(5)]


def test_posebert_takes_single_frames(model):
    poses = numbered(np.arange(5))
    with pytest.raises(WeightsError, match=r"prvipe-t:\w{8}: sees several frames"):
        single_frames(model, poses.xy, poses.score)
