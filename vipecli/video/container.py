"""Open media files by PyAV: local files only, and no file that they refer to."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av

from vipecli.errors import VideoError
from vipecli.urls import is_url, without_secrets
from vipecli.video import streams
from vipecli.video.headers import Header, read_header

FORMATS = (
    *("asf", "avi", "dv", "flv", "gxf", "live_flv", "matroska", "mov", "mpeg", "mpegts"),
    *("mxf", "nut", "ogg", "rm", "wtv"),
    *("apng", "gif", "ivf", "yuv4mpegpipe"),
    *("av1", "cavsvideo", "dirac", "h261", "h263", "h264", "hevc", "m4v", "mjpeg", "mpegvideo"),
    *("obu", "vc1", "vvc"),
    *("aac", "ac3", "aiff", "amr", "caf", "dts", "eac3", "flac", "mp3", "w64", "wav"),
)
"""Demuxers of videos and sound, by FFmpeg's names; none of them opens further files."""

PICTURES = {
    b"\xff\xd8\xff": "jpeg_pipe",
    b"\x89PNG\r\n\x1a\n": "png_pipe",
    b"BM": "bmp_pipe",
    b"II*\0": "tiff_pipe",
    b"MM\0*": "tiff_pipe",
    b"RIFF": "webp_pipe",
}
"""Demuxers of pictures, by the bytes that such a file starts with."""

_COLOURS = ("color_primaries", "color_trc", "colorspace")  # attributes of contexts and frames
_UNNAMED = 2  # number of what is not stated
_OF_SLOTS = "avi"  # counts places for frames, of which some may be empty
_OF_TICKS = "ivf"  # programs state its length in frames, or in ticks of a clock
_PERHAPS_UNTIMED = ("mov,mp4,m4a,3gp,3g2,mj2", "mxf")
"""Formats that hold bare streams without times of display, if a program copied them carelessly."""

_PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD", b"v=0", b"[playlist]", b"RTSPtext")


@dataclass(frozen=True, eq=False)
class Media:
    """An open media file.

    Attributes
    ----------
    path
        the file.
    container
        the file, open.
    """

    path: Path
    container: "av.container.InputContainer"

    @cached_property
    def _video(self) -> "av.VideoStream | None":
        return streams.choose_video(self.container, self._again)

    @cached_property
    def audio(self) -> "av.AudioStream | None":
        """Sound track, see `streams.choose_audio`; None if there is none."""
        return streams.choose_audio(self.container, self._again)

    @cached_property
    def origin_s(self) -> float:
        """Timestamp at which the timeline of the file starts, seconds.

        Transport streams start anywhere: their first timestamp is the origin. Sound that starts
        below 0 is only the encoder's run-up; a picture that does starts the timeline.
        """
        start = max(0.0, (self.container.start_time or 0) / av.time_base)
        stream = self._video
        if stream is not None and stream.start_time is not None:
            start = min(start, float(stream.start_time * stream.time_base))
        return start

    @property
    def has_video(self) -> bool:
        """Whether there are moving pictures."""
        return self._video is not None

    @property
    def video(self) -> "av.VideoStream":
        """Video stream, see `streams.choose_video`.

        Raises
        ------
        VideoError
            if there are no moving pictures.
        """
        if self._video is None:
            raise VideoError(f"{self.path}: holds no picture, only sound or text")
        return self._video

    @cached_property
    def header(self) -> Header:
        """What the header says of the video stream, besides what FFmpeg passes on."""
        place = [stream.index for stream in self.container.streams.video].index(self.video.index)
        return read_header(self.path, self.video.id, place)

    @cached_property
    def stated_shape(self) -> tuple[int, int, float]:
        """Width and height of a frame, without what is cropped; width over height of a pixel.

        As they are when the file is opened: at its beginning.
        """
        context = self.video.codec_context
        if context is None:
            return 0, 0, 1.0
        left, top, right, bottom = self.header.crop
        width, height = context.width - left - right, context.height - top - bottom
        return width, height, float(context.sample_aspect_ratio or 1)

    @cached_property
    def stated_colours(self) -> dict[str, int]:
        """Primaries, transfer function and matrix by their attributes, as the container states.

        Numbers of ITU-T H.273; those that it does not state are left out.
        """
        context = self.video.codec_context
        stated = {name: int(getattr(context, name, _UNNAMED)) for name in _COLOURS}
        return {name: number for name, number in stated.items() if number != _UNNAMED}

    @property
    def stated_frames(self) -> int:
        """Number of frames that the header states; 0 if it does not."""
        stream, name = self.video, self.container.format.name
        if name == _OF_SLOTS and stream.average_rate and stream.guessed_rate:
            return round(stream.frames * stream.guessed_rate / stream.average_rate)
        return stream.frames if self.states_length else 0

    @property
    def states_length(self) -> bool:
        """Whether the length that the header states is in a unit that is known."""
        return self.container.format.name != _OF_TICKS

    @property
    def is_untimed(self) -> bool:
        """Whether packets carry no times: a bare stream, as an encoder gives it."""
        return bool(self.container.format.flags & av.format.Flags.no_timestamps.value)

    @cached_property
    def is_timed_by_decoding(self) -> bool:
        """Whether packets carry the times of decoding alone, not those of display."""
        name, context = self.container.format.name, self.video.codec_context
        is_reordered = bool(context and context.has_b_frames)
        if name not in _PERHAPS_UNTIMED:
            return name == "avi" or (name == "asf" and is_reordered)
        return is_reordered and streams.lacks_display_times(self.video.index, self._again)

    @property
    def can_seek(self) -> bool:
        """Whether the time of a frame is known without reading what comes before it."""
        context = self.video.codec_context
        is_reordered = bool(context and context.has_b_frames)
        return not (self.is_untimed or (self.is_timed_by_decoding and is_reordered))

    def _again(self) -> "contextlib.AbstractContextManager[av.container.InputContainer]":
        return _opened(self.path, None)


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
    if is_url(path):
        raise VideoError(
            f"{without_secrets(path)}: addresses are not opened; download the video first"
        )
    raise VideoError(f"{path}: no such file or folder")


@contextlib.contextmanager
def open_media(path: Path) -> Iterator[Media]:
    """Open a media file for reading, without access to the network or to any other file.

    Raises
    ------
    VideoError
        if it is not readable, empty, or no media file.
    """
    with _opened(path, None) as container:
        media = Media(path, container)
        if media.has_video:
            _ = media.stated_shape, media.stated_colours  # before decoding changes them
        yield media


@contextlib.contextmanager
def open_picture(path: Path) -> Iterator[Media]:
    """Open a single picture for reading, whatever its name.

    Raises
    ------
    VideoError
        if it is not readable, empty, or no picture.
    """
    kind = _kind_of_picture(path)
    if kind is None:
        raise VideoError(f"{path}: not a picture that can be read")
    with _opened(path, kind) as container:
        yield Media(path, container)


@contextlib.contextmanager
def _opened(path: Path, kind: str | None) -> Iterator["av.container.InputContainer"]:
    """Container of a file; kind = the one demuxer that may be used, None = any of `FORMATS`."""
    allowed = kind or ",".join((*FORMATS, *PICTURES.values()))
    options = {"protocol_whitelist": "file", "format_whitelist": allowed}
    try:
        # The absolute path, since FFmpeg reads "concat:x" or "http:x" as protocols.
        container = av.open(
            str(path.absolute()), format=kind, metadata_errors="ignore", options=options
        )
    except (av.FFmpegError, OSError, ValueError) as exc:
        picture = None if kind else _kind_of_picture(path)
        if picture is None:
            raise VideoError(f"{path}: {_why_not(path, exc)}") from exc
        with _opened(path, picture) as container:  # FFmpeg took its name for that of a sequence
            yield container
        return
    with container:
        yield container


def _kind_of_picture(path: Path) -> str | None:
    """Demuxer of a picture, by its first bytes; None if it is none, or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    return next((name for start, name in PICTURES.items() if head.startswith(start)), None)


def _why_not(path: Path, exc: Exception) -> str:
    """Say why a file could not be opened."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not head:
        return "the file is empty (0 bytes)"
    if head[4:8] == b"ftyp":
        return "cut off or damaged: its index is missing, so nothing can be read; copy it again"
    if head.lstrip().startswith(_PLAYLISTS):
        return "a list of other files, which are not opened; give the video itself"
    reason = getattr(exc, "strerror", None) or str(exc)
    return f"not a video that can be read ({reason})"
