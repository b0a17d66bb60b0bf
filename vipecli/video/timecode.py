"""Timecodes of cameras and editing programs: hours, minutes, seconds and frames (SMPTE ST 12-1)."""

import re

_FORM = re.compile(r"\s*(\d{1,2}):(\d{2}):(\d{2})([:;.])(\d{1,3})\s*")
_DROPPED_PER_30 = 2  # numbers left out of each minute but every tenth, for 30 frames per second


def frames_of(code: str, fps: float) -> int | None:
    """Frames from midnight to a timecode, at a frame rate; None if it is no timecode.

    Examples
    --------
    >>> frames_of("00:01:00:00", 25), frames_of("00:01:00;02", 30000 / 1001)
    (1500, 1800)
    """
    match = _FORM.fullmatch(code)
    if match is None:
        return None
    hours, minutes, seconds, frames = (int(match[i]) for i in (1, 2, 3, 5))
    minutes += 60 * hours
    count = (60 * minutes + seconds) * round(fps) + frames
    return count - _dropped(fps) * (minutes - minutes // 10) if is_drop_frame(code, fps) else count


def code_of(frames: int, fps: float, *, drop: bool = False) -> str:
    """Timecode of a frame, counted from midnight.

    Examples
    --------
    >>> code_of(1500, 25), code_of(1800, 30000 / 1001, drop=True)
    ('00:01:00:00', '00:01:00;02')
    """
    whole = round(fps)
    frames %= 24 * (_frames_per_hour(fps) if drop else 3600 * whole)
    if drop:
        few = _dropped(fps)
        per_minute, per_ten = 60 * whole - few, 600 * whole - 9 * few
        tens, rest = divmod(frames, per_ten)
        frames += 9 * few * tens
        if rest >= 60 * whole:
            frames += few * (1 + (rest - 60 * whole) // per_minute)
    seconds, rest = divmod(frames, whole)
    mark = ";" if drop else ":"
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{mark}{rest:02d}"


def is_drop_frame(code: str, fps: float) -> bool:
    """Whether a timecode leaves out numbers so that it keeps to the clock at 30 000 / 1001 Hz."""
    match = _FORM.fullmatch(code)
    return match is not None and match[4] in ";." and _dropped(fps) > 0


def _dropped(fps: float) -> int:
    """Numbers left out of a minute; 0 at rates that do without."""
    whole = round(fps)
    return 0 if whole % 30 or abs(fps - whole) < 1e-3 else _DROPPED_PER_30 * (whole // 30)


def _frames_per_hour(fps: float) -> int:
    return 3600 * round(fps) - 54 * _dropped(fps)
