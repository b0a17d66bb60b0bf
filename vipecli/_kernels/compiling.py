"""How kernels are compiled."""

import numpy as np
from numba import njit

F = np.float32

# Not fastmath=True: that deletes the tests for NaN and infinity, and both are used.
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


def jit(function=None, *, parallel=False):
    """Compile without the GIL, cached on disk, with the one set of float rules of this package."""

    def compile_(function):
        options = {
            "nogil": True,
            "fastmath": _FASTMATH,
            "error_model": "numpy",
            "parallel": parallel,
        }
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither this folder nor the user's cache can be written
            return njit(**options)(function)

    return compile_ if function is None else compile_(function)
