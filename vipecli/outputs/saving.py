"""Write a session in the format of the file's extension."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vipecli.alignment.compare import compare
from vipecli.alignment.joint_angles import lifted
from vipecli.alignment.same_action import DIFFERENT
from vipecli.alignment.takes import Match, Session
from vipecli.errors import NoPoseError, VipeError
from vipecli.files import check_output, write_json
from vipecli.outputs.angles import PICTURES, caveat, charts
from vipecli.outputs.mapping import as_json, write_csv
from vipecli.outputs.plot import write_plot
from vipecli.outputs.reel import reel_of, turning_marks
from vipecli.outputs.report import Side, Words, write_report
from vipecli.outputs.synced import write_reel
from vipecli.outputs.text import BY
from vipecli.outputs.timeline import TIMELINES, write_timeline
from vipecli.outputs.video_options import VideoOptions, default_style
from vipecli.video.write import CONTAINERS

KINDS = (*CONTAINERS, ".json", ".csv", *PICTURES, *TIMELINES, ".html")
"""Extensions of files that a session can be saved as."""


def save(
    session: Session, out: Path, *, onto: str = "a", labels: Sequence[str] = (), **options: Any
) -> None:
    """Write a session in the format of the extension.

    Parameters
    ----------
    session
        takes and their alignments.
    out
        file with an extension of `KINDS`.
    onto, labels
        whose time is kept, see `reel.reel_of`; names of the takes.
    options
        fields of `video_options.VideoOptions`, for videos.

    Raises
    ------
    VipeError
        if the file cannot be written, or its extension is not known.
    ValueError
        if an option is out of range.
    """
    kind = out.suffix.lower()
    if kind not in KINDS:
        raise VipeError(f"{out}: use a name that ends in one of {', '.join(KINDS)}")
    if options and kind not in CONTAINERS:
        raise ValueError(f"{', '.join(options)}: for videos only")
    check_output(out, *(clip.path for clip in session.clips))
    reel = reel_of(session, onto=onto, apart=options.get("style") == "grid").labelled(labels)
    if kind in CONTAINERS:
        video = VideoOptions(**{"style": default_style(len(session.clips)), **options})
        write_reel(turning_marks(reel) if video.chapters else reel, out, video)
    elif kind == ".json":
        write_json(as_json(session, reel), out)
    elif kind == ".csv":
        write_csv(session, out)
    elif kind in PICTURES:
        write_plot(session, out)
    elif kind in TIMELINES:
        write_timeline(reel, out)
    else:
        write_page(session, out, onto=onto)


def write_page(
    session: Session,
    out: Path,
    *,
    onto: str = "a",
    flip: bool = True,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write the page of two takes, with the angles of both in space, see `report.write_report`.

    Without `flip` a take that was matched mirrored is shown as filmed.

    Raises
    ------
    VipeError
        if it cannot be written, or there are more than two takes.
    """
    if len(session.clips) > 2:
        raise VipeError(f"{out}: a page shows two clips, not {len(session.clips)}")
    a, match = session.common, session.others[0]
    b, words = match.clip, page_words(match)
    try:
        found = compare(match.alignment, a.poses, b.poses, source=lifted, mirrored=match.mirrored)
        words = replace(
            words,
            charts=tuple(charts(found)),
            charts_note=caveat("lifted", mirrored=match.mirrored),
        )
    except NoPoseError:  # no angle is seen in both: a page without them
        pass
    write_report(
        match.alignment,
        Side(a.source, a.poses, a.embeddings),
        Side(b.source, b.poses, match.seen),
        out,
        onto=onto,
        mirrored=match.mirrored and flip,
        words=words,
        progress=progress,
    )


def page_words(match: Match) -> Words:
    """Texts of the page of two takes, besides the figures of the path."""
    facts = []
    if match.shift:
        facts += [("offset", f"{match.shift.shift_s:.6g} s"), ("rate", f"{match.shift.rate:.6g}")]
        facts.append(("overlap", f"{match.shift.overlap_s:.6g} s"))
        facts.append(("found by", BY[match.shift.by]))
    if match.every:
        facts.append(("repetitions of A in B", str(len(match.repetitions))))
    warnings = [match.shift.warning] if match.shift and match.shift.warning else []
    if match.same_action is not None:
        facts.append(("same action", f"{match.same_action:.0%}"))
        if match.same_action < DIFFERENT:
            warnings.append("These look like two different actions.")
    mean = f"Match {match.alignment.match.mean():.0%} on average"
    return Words(
        summary=mean + (", B is taken mirrored" if match.mirrored else ""),
        warnings=tuple(warnings),
        facts=tuple(facts),
        shift=match.shift,
    )
