"""How kernels are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar, overload

import numpy as np
from numba import njit

F = np.float32
_Kernel = TypeVar("_Kernel", bound=Callable[..., Any])

# Not fastmath=True: that deletes the tests for NaN and infinity, and both are used.
# Kernels inline what they call: else a process runs whichever compiled copy of it was loaded first,
# and last digits depend on whether kernels were compiled just now or come from the cache.
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


@overload
def jit(function: _Kernel, *, parallel: bool = False) -> _Kernel: ...
@overload
def jit(function: None = None, *, parallel: bool = False) -> Callable[[_Kernel], _Kernel]: ...
def jit(function: Any = None, *, parallel: bool = False) -> Any:
    """Compile without the GIL, cached on disk, with the one set of float rules of this package."""

    def compile_(function):
        options = {
            "nogil": True,
            "fastmath": _FASTMATH,
            "error_model": "numpy",
            "parallel": parallel,
            "forceinline": not parallel,
        }
        try:
            return njit(cache=True, **options)(function)
        except RuntimeError:  # neither this folder nor the user's cache can be written
            return njit(**options)(function)

    return compile_ if function is None else compile_(function)
