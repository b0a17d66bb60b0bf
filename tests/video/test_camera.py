"""Frames that come on their own: at their moment, the newest each time, the rest dropped."""

import time

import pytest

from tests.media import make_video, number
from vipecli.errors import VideoError
from vipecli.video.camera import Feed, camera, paced


def test_a_clip_runs_at_its_own_speed(tmp_path):
    path = make_video(tmp_path / "clip.mp4", range(0, 800, 40))
    start, seen = time.perf_counter(), []
    with Feed(lambda: paced(path)) as feed:
        while frame := feed.newest():
            assert time.perf_counter() >= frame.due_s
            assert number(frame.image) == round(frame.time_s / 0.04)
            seen.append(frame)
    assert time.perf_counter() - start >= 0.76
    assert len(seen) + feed.dropped == 20
    for frame in seen:
        passed_s = frame.time_s - seen[0].time_s
        assert frame.due_s - seen[0].due_s >= passed_s - 1e-6


def test_a_slow_reader_gets_the_newest_frame(tmp_path):
    path = make_video(tmp_path / "clip.mp4", range(0, 800, 40))
    numbers = []
    with Feed(lambda: paced(path)) as feed:
        while frame := feed.newest():
            numbers.append(number(frame.image))
            time.sleep(0.2)
    assert numbers == sorted(numbers) and len(numbers) < 10
    assert feed.dropped == 20 - len(numbers)


def test_what_goes_wrong_is_raised_where_frames_are_taken(tmp_path):
    with Feed(lambda: paced(tmp_path / "gone.mp4")) as feed:
        with pytest.raises(VideoError, match=r"gone\.mp4"):
            feed.newest()
        assert feed.dropped == 0


def test_no_such_camera():
    with Feed(lambda: camera(99)) as feed, pytest.raises(VideoError, match=r"camera 99.*--source"):
        feed.newest()


def test_leaving_early_stops_the_reader(tmp_path):
    path = make_video(tmp_path / "clip.mp4", range(0, 8000, 400))
    with Feed(lambda: paced(path)) as feed:
        assert feed.newest().time_s == 0
    assert feed.newest() is None or feed.newest() is None, "it has ended"
