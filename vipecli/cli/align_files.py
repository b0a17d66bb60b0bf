"""The files that `vipe align` writes: checked before the work, written and listed after it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vipecli.alignment.takes import Session
    from vipecli.outputs.reel import Reel
    from vipecli.outputs.video_options import VideoOptions


@dataclass(frozen=True)
class Files:
    """Output files by kind; None = not asked for."""

    video: Path | None
    json: Path | None
    csv: Path | None
    plot: Path | None
    otio: Path | None
    report: Path | None

    def or_video(self, default: Path | None) -> "Files":
        """Return these files, or the default video where none was asked for."""
        return self if self.json or self.written else replace(self, video=default)

    @property
    def written(self) -> list[Path]:
        """All but the JSON, which may go to standard output."""
        return [p for p in (self.video, self.csv, self.plot, self.otio, self.report) if p]

    def check(self, clips: Sequence[Path]) -> None:
        """Refuse files that could not be written, and two results in one file."""
        from vipecli.cli.console import check_json
        from vipecli.files import check_output

        if self.video:
            from vipecli.video.write import check_container

            check_container(self.video)
        if self.plot:
            from vipecli.outputs.angles import check_picture

            check_picture(self.plot, *clips)
        if self.otio:
            from vipecli.outputs.timeline import check_timeline

            check_timeline(self.otio, *clips)
        if self.report:
            from vipecli.outputs.report import check_page

            check_page(self.report, *clips)
        for i, path in enumerate(self.written):
            check_output(path, *clips)
            if path.absolute() in [other.absolute() for other in self.written[:i]]:
                raise typer.BadParameter(f"{path}: named for two results")
        check_json(self.json, *clips, *self.written)

    def write(
        self, session: "Session", reel: "Reel", video: "VideoOptions", bars: Any, *, onto: str
    ) -> None:
        """Write everything but the JSON, with a bar for what takes long."""
        from vipecli.outputs.mapping import write_csv
        from vipecli.outputs.plot import write_plot
        from vipecli.outputs.saving import write_page
        from vipecli.outputs.synced import write_reel
        from vipecli.outputs.timeline import write_timeline

        def bar(out: Path) -> Any:
            task = bars.add_task(f"writing {out.name}", total=None, unit="frames")
            return lambda done, total: bars.update(task, completed=done, total=total)

        if self.video:
            write_reel(reel, self.video, video, progress=bar(self.video))
        if self.csv:
            write_csv(session, self.csv)
        if self.plot:
            write_plot(session, self.plot)
        if self.otio:
            write_timeline(reel, self.otio)
        if self.report:
            page = self.report
            write_page(session, page, onto=onto, flip=video.flip, progress=bar(page))

    def report_results(self, session: "Session", reel: "Reel") -> None:
        """Print the summary, and write the JSON."""
        from vipecli.cli.console import say, write_json
        from vipecli.cli.summary import summary
        from vipecli.outputs.mapping import as_json

        for line in summary(session, self.written):
            say(line, err=self.json == Path("-"))
        if self.json:
            write_json(as_json(session, reel), self.json)
