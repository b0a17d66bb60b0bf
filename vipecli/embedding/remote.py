"""Clips in object stores, ``s3://`` and ``gs://``: listed and downloaded one by one, never written.

They are opened by `pyarrow.fs`, which is imported when a URL is named, and not before.
"""

import functools
import glob
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from errno import ENAMETOOLONG
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from vipecli.errors import MissingExtraError, VideoError, VideoWarning, VipeError
from vipecli.files import is_sidecar, temporary_folder
from vipecli.urls import is_url, without_secrets
from vipecli.video.read import VIDEO_SUFFIXES

_WHOLE = re.compile(
    r"(?P<scheme>s3|gs)://(?P<user>[^/?#]*@)?(?P<bucket>[a-z0-9][\w.-]*)"
    r"(?P<key>/[^?]*)?(?P<options>\?.*)?",
    re.IGNORECASE | re.ASCII,
)
_BLOCK = 16 << 20  # bytes downloaded at a time
_TAIL = 64  # bytes at the end of each that are downloaded twice
_PATIENCE_S = 60  # with Google's store, whose client else goes on for a quarter of an hour
_NO_SECRETS = "scheme", "region", "endpoint_override", "retry_limit_seconds"
_LONGEST = 300  # characters of what a store says
_ASKED_AT_ONCE = 16  # objects whose size and time are looked up


@dataclass(frozen=True)
class Remote:
    """A clip in an object store, or a prefix that holds several.

    Attributes
    ----------
    url
        of the object, without parameters and credentials: what is shown and stored.
    access
        URL of the bucket as it was given, with parameters and credentials; never shown nor stored.
    stamp
        number, size and time as in `done_list.stamp_of`, where they are known already.
    """

    url: str
    access: str = field(repr=False)
    stamp: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Return the URL to show."""
        return self.url

    @property
    def key(self) -> str:
        """Bucket and key, as `pyarrow.fs` takes them."""
        return self.url.partition("://")[2]

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """Extension with its dot, as of a path."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Remote":
        """Prefix that holds it."""
        return self._at(self.key.rpartition("/")[0])

    def relative_to(self, prefix: "Remote") -> PurePosixPath:
        """Return its path below a prefix.

        Raises
        ------
        ValueError
            if it does not lie there.
        """
        return PurePosixPath(self.key).relative_to(prefix.key)

    def _at(self, key: str, stamp: str = "") -> "Remote":
        scheme = self.url.partition("://")[0]
        return replace(self, url=f"{scheme}://{key}", stamp=stamp)


Clip = Path | Remote


def clip_of(text: str, folder: Path | None = None) -> Clip:
    """Return what a path or URL names; relative paths are relative to the folder.

    Raises
    ------
    VideoError
        if it is a URL that is not read.
    """
    if "://" in text and is_url(text):
        return _remote_of(text)
    return Path(text) if folder is None else folder / text


def _remote_of(url: str) -> Remote:
    if not url.lower().startswith(("s3://", "gs://")):
        local = url.lower().startswith("file:")
        advice = "give the path without file://" if local else "download the video first"
        raise VideoError(f"{without_secrets(url)}: only URLs of s3:// and gs:// are read; {advice}")
    parts = _WHOLE.fullmatch(url)
    if parts is None:
        raise VideoError(
            f"{without_secrets(url)}: not the URL of an object; write s3://BUCKET/KEY, "
            "in credentials %2F for a slash"
        )
    scheme, bucket = parts["scheme"].lower(), parts["bucket"]
    key = "/".join([bucket, *_checked((parts["key"] or "").strip("/"), url)])
    access = f"{scheme}://{parts['user'] or ''}{bucket}{parts['options'] or ''}"
    return Remote(f"{scheme}://{key}", access)


def _checked(key: str, url: str) -> list[str]:
    """Return the parts of a key, of which the name of a file here will be made."""
    parts = key.split("/") if key else []
    if any(part in ("", ".", "..") or re.search(r"[\0-\x1f\\]", part) for part in parts):
        raise _nameless(without_secrets(url))
    return parts


def _nameless(shown: str) -> VideoError:
    return VideoError(
        f"{shown!r}: no file can be named after this key; copy the object to another one"
    )


def full_name(clip: Clip) -> str:
    """Return the absolute path of a clip, or its URL."""
    return str(clip) if isinstance(clip, Remote) else os.path.abspath(clip)


# -- looking ---------------------------------------------------------------------------------------


def is_prefix(source: Remote) -> bool:
    """Return whether no object has this key, but others lie below it.

    Raises
    ------
    VipeError
        if the store cannot be asked.
    """
    return _info(source).type.name == "Directory"


def stamp_of_remote(source: Remote) -> str:
    """Return number, size and time of an object; empty if it cannot be looked up."""
    try:
        return source.stamp or _stamp(_info(source))
    except VipeError:
        return ""  # downloading it will tell what is wrong


def with_stamps(clips: Sequence[Clip]) -> list[Clip]:
    """Return clips with the stamps of remote ones, many of which are looked up at a time."""
    remote = [clip for clip in clips if isinstance(clip, Remote) and not clip.stamp]
    if not remote:
        return list(clips)
    stamp_of_remote(remote[0])  # opens the store, once
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        stamps = dict(zip(remote, pool.map(stamp_of_remote, remote), strict=True))
    return [
        replace(clip, stamp=clip.stamp or stamps[clip]) if isinstance(clip, Remote) else clip
        for clip in clips
    ]


def below(prefix: Remote) -> list[Remote]:
    """Return every video below a prefix, sorted; hidden ones are skipped.

    Raises
    ------
    VideoError
        if there is none.
    VipeError
        if the store cannot be asked.
    """
    found = [one for one in _listed(prefix) if one.suffix.lower() in VIDEO_SUFFIXES]
    if not found:
        raise VideoError(
            f"{prefix}: no video below it ({', '.join(sorted(VIDEO_SUFFIXES))}); name keypoint "
            "files one by one, or in a list or table that lies here"
        )
    return found


def is_remote_pattern(source: Remote) -> bool:
    """Return whether a URL is a pattern, and no object.

    Raises
    ------
    VipeError
        if the store cannot be asked.
    """
    return glob.has_magic(source.key) and _info(source).type.name == "NotFound"


def remote_matches(pattern: Remote) -> list[Remote]:
    """Return the objects that a pattern matches, sorted; ``**`` stands for any folders.

    Raises
    ------
    VipeError
        if the store cannot be asked.
    """
    parts = pattern.key.split("/")
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    base, wanted = pattern._at("/".join(parts[:fixed])), parts[fixed:]
    found = _listed(base, recursive=len(wanted) > 1 or wanted == ["**"])
    return [one for one in found if _fits(one.relative_to(base).parts, wanted)]


def _fits(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_fits(parts[i:], wanted[1:]) for i in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and _fits(parts[1:], wanted[1:])


def _listed(base: Remote, *, recursive: bool = True) -> list[Remote]:
    """Objects below a prefix, sorted, without those that are hidden."""
    store = _store(base.access)
    with _told(base):
        from pyarrow.fs import FileSelector

        infos = store.get_file_info(
            FileSelector(base.key, recursive=recursive, allow_not_found=True)
        )
    found = [base._at(one.path, _stamp(one)) for one in infos if one.type.name == "File"]
    shown = [one for one in found if not any(map(is_sidecar, one.relative_to(base).parts))]
    return sorted(shown, key=lambda one: one.key.split("/"))


def _info(source: Remote) -> Any:
    store = _store(source.access)
    with _told(source):
        return store.get_file_info(source.key)


def _stamp(info: Any) -> str:
    """Stamp of an object; listings and single answers give its time to different digits."""
    if info.type.name != "File":
        return ""
    return f"1 {info.size} {(info.mtime_ns or 0) // 10**9 * 10**9}"


# -- downloading -----------------------------------------------------------------------------------


@contextmanager
def downloaded(source: Remote) -> Iterator[tuple[Path, str]]:
    """Yield a copy of an object and its stamp; the copy is removed whatever happens.

    Errors and warnings that name the copy name the object instead.

    Raises
    ------
    VideoError
        if there is no such object, or no file can be named after its key.
    VipeError
        if it cannot be downloaded, or did not arrive whole.
    """
    _checked(source.key, source.url)
    with temporary_folder(source.name) as folder:
        path = folder / source.name
        stamp = _download(source, path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", VideoWarning)
            try:
                yield path, stamp
            except VipeError as exc:
                texts = (one.replace(str(path), str(source)) for one in map(str, exc.args[:1]))
                exc.args = (*texts, *exc.args[1:])
                raise
        for one in caught:
            warnings.warn(
                str(one.message).replace(str(path), str(source)), one.category, stacklevel=3
            )


def _download(source: Remote, path: Path) -> str:
    """Write an object into a file; return its stamp."""
    info, store = _info(source), _store(source.access)
    if info.type.name != "File":
        raise VideoError(f"{source}: no such object")
    with _told(source), store.open_input_file(source.key) as file:
        before, size = file.metadata(), file.size()
        _write(_blocks(file, size, source), path, source)
    with _told(source), store.open_input_file(source.key) as file:
        after = file.metadata()
    if before != after or size != info.size:
        raise VipeError(f"{source}: changed while it was downloaded; run the command again")
    return _stamp(info)


def _blocks(file: Any, size: int, source: Remote) -> Iterator[bytes]:
    """Yield the content of an object.

    Of an answer that is too short pyarrow makes a block of full length, whatever its end holds:
    therefore the end of each is read once more.
    """
    for at in range(0, size, _BLOCK):
        block = file.read_at(min(_BLOCK, size - at), at)
        end = at + len(block)
        tail = block[-_TAIL:]
        if end != min(at + _BLOCK, size) or file.read_at(len(tail), end - len(tail)) != tail:
            raise VipeError(f"{source}: did not arrive whole; run the command again")
        yield block


def _write(blocks: Iterable[bytes], path: Path, source: Remote) -> None:
    try:
        file = path.open("wb", buffering=0)  # nothing is left to be written when it is closed
    except OSError as exc:
        raise (_nameless(source.url) if exc.errno == ENAMETOOLONG else _no_room(path, exc)) from exc
    with file:
        for block in blocks:
            left = memoryview(block)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError as exc:
                raise _no_room(path, exc) from exc


def _no_room(path: Path, exc: OSError) -> VipeError:
    return VipeError(
        f"{path.parent.parent}: no room for a copy ({exc.strerror}); name a folder with more by "
        "TMPDIR"
    )


@functools.lru_cache(maxsize=16)
def _store(access: str) -> Any:
    """File system of a bucket, opened once per process; S3 is never started before a fork."""
    shown = without_secrets(access)
    try:
        from pyarrow.fs import FileSystem

        if access.startswith("gs://") and "retry_limit_seconds=" not in access:
            more = f"retry_limit_seconds={_PATIENCE_S}"
            return FileSystem.from_uri(f"{access}{'&' if '?' in access else '?'}{more}")[0]
        return FileSystem.from_uri(access)[0]
    except (ImportError, NotImplementedError) as exc:
        raise MissingExtraError(
            f"{shown}: needs a pyarrow that reads {shown[:2]}://; pip install --upgrade pyarrow"
        ) from exc
    except (OSError, ValueError) as exc:  # None: the cause may name secrets
        raise VipeError(f"{shown}: cannot be opened ({_reason(exc, access)})") from None


@contextmanager
def _told(source: Remote) -> Iterator[None]:
    """Turn errors of the store into one line."""
    try:
        yield
    except (OSError, ValueError) as exc:  # None: the cause may name secrets
        raise VipeError(
            f"{source}: cannot be read ({_reason(exc, source.access)}); run the command again, or "
            "check address and credentials"
        ) from None


def _reason(exc: Exception, access: str) -> str:
    """First line of an error, without what is secret in the URL."""
    text = (str(exc).splitlines() or [type(exc).__name__])[0]
    parts = _WHOLE.fullmatch(access)
    user, options = (parts["user"] or "")[:-1], parts["options"] or ""
    pairs = (one.partition("=") for one in options[1:].split("&"))
    values = (value or name for name, _, value in pairs if name not in _NO_SECRETS)
    for secret in (access, user, options, *user.split(":"), *values):
        text = text.replace(secret, "***") if secret else text
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
