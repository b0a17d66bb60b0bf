"""Run one task over many items, on this machine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick, ignore
from vipecli.engine.pool import run_pool


@dataclass(frozen=True)
class Local:
    """Runs tasks in this process, or in several of this machine; an `Executor`.

    Attributes
    ----------
    jobs
        processes; 1 = work in this one, unless there is a limit. A script that uses several needs
        the guard ``if __name__ == "__main__":``, since each process imports the script.
    limit_s
        time for one item, seconds; then its process is ended. None = any.
    preload
        modules that tasks import: on Linux imported once for all processes, by the fork server of
        `multiprocessing`.
    """

    jobs: int = 1
    limit_s: float | None = None
    preload: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        """Refuse what could not work.

        Raises
        ------
        ValueError
            if `jobs` is below 1, or `limit_s` not above 0.
        """
        if self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}; at least one process has to work")
        if self.limit_s is not None and not self.limit_s > 0:
            raise ValueError(f"limit_s is {self.limit_s}; an item needs some time")

    def run(
        self, task: Task, items: Iterable[Any], *, tick: Tick | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcome of every item, see `Executor`; for one job in the order of the items.

        Raises
        ------
        VipeError
            if the processes cannot start.
        """
        tick = tick or ignore
        if self.jobs == 1 and self.limit_s is None:
            return _run_here(task, items, tick)
        return run_pool(task, items, self.jobs, tick, limit_s=self.limit_s, preload=self.preload)


def run(
    task: Task,
    items: Iterable[Any],
    *,
    jobs: int = 1,
    tick: Tick | None = None,
    preload: tuple[str, ...] = (),
) -> Iterator[Outcome]:
    """Yield the outcome of the task for every item, as `Local.run` does.

    Raises
    ------
    ValueError
        if `jobs` is below 1.
    VipeError
        if the processes cannot start.
    """
    return Local(jobs, preload=preload).run(task, items, tick=tick)


def _run_here(task: Task, items: Iterable[Any], tick: Tick) -> Iterator[Outcome]:
    for item in items:
        try:
            yield Outcome(item, task(item, tick))
        except Exception as exc:
            yield Outcome(item, error=exc)
