"""`vipe align`: synchronise clips of one movement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.alignment.settings import Clock, Ends, Estimator, Mirror, Settings, Witness
from vipecli.cli.align_files import Files
from vipecli.cli.help import MATCHING, OUTPUTS, VIDEO
from vipecli.cli.options import Flip, Json, MatchBy, with_recipe
from vipecli.outputs.video_options import Resample, Style, VideoOptions, default_style

if TYPE_CHECKING:
    from collections.abc import Callable

    from vipecli.alignment.takes import Session
    from vipecli.embedding.clip import Recipe
    from vipecli.outputs.reel import Reel
    from vipecli.video.read import VideoInfo

DEFAULT_OUT = Path("synced.mp4")


class Onto(str, Enum):
    """Clip whose time the synchronised video keeps."""

    A = "a"
    B = "b"
    BOTH = "both"


def _check_reference(value: str) -> str:
    if value == "best" or (value.isdecimal() and 1 <= int(value) <= 9):
        return value
    raise typer.BadParameter(f"{value!r} is not best or a number from 1 to 9")


def _check_audio(value: str) -> str:
    if value.lower() == "none" or value.lower() in list("abcdefghi"):
        return value.lower()
    raise typer.BadParameter(f"{value!r} is not a letter from a to i, or none")


@with_recipe(of_each=True)
def align(
    clips: Annotated[
        list[Path], typer.Argument(metavar="A B [C...]", help="Videos, frames or keypoint files.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help=f"Synchronised video.  [default: {DEFAULT_OUT}, none with another output]",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    onto: Annotated[
        Onto,
        typer.Option(
            help="Time to keep: that of a, of b, or the mean of both.",
            rich_help_panel=VIDEO,
        ),
    ] = Onto.A,
    reference: Annotated[
        str,
        typer.Option(
            callback=_check_reference,
            metavar="best|N",
            help="Clip to match the others with, of more than two; best: least total distance.",
            rich_help_panel=MATCHING,
        ),
    ] = "1",
    ends: Annotated[
        Ends,
        typer.Option(
            help="closed: both clips show the same movement from start to end; open: one may "
            "show more; auto: decide by the clips.",
            rich_help_panel=MATCHING,
        ),
    ] = Ends.AUTO,
    mirror: Annotated[
        Mirror,
        typer.Option(
            help="Mirror b (left-handed for right-handed); auto: if that fits better.",
            rich_help_panel=MATCHING,
        ),
    ] = Mirror.NO,
    flip: Flip = True,
    match: MatchBy = Estimator.EXPECTED,
    smooth: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="SECONDS",
            help="Smoothing of the time map: more is steadier, less is quicker.  [default: 0.45]",
            rich_help_panel=MATCHING,
        ),
    ] = None,
    offset: Annotated[
        bool,
        typer.Option(
            "--offset",
            help="Several cameras of one event: one constant time shift.",
            rich_help_panel=MATCHING,
        ),
    ] = False,
    drift: Annotated[
        bool,
        typer.Option(
            "--drift",
            help="Like --offset, with a difference in clock rate.",
            rich_help_panel=MATCHING,
        ),
    ] = False,
    by: Annotated[
        Witness,
        typer.Option(
            help="What gives the shift of --offset and --drift: the poses, the sound, or both, as "
            "far as there is sound.",
            rich_help_panel=MATCHING,
        ),
    ] = Witness.BOTH,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Find every repetition of A in B; --out shows them in turn.",
            rich_help_panel=MATCHING,
        ),
    ] = False,
    style: Annotated[
        Style | None,
        typer.Option(
            help="Side by side, in a column, in a grid, in one picture, split by a moving edge, or "
            "frozen at key moments.  [default: side, grid for more than two]",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    resample: Annotated[
        Resample,
        typer.Option(
            help="Moments between two frames: the nearest frame, or a blend of both.",
            rich_help_panel=VIDEO,
        ),
    ] = Resample.NEAREST,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Caption of A, then of B, ...; may be repeated.",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    captions: Annotated[
        bool,
        typer.Option(
            help="Names and times above the pictures, the match below.",
            rich_help_panel=VIDEO,
        ),
    ] = True,
    chapters: Annotated[
        bool,
        typer.Option(
            "--chapters",
            help="Chapter marks: repetitions (--all), or turning points.",
            rich_help_panel=VIDEO,
        ),
    ] = False,
    skeleton: Annotated[
        bool,
        typer.Option(
            help="Draw the joints that were found.",
            rich_help_panel=VIDEO,
        ),
    ] = True,
    audio: Annotated[
        str,
        typer.Option(
            callback=_check_audio,
            metavar="a|b|none",
            help="Clip whose sound is kept; retimed at constant pitch if the clip is warped.",
            rich_help_panel=VIDEO,
        ),
    ] = "a",
    height: Annotated[
        int | None,
        typer.Option(
            min=64,
            max=2160,
            help="Height of each picture, in pixels.  [default: as filmed]",
            rich_help_panel=VIDEO,
        ),
    ] = None,
    json: Json = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the steps of the path as a table.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Picture (.png, .svg, .pdf): distances with path, match, speed.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    otio: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Timeline for editing programs: OpenTimelineIO (.otio), or .edl.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Page (.html) with both clips in step, distances, path, speed and angles.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    *,
    recipes: "Callable[[int], list[Recipe]]",
) -> None:
    """Play clips of one movement in step.

    The cameras may stand anywhere. Writes an H.264 video, with B warped onto the time of A, and
    reports where B is faster or slower than A. Up to nine clips fit in one grid.
    """
    from vipecli.cli.console import progress_bars

    clock = Clock.DRIFT if drift else Clock.OFFSET if offset else None
    usage = _Usage(len(clips), reference, onto, style, audio, report is not None)
    usage.check(every=every, clock=clock, match=match)
    _check_matching(every=every, clock=clock, ends=ends, mirror=mirror, by=by)
    of_each = recipes(len(clips))
    infos = _check_inputs(clips, of_each)
    files = Files(out, json, csv, plot, otio, report).or_video(None if every else DEFAULT_OUT)
    files.check(clips)
    settings = Settings(ends, mirror, clock, by, every, smooth, match)
    video = VideoOptions(
        style or default_style(len(clips)), resample, skeleton, captions, chapters,
        None if audio == "none" else ord(audio) - ord("a"), height, flip,
    )  # fmt: skip
    with progress_bars() as bars:
        session = _read_and_match(clips, infos, of_each, settings, reference, bars)
        kept = infos[1 if onto is Onto.B else session.reference]
        reel = _reel(session, onto, video, label or [], kept, of_each[0].fps)
        files.write(session, reel, video, bars, onto=onto.value)
    files.report_results(session, reel)


@dataclass(frozen=True)
class _Usage:
    """Options that depend on the number of clips."""

    count: int
    reference: str
    onto: Onto
    style: Style | None
    audio: str
    page: bool

    def check(self, *, every: bool, clock: Clock | None, match: Estimator) -> None:
        """Refuse options that contradict each other or the number of clips."""
        count, reference, audio = self.count, self.reference, self.audio
        several = count > 2
        wrong = {
            f"{count} clip; name two, up to nine": count < 2,
            f"{count} clips; at most nine fit": count > 9,
            "--all and --offset or --drift exclude each other": every and clock,
            "--match sampled goes without --all, --offset and --drift": (every or clock)
            and match is Estimator.SAMPLED,
            "--all takes two clips": every and several,
            "--onto b takes two clips; for more there is --reference": self.onto is Onto.B
            and several,
            "--style wipe takes two clips": self.style is Style.WIPE and several,
            f"--reference {reference}: there are {count} clips": reference.isdecimal()
            and int(reference) > count,
            "--reference is for more than two clips; of two there is --onto b": reference != "1"
            and not several,
            "--report takes two clips": self.page and several,
            f"--audio {audio}: there are {count} clips": audio != "none"
            and ord(audio) - ord("a") >= count,
        }
        _refuse(wrong)


def _check_matching(
    *, every: bool, clock: Clock | None, ends: Ends, mirror: Mirror, by: Witness
) -> None:
    """Refuse options that the way of matching has no use for."""
    _refuse(
        {
            "--ends goes without --all, --offset and --drift": (every or clock)
            and ends is not Ends.AUTO,
            "--mirror goes without --offset and --drift": clock and mirror is not Mirror.NO,
            f"--by {by.value} goes with --offset or --drift": not clock and by is not Witness.BOTH,
        }
    )


def _refuse(wrong: Mapping[str, object]) -> None:
    """Raise a usage error with the first text that applies."""
    for text, is_so in wrong.items():
        if is_so:
            raise typer.BadParameter(text)


def _check_inputs(clips: Sequence[Path], recipes: "Sequence[Recipe]") -> "list[VideoInfo]":
    from vipecli.embedding.clip import check_clip

    return [check_clip(*clip) for clip in zip(clips, recipes, strict=True)]


def load_libraries() -> None:
    """Import what matching and writing need, and load the kernels, while poses are detected."""
    from vipecli.alignment.same_action import warm_up
    from vipecli.outputs import synced
    from vipecli.video.planes import Planes

    warm_up()
    Planes.filled((2, 2), synced.BACKGROUND).bgr()


def _read_and_match(
    clips: Sequence[Path],
    infos: "Sequence[VideoInfo]",
    recipes: "Sequence[Recipe]",
    settings: Settings,
    reference: str,
    bars: Any,
) -> "Session":
    """Find the poses of all clips, and match them."""
    from vipecli.embedding.candidates import read_everyone
    from vipecli.engine import in_background
    from vipecli.errors import NoPoseError

    tasks = [
        bars.add_task(f"poses of {info.path.name}", total=info.frames, unit="frames")
        for info in infos
    ]
    in_background("vipecli.cli.align", "load_libraries")
    seen = read_everyone(clips, recipes, lambda clip, steps: bars.advance(tasks[clip], steps))
    from vipecli.alignment.people import choose_people  # loaded by now
    from vipecli.alignment.takes import match_clips, people_of

    model, own = recipes[0].load_model, reference if reference == "best" else int(reference) - 1
    people = [people_of(info.source, found) for info, found in zip(infos, seen, strict=True)]
    takes = choose_people(people, model, reference=own, settings=settings)
    session = match_clips(takes, model, reference=own, settings=settings)
    if session.others[0].alignment is None:
        raise NoPoseError(_not_found(session))
    return session


def _not_found(session: "Session") -> str:
    """Say that no repetition was found, and what to do."""
    from vipecli.alignment.repetitions import none_found

    match = session.others[0]
    words = none_found(match.same_action)
    return (
        f"{match.clip.path}: {words} {session.common.path}; `vipe align` without --all shows more, "
        "and the clip of one repetition comes first"
    )


def _reel(
    session: "Session",
    onto: Onto,
    video: VideoOptions,
    labels: Sequence[str],
    kept: "VideoInfo",
    fps: float | None,
) -> "Reel":
    """Return the content of the video: all frames of the clip whose time is kept."""
    from vipecli.outputs.reel import reel_of, turning_marks

    filmed = max(fps, kept.fps) if fps else None
    reel = reel_of(session, onto=onto.value, apart=video.style is Style.GRID, fps=filmed)
    reel = reel.labelled(labels)
    return turning_marks(reel) if video.chapters else reel
