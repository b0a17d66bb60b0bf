"""Run one task over many items."""

from collections.abc import Iterable, Iterator
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick
from vipecli.engine.pool import run_pool


def run(
    task: Task, items: Iterable[Any], *, jobs: int = 1, tick: Tick | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of the task for every item, each as soon as it is there.

    One item that fails, or that ends its whole process, never stops the others.

    Parameters
    ----------
    task
        a function at module level where `jobs` is above 1: other processes import it. A script
        that uses several jobs needs the guard ``if __name__ == "__main__":``, since each process
        imports the script.
    items
        taken a few at a time, so there may be any number of them.
    jobs
        processes; 1 = work in this one.
    tick
        receives the steps that the tasks report.

    Returns
    -------
    Outcomes, in the order of the items for one job, in the order of completion for several.

    Raises
    ------
    ValueError
        if `jobs` is below 1.
    VipeError
        if the processes cannot start.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; at least one process has to work")
    tick = tick or (lambda steps: None)
    if jobs == 1:
        return _run_here(task, items, tick)
    return run_pool(task, iter(items), jobs, tick)


def _run_here(task: Task, items: Iterable[Any], tick: Tick) -> Iterator[Outcome]:
    for item in items:
        try:
            yield Outcome(item, task(item, tick))
        except Exception as exc:
            yield Outcome(item, error=exc)
