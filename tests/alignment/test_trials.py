import numpy as np
import pytest

from tests.bodies import STANDING, seen
from vipecli.alignment.joint_angles import ANGLES, picture
from vipecli.alignment.segmentation import Repetition
from vipecli.alignment.takes import Clip
from vipecli.alignment.trials import (
    Trials,
    cut,
    group_differences,
    mean_and_std,
    summarise,
    tempo,
)
from vipecli.embedding.embed import Model, embed
from vipecli.poses import skeleton as sk
from vipecli.video.source import ClipSource


@pytest.fixture(scope="module")
def model():
    return Model.load()


def raising(depth, frames=40):
    """Somebody who raises a straight left arm by an angle and lowers it, seen from the front."""
    motion = np.repeat(STANDING[None], frames, axis=0)
    angle = np.radians(20 + depth * np.sin(np.linspace(0, np.pi, frames)))
    shoulder = motion[:, sk.LEFT_SHOULDER]
    way = np.stack([np.sin(angle), -np.cos(angle), 0 * angle], axis=1)
    motion[:, sk.LEFT_ELBOW] = shoulder + 0.28 * way
    motion[:, sk.LEFT_WRIST] = shoulder + 0.53 * way
    return seen(motion)


def trial(poses, model, name="a.mp4"):
    return Clip(ClipSource(name), poses, embed(poses, model))


def test_mean_and_spread_by_hand():
    angles = np.array(
        [[[10.0, 1.0]], [[20.0, np.nan]], [[60.0, np.nan]]]
    )  # three trials, one phase
    mean, std = mean_and_std(angles)
    assert mean.tolist() == [[30.0, 1.0]]
    assert std[0, 0] == pytest.approx(np.sqrt((400 + 100 + 900) / 2))
    assert np.isnan(std[0, 1])


@pytest.mark.parametrize("down", [1, -1])
def test_tempo_by_hand(down):
    times = np.arange(11.0)
    angle = 90 + down * np.array([0, 20, 40, 60, 80, 80, 80, 60, 40, 20, 0.0])
    assert tempo(times, angle) == (4.0, 2.0, 4.0)
    assert np.isnan(tempo(times, np.full(11, np.nan))).all()


def test_the_odd_one_is_named_with_its_angle(model):
    clips = [trial(raising(depth), model) for depth in (120, 122, 118, 60, 121)]
    found = summarise(clips, source=picture)
    assert found.leading == "left shoulder"
    assert found.deviation.trial == 3
    assert found.deviation.angle == "left shoulder"
    assert found.deviation.own_deg < found.deviation.mean_deg - 40
    assert found.deviation.certain
    assert found.typical != 3
    assert found.trials[found.typical].cost == 0
    ranges = [one.range_deg[list(ANGLES).index("left shoulder")] for one in found.trials]
    assert ranges[3] + 40 < min(ranges[:3] + ranges[4:])


def test_of_trials_that_are_alike_none_differs_for_certain(model):
    """One of three has to differ by 3.5 x 3 x sqrt(1 + 1 / 2) = 12.9 degrees."""
    clips = [trial(raising(depth), model) for depth in (120, 122, 125)]
    odd = summarise(clips, source=picture).deviation
    assert abs(odd.own_deg - odd.mean_deg) < 3.5 * 3 * np.sqrt(1.5) and not odd.certain


def test_trials_of_other_lengths_meet(model):
    clips = [trial(raising(100, frames), model) for frames in (40, 60, 30)]
    found = summarise(clips, source=picture)
    assert np.nanmax(found.std_deg[20:80, list(ANGLES).index("left shoulder")]) < 8
    assert found.times[1, -1] == pytest.approx(59 / 30)


def test_repetitions_are_cut_by_time(model):
    clip = trial(raising(90, 60), model)
    first, second = cut(clip, [Repetition(0, 0.5, 0), Repetition(1.0, 1.5, 0)])
    assert first.poses.times[[0, -1]] == pytest.approx([0, 0.5])
    assert second.poses.times[[0, -1]] == pytest.approx([1.0, 1.5])
    assert len(second.embeddings) == len(second.poses) == 16


def groups_of(values, phases=101):
    """Trials whose first angle is constant, or has its values over the phases."""
    angles = np.full((len(values), phases, 8), np.nan)
    angles[:, :, 0] = np.array(values).reshape(len(values), -1)
    nothing = np.zeros((phases, 8))
    return Trials((), 0, "", nothing, angles, nothing, nothing, (), None)


def test_groups_differ_where_the_means_exceed_the_spread():
    found = group_differences(groups_of([10, 12, 40, 44]), {"a": [0, 1], "b": [2, 3]})
    (one,) = found
    assert (one.angle, one.first, one.last) == ("left elbow", 0.0, 1.0)
    assert one.difference_deg == pytest.approx(31)
    assert one.spread_deg == pytest.approx(3.0)  # sqrt(8) is less than what a detector trembles by
    assert not group_differences(groups_of([10, 60, 40, 70]), {"a": [0, 1], "b": [2, 3]})
    # of few trials the means are not known as well: 3.5 standard errors of 3 degrees, 10.5 or 4.9
    for each, size in ((2, 10.5), (9, 4.95)):
        members = {"a": range(each), "b": range(each, 2 * each)}
        for more, count in ((-0.1, 0), (0.1, 1)):
            values = [50.0] * each + [50 + size + more] * each
            assert len(group_differences(groups_of(values), members)) == count


@pytest.mark.parametrize(("length", "count"), [(5, 0), (6, 1)])
def test_groups_differ_for_a_while(length, count):
    high = np.full(101, 50.0)
    high[40 : 40 + length] = 90
    found = group_differences(
        groups_of([np.full(101, 50.0), np.full(101, 51.0), high, high + 1]),
        {"a": [0, 1], "b": [2, 3]},
    )
    assert [(one.first, one.last) for one in found] == [(0.4, 0.45)] * count


def test_a_group_in_which_one_trial_shows_the_angle_has_no_spread():
    trials = groups_of([10, 12, 80, 82])
    trials.angles_deg[3] = np.nan
    assert not group_differences(trials, {"a": [0, 1], "b": [2, 3]})


def test_noise_of_two_groups_is_no_difference():
    """Of curves that differ by chance alone, 3 degrees, fewer than one pair in ten lists any."""
    rng = np.random.default_rng(0)
    bumps = np.exp(-0.5 * ((np.arange(101)[:, None] - np.linspace(0, 100, 12)) / 6) ** 2)
    listed = 0
    for _ in range(60):
        trials = groups_of([0.0] * 6)
        curves = np.einsum("pb,rbk->rpk", bumps, rng.normal(size=(6, 12, 8)))
        trials.angles_deg[:] = 90 + 3 * curves / curves.std()
        listed += bool(group_differences(trials, {"a": [0, 1, 2], "b": [3, 4, 5]}))
    assert listed < 6


def test_too_few():
    with pytest.raises(ValueError, match="at least two"):
        summarise([])
    with pytest.raises(ValueError, match="two groups"):
        group_differences(groups_of([1, 2, 3]), {"a": [0, 1], "b": [2]})
