"""URLs among the paths that a user names: recognised, and shown without their secrets."""

import re
from pathlib import Path

from vipecli.errors import VipeError

_URL = re.compile(r"([a-z][a-z0-9+.-]+):[/\\]+", re.IGNORECASE)  # two letters at least: not C:/

_WITHIN = re.compile(
    r"\b([a-z][a-z0-9+.-]+:[/\\]+)(?:[^/\s@]*@)?([^\s?#]*)(?:[?#]\S*?(?=[:;,.)'\"]*(?:\s|$)))?",
    re.IGNORECASE,
)


def is_url(path: str | Path) -> bool:
    """Return whether text, or a path made of it, is a URL; as a path it has lost a slash."""
    return _URL.match(str(path)) is not None


def without_secrets(url: str | Path) -> str:
    """Return a URL without credentials, parameters and fragment; other text as it is."""
    if (start := _URL.match(str(url))) is None:
        return str(url)
    rest = re.split(r"[?#]", str(url)[start.end() :], maxsplit=1)[0]
    return f"{start[1]}://{rest.rpartition('@')[2]}"


def scrubbed(text: str) -> str:
    """Return text in which every URL has lost credentials, parameters and fragment."""
    return _WITHIN.sub(r"\1\2", text)


def refuse_url(path: Path) -> None:
    """Refuse a URL as the place of an output.

    Raises
    ------
    VipeError
        if it is one.
    """
    if is_url(path):
        raise VipeError(
            f"{without_secrets(path)}: outputs are written to local and shared file systems only; "
            "name a file or folder there"
        )
