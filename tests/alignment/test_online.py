"""A person who is followed through a reference: slower, with a pause, again, and out of view."""

import numpy as np
import pytest

from vipecli.alignment.online import Follower
from vipecli.embedding.embed import Embeddings
from vipecli.errors import FormatError, NoPoseError

FPS = 30


def way(phase: np.ndarray, times: np.ndarray | None = None) -> Embeddings:
    """Embeddings on a spiral: phase 0 to 1 is one performance, which never passes a pose twice."""
    angle = 2.5 * np.pi * np.asarray(phase, float)
    mean = np.zeros((len(angle), 16), np.float32)
    radius = 15 + 15 * phase
    mean[:, 0], mean[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    times = np.arange(len(angle)) / FPS if times is None else times
    std = np.full(mean.shape, 0.1, np.float32)
    return Embeddings(mean, std, times, "demo:0", (1.0, 4.0))


def follow(person: Embeddings, reference: Embeddings):
    follower = Follower(reference)
    return [follower.step(person.part(slice(i, i + 1))) for i in range(len(person))]


def places(found) -> np.ndarray:
    return np.array([one.reference_s for one in found])


REFERENCE = way(np.linspace(0, 1, 91))  # three seconds


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.0, 1.6])
def test_the_reference_keeps_step(speed):
    phase = np.linspace(0, 1, round(91 / speed))
    found = follow(way(phase), REFERENCE)
    error = np.abs(places(found) - 3 * phase)[10:]
    assert np.median(error) < 0.15 and error.max() < 0.25
    assert found[-1].repetitions == 1
    assert found[-1].distance < 1.0 and found[-1].surety > 0.5


def test_waits_while_the_person_pauses_and_goes_on_with_them():
    phase = np.concatenate([np.linspace(0, 0.5, 46), np.full(60, 0.5), np.linspace(0.5, 1, 46)])
    at = places(follow(way(phase), REFERENCE))
    assert np.abs(at[60:105] - 1.5).max() < 0.2
    assert np.abs(at - 3 * phase)[115:].max() < 0.25


def test_begins_again_with_the_person_also_from_the_middle():
    phase = np.concatenate([np.linspace(0, 0.55, 50), np.linspace(0, 1, 91), np.linspace(0, 1, 91)])
    found = follow(way(phase), REFERENCE)
    error = np.abs(places(found) - 3 * phase)
    for start in (50, 141):
        assert error[start + 9 : start + 90].max() < 0.3
    again = [i for i, one in enumerate(found) if one.restarted]
    assert len(again) == 2 and all(
        0 <= i - start < 15 for i, start in zip(again, (50, 141), strict=True)
    )
    assert found[-1].repetitions == 2, "the one that was given up does not count"


def test_dropped_frames_cost_nothing():
    phase = np.linspace(0, 1, 91)
    kept = np.flatnonzero(np.random.default_rng(0).random(91) < 0.4)
    found = follow(way(phase[kept], kept / FPS), REFERENCE)
    assert np.median(np.abs(places(found) - 3 * phase[kept])[5:]) < 0.12


def test_nobody_in_view_is_told_and_bridged():
    person = way(np.linspace(0, 1, 91))
    person.mean[40:50] = np.nan
    found = follow(person, REFERENCE)
    assert all(np.isnan(one.distance) for one in found[40:50])
    assert len({one.reference_s for one in found[39:50]}) == 1, "stays where it was"
    assert np.abs(places(found)[55:] - np.linspace(0, 3, 91)[55:]).max() < 0.25


def test_time_may_be_uneven_in_the_reference():
    times = np.cumsum(np.r_[0, np.random.default_rng(1).uniform(0.01, 0.06, 90)])
    reference = way(np.linspace(0, 1, 91), times)
    at = places(follow(way(np.linspace(0, 1, 91)), reference))
    assert np.median(np.abs(at - times)[10:]) < 0.12


def test_refuses():
    empty = way(np.linspace(0, 1, 10))
    empty.mean[1:] = np.nan
    with pytest.raises(NoPoseError, match="fewer than two frames"):
        Follower(empty)
    other = Embeddings(REFERENCE.mean, REFERENCE.std, REFERENCE.times, "other:1", (1.0, 4.0))
    with pytest.raises(FormatError, match="two models"):
        Follower(REFERENCE).step(other.part(slice(0, 1)))
