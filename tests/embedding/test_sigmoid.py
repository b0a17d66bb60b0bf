"""The sigmoid as a sum of exponentials."""

import numpy as np
import pytest

from vipecli.embedding.distance import SOFTNESS
from vipecli.embedding.embed import Model
from vipecli.embedding.sigmoid import exponentials, fit, largest_error


def value(waves, decays, r):
    """Sum the exponentials at r as their docstring has it."""
    waves, decays = waves.astype(float), decays.astype(float)
    squares = np.square(r)[:, None] / 2
    turning = (waves[:, 2] + 1j * waves[:, 3]) * np.exp(-squares * (waves[:, 0] + 1j * waves[:, 1]))
    return turning.real.sum(1) + (decays[:, 1] * np.exp(-squares * decays[:, 0])).sum(1)


@pytest.mark.parametrize("slope", [0.3, 10.0])
@pytest.mark.parametrize("offset", [-8.0, -3, -0.5, 0, 1, 1.8, 2.4, 3, 4, 5.2, 7, 9, 10.5, 12, 14])
def test_the_sum_is_the_sigmoid(slope, offset):
    r = np.concatenate([np.linspace(0, 30, 2000), [50, 1000]])
    wanted = 0.9 / (1 + np.exp(np.minimum(r - offset, 80)))
    got = value(*exponentials(slope, offset), r / slope)
    error = np.abs(got - wanted) / np.minimum(0.003, 0.001 + 0.02 * wanted)
    assert error.max() < 1.02
    assert error.max() == pytest.approx(largest_error(offset), abs=0.05)
    assert (exponentials(slope, offset)[0][:, 1] >= 0).all()  # as the kernels take them


def test_a_wave_stands_for_its_conjugate():
    waves, decays = np.array([1.4 - 1.1j]) / 3.6**2, np.array([0.8, 42.0]) / 3.6**2
    turned, _ = fit(3.6, waves, decays)
    assert (turned.imag >= 0).all()
    np.testing.assert_allclose(turned, fit(3.6, waves.conj(), decays)[0], rtol=1e-3)


def test_the_model_that_comes_with_vipe_needs_no_fit():
    model = Model.load()
    for slope, offset in (model.sigmoid, model.without_vertical().sigmoid):
        for softness in (1.0, SOFTNESS):
            waves, decays = exponentials(slope / softness, offset / softness)
            assert len(waves) + len(decays) <= 4
            assert largest_error(offset / softness) < 0.75


def test_a_steep_step_is_met_less_well():
    assert 1 < largest_error(24.0) < 30
