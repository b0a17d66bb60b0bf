"""Do one task for many items: in this process, or in a pool of processes."""

import atexit
import contextlib
import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from queue import Full, Queue
from typing import Any, TypeVar

from vipecli import memory
from vipecli.errors import VipeError

Tick = Callable[[int], object]
"""Called with the number of steps (frames) done since the last call."""
Task = Callable[[Any, Tick], Any]
"""What to do with one item; calls its second argument as it advances."""

_Item = TypeVar("_Item")

_POLL_S = 0.2  # how often the progress of a pool is looked at
_AHEAD = 2  # items per process that are handed over before they are due


@dataclass(frozen=True)
class Outcome:
    """What came of one item.

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


def run(
    task: Task, items: Iterable[Any], *, jobs: int = 1, tick: Tick | None = None
) -> Iterator[Outcome]:
    """Yield the outcome of the task for every item, each as soon as it is there.

    One item that fails, or that takes its whole process down, never stops the others.

    Parameters
    ----------
    task
        a function of the module level where `jobs` is above 1: other processes import it.
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
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; at least one process has to work")
    tick = tick or (lambda steps: None)
    return _run_pool(task, iter(items), jobs, tick) if jobs > 1 else _run_here(task, items, tick)


def get_ready(jobs: int, module: str, function: str) -> None:
    """Start the processes of the next pool and have them call a function, without waiting.

    For a command that knows early that it will need them: they load beside this process.
    """
    global _ready
    if jobs > 1 and _ready is None:
        _ready = _Pool(jobs)
        with contextlib.suppress(BrokenProcessPool):  # told when there is work for it
            for _ in range(jobs):
                _ready.submit(_prepare, (module, function))


def _prepare(what: tuple[str, str], tick: Tick) -> None:
    module, function = what
    getattr(importlib.import_module(module), function)()


def meanwhile(module: str, function: str) -> threading.Thread:
    """Import a module and call one of its functions in a thread; what goes wrong is dropped.

    For what will be needed later and takes its time to load: a failure shows when it is needed.
    """

    def work() -> None:
        with contextlib.suppress(Exception):
            getattr(importlib.import_module(module), function)()

    thread = threading.Thread(target=work, name=f"vipe-{function}")
    thread.start()
    return thread


def ahead(items: Iterator[_Item], depth: int = 2) -> Iterator[_Item]:
    """Items of an iterator that runs in a thread, a few items ahead.

    For decoding beside detection, drawing or encoding. An error in the thread is raised where the
    items are taken. The thread is gone, and the iterator closed, when this one is closed.
    """
    queue: Queue = Queue(depth)
    stop = threading.Event()

    def put(item: object, error: BaseException | None = None, *, last: bool = False) -> bool:
        while not stop.is_set():
            with contextlib.suppress(Full):
                queue.put((item, error, last), timeout=0.1)
                return True
        return False

    def produce() -> None:
        error = None
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as exc:  # handed over, not swallowed
            error = exc
        finally:
            items.close()
        put(None, error, last=True)

    thread = threading.Thread(target=produce, name="vipe-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = queue.get()
            if error is not None:
                raise error
            if last:
                return
            yield item
    finally:
        stop.set()
        thread.join()


def _run_here(task: Task, items: Iterable[Any], tick: Tick) -> Iterator[Outcome]:
    for item in items:
        try:
            yield Outcome(item, task(item, tick))
        except Exception as exc:
            yield Outcome(item, error=exc)


def _run_pool(task: Task, items: Iterator[Any], jobs: int, tick: Tick) -> Iterator[Outcome]:
    """Run pools one after the other: a process that dies breaks the pool that it is in."""
    while True:
        unfinished: list[Any] = []
        yield from _one_pool(task, items, jobs, tick, unfinished)
        if not unfinished:
            return
        # One of these killed its process. Alone in a pool, each can only take itself down.
        for item in unfinished:
            killed: list[Any] = []
            yield from _one_pool(task, iter([item]), 1, tick, killed)
            for culprit in killed:
                yield Outcome(
                    culprit,
                    error=VipeError(
                        f"{culprit}: the process that worked on it died (out of memory, or a "
                        "damaged file); leave it out, or convert it"
                    ),
                )


def _one_pool(
    task: Task, items: Iterator[Any], jobs: int, tick: Tick, unfinished: list[Any]
) -> Iterator[Outcome]:
    """Work until the items are done or the pool breaks; what it left goes to `unfinished`."""
    seen = 0
    with _pool_of(jobs) as pool:
        try:
            waiting = _submit(pool, task, items, jobs * _AHEAD, unfinished)
            while waiting:
                done, _ = wait(waiting, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                now = pool.steps.value
                tick(now - seen)
                seen = now
                for future in done:
                    item, error = waiting.pop(future), future.exception()
                    if isinstance(error, BrokenProcessPool):
                        unfinished.append(item)
                    else:
                        yield Outcome(item, None if error else future.result(), error)
                if not unfinished:
                    waiting |= _submit(pool, task, items, len(done), unfinished)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Pool(ProcessPoolExecutor):
    """Processes, and the steps that they have counted together."""

    def __init__(self, jobs: int) -> None:
        context = multiprocessing.get_context("spawn")  # forking a process with threads may hang it
        self.jobs, self.steps = jobs, context.Value("q", 0)
        super().__init__(jobs, context, _start, (self.steps,))

    def submit(self, task: Task, item: Any) -> Future:
        """Have a process do a task; starts it where none is idle."""
        with _main_left_out():
            return super().submit(_call, task, item)


_ready: _Pool | None = None  # made early


def _pool_of(jobs: int) -> _Pool:
    """Return the pool that was made early, or a new one."""
    global _ready
    pool, _ready = _ready, None
    if pool is not None and pool.jobs == jobs:
        return pool
    if pool is not None:
        pool.shutdown(wait=False)
    return _Pool(jobs)


def _submit(
    pool: _Pool, task: Task, items: Iterator[Any], count: int, unfinished: list[Any]
) -> dict[Future, Any]:
    """Hand over the next items; one that a pool just broken refuses counts as unfinished."""
    waiting = {}
    for item in islice(items, count):
        try:
            waiting[pool.submit(task, item)] = item
        except BrokenProcessPool:
            unfinished.append(item)
    return waiting


@contextlib.contextmanager
def _main_left_out() -> Iterator[None]:
    """Keep processes that start from running the main script: tasks are in modules.

    It would import the command line, or, where a script has no guard, start all over.
    """
    names = vars(sys.modules["__main__"])
    spec, file = names.get("__spec__"), names.pop("__file__", None)
    names["__spec__"] = None
    try:
        yield
    finally:
        names["__spec__"] = spec
        if file is not None:
            names["__file__"] = file


_steps: Any = None  # the counter shared with the parent, in a process of the pool
_stopped = False


def _start(steps: Any) -> None:
    """Prepare a process of the pool: count into `steps`, and end quietly on Ctrl-C."""
    global _steps
    _steps = steps
    memory.reuse_blocks()
    atexit.register(gc.freeze)  # as in `cli.app.main`
    signal.signal(signal.SIGINT, _stop)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed one cannot tell its pool to."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _stop(*_: object) -> None:
    global _stopped
    _stopped = True
    sys.exit(130)


def _call(task: Task, item: Any) -> Any:
    if _stopped:
        raise KeyboardInterrupt
    return task(item, _count)


def _count(steps: int) -> None:
    with _steps.get_lock():
        _steps.value += steps
