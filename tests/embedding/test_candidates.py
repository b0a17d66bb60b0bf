"""The people of a clip who come into question."""

import numpy as np
import pytest

from tests.bodies import seen, waving
from vipecli.embedding import candidates
from vipecli.embedding.candidates import MATCHING, read_people
from vipecli.embedding.clip import Recipe
from vipecli.poses.formats.keypoint_table import scene_of_one
from vipecli.poses.poses import Scene
from vipecli.poses.tracking import Tracks


def scene(*people: tuple[float, slice]) -> Scene:
    """People who wave, each moved to the right by so much, and seen in these frames."""
    poses, tracks = seen(waving(40)), Tracks()
    for right, frames in people:
        track = scene_of_one(poses).tracks.tracks[0]
        track.people = [person + np.float32([right, *[0] * 6]) for person in track.people[frames]]
        track.frames, track.moments = track.frames[frames], track.moments[frames]
        tracks.tracks.append(track)
    return Scene(tracks, poses.times, (4000, 1000))


@pytest.fixture
def looks(monkeypatch):
    """A cheap look sees little of who is on the left; whether each look was for everyone."""
    done = []

    def read_scene(path, recipe, tick=None):
        done.append(recipe.looks_for_everyone)
        left = slice(None) if recipe.looks_for_everyone else slice(20, 22)
        return scene((1000.0, slice(None)), (0.0, left))

    monkeypatch.setattr(candidates, "read_scene", read_scene)
    return done


def test_who_is_seen_briefly_is_looked_for_in_every_frame(looks, tmp_path):
    found = read_people(tmp_path / "a.mp4", Recipe(person=MATCHING))
    assert looks == [False, True]
    assert sorted((one.person, one.people) for one in found) == [(1, 2), (2, 2)]
    assert all(one.poses.found.all() for one in found)


def test_one_person_is_looked_for_once(looks, monkeypatch, tmp_path):
    monkeypatch.setattr(
        candidates, "read_scene", lambda *_: looks.append(None) or scene((0.0, slice(None)))
    )
    (one,) = read_people(tmp_path / "a.mp4", Recipe(person=MATCHING))
    assert len(looks) == 1 and (one.person, one.people) == (1, 1)
