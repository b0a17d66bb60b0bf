"""Figures of merit: arrays in, numbers out."""

from collections.abc import Hashable, Sequence

import numpy as np

from vipecli import _kernels

MATCH_AT = 0.1
"""NP-MPJPE up to which two poses count as the same (paper, section 4.2)."""

LEAST_INDEX_CLIPS = 2
"""An action with fewer clips in a one-view index is left out (paper, section 4.4)."""


def np_mpjpe(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Distance in 3D of every pose of p to every pose of q (paper, section 3.1).

    Both poses in units of mid-hip to mid-shoulder, p turned, scaled and moved onto q (Procrustes,
    no reflections), then the mean distance of the joints.

    Parameters
    ----------
    p, q
        shapes (P, 13, 3) and (Q, 13, 3), any unit, joints as in `skeleton.JOINTS`.

    Returns
    -------
    shape (P, Q) float32; NaN where a pose has a NaN. Not quite symmetric: the unit is q's.

    Raises
    ------
    ValueError
        if a shape is another.

    Examples
    --------
    >>> pose = np.random.default_rng(0).normal(size=(1, 13, 3))
    >>> bool(np_mpjpe(pose, 3 * pose + 1)[0, 0] < 1e-6)
    True
    """
    _check_poses(p, q)
    return _kernels.np_mpjpe_matrix(np.ascontiguousarray(p), np.ascontiguousarray(q))


def np_mpjpe_pairs(p: np.ndarray, q: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """`np_mpjpe` of the pairs (i, j) only, shape (K, 2) integers: of p[i] and q[j]; shape (K,)."""
    _check_poses(p, q)
    return _kernels.np_mpjpe_pairs(
        np.ascontiguousarray(p), np.ascontiguousarray(q), np.ascontiguousarray(pairs, np.int64)
    )


def _check_poses(*poses: np.ndarray) -> None:
    for array in poses:
        if array.ndim != 3 or array.shape[1:] != (13, 3):
            raise ValueError(f"poses have shape {array.shape}; expected (P, 13, 3)")


def hit_at_k(
    distances: np.ndarray, matches: np.ndarray, ks: Sequence[int] = (1, 10, 20)
) -> dict[int, float]:
    """Share of queries with a match among the k nearest items (paper, section 4.2).

    Parameters
    ----------
    distances
        shape (Q, I); inf or NaN for an item that this query must not retrieve.
    matches
        shape (Q, I) bool.
    ks
        each at least 1.

    Returns
    -------
    Share in [0, 1] per k. Of equally near items the wrong ones come first, so that an embedding
    that gives all poses the same point scores nothing. A query without any match is a miss.

    Raises
    ------
    ValueError
        if there is no query, or the shapes differ.
    """
    if distances.shape != matches.shape or not len(distances):
        raise ValueError(f"distances {distances.shape} and matches {matches.shape} do not fit")
    distances = np.where(np.isnan(distances), np.inf, distances)
    nearest = np.where(matches, distances, np.inf).min(axis=1)
    before = (~matches & (distances <= nearest[:, None])).sum(axis=1)
    before = np.where(np.isinf(nearest), np.iinfo(np.int64).max, before)
    return {k: float((before < k).mean()) for k in ks}


def kendall_tau(neighbours: np.ndarray) -> float:
    """Tau-b between the order of frames and the order of their neighbours in another clip.

    Parameters
    ----------
    neighbours
        shape (T,): for frame i of one clip, the nearest frame of the other.

    Returns
    -------
    1 where the neighbours only move forward, -1 where they only move back; pairs of frames with the
    same neighbour count as ties. NaN where all neighbours are equal, or there are fewer than two.
    """
    n = len(neighbours)
    if n < 2:
        return float("nan")
    first, second = np.triu_indices(n, 1)
    signs = np.sign(neighbours[second].astype(np.int64) - neighbours[first])
    untied = np.count_nonzero(signs)
    if not untied:
        return float("nan")
    return float(signs.sum() / np.sqrt(untied * len(signs)))


def one_nn_correct(
    distances: np.ndarray,
    queries: Sequence[Hashable],
    index: Sequence[Hashable],
    allowed: np.ndarray | None = None,
) -> np.ndarray:
    """Queries whose nearest item has their label.

    Parameters
    ----------
    distances
        shape (Q, I), no NaN.
    queries, index
        labels, lengths Q and I.
    allowed
        shape (Q, I) bool: items that a query may be compared with; None = all.

    Returns
    -------
    shape (Q,) bool. Of equally near items the wrong ones come first; a query that may be compared
    with nothing is wrong.
    """
    if allowed is not None:
        distances = np.where(allowed, distances, np.inf)
    same = np.asarray(queries)[:, None] == np.asarray(index)
    right = np.where(same, distances, np.inf).min(axis=1, initial=np.inf)
    wrong = np.where(same, np.inf, distances).min(axis=1, initial=np.inf)
    return right < wrong


def one_nn_accuracy(
    distances: np.ndarray,
    queries: Sequence[Hashable],
    index: Sequence[Hashable],
    allowed: np.ndarray | None = None,
) -> float:
    """Share in [0, 1] of the queries whose nearest item has their label; see `one_nn_correct`."""
    return _mean(one_nn_correct(distances, queries, index, allowed))


def one_view_accuracy(
    distances: np.ndarray,
    queries: Sequence[Hashable],
    index: Sequence[Hashable],
    views: Sequence[Hashable],
    allowed: np.ndarray | None = None,
) -> dict[Hashable, float]:
    """1-NN accuracy with an index of one viewpoint, for every viewpoint (paper, section 4.4).

    All queries are asked, whatever their viewpoint; actions with fewer than two items of the index
    in that viewpoint are left out, of the queries and of the index.

    Parameters
    ----------
    distances, queries, index, allowed
        as in `one_nn_correct`.
    views
        viewpoint of each item of the index.

    Returns
    -------
    Accuracy in [0, 1] per viewpoint, in sorted order; NaN where no action is left. The paper's
    figure is their mean.
    """
    queries, index, views = (np.asarray(x) for x in (queries, index, views))
    out = {}
    for view in np.unique(views):
        names, counts = np.unique(index[views == view], return_counts=True)
        kept = names[counts >= LEAST_INDEX_CLIPS]
        items, asked = (views == view) & np.isin(index, kept), np.isin(queries, kept)
        cells = np.ix_(asked, items)
        part = None if allowed is None else allowed[cells]
        out[view.item()] = one_nn_accuracy(distances[cells], queries[asked], index[items], part)
    return out


def without_hubs(
    distances: np.ndarray, index: np.ndarray, members: np.ndarray | None = None, *, k: int = 50
) -> np.ndarray:
    """Distances less half the mean distance of each item to its k nearest items (CSLS).

    Some clips are near to everything and draw the queries of all actions; this takes back their
    advantage.

    Parameters
    ----------
    distances
        shape (Q, I), queries to the index.
    index
        shape (I, I), the index to itself; the diagonal is not read.
    members
        shape (Q,) bool: queries that are items of the index themselves and are left out for
        themselves: their own distance does not enter the mean of their neighbours. None = no.
    k
        neighbours; fewer where the index is smaller.

    Returns
    -------
    shape (Q, I); may be negative.
    """
    index = index.astype(np.float64)
    np.fill_diagonal(index, np.inf)
    k = min(k, len(index) - 2)
    if k < 1:
        return distances
    nearest = np.sort(index, axis=1)[:, : k + 1]
    mean = np.broadcast_to(nearest[:, :k].mean(axis=1), distances.shape)
    if members is not None:
        enters = members[:, None] & (distances <= nearest[:, k - 1])
        mean = mean + np.where(enters, nearest[:, k] - distances, 0) / k
    return distances - 0.5 * mean


def reliability(
    probability: np.ndarray, matched: np.ndarray, *, bins: int = 10
) -> list[dict[str, float]]:
    """How often pairs match, by the probability that was given to them.

    Parameters
    ----------
    probability
        shape (K,), in [0, 1].
    matched
        shape (K,) bool.
    bins
        number of equal parts of [0, 1]; a value on an edge belongs to the upper part, 1 to the
        last.

    Returns
    -------
    One row per part that holds a pair: `from`, `to`, `count`, mean `probability`, share `matched`.
    """
    part = np.minimum((probability * bins).astype(np.int64), bins - 1)
    rows = []
    for b in np.unique(part):
        chosen = part == b
        rows.append(
            {
                "from": b / bins,
                "to": (b + 1) / bins,
                "count": int(chosen.sum()),
                "probability": float(probability[chosen].mean(dtype=np.float64)),
                "matched": float(matched[chosen].mean()),
            }
        )
    return rows


def expected_calibration_error(
    probability: np.ndarray, matched: np.ndarray, *, bins: int = 10
) -> float:
    """Mean distance of the given probability to the share that matches, over `reliability`.

    Parts are weighted by their number of pairs; in [0, 1], 0 is best.
    """
    rows = reliability(probability, matched, bins=bins)
    gaps = sum(row["count"] * abs(row["probability"] - row["matched"]) for row in rows)
    return gaps / len(probability) if len(probability) else float("nan")


def pck(
    predicted: np.ndarray, truth: np.ndarray, scale: np.ndarray, *, within: float = 0.5
) -> float:
    """Share of joints within a distance of the truth (percentage of correct keypoints).

    Parameters
    ----------
    predicted, truth
        shape (T, J, C). A joint without truth is not counted, one without prediction is wrong.
    scale
        shape (T,): unit of `within` in each frame, for example the length of the torso.
    within
        in units of `scale`; a joint exactly that far off is right.

    Returns
    -------
    Share in [0, 1]; NaN where no joint has a truth.
    """
    known = np.isfinite(truth).all(axis=-1)
    error = np.linalg.norm(predicted - truth, axis=-1) / scale[:, None]
    return _mean((error <= within)[known])


def _mean(correct: np.ndarray) -> float:
    return float(correct.mean()) if correct.size else float("nan")
