import json

import numpy as np
import pytest

from benchmarks.repetitions import make_clip
from tests.conftest import ROOT
from tests.movements import movement
from vipecli.alignment.segmentation import find_repetitions, phase_distances
from vipecli.embedding.embed import Embeddings, Model, embed
from vipecli.errors import NoPoseError
from vipecli.evaluate.views import Noise


@pytest.fixture(scope="module")
def model():
    return Model.load()


def bumps(spans, seconds, *, rate=30.0, heights=None):
    """Embeddings that leave a rest pose in each span and come back, shape (T, 3)."""
    times = np.arange(round(seconds * rate)) / rate
    mean = np.zeros((len(times), 3), np.float32)
    for (start, end), height in zip(spans, heights or [1.0] * len(spans), strict=True):
        phase = ((times - start) / (end - start)).clip(0, 1)
        mean[:, 0] += height * np.sin(np.pi * phase) ** 2
        mean[:, 1] += height * 0.5 * np.sin(2 * np.pi * phase) * np.sin(np.pi * phase)
    return Embeddings(mean, np.full_like(mean, 0.1), times, "m:1", (5.0, 2.5))


def test_repetitions_of_uneven_length_with_a_pause():
    spans = [(1, 3), (3, 4.2), (7, 9.5), (10, 11.5)]
    found = find_repetitions(bumps(spans, 12.5))
    assert len(found) == len(spans)
    for one, (start, end) in zip(found, spans, strict=True):
        assert abs(one.start_s - start) < 0.3 and abs(one.end_s - end) < 0.3
        assert one.unlikeness < 0.3


def test_an_aborted_attempt_does_not_count():
    spans = [(1, 3), (4, 5), (6, 8), (9, 11)]
    found = find_repetitions(bumps(spans, 12, heights=[1, 0.45, 1, 1]))
    assert [round(one.start_s) for one in found] == [1, 6, 9]


@pytest.mark.parametrize("clip", [bumps([], 5), bumps([(1, 3)], 5), movement(np.arange(60) / 30)])
def test_what_comes_back_less_than_twice_is_no_repetition(clip):
    assert find_repetitions(clip) == []


def test_the_ways_of_a_single_squat_are_not_two_excursions_from_its_lowest_pose():
    """It fills the clip: down in 1 s, held for 1.5 s, up in 1 s."""
    times = np.arange(105) / 30
    depth = np.interp(times, [0.0, 1.0, 2.5, 3.4], [0, 1, 1, 0])
    mean = np.stack([depth, depth**2, 0 * depth], axis=1).astype(np.float32)
    clip = Embeddings(mean, np.full_like(mean, 0.1), times, "m:1", (5.0, 2.5))
    assert find_repetitions(clip) == []


def test_missing_frames_are_bridged():
    clip = bumps([(1, 3), (4, 6), (7, 9)], 10)
    clip.mean[50:54] = np.nan
    assert len(find_repetitions(clip)) == 3


def test_nobody_at_all():
    clip = bumps([(1, 3)], 4)
    clip.mean[:] = np.nan
    with pytest.raises(NoPoseError, match="fewer than two frames"):
        find_repetitions(clip)


def test_distances_are_those_of_equal_phases():
    line = np.linspace(0, 1, 11)[:, None]
    assert phase_distances([line, line[::2], line + 2]) == pytest.approx(
        np.array([[0, 0, 2], [0, 0, 2], [2, 2, 0]]), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(1000, 1008))  # one of each movement
def test_movements_through_the_network(model, seed):
    clip = make_clip(seed, count=4, noise=Noise(std=0.015))
    found = find_repetitions(embed(clip.poses, model))
    assert len(found) == 4
    errors = [abs(one.start_s - start) for one, (start, _) in zip(found, clip.spans, strict=True)]
    assert np.median(errors) < 0.35


@pytest.mark.slow
def test_a_real_squat_film_against_labels_by_eye(shared, model):
    from vipecli.embedding.clip import Recipe, read_clip

    labels = json.loads((ROOT / "benchmarks/labels/squat_reps.json").read_text())
    _, embeddings = read_clip(shared / "data/videos" / labels["clip"], Recipe())
    found = find_repetitions(embeddings)
    truth = labels["repetitions"]
    assert len(found) == len(truth)
    for one, there in zip(found, truth, strict=True):
        assert abs(one.start_s - there["start_s"]) < 0.2
        assert abs(one.end_s - there["end_s"]) < 0.2
