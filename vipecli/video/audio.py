"""Copy, re-encode or time-stretch the sound track of a file into another file."""

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np

from vipecli.video.container import Media
from vipecli.video.piecewise import linear_segments

RATE = 48000
"""Of sound that is re-encoded, Hz."""

IN_STEP_S = 0.02
"""Sound that is copied strays from its pictures by no more than this; else it is retimed."""

SLOWEST, FASTEST = 0.2, 5.0
"""Speeds beyond which sound is silent: nothing in it can be made out."""

_COPIED = ("aac", "mp3")  # what browsers play from all three containers
# What ends sound early: damage, and in PyAV a stream that the file begins with later.
_DAMAGED = av.FFmpegError, IndexError
_TOLERANCE_S = 0.01  # between the speeds of retimed sound and the pictures
_LONGEST_S = 10.0  # of what is retimed at once
_FADE_S = 0.005  # cross-fade between two segments, against clicks
_RUN_UP_S = 0.1  # that the filter reads beyond the end of a piece
_OCTAVE = 2.0  # one filter changes the speed by this at most, or it leaves out samples
_FRAME = 1024  # samples of an AAC frame
_STEPS_BACK_S = (0.5, 2.0, 8.0, 32.0)  # from where seeking is tried


def is_steady(times: np.ndarray, fps: float) -> bool:
    """Whether source times (F,) of the frames of a video run at its speed, within `IN_STEP_S`."""
    even = times[0] + np.arange(len(times)) / fps
    return bool(np.abs(times - even).max() <= IN_STEP_S)


def add_sound(
    source: Media,
    target: "av.container.OutputContainer",
    times: np.ndarray,
    fps: float,
) -> "Silence | Sound":
    """Sound track of a file, for a video that shows the file at given times.

    Parameters
    ----------
    source
        the file.
    target
        the video; gets a stream for the sound.
    times
        shape (F,), time in the file at each frame of the video, seconds; a single one: from there
        on, at the file's own speed. Where they run at another speed the sound is
        stretched or squeezed at the pitch it has; where they stand still, jump or run back,
        slower than `SLOWEST` or faster than `FASTEST`, it is silent.
    fps
        frames per second of the video.
    """
    track = source.audio
    if track is None or track.codec_context is None or not track.sample_rate:
        return Silence()  # none, or one that the file begins with later
    if is_steady(times, fps):
        return Sound(source, target, float(times[0]))
    return Retimed(source, target, times, fps)


class Silence:
    """No sound."""

    def write_until(self, end_s: float) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class Sound:
    """The sound track of a file on its way into another, at its own speed.

    AAC and MP3 are copied, the rest becomes AAC.
    """

    def __init__(
        self,
        source: Media,
        target: "av.container.OutputContainer",
        start_s: float,
    ) -> None:
        track = source.audio
        self._target, self._end_s = target, 0.0
        self._shift_s = source.origin_s + start_s
        if start_s > 1:
            _seek(source, track, self._shift_s)
        if track.codec_context.codec.canonical_name in _COPIED:
            self._stream = target.add_stream_from_template(track)
            self._parts = self._copied(source, track)
        else:
            self._stream = _add_aac(target, track)
            self._parts = self._encoded(source, track)
        self._next = next(self._parts, None)

    def write_until(self, end_s: float) -> None:
        """Write the sound that starts before a time of the new video."""
        self._end_s = end_s
        while self._next is not None and self._next[0] < end_s:
            self._target.mux(self._next[1])
            self._next = next(self._parts, None)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._parts.close()
        if self._stream.codec_context.is_encoder and self._stream.codec_context.is_open:
            for packet in self._stream.encode(None):
                if float(packet.pts * packet.time_base) < self._end_s:
                    self._target.mux(packet)

    def _copied(
        self, source: Media, track: "av.AudioStream"
    ) -> Iterator[tuple[float, "av.Packet"]]:
        """Packets as they are, with their new times; the one before the start comes along."""
        shift, last = round(self._shift_s / track.time_base), None
        with contextlib.suppress(*_DAMAGED):
            for packet in source.container.demux(track):
                if packet.pts is None or packet.dts is None:
                    continue
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                if packet.pts + 2 * (packet.duration or 0) <= 0:
                    continue
                if last is not None and packet.dts <= last:  # timestamps that run back
                    continue
                last = packet.dts
                time_s = float(packet.pts * packet.time_base)
                packet.stream = self._stream
                yield time_s, packet

    def _encoded(
        self, source: Media, track: "av.AudioStream"
    ) -> Iterator[tuple[float, list["av.Packet"]]]:
        """Decoded, resampled and encoded sound; gaps between packets stay where they are."""
        resampler, done = _Resampler(self._stream.layout), 0
        with contextlib.suppress(*_DAMAGED):
            for frame in source.container.decode(track):
                if frame.pts is None:
                    continue
                start_s = float(frame.pts * frame.time_base) - self._shift_s
                if start_s + frame.samples / frame.sample_rate <= 0:
                    continue
                at = math.floor(start_s * RATE)
                end = at + frame.samples * RATE // frame.sample_rate
                if end <= done:  # timestamps that run back
                    continue
                frame.pts, frame.time_base = max(at, done), Fraction(1, RATE)
                done = end
                for resampled in resampler.resample(frame):
                    yield start_s, self._stream.encode(resampled)


class Retimed(Sound):
    """The sound track of a file at changing speed, its pitch kept, as AAC.

    Each segment of constant speed goes through FFmpeg's ``atempo`` on its own and is cut to its
    exact length, so that errors do not add up.
    """

    def __init__(
        self,
        source: Media,
        target: "av.container.OutputContainer",
        times: np.ndarray,
        fps: float,
    ) -> None:
        track = source.audio
        self._target, self._end_s = target, 0.0
        self._stream = _add_aac(target, track)
        self._samples = _Samples(source, track, self._stream.layout)
        self._parts = self._retimed(times, fps)
        self._next = next(self._parts, None)

    def _retimed(self, times: np.ndarray, fps: float) -> Iterator[tuple[float, list["av.Packet"]]]:
        """Start times and packets of the segments."""
        last = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1 / fps)
        edges = np.append(times, last)  # the last frame lasts, too
        knots = linear_segments(edges, _TOLERANCE_S, longest=round(_LONGEST_S * fps))
        fade = round(_FADE_S * RATE)
        tail, done = None, 0
        for i, j in pairwise(knots):
            start, end = (round(k / fps * RATE) for k in (i, j))
            span = float(edges[i]), float(edges[j])
            part = self._piece(span, (end - start) / RATE, end - start + fade)
            if tail is not None:
                ramp = np.linspace(0, 1, fade, dtype=np.float32)
                part[:, :fade] = part[:, :fade] * ramp + tail * (1 - ramp)
            tail = part[:, -fade:]
            packets = self._encode(part[:, :-fade], done)
            done = end
            yield start / RATE, packets

    def _piece(self, span: tuple[float, float], lasts_s: float, count: int) -> np.ndarray:
        """Sound (channels, count) of a span of the file, made to last as long as it should."""
        speed = (span[1] - span[0]) / lasts_s
        if not SLOWEST <= speed <= FASTEST:
            return np.zeros((self._samples.channels, count), np.float32)
        first = round(span[0] * RATE)
        raw = self._samples.read(first, round(count * speed + _RUN_UP_S * RATE * max(1.0, speed)))
        out = raw if abs(speed - 1) < 1e-3 else _stretched(raw, speed, self._stream.layout.name)
        out = out[:, :count]
        return np.pad(out, ((0, 0), (0, count - out.shape[1])))

    def _encode(self, samples: np.ndarray, at: int) -> list["av.Packet"]:
        """Packets of samples that start at a place of the new track."""
        packets = []
        for first in range(0, samples.shape[1], _FRAME):
            part = np.ascontiguousarray(samples[:, first : first + _FRAME], np.float32)
            frame = av.AudioFrame.from_ndarray(part, "fltp", self._stream.layout.name)
            frame.sample_rate, frame.pts = RATE, at + first
            frame.time_base = Fraction(1, RATE)
            packets += self._stream.encode(frame)
        return packets


def _seek(source: Media, track: "av.AudioStream", to_s: float) -> None:
    """Go to a place of a track at which reading gives all sound from a timestamp on.

    Containers without an index are left anywhere by seeking: what comes first is looked at.
    """
    container = source.container
    for back_s in (*_STEPS_BACK_S, math.inf):
        from_s = max(to_s - back_s, source.origin_s - _RUN_UP_S)
        place = int(from_s / track.time_base)
        try:
            container.seek(place, stream=track)
            first = next((p.pts for p in container.demux(track) if p.pts is not None), None)
            if first is None or first * track.time_base <= to_s or back_s == math.inf:
                container.seek(place, stream=track)
                return
        except av.FFmpegError:
            continue


def _add_aac(target: "av.container.OutputContainer", track: "av.AudioStream") -> "av.AudioStream":
    stream = target.add_stream("aac", rate=RATE)
    stream.layout = "mono" if track.codec_context.channels == 1 else "stereo"
    return stream


def _stretched(samples: np.ndarray, speed: float, layout: str) -> np.ndarray:
    """Sound (channels, S) at another speed, its pitch kept."""
    steps = max(1, math.ceil(abs(math.log(speed, _OCTAVE)) - 1e-9))
    graph = av.filter.Graph()
    feed = last = graph.add_abuffer(sample_rate=RATE, format="fltp", layout=layout)
    tempo = [("atempo", f"{speed ** (1 / steps):.9f}")] * steps
    for name, setting in [*tempo, ("aformat", "sample_fmts=fltp"), ("abuffersink", None)]:
        link = graph.add(name, setting)
        last.link_to(link)
        last = link
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", layout)
    frame.sample_rate, frame.pts = RATE, 0
    feed.push(frame)
    feed.push(None)
    out = [np.zeros((len(samples), 0), np.float32)]
    with contextlib.suppress(av.EOFError, av.BlockingIOError):
        while True:
            out.append(last.pull().to_ndarray())
    return np.concatenate(out, axis=1)


class _Resampler:
    """Frames of sound at `RATE` in one layout, though those of the track may change theirs."""

    def __init__(self, layout: "av.AudioLayout") -> None:
        self._layout = layout
        self._kind: tuple[str, str, int] | None = None

    def resample(self, frame: "av.AudioFrame") -> "list[av.AudioFrame]":
        """Return what comes of the next frame."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._kind:
            self._kind = kind
            self._inner = av.AudioResampler("fltp", self._layout, RATE)
        return self._inner.resample(frame)


class _Samples:
    """The samples of a sound track by their place on the file's timeline; silence where none."""

    def __init__(
        self,
        source: Media,
        track: "av.AudioStream",
        layout: "av.AudioLayout",
    ) -> None:
        self._source, self._track, self._layout = source, track, layout
        self._origin_s = source.origin_s
        self.channels = len(layout.channels)
        self._rewind(0)

    def _rewind(self, first: int) -> None:
        """Read from a place on, or from before it."""
        _seek(self._source, self._track, first / RATE + self._origin_s)
        self._frames, self._next = self._decoded(), None
        self._held = np.zeros((self.channels, 0), np.float32)
        self._from = first

    def read(self, first: int, count: int) -> np.ndarray:
        """Samples (channels, count) from a place on."""
        if first < self._from:
            self._rewind(first)
        self._drop(first)
        while self._held.shape[1] < count and (part := self._next or next(self._frames, None)):
            self._next = part if self._held.shape[1] and part[0] >= first + count else None
            if self._next:  # after a gap, which may be of hours where timestamps are damaged
                break
            self._append(*part)
            self._drop(first)
        out = np.zeros((self.channels, count), np.float32)
        start = max(0, self._from - first)
        got = self._held[:, : max(0, count - start)]
        out[:, start : start + got.shape[1]] = got
        return out

    def _drop(self, first: int) -> None:
        """Forget what lies before a place."""
        gone = min(max(0, first - self._from), self._held.shape[1])
        self._held, self._from = self._held[:, gone:], self._from + gone

    def _append(self, at: int, samples: np.ndarray) -> None:
        """Add samples at their place, after silence where some are missing."""
        if not self._held.shape[1]:
            self._held, self._from = samples, at
            return
        gap = at - self._from - self._held.shape[1]
        silence = np.zeros((self.channels, max(0, gap)), np.float32)
        self._held = np.concatenate([self._held, silence, samples[:, max(0, -gap) :]], axis=1)

    def _decoded(self) -> Iterator[tuple[int, np.ndarray]]:
        """Place and samples of one frame after another."""
        resampler = _Resampler(self._layout)
        with contextlib.suppress(*_DAMAGED):
            for frame in self._source.container.decode(self._track):
                if frame.pts is None:
                    continue
                at = round((float(frame.pts * frame.time_base) - self._origin_s) * RATE)
                for resampled in resampler.resample(frame):
                    yield at, resampled.to_ndarray().astype(np.float32, copy=False)
                    at += resampled.samples
