"""Match videos of human movement across camera views.

>>> import vipecli
>>> both = vipecli.align("front.mp4", "back.mp4")  # doctest: +SKIP
>>> both.save("synced.mp4")  # doctest: +SKIP

`vipecli.align`, `vipecli.classify` and `vipecli.embed` are modules, for data in memory (`from
vipecli.align import align`), and can be called with files, see `vipecli.api`.
"""

import importlib
import os
import sys
from types import ModuleType
from typing import Any

# From 1.29 on onnxruntime reports to its makers what it runs, unless this is set before it is
# imported; its own `disable_telemetry_events` comes too late to stop that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

_PUBLIC = {
    "Aligned": "api",
    "Alignment": "align",
    "Embeddings": "embed",
    "Model": "embed",
    "Poses": "poses",
    "Ranking": "classify",
    "VipeError": "errors",
    "detect": "poses",
    "speed": "align",
    "warp": "align",
}
_CALLED = ("align", "classify", "embed")  # modules that are functions of `api`, too

__all__ = ["__version__", *_CALLED, *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import vipecli` costs nothing."""
    if name in _CALLED:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


class _Called(ModuleType):
    """A module that can be called: one name for a subject, and for what is done with files."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Call the function of this name in `vipecli.api`."""
        api = importlib.import_module("vipecli.api")
        return getattr(api, self.__name__.rpartition(".")[2])(*args, **options)


class _Package(ModuleType):
    """The package: it makes modules callable in the moment in which they are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _CALLED and type(value) is ModuleType:
            value.__class__ = _Called
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
