"""A pool of processes, each of which is given one item after another through a pipe of its own.

`concurrent.futures` does not tell which item ended a process, and cannot stop its processes before
Python 3.14; the processes of `loky` outlive a parent that is killed.
"""

import math
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick
from vipecli.engine.retries import overran, with_retries
from vipecli.engine.worker import ENDING_S, Answer, work
from vipecli.errors import VipeError


def run_pool(
    task: Task,
    items: Iterable[Any],
    jobs: int,
    tick: Tick,
    *,
    limit_s: float | None = None,
    preload: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Yield outcomes as `Local.run` does, from several processes."""
    context = _context(preload)

    def one_pass(items: Iterable[Any], alone: bool, aside: list[Any]) -> Iterator[Outcome]:
        pool = _Pool(
            lambda: _Worker(task, context), iter(items), 1 if alone else jobs, limit_s, aside
        )
        try:
            yield from pool.run(tick)
        finally:
            pool.end()

    return with_retries(one_pass, items)


_GRACE_S = 0.01  # beyond a limit, so that one waiting is enough


def _context(preload: Sequence[str]) -> BaseContext:
    """Return how processes start: new ones, or on Linux forks of one that has imported modules.

    Windows cannot fork, and frameworks of macOS do not survive it. A fork of this process, which
    has threads, may hang.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


class WorkerTracebackError(Exception):
    """Traceback of an error raised in another process, as text; set as its cause."""


class _Worker:
    """A process, the pipe to it, and its current item."""

    def __init__(self, task: Task, context: BaseContext) -> None:
        self.pipe, theirs = context.Pipe()
        self.busy, self.started, self.item = False, False, None
        self.deadline_s = math.inf
        self.process = context.Process(target=work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.send((dict(os.environ), task))

    def send(self, what: object) -> None:
        """Send environment and task, or an item; to a process that has ended, nothing."""
        with suppress(BrokenPipeError, ConnectionResetError):  # noticed when its answer is awaited
            self.pipe.send(what)


class _Pool:
    """Processes that are started as items arrive."""

    def __init__(
        self,
        start: Callable[[], _Worker],
        items: Iterator[Any],
        jobs: int,
        limit_s: float | None,
        aside: list[Any],
    ) -> None:
        self._start, self._items, self._jobs = start, items, jobs
        self._limit_s, self._aside = limit_s, aside
        self._next: deque[Any] = deque()  # items prefetched, at most one per process
        self._workers: list[_Worker] = []

    def run(self, tick: Tick) -> Iterator[Outcome]:
        """Yield the outcome of every item, except those that are put aside."""
        while True:
            yield from self.dispatch()
            if not (busy := self.busy()):
                return
            more = self.prefetch()
            for pipe in wait(list(busy), timeout=0 if more else self._patience_s()):
                yield from self.receive(busy[pipe], tick)
            yield from self.give_up()

    def dispatch(self) -> Iterator[Outcome]:
        """Send an item to every idle process; yield the outcomes of items that cannot be sent."""
        while sum(worker.busy for worker in self._workers) < self._jobs:
            if not self._next and not self.prefetch():
                return
            item, worker = self._next.popleft(), self._idle()
            try:
                worker.send(item)
            except Exception as exc:  # whatever its pickling raises
                yield Outcome(item, error=exc)
            else:
                worker.item, worker.busy = item, True
                worker.deadline_s = self._deadline_s() if worker.started else math.inf

    def prefetch(self) -> bool:
        """Take one more item, unless enough are waiting; return whether one was taken."""
        if len(self._next) >= self._jobs:
            return False
        for item in self._items:
            self._next.append(item)
            return True
        return False

    def busy(self) -> dict[Any, _Worker]:
        """Processes that work, by their pipes."""
        return {worker.pipe: worker for worker in self._workers if worker.busy}

    def receive(self, worker: _Worker, tick: Tick) -> Iterator[Outcome]:
        """Receive a message of a process; yield an outcome if the item is done, or lost."""
        try:
            answer: Answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._lost(worker)
            return
        if not worker.started:
            worker.started, worker.deadline_s = True, self._deadline_s()
        tick(answer.steps, ahead=answer.ahead)
        if answer.done:
            worker.busy = False
            if answer.error:
                answer.error.__cause__ = WorkerTracebackError(answer.trace)
            yield Outcome(worker.item, answer.result, answer.error)

    def give_up(self) -> Iterator[Outcome]:
        """End processes whose item has taken too long; yields those items."""
        for worker in list(self._workers):
            late = worker.busy and time.monotonic() > worker.deadline_s
            if late and not worker.pipe.poll():  # with an answer it is we who are late
                worker.process.kill()
                self._drop(worker)
                yield Outcome(worker.item, error=overran(worker.item, self._limit_s))

    def _deadline_s(self) -> float:
        """When an item that is begun now has taken too long."""
        return time.monotonic() + (self._limit_s or math.inf)

    def _patience_s(self) -> float | None:
        """Time until an item has taken too long; None = for ever."""
        if self._limit_s is None:
            return None
        first = min(worker.deadline_s for worker in self._workers if worker.busy)
        return None if first == math.inf else max(0.0, first - time.monotonic()) + _GRACE_S

    def end(self) -> None:
        """End all processes: idle ones when the pipe closes, the others by SIGTERM."""
        for worker in self._workers:
            worker.pipe.close()
            if worker.busy:
                worker.process.terminate()
        deadline = time.monotonic() + ENDING_S
        for worker in self._workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()

    def _idle(self) -> _Worker:
        """Return an idle process, a new one if there is none."""
        for worker in self._workers:
            if not worker.busy:
                return worker
        self._workers.append(self._start())
        return self._workers[-1]

    def _drop(self, worker: _Worker) -> None:
        """Forget a process that has ended."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()

    def _lost(self, worker: _Worker) -> None:
        """Put the item of a process that has ended aside."""
        self._drop(worker)
        if not worker.started:
            raise VipeError(
                "a process to work in ended before it began (out of memory?); a script that uses "
                'several jobs needs `if __name__ == "__main__":` around its calls, or try --jobs 1'
            )
        self._aside.append(worker.item)
