"""How kernels are compiled, and when compiled code is out of date."""

from hashlib import sha256
from pathlib import Path

import numpy as np
from numba import njit

F = np.float32

# Not fastmath=True: that deletes the tests for NaN and infinity, and both are used.
_FASTMATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


def sources() -> str:
    """Checksum of all kernels: what one of them has compiled holds code of others."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


_SOURCES = sources()


def _cached(kernel):
    """Let a kernel keep its compiled code on disk, and take it without what compiling would need.

    numba's own cache does not notice an edit in another file, and sets up its tables of types and
    functions before it looks for compiled code: 0.15 of the 0.4 s that the first call takes. They
    are set up all the same where there is none. A version of numba with other insides than
    expected here has its own cache.
    """
    try:
        from numba.core.caching import FunctionCache
        from numba.core.runtime import rtsys

        class Cache(FunctionCache):
            def load_overload(self, sig, target_context):
                try:
                    rtsys.initialize(target_context)
                    return self._load_overload(sig, target_context)
                except Exception:
                    return super().load_overload(sig, target_context)

        cache = Cache(kernel.py_func)
        cache._cache_file._source_stamp = _SOURCES
        kernel._cache = cache
    except (ImportError, AttributeError, TypeError):
        pass
    return kernel


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
            return _cached(njit(cache=True, **options)(function))
        except RuntimeError:  # neither this folder nor the user's cache can be written
            return njit(**options)(function)

    return compile_ if function is None else compile_(function)
