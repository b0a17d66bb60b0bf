"""Who is meant, where clips show several people: those who match each other best."""

from collections.abc import Callable, Sequence

from vipecli.alignment.align import align
from vipecli.alignment.multiscale import thinned
from vipecli.alignment.settings import Mirror, Settings
from vipecli.alignment.shift_between import Evidence
from vipecli.alignment.takes import Clip
from vipecli.embedding.distance import window_distance
from vipecli.embedding.model import Embeddings, Model

CELLS = 1 << 18
"""Pairs of frames at which two people are compared, at most: an even choice of frames."""

FIRST = 1.1
"""The largest person of both clips counts this much more: of near equals they are meant."""


def choose_people(
    candidates: Sequence[Sequence[Clip]],
    model: Callable[[], Model],
    *,
    reference: int | str = 0,
    settings: Settings | None = None,
) -> list[Clip]:
    """One person of each clip: those who fit each other best.

    Each person of the reference is compared with each person of every other clip; taken is the one
    whose best matches have the most evidence in all, and these. The evidence of a shift is its
    score, `shift_score`; that of a warp, by how much the frames along the path are nearer than
    unrelated ones, so that two who stand still do not fit better than two who move alike.

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
    most, chosen = -1.0, list[Clip]()
    for rank, own in enumerate(candidates[anchor]):
        total, found = 0.0, list[Clip]()
        for number, people in enumerate(candidates):
            if number == anchor:
                found.append(own)
                continue
            scores = [
                _evidence(own, other, model, settings) * (FIRST if rank == place == 0 else 1.0)
                for place, other in enumerate(people)
            ]
            best = max(range(len(people)), key=scores.__getitem__)
            total += scores[best]
            found.append(people[best])
        if total > most:
            most, chosen = total, found
    return chosen


def _evidence(a: Clip, b: Clip, model: Callable[[], Model], settings: Settings) -> float:
    """How much better two people match than chance; 0 and more."""
    if settings.clock:
        own, other = a.rises, b.rises
        known = None if own is None or other is None else (own, other)
        seen = Evidence.of(a.embeddings, b.embeddings, known, CELLS)
        return max(seen.table.scores().best[0], 0.0) if seen.table.moves else 0.0
    sides = list[Embeddings]()
    if settings.mirror is not Mirror.YES:
        sides.append(b.embeddings)
    if settings.mirror is not Mirror.NO:
        sides.append(b.mirror_image(model))
    return max(0.0, *(_contrast(a.embeddings, side, settings) for side in sides))


def _contrast(a: Embeddings, b: Embeddings, settings: Settings) -> float:
    """How much nearer the frames along the path are than unrelated ones."""
    few = thinned(a, b, CELLS)
    unrelated = float(window_distance(*few).mean())
    return unrelated - align(*few, ends=settings.ends.value).cost
