"""Sound as samples, on the clock of the pictures."""

import numpy as np
import pytest

from tests.media import make_video
from vipecli.video.sound import read_sound
from vipecli.video.source import ClipSource


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_tone_starts_where_it_does(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    make_video(path, range(0, 2000, 40), audio="aac", audio_s=2.0)
    track = read_sound(ClipSource(path))
    loud = np.flatnonzero(np.abs(track.samples) > 0.2)
    start = loud[0] / track.rate
    assert start == pytest.approx(1.0, abs=0.01)
    part = read_sound(ClipSource(path), 0.5, 1.6)
    assert part.start_s == 0.5 and part.length_s == pytest.approx(1.1, abs=0.01)
    loud = np.flatnonzero(np.abs(part.samples) > 0.2)
    assert part.start_s + loud[0] / part.rate == pytest.approx(start, abs=0.005)


def test_silent_films_and_folders_have_none(tmp_path):
    make_video(tmp_path / "clip.mp4")
    assert read_sound(ClipSource(tmp_path / "clip.mp4")) is None
    assert read_sound(ClipSource(tmp_path)) is None
