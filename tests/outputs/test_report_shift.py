"""The drawing of the evidence for a shift."""

import numpy as np
import pytest

from vipecli.alignment.offset import LEAST_CONFIDENCE, Offset
from vipecli.alignment.shift_score import ShiftScore
from vipecli.alignment.sound_shift import LEAST_SOUND, SoundShift
from vipecli.outputs.report_shift import HEIGHT, WIDTH, shift_plot


def peaked(at, height, step):
    shifts = np.arange(-2, 2 + step / 2, step)
    score = np.where(np.abs(shifts - at) < step / 2, height, 0.0)
    score[:3] = np.nan
    return ShiftScore(shifts, score, score)


def points(curve):
    return np.array([[float(v) for v in point.split(",")] for point in curve["points"].split()])


def test_both_witnesses_are_drawn_in_units_of_what_answers():
    poses = peaked(1.0, 2 * LEAST_CONFIDENCE, 1 / 30)
    sound = SoundShift(peaked(1.0, 4 * LEAST_SOUND, 0.001), *np.zeros((3, 0)))
    plot = shift_plot(Offset(1.0, 1.0, 0.5, 3.0, score=poses, by="both", heard=sound))
    assert [curve["name"] for curve in plot["curves"]] == ["poses", "sound"]
    tops = [points(curve)[points(curve)[:, 1].argmin()] for curve in plot["curves"]]
    assert [x for x, _ in tops] == pytest.approx([0.75 * WIDTH] * 2, abs=2)
    heights = [HEIGHT - y for _, y in tops]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.3)
    assert HEIGHT - plot["least"] == pytest.approx(heights[0] / 2, abs=0.3)
    assert plot["best"] == pytest.approx(0.75 * WIDTH, abs=0.1)
    assert plot["label"] == "+1.000 s by poses and sound"
    assert {"x": 0.5 * WIDTH, "text": "+0 s"} in plot["ticks"] and len(plot["ticks"]) <= 10


def test_nothing_is_drawn_without_a_shift_or_evidence():
    assert shift_plot(None) is None
    assert shift_plot(Offset(1.0, 1.0, 0.5, 3.0)) is None
