"""Who is taken of clips that show several people."""

from pathlib import Path

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment.people import choose_people
from vipecli.alignment.settings import Settings
from vipecli.alignment.takes import Clip
from vipecli.poses.poses import Poses
from vipecli.video.source import ClipSource


def people(*embedded, name="a.mp4"):
    """Takes of one clip by several people, the largest one first."""
    out = []
    for number, one in enumerate(embedded, start=1):
        xy = np.ones((len(one), 13, 2), np.float32)
        poses = Poses(xy, np.ones(xy.shape[:2], np.float32), one.times, (100, 100))
        out.append(Clip(ClipSource(Path(name)), poses, one, number, len(embedded)))
    return out


def dancer(start, end, *, seed, noise_seed=0):
    return movement(np.arange(start, end, 1 / 30), seed=seed, noise=0.15, noise_seed=noise_seed)


def bystander(count, noise_seed):
    return movement(np.full(count, 0.3), noise=0.02, noise_seed=noise_seed)


@pytest.mark.parametrize("settings", [Settings(clock="offset"), Settings()])
def test_the_pair_that_matches_is_taken(settings):
    one = people(dancer(0, 5, seed=4), dancer(0, 5, seed=0))
    two = people(dancer(0.5, 5, seed=0, noise_seed=1), dancer(0.5, 5, seed=9), name="b.mp4")
    a, b = choose_people([one, two], None, settings=settings)
    assert (a.person, b.person) == (2, 1)
    assert (a.who, b.who) == ("person 2 of 2, from the left", "person 1 of 2, from the left")


@pytest.mark.parametrize("settings", [Settings(clock="offset"), Settings()])
def test_two_who_stand_still_are_not_the_pair(settings):
    one = people(bystander(150, 1), dancer(0, 5, seed=0))
    two = people(dancer(0.5, 5, seed=0, noise_seed=1), bystander(135, 2))
    a, b = choose_people([one, two], None, settings=settings)
    assert (a.person, b.person) == (2, 1)


def test_of_equals_the_largest_are_meant_and_one_person_needs_no_model():
    both = [dancer(0, 5, seed=seed) for seed in (0, 4)]
    again = [dancer(0.5, 5, seed=seed, noise_seed=1) for seed in (0, 4)]
    a, b = choose_people([people(*both), people(*again)], None, settings=Settings(clock="offset"))
    assert a.person == b.person == 1
    alone = people(both[0])
    assert choose_people([alone, alone], None) == [alone[0], alone[0]] and alone[0].who == ""


def test_each_of_three_cameras_shows_the_same_one():
    order = [(0, 4), (4, 0), (9, 0)]
    clips = [
        people(*[dancer(0.3 * k, 5, seed=seed, noise_seed=k) for seed in seeds])
        for k, seeds in enumerate(order)
    ]
    taken = choose_people(clips, None, settings=Settings(clock="offset"))
    assert [clip.person for clip in taken] == [1, 2, 2]
