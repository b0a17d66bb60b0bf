"""Match videos of human movement across camera views.

>>> import vipecli
>>> both = vipecli.align("front.mp4", "back.mp4")  # doctest: +SKIP
>>> both.save("synced.mp4")  # doctest: +SKIP

The functions take files and return an object that saves itself; `vipecli.api` documents them. The
packages below are for data in memory: `from vipecli.alignment.align import align`.
"""

import importlib
import os
from typing import Any

# onnxruntime 1.29 and later send usage data unless this is set before it is imported; calling its
# `disable_telemetry_events` afterwards is too late.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"

_PUBLIC = {
    "Aligned": "outputs.results",
    "Alignment": "alignment.warping_path",
    "Embeddings": "embedding.model",
    "Model": "embedding.model",
    "Poses": "poses.poses",
    "Ranking": "index.classify",
    "Settings": "alignment.settings",
    "VipeError": "errors",
    "align": "api",
    "classify": "api",
    "compare": "api",
    "detect": "poses.detect",
    "embed": "api",
    "lift": "api",
    "search": "api",
    "speed": "alignment.time_map",
    "to_pandas": "outputs.tables",
    "warp": "alignment.time_map",
}

__all__ = ["__version__", *_PUBLIC]  # for type checkers: __init__.pyi


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that `import vipecli` stays quick."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
