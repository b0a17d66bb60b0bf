"""Writing files: whole or not at all, and never over an input."""

import errno
import functools
import hashlib
import json
import os
import platform
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vipecli.errors import FormatError, VipeError
from vipecli.urls import refuse_url

_LEFTOVER = re.compile(r"\..*-([0-9a-f]{8})-(\d+)-[a-z0-9_]+\.part(\..*)?", re.DOTALL)
_STALE_S = 3600.0  # age from which any temporary file counts as left over
_COPY_STALE_S = 7 * 24 * 3600.0  # the same of copies, which are read for as long as a film takes
_TOML_BYTES = 64 << 10  # of a configuration
_TOML_LINE = 1000  # characters
_LONGEST = 150  # bytes of a name that a temporary one repeats


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a temporary file beside the target, which replaces it on success.

    It has the target's extension, and the permissions that a file made by `open` would have. What
    killed processes left in the folder is removed first.

    Raises
    ------
    OSError
        with the name of the target, if the file cannot be written (a full disk).
    """
    _sweep_once(target.parent)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=_prefix(target.stem), suffix=f".part{target.suffix}"
    )
    os.close(handle)
    part = Path(name)
    try:
        part.chmod(0o666 & ~_umask())
        yield part
        os.replace(part, target)
    except OSError as exc:
        if exc.filename is None or os.fspath(exc.filename) == name:
            raise OSError(exc.errno, exc.strerror or str(exc), os.fspath(target)) from exc
        raise
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the target, which takes its place on success.

    The target is an empty folder, or is not there; else as `replacing`.
    """
    _sweep_once(target.parent)
    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=_prefix(target.name), suffix=".part"))
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        if target.exists():
            target.rmdir()
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def temporary_folder(name: str) -> Iterator[Path]:
    """Yield a folder among the temporary files of this machine, removed whatever happens.

    What killed processes left of such folders is removed first.

    Parameters
    ----------
    name
        of what it is for.

    Raises
    ------
    VipeError
        if it cannot be made.
    """
    sweep_temporary()
    place = tempfile.gettempdir()
    try:
        folder = Path(tempfile.mkdtemp(dir=place, prefix=_prefix(name), suffix=".part"))
    except OSError as exc:
        raise VipeError(
            f"{place}: no folder for temporary files can be made there ({exc.strerror}); name "
            "another one by TMPDIR"
        ) from exc
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep_temporary() -> None:
    """Remove what killed processes left of `temporary_folder` on this machine."""
    sweep(Path(tempfile.gettempdir()), below=False, stale_s=_COPY_STALE_S)


def _prefix(name: str) -> str:
    """Start of a temporary name: whose it is, and as much of a name as fits in any case."""
    shown = os.fsencode(name)[:_LONGEST].decode("utf-8", "ignore")
    return f".{shown}-{_machine()}-{os.getpid()}-"


@functools.cache
def _sweep_once(folder: Path) -> None:
    """Sweep a folder, but not those below it, once per process."""
    sweep(folder, below=False)


def sweep(folder: Path, *, below: bool = True, stale_s: float = _STALE_S) -> None:
    """Remove the temporary files that killed processes left in a folder, and below it.

    Those of other machines once they have not changed for `stale_s` seconds.
    """
    pattern = ".*.part*"
    for path in list(folder.rglob(pattern) if below else folder.glob(pattern)):
        if (match := _LEFTOVER.fullmatch(path.name)) is None:
            continue
        with suppress(OSError):  # another process may have finished it, or swept it, meanwhile
            left = match[1] == _machine() and not _lives(int(match[2]))
            if left or time.time() - path.stat().st_mtime > stale_s:
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


@functools.cache
def _machine() -> str:
    """Short hash of this machine's name: a folder may be shared, and a process number is not."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _lives(pid: int) -> bool:
    """Return whether a process of this machine is alive, as far as known."""
    if os.name != "posix":
        return True  # there os.kill would end it
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def json_text(data: Mapping[str, Any]) -> str:
    """A result as JSON, one line per key.

    Bytes of a file name that are no UTF-8 become escapes that Python reads back as they were.
    """
    lines = [
        f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in data.items()
    ]
    return writable("{\n" + ",\n".join(lines) + "\n}\n")


def writable(json_line: str) -> str:
    """JSON that can be encoded: lone surrogates, which stand inside strings only, as escapes."""
    return json_line.encode("utf-8", "backslashreplace").decode("utf-8")


def write_json(data: Mapping[str, Any], target: Path) -> None:
    """Write a result as a JSON file, one line per key."""
    with replacing(target) as part:
        part.write_text(json_text(data), encoding="utf-8")


def check_output(target: Path, *inputs: Path) -> None:
    """Refuse a file that could not be written, before minutes go into what belongs in it.

    Raises
    ------
    VipeError
        if it is a URL, one of the inputs, a folder, or in a folder that is missing or read-only.
    """
    refuse_url(target)
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise VipeError(f"{target}: the output would replace an input; choose another name")
    if target.is_dir():
        raise VipeError(f"{target}: this is a folder; name a file in it")
    if not target.parent.is_dir():
        raise VipeError(f"{target}: there is no folder {target.parent}; create it first")
    check_writable(target.parent)


def check_writable(folder: Path) -> None:
    """Refuse a folder in which no file can be made.

    Raises
    ------
    VipeError
        with the reason that the system gives, or if it is a URL.
    """
    refuse_url(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        reason = exc.strerror or exc
        raise VipeError(f"{folder}: cannot write there ({reason}); choose another folder") from exc


def read_regular(path: Path, *, most: int) -> bytes:
    """Content of a regular file of at most so many bytes; a device or a pipe would never end.

    Raises
    ------
    OSError
        if it cannot be read, is no regular file, or is larger.
    """
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if facts.st_size > most:
        problem = f"{facts.st_size} bytes, over the limit of {most}"
        raise OSError(errno.EFBIG, problem, str(path))
    with path.open("rb") as file:
        return file.read(min(facts.st_size, most))


_SIDECARS = frozenset(["thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"])
_SIDECAR_FOLDERS = frozenset(
    ["__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found"]
)


def is_sidecar(name: str) -> bool:
    """Return whether a file or folder is hidden or belongs to the system.

    Such as ``.DS_Store``, ``._clip.mp4`` (AppleDouble), ``Thumbs.db``, ``__MACOSX``, ``@eaDir``.
    """
    low = name.lower()
    return name.startswith(".") or low in _SIDECARS or low in _SIDECAR_FOLDERS


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file, a configuration of a few lines.

    Raises
    ------
    FormatError
        if it cannot be read, is no TOML, or is larger than a configuration.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        with path.open("rb") as file:
            data = file.read(_TOML_BYTES + 1)
        text = data.decode("utf-8-sig")
        # A key of many parts takes memory by the square of its length, hence the short lines.
        if len(data) > _TOML_BYTES or max(map(len, text.splitlines()), default=0) > _TOML_LINE:
            raise FormatError(
                f"{path}: too large for a configuration; at most {_TOML_BYTES >> 10} kB are read, "
                f"in lines of at most {_TOML_LINE} characters"
            )
        return tomllib.loads(text)
    except OSError as exc:
        raise FormatError(f"{path}: cannot be read ({exc.strerror or exc})") from exc
    except (ValueError, RecursionError) as exc:
        raise FormatError(f"{path}: not a TOML file ({exc})") from exc
