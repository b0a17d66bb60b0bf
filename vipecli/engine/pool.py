"""A pool of processes, each of which is given one item after another through a pipe of its own.

`concurrent.futures` does not tell which item ended a process, and cannot stop its processes before
Python 3.14; the processes of `loky` outlive a parent that is killed.
"""

import multiprocessing
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from vipecli.engine.outcome import Outcome, Task, Tick
from vipecli.engine.worker import ENDING_S, Answer, work
from vipecli.errors import VipeError


def run_pool(task: Task, items: Iterator[Any], jobs: int, tick: Tick) -> Iterator[Outcome]:
    """Yield outcomes as `vipecli.engine.run` does, from several processes."""
    pool = _Pool(task, items, jobs)
    try:
        while True:
            yield from pool.dispatch()
            if not (busy := pool.busy()):
                return
            more = pool.prefetch()
            for pipe in wait(list(busy), timeout=0 if more else None):
                yield from pool.receive(busy[pipe], tick)
    finally:
        pool.end()


class WorkerTracebackError(Exception):
    """Traceback of an error raised in another process, as text; set as its cause."""


class _Worker:
    """A process, the pipe to it, and its current item."""

    def __init__(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self.pipe, theirs = context.Pipe()
        self.busy, self.started, self.item = False, False, None
        self.process = context.Process(target=work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.send(task)

    def send(self, what: object) -> None:
        """Send the task, or an item; to a process that has ended, nothing."""
        with suppress(BrokenPipeError, ConnectionResetError):  # noticed when its answer is awaited
            self.pipe.send(what)


class _Pool:
    """Processes that are started as items arrive."""

    def __init__(self, task: Task, items: Iterator[Any], jobs: int) -> None:
        self._task, self._items, self._jobs = task, items, jobs
        self._next: deque[Any] = deque()  # items prefetched, at most one per process
        self._workers: list[_Worker] = []

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
            yield self._lost(worker)
            return
        worker.started = True
        tick(answer.steps)
        if answer.done:
            worker.busy = False
            if answer.error:
                answer.error.__cause__ = WorkerTracebackError(answer.trace)
            yield Outcome(worker.item, answer.result, answer.error)

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
        self._workers.append(_Worker(self._task))
        return self._workers[-1]

    def _lost(self, worker: _Worker) -> Outcome:
        """Drop a process that has ended; outcome of the item that it worked on."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join()
        if not worker.started:
            raise VipeError(
                "a process to work in ended before it began (out of memory?); a script that uses "
                'several jobs needs `if __name__ == "__main__":` around its calls, or try --jobs 1'
            )
        return Outcome(
            worker.item,
            error=VipeError(
                f"{worker.item}: the process that worked on it died (out of memory, or a damaged "
                "file); leave it out, or convert it"
            ),
        )
