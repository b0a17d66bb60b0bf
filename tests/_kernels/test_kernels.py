"""Every kernel against its plain-Python twin, on awkward inputs."""

import subprocess
import sys

import numpy as np
import pytest

from tests import naive
from vipecli import _kernels

SHAPES = [(1, 1), (1, 7), (7, 1), (2, 2), (2, 40), (40, 2), (9, 9), (13, 31), (31, 13)]


def costs(shape, *, ties=False, seed=0):
    rng = np.random.default_rng(seed + shape[0] * 100 + shape[1])
    values = rng.integers(1, 4, shape) if ties else rng.uniform(0.05, 3, shape)
    return values.astype(np.float32)


def path_of(cost, width=1.0, skip_a=np.inf, skip_b=np.inf, diagonal=1.0):
    low, high = _kernels.band_limits(*cost.shape, width)
    return _kernels.dtw_path(cost, low, high, skip_a, skip_b, diagonal)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("width", [1.0, 0.3, 0.05, 1e-6])
@pytest.mark.parametrize("shape", SHAPES)
def test_dtw_path_equals_twin(shape, width, ties):
    cost = costs(shape, ties=ties)
    for diagonal in (1.0, 1.25):
        path, total = path_of(cost, width, diagonal=diagonal)
        want, want_total = naive.dtw(cost, width, diagonal=diagonal)
        np.testing.assert_array_equal(path, want)
        assert total == pytest.approx(want_total)
        assert path[0].tolist() == [0, 0]
        assert path[-1].tolist() == [shape[0] - 1, shape[1] - 1]


@pytest.mark.parametrize("skips", [(np.inf, 0), (0, np.inf), (1, 1), (0.5, 2), (4, 4)])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_open_ends_equal_twin(shape, ties, skips):
    cost = costs(shape, ties=ties)
    for width, diagonal in ((1.0, 1.0), (1.0, 1.25), (0.3, 1.5)):
        path, total = path_of(cost, width, *skips, diagonal)
        want, want_total = naive.dtw(cost, width, *skips, diagonal)
        np.testing.assert_array_equal(path, want)
        assert total == pytest.approx(want_total)


@pytest.mark.parametrize("skips", [(np.inf, np.inf), (0.5, 2), (0, 0)])
@pytest.mark.parametrize("width", [1.0, 0.3, 0.05])
@pytest.mark.parametrize("shape", SHAPES)
def test_costs_of_the_band_alone_give_the_same_path(shape, width, skips):
    cost = costs(shape, ties=True)
    low, high = _kernels.band_limits(*shape, width)
    packed = np.full((shape[0], (high - low).max() + 1), np.nan, np.float32)
    for i in range(shape[0]):
        packed[i, : high[i] - low[i]] = cost[i, low[i] : high[i]]
    path, total = _kernels.dtw_band(packed, shape[1], low, high, *skips, 1.25)
    want, want_total = naive.dtw(cost, width, *skips, diagonal=1.25)
    np.testing.assert_array_equal(path, want)
    assert total == pytest.approx(want_total)


@pytest.mark.parametrize("shape", SHAPES)
def test_band_is_symmetric_and_equals_twin(shape):
    n, m = shape
    for width in (1.0, 0.31, 0.04):
        keep = np.zeros((n, m), bool)
        for i, (low, high) in enumerate(zip(*_kernels.band_limits(n, m, width), strict=True)):
            keep[i, low:high] = True
        want = [[naive.inside(i, j, n, m, width) for j in range(m)] for i in range(n)]
        np.testing.assert_array_equal(keep, want)
        turned = np.zeros((m, n), bool)
        for j, (low, high) in enumerate(zip(*_kernels.band_limits(m, n, width), strict=True)):
            turned[j, low:high] = True
        np.testing.assert_array_equal(keep, turned.T)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_dtw_mean_equals_twin(shape, ties):
    cost = costs(shape, ties=ties)
    assert mean_of(cost) == pytest.approx(naive.dtw_mean(cost), rel=1e-6)


def mean_of(cost, limit=np.inf):
    m = cost.shape[1]
    return _kernels.dtw_mean(cost, limit, np.empty((2, m)), np.empty((2, m), np.int32))


@pytest.mark.parametrize("seed", range(20))
def test_abandoning_is_exact(seed):
    rng = np.random.default_rng(seed)
    cost = costs((int(rng.integers(1, 60)), int(rng.integers(1, 60))), seed=seed)
    mean = mean_of(cost)
    assert mean_of(cost, mean * (1 + 1e-9)) == mean, "the best clip itself was abandoned"
    for limit in (0.06, 0.5 * mean, 0.9 * mean):
        assert mean_of(cost, limit) in (mean, np.inf)
    assert mean_of(costs((40, 40)) + 1, 0.1) == np.inf, "a hopeless table was not abandoned"


def distance_with_holes(shape):
    distance = costs(shape)
    distance[:: max(shape[0] // 3, 2)] = np.nan
    distance[:, 1::4] = np.nan
    return distance


@pytest.mark.parametrize("shape", SHAPES)
def test_atrous_regular_equals_twin(shape):
    n, m = shape
    distance = distance_with_holes(shape)
    offsets_a, offsets_b = np.arange(-9, 10, 3), np.arange(-6, 7, 2)
    out = np.empty(shape, np.float32)
    missing = np.float32(naive.MISSING_COST)
    got = _kernels.atrous_regular(distance, offsets_a, offsets_b, missing)
    taps_a = [[x if 0 <= (x := i + o) < n else -1 for o in offsets_a] for i in range(n)]
    taps_b = [[y if 0 <= (y := j + o) < m else -1 for o in offsets_b] for j in range(m)]
    want = naive.atrous(distance, taps_a, taps_b)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    _kernels.atrous_taps(distance, np.array(taps_a), np.array(taps_b), missing, out)
    np.testing.assert_allclose(out, want, rtol=1e-5)


def mean_path_of(cost, turn, *, low=None, high=None, at=0, level=None):
    n, m = cost.shape[0], cost.shape[1] + at
    low = np.zeros(n, np.int64) if low is None else low
    high = np.full(n, m, np.int64) if high is None else high
    level = np.zeros(n + m - 1) if level is None else level
    return _kernels.mean_path(
        cost, np.full(n, at, np.int64), low, high, level, _kernels.MOVES, turn
    )


def turns(seed):
    turn = np.random.default_rng(seed).uniform(0.1, 1, (len(_kernels.MOVES),) * 2)
    np.fill_diagonal(turn, 1)
    return turn


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (2, 2), (3, 5), (5, 3), (4, 4), (2, 6)])
def test_mean_path_equals_all_paths_listed(shape):
    cost, turn = costs(shape), turns(shape[0])
    want = naive.mean_path(cost, _kernels.MOVES, turn)
    np.testing.assert_allclose(mean_path_of(cost, turn), want, atol=1e-9)
    level = 3 * np.sin(np.arange(sum(shape) - 1.0))  # says how sums are scaled, and nothing else
    np.testing.assert_allclose(mean_path_of(cost, turn, level=level), want, atol=1e-9)


def test_mean_path_stays_within_limits():
    cost, turn = costs((5, 6)), turns(1)
    low, high = np.array([0, 0, 1, 2, 3]), np.array([2, 4, 5, 6, 6])
    walled = np.full(cost.shape, 1e4, np.float32)
    for i in range(5):
        walled[i, low[i] : high[i]] = cost[i, low[i] : high[i]]
    want = naive.mean_path(walled, _kernels.MOVES, turn)
    got = mean_path_of(np.where(walled < 1e4, cost, np.nan), turn, low=low, high=high)
    np.testing.assert_allclose(got, want, atol=1e-9)


def test_mean_path_of_two_frames_by_hand():
    # one step in both clips costs 2 c, and two in turn c of the corner passed and c of the end
    cost = np.array([[9, 0.7], [0.2, 0.5]], np.float32)
    turn = np.ones((len(_kernels.MOVES),) * 2)
    both, right, down = np.exp([-2 * 0.5, -0.7 - 0.5, -0.2 - 0.5])
    want = (0.5 * both + 0 * right + 1 * down) / (both + right + down)
    np.testing.assert_allclose(mean_path_of(cost, turn), [0, want, 1], rtol=1e-6)


def test_mean_path_of_a_long_pause_does_not_run_out_of_numbers():
    cost = np.full((40, 3000), 2, np.float32)
    cost[20] = 1
    path = np.r_[cost[:20, 0], cost[20], cost[21:, -1]]
    got = mean_path_of(cost, turns(0), level=np.cumsum(path, dtype=float))
    assert np.isfinite(got).all()
    assert np.abs(got[100:2900] - 20).max() < 0.5


@pytest.mark.parametrize("dims", [1, 3, 16, 18])
def test_nearest_under_plain_warping_equals_twin(dims):
    from vipecli.index.euclidean_dtw import Series

    rng = np.random.default_rng(dims)
    series = [rng.normal(size=(t, dims)).cumsum(axis=0) for t in (1, 2, 7, 8, 9, 30, 5, 21) * 3]
    searched = Series(series)
    for t in (1, 2, 16, 23):
        query = rng.normal(size=(t, dims)).cumsum(axis=0)
        squares = [np.square(query[:, None] - one).sum(axis=2) for one in series]
        want = [naive.dtw(cost)[1] for cost in squares]
        place, distance = searched.nearest(query)
        assert place == np.argmin(want)
        assert distance == pytest.approx(np.sqrt(min(want)), rel=1e-5)
    place, distance = searched.nearest(series[11])
    assert (place, distance) == (11, 0)


def awkward_poses():
    rng = np.random.default_rng(0)
    p = rng.normal(size=(12, 13, 3))
    q = rng.normal(size=(10, 13, 3))
    q[0] = 3 * p[0] + 1  # the same pose
    q[1] = p[1] * [-1, 1, 1]  # its mirror image
    p[2, :, 2] = 0  # flat, so that mirror images are ambiguous
    q[2] = p[2] * [-1, 1, 1]
    p[3] = np.outer(rng.normal(size=13), [1, 2, 3])  # on a line: the best turn is ambiguous
    q[3] = 2 * p[3]
    q[6] = -p[6]
    p[4, 3] = np.nan
    q[5, 0, 1] = np.nan
    return p, q


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_np_mpjpe_equals_singular_values(dtype):
    p, q = (x.astype(dtype) for x in awkward_poses())
    want = [[naive.np_mpjpe(x, y) for y in q] for x in p]
    got = _kernels.np_mpjpe_matrix(p, q)
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert got[0, 0] < 1e-6 < got[1, 1], "a mirror image must not match"
    pairs = np.array([(i, j) for j in range(len(q)) for i in range(len(p))])
    listed = _kernels.np_mpjpe_pairs(p, q, pairs)
    np.testing.assert_allclose(listed.reshape(len(q), len(p)).T, want, atol=1e-6)


def test_np_mpjpe_does_not_see_place_turn_or_size():
    rng = np.random.default_rng(1)
    p = rng.normal(size=(5, 13, 3))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = 0.3 * p @ turn + [5, -2, 1]
    got = _kernels.np_mpjpe_matrix(p, moved)
    np.testing.assert_allclose(np.diag(got), 0, atol=1e-6)
    np.testing.assert_allclose(got, _kernels.np_mpjpe_matrix(p, p), atol=1e-6)


def test_a_new_process_loads_compiled_code():
    from vipecli.alignment.same_action import warm_up

    warm_up()  # so that the code is in the cache
    code = """
from vipecli import _kernels
from vipecli.alignment.same_action import warm_up
warm_up()
kernels = [kernel for kernel in vars(_kernels).values() if getattr(kernel, "signatures", None)]
print(len(kernels), sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    used, compiled = map(int, found.stdout.split())
    assert used > 0
    assert compiled == 0


@pytest.mark.parametrize("shape", [(2, 2), (2, 40), (18, 6)])
def test_colours_equal_their_definition(shape):
    rng = np.random.default_rng(1)
    for image in (
        rng.integers(0, 256, (*shape, 3), np.uint8),
        rng.choice(np.uint8([0, 255]), (*shape, 3)),
        np.full((*shape, 3), 255, np.uint8),
    ):
        # planes have room at the end of their rows
        y, u, v = (np.full((shape[0] // k, shape[1] // k + 3), 7, np.uint8) for k in (1, 2, 2))
        _kernels.bgr_to_yuv420(image, y, u, v)
        for got, want in zip((y, u, v), naive.bgr_to_yuv420(image), strict=True):
            assert np.abs(got[:, :-3] - want).max() <= 0.51
            assert (got[:, -3:] == 7).all()


@pytest.mark.parametrize("shape", [(8, 12), (7, 13), (1, 1)])
def test_encoded_colours_as_they_are_drawn(shape):
    rng = np.random.default_rng(2)
    half = (shape[0] + 1) // 2, (shape[1] + 1) // 2
    y, u, v = (rng.integers(0, 256, s, np.uint8) for s in (shape, half, half))
    image = np.empty((*shape, 3), np.uint8)
    _kernels.yuv420_to_bgr(y, u, v, image)
    assert np.abs(image - naive.yuv420_to_bgr(y, u, v)).max() <= 0.52


@pytest.mark.parametrize("steps", [2, 5, 33])
def test_colours_of_a_table(steps):
    rng = np.random.default_rng(3)
    table = rng.uniform(0, 255, (steps, steps, steps, 3)).astype(np.float32)
    image = rng.integers(0, 65536, (6, 9, 3)).astype(np.uint16)
    image[0], image[1], image[2, :, 1] = 0, 65535, image[2, :, 0]  # corners, and equal fractions
    out = np.empty(image.shape, np.uint8)
    _kernels.look_up_colours(image, table, out)
    want = [[naive.look_up_colour(colour, table) for colour in row] for row in image]
    assert np.abs(out - np.array(want)).max() <= 0.51
