"""Label a clip, as a whole and over time: what `classify` and `snip` share."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import typer

from vipecli.cli.queries import Query

if TYPE_CHECKING:
    from vipecli.cli.queries import AnyOpened
    from vipecli.embedding.embed import Embeddings
    from vipecli.index.classify import Ranking
    from vipecli.index.timeline import Stretch


def step_seconds(text: str | None) -> float | None:
    """Seconds from "2" or "2s"."""
    if text is None:
        return None
    try:
        value = float(text.removesuffix("s"))
        if value >= 0.1:
            return value
    except ValueError:
        pass
    raise typer.BadParameter(f"{text!r} is no time of 0.1 s or more, such as 2 or 2.5s")


@dataclass(frozen=True)
class LabelOptions:
    """Options of `index.classify.classify`; with `every_s` clips are labelled over time."""

    k: int
    exact: bool
    every_s: float | None
    match: str


@dataclass(frozen=True)
class LabelledClip:
    """Result for one clip."""

    query: Query
    ranking: "Ranking"
    stretches: "list[Stretch] | None" = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain numbers and strings."""
        data = {"clip": str(self.query.path)} | asdict(self.ranking)
        if self.stretches is not None:
            from vipecli.outputs.captions import as_rows

            data["timeline"] = as_rows(self.stretches)
        return data


def label_clip(query: Query, library: "AnyOpened", options: LabelOptions) -> LabelledClip:
    """Label one clip, and over time if so asked."""
    from vipecli.index.classify import classify as rank

    left_out = library.votes_not(query.copies)

    def label(part: "Embeddings") -> "Ranking":
        return rank(
            part,
            library.packed,
            k=options.k,
            hubs=library.hubs,
            calibration=library.calibration,
            leave_out=left_out,
            exhaustive=options.exact,
            match=options.match,
        )

    ranking = label(query.embeddings)
    if not options.every_s:
        return LabelledClip(query, ranking)
    return LabelledClip(query, ranking, _over_time(query, library, label, options.every_s))


def _over_time(
    query: Query, library: "AnyOpened", label: "Callable[[Embeddings], Ranking]", every: float
) -> "list[Stretch]":
    from statistics import median

    from vipecli.cli.console import progress_bars
    from vipecli.index.timeline import label_over_time

    window = median(library.durations_s())
    times = query.embeddings.times
    with progress_bars() as bars:
        steps = int((times[-1] - times[0]) / every) + 1
        bar = bars.add_task("timeline", total=steps, unit="moments")
        return label_over_time(
            query.embeddings,
            label,
            every_s=every,
            window_s=window,
            progress=lambda done: bars.advance(bar, done),
        )
