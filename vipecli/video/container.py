"""Open media files by PyAV and decode them: local ones only, and what is damaged is left out."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import av

from vipecli.errors import VideoError

MOST_PIXELS = 1 << 27
"""In one picture; a header that claims more is refused before memory is set aside for it."""

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
    try:
        if path.is_file() or path.is_dir():
            return path
        there = path.exists()
    except OSError as exc:  # a name that is too long, a folder that may not be entered
        raise VideoError(f"{path}: cannot be read ({exc.strerror})") from exc
    if there:
        raise VideoError(f"{path}: neither a file nor a folder")
    if path.is_symlink():
        raise VideoError(f"{path}: a link that leads to no file; name the file itself")
    if str(path).lower().startswith("file:/"):
        raise VideoError(f"{path}: addresses are not opened; give the path without file://")
    if _URL.match(str(path)):
        raise VideoError(f"{path}: addresses are not opened; download the video first")
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
    stream = picture_stream(container)
    if stream is not None and stream.start_time is not None:
        start = min(start, float(stream.start_time * stream.time_base))
    return start


def picture_stream(container: "av.container.InputContainer") -> "av.VideoStream | None":
    """First stream of moving pictures; None if there is none. The cover of a song is none."""
    cover = av.stream.Disposition.attached_pic
    return next((s for s in container.streams.video if not s.disposition & cover), None)


def decode(
    path: Path, container: "av.container.InputContainer", damage: list[str]
) -> Iterator["av.VideoFrame"]:
    """Every picture that can be decoded, whole ones instead of interlaced ones.

    Parameters
    ----------
    path, container
        the file, and as `open_container` gives it.
    damage
        receives a reason for each part that is damaged.

    Raises
    ------
    VideoError
        if there is no decoder for them, or pictures are larger than `MOST_PIXELS`.
    """
    stream = picture_stream(container)
    if stream is None:
        return
    context = stream.codec_context
    if context is None:
        raise VideoError(
            f"{path}: its pictures are of a kind that cannot be decoded; convert it to H.264"
        )
    if context.width * context.height > MOST_PIXELS:
        raise VideoError(
            f"{path}: pictures of {context.width} x {context.height} pixels are too "
            "large; scale them down, or the file is damaged"
        )
    context.options = {"max_pixels": str(MOST_PIXELS)}  # the stream may say otherwise later on
    stream.thread_type = "AUTO"
    frames = _decoded(container, stream, damage)
    for frame in frames:
        if frame.interlaced_frame:
            yield from _deinterlaced(chain([frame], frames), stream)
        else:
            yield frame


def _decoded(
    container: "av.container.InputContainer", stream: "av.VideoStream", damage: list[str]
) -> Iterator["av.VideoFrame"]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError as exc:
            damage.append(str(exc))
            break
        try:
            frames = packet.decode()
        except av.FFmpegError as exc:
            damage.append(str(exc))
            continue
        if packet.is_corrupt or any(frame.is_corrupt for frame in frames):
            damage.append("corrupt")
        yield from frames
    with contextlib.suppress(av.FFmpegError):
        yield from stream.codec_context.decode(None)


def _deinterlaced(
    frames: Iterable["av.VideoFrame"], stream: "av.VideoStream"
) -> Iterator["av.VideoFrame"]:
    """As many frames, each of the moment of its first lines; whole frames pass as they are."""
    graph, shape = None, None
    for frame in frames:
        if shape != (frame.width, frame.height, frame.format.name):
            if graph is not None:
                yield from _through(graph, None)
            shape = (frame.width, frame.height, frame.format.name)
            graph = _deinterlacer(stream, *shape)
        yield from _through(graph, frame)
    if graph is not None:
        yield from _through(graph, None)


def _deinterlacer(
    stream: "av.VideoStream", width: int, height: int, pix_fmt: str
) -> "av.filter.Graph":
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=width, height=height, format=pix_fmt, time_base=stream.time_base
    )
    graph.link_nodes(source, graph.add("yadif", "deint=interlaced"), graph.add("buffersink"))
    graph.configure()
    return graph


def _through(graph: "av.filter.Graph", frame: "av.VideoFrame | None") -> Iterator["av.VideoFrame"]:
    """What comes out of a filter for one more frame; for None, what it had kept back."""
    graph.push(frame)
    with contextlib.suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield graph.pull()
