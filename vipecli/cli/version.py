"""Output of `vipe --version`: this version, its models, and the libraries of detection."""

import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vipecli import __version__

_LIBRARIES = "mediapipe", "onnxruntime"


def version_lines() -> list[str]:
    """The version; models with the checksums that results name; versions of libraries."""
    from vipecli.embedding.model import NAMES, default_weights

    folder, names = default_weights().parent, {file: name for name, file in NAMES.items()}
    models = [
        f"{names.get(path.name, path.stem)}:{_checksum(path)}"
        for path in sorted(folder.glob("*.onnx"))
    ]
    return [
        f"vipe {__version__}",
        f"models: {', '.join(models)}",
        *(f"{name} {_version(name)}" for name in _LIBRARIES),
    ]


def _checksum(path: Path) -> str:
    """As in `Model.id`."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is not installed"
