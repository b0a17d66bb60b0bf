"""Detection: from a film to the 2D poses of the people in it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from vipecli.engine import prefetch
from vipecli.poses.detection.blazepose import prepare
from vipecli.poses.detection.detectors import DEFAULT, open_detector
from vipecli.poses.observations import Observations
from vipecli.poses.poses import Poses, Scene, thinned
from vipecli.poses.tracking import Person, Tracks, check_choice, overlooks_larger
from vipecli.video import read
from vipecli.video.source import AnyClip, ClipSource


def detect(
    clip: AnyClip,
    *,
    person: Person = "largest",
    model: str | Path | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    progress: Callable[[int], object] | None = None,
) -> Poses:
    """Detect one person in every frame of a video; return their poses.

    Everybody in view is followed, and the choice is made at the end, so that a passer-by in the
    first frames is not taken for the subject. Frames are read one at a time and dropped.

    Parameters
    ----------
    clip
        video, or folder of frames.
    person
        ``largest`` (the most picture covered, added up over the clip), ``center`` (on average
        nearest to the middle), ``longest`` (seen in the most frames), N, the N-th from the left
        by first appearance, 1 = leftmost, or a point ``x,y`` where the person is.
    model
        pose landmarker bundle; None = see `vipecli.poses.detection.model_file.model_path`.
    start_s, end_s
        part of the video to use, seconds; None = from its start, to its end.
    progress
        called with the number of frames done, after each frame.

    Returns
    -------
    One row per frame, frames without the person included: NaN and score 0 there. Joints outside
    the picture keep the coordinates that MediaPipe extrapolates, with a low score. The score of
    a joint is the visibility of its landmark, that of the head the mean over both ears.

    Raises
    ------
    NoPoseError
        if no frame shows a person, or fewer than N people are there.
    VideoError
        if the video cannot be read.
    WeightsError
        if there is no pose model.
    ValueError
        if `person` is none of the above.

    Examples
    --------
    >>> detect("squat.mp4").xy.shape  # doctest: +SKIP
    (90, 13, 2)
    """
    person = check_choice(person)
    scene = detect_everyone(
        clip,
        model=model,
        start_s=start_s,
        end_s=end_s,
        equally=person != "largest",
        progress=progress,
    )
    return scene.choose(person, path=ClipSource.of(clip).path)


def detect_everyone(
    clip: AnyClip,
    *,
    detector: str = DEFAULT,
    model: str | Path | None = None,
    start_s: float | None = None,
    end_s: float | None = None,
    fps: float | None = None,
    equally: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Scene:
    """Detect and track everyone in a video; a scene without people is no error here.

    Parameters
    ----------
    clip, model, start_s, end_s, progress
        as in `detect`.
    detector
        as in `detectors.open_detector`.
    fps
        frames per second to use, at most; of a folder of frames: the rate at which they were
        taken. None = every frame.
    equally
        look for everyone in every frame, which takes longer the more people there are; False =
        as often as is cheap for those beside one of them, the largest as a rule. Where somebody
        else may be the largest, the clip is gone through again as if it were True.

    Raises
    ------
    VideoError
        if the video cannot be read.
    WeightsError
        if there is no pose model.
    """
    path = ClipSource.of(clip).path
    rate = {"fps": fps} if fps and path.is_dir() else {}
    frames = read.read_frames(clip, start_s=start_s, end_s=end_s, rgb=True, **rate)
    if fps and not rate:
        frames = thinned(frames, fps)
    times: list[float] = []
    tracks, size = Tracks(storage=Observations), (0, 0)
    with (
        open_detector(detector, model=model, everyone=equally) as finder,
        closing(prefetch(_prepared(frames))) as pictures,
    ):
        for time_s, rgb, size in pictures:
            people = finder.people(rgb, time_s, size)
            tracks.add(len(times), time_s, people, owners=finder.owners)
            times.append(time_s)
            if progress:
                progress(len(times))
    if not equally and overlooks_larger(tracks.tracks, size):
        return detect_everyone(
            clip,
            detector=detector,
            model=model,
            start_s=start_s,
            end_s=end_s,
            fps=fps,
            equally=True,
        )
    return Scene(tracks, np.array(times), size, path.name, finder.name)


def _prepared(
    frames: Iterator[tuple[float, np.ndarray]],
) -> Iterator[tuple[float, np.ndarray, tuple[int, int]]]:
    """Yield time, picture prepared for the detector, and the frame's own width and height."""
    for time_s, rgb in frames:
        yield time_s, prepare(rgb), (rgb.shape[1], rgb.shape[0])
