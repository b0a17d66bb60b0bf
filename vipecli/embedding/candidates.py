"""The people of a clip who come into question, where the other clip shows who is meant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vipecli.embedding.clip import Recipe, read_clip, read_scene, single_frame
from vipecli.embedding.clips import read_clips
from vipecli.embedding.embed import embed
from vipecli.embedding.model import Embeddings
from vipecli.poses.poses import Poses
from vipecli.poses.tracking import present

MATCHING = "matching"
"""Choice of a person, `Recipe.person`: whoever matches the other clips best."""

MOST_PEOPLE = 4
"""So many of a clip come into question: the largest one, and those seen longest."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One person of a clip.

    Attributes
    ----------
    poses, embeddings
        joints, short gaps filled, and what they are embedded to.
    person, people
        number from the left, from 1, and how many there are; 0 and 1 where one was chosen.
    """

    poses: Poses
    embeddings: Embeddings
    person: int = 0
    people: int = 1


def read_everyone(
    paths: Sequence[Path],
    recipe: Recipe | Sequence[Recipe],
    tick: Callable[[int, int], object],
) -> list[list[Candidate]]:
    """People of a few clips, read side by side; parameters and errors as `clips.read_clips`."""
    return read_clips(paths, recipe, tick, read=read_people)


def read_people(
    path: Path, recipe: Recipe, tick: Callable[[int], object] | None = None
) -> list[Candidate]:
    """People of a clip who come into question, the largest one first.

    Parameters
    ----------
    path, recipe, tick
        as in `clip.read_clip`; ``matching`` as person asks for up to `MOST_PEOPLE`, everything else
        for one.

    Raises
    ------
    FormatError, NoPoseError, VideoError, WeightsError
        as `clip.read_clip`.
    """
    if recipe.person != MATCHING:
        return [Candidate(*read_clip(path, recipe, tick))]
    model = recipe.load_model()
    scene = read_scene(path, recipe, tick)
    if len(scene.times) < 2:
        raise single_frame(path)
    if len(scene.tracks.tracks) > 1:  # whoever is beside the largest one, and by which number
        scene = read_scene(path, replace(recipe, equally=True))
    largest, people = scene.track("largest", path=path), present(scene.tracks.tracks)
    others = [track for track in people if track is not largest]
    others.sort(key=lambda track: -track.covered())
    found = list[Candidate]()
    for track in [largest, *others][:MOST_PEOPLE]:
        poses = recipe.filled(scene.poses_of(track))
        number = next(i for i, one in enumerate(people, start=1) if one is track)
        one = Candidate(poses, embed(poses, model), number, len(people))
        if track is largest or np.isfinite(one.embeddings.mean).all(axis=1).sum() > 1:
            found.append(one)
    return found
