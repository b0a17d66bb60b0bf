"""Run a task over many items: in this process, or in a pool of processes."""

from vipecli.engine.local import Outcome, Task, Tick, ahead, get_ready, meanwhile, run

__all__ = ["Outcome", "Task", "Tick", "ahead", "get_ready", "meanwhile", "run"]
