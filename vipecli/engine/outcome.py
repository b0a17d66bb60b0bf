"""A task for many items, and the outcome of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Tick = Callable[[int], object]
"""Called with the number of steps (frames) done since the last call."""
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
