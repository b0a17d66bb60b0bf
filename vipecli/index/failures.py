"""Clips of a folder that could not be used, kept beside its index until they change."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from vipecli import __version__
from vipecli.embedding.embedded_folder import Slot
from vipecli.embedding.remote import Clip
from vipecli.engine import Outcome
from vipecli.errors import FormatError, NoPoseError, UnfinishedError, VideoError
from vipecli.files import read_regular, replacing, writable
from vipecli.index.sources import Item

FILE = "failures.json"

_MOST_BYTES = 16 << 20
_LASTING = VideoError, NoPoseError, FormatError
"""What is wrong with the clip itself, not with the machine or the moment."""


def load_failures(store: Path) -> dict[str, str]:
    """Stamps of the clips that failed, by name; empty if there are none, or by another version."""
    try:
        data = json.loads(read_regular(store / FILE, most=_MOST_BYTES))
        if data["version"] != __version__:
            return {}
        return {str(name): str(stamp) for name, stamp in data["clips"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def save_failures(store: Path, stamps: Mapping[str, str]) -> None:
    """Replace the list; a folder that cannot be written only means that clips are tried again."""
    path = store / FILE
    with suppress(OSError):
        if not stamps:
            path.unlink(missing_ok=True)
            return
        text = json.dumps({"version": __version__, "clips": dict(stamps)}, ensure_ascii=False)
        with replacing(path) as part:
            part.write_text(writable(text) + "\n", encoding="utf-8")


def failed_names(failures: Iterable[Outcome], items: Iterable[Item]) -> set[str]:
    """Names of the clips whose failure will last as long as their files do not change."""
    return _names((one for one in failures if isinstance(one.error, _LASTING)), items)


def unread_names(failures: Iterable[Outcome], items: Iterable[Item]) -> set[str]:
    """Names of the clips whose failure says nothing of them: of the machine, or of a store."""
    clips = (*_LASTING, UnfinishedError)
    return _names((one for one in failures if not isinstance(one.error, clips)), items)


def _names(failures: Iterable[Outcome], items: Iterable[Item]) -> set[str]:
    by_path: dict[Clip | None, list[str]] = {}
    for item in items:
        by_path.setdefault(item.path, []).append(item.name)
    names: set[str] = set()
    for one in (failure.item for failure in failures):
        names |= {*by_path.get(one.video, ())} if isinstance(one, Slot) else {one.name}
    return names
