"""The content of a synchronised video: which time of each take is shown in each frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from vipecli.alignment.align import Alignment
from vipecli.alignment.joint_angles import ANGLES, picture, smoothed_angles, world
from vipecli.alignment.takes import MOST_CLIPS, Match, Session
from vipecli.alignment.time_map import warp
from vipecli.alignment.turning_points import turning_points
from vipecli.alignment.warping_path import match_at
from vipecli.outputs.text import one_line
from vipecli.poses.poses import Poses
from vipecli.video.source import AnyClip, ClipSource
from vipecli.video.write import exact_rate

ONTO = "a", "b", "both"

_KNOWN = 0.8  # share of a clip in which an angle is known that gives it chapters
_STILL_S = 1e-6  # a step of less is none
_SPEED_S = 0.25  # over which the speed that is shown is taken, seconds on both sides


@dataclass(frozen=True)
class Take:
    """One clip as it runs in a synchronised video.

    Attributes
    ----------
    source
        video, folder of frames or keypoint file.
    times
        shape (F,), time of the clip that each frame of the video shows, seconds; where it
        falls back the clip starts over.
    poses
        joints, as filmed; None = unknown.
    label
        caption; empty = the name of the file.
    mirrored
        shown mirrored.
    match
        shape (F,), match with the reference at each frame, see `warping_path.match_at`; None = it
        is the reference, or not known.
    """

    source: ClipSource
    times: np.ndarray
    poses: Poses | None = None
    label: str = ""
    mirrored: bool = False
    match: np.ndarray | None = None

    @property
    def path(self) -> Path:
        """File or folder."""
        return self.source.path

    @property
    def title(self) -> str:
        """Caption, in one line."""
        return one_line(self.label) or one_line(self.path.name)


@dataclass(frozen=True)
class Mark:
    """A chapter of a video: its first frame, and its name."""

    frame: int
    title: str


@dataclass(frozen=True)
class Reel:
    """The content of a synchronised video.

    Attributes
    ----------
    takes
        the clips, with F times each.
    match
        shape (F,), match at each frame, in [0, 1]; of several takes its mean.
    fps
        frames per second of the video.
    reference
        number of the take whose time is kept, or that the others were matched with.
    cuts
        frames at which all takes start over, the first one left out.
    marks
        chapters, in order.
    one_clock
        cameras of one event: each runs at the speed of its clock, and stands still where it did not
        film.
    """

    takes: tuple[Take, ...]
    match: np.ndarray
    fps: float
    reference: int = 0
    cuts: tuple[int, ...] = ()
    marks: tuple[Mark, ...] = ()
    one_clock: bool = False

    def __post_init__(self) -> None:
        """Check the shapes once.

        Raises
        ------
        ValueError
            if there are no frames, or their numbers differ.
        """
        frames = len(self.match)
        if not self.takes or not frames or any(len(t.times) != frames for t in self.takes):
            raise ValueError("every take needs one time per frame, and there must be one at least")

    def __len__(self) -> int:
        """Return the number of frames, F."""
        return len(self.match)

    def speeds(self, take: int) -> np.ndarray:
        """Playback speed of a take at every frame (F,), its seconds per second of the video."""
        edges = [0, *self.cuts, len(self)]
        parts = [self.takes[take].times[i:j] for i, j in pairwise(edges)]
        return np.concatenate([_slopes(part, self.fps) for part in parts])

    @property
    def chapters(self) -> list[tuple[int, int, str]]:
        """(First frame, frame behind the last, name) of chapters that cover all of the video."""
        marks = list(self.marks)
        if marks and marks[0].frame > 0:
            marks.insert(0, Mark(0, "Start"))
        ends = [*(mark.frame for mark in marks[1:]), len(self)][: len(marks)]
        return [(mark.frame, end, mark.title) for mark, end in zip(marks, ends, strict=True)]

    def as_filmed(self) -> "Reel":
        """Return the reel with no take shown mirrored."""
        return replace(self, takes=tuple(replace(take, mirrored=False) for take in self.takes))

    def labelled(self, labels: Sequence[str]) -> "Reel":
        """Return the reel with other names above its takes; fewer of them leave the rest."""
        filled = [*labels, *[""] * len(self.takes)]
        return replace(
            self,
            takes=tuple(
                replace(take, label=label or take.label)
                for take, label in zip(self.takes, filled, strict=False)
            ),
        )


def reel_of(
    session: Session, *, onto: str = "a", apart: bool = False, fps: float | None = None
) -> Reel:
    """Put the takes of a session on one clock.

    Parameters
    ----------
    session
        takes, each matched with the reference. With every repetition they follow one
        another, the reference starts over each time, and each is a chapter.
    onto
        ``a``: the time of the reference is kept, and the others are warped; ``b``: that of the
        other one of two takes; ``both``: each movement lasts the mean of its durations in all.
    apart
        show repetitions at once, each as a take of its own: the nearest eight, in order.
    fps
        frames per second; None = that of the take whose time is kept, by the frames that were
        read.

    Raises
    ------
    ValueError
        if `onto` is none of the above, or ``b`` and there are more than two takes.
    """
    if onto not in ONTO:
        raise ValueError(f"onto is {onto!r}; use 'a', 'b' or 'both'")
    if onto == "b" and len(session.clips) > 2:
        raise ValueError("with more than two takes onto is 'a' or 'both'; choose the reference")
    match = session.others[0]
    if match.repetitions:
        return (_beside if apart else _in_turn)(session, match, onto, fps)
    return _reel(session, session.others, onto, fps)


def _reel(session: Session, matches: Sequence[Match], onto: str, fps: float | None) -> Reel:
    """Reference and takes, each running once."""
    reference = session.common
    frames = [reference.poses.times] + [_frames(match) for match in matches]
    times, fps = time_base([match.alignment for match in matches], frames, onto, fps)
    takes = [Take(reference.source, times[0], reference.poses)]
    for match, there in zip(matches, times[1:], strict=True):
        matched = match_at(match.alignment, there if onto == "b" else times[0], onto=onto)[0]
        clip = match.clip
        takes.append(Take(clip.source, there, clip.poses, "", match.mirrored, matched))
    mean = np.mean([take.match for take in takes[1:]], axis=0)
    place = session.reference if len(matches) == len(session.clips) - 1 else 0
    takes.insert(place, takes.pop(0))
    one_clock = all(match.shift is not None for match in matches)
    return Reel(tuple(takes), mean, fps, place, one_clock=one_clock)


def _beside(session: Session, match: Match, onto: str, fps: float | None) -> Reel:
    """Reference and repetitions, all at once."""
    parts = match.repetitions
    nearest = sorted(range(len(parts)), key=lambda i: parts[i].cost)[: MOST_CLIPS - 1]
    chosen = [replace(match, alignment=parts[i]) for i in sorted(nearest)]
    reel = _reel(session, chosen, "a" if onto == "b" else onto, fps)
    names = [f"{i + 1} of {len(parts)}" for i in sorted(nearest)]
    return reel.labelled(["", *names])


def _in_turn(session: Session, match: Match, onto: str, fps: float | None) -> Reel:
    """Reference beside one repetition after the other."""
    parts = match.repetitions
    reels = [_reel(session, [replace(match, alignment=part)], onto, fps) for part in parts]
    starts = np.cumsum([0, *map(len, reels)])
    takes = [
        replace(
            first,
            times=np.concatenate([reel.takes[i].times for reel in reels]),
            match=None
            if first.match is None
            else np.concatenate([reel.takes[i].match for reel in reels]),
        )
        for i, first in enumerate(reels[0].takes)
    ]
    marks = [
        Mark(int(start), f"Repetition {i} of {len(parts)}")
        for i, start in enumerate(starts[:-1], start=1)
    ]
    matched = np.concatenate([reel.match for reel in reels])
    cuts = tuple(int(start) for start in starts[1:-1])
    return Reel(tuple(takes), matched, reels[0].fps, reels[0].reference, cuts, tuple(marks))


def _frames(match: Match) -> np.ndarray:
    """Times of the frames that a match is about: all of them, or those of the repetition."""
    times = match.clip.poses.times
    if not match.repetitions:
        return times
    first, last = match.alignment.times_b[[0, -1]]
    return times[(times >= first) & (times <= last)]


def pair_reel(
    alignment: Alignment,
    a: tuple[AnyClip, Poses],
    b: tuple[AnyClip, Poses],
    *,
    onto: str = "a",
) -> Reel:
    """Put two aligned clips, with their poses, on one clock; see `reel_of`.

    Raises
    ------
    ValueError
        if `onto` is not known.
    """
    if onto not in ONTO:
        raise ValueError(f"onto is {onto!r}; use 'a', 'b' or 'both'")
    times, fps = time_base([alignment], [a[1].times, b[1].times], onto)
    match = match_at(alignment, times[onto == "b"], onto=onto)[0]
    first, second = (
        Take(ClipSource.of(clip), own, poses)
        for (clip, poses), own in zip((a, b), times, strict=True)
    )
    return Reel((first, replace(second, match=match)), match, fps)


def turning_marks(reel: Reel) -> Reel:
    """Return the reel with chapters at the turning points of the movement, if it has none yet.

    They are those of the reference's joint angle with the widest range, in 3D where the detector
    gives 3D landmarks, else in the picture; none if no angle is known throughout.
    """
    poses = reel.takes[reel.reference].poses
    if reel.marks or poses is None or not len(poses):
        return reel
    angles = smoothed_angles(poses, picture if poses.world is None else world)
    known = np.isfinite(angles).mean(axis=0) >= _KNOWN
    if not known.any():
        return reel
    widths = [np.ptp(a[np.isfinite(a)]) if k else 0 for a, k in zip(angles.T, known, strict=True)]
    widest = int(np.argmax(widths))
    name = list(ANGLES)[widest].capitalize()
    own = reel.takes[reel.reference].times
    marks = [
        Mark(int(np.abs(own - time_s).argmin()), f"{name} at its {kind}")
        for time_s, kind, _ in turning_points(poses.times, angles[:, widest])
    ]
    return replace(reel, marks=tuple({mark.frame: mark for mark in marks}.values()))


# --- time ----------------------------------------------------------------------------------------


def time_base(
    alignments: Sequence[Alignment],
    frames: Sequence[np.ndarray],
    onto: str,
    fps: float | None = None,
) -> tuple[list[np.ndarray], float]:
    """Moments of all takes at every frame of a video (F,), and its rate.

    Parameters
    ----------
    alignments
        of the reference with each of the others.
    frames
        times of the frames of the reference, and of the others, seconds.
    onto, fps
        as in `reel_of`.
    """
    if onto == "b":
        base, fps = _grid(frames[1], fps)
        return [warp(alignments[0], base, onto="b"), base], fps
    asked = fps
    base, fps = _grid(frames[0], fps)
    times = [base, *(warp(alignment, base) for alignment in alignments)]
    if onto == "a":
        return times, fps
    mean = np.mean([own - own[0] for own in times], axis=0)  # increases strictly, as `base` does
    fps = asked or max(rate(own) for own in frames)
    even = np.arange(round(mean[-1] * fps) + 1) / fps
    return [np.interp(even, mean, own) for own in times], fps


def _grid(times: np.ndarray, fps: float | None = None) -> tuple[np.ndarray, float]:
    """Evenly spaced times from the first to the last frame of a clip, and their rate."""
    fps = fps or rate(times)
    count = round((times[-1] - times[0]) * fps) + 1
    return np.minimum(times[0] + np.arange(count) / fps, times[-1]), fps


def rate(times: np.ndarray) -> float:
    """Frame rate of a clip; where it varies that of most frames, not the average."""
    if len(times) < 2:
        return 30.0
    mean, typical = float(np.diff(times).mean()), float(np.median(np.diff(times)))
    # Timestamps in whole milliseconds make the typical step coarse: 33 ms for 30 frames/s.
    step = mean if abs(typical - mean) < 0.05 * mean else typical
    return float(exact_rate(min(max(1 / step, 1.0), 240.0)))


def _slopes(times: np.ndarray, fps: float) -> np.ndarray:
    """Seconds of a clip per second of the video, over `_SPEED_S` on both sides; 0: it waits."""
    if len(times) < 2:
        return np.ones(len(times))
    low, high = around(stands_still(times), max(1, round(_SPEED_S * fps)))
    return (times[high] - times[low]) * fps / np.maximum(high - low, 1)


def stands_still(times: np.ndarray) -> np.ndarray:
    """Shape (F,), whether the times neither arrive at a frame nor leave it."""
    steps = np.abs(np.diff(times)) < _STILL_S
    still = np.concatenate([steps[:1], steps, steps[-1:]])
    return still[:-1] & still[1:]


def around(marks: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last frame within reach of each of F, in its run of equal marks.

    So no speed is that of a movement and of the wait beside it.
    """
    at = np.arange(len(marks))
    changes = np.flatnonzero(np.diff(marks))
    starts, ends = np.r_[0, changes + 1], np.r_[changes, len(marks) - 1]
    run = np.searchsorted(starts, at, side="right") - 1
    return np.maximum(at - reach, starts[run]), np.minimum(at + reach, ends[run])
