"""The manifest of an index: which files belong to it, checked field by field when it is read."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

MANIFEST = "_manifest.json"
FORMAT, VERSION = "vipe index", 1
MOST_BYTES = 1 << 27
"""Largest manifest that is read: 128 MiB, half a million files."""

_MOST_CLIPS = 1 << 16  # in one file; vipe writes `store.BATCH`
_MOST_FILE = 1 << 36  # bytes of one file
_MOST_DIMS = 1 << 12  # of an embedding
_FILE = re.compile(r"clips-[0-9a-f]{24}\.parquet")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXTS = "kind", "path", "poses", "split"


@dataclass(frozen=True)
class Batch:
    """One file: its name, SHA-256, bytes, clips."""

    file: str
    sha256: str
    size: int
    clips: int


class NewerVersionError(ValueError):
    """The manifest is of a later version than this vipe reads; the argument is that version."""


def digest(content: object) -> str:
    """Checksum of what a manifest says."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def dump(content: Mapping[str, Any]) -> bytes:
    """Manifest as bytes; names that are not valid Unicode stand in it as escapes."""
    data = {"format": FORMAT, "version": VERSION, "sha256": digest(content), "index": content}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def parse(data: bytes) -> dict[str, Any]:
    """Fields of an `Index` but its folder.

    Raises
    ------
    NewerVersionError
        if a later version has written it.
    ValueError
        if it is not a manifest, with what is wrong.
    """
    try:
        top: object = json.loads(data)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    fields = _mapping(top, "the manifest")
    content = _mapping(fields.get("index"), "index")
    version = fields.get("version")
    if fields.get("format") != FORMAT or type(version) is not int:
        raise ValueError("not the manifest of an index")
    if version > VERSION:
        raise NewerVersionError(version)
    if fields.get("sha256") != digest(content):
        raise ValueError("its checksum is wrong")
    expected = {"model", "sigmoid", "dims", "source", "excluded", "batches"}
    if set(content) != expected:
        raise ValueError(f"its fields are {', '.join(map(repr, sorted(content)[:9]))}")
    batches = tuple(_batch(one) for one in _list(content["batches"], "batches"))
    if len({batch.file for batch in batches}) < len(batches):
        raise ValueError("a file is named twice")
    return {
        "model": _text(content["model"], "model"),
        "sigmoid": _sigmoid(content["sigmoid"]),
        "dims": _whole(content["dims"], "dims", _MOST_DIMS, least=1 if batches else 0),
        "source": _source(content["source"]),
        "excluded": tuple(_text(one, "excluded") for one in _list(content["excluded"], "excluded")),
        "batches": batches,
    }


def _batch(value: object) -> Batch:
    fields = _mapping(value, "a file")
    if set(fields) != {"file", "sha256", "size", "clips"}:
        raise ValueError("a file needs file, sha256, size and clips")
    return Batch(
        _matching(_FILE, fields["file"], "name of a file"),
        _matching(_SHA256, fields["sha256"], "checksum"),
        _whole(fields["size"], "size", _MOST_FILE, least=1),
        _whole(fields["clips"], "clips", _MOST_CLIPS, least=1),
    )


def _source(value: object) -> dict[str, Any]:
    """What the index was built from; names an option of `vipe index build` each."""
    source = dict(_mapping(value, "source"))
    for name in _TEXTS:
        if name in source:
            _text(source[name], f"source, {name}")
    for pattern in _list(source.get("exclude", []), "source, exclude"):
        _text(pattern, "source, exclude")
    return source


def _sigmoid(value: object) -> tuple[float, float]:
    pair = _list(value, "sigmoid")
    if len(pair) != 2 or not all(_is_number(one) for one in pair):
        raise ValueError("sigmoid is not two finite numbers")
    return float(pair[0]), float(pair[1])


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _mapping(value: object, name: str) -> dict[str, Any]:
    return cast(dict[str, Any], _of_type(dict, value, name))


def _list(value: object, name: str) -> list[Any]:
    return cast(list[Any], _of_type(list, value, name))


def _of_type(kind: Callable[..., Any], value: object, name: str) -> object:
    if type(value) is not kind:
        raise ValueError(f"{name} is {_shown(value)}")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name} is {_shown(value)}")
    return value


def _matching(pattern: re.Pattern[str], value: object, name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{name} is {_shown(value)}")
    return value


def _whole(value: object, name: str, most: int, *, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {_shown(value)}, not a number from {least} to {most}")
    return value


def _shown(value: object) -> str:
    """A value for a message, at most one line of it."""
    kind = type(value).__name__
    if isinstance(value, str | int | float):
        try:
            text = repr(value)
        except ValueError:  # more digits than Python writes
            return f"a huge {kind}"
        return text if len(text) <= 60 else f"{text[:57]}..."
    return f"of type {kind}"
