"""Frames of previews: evenly in time, each with the time of the picture it shows."""

from dataclasses import replace

import numpy as np
import pytest

from tests.bodies import seen, waving
from tests.footage import number, numbered, video
from vipecli.lifting.lift import lift
from vipecli.outputs.ghost import Ghost, write_ghost
from vipecli.outputs.preview import even_frames
from vipecli.outputs.turntable import write_preview
from vipecli.video.read import read_frames

UNEVEN = [*range(30), *range(30, 60, 5), 59]  # at 30 frames/s


@pytest.mark.parametrize("times", [list(range(60)), UNEVEN])
def test_every_moment_shows_the_latest_picture(tmp_path, times):
    clip = video("a.mp4", images=None if len(times) == 60 else _numbered(times), times=times)(
        tmp_path
    )
    shown = list(even_frames(clip, size=(128, 96), start_s=0.2, end_s=59 / 30, fps=30.0))
    assert [round(30 * frame.time_s) for frame in shown] == list(range(6, 60))
    for frame in shown:
        latest = max(k for k in times if k / 30 <= frame.time_s + 1e-6)
        assert round(30 * frame.taken_s) == number(frame.picture) == latest
        assert not frame.over


def test_the_last_picture_stays(tmp_path):
    clip = video("a.mp4")(tmp_path)
    shown = list(even_frames(clip, size=(128, 96), start_s=1.9, end_s=2.2, fps=30.0))
    assert [frame.over for frame in shown] == 3 * [False] + 7 * [True]
    assert {number(frame.picture) for frame in shown[2:]} == {59}


def test_the_turntable_runs_at_true_speed(tmp_path):
    clip = video("a.mp4", images=_numbered(UNEVEN), times=UNEVEN)(tmp_path)
    poses = replace(seen(waving(len(UNEVEN))), size=(128, 96), times=np.array(UNEVEN) / 30)
    write_preview(lift(poses), poses, clip, tmp_path / "out.mp4")
    frames = list(read_frames(tmp_path / "out.mp4"))
    assert len(frames) == len(UNEVEN)
    for time_s, picture in frames[:-1]:
        assert 0 <= round(30 * time_s - number(picture[:, :128])) <= 5


def test_a_film_that_goes_on_is_not_darkened_at_the_end(tmp_path):
    clip = video("a.mp4")(tmp_path)
    poses = replace(seen(waving(60)), size=(128, 96), times=np.arange(60) / 30)
    far = np.full((16, 13, 2), -500.0)
    ghost = Ghost(far, np.zeros((16, 13)), far[None], 1.0 + np.arange(16) / 30, np.zeros(16))
    write_ghost(ghost, poses, clip, tmp_path / "out.mp4")
    levels = [image[:40, 100:].mean() for _, image in read_frames(tmp_path / "out.mp4")]
    assert min(levels) > 0.9 * levels[0]


def _numbered(times: list[int]) -> list[np.ndarray]:
    return [numbered(k) for k in times]
