"""Networks in ONNX files, which may come from anybody: opened and run within bounds.

Nothing beside the file is opened, its memory is limited, and whatever goes wrong is one line that
names it.
"""

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.errors import WeightsError
from vipecli.files import read_regular

MOST_BYTES = 1 << 30
"""Size of a model file, at most."""

_LONGEST_REASON = 200  # characters
_MOST_MEMORY = 2 << 30  # bytes that all networks of a process may take
# The key of an entry `external_data`, in any of the ways in which protobuf may write it.
_EXTERNAL = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)location")
_CPU = ("CPUExecutionProvider",)


@dataclass(frozen=True)
class Network:
    """A network that can be run.

    Attributes
    ----------
    path
        its file.
    sha256
        checksum of the file, hexadecimal.
    metadata
        what its maker wrote about it.
    session
        the `onnxruntime.InferenceSession`.
    """

    path: Path
    sha256: str
    metadata: Mapping[str, str]
    session: Any

    @property
    def inputs(self) -> dict[str, tuple[Any, ...]]:
        """Shapes of its inputs by name; a size that is open is a text or None."""
        return {one.name: tuple(one.shape or ()) for one in self.session.get_inputs()}

    def run(
        self, names: Sequence[str] | None, feed: Mapping[str, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        """Outputs by name (None = all of them), for inputs by name.

        Raises
        ------
        WeightsError
            if the network does not take those inputs or does not give such outputs, or fails.
        """
        try:
            found = self.session.run(names, dict(feed))
        except Exception as exc:  # onnxruntime raises its own classes, not all of them public
            raise WeightsError(f"{self.path}: the model cannot be run ({_reason(exc)})") from exc
        return [np.asarray(one) for one in found]

    def tried(
        self, feed: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
    ) -> list[NDArray[Any]]:
        """Run it once, so that one which does not fit is refused before the work begins.

        Parameters
        ----------
        feed
            inputs by name.
        shapes
            those that its outputs have to have, by name.

        Raises
        ------
        WeightsError
            as `run`, and if an output has another shape or is infinite or NaN.
        """
        found = self.run(list(shapes), feed)
        for (name, shape), value in zip(shapes.items(), found, strict=True):
            if value.shape != shape:
                raise WeightsError(
                    f"{self.path}: its output {name} has the shape {value.shape}, not {shape}; "
                    "this model cannot be used"
                )
            if not np.isfinite(value).all():
                raise WeightsError(f"{self.path}: gives infinite numbers or NaN; it is damaged")
        return found


def open_network(
    path: Path, *, threads: int | None = 1, providers: Sequence[str] = _CPU
) -> Network:
    """Network of an ONNX file.

    Parameters
    ----------
    path
        a regular file of up to 1 GiB, with all weights in it.
    threads
        of one run; None = as many as there are cores.
    providers
        names of onnxruntime's, the first that is there is taken.

    Raises
    ------
    WeightsError
        if it cannot be read, is no ONNX model, or names other files.
    """
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    data = _content(path)
    runtime: Any = onnxruntime
    _limit_memory()
    options = runtime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    there = [one for one in providers if one in runtime.get_available_providers()]
    try:
        session = _session(runtime, data, options, there)
        metadata = dict(session.get_modelmeta().custom_metadata_map)
    except Exception as exc:  # onnxruntime raises its own classes, not all of them public
        raise WeightsError(f"{path}: not an ONNX model") from exc
    return Network(path, hashlib.sha256(data).hexdigest(), metadata, session)


def _session(runtime: Any, data: bytes, options: Any, providers: Sequence[str]) -> Any:
    """Session on the first of the providers that works, the processor after all others.

    The runtime's own way of trying again prints to stdout.
    """
    try:
        return runtime.InferenceSession(data, options, providers=providers, enable_fallback=0)
    except (ValueError, RuntimeError):
        if tuple(providers) == _CPU:
            raise
        return runtime.InferenceSession(data, options, providers=_CPU, enable_fallback=0)


def _content(path: Path) -> bytes:
    """Content of a file whose weights are all in it."""
    try:
        data = read_regular(path, most=MOST_BYTES)
    except OSError as exc:
        raise WeightsError(f"{path}: cannot read the model ({exc.strerror or exc})") from exc
    # The runtime would look for them in the current folder.
    if _EXTERNAL.search(data):
        raise WeightsError(
            f"{path}: keeps its weights in other files, which are not opened; save it with all "
            "weights in it"
        )
    return data


@functools.cache
def _limit_memory() -> None:
    """Let all networks share one limited store of memory: shapes in a file can ask for any size."""
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    runtime: Any = onnxruntime
    kind = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = runtime.OrtMemoryInfo("Cpu", kind, 0, runtime.OrtMemType.DEFAULT)
    limits = {"max_mem": _MOST_MEMORY, "arena_extend_strategy": 1}  # 1: no more than asked for
    runtime.create_and_register_allocator(place, runtime.OrtArenaCfg(limits))


def _reason(exc: Exception) -> str:
    """What the runtime says, in one line, shortened."""
    return " ".join(str(exc).split())[:_LONGEST_REASON] or type(exc).__name__
