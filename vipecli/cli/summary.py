"""Summary that `vipe align` prints."""

from collections.abc import Sequence
from pathlib import Path

from vipecli.alignment.align import Alignment
from vipecli.alignment.repetitions import DOUBTFUL
from vipecli.alignment.same_action import DIFFERENT
from vipecli.alignment.takes import Clip, Match, Session
from vipecli.alignment.time_map import speed
from vipecli.alignment.warping_path import SHORT_S
from vipecli.outputs.text import BY, speed_in_words
from vipecli.poses.gaps import missing_spans

_NEXT = {
    False: "; where one is a mirror image, --mirror yes; where one shows more, --start and --end",
    True: "; where one shows more of it, --start and --end",
}  # what may help two clips that fit badly, by whether one was mirrored


def summary(session: Session, written: list[Path]) -> list[str]:
    """Lines: files written, match, speeds, and stretches without a person."""
    lines = [f"Wrote {path}" for path in written]
    if len(session.clips) == 2:
        match = session.others[0]
        lines += [_match(match.alignment), *_details(match, "a", "b")]
    else:
        names = [chr(ord("a") + i) for i in range(len(session.clips))]
        own = names[session.reference]
        lines.append(f"{session.common.path} ({own}) is the reference")
        for name, match in zip(names, session.matches, strict=True):
            if match:
                lines.append(f"{match.clip.path} ({name}): {_match(match.alignment)}")
                lines += _details(match, own, name)
    return [*lines, *taken(session.clips), *map("  {}".format, session.remarks), *_unseen(session)]


def taken(clips: Sequence[Clip]) -> list[str]:
    """Lines: who was taken of clips that show several people."""
    return [
        f"  {chr(ord('a') + i)} shows {clip.people} people: {clip.who} is taken "
        "(--person: somebody else)"
        for i, clip in enumerate(clips)
        if clip.who
    ]


def _match(alignment: Alignment) -> str:
    mean = alignment.match.mean()
    return f"Match {mean:.0%} on average, distance {alignment.cost:.2f}"


def _details(match: Match, a: str, b: str) -> list[str]:
    """Lines on the match of one take with the reference; a and b are their letters."""
    lines = []
    if match.shift:
        rate = "" if match.shift.rate == 1 else f"{match.shift.rate:.4f} x "
        lines.append(
            f"  time in {b} = {rate}time in {a} {match.shift.shift_s:+.3f} s "
            f"(by {BY[match.shift.by]}, confidence {match.shift.confidence:.1f})"
        )
        if match.shift.warning:
            lines.append(f"  {match.shift.warning}")
    if match.mirrored:
        lines.append(f"  {b} is taken mirrored (--mirror no: as filmed)")
    if doubt := _doubt(match):
        lines.append(f"  {doubt} (same action: {match.same_action:.0%}){_NEXT[match.mirrored]}")
    if match.every:
        lines.insert(0, f"  {a} {len(match.repetitions)}x in {b}")
        lines += [
            f"  {b} {part.times_b[0]:6.2f} - {part.times_b[-1]:.2f} s   distance {part.cost:.2f}"
            for part in match.repetitions
        ]
    elif not match.shift:
        lines += [
            f"  {a} {part.start_s:6.2f} - {part.end_s:.2f} s   {b} {speed_in_words(part.ratio, a)}"
            for part in speed(match.alignment)
        ]
    names = {"a": (a, b), "b": (b, a)}
    lines += [
        f"  {names[span.clip][0]} {span.start_s:6.2f} - {span.end_s:.2f} s   "
        f"not in {names[span.clip][1]}"
        for span in match.alignment.unmatched
        if span.end_s - span.start_s >= SHORT_S
    ]
    return lines


def _doubt(match: Match) -> str:
    """Say that two takes may show two actions; empty if that is not likely."""
    if match.same_action is None or match.same_action >= DOUBTFUL:
        return ""
    if match.same_action < DIFFERENT:
        return "these look like two different actions"
    return "these may be two different actions" if match.every else ""


def _unseen(session: Session) -> list[str]:
    return [
        f"  nobody seen in {chr(ord('a') + i)} from {start:.2f} to {end:.2f} s"
        for i, clip in enumerate(session.clips)
        for start, end in missing_spans(clip.poses)
    ]
