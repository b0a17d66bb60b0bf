"""Who is meant, where clips show several people: those who match each other best."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.align import align
from vipecli.alignment.multiscale import thinned
from vipecli.alignment.settings import Mirror, Settings, Witness
from vipecli.alignment.shift_between import Evidence
from vipecli.alignment.shift_score import Table
from vipecli.alignment.sound_shift import LEAST_SOUND, sound_shift
from vipecli.alignment.takes import Clip
from vipecli.alignment.witnesses import AGREE_S
from vipecli.embedding.distance import window_distance
from vipecli.embedding.model import Embeddings, Model

CELLS = 1 << 18
"""Pairs of frames at which two people are compared, at most: an even choice of frames."""

FIRST = 1.1
"""The largest person of both clips counts this much more: of near equals they are meant."""

_ROUNDS = 3  # in which each clip's person is chosen again


def choose_people(
    candidates: Sequence[Sequence[Clip]],
    model: Callable[[], Model],
    *,
    reference: int | str = 0,
    settings: Settings | None = None,
) -> list[Clip]:
    """One person of each clip: those who fit each other best.

    Taken are the people whose matches have the most evidence in all. That of a warp, with the
    reference, is by how much the frames along the path are nearer than unrelated ones, so that two
    who stand still do not fit better than two who move alike; that of a shift, of all pairs of
    clips, is its score, `shift_score`, times the same; near the shift of the sound where there is
    one.

    Parameters
    ----------
    candidates
        of each clip, the largest person first; as takes of one file.
    model, reference, settings
        as in `takes.match_clips`; of ``best`` the first clip is compared with all others.
    """
    if all(len(people) == 1 for people in candidates):
        return [people[0] for people in candidates]
    settings, anchor = settings or Settings(), reference if isinstance(reference, int) else 0
    tables = _tables(candidates, anchor, model, settings)
    choices = [
        _improved(_with(person, anchor, tables, len(candidates)), tables)
        for person in range(len(candidates[anchor]))
    ]
    best = max(choices, key=lambda choice: _total(choice, tables))
    return [people[place] for people, place in zip(candidates, best, strict=True)]


_Tables = dict[tuple[int, int], NDArray[np.float64]]  # of two clips: evidence of each two people


def _tables(
    candidates: Sequence[Sequence[Clip]],
    anchor: int,
    model: Callable[[], Model],
    settings: Settings,
) -> _Tables:
    """Evidence of all pairs of people, of pairs of clips both ways; of warps with the anchor."""
    tables: _Tables = {}
    for i, j in itertools.combinations(range(len(candidates)), 2):
        if not settings.clock and anchor not in (i, j):
            continue
        near = _heard(candidates[i][0], candidates[j][0], settings)
        scores = [
            [_evidence(own, other, model, settings, near) for other in candidates[j]]
            for own in candidates[i]
        ]
        table = np.array(scores)
        table[0, 0] *= FIRST
        tables[i, j], tables[j, i] = table, table.T
    return tables


def _with(person: int, anchor: int, tables: _Tables, count: int) -> list[int]:
    """Person of the anchor, and of each other clip whoever matches that one best."""
    return [
        person if clip == anchor else int(tables[anchor, clip][person].argmax())
        for clip in range(count)
    ]


def _improved(choice: list[int], tables: _Tables) -> list[int]:
    """Choice in which no other person of one clip matches those of all the others better."""
    for _ in range(_ROUNDS):
        for clip in range(len(choice)):
            rows = [table[:, choice[j]] for (i, j), table in tables.items() if i == clip]
            choice[clip] = int(np.sum(rows, axis=0).argmax())
    return choice


def _total(choice: list[int], tables: _Tables) -> float:
    return sum(float(table[choice[i], choice[j]]) for (i, j), table in tables.items())


def _heard(a: Clip, b: Clip, settings: Settings) -> float | None:
    """Shift of two clips by their sound, where that is asked and clear."""
    if not settings.clock or settings.by is Witness.POSES:
        return None
    heard = sound_shift(a.sound, b.sound)
    score, shift = heard.best if heard else (0.0, 0.0)
    return shift if score >= LEAST_SOUND else None


def _evidence(
    a: Clip, b: Clip, model: Callable[[], Model], settings: Settings, near: float | None
) -> float:
    """How much better two people match than chance; 0 and more."""
    if settings.clock:
        own, other = a.rises, b.rises
        known = None if own is None or other is None else (own, other)
        seen = Evidence.of(a.embeddings, b.embeddings, known, CELLS)
        return _of_shift(seen.table, near)
    sides = list[Embeddings]()
    if settings.mirror is not Mirror.YES:
        sides.append(b.embeddings)
    if settings.mirror is not Mirror.NO:
        sides.append(b.mirror_image(model))
    return max(0.0, *(_contrast(a.embeddings, side, settings) for side in sides))


def _of_shift(table: Table, near: float | None) -> float:
    """Score of the best shift, or of the best near one, times how much nearer its frames are."""
    scores = table.scores()
    score, shift = scores.best if near is None else (scores.near(near, AGREE_S), near)
    if not table.moves or not np.isfinite(shift):
        return 0.0
    nearer = float(np.nanmean(table.costs)) - table.mean_cost(shift, 1.0)
    return max(score, 0.0) * max(nearer, 0.0)


def _contrast(a: Embeddings, b: Embeddings, settings: Settings) -> float:
    """How much nearer the frames along the path are than unrelated ones."""
    few = thinned(a, b, CELLS)
    unrelated = float(window_distance(*few).mean())
    return unrelated - align(*few, ends=settings.ends.value).cost
