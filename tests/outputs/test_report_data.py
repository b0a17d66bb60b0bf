"""Numbers of a report: the matrix of distances, the speed of B."""

import base64
from dataclasses import replace

import numpy as np
import pytest

from vipecli.embedding.embed import Embeddings
from vipecli.outputs.report_data import evenly, matrix, speed_of_b


def embeddings(frames: int, *, std: float = 0.05) -> Embeddings:
    """Embeddings of frames at 25 a second; nobody is seen in frames 4 and 5."""
    mean = np.random.default_rng(0).normal(size=(frames, 16)).astype(np.float32)
    mean[4:6] = np.nan
    spread = np.where(np.isnan(mean), np.nan, std).astype(np.float32)
    return Embeddings(mean, spread, np.arange(frames) / 25, "demo:0", (10.0, 9.0))


def test_speed_of_b():
    a = np.arange(40) / 20
    b = np.concatenate([np.zeros(10), a[:20] / 2, np.full(10, a[19] / 2)])
    ratio = speed_of_b(a, b, 20.0)
    assert np.isnan(ratio[:9]).all() and np.isnan(ratio[-9:]).all()
    np.testing.assert_allclose(ratio[10:30], 2)  # up to the waits, which do not count
    np.testing.assert_allclose(speed_of_b(b[10:30], a[10:30], 20.0), 0.5)


def test_the_matrix_is_thinned_where_it_is_large():
    clip = embeddings(30)
    got = matrix(clip, clip)
    cells = np.frombuffer(base64.b64decode(got["cells"]), np.uint8).reshape(30, 30)
    assert (np.diag(cells)[[0, 12, 29]] < cells.mean()).all()
    assert (cells[4:6] == 255).all() and (cells[:, 4:6] == 255).all()
    assert got["a"] == [0.0, pytest.approx(29 / 25)]
    assert matrix(embeddings(700), clip)["rows"] == 480


def test_cells_of_uneven_film_stand_at_their_time():
    clip = embeddings(9)
    assert evenly(clip, 100).times.tolist() == clip.times.tolist()
    late = replace(clip, times=np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 2.0]))
    shown = evenly(late, 5)
    assert shown.times.tolist() == [0, 0.5, 0.7, 2.0, 2.0], "nearest to 0, 0.5, 1, 1.5, 2"
    assert len(evenly(embeddings(1), 5)) == 1
