"""Background threads: imports, and iterators that run ahead."""

import contextlib
import importlib
import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

_Item = TypeVar("_Item")


def in_background(module: str, function: str) -> threading.Thread:
    """Import a module and call one of its functions in a thread; errors are dropped.

    For libraries that will be needed later and take time to load: an error shows when they are
    needed.
    """

    def work() -> None:
        with contextlib.suppress(Exception):
            getattr(importlib.import_module(module), function)()

    thread = threading.Thread(target=work, name=f"vipe-{function}")
    thread.start()
    return thread


def prefetch(items: Iterator[_Item], depth: int = 2) -> Iterator[_Item]:
    """Yield the items of an iterator that runs in a thread, a few items ahead.

    For decoding beside detection, drawing or encoding. An error in the thread is raised where the
    items are taken. The thread has ended, and the iterator is closed, when this one is closed.
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
        except BaseException as exc:  # re-raised by the consumer
            error = exc
        finally:
            items.close()
        put(None, error, last=True)

    thread = threading.Thread(target=produce, name="vipe-prefetch", daemon=True)
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
