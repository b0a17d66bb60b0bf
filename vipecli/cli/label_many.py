"""Label many clips, here or in other processes."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vipecli.cli.labelling import LabelledClip, LabelOptions, label_clip
from vipecli.cli.queries import Lookup, open_unchanged, read_query

if TYPE_CHECKING:
    from vipecli.cli.queries import AnyOpened
    from vipecli.embedding.clip import Recipe
    from vipecli.embedding.remote import Clip
    from vipecli.engine import Executor, Outcome, Tick


@dataclass(frozen=True)
class ClipLabeller:
    """Task that labels one clip; each process opens the index once."""

    lookup: Lookup
    part: "Recipe"
    options: LabelOptions

    def __call__(self, path: "Clip", tick: "Tick") -> tuple[LabelledClip, list[str]]:
        """Return the labelled clip, and remarks about its file."""
        from vipecli.errors import VideoWarning

        library = open_unchanged(self.lookup)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideoWarning)
            query = read_query(path, self.part, library, tick)
            labelled = label_clip(query, library, self.options)
        return labelled, [str(w.message) for w in caught if issubclass(w.category, VideoWarning)]


def _swept(outcomes: "Iterator[Outcome]", paths: "list[Clip]") -> "Iterator[Outcome]":
    """Yield the outcomes; then copies of processes that had to be killed are removed."""
    from vipecli.embedding.remote import Remote
    from vipecli.files import sweep_temporary

    yield from outcomes
    if any(isinstance(path, Remote) for path in paths):
        sweep_temporary()


def label_many(
    paths: "list[Clip]", labeller: ClipLabeller, library: "AnyOpened", executor: "Executor"
) -> "Iterator[Outcome]":
    """Yield the outcome of every clip, in order; one clip, or one job, is done in this process."""
    from vipecli.cli.console import note
    from vipecli.engine import Local, in_order

    def here(path: "Clip", tick: "Tick") -> tuple[LabelledClip, list[str]]:
        query = read_query(path, labeller.part, library)
        return label_clip(query, library, labeller.options), []

    if len(paths) == 1 or executor == Local():
        outcomes = in_order(Local(), here, paths)
    else:
        outcomes = in_order(executor, labeller, paths)
    for outcome in _swept(outcomes, paths):
        if outcome.error:
            yield outcome
            continue
        labelled, remarks = outcome.result
        for remark in remarks:
            note(remark)
        for copy in labelled.query.copies:
            note(f"{library.facts_of(copy).name} is the clip itself and does not vote")
        yield replace(outcome, result=labelled)
