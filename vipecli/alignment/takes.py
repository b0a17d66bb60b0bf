"""Several takes of one movement, each matched with one of them, the reference."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vipecli.alignment.align import align
from vipecli.alignment.cameras import Clocks, Pairs, settle
from vipecli.alignment.offset import (
    Offset,
    alignment_at,
    mean_distance,
    overlap_s,
    overlap_warning,
)
from vipecli.alignment.repetitions import find_rated
from vipecli.alignment.rises import Rises, rises
from vipecli.alignment.same_action import align_either_side, same_action
from vipecli.alignment.settings import Clock, Mirror, Settings, Witness
from vipecli.alignment.warping_path import Alignment
from vipecli.alignment.witnesses import Recording, find_shift
from vipecli.embedding.candidates import Candidate
from vipecli.embedding.embed import embed
from vipecli.embedding.model import PLAIN, Embeddings, Model
from vipecli.errors import UnsureError
from vipecli.poses.mirror import mirrored
from vipecli.poses.poses import Poses
from vipecli.video.sound import SoundTrack, read_sound
from vipecli.video.source import ClipSource

MOST_CLIPS = 9
"""As many as fit into a grid of 3 x 3."""

__all__ = ["Clip", "Match", "Session", "Settings", "best_reference", "match_clips", "match_pair"]


@dataclass(frozen=True, repr=False)
class Clip:
    """One take: where it is, who moves in it, and how.

    Attributes
    ----------
    source
        video, folder of frames or keypoint file.
    poses
        joints of the person, gaps filled.
    embeddings
        of these poses, frame by frame.
    person, people
        who of how many this is, counted from the left from 1; 0 where somebody was chosen.
    """

    source: ClipSource
    poses: Poses
    embeddings: Embeddings
    person: int = 0
    people: int = 1

    @property
    def path(self) -> Path:
        """File or folder."""
        return self.source.path

    @property
    def who(self) -> str:
        """Who was taken, in words; empty where there is nobody else."""
        known = self.person and self.people > 1
        return f"person {self.person} of {self.people}, from the left" if known else ""

    @cached_property
    def sound(self) -> SoundTrack | None:
        """Sound of the part of the clip that was read; None if there is none."""
        times = self.poses.times
        frame = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        return read_sound(self.source, float(times[0]), float(times[-1]) + frame)

    @cached_property
    def rises(self) -> Rises | None:
        """How the joints rise and fall; None where the camera is rolled (`--no-vertical`)."""
        return None if self.embeddings.model.endswith(PLAIN) else rises(self.poses)

    def mirror_image(self, model: Callable[[], Model]) -> Embeddings:
        """Embeddings of the take as a mirror shows it."""
        return embed(mirrored(self.poses), model())

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.poses)

    def __repr__(self) -> str:
        """One line: file, frames and model."""
        return f"Clip({self.path.name!r}, {len(self)} frames, model {self.embeddings.model!r})"


def people_of(source: ClipSource, people: Sequence[Candidate]) -> list[Clip]:
    """Takes of one clip by each of its people who come into question."""
    return [Clip(source, p.poses, p.embeddings, p.person, p.people) for p in people]


@dataclass(frozen=True, repr=False)
class Match:
    """One take matched with the reference.

    Attributes
    ----------
    clip
        the take, as it was filmed.
    seen
        what was matched: its embeddings, or those of its mirror image.
    alignment
        of the reference (a) with the take (b); of the nearest repetition if all were
        searched for; None if there is none.
    mirrored
        whether the take was matched as a mirror shows it.
    same_action
        probability that both show one action; None where that was not asked for.
    shift
        the shift of the clock, where `Settings.clock` asks for it.
    every
        whether all repetitions were searched for.
    repetitions
        one alignment per repetition, in the order of the take, where all were
        searched for.
    """

    clip: Clip
    seen: Embeddings
    alignment: Alignment | None
    mirrored: bool = False
    same_action: float | None = None
    shift: Offset | None = None
    every: bool = False
    repetitions: tuple[Alignment, ...] = ()

    @property
    def aligned(self) -> Alignment:
        """The alignment, where there is one.

        Raises
        ------
        ValueError
            if no repetition was found.
        """
        if self.alignment is None:
            raise ValueError(f"{self.clip.path}: no repetition was found")
        return self.alignment

    def __repr__(self) -> str:
        """One line: the take and its alignment."""
        found = f"{len(self.repetitions)} repetitions, " if self.every else ""
        return f"Match({self.clip.path.name!r}, {found}{self.alignment!r})"


@dataclass(frozen=True, repr=False)
class Session:
    """Takes on one time base.

    Attributes
    ----------
    clips
        all takes, in the order in which they were named.
    reference
        number of the one whose time the others are matched with, from 0.
    matches
        one per clip, in their order; None for the reference itself.
    remarks
        what is doubtful of all of them together.
    """

    clips: tuple[Clip, ...]
    reference: int
    matches: tuple[Match | None, ...]
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """One line: the takes, the reference first."""
        others = ", ".join(repr(match.clip.path.name) for match in self.others)
        return f"Session({self.common.path.name!r} with {others})"

    @property
    def common(self) -> "Clip":
        """The reference."""
        return self.clips[self.reference]

    @property
    def others(self) -> list[Match]:
        """Matches of all takes but the reference."""
        return [match for match in self.matches if match]


def match_clips(
    clips: Sequence[Clip],
    model: Callable[[], Model],
    *,
    reference: int | str = 0,
    settings: Settings | None = None,
) -> Session:
    """Match takes with one of them.

    Parameters
    ----------
    clips
        2 to `MOST_CLIPS` takes, embedded by one model.
    model
        gives that model, for mirror images; called where they are asked for only.
    reference
        number of the take to match with, from 0; ``best``: the one with the least total distance
        to all others, the first of equals.
    settings
        how two takes are matched; None = as `Settings` has it.

    Raises
    ------
    FormatError
        if the takes come from different models.
    ValueError
        if there are too few or too many takes, or no such reference.
    """
    settings = settings or Settings()
    if not 2 <= len(clips) <= MOST_CLIPS:
        raise ValueError(f"{len(clips)} takes; 2 to {MOST_CLIPS} can be matched")
    if settings.every and len(clips) > 2:
        raise ValueError("repetitions are searched for in one other take")
    if reference != "best" and reference not in range(len(clips)):
        raise ValueError(f"reference is {reference!r}; use 'best' or 0 to {len(clips) - 1}")
    if settings.clock:
        return match_cameras(clips, reference, settings)
    if reference == "best":
        reference = best_reference(clips, model, settings)
    reference = int(reference)
    matches = [
        None if number == reference else match_pair(clips[reference], clip, model, settings)
        for number, clip in enumerate(clips)
    ]
    return Session(tuple(clips), reference, tuple(matches))


def match_cameras(clips: Sequence[Clip], reference: int | str, settings: Settings) -> Session:
    """Put recordings of one event on one clock, by the shifts of all pairs.

    Parameters
    ----------
    clips, reference
        as in `match_clips`; ``best``: the recording whose pairs have the most confidence.
    settings
        with a `clock`.

    Raises
    ------
    UnsureError
        if a recording cannot be placed, or does not overlap with the reference.
    """
    pairs, refusals = _shifts_of_pairs(clips, settings)
    if reference == "best":
        reference = _best_known(pairs, len(clips))
    reference = int(reference)
    clocks = settle(pairs, len(clips), reference)
    matches: list[Match | None] = []
    for number, clip in enumerate(clips):
        if number == reference:
            matches.append(None)
            continue
        if not np.isfinite(clocks.shift_s[number]):
            words = refusals[min(number, reference), max(number, reference)]
            raise UnsureError(words + _advice(clips, clocks, reference))
        shift = _settled(clips, reference, number, clocks)
        alignment = alignment_at(clips[reference].embeddings, clip.embeddings, shift)
        matches.append(Match(clip, clip.embeddings, _smoothed(alignment, settings), shift=shift))
    remarks = tuple(
        f"{clips[i].path.name} and {clips[j].path.name}: {off:+.2f} s off what the other pairs "
        "say; left out"
        for i, j, off in clocks.outliers
    )
    return Session(tuple(clips), reference, tuple(matches), remarks)


def _shifts_of_pairs(
    clips: Sequence[Clip], settings: Settings
) -> tuple[dict[tuple[int, int], Offset], dict[tuple[int, int], str]]:
    """Shifts of all pairs, and why some have none."""
    pairs, refusals = dict[tuple[int, int], Offset](), dict[tuple[int, int], str]()
    asked = settings.by is not Witness.POSES
    ready = [
        Recording(clip.embeddings, clip.sound if asked else None, clip.rises) for clip in clips
    ]
    drift = settings.clock is Clock.DRIFT
    for i, j in itertools.combinations(range(len(clips)), 2):
        try:
            pairs[i, j] = find_shift(ready[i], ready[j], by=settings.by, drift=drift)
        except UnsureError as exc:
            refusals[i, j] = f"{clips[i].path} and {clips[j].path}: {exc}"
    return pairs, refusals


def _best_known(pairs: Pairs, count: int) -> int:
    """Recording whose pairs have the most confidence, the first of equals."""
    total = np.zeros(count)
    for pair, one in pairs.items():
        total[list(pair)] += min(one.confidence, 1e6)
    return int(total.argmax())


def _known(pairs: Pairs, i: int, j: int) -> Offset | None:
    """What is known of two recordings themselves, seen from the first."""
    if (i, j) in pairs:
        return pairs[i, j]
    if (j, i) not in pairs:
        return None
    one = pairs[j, i]
    return replace(one, shift_s=-one.shift_s / one.rate, rate=1 / one.rate, score=None, heard=None)


def _settled(clips: Sequence[Clip], reference: int, number: int, clocks: Clocks) -> Offset:
    """Shift of a recording against the reference, as all pairs that are not left out have it."""
    a, b = clips[reference], clips[number]
    shift, rate = float(clocks.shift_s[number]), float(clocks.rate[number])
    overlap = overlap_s(a.embeddings, b.embeddings, shift, rate)
    if not overlap:
        raise UnsureError(
            f"{a.path} and {b.path} show nothing at the same time: by the other clips the shift is "
            f"{shift:+.2f} s; choose another --reference"
        )
    cost = mean_distance(a.embeddings, b.embeddings, shift, rate)
    known, words = _known(clocks.pairs, reference, number), overlap_warning(overlap)
    if clocks.contradicted[number]:
        words = words or "the shifts of the pairs contradict each other: check the shift"
    if known is None:
        by = _common_witness(clocks.pairs)
        words = words or "known through other clips only"
        return Offset(shift, rate, cost, overlap, 0.0, words, by=by)
    words = words or known.warning
    return replace(known, shift_s=shift, rate=rate, cost=cost, overlap_s=overlap, warning=words)


def _advice(clips: Sequence[Clip], clocks: Clocks, reference: int) -> str:
    """Say which recordings to leave out, where the others go together; empty where none do."""
    placed = np.isfinite(clocks.shift_s)
    if placed.sum() == 1:  # the reference itself
        placed = ~placed if clocks.pairs else np.ones(len(clips), bool)
    out = [clip.path.name for clip, ok in zip(clips, placed.tolist(), strict=True) if not ok]
    return f"; without {', '.join(out)} it works" if out and placed.sum() > 1 else ""


def _common_witness(pairs: Pairs) -> str:
    """What gave the shifts of all pairs, if one did."""
    found = {one.by for one in pairs.values()}
    return found.pop() if len(found) == 1 else "both"


def best_reference(
    clips: Sequence[Clip], model: Callable[[], Model], settings: Settings | None = None
) -> int:
    """Number of the take with the least total distance to all others, the first of equals.

    The distance of two takes is that of `Alignment.cost`, of warped takes; for those of one event
    see `match_cameras`.
    """
    settings = replace(settings or Settings(), every=False, clock=None)
    if len(clips) == 2:
        return 0
    total = np.zeros(len(clips))
    for i, j in itertools.combinations(range(len(clips)), 2):
        total[[i, j]] += _warped(clips[i], clips[j], model, settings)[0].cost
    return int(total.argmin())


def match_pair(
    a: Clip, b: Clip, model: Callable[[], Model], settings: Settings | None = None
) -> Match:
    """Match one take, b, with another, a; see `match_clips`."""
    settings = settings or Settings()
    if settings.clock:
        return match_cameras((a, b), 0, settings).others[0]
    alignment, side, flipped = _warped(a, b, model, settings)
    if settings.every:
        found, score = find_rated(a.embeddings, side)
        parts = tuple(_smoothed(part, settings) for part in found)
        best = min(parts, key=lambda part: part.cost, default=None)
        return Match(b, side, best, flipped, score, every=True, repetitions=parts)
    score = same_action(a.embeddings, side)
    return Match(b, side, _smoothed(alignment, settings), flipped, score)


def _warped(
    a: Clip, b: Clip, model: Callable[[], Model], settings: Settings
) -> tuple[Alignment, Embeddings, bool]:
    """Alignment, the side of b that was matched, and whether it is the mirrored one."""
    own, plain = a.embeddings, b.embeddings
    ends, match = settings.ends.value, settings.match.value
    if settings.mirror is Mirror.NO:
        return align(own, plain, ends=ends, match=match), plain, False
    other = b.mirror_image(model)
    if settings.mirror is Mirror.YES:
        return align(own, other, ends=ends, match=match), other, True
    found, flipped = align_either_side(own, plain, other, ends=ends, match=match)
    return found, other if flipped else plain, flipped


def _smoothed(alignment: Alignment, settings: Settings) -> Alignment:
    if settings.smooth_s is None:
        return alignment
    return replace(alignment, smooth_s=settings.smooth_s)
