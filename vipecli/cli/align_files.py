"""The files that `vipe align` writes: refused before the work, or written after it, and told."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from vipecli.alignment.takes import Session
    from vipecli.outputs.reel import Reel


def check_outputs(
    clips: Sequence[Path], out: Path | None, written: Sequence[Path], **special: Path | None
) -> None:
    """Refuse files that could not be written, and two results in one file."""
    from vipecli.files import check_output
    from vipecli.video.write import check_container

    if out:
        check_container(out)
    for name, path in special.items():
        if path:
            _checks()[name](path, *clips)
    for i, path in enumerate(written):
        check_output(path, *clips)
        if path.absolute() in [other.absolute() for other in written[:i]]:
            raise typer.BadParameter(f"{path}: named for two results")


def _checks() -> "dict[str, Callable[..., None]]":
    """What refuses a file of each kind."""
    from vipecli.outputs.angles import check_picture
    from vipecli.outputs.report import check_page
    from vipecli.outputs.timeline import check_timeline

    return {"plot": check_picture, "otio": check_timeline, "report": check_page}


def write_others(
    session: "Session",
    reel: "Reel",
    bars: Any,
    onto: str,
    *,
    csv: Path | None,
    plot: Path | None,
    otio: Path | None,
    report: Path | None,
) -> None:
    """Write what was asked for besides the video."""
    from vipecli.outputs.mapping import write_csv
    from vipecli.outputs.plot import write_plot
    from vipecli.outputs.timeline import write_timeline

    if csv:
        write_csv(session, csv)
    if plot:
        write_plot(session, plot)
    if otio:
        write_timeline(reel, otio)
    if report:
        _write_page(session, report, bars, onto=onto)


def tell(session: "Session", reel: "Reel", written: list[Path], json: Path | None) -> None:
    """Print what came out, and write it as JSON where that is asked for."""
    from vipecli.cli.console import write_json
    from vipecli.cli.summary import summary
    from vipecli.outputs.mapping import as_json

    if json:
        write_json(as_json(session, reel), json)
    for line in summary(session, written):
        typer.echo(line, err=json == Path("-"))


def write_video(reel: "Reel", out: Path, bars: Any, **options: Any) -> None:
    """Write the video, with a bar that tells how far it is; options as of `synced.write_reel`."""
    from vipecli.outputs.synced import write_reel

    writing = bars.add_task(f"writing {out.name}", total=len(reel), unit="frames")
    write_reel(reel, out, progress=lambda done, _: bars.update(writing, completed=done), **options)


def _write_page(session: "Session", out: Path, bars: Any, *, onto: str) -> None:
    from vipecli.outputs.saving import write_page

    writing = bars.add_task(f"writing {out.name}", total=None, unit="frames")
    write_page(
        session,
        out,
        onto=onto,
        progress=lambda done, total: bars.update(writing, completed=done, total=total),
    )
