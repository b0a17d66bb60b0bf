"""The picture of an alignment."""

import numpy as np
import pytest

from tests.movements import movement
from vipecli.alignment.align import align
from vipecli.outputs.plot import speeds


def test_no_speed_is_drawn_where_b_stays_at_one_moment():
    a = np.r_[np.arange(30), np.full(30, 30.0), np.arange(30, 60)] / 30  # holds for a second
    own, other = movement(a), movement(np.arange(60) / 30)
    times, ratio = speeds(align(own, other, ends="closed"))
    held = (times > 1.45) & (times < 1.55)
    assert np.isnan(ratio[held]).all()
    outside = (times < 0.6) | (times > 2.4)
    assert np.nanmedian(ratio[outside]) == pytest.approx(1, abs=0.15)
    assert np.isfinite(ratio[outside]).all()
