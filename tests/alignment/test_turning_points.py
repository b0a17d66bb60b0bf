"""Turning points of angles, by hand."""

import numpy as np
import pytest

from vipecli.alignment.turning_points import turning_points


def test_turning_points_by_hand():
    times = np.arange(81) / 20
    angle = 130 + 40 * np.cos(2 * np.pi * times / 2)  # 170 at 0, 2, 4; 90 at 1 and 3
    got = turning_points(times, angle + 2 * np.sin(40 * times))
    assert [kind for _, kind, _ in got] == ["smallest", "largest", "smallest"]
    assert [time_s for time_s, _, _ in got] == pytest.approx([1, 2, 3], abs=0.12)
    assert [deg for *_, deg in got] == pytest.approx([90, 170, 90], abs=3)
    assert turning_points(times, 130 + 4 * np.cos(times)) == []
    assert turning_points(times, np.full(81, np.nan)) == []


def test_the_middle_of_a_rest():
    times = np.arange(10) / 10
    angle = np.array([170, 150, 100.5, 100, 100, 100, 100.5, 120, 150, 170])
    assert turning_points(times, angle) == [(pytest.approx(0.4), "smallest", 100)]
