"""Kendall's tau: order of the nearest frames of two clips of one action."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from vipecli.embedding.distance import frame_costs, order_distance
from vipecli.embedding.embed import Embeddings
from vipecli.evaluate.metrics import kendall_tau
from vipecli.index.penn_action import PennClip

TAU_STEP = 5
"""Kendall's tau uses every 5th frame of both clips (TCC, section 4.3)."""

NO_ORDER = ("jump_rope", "strum_guitar")
"""Actions without an order of phases, left out of Kendall's tau (TCC, section 4.1)."""


def tau_pairs(
    embeddings: Sequence[Embeddings],
    clips: Sequence[PennClip],
    *,
    progress: Callable[[int], object] | None = None,
) -> list[tuple[int, int, float]]:
    """Kendall's tau of every ordered pair of clips of one action; see `tau`.

    Returns
    -------
    Rows (i, j, tau): the neighbours in clip j of the frames of clip i. Pairs for which tau is not
    defined, because one frame is nearest to all, are left out as in TCC.
    """
    out = []
    for i, j in _same_action(clips):
        a, b = embeddings[i], embeddings[j]
        near = order_distance(frame_costs(a, b), a.times, b.times)[::TAU_STEP, ::TAU_STEP]
        out.append((i, j, kendall_tau(near.argmin(axis=1))))
        out.append((j, i, kendall_tau(near.argmin(axis=0))))
        if progress:
            progress(1)
    return [row for row in out if not math.isnan(row[2])]


def tau_count(clips: Sequence[PennClip]) -> int:
    """Number of times that `tau_pairs` calls `progress`."""
    return sum(1 for _ in _same_action(clips))


def _same_action(clips: Sequence[PennClip]) -> Iterator[tuple[int, int]]:
    """Unordered pairs of clips of one action that has an order of phases."""
    for i, first in enumerate(clips):
        if first.action in NO_ORDER:
            continue
        for j in range(i + 1, len(clips)):
            if clips[j].action == first.action:
                yield i, j


def tau(
    pairs: Sequence[tuple[int, int, float]],
    clips: Sequence[PennClip],
    kept: np.ndarray | None = None,
) -> dict[str, Any]:
    """Kendall's tau as TCC defines it (Dwibedi et al. 2019, section 4.1).

    For all ordered pairs of clips of one action: the nearest of every 5th frame of the second clip
    to every 5th frame of the first, and tau-b between the two orders; mean over the pairs, then
    over the actions. Near is meant in the atrous frame distance, taps inside the clips only, at
    the full frame rate (`distance.order_distance`): one frame alone cannot tell the way down from
    the way up.

    Parameters
    ----------
    pairs, clips
        from `tau_pairs`, and the clips that they number.
    kept
        shape (C,) bool: pairs with other clips do not count; None = all.

    Returns
    -------
    `kendall_tau` (NaN where no action has two clips); `kendall_tau_same_view` and
    `kendall_tau_other_views`, over the pairs filmed from the same or from different viewpoints;
    `kendall_tau_per_action`.
    """
    rows: dict[str, list[tuple[bool, float]]] = {}
    for i, j, value in pairs:
        if kept is None or (kept[i] and kept[j]):
            same = clips[i].viewpoint == clips[j].viewpoint
            rows.setdefault(clips[i].action, []).append((same, value))

    def mean(wanted: tuple[bool, ...]) -> dict[str, float]:
        chosen = {a: [t for same, t in rows[a] if same in wanted] for a in sorted(rows)}
        return {a: float(np.mean(values)) for a, values in chosen.items() if values}

    return {
        "kendall_tau": _mean(every := mean((True, False))),
        "kendall_tau_same_view": _mean(mean((True,))),
        "kendall_tau_other_views": _mean(mean((False,))),
        "kendall_tau_per_action": every,
    }


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values()))) if values else math.nan
