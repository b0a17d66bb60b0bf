"""Run a task over many items, in this process or in a pool, and work in threads meanwhile."""

from vipecli.engine.local import Outcome, Task, Tick, run
from vipecli.engine.threads import ahead, meanwhile

__all__ = ["Outcome", "Task", "Tick", "ahead", "meanwhile", "run"]
