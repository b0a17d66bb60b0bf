"""Open media files by PyAV: local ones only, and with one clear line where that fails."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import av

from vipecli.errors import VideoError

_PROTOCOLS = "file,crypto,data"  # no playlist may reach the network
_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # two letters at least: not C:/


def check_input(path: str | Path) -> Path:
    """Refuse what is no file and no folder.

    Raises
    ------
    VideoError
        if it is missing, a URL, standard input or a device.
    """
    path = Path(path)
    if str(path) == "-":
        raise VideoError("-: videos are not read from standard input; give a file")
    if path.is_file() or path.is_dir():
        return path
    if _URL.match(str(path)):
        raise VideoError(f"{path}: addresses are not opened; download the video first")
    if path.exists():
        raise VideoError(f"{path}: neither a file nor a folder")
    raise VideoError(f"{path}: no such file or folder")


@contextlib.contextmanager
def open_container(path: Path) -> Iterator["av.container.InputContainer"]:
    """Open a media file for reading, by PyAV, without any access to the network.

    Raises
    ------
    VideoError
        if it is not readable, empty, or no media file.
    """
    options = {"protocol_whitelist": _PROTOCOLS, "pattern_type": "none"}  # % in names is a %
    try:
        # The absolute path, since FFmpeg reads "concat:x" or "http:x" as protocols.
        container = av.open(str(path.absolute()), metadata_errors="ignore", options=options)
    except (av.FFmpegError, OSError, ValueError) as exc:
        raise VideoError(f"{path}: {_why_not(path, exc)}") from exc
    with container:
        yield container


def _why_not(path: Path, exc: Exception) -> str:
    """Say why a file could not be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not head:
        return "the file is empty (0 bytes)"
    if head[4:8] == b"ftyp":
        return "cut off or damaged: its index is missing, so nothing can be read; copy it again"
    reason = getattr(exc, "strerror", None) or str(exc)
    return f"not a video that can be read ({reason})"


def origin_s(container: "av.container.InputContainer") -> float:
    """Timestamp at which the timeline of a file starts, seconds.

    Transport streams start anywhere: their first timestamp is the origin. Sound that starts
    below 0 is only the encoder's run-up; a picture that does starts the timeline.
    """
    start = max(0.0, (container.start_time or 0) / av.time_base)
    streams = container.streams.video
    if streams and streams[0].start_time is not None:
        start = min(start, float(streams[0].start_time * streams[0].time_base))
    return start
