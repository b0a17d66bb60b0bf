"""Match videos of human movement across camera views."""

import importlib
import os
from typing import Any

# From 1.29 on onnxruntime reports to its makers what it runs, unless this is set before it is
# imported; its own `disable_telemetry_events` comes too late to stop that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

# Functions that share their name with their module (align, classify, embed) are reached as
# `from vipecli.align import align`: a name cannot be both.
_PUBLIC = {
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

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import vipecli` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
