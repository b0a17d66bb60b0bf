"""Handling of Ctrl-C and SIGTERM on the command line."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 2.0  # for files and processes to be cleaned up
_received = list[int]()  # the signal that came


class Interrupted(SystemExit):
    """Raised by a signal; ends the process with 130 (Ctrl-C) or 143 (SIGTERM), as shells do."""


@contextlib.contextmanager
def ending_promptly() -> Iterator[None]:
    """Make signals end the process with one line, also while modules are imported.

    Cleaning up is given two seconds, since native code cannot be interrupted; a second signal
    ends the process at once.
    """
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    try:
        yield
    except Interrupted:
        sys.stderr.write("vipe: interrupted\n")
        raise


def check_interrupted() -> None:
    """Raise `Interrupted` if a signal came: native code that is imported makes it another error."""
    if _received:
        raise Interrupted(128 + _received[0])


def _interrupt(number: int, frame: object) -> NoReturn:
    _received.append(number)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    end = threading.Timer(_PATIENCE_S, os.kill, (os.getpid(), number))
    end.daemon = True
    end.start()
    raise Interrupted(128 + number)
