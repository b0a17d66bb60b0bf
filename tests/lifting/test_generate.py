"""New 3D poses from the latent."""

import numpy as np
import pytest

from tests.bodies import STANDING, waving
from vipecli.lifting.generate import between, vary
from vipecli.poses import anatomy
from vipecli.poses.canonical import canonical


def test_variations_keep_bones_and_limits():
    drawn = vary(STANDING, 300, spread=1.0)
    assert (anatomy.excess(drawn.poses) == 0).mean() >= 0.99
    lengths = anatomy.bones(drawn.poses)[1]
    assert (np.ptp(lengths, axis=0) / lengths.mean(axis=0)).max() < 0.03
    assert np.array_equal(vary(STANDING, 3, seed=4).poses, vary(STANDING, 3, seed=4).poses)


def test_more_spread_varies_more_and_none_not_at_all():
    source = vary(STANDING, 1, spread=0).poses[0]
    near, far = (
        np.linalg.norm(vary(STANDING, 100, spread=s).poses - source, axis=-1).mean()
        for s in (0.1, 0.8)
    )
    assert 0 < near < far / 3
    assert np.linalg.norm(source - canonical(STANDING)[0], axis=-1).mean() < 0.12


def test_between_goes_from_one_to_the_other_in_even_steps():
    other = waving()[-1]
    steps = between(STANDING, other, 11)
    assert np.linalg.norm(steps[-1] - canonical(other)[0], axis=-1).mean() < 0.15
    size = np.linalg.norm(np.diff(steps, axis=0), axis=-1).mean(axis=1)
    assert size.max() < 3 * size.mean()
    with pytest.raises(ValueError, match="at least 2"):
        between(STANDING, other, 1)


@pytest.mark.slow
def test_ten_thousand_variations_are_possible():
    drawn = vary(None, 10_000, spread=1.0)
    assert (anatomy.excess(drawn.poses) == 0).mean() >= 0.99
