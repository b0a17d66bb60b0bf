"""Names of the last seconds, while the frames come."""

import time

import numpy as np

from tests.alignment.test_online import way
from vipecli.index.classify import Ranking
from vipecli.index.naming import Naming


def run(rank, frames: int = 60, missing: int = 0) -> list[str]:
    clip = way(np.linspace(0, 1, frames))
    clip.mean[:missing] = np.nan
    with Naming(rank, window_s=0.5) as naming:
        out = []
        for i in range(frames):
            out.append(naming.step(clip.part(slice(i, i + 1))))
            time.sleep(0.002)
        return out


def test_the_last_frames_are_labelled_twice_a_second():
    parts = []

    def rank(part):
        parts.append(part)
        return Ranking("squat", 0.9)

    labels = run(rank)
    assert labels[0] == "" and labels[-1] == "squat"
    assert 3 <= len(parts) <= 4
    assert all(part.times[-1] - part.times[0] <= 0.5 + 1e-9 for part in parts)
    assert len(parts[1]) > 10


def test_no_label_where_it_is_unsure_none_of_them_or_nobody_is_seen():
    assert set(run(lambda part: Ranking("squat", 0.3))) == {""}
    assert set(run(lambda part: Ranking(None, 0.9))) == {""}
    assert set(run(lambda part: Ranking("squat", 0.9), missing=60)) == {""}
