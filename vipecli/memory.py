"""How the C library keeps the memory of pictures, of which many come and go."""

import contextlib
import ctypes
import functools
import sys

# Of glibc's malloc.h, and what they are set to.
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8
_LARGEST_BLOCK = 8 << 20  # bytes; a picture of 1920 x 1080 fits, x264's own, kept anyway, do not
_KEPT = 64 << 20  # bytes free at the end of the heap
_ARENAS = 2


def reuse_blocks() -> None:
    """Have the memory of a picture serve for the next one, in this process; glibc only.

    Blocks that go back to the system at once cost as much time as decoding: every page of every
    picture is cleared anew, and threads wait for each other. By itself glibc comes to keep them,
    too, but in a heap per thread, with the holes of all of them.
    """
    if libc := _glibc():
        for name, value in (
            (_MMAP_THRESHOLD, _LARGEST_BLOCK),
            (_TRIM_THRESHOLD, _KEPT),
            (_ARENA_MAX, _ARENAS),
        ):
            libc.mallopt(name, value)


def give_back() -> None:
    """Return what is free to the system, after work that took much; glibc only."""
    if libc := _glibc():
        libc.malloc_trim(0)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """Return the C library, None where it has no such settings."""
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):  # musl
        libc = ctypes.CDLL(None)
        _ = libc.mallopt, libc.malloc_trim
        return libc
    return None
