"""Timelines for editing programs, read back by the library that editing programs use."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import opentimelineio as otio
import pytest

from tests.media import make_video
from vipecli.errors import VipeError
from vipecli.outputs.reel import Mark, Reel, Take
from vipecli.outputs.timeline import check_timeline, write_timeline
from vipecli.poses.poses import Poses
from vipecli.video.piecewise import linear_segments
from vipecli.video.source import ClipSource
from vipecli.video.timecode import code_of, frames_of, is_drop_frame

FPS = 30


def warped(frames: int = 240) -> np.ndarray:
    """Moments that wait, run at changing speed, 0.5x to 2x, and wait again; seconds."""
    speed = np.interp(np.arange(frames), [0, 30, 31, 90, 150, 209, 210], [0, 0, 0.5, 2, 0.7, 1, 0])
    return np.cumsum(speed) / FPS


def reel(*, fps: float = FPS, cuts=(), marks=(), mirrored=False) -> Reel:
    still, there = np.arange(240) / fps, warped() * FPS / fps
    times = np.arange(300) / fps
    joints = np.zeros((300, 13, 2), np.float32)
    poses = Poses(joints, np.ones((300, 13), np.float32), times, (64, 48))
    takes = (
        Take(ClipSource(Path("a.mp4")), still, poses),
        Take(ClipSource(Path("b.mp4")), there, poses, mirrored=mirrored),
    )
    return Reel(takes, np.ones(240), fps, cuts=cuts, marks=marks)


def moments(track: otio.schema.Track, rate: float) -> np.ndarray:
    """Moment of the clip at every frame of a track, seconds, as an editing program plays it."""
    found = []
    for clip in track:
        speed = clip.effects[0].time_scalar if clip.effects else 1.0
        start = clip.source_range.start_time.to_seconds()
        found += [start + i * speed / rate for i in range(round(clip.duration().to_frames()))]
    return np.array(found)


@pytest.mark.parametrize("fps", [24000 / 1001, 25, 30, 60])
def test_otio_round_trip(tmp_path, fps):
    made = reel(fps=fps)
    write_timeline(made, tmp_path / "out.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    tracks = timeline.video_tracks()
    assert [track.name for track in tracks] == ["a.mp4", "b.mp4"]
    assert [len(track) for track in tracks] == [1, pytest.approx(12, abs=8)]
    for track, take in zip(tracks, made.takes, strict=True):
        got = moments(track, fps)
        assert len(got) == 240
        assert np.abs(got - take.times).max() <= 1.01 / fps
    kinds = {type(effect) for clip in tracks[1] for effect in clip.effects}
    assert kinds == {otio.schema.LinearTimeWarp, otio.schema.FreezeFrame}
    assert all(clip.source_range.start_time.value % 1 == 0 for clip in tracks[1])
    assert tracks[0][0].media_reference.target_url == Path("a.mp4").absolute().as_uri()
    assert tracks[0][0].media_reference.available_range.duration.to_frames() == 300


def event(rate_of_b: float = 1.0) -> Reel:
    """Two cameras: b, of 25 frames/s, films from 1.31 s of a on, and 2 s longer than its end."""
    at = np.arange(240) / FPS
    there = np.clip(rate_of_b * (at - 1.31), 0.0, None)
    poses = [
        Poses(np.zeros((n, 13, 2), "f4"), np.ones((n, 13), "f4"), np.arange(n) / fps, (64, 48))
        for n, fps in ((240, FPS), (220, 25))
    ]
    takes = (
        Take(ClipSource(Path("a.mp4")), at, poses[0]),
        Take(ClipSource(Path("b.mp4")), there, poses[1]),
    )
    return Reel(takes, np.ones(240), FPS, one_clock=True)


def test_cameras_of_one_event_run_at_full_speed_behind_a_gap(tmp_path):
    write_timeline(event(), tmp_path / "out.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    first, (gap, clip) = timeline.video_tracks()
    assert len(first) == 1 and not first[0].effects
    assert isinstance(gap, otio.schema.Gap) and not clip.effects
    assert gap.duration().to_frames() == 39 and clip.duration().to_frames() == 240 - 39
    source = clip.source_range.start_time
    assert (source.value, source.rate) == (0, 25)
    assert clip.media_reference.available_range.duration.to_frames() == 220
    write_timeline(event(), tmp_path / "out.edl")
    (line,) = (x for x in (tmp_path / "out.edl").read_text().splitlines() if x[:3].isdigit())
    assert line.split()[4:] == ["00:00:00:00", "00:00:06:21", "01:00:01:09", "01:00:08:00"]


def test_a_clock_that_drifts_has_a_speed(tmp_path):
    for speed, kept in ((1.001, 1.0), (1.01, 1.01)):  # 0.2 and 2 frames in 200
        write_timeline(event(speed), tmp_path / "out.otio")
        timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
        clip = timeline.video_tracks()[1][1]
        got = clip.effects[0].time_scalar if clip.effects else 1.0
        assert got == pytest.approx(kept, abs=1e-4)


def test_the_sound_of_cameras_has_tracks(tmp_path):
    made = event()
    path = tmp_path / "loud.mp4"
    make_video(path, audio="aac")
    loud = Reel(
        (made.takes[0], Take(ClipSource(path), made.takes[1].times, made.takes[1].poses)),
        made.match, FPS, one_clock=True,
    )  # fmt: skip
    write_timeline(loud, tmp_path / "out.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    (track,) = timeline.audio_tracks()  # a.mp4 has no file here, and no sound
    assert track.name == "loud.mp4"
    assert [item.duration() for item in track] == [
        item.duration() for item in timeline.video_tracks()[1]
    ]


def test_rates_that_no_editing_program_has(tmp_path):
    made = reel(fps=15)
    write_timeline(made, tmp_path / "out.otio")
    track = otio.adapters.read_from_file(str(tmp_path / "out.otio")).video_tracks()[1]
    got = moments(track, 24000 / 1001)
    want = np.interp(np.arange(len(got)) / (24000 / 1001), np.arange(240) / 15, made.takes[1].times)
    assert np.abs(got - want).max() <= 1 / 15


def test_chapters_cuts_and_mirrors_are_in_the_timeline(tmp_path):
    made = reel(cuts=(120,), marks=(Mark(0, "one"), Mark(120, "two")), mirrored=True)
    times = made.takes[0].times % 4  # starts over
    made = Reel(
        (Take(ClipSource(Path("a.mp4")), times), made.takes[1]),
        made.match,
        FPS,
        0,
        (120,),
        made.marks,
    )
    write_timeline(made, tmp_path / "out.otio")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.otio"))
    marks = [(m.name, m.marked_range.start_time.to_frames()) for m in timeline.tracks.markers]
    assert marks == [("one", 0), ("two", 120)]
    first, second = timeline.video_tracks()
    assert [clip.source_range.start_time.to_frames() for clip in first] == [0, 0]
    assert second[0].metadata["vipe"] == {"mirrored": True}


def filmed(tmp_path, code, rate):
    """Reel of a clip whose camera wrote a timecode."""
    path = tmp_path / "b.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["timecode"] = code
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "bgr24")
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    times = np.arange(300) / float(rate)
    poses = Poses(
        np.zeros((300, 13, 2), np.float32), np.ones((300, 13), np.float32), times, (64, 48)
    )
    still, there = times[:240], np.r_[times[20:140:2], times[140:260:4], np.full(150, times[260])]
    takes = Take(ClipSource(Path("a.mp4")), still, poses), Take(ClipSource(path), there, poses)
    return Reel(takes, np.ones(240), float(rate))


@pytest.mark.parametrize(
    ("code", "rate", "seconds"),
    [
        ("10:20:30:15", Fraction(25), 37230 + 15 / 25),
        ("10:20:30:15", Fraction(30000, 1001), (37230 * 30 + 15) * 1001 / 30000),
        ("10:20:30;15", Fraction(30000, 1001), 37230.5),
    ],
)
def test_sources_start_at_the_timecode_of_the_camera(tmp_path, code, rate, seconds):
    made = filmed(tmp_path, code, rate)
    write_timeline(made, tmp_path / "out.otio")
    first, second = otio.adapters.read_from_file(str(tmp_path / "out.otio")).video_tracks()
    assert first[0].media_reference.available_range.start_time.value == 0
    media = second[0].media_reference.available_range
    assert media.start_time.to_seconds() == pytest.approx(seconds, abs=0.02)
    for clip in second:
        start = clip.source_range.start_time
        assert media.contains(start)
        assert start.to_seconds() >= seconds + 20 / float(rate) - 0.04
    write_timeline(made, tmp_path / "out.edl")
    lines = (tmp_path / "out.edl").read_text().splitlines()
    assert lines[1] == f"FCM: {'' if ';' in code else 'NON-'}DROP FRAME"
    source, _, record, _ = lines[3].split()[4:]
    assert record == ("01:00:00;00" if ";" in code else "01:00:00:00")
    assert frames_of(source, float(rate)) == frames_of(code, float(rate)) + 20


@pytest.mark.parametrize("suffix", [".otio", ".edl"])
def test_timecodes_count_the_frames_of_the_file_though_some_are_left_out(tmp_path, suffix):
    made = filmed(tmp_path, "10:20:30:25", Fraction(30))
    thin = [replace(take, poses=take.poses.part(slice(None, None, 2))) for take in made.takes]
    write_timeline(replace(made, takes=tuple(thin)), tmp_path / f"out{suffix}")
    text = (tmp_path / f"out{suffix}").read_text()
    if suffix == ".edl":
        assert text.splitlines()[3].split()[4] == "10:20:31:15"
    else:
        _, track = otio.adapters.from_name("otio_json").read_from_string(text).video_tracks()
        media = track[0].media_reference.available_range
        assert media.start_time.to_seconds() == pytest.approx(37230 + 25 / 30, abs=0.04)


@pytest.mark.parametrize("fps", [25, 30, 30000 / 1001, 60000 / 1001, 24000 / 1001])
@pytest.mark.parametrize("drop", [False, True])
def test_timecodes_count_frames(fps, drop):
    drop = drop and fps in (30000 / 1001, 60000 / 1001)
    numbers = [0, 1, 1799, 1800, 17981, 17982, 107892, 2_000_000]
    codes = [code_of(n, fps, drop=drop) for n in numbers]
    assert [frames_of(code, fps) for code in codes] == numbers
    for n, code in zip(numbers, codes, strict=True):
        assert otio.opentime.from_timecode(code, fps).value == n


def test_what_is_no_timecode():
    assert frames_of("noon", 25) is None and not is_drop_frame("noon", 30000 / 1001)


def test_edl_round_trip(tmp_path):
    pytest.importorskip("otio_cmx3600_adapter")
    made = reel()
    write_timeline(made, tmp_path / "out.edl")
    text = (tmp_path / "out.edl").read_text()
    assert text.startswith("TITLE: b.mp4\nFCM: NON-DROP FRAME\n")
    timeline = otio.adapters.read_from_file(str(tmp_path / "out.edl"), rate=FPS)
    (track,) = timeline.video_tracks()
    got = moments(track, FPS)
    assert len(got) == 240
    assert np.abs(got - made.takes[1].times).max() <= 1.5 / FPS
    for line in text.splitlines():  # what is used of the source agrees with the speed
        if line[:3].isdigit():
            codes = [
                otio.opentime.from_timecode(code, FPS).to_frames() for code in line.split()[4:]
            ]
            source, record = codes[1] - codes[0], codes[3] - codes[2]
        elif line.startswith("M2") and (speed := float(line.split()[2])):
            assert source == pytest.approx(record * speed / FPS, abs=1)


def test_what_an_edl_cannot_hold(tmp_path):
    made = reel()
    both = Reel((made.takes[1], made.takes[1]), made.match, FPS)
    for out, shown in (("out.edl", both), ("out.xml", made)):
        with pytest.raises(VipeError, match=r"\.otio"):
            write_timeline(shown, tmp_path / out)
    assert list(tmp_path.iterdir()) == []


def test_an_edl_of_three_clips_is_refused_before_the_work():
    clips = [Path(f"{name}.mp4") for name in "abc"]
    check_timeline(Path("x.edl"), *clips[:2])
    check_timeline(Path("x.otio"), *clips)
    with pytest.raises(VipeError, match=r"one picture track.*\.otio"):
        check_timeline(Path("x.edl"), *clips)


@pytest.mark.parametrize("tolerance", [0.001, 0.05, 1.0])
def test_pieces_stay_within_the_tolerance(tolerance):
    times = warped()
    knots = linear_segments(times, tolerance)
    assert knots[0] == 0 and knots[-1] == len(times) - 1
    line = np.interp(np.arange(len(times)), knots, times[knots])
    assert np.abs(line - times).max() <= tolerance
    assert linear_segments(np.arange(100.0), 0.1) == [0, 99]
    assert max(np.diff(linear_segments(np.arange(100.0), 0.1, longest=30))) <= 30
    assert linear_segments(np.zeros(1), 0.1) == [0]


def test_why_edls_are_not_written_by_the_adapter():
    """It divides the length of the source by the speed, where an EDL wants it multiplied."""
    adapter = pytest.importorskip("otio_cmx3600_adapter.cmx_3600")
    time = otio.opentime.RationalTime
    span = otio.opentime.TimeRange(time(0, 30), time(60, 30))
    clip = otio.schema.Clip("b", otio.schema.MissingReference(), span)
    clip.effects.append(otio.schema.LinearTimeWarp(time_scalar=2.0))
    timeline = otio.schema.Timeline("b")
    timeline.tracks.append(otio.schema.Track("b", [clip]))
    line = next(x for x in adapter.write_to_string(timeline).splitlines() if x.startswith("001"))
    source = [otio.opentime.from_timecode(x, 30).to_frames() for x in line.split()[4:6]]
    assert source[1] - source[0] == 30, "120 are right: once they come, write EDLs with it"
