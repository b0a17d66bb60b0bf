"""`vipe live`: the reference in step with the person before the camera."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.help import OUTPUTS
from vipecli.cli.options import Json, with_recipe

if TYPE_CHECKING:
    from vipecli.alignment.online import Follower
    from vipecli.alignment.takes import Clip
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.embed import Embeddings
    from vipecli.index.classify import Ranking
    from vipecli.index.naming import Naming
    from vipecli.outputs.live import Log, Screen
    from vipecli.outputs.live_view import View
    from vipecli.video.camera import Frames

_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 1.0, 10.0  # of the movement that is named


@with_recipe(without=("person", "start", "end", "fps", "joints", "detector", "fill"))
def live(
    reference: Annotated[
        Path | None,
        typer.Option(metavar="A", help="Clip to follow: plays in step with the person."),
    ] = None,
    camera: Annotated[int, typer.Option(min=0, help="Number of the camera.")] = 0,
    source: Annotated[
        Path | None,
        typer.Option(metavar="CLIP", help="Play this clip at its own speed, not a camera."),
    ] = None,
    classify: Annotated[
        bool, typer.Option("--classify", help="Name the action as it happens (--index).")
    ] = False,
    index: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Labelled clips, as for classify."),
    ] = None,
    mirror: Annotated[bool, typer.Option(help="Show both as a mirror does, or as filmed.")] = True,
    window: Annotated[
        bool, typer.Option(help="Open a window; without one give --serve, --record or --json.")
    ] = True,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on a page of this machine, not in a window.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0: one that is free.")
    ] = 0,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Film of what was shown.", rich_help_panel=OUTPUTS),
    ] = None,
    json: Json = None,
    *,
    recipe: "Recipe",
) -> None:
    """Play a reference in step with the person before the camera, as they go.

    Waits when they pause and starts over when they do; shows both skeletons, how well they match
    at this moment, and counts repetitions. Frames are dropped rather than shown late. The window
    closes with q; Ctrl-C ends a session that is served, and keeps the record and the log.
    """
    from vipecli.embedding.stream import PoseStream
    from vipecli.outputs.live import run
    from vipecli.video.camera import Feed

    screens = _Screens(window=window and not serve, serve=serve, port=port)
    _check(reference, index, source, classify=classify, record=record, json=json)
    screens.check(shown_otherwise=bool(record or json))
    with ExitStack() as stack:
        clip = _read_reference(reference, recipe) if reference else None
        naming = stack.enter_context(_naming(index, recipe)) if index else None
        stream = stack.enter_context(PoseStream(recipe.load_model(), recipe.pose_model))
        shows = _Shows.of(clip, flip=mirror)
        screen = screens.open(stack)
        feed = stack.enter_context(Feed(lambda: _frames(source, camera)))
        with _asked_to_stop() as stop:
            log = run(
                feed, stream, shows.view, follower=shows.follower, naming=naming, screen=screen,
                record=record, stop=stop,
            )  # fmt: skip
    _report(log, record, json, reference=reference, source=source)
    if log.error:
        raise log.error


def _check(
    reference: Path | None,
    index: Path | None,
    source: Path | None,
    *,
    classify: bool,
    record: Path | None,
    json: Path | None,
) -> None:
    """Refuse options that make no sense together, inputs and outputs that cannot be used."""
    from vipecli.cli.console import check_json
    from vipecli.embedding.clip import check_clip
    from vipecli.files import check_output
    from vipecli.video.write import check_container

    if reference is None and not classify:
        raise typer.BadParameter("name a clip to follow, --reference A, or --classify --index DIR")
    if classify != (index is not None):
        raise typer.BadParameter("--classify and --index DIR go together")
    inputs = [path for path in (reference, source) if path]
    for path in inputs:
        check_clip(path)
    if record:
        check_container(record)
        check_output(record, *inputs)
    check_json(json, *inputs, *([record] if record else []))


@dataclass(frozen=True)
class _Screens:
    """Where a session is to be shown."""

    window: bool
    serve: bool
    port: int

    def check(self, *, shown_otherwise: bool) -> None:
        """Refuse a window where there can be none, and a session that nobody could see."""
        if self.window:
            from vipecli.outputs.window import check_window

            check_window(os.environ)
        elif not self.serve and not shown_otherwise:
            raise typer.BadParameter("--no-window: give --serve, --record or --json, too")

    def open(self, stack: ExitStack) -> "Screen | None":
        """The window or the page, closed with the stack; None for neither."""
        if self.serve:
            from vipecli.cli.console import say
            from vipecli.outputs.live_page import Page

            page = stack.enter_context(Page(self.port))
            say(f"Open {page.url}", err=True)
            return page
        if not self.window:
            return None
        from vipecli.outputs.window import Window

        shown = Window()
        stack.callback(shown.close)
        return shown


def _read_reference(path: Path, recipe: "Recipe") -> "Clip":
    from vipecli.alignment.takes import Clip
    from vipecli.cli.console import progress_bars
    from vipecli.embedding.clip import check_clip, read_clip

    info = check_clip(path, recipe)
    with progress_bars() as bars:
        bar = bars.add_task(f"poses of {path.name}", total=info.frames, unit="frames")
        found = read_clip(path, recipe, lambda steps: bars.advance(bar, steps))
    return Clip(info.source, *found)


def _frames(source: Path | None, camera: int) -> "Frames":
    from vipecli.video import camera as cameras

    return cameras.paced(source) if source else cameras.camera(camera)


def _naming(folder: Path, recipe: "Recipe") -> "Naming":
    from statistics import median

    from vipecli.cli.queries import Lookup, open_index
    from vipecli.engine import Local
    from vipecli.index.classify import classify
    from vipecli.index.naming import Naming

    library = open_index(Lookup(folder, (), 0, 5), recipe, Local())
    window = median(library.durations_s())

    def rank(part: "Embeddings") -> "Ranking":
        return classify(
            part,
            library.packed,
            hubs=library.hubs,
            calibration=library.calibration,
            leave_out=library.left_out,
        )

    return Naming(rank, window_s=min(max(window, _SHORTEST_WINDOW_S), _LONGEST_WINDOW_S))


@dataclass(frozen=True)
class _Shows:
    """What is drawn, and who follows the reference; None = there is none."""

    view: "View"
    follower: "Follower | None"

    @classmethod
    def of(cls, clip: "Clip | None", *, flip: bool) -> "_Shows":
        """For a reference, whose pictures are read now.

        Raises
        ------
        NoPoseError
            if hardly anybody is seen in it.
        """
        import numpy as np

        from vipecli.alignment.online import Follower
        from vipecli.outputs.live_view import ReferenceFilm, View

        if clip is None:
            return cls(View(None, flip=flip), None)
        reference = clip.embeddings
        known = np.flatnonzero(np.isfinite(reference.mean).all(axis=1))
        Follower(reference).step(reference.part(known[:1]))  # compiled while nobody waits for it
        film = ReferenceFilm(clip.source, clip.poses, flip=flip)
        return cls(View(film, flip=flip), Follower(reference))


@contextmanager
def _asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C or SIGTERM came: the session then ends, and what was recorded is kept."""
    came: list[int] = []
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: object) -> None:
        came.append(number)
        restore()  # a second one ends the process

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in before:
        signal.signal(one, note)
    try:
        yield lambda: bool(came)
    finally:
        restore()


def _report(
    log: "Log",
    record: Path | None,
    json: Path | None,
    *,
    reference: Path | None,
    source: Path | None,
) -> None:
    """Print what happened, and write the log."""
    from vipecli.cli.console import say, write_json

    facts = log.as_data()
    names = {"reference": reference, "source": source}
    to_stderr = json == Path("-")
    if record and log.frames:
        say(f"Wrote {record}", err=to_stderr)
    if facts["repetitions"] is not None:
        say(f"{facts['repetitions']} repetitions", err=to_stderr)
    if log.frames:
        say(
            f"{facts['shown']} frames shown, {facts['dropped']} dropped; behind the camera by "
            f"{facts['delay_ms_median']:.0f} ms in the median, {facts['delay_ms_p95']:.0f} ms at "
            "the 95th percentile",
            err=to_stderr,
        )
    if json:
        write_json({k: None if v is None else str(v) for k, v in names.items()} | facts, json)
