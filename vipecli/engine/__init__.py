"""Run a task over many items, here, in a pool or on Ray, and work in background threads."""

from vipecli.engine.local import Local, run
from vipecli.engine.ordered import in_order
from vipecli.engine.outcome import Executor, Outcome, Task, Tick
from vipecli.engine.threads import in_background, prefetch

__all__ = [
    "Executor",
    "Local",
    "Outcome",
    "Task",
    "Tick",
    "in_background",
    "in_order",
    "prefetch",
    "run",
]
