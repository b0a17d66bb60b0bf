"""Presentation times of a file's frames, always increasing, and what is odd about them."""

import av

from vipecli.video.container import Media
from vipecli.video.decode import Progress, rate

_CLOCK_JUMP_S = 0.25  # times that fall back by more start a new count (joined transport streams)
_JUMP_STEPS = 8.0  # and by more frames than are reordered in a stream without presentation times
_SMALLEST_STEP_S = 1e-4  # between frames whose timestamps do not increase
_SAME_S = 1e-6
_LEAP_S, _LEAP_STEPS = 10.0, 20.0  # a gap of more seconds, and more frames, is told of
_FEW, _SOME = 2, 0.05  # frames, and share of them, that may have the time of the one before


class Clock:
    """Presentation times of frames, always increasing.

    Attributes
    ----------
    time_s
        of the last frame, seconds; None = there was none.
    step_s
        between frames, on average.
    """

    def __init__(self, media: Media) -> None:
        self._origin_s, self._base = media.origin_s, media.video.time_base
        self.step_s = float(1 / rate(media))
        self._jump_s = max(_CLOCK_JUMP_S, _JUMP_STEPS * self.step_s)
        self.time_s: float | None = None
        self._may_start_early = media.is_timed_by_decoding and not media.can_seek
        self._frames, self._squeezed = 0, 0
        self._leap: tuple[float, float] | None = None  # moment and length of the longest gap

    def time_of(self, frame: "av.VideoFrame") -> float:
        """Time of the next frame, seconds from the start of the file's timeline."""
        base = frame.time_base or self._base  # what is left at the end may have none
        raw_s = None if frame.pts is None else float(frame.pts * base)
        before_s = self.time_s
        self._frames += 1
        if before_s is None:
            if self._may_start_early and raw_s is not None:
                self._origin_s = min(self._origin_s, raw_s)
            self.time_s = 0.0 if raw_s is None else raw_s - self._origin_s
        elif raw_s is None:
            self.time_s = before_s + self.step_s
        elif raw_s - self._origin_s < before_s - self._jump_s:
            self.time_s = before_s + self.step_s
            self._origin_s = raw_s - self.time_s
        else:
            self.time_s = max(raw_s - self._origin_s, before_s + _SMALLEST_STEP_S)
            self._note(before_s, self.time_s - before_s)
        return self.time_s

    def remarks(self) -> list[str]:
        """What is odd about the times so far, in words."""
        found = []
        if self._leap is not None:
            at_s, gap_s = self._leap
            found.append(
                f"its times leap by {gap_s:.0f} s at {at_s:.1f} s: a screen that stood still, or "
                "joined recordings"
            )
        if self._squeezed > max(_FEW, _SOME * self._frames):
            found.append(
                f"{self._squeezed} of {self._frames} frames have no later time than the one "
                "before; convert it to another container"
            )
        return found

    def _note(self, before_s: float, gap_s: float) -> None:
        self._squeezed += gap_s <= _SMALLEST_STEP_S + _SAME_S
        longest = max(_LEAP_S, _LEAP_STEPS * self.step_s, self._leap[1] if self._leap else 0.0)
        if gap_s > longest:
            self._leap = before_s, gap_s

    def reached_s(self, progress: Progress) -> float:
        """Time up to which the file holds something."""
        shown = 0.0 if self.time_s is None else self.time_s + self.step_s
        return max(shown, progress.reached_s - self._origin_s)
