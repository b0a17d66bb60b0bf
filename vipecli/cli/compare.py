"""`vipe compare`: differences between two aligned performances."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.alignment.settings import Ends, Mirror, Settings
from vipecli.cli.help import MATCHING, OUTPUTS
from vipecli.cli.options import Flip, Json, with_recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vipecli.alignment.compare import Comparison, Moment
    from vipecli.alignment.takes import Clip, Match
    from vipecli.embedding.clip import Recipe

_DIFFERENCES = (
    "Differences that exceed the uncertainty of both angles, degrees; "
    "more in B: against the rest of the movement"
)
_NONE = "No difference exceeds the uncertainty of both angles."
TURNS_SHOWN = 12  # the rest is in the JSON


class Pose(str, Enum):
    """Source of the joints."""

    PICTURE = "2d"
    WORLD = "world"
    LIFTED = "lifted"


@with_recipe(of_each=True)
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="Video, frames or keypoint file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="The other one.")],
    pose: Annotated[
        Pose,
        typer.Option(
            help="Source of the angles: the pose lifted to 3D, the detector's 3D landmarks "
            "(world), or the picture (2d)."
        ),
    ] = Pose.LIFTED,
    ends: Annotated[Ends, typer.Option(help="As for align.", rich_help_panel=MATCHING)] = Ends.AUTO,
    mirror: Annotated[
        Mirror,
        typer.Option(
            help="Compare b's left with a's right; auto: if that fits better.",
            rich_help_panel=MATCHING,
        ),
    ] = Mirror.NO,
    csv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write all angles, one row per moment.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Draw all angles: .png, .svg or .pdf.", rich_help_panel=OUTPUTS
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Page (.html) with both clips in step and all angles.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    stills: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sheet (.png) of the differences: both persons side by side at each.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    flip: Flip = True,
    json: Json = None,
    *,
    recipes: "Callable[[int], list[Recipe]]",
) -> None:
    """Show what differs between two performances of one movement.

    Aligns the clips, then compares the angles of elbows, shoulders, hips and knees: their ranges,
    the differences that exceed the uncertainty of both, and what turns earlier or later than the
    rest. Hips and knees come first; joints that are hidden are left out.
    """
    from vipecli.alignment.compare import compare as compare_poses
    from vipecli.alignment.joint_angles import SOURCES
    from vipecli.cli.console import check_json, progress_bars, write_json
    from vipecli.outputs import angles
    from vipecli.outputs.results import comparison_facts
    from vipecli.outputs.saving import page_words

    both = recipes(2)
    files = _Files(csv, plot, report, stills)
    files.check(a, b)
    check_json(json, a, b, *files.named)
    settings = Settings(ends, mirror)
    with progress_bars() as bars:
        own, match = _read_and_match((a, b), both, settings, bars)
        pair = own.poses, match.clip.poses
        found = compare_poses(
            match.alignment, *pair, source=SOURCES[pose.value], mirrored=match.mirrored
        )
        caveat = angles.caveat(pose.value, mirrored=match.mirrored)
        files.write(found, own, match, caveat, bars, flip=flip)
    if json:
        facts = comparison_facts(own, match, pose.value)
        write_json(facts | angles.as_data(found), json)
    clips, warnings = (own, match.clip), page_words(match).warnings
    _show(found, clips, warnings, caveat, files.named, to_stderr=json == Path("-"))


def _read_and_match(
    paths: tuple[Path, Path], recipes: "list[Recipe]", settings: "Settings", bars: Any
) -> "tuple[Clip, Match]":
    """Find the poses of both clips, and match them."""
    from vipecli.alignment.people import choose_people
    from vipecli.alignment.takes import match_pair, people_of
    from vipecli.embedding.candidates import read_everyone
    from vipecli.embedding.clip import check_clip
    from vipecli.engine import in_background

    infos = [check_clip(*clip) for clip in zip(paths, recipes, strict=True)]
    tasks = [
        bars.add_task(f"poses of {info.path.name}", total=info.frames, unit="frames")
        for info in infos
    ]
    in_background("vipecli.alignment.same_action", "warm_up")
    seen = read_everyone(paths, recipes, lambda clip, steps: bars.advance(tasks[clip], steps))
    model = recipes[0].load_model
    people = [people_of(info.source, found) for info, found in zip(infos, seen, strict=True)]
    own, other = choose_people(people, model, settings=settings)
    return own, match_pair(own, other, model, settings)


@dataclass(frozen=True)
class _Files:
    """Output files besides the JSON; None = not asked for."""

    csv: Path | None
    plot: Path | None
    report: Path | None
    stills: Path | None

    @property
    def named(self) -> list[Path]:
        """Those that were asked for."""
        return [path for path in (self.csv, self.plot, self.report, self.stills) if path]

    def check(self, a: Path, b: Path) -> None:
        """Refuse files that could not be written, before the work begins."""
        from vipecli.files import check_output
        from vipecli.outputs.angles import check_picture
        from vipecli.outputs.report import check_page
        from vipecli.outputs.stills import check_stills

        if self.csv:
            check_output(self.csv, a, b)
        if self.plot:
            check_picture(self.plot, a, b)
        if self.report:
            check_page(self.report, a, b)
        if self.stills:
            check_stills(self.stills, a, b)
        if len({path.absolute() for path in self.named}) < len(self.named):
            raise typer.BadParameter("two results are to be written into one file")

    def write(
        self,
        found: "Comparison",
        own: "Clip",
        match: "Match",
        caveat: str,
        bars: Any,
        *,
        flip: bool,
    ) -> None:
        """Write them."""
        from vipecli.outputs import angles
        from vipecli.outputs.stills import write_stills

        if self.csv:
            angles.write_csv(found, self.csv)
        if self.plot:
            names = own.path.name, match.clip.path.name
            angles.write_picture(found, self.plot, names=names, caveat=caveat)
        if self.stills:
            write_stills(found, own, match, self.stills, flip=flip)
        if self.report:
            _write_page(found, own, match, self.report, caveat, bars, flip=flip)


def _write_page(
    found: "Comparison",
    own: "Clip",
    match: "Match",
    out: Path,
    caveat: str,
    bars: Any,
    *,
    flip: bool,
) -> None:
    """Write the page: both clips, all angles, and the largest differences."""
    from vipecli.outputs.angles import charts
    from vipecli.outputs.report import Side, write_report
    from vipecli.outputs.saving import page_words

    bar = bars.add_task(f"writing {out.name}", total=None, unit="frames")
    b = match.clip
    moments = (
        (one.time_a, f"{one.angle}: A {one.a_deg:.0f}°, B {one.b_deg:.0f}°; {_signed(one)}")
        for one in found.moments
    )
    words = page_words(match)
    count = len(found.moments)
    verdict = f"{_DIFFERENCES.split(',')[0]}: {count}, listed below." if count else _NONE
    words = replace(
        words,
        summary=f"{words.summary}. {_matched(found)}. {verdict}",
        facts=(*words.facts, *_ranges_facts(found)),
        title=f"{own.path.name} and {b.path.name}, compared",
        moments=tuple(moments),
        charts=tuple(charts(found)),
        charts_note=caveat,
    )
    write_report(
        match.alignment,
        Side(own.source, own.poses, own.embeddings),
        Side(b.source, b.poses, match.seen),
        out,
        mirrored=match.mirrored and flip,
        words=words,
        progress=lambda done, total: bars.update(bar, completed=done, total=total),
    )


def _show(
    found: "Comparison",
    clips: "Sequence[Clip]",
    warnings: "Sequence[str]",
    caveat: str,
    written: list[Path],
    *,
    to_stderr: bool,
) -> None:
    """Print ranges, largest differences, turning points, and caveats."""
    from vipecli.cli.console import show
    from vipecli.cli.summary import taken

    lines = [*(f"Wrote {path}" for path in written), *warnings, _matched(found), *taken(clips)]
    tables = [_ranges_table(found), _moments_table(found) if found.moments else _NONE]
    if found.turns:
        tables.append(_turns_table(found))
    show(*lines, *tables, caveat, err=to_stderr)


def _matched(found: "Comparison") -> str:
    """Compared part of each clip and its length."""
    parts = [
        f"{name} {times[0]:.2f} - {times[-1]:.2f} s ({times[-1] - times[0]:.2f} s)"
        for name, times in (("A", found.times_a), ("B", found.times_b))
    ]
    return f"Compared: {', '.join(parts)}"


def _ranges_table(found: "Comparison") -> Any:
    from vipecli.alignment.compare import LEAST_KNOWN
    from vipecli.cli.console import table

    rows = []
    for one in found.ranges:
        spans = [f"{low:.0f} - {high:.0f}" for low, high in (one.a_deg, one.b_deg)]
        known = one.known >= LEAST_KNOWN
        cells = [*spans, f"{one.mean_deg:.0f}"] if known else ["not seen", "", ""]
        rows.append([one.angle, *cells, f"{one.known:.0%}"])
    headings = "angle", "A", "B", "mean difference", "seen in both"
    return table(headings, rows, title="Angles, degrees")


def _ranges_facts(found: "Comparison") -> "Iterator[tuple[str, str]]":
    """Yield what the table of ranges says, as a name and a value each."""
    from vipecli.alignment.compare import LEAST_KNOWN

    for one in found.ranges:
        (a_low, a_high), (b_low, b_high) = one.a_deg, one.b_deg
        spans = f"A {a_low:.0f} - {a_high:.0f}°, B {b_low:.0f} - {b_high:.0f}°"
        yield one.angle, spans if one.known >= LEAST_KNOWN else "not seen in both"


def _signed(one: "Moment") -> str:
    """Difference and its uncertainty: +15° ± 6°, and against what."""
    return f"{one.difference_deg:+.0f}° ± {one.std_deg:.0f}° against the rest of the movement"


def _moments_table(found: "Comparison") -> Any:
    from vipecli.cli.console import table

    rows = [
        (
            one.angle,
            *(f"{time_s:.2f}" for time_s in (one.time_a, one.time_b)),
            *(f"{angle:.0f}" for angle in (one.a_deg, one.b_deg)),
            f"{one.difference_deg:+.0f}",
            f"{one.std_deg:.0f}",
            f"{one.start_a:.2f} - {one.end_a:.2f}",
        )
        for one in found.moments
    ]
    headings = "angle", "A at, s", "B at, s", "A", "B", "more in B", "±", "A from - to, s"
    return table(headings, rows, title=_DIFFERENCES)


def _turns_table(found: "Comparison") -> Any:
    from vipecli.cli.console import table

    rows = [
        (one.angle, one.kind, f"{one.time_a:.2f}", f"{one.time_b:.2f}", f"{one.late_s:+.2f}")
        for one in sorted(found.turns, key=lambda turn: -abs(turn.late_s))[:TURNS_SHOWN]
    ]
    title = "Turning points, and how much later B turns than the rest of its movement"
    return table(("angle", "", "A at, s", "B at, s", "later, s"), rows, words=(0, 1), title=title)
