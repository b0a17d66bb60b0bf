"""Run a task over many items, in this process or in a pool, and work in background threads."""

from vipecli.engine.local import run
from vipecli.engine.outcome import Outcome, Task, Tick
from vipecli.engine.threads import in_background, prefetch

__all__ = ["Outcome", "Task", "Tick", "in_background", "prefetch", "run"]
