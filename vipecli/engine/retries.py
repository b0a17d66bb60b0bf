"""Items whose process died are put aside, and tried again when all others are done."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vipecli.engine.outcome import Outcome
from vipecli.errors import UnfinishedError

RETRIES = 2
"""Further tries of an item whose process died, each with nothing else beside it."""

Pass = Callable[[Iterable[Any], bool, list[Any]], Iterator[Outcome]]
"""Runs the task over items, alone if so said, and puts those aside whose process died."""


def with_retries(one_pass: Pass, items: Iterable[Any]) -> Iterator[Outcome]:
    """Yield the outcome of every item, of those that end their process every time at last."""
    aside: list[Any] = []
    yield from one_pass(items, False, aside)
    for _ in range(RETRIES):
        again, aside = aside, []
        if again:
            yield from one_pass(again, True, aside)
    for item in aside:
        yield Outcome(item, error=died(item))


def died(item: Any) -> UnfinishedError:
    """Error for an item whose process died every time."""
    return UnfinishedError(
        f"{item}: the process that worked on it died, {1 + RETRIES} times (out of memory, or a "
        "damaged file); leave it out, or convert it"
    )


def overran(item: Any, limit_s: float) -> UnfinishedError:
    """Error for an item that took too long."""
    return UnfinishedError(
        f"{item}: not done after {limit_s:g} s, and given up; leave it out, or allow more time"
    )
