"""A synchronised video as a timeline that editing programs read: OpenTimelineIO, or an EDL."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vipecli.errors import VipeError
from vipecli.files import check_output, replacing
from vipecli.outputs.reel import Reel, Take, rate
from vipecli.video.piecewise import linear_segments
from vipecli.video.read import probe, start_timecode
from vipecli.video.timecode import code_of, frames_of, is_drop_frame

if TYPE_CHECKING:
    import opentimelineio as otio

TIMELINES = (".otio", ".edl")
"""Extensions of timelines that can be written."""

TOLERANCE = 0.5
"""Largest distance of a segment of constant speed from the time map, frames of the timeline."""

RATES = (24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60)
"""Frame rates of timelines; others become the next one above, or the highest."""

_SPEED_OF_STILLS = 0.01  # slower segments are stills
_EDL_STARTS_H = 1  # hour at which the record of an EDL starts, as usual
_ONE_TRACK = "an EDL has one picture track; for several warped clips write an .otio"
_REEL = "AX"  # an EDL's name for material that is no tape


@dataclass(frozen=True)
class Segment:
    """A stretch of a timeline in which a clip runs at one speed.

    Attributes
    ----------
    start, frames
        of the timeline.
    source_s
        time of the clip at its start, a whole frame of the clip.
    speed
        of the clip; 0 = a still.
    """

    start: int
    frames: int
    source_s: float
    speed: float


def check_timeline(out: Path, *inputs: Path) -> None:
    """Refuse a timeline that could not be written.

    Raises
    ------
    VipeError
        if the extension is not known, an EDL cannot hold so many clips, or the file cannot be
        written there.
    """
    if out.suffix.lower() not in TIMELINES:
        raise VipeError(f"{out}: timelines are written as {' or '.join(TIMELINES)}")
    if out.suffix.lower() == ".edl" and len(inputs) > 2:
        raise VipeError(f"{out}: {_ONE_TRACK}")
    check_output(out, *inputs)


def write_timeline(reel: Reel, out: str | Path) -> None:
    """Write the time map of every clip, in segments of constant speed.

    Parameters
    ----------
    reel
        clips and their times. Rates other than `RATES` become the next one above.
    out
        an ``.otio``: one picture track per clip, chapters as markers, and of cameras of one event a
        sound track for each that has sound; or an ``.edl`` (CMX 3600): it has one picture track, so
        that of two clips it holds the one that is warped onto the time of the other.

    Raises
    ------
    VipeError
        if it cannot be written, or an EDL cannot hold it.
    """
    out = Path(out)
    check_timeline(out, *(take.path for take in reel.takes))
    fps = next((rate for rate in RATES if rate >= reel.fps - 1e-3), RATES[-1])
    if out.suffix.lower() == ".edl":
        text = _edl(_warped(reel, out), reel, fps)
    else:
        text = _timeline(reel, fps).to_json_string(indent=2) + "\n"
    with replacing(out) as part:
        part.write_text(text, encoding="utf-8")


def segments(take: Take, reel: Reel, fps: float) -> list[Segment]:
    """Segments of constant speed that follow the times of a take.

    Each starts at a whole frame of the clip and of the timeline, within half of one, so that
    errors do not add up. A camera of one event is a single one, after a still in which it did not
    film yet; none if it never films.
    """
    if reel.one_clock:
        return _filmed(take, reel, fps)
    own, found = _own_rate(take, reel), []
    for first, last in pairwise([0, *reel.cuts, len(reel)]):
        start, end = (round(frame / reel.fps * fps) for frame in (first, last))
        times = _edges(take.times[first:last], (np.arange(end - start + 1)) * reel.fps / fps)
        for i, j in pairwise(linear_segments(times, TOLERANCE / fps)):
            source, behind = (round(times[k] * own) / own for k in (i, j))
            speed = (behind - source) * fps / (j - i)
            speed = 0.0 if speed < _SPEED_OF_STILLS else speed
            found.append(Segment(start + i, j - i, source, speed))
    return found


def _filmed(take: Take, reel: Reel, fps: float) -> list[Segment]:
    """The stretch in which a camera films, at full speed where its clock allows, after a still."""
    own, end = _own_rate(take, reel), round(len(reel) / reel.fps * fps)
    times = _edges(take.times, np.arange(end + 1) * reel.fps / fps)
    steps = np.diff(times)
    moving = np.flatnonzero(steps > _SPEED_OF_STILLS / fps)
    if not len(moving):
        return []
    first, last, middle = moving[0], moving[-1] + 1, moving[len(moving) // 2]
    speed = float(np.median(steps[moving])) * fps
    if abs(speed - 1) * (last - first) <= TOLERANCE:  # no other speed for less than half a frame
        speed = 1.0
    start_s = times[middle] - (middle - first) * speed / fps
    source = max(0, round(start_s * own)) / own
    still = [Segment(0, int(first), source, 0.0)] if first else []
    return [*still, Segment(int(first), int(last - first), source, speed)]


def _has_sound(take: Take) -> bool:
    try:
        return probe(take.source).has_audio
    except VipeError:
        return False


def _own_rate(take: Take, reel: Reel) -> float:
    return rate(take.poses.times) if take.poses is not None else reel.fps


def _edges(times: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Moments at frames of the reel, the end of the last one included."""
    last = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 0)
    return np.interp(at, np.arange(len(times) + 1), np.append(times, last))


# --- OpenTimelineIO ------------------------------------------------------------------------------


def _timeline(reel: Reel, fps: float) -> "otio.schema.Timeline":
    import opentimelineio as otio

    def time(frames: float) -> "otio.opentime.RationalTime":
        return otio.opentime.RationalTime(frames, fps)

    timeline = otio.schema.Timeline(name=" / ".join(take.title for take in reel.takes))
    timeline.global_start_time = time(0)
    kinds = otio.schema.TrackKind
    sound = [take for take in reel.takes if reel.one_clock and _has_sound(take)]
    tracks = [(take, kinds.Video) for take in reel.takes] + [(take, kinds.Audio) for take in sound]
    for take, kind in tracks:
        track = otio.schema.Track(name=take.title, kind=kind)
        own = _own_rate(take, reel)
        first = _starts(take, own)
        for segment in segments(take, reel, fps):
            if reel.one_clock and segment.speed == 0:
                track.append(otio.schema.Gap(duration=time(segment.frames)))
            else:
                track.append(_clip(take, segment, fps, own, first))
        timeline.tracks.append(track)
    for start, end, title in reel.chapters:
        first, last = (round(frame / reel.fps * fps) for frame in (start, end))
        span = otio.opentime.TimeRange(time(first), time(last - first))
        timeline.tracks.markers.append(otio.schema.Marker(name=title, marked_range=span))
    return timeline


def _clip(take: Take, segment: Segment, fps: float, own: float, first: int) -> "otio.schema.Clip":
    """A segment as a clip: as long as on the timeline, and an effect for its speed.

    Its source starts at the timecode that the camera wrote, as editing programs count it.
    """
    import opentimelineio as otio

    time, span = otio.opentime.RationalTime, otio.opentime.TimeRange
    media = otio.schema.ExternalReference(target_url=take.path.absolute().as_uri())
    if take.poses is not None and len(take.poses):
        frames = round(float(take.poses.times[-1]) * own) + 1
        media.available_range = span(time(first, own), time(frames, own))
    start = time(first + round(segment.source_s * own), own)
    clip = otio.schema.Clip(take.title, media, span(start, time(segment.frames, fps)))
    if take.mirrored:
        clip.metadata["vipe"] = {"mirrored": True}
    if segment.speed == 0:
        clip.effects.append(otio.schema.FreezeFrame())
    elif abs(segment.speed - 1) > 1e-6:
        clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=segment.speed))
    return clip


def _starts(take: Take, own: float) -> int:
    """Frame, at a rate, from midnight to the timecode that a camera wrote; 0 where it wrote none.

    The timecode counts the frames of the file, of which only some may be used.
    """
    code, filmed = start_timecode(take.source) or ("", own)
    first = frames_of(code, filmed) or 0
    return first if round(filmed) == round(own) else round(first * own / filmed)


# --- EDL -----------------------------------------------------------------------------------------
# Written by hand: the adapter of OpenTimelineIO gives the length of the source as that of the
# record divided by the speed, where it has to be multiplied.


def _warped(reel: Reel, out: Path) -> Take:
    """The one take that is warped onto another."""
    still = [bool(np.abs(reel.speeds(i) - 1).max() < 0.02) for i in range(len(reel.takes))]
    if len(reel.takes) != 2 or not any(still):
        raise VipeError(f"{out}: {_ONE_TRACK}")
    return reel.takes[1 - reel.reference if still[reel.reference] else reel.reference]


def _edl(take: Take, reel: Reel, fps: float) -> str:
    """CMX 3600; all timecodes in frames of the timeline, those of the source as its camera's."""
    title = take.title.encode("ascii", "replace").decode()
    camera, filmed = start_timecode(take.source) or ("", fps)
    drop = is_drop_frame(camera, fps)
    origin = _origin(camera, filmed, fps)
    lines = [f"TITLE: {title}", f"FCM: {'' if drop else 'NON-'}DROP FRAME", ""]
    hour = frames_of(f"{_EDL_STARTS_H:02d}:00:00{';' if drop else ':'}00", fps) or 0
    runs = [one for one in segments(take, reel, fps) if one.speed or not reel.one_clock]
    for number, segment in enumerate(runs, start=1):
        source = origin + round(segment.source_s * fps)
        length = max(1, round(segment.frames * segment.speed))
        record = hour + segment.start
        codes = (source, source + length, record, record + segment.frames)
        times = " ".join(code_of(frames, fps, drop=drop) for frames in codes)
        lines.append(f"{number:03d}  {_REEL:8} V     C        {times}")
        if segment.speed != 1:
            speed = f"{segment.speed * fps:05.1f}"
            start = code_of(source, fps, drop=drop)
            lines.append(f"M2   {_REEL:8}       {speed}                {start}")
        still = segment.speed == 0
        lines.append(f"* FROM CLIP NAME:  {title}{' FF' if still else ''}")
        lines += ["* * FREEZE FRAME"] if still else []
    return "\n".join(lines) + "\n"


def _origin(camera: str, filmed: float, fps: float) -> int:
    """Frame of the timeline's count at which the source begins, by its camera's timecode.

    Where the two rates differ the hours, minutes and seconds stay, and the frames are converted.
    """
    if round(filmed) == round(fps):
        return frames_of(camera, fps) or 0
    count = frames_of(camera.replace(";", ":").replace(".", ":"), filmed) or 0
    return round(count * round(fps) / round(filmed))
