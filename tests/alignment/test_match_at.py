"""The match at any moment of a clip."""

import numpy as np
import pytest

from vipecli.alignment.warping_path import Alignment, Span, match_at
from vipecli.embedding.distance import FLOOR, match_of


def alignment(*unmatched):
    times = np.arange(1, 4.0)
    distance = np.array([0.3, 0.6, 1.5], np.float32)
    path = np.stack([times, times], axis=1).astype(np.int32)
    p = np.array([0.9, 0.5, 0.2], np.float32)
    return Alignment(path, 0.8, times, times + 10, distance, p, "demo:0", unmatched)


def test_the_match_is_one_less_the_share_of_the_largest_distance():
    np.testing.assert_allclose(match_of(np.array([0.0, -np.log(FLOOR), 9])), [1, 0, 0], atol=1e-6)
    got = alignment()
    assert got.match.mean() == pytest.approx(1 - got.distance.mean() / -np.log(FLOOR), abs=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_the_match_holds_to_the_ends_of_the_clip(missing):
    one = alignment(*[Span("a", 3.0, 3.0 + missing)] * bool(missing))
    match, p = match_at(one, np.array([0.9, 1.5, 3.1]))
    np.testing.assert_allclose(match, [one.match[0], one.match[:2].mean(), one.match[2]], atol=1e-6)
    np.testing.assert_allclose(p, [0.9, 0.7, 0.2], atol=1e-6)


def test_there_is_none_where_the_other_clip_waits():
    one = alignment(Span("a", 3.0, 4.0), Span("b", 10.0, 11.0))
    match, p = match_at(one, np.array([0.5, 3.0, 3.2]))
    np.testing.assert_allclose(match, [one.match[0], one.match[2], 0], atol=1e-6)
    assert p[2] == FLOOR
    match, _ = match_at(one, np.array([10.5, 14.0]), onto="b")
    np.testing.assert_allclose(match, [0, one.match[2]], atol=1e-6)
