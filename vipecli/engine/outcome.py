"""A task for many items, the outcome of each, and who runs it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol


class Tick(Protocol):
    """Receives how far the work is."""

    def __call__(self, steps: int, *, ahead: int = 0) -> object:
        """Take note of steps (frames) done since the last call, and of so many found ahead."""


Task = Callable[[Any, Tick], Any]
"""Function of an item and a `Tick`, which it calls as it advances."""


@dataclass(frozen=True)
class Outcome:
    """Result or error of one item.

    Attributes
    ----------
    item
        as given.
    result
        what the task returned; None if it failed.
    error
        the exception that it raised; None if all went well.
    """

    item: Any
    result: Any = None
    error: Exception | None = None


class Executor(Protocol):
    """Runs a task over many items, some at a time."""

    def run(
        self, task: Task, items: Iterable[Any], *, tick: Tick | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcome of the task for every item, each as soon as it is there.

        One item that fails, or that ends its whole process, never stops the others.

        Parameters
        ----------
        task
            can be pickled where other processes run it: a function at module level, or a
            `functools.partial` of one.
        items
            taken a few at a time, so there may be any number of them.
        tick
            receives the steps that the tasks report.

        Returns
        -------
        Outcomes, in any order.
        """
        ...


def ignore(steps: int, *, ahead: int = 0) -> None:
    """Take no note: the `Tick` where nobody asks."""
