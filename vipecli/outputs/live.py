"""A live session: from frames to what is shown, recorded and logged, never lagging behind."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.online import Follower, Place
from vipecli.embedding.embed import Embeddings
from vipecli.embedding.stream import PoseStream
from vipecli.errors import VideoError
from vipecli.outputs.live_view import Status, View
from vipecli.video.camera import Feed, Frame
from vipecli.video.write import VideoWriter

_PACE_S = 1.0  # over which the frame rate is taken
_RECORDED_FPS = 30.0
_LONGEST_STILL_S = 2.0  # a record repeats a picture for at most so long


class Screen(Protocol):
    """Where a session is shown: a window, or a page."""

    def show(self, image: NDArray[np.uint8], status: Status) -> bool:
        """Show a picture; False where the person has asked for the end."""
        ...


class Naming(Protocol):
    """Names what is done as it happens."""

    def step(self, frame: Embeddings) -> str:
        """Take the next frame; the present label, empty for none."""
        ...


@dataclass
class Log:
    """What happened: one record per frame that was shown.

    Attributes
    ----------
    frames
        records with time, place, match and delay.
    dropped
        frames that came and were not looked at, since newer ones were there.
    error
        why the feed broke off; None = it came to its end.
    """

    frames: list[dict[str, Any]] = field(default_factory=list)
    dropped: int = 0
    error: VideoError | None = None

    def add(self, frame: Frame, status: Status, delay_s: float) -> None:
        """Note one frame, and how long after its moment it was shown, seconds."""
        row: dict[str, Any] = {"time_s": round(frame.time_s, 6)}
        if status.place is not None:
            row |= _of_place(status.place)
        if status.label:
            row["label"] = status.label
        self.frames.append(row | {"delay_ms": round(1000 * delay_s, 2)})

    def as_data(self) -> dict[str, Any]:
        """The log as plain lists and numbers, with a summary before the frames."""
        delays = np.array([row["delay_ms"] for row in self.frames] or [np.nan])
        times = [row["time_s"] for row in self.frames]
        passed = times[-1] - times[0] if len(times) > 1 else 0.0
        last = self.frames[-1] if self.frames else {}
        summary = {
            "shown": len(self.frames),
            "dropped": self.dropped,
            "fps": round((len(times) - 1) / passed, 2) if passed else None,
            "delay_ms_median": _plain(np.median(delays)),
            "delay_ms_p95": _plain(np.percentile(delays, 95)),
            "repetitions": last.get("repetitions"),
        }
        return summary | {"frames": self.frames}


def _of_place(place: Place) -> dict[str, Any]:
    return {
        "reference_s": round(place.reference_s, 4),
        "match": _plain(place.match, 4),
        "surety": round(place.surety, 4),
        "repetitions": place.repetitions,
        "restarted": place.restarted,
    }


def _plain(value: float, digits: int = 1) -> float | None:
    return None if np.isnan(value) else round(float(value), digits)


def run(
    feed: Feed,
    stream: PoseStream,
    view: View,
    *,
    follower: Follower | None = None,
    naming: Naming | None = None,
    screen: Screen | None = None,
    record: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Log:
    """Show what comes until it ends, or the person asks for the end.

    Parameters
    ----------
    feed, stream, view
        where frames come from, who finds the person in them, what is drawn.
    follower, naming
        place in a reference, and names of actions; None = neither.
    screen
        where it is shown; None = nowhere.
    record
        film of what was shown, 30 frames a second.
    stop
        asked after every frame whether to end.

    Returns
    -------
    The log. A feed that breaks off ends the session; its error stands there.

    Raises
    ------
    VideoError
        if the record cannot be written.
    """
    log, pace = Log(), _Pace()
    with ExitStack() as stack:
        recorder = _Recorder(record, stack)
        while frame := _next(feed, log):
            seen = stream.step(frame.time_s, frame.image)
            place = follower.step(seen.embedding) if follower else None
            label = naming.step(seen.embedding) if naming else ""
            fps, delay_s = pace.of(frame.time_s), time.perf_counter() - frame.due_s
            status = Status(place, label, delay_s, fps)
            image = view.draw(frame.image, seen.poses, status)
            goes_on = screen.show(image, status) if screen else True
            log.add(frame, status, time.perf_counter() - frame.due_s)
            log.dropped = feed.dropped
            recorder.add(frame.time_s, image)
            if not goes_on or stop():
                break
    return log


def _next(feed: Feed, log: Log) -> Frame | None:
    """The newest frame; None at the end, or where the feed broke off."""
    try:
        return feed.newest()
    except VideoError as exc:
        log.error = exc
        return None


class _Pace:
    """Frames per second that get through."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def of(self, time_s: float) -> float:
        """Count a frame; the rate over the last second, 0 at first."""
        self._times.append(time_s)
        while time_s - self._times[0] > _PACE_S:
            self._times.popleft()
        passed = time_s - self._times[0]
        return (len(self._times) - 1) / passed if passed else 0.0


class _Recorder:
    """A film of constant rate of pictures that come when they come."""

    def __init__(self, path: Path | None, stack: ExitStack) -> None:
        self._path, self._stack = path, stack
        self._writer: VideoWriter | None = None
        self._next_s = 0.0
        self._last: NDArray[np.uint8] | None = None

    def add(self, time_s: float, image: NDArray[np.uint8]) -> None:
        """Take a picture; the one before it is repeated up to its moment."""
        if self._path is None:
            return
        if self._writer is None:
            size = image.shape[1], image.shape[0]
            writer = VideoWriter(self._path, size=size, fps=_RECORDED_FPS)
            self._writer = self._stack.enter_context(writer)
            self._next_s = time_s
        self._next_s = max(self._next_s, time_s - _LONGEST_STILL_S)
        while self._last is not None and self._next_s < time_s - 0.5 / _RECORDED_FPS:
            self._write(self._last)
        if self._next_s < time_s + 0.5 / _RECORDED_FPS:
            self._write(image)
        self._last = image

    def _write(self, image: NDArray[np.uint8]) -> None:
        if self._writer is not None:
            self._writer.write(image)
            self._next_s += 1 / _RECORDED_FPS
