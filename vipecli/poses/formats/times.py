"""Times in keypoint files: which column or key holds them, in which unit, and from where."""

import datetime
import re

import numpy as np

from vipecli.poses.formats.text import number

_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "usec", "usecs", "micros", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nsecs", "nanos", "nanosecond", "nanoseconds"), 1e-9),
}
_NAMES = re.compile(
    r"(?:(?:video|media|elapsed|relative|capture|unix|pts)_?)?(time_?stamps?|time)_?(\w*)"
)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_LONG_STEPS = ((4e6, 1e-9), (4e3, 1e-6), (4.0, 1e-3))
"""Median steps between frames from which an unstated unit is shorter than a second."""

_WORDS = {1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_LONGEST_S = 86_400.0  # a film that starts later than this is dated by another clock


def time_unit(name: str) -> float | None:
    """Seconds per unit of a column or key of times; 0 = it states none; None = it is no time.

    Examples
    --------
    >>> time_unit("Time (s)"), time_unit("timestampMs"), time_unit("timestamp"), time_unit("frame")
    (1.0, 0.001, 0.0, None)
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().replace("µ", "u")).lower()
    words = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    if match := _NAMES.fullmatch(words):
        unit = match[2].removeprefix("in_")
        return _UNITS.get(unit) if unit else 0.0
    unit = words.removeprefix("elapsed_")
    return _UNITS.get(unit) if len(words) > 1 else None


def clock_time(cell: str) -> float:
    """Time in a cell: a number, hours:minutes:seconds, or a date and time; NaN where it is none."""
    value = number(cell)
    if np.isfinite(value):
        return value
    if match := _CLOCK.fullmatch(cell.strip()):
        seconds = float(match[3].replace(",", "."))
        return 3600 * int(match[1] or 0) + 60 * int(match[2]) + seconds
    try:
        moment = datetime.datetime.fromisoformat(cell.strip().replace("Z", "+00:00"))
    except ValueError:
        return np.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def in_seconds(times: dict[int, float], unit: float) -> tuple[dict[int, float], list[str]]:
    """Times by frame number in seconds on the clip's time line, and what was assumed, in words.

    Parameters
    ----------
    times
        by frame number.
    unit
        seconds per unit; 0 = not stated: frames that are 4 units or more apart are counted in
        milliseconds, then in microseconds and nanoseconds.

    Returns
    -------
    Times that start later than a day, those of a clock, start at 0.
    """
    values, remarks = np.sort(np.fromiter(times.values(), float)), []
    if not np.isfinite(values).all():
        return times, []
    if not unit:
        step = float(np.median(np.diff(values))) if len(values) > 1 else 0.0
        unit = next((shorter for least, shorter in _LONG_STEPS if step >= least), 1.0)
        if unit != 1.0:
            remarks.append(f"does not state the unit of its times; {_WORDS[unit]} are assumed")
    first = values[0] if len(values) else 0.0
    start = float(first) if first * unit > _LONGEST_S else 0.0
    return {frame: (value - start) * unit for frame, value in times.items()}, remarks
