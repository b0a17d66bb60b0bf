"""Write videos that play anywhere: H.264 with sound, whole or not at all."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np

from vipecli.errors import VideoError
from vipecli.files import check_output, replacing
from vipecli.video.audio import Silence, Sound, add_sound
from vipecli.video.container import check_input, open_media
from vipecli.video.planes import Planes
from vipecli.video.source import AnyClip, ClipSource

CONTAINERS = (".mp4", ".mov", ".mkv")
"""Extensions of videos that can be written."""

MOST_FPS = 1000.0
"""Frames per second of a video that is written, at most."""

CRF = 20  # x264's quality, visually close to the source; +6 halves the size
PRESET = "veryfast"
LONGEST_SIDE = 16384  # pixels, the limit of the encoder

_BT709 = 1  # number of the HD colour matrix, primaries and curve in H.264
_LIMITED_RANGE = 1  # luma from 16 to 235
_RATES = [Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120, 200, 240)]
_RATES += [Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120, 240)]


def check_container(out: str | Path) -> None:
    """Refuse an extension of which it is not known how to write it.

    Raises
    ------
    VideoError
        that names the ones that are.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in CONTAINERS:
        named = f"'{suffix}' videos are" if suffix else "a name without extension is"
        raise VideoError(f"{out}: {named} not written; use {', '.join(CONTAINERS)}")


def exact_rate(fps: float) -> Fraction:
    """Frame rate as a fraction, the usual one where it is within a thousandth of it.

    Raises
    ------
    ValueError
        if it is not between 0 and 1000.
    """
    if not 0 < fps <= MOST_FPS:
        raise ValueError(f"{fps} frames per second; use more than 0, at most {MOST_FPS:g}")
    near = min(_RATES, key=lambda rate: abs(rate - fps))
    return near if abs(near - fps) < near / 2000 else Fraction(fps).limit_denominator(1001)


class VideoWriter:
    """An H.264 video of constant rate, written frame by frame.

    Use as a context manager: the file takes its name at the end of the block, and is gone if
    anything fails in it. Pixels are yuv420p in BT.709, the index stands at the front, so that a
    browser starts before it has the whole file. Same input, same bytes.

    Parameters
    ----------
    path
        an ``.mp4``, ``.mov`` or ``.mkv``; replaced if it is there.
    size
        (width, height) of the pictures; an odd side is made even by repeating its last line.
    fps
        frames per second.
    audio_from
        clip whose sound track goes along, cut to the length of the video; without sound there,
        or with a folder of frames or a keypoint file, the video is silent. AAC and MP3 are copied,
        the rest becomes AAC.
    audio_times
        times in that file of the frames, seconds, (F,); a single one: that of the first frame, may
        be below 0; None: the file's own. See `audio.add_sound`.
    chapters
        (first frame, frame behind the last, name) of chapters, in order.
    inputs
        files that must not be replaced, `audio_from` among them without being named.
    options
        of x264, such as ``{"crf": "25", "g": "12"}`` for a lower quality than `CRF` and a key
        frame every 12 frames.

    Raises
    ------
    VipeError
        if the file cannot be written there: unknown extension, a folder, a missing or read-only
        folder, one of the inputs.
    ValueError
        if size or rate is out of range.

    Examples
    --------
    >>> with VideoWriter("out.mp4", size=(640, 480), fps=30) as writer:  # doctest: +SKIP
    ...     writer.write(image)
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: tuple[int, int],
        fps: float | Fraction,
        audio_from: AnyClip | None = None,
        audio_times: np.ndarray | None = None,
        chapters: Sequence[tuple[int, int, str]] = (),
        inputs: tuple[str | Path, ...] = (),
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.path = Path(path)
        check_container(self.path)
        self._audio_from = None if audio_from is None else ClipSource.of(audio_from)
        sources = [Path(path) for path in inputs]
        if self._audio_from:
            sources.append(check_input(self._audio_from.path))
        check_output(self.path, *sources)
        if min(size) < 1 or max(size) > LONGEST_SIDE:
            raise ValueError(f"size is {size}; use 1 to {LONGEST_SIDE} pixels a side")
        self.size = size
        self.fps = fps if isinstance(fps, Fraction) else exact_rate(fps)
        self.frames = 0
        self._options = {"crf": str(CRF), "preset": PRESET, **(options or {})}
        self._audio_times = np.zeros(1) if audio_times is None else audio_times
        self._chapters = chapters
        self._open = contextlib.ExitStack()
        self._writing: Future | None = None

    def __enter__(self) -> "VideoWriter":
        """Open a temporary file beside the target."""
        with contextlib.ExitStack() as stack, self._explained():
            part = stack.enter_context(replacing(self.path))
            options = {"fflags": "+bitexact"}  # no random identifiers in the file
            if self.path.suffix.lower() != ".mkv":
                options["movflags"] = "+faststart"
            self._container = av.open(str(part.absolute()), "w", options=options)
            stack.callback(self._close_quietly)
            self._stream = self._add_video()
            self._audio = self._add_audio(stack)
            self._add_chapters()
            self._thread = stack.enter_context(ThreadPoolExecutor(1, "vipe-encode"))
            self._open = stack.pop_all()
        return self

    def write(self, image: np.ndarray | Planes) -> None:
        """Append a picture; it is encoded beside the caller, while that makes the next one.

        Parameters
        ----------
        image
            shape (height, width, 3) uint8 BGR, or planar; the latter must not be changed
            before the next one is written.

        Raises
        ------
        ValueError
            if it has another size.
        VideoError
            if the one before could not be written, for example because the disk is full.
        """
        if isinstance(image, np.ndarray):
            if image.shape[2:] != (3,):
                raise ValueError(f"a picture of shape {image.shape}; it should be (H, W, 3)")
            image = Planes.of(image)
        if image.size != self.size:
            raise ValueError(f"picture of size {image.size} in a video of size {self.size}")
        frame = image.framed().frame
        self._written()
        frame.pts, frame.time_base = self.frames, 1 / self.fps
        frame.colorspace, frame.color_range = _BT709, _LIMITED_RANGE
        self.frames += 1
        self._writing = self._thread.submit(self._encode, frame, float(self.frames / self.fps))

    def _encode(self, frame: "av.VideoFrame", until_s: float) -> None:
        """Encode a picture, and the sound that goes with it; in a thread beside the caller."""
        self._container.mux(self._stream.encode(frame))
        self._audio.write_until(until_s)

    def _written(self) -> None:
        """Wait for the last picture to be encoded."""
        writing, self._writing = self._writing, None
        if writing:
            with self._explained():
                writing.result()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the file and give it its name, or remove it."""
        if exc is not None:
            self._open.__exit__(kind, exc, trace)
            return
        with self._open, self._explained():
            self._written()
            if not self.frames:
                raise VideoError(f"{self.path}: there is no picture to write")
            self._container.mux(self._stream.encode())
            self._audio.finish()
            self._container.close()

    def _close_quietly(self) -> None:
        """Close a file that is given up, or closed already: a second error would hide the first."""
        with contextlib.suppress(av.FFmpegError, OSError):
            self._container.close()

    def _add_video(self) -> "av.VideoStream":
        stream = self._container.add_stream("libx264", rate=self.fps)
        stream.width, stream.height = (side + side % 2 for side in self.size)
        stream.pix_fmt = "yuv420p"
        stream.options = self._options
        stream.thread_type = "FRAME"  # slices make larger files, and wait for each other
        context = stream.codec_context
        context.time_base = 1 / self.fps
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def _add_audio(self, stack: contextlib.ExitStack) -> Silence | Sound:
        clip = self._audio_from
        if clip is None or clip.path.is_dir() or clip.canvas is not None:
            return Silence()
        source = stack.enter_context(open_media(clip.path))
        return add_sound(source, self._container, self._audio_times, float(self.fps))

    def _add_chapters(self) -> None:
        self._container.set_chapters(
            [
                {
                    "id": number,
                    "start": start,
                    "end": end,
                    "time_base": 1 / self.fps,
                    "metadata": {"title": title},
                }
                for number, (start, end, title) in enumerate(self._chapters, start=1)
            ]
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the system or FFmpeg says into one line."""
        try:
            yield
        except (av.FFmpegError, OSError) as exc:
            reason = exc.strerror or str(exc)
            raise VideoError(f"{self.path}: could not be written ({reason})") from exc
