"""The functions of `vipecli`: files in, an object out that saves itself.

Functions of the same names in the packages (`alignment.align`, `embedding.embed`, `lifting.lift`,
`index.classify`, `index.search`, `alignment.compare`) take data in memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.alignment.compare import compare as compare_poses
from vipecli.alignment.joint_angles import SOURCES
from vipecli.alignment.people import choose_people
from vipecli.alignment.repetitions import none_found
from vipecli.alignment.settings import Settings
from vipecli.alignment.takes import Clip, match_clips, match_pair, people_of
from vipecli.embedding.candidates import MATCHING, read_everyone
from vipecli.embedding.clip import Recipe, check_clip, read_moment
from vipecli.embedding.clips import read_clips
from vipecli.embedding.embedded_folder import content_key, detector_key
from vipecli.errors import NoPoseError
from vipecli.index.classify import classify as rank
from vipecli.index.search import search as find
from vipecli.index.stores import load, open_stored
from vipecli.lifting.lift import lift as lift_poses
from vipecli.lifting.lifter import default_lifter
from vipecli.outputs.results import (
    Aligned,
    Compared,
    Embedded,
    FoundPose,
    FoundPoses,
    Labelled,
    LiftedClip,
    PathLike,
)
from vipecli.sequence.gap_filling import fill


def align(
    a: PathLike,
    b: PathLike,
    *more: PathLike,
    reference: int | str = 0,
    settings: Settings | None = None,
    **options: Any,
) -> Aligned:
    """Match two to nine clips of one movement.

    Parameters
    ----------
    a, b, more
        videos, folders of frames or keypoint files.
    reference
        number of the clip that the others are matched with, from 0, or ``best``.
    settings
        how they are matched; or its fields by name: ``ends``, ``mirror``, ``clock``, ``every``...
    options
        those fields, and ``person``, ``pose_model``, ``weights``, ``start_s`` and others of
        `embedding.clip.Recipe`.

    Raises
    ------
    NoPoseError
        if nobody is found in a clip, or no repetition.
    VideoError
        if a clip cannot be read, or holds a single frame.
    ValueError
        if an argument is out of range.

    Examples
    --------
    >>> import vipecli
    >>> both = vipecli.align("front.mp4", "back.mp4")
    >>> both.times.shape == (len(both.path), 2)  # corresponding times, seconds
    True
    >>> both.save("synced.json").name
    'synced.json'
    """
    settings, recipe = _settings(settings, options), _recipe({"person": MATCHING} | options)
    own = reference if isinstance(reference, str) else int(reference)
    clips = choose_people(
        _people([a, b, *more], recipe), recipe.load_model, reference=own, settings=settings
    )
    session = match_clips(clips, recipe.load_model, reference=reference, settings=settings)
    if session.others[0].alignment is None:
        raise NoPoseError(f"{b}: {none_found(session.others[0].same_action)} {a}")
    return Aligned(session)


def compare(
    a: PathLike,
    b: PathLike,
    *,
    pose: str = "lifted",
    settings: Settings | None = None,
    **options: Any,
) -> Compared:
    """Compare the joint angles of two performances of one movement.

    Parameters
    ----------
    a, b
        videos, folders of frames or keypoint files.
    pose
        where joints are measured: ``lifted`` to space, ``world`` as the detector guesses them
        there, or ``2d`` in the picture.
    settings, options
        as in `align`.

    Raises
    ------
    NoPoseError
        if nobody is found in a clip, or no angle is known in both.
    VideoError
        if a clip cannot be read, or holds a single frame.
    ValueError
        if an argument is out of range.

    Examples
    --------
    >>> import vipecli
    >>> found = vipecli.compare("front.mp4", "back.mp4")
    >>> [one.angle for one in found.comparison.ranges][:2]
    ['left elbow', 'right elbow']
    >>> found.save("angles.csv").name
    'angles.csv'
    """
    if pose not in SOURCES:
        raise ValueError(f"pose is {pose!r}; use one of {', '.join(SOURCES)}")
    settings, recipe = _settings(settings, options), _recipe({"person": MATCHING} | options)
    own, other = choose_people(_people([a, b], recipe), recipe.load_model, settings=settings)
    match = match_pair(own, other, recipe.load_model, settings)
    if match.alignment is None:
        raise NoPoseError(f"{b}: {none_found(match.same_action)} {a}")
    found = compare_poses(
        match.alignment, own.poses, other.poses, source=SOURCES[pose], mirrored=match.mirrored
    )
    return Compared(own, match, found, pose)


def embed(clip: PathLike, **reading: Any) -> Embedded:
    """Poses and embeddings of the person in a clip.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file.
    reading
        ``person``, ``pose_model``, ``weights``, ``start_s`` and others of
        `embedding.clip.Recipe`.

    Raises
    ------
    NoPoseError
        if nobody is found.
    VideoError
        if the clip cannot be read, or holds a single frame.

    Examples
    --------
    >>> import vipecli
    >>> clip = vipecli.embed("front.mp4")
    >>> len(clip.embeddings) == len(clip.poses)
    True
    >>> clip.save("squat.npz").name
    'squat.npz'
    """
    (found,) = _read([clip], _recipe(reading))
    return Embedded(found.source, found.poses, found.embeddings)


def lift(
    clip: PathLike, *, lift_model: PathLike | None = None, smooth_s: float = 0.05, **reading: Any
) -> LiftedClip:
    """3D poses of the person in a clip, from one view.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file.
    lift_model
        lifting model (.onnx); None = the one that comes with vipe.
    smooth_s
        smooth over time, seconds; 0 = not.
    reading
        ``person``, ``pose_model``, ``start_s`` and others of `embedding.clip.Recipe`.

    Raises
    ------
    NoPoseError
        if nobody is found.
    VideoError
        if the clip cannot be read, or holds a single frame.

    Examples
    --------
    >>> import vipecli
    >>> squat = vipecli.lift("front.mp4")
    >>> squat.lifted.joints.shape == (len(squat.poses), 13, 3)
    True
    >>> squat.save("squat.bvh").name
    'squat.bvh'
    """
    lifter = default_lifter(Path(lift_model) if lift_model else None)
    (found,) = _read([clip], _recipe(reading))
    return LiftedClip(found.path, found.poses, lift_poses(found.poses, lifter, smooth_s=smooth_s))


def classify(
    clip: PathLike, index: PathLike, *, k: int = 5, hubs: int = 50, **reading: Any
) -> Labelled:
    """Label a clip by the labelled clips that are nearest to it.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file. Copies of it in the index do not vote.
    index
        folder with an index, as ``vipe index build`` makes it.
    k
        how many of the nearest clips vote.
    hubs
        as in `index.opened.open_for_search`.
    reading
        ``person``, ``pose_model``, ``weights``, ``start_s`` and others of
        `embedding.clip.Recipe`.

    Raises
    ------
    FormatError
        if the folder has no index.
    NoPoseError
        if nobody is found.
    VideoError
        if the clip cannot be read, or holds a single frame.

    Examples
    --------
    >>> import vipecli
    >>> vipecli.classify("clip.mp4", "labelled/").label  # doctest: +SKIP
    'squat'
    """
    path, recipe = Path(clip), _recipe(reading)
    library = open_stored(load(Path(index), model=recipe.load_model().id), hubs=hubs, k=k)
    copies = library.copies(content_key(path, detector_key(recipe)))
    found = rank(
        _read([path], recipe)[0].embeddings,
        library.packed,
        k=k,
        hubs=library.hubs,
        calibration=library.calibration,
        leave_out=library.votes_not(copies),
    )
    return Labelled(**vars(found), path=path)


def search(
    pose: PathLike,
    index: PathLike,
    *,
    time_s: float | None = None,
    top: int = 12,
    per_clip: int = 1,
    **reading: Any,
) -> FoundPoses:
    """Find the moments in an index at which people hold a pose, whatever the camera.

    Parameters
    ----------
    pose
        picture, video or keypoint file.
    index
        folder with an index, as ``vipe index build`` makes it; the clip itself is left out.
    time_s
        when the video shows the pose, seconds; None = in its middle.
    top, per_clip
        how many moments at most, in all and of one clip.
    reading
        ``person``, ``pose_model``, ``weights`` and others of `embedding.clip.Recipe`.

    Raises
    ------
    FormatError
        if the folder has no index.
    NoPoseError
        if nobody is found.
    ValueError
        if a number is below 1.
    VideoError
        if the clip cannot be read.

    Examples
    --------
    >>> import vipecli
    >>> vipecli.search("squat.mp4", "labelled/", time_s=1.2).found[0].clip  # doctest: +SKIP
    'squat/deep.mp4'
    """
    path, recipe = Path(pose), _recipe(reading)
    library = load(Path(index), model=recipe.load_model().id)
    poses, frame = read_moment(path, recipe, time_s)
    facts, key = library.facts(), content_key(path, detector_key(recipe))
    itself = np.array([one.key == key for one in facts])
    hits = find(frame, library.embeddings(), top=top, per_clip=per_clip, leave_out=itself)
    found = tuple(FoundPose(facts[hit.clip].name, facts[hit.clip].label, hit) for hit in hits)
    return FoundPoses(path, float(poses.times[0]), frame.model, found)


_SETTINGS = tuple(Settings.__dataclass_fields__)


def _settings(settings: Settings | None, options: dict[str, Any]) -> Settings:
    """Settings as given, or from options of their names, which are taken out of `options`."""
    named = {name: options.pop(name) for name in _SETTINGS if name in options}
    if settings is not None and named:
        raise ValueError(f"{', '.join(named)}: give it in `settings`, or by name without them")
    return settings or Settings(**named)


def _recipe(reading: dict[str, Any]) -> Recipe:
    """Recipe with its files as paths."""
    files = {
        name: Path(value)
        for name, value in reading.items()
        if name in ("pose_model", "weights", "joints") and value is not None
    }
    return Recipe(**({"fill": fill} | reading | files))


def _people(paths: Sequence[PathLike], recipe: Recipe) -> list[list[Clip]]:
    """People of each clip who come into question, see `candidates.read_people`."""
    files = [Path(path) for path in paths]
    infos = [check_clip(path, recipe) for path in files]
    seen = read_everyone(files, recipe, lambda clip, steps: None)
    return [people_of(info.source, found) for info, found in zip(infos, seen, strict=True)]


def _read(paths: Sequence[PathLike], recipe: Recipe) -> list[Clip]:
    """Poses and embeddings of clips, all checked before minutes go into one."""
    files = [Path(path) for path in paths]
    infos = [check_clip(path, recipe) for path in files]
    seen = read_clips(files, [recipe] * len(files), lambda clip, steps: None)
    return [Clip(info.source, *found) for info, found in zip(infos, seen, strict=True)]
