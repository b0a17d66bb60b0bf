"""Outcomes in the order of their items."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vipecli.engine.outcome import Executor, Outcome, Task, Tick


@dataclass(frozen=True)
class _Numbered:
    place: int
    item: Any

    def __str__(self) -> str:
        return str(self.item)


def in_order(
    executor: Executor, task: Task, items: Iterable[Any], *, tick: Tick | None = None
) -> Iterator[Outcome]:
    """Yield what `executor.run` yields, in the order of the items; early ones wait in memory."""
    numbered = (_Numbered(*one) for one in enumerate(items))
    early: dict[int, Outcome] = {}
    due = 0
    for outcome in executor.run(partial(_do, task), numbered, tick=tick):
        early[outcome.item.place] = replace(outcome, item=outcome.item.item)
        while due in early:
            yield early.pop(due)
            due += 1


def _do(task: Task, numbered: _Numbered, tick: Tick) -> Any:
    return task(numbered.item, tick)
