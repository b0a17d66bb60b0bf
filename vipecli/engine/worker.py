"""A process of the pool: it runs one task for the items that come through a pipe."""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from vipecli.engine.outcome import Task

ENDING_S = 1.5
"""Time that a process has to clean up before it is killed."""

_REPORT_S = 0.2  # between reports of how far a task is


@dataclass(frozen=True)
class Answer:
    """Message of a process: steps done since the last one, and the outcome of an item.

    Attributes
    ----------
    steps, ahead
        done and found ahead, as the task counted them.
    done
        whether the item is finished, and `result` or `error` says how.
    result, error
        as in `vipecli.engine.Outcome`.
    trace
        traceback of the error, which does not travel with it.
    """

    steps: int = 0
    ahead: int = 0
    done: bool = False
    result: Any = None
    error: Exception | None = None
    trace: str = ""


def work(pipe: Connection) -> None:
    """Take environment and task from a pipe, and run it for every item until the pipe is closed.

    Ends with the parent process, however that ends; Ctrl-C is left to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        environment, task = pipe.recv()
        os.environ.clear()  # that of a fork server may be older
        os.environ.update(environment)
        pipe.send(Answer())
        signal.signal(signal.SIGTERM, _leave)  # from here on there may be files to clean up
        while True:
            pipe.send(answer_to(task, pipe.recv(), pipe.send))


def answer_to(task: Task, item: Any, report: Callable[[Answer], object]) -> Answer:
    """Run the task; a result that cannot be pickled counts as an error.

    `report` is called at intervals with the steps so far.
    """
    steps = _Steps(report)
    try:
        answer = Answer(done=True, result=task(item, steps))
        pickle.dumps(answer)
    except Exception as exc:
        answer = Answer(done=True, error=exc, trace="".join(traceback.format_exception(exc)))
        try:
            pickle.loads(pickle.dumps(answer))
        except Exception:  # some classes of errors cannot be pickled, or not rebuilt
            error = RuntimeError(f"{type(exc).__name__}: {exc}")
            answer = replace(answer, error=error)
    return replace(answer, steps=steps.count, ahead=steps.ahead)


class _Steps:
    """Counts steps, and reports them at intervals."""

    def __init__(self, report: Callable[[Answer], object]) -> None:
        self.count = self.ahead = 0
        self._report, self._due_s = report, time.monotonic() + _REPORT_S

    def __call__(self, steps: int, *, ahead: int = 0) -> None:
        """Count further steps."""
        self.count += steps
        self.ahead += ahead
        if time.monotonic() >= self._due_s:
            self._report(Answer(self.count, self.ahead))
            self.count, self.ahead, self._due_s = 0, 0, time.monotonic() + _REPORT_S


def _leave(*_: object) -> NoReturn:
    sys.exit(128 + signal.SIGTERM)


def _end_with_parent() -> None:
    """End this process when its parent is gone, if need be while native code runs."""
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ENDING_S)
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
