"""Action recognition and alignment on Penn Action (Zhang, Zhu, Derpanis, ICCV 2013)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vipecli.classify import Packed
from vipecli.distance import window_distance
from vipecli.embed import Embeddings
from vipecli.errors import FormatError
from vipecli.metrics import (
    kendall_tau,
    one_nn_correct,
    one_view_accuracy,
    without_hubs,
)
from vipecli.poses import Poses
from vipecli.skeleton import MIRROR

FPS = 30.0
"""Frame rate taken for all clips: the labels do not say it."""

TAU_STEP = 5
"""Kendall's tau looks at every 5th frame of both clips (TCC, section 4.3)."""

NO_ORDER = ("jump_rope", "strum_guitar")
"""Actions without an order of phases, left out of Kendall's tau (TCC, section 4.1)."""

MOSTLY_HIDDEN = "strum_guitar"
"""Action that the visible subset leaves out: the legs are out of the picture in most clips."""

MISSING_SHARE = 1 / 3
"""Clips with this share of missing joints or more are not in the visible subset."""

INVISIBLE_SCORE = 0.5
"""Score of a joint that is hidden but whose place the labellers guessed."""

_BLOCK = 50  # clips compared with all clips after the first of them

_SPELLINGS = {"strumming_guitar": "strum_guitar", "bowling": "bowl"}


@dataclass(frozen=True)
class PennClip:
    """One labelled clip.

    Attributes
    ----------
    id
        number of the clip, four digits.
    action, viewpoint
        its labels; the viewpoint is front, back, left or right.
    train
        in the official training split.
    poses
        the labelled joints, left and right the person's own.
    """

    id: str
    action: str
    viewpoint: str
    train: bool
    poses: Poses

    @property
    def visible(self) -> bool:
        """Whether the clip belongs to the visible subset."""
        missing = (self.poses.score == 0).mean()
        return self.action != MOSTLY_HIDDEN and bool(missing < MISSING_SHARE)


def load(path: Path | str, *, invisible: float = INVISIBLE_SCORE) -> list[PennClip]:
    """Clips of Penn Action with their labels.

    Parameters
    ----------
    path
        folder of the data set, with `labels/*.mat`; or an ``.npz`` of one split, or a folder with
        one such file.
    invisible
        score of joints that are labelled as not visible but have coordinates, in [0, 1]; 0 takes
        them for missing.

    Returns
    -------
    In the order of their ids. The labels' left and right are those of the viewer: every pair is
    swapped. A joint at (1, 1) or less and not visible lies outside of the picture and is missing:
    NaN, score 0. Frames are taken to be 1/30 s apart.

    Raises
    ------
    FormatError
        if there are no labels, or one is damaged.
    """
    path = Path(path)
    labels = path / "labels" if (path / "labels").is_dir() else path
    archives = [path] if path.is_file() else sorted(labels.glob("*.npz"))
    if labels.is_dir() and any(labels.glob("*.mat")):
        return [_read_mat(file, invisible) for file in sorted(labels.glob("*.mat"))]
    if len(archives) != 1:
        raise FormatError(
            f"{path}: no Penn Action labels; give the folder that holds labels/*.mat, or one .npz"
        )
    return _read_npz(archives[0], invisible)


def _read_mat(path: Path, invisible: float) -> PennClip:
    from scipy.io import loadmat

    try:
        mat = loadmat(path)
        xy = np.stack([mat["x"], mat["y"]], axis=-1)
        height, width = (int(n) for n in np.ravel(mat["dimensions"])[:2])
        return PennClip(
            id=path.stem,
            action=_text(mat["action"]),
            viewpoint=_text(mat["pose"]),
            train=int(np.ravel(mat["train"])[0]) == 1,
            poses=_poses(xy, mat["visibility"], (width, height), path.name, invisible),
        )
    except (OSError, KeyError, ValueError, IndexError, NotImplementedError, TypeError) as exc:
        raise FormatError(f"{path}: not a label file of Penn Action ({exc})") from exc


def _text(value: np.ndarray) -> str:
    text = str(np.ravel(value)[0]).strip()
    return _SPELLINGS.get(text, text)


def _read_npz(path: Path, invisible: float) -> list[PennClip]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            data = {name: archive[name] for name in archive.files}
        train = "test" not in path.stem
        clips = []
        for i, name in enumerate(data["clip_id"]):
            part = slice(*data["offsets"][i : i + 2])
            height, width = (int(n) for n in data["frame_size_hw"][i])
            xy, seen = data["keypoints"][part], data["visibility"][part]
            poses = _poses(xy, seen, (width, height), str(name), invisible)
            labels = str(data["action"][i]), str(data["viewpoint"][i])
            clips.append(PennClip(str(name), *labels, train, poses))
    except (OSError, KeyError, ValueError, IndexError) as exc:
        raise FormatError(f"{path}: not an archive of Penn Action labels ({exc})") from exc
    return clips


def _poses(
    xy: np.ndarray, visibility: np.ndarray, size: tuple[int, int], source: str, invisible: float
) -> Poses:
    """Joints (F, 13, 2) as labelled, as the person's own."""
    xy = np.asarray(xy, np.float32)[:, list(MIRROR)]
    seen = np.asarray(visibility)[:, list(MIRROR)] > 0
    missing = (~seen & (xy <= 1).all(axis=-1)) | ~np.isfinite(xy).all(axis=-1)
    score = np.where(missing, 0, np.where(seen, 1, invisible)).astype(np.float32)
    xy = np.where(score[..., None] > 0, xy, np.float32(np.nan))
    return Poses(xy, score, np.arange(len(xy)) / FPS, size, source, "labelled")


def thinned(clip: Embeddings, every: int) -> Embeddings:
    """Every so many frames of a clip."""
    part = slice(None, None, every)
    return replace(clip, mean=clip.mean[part], std=clip.std[part], times=clip.times[part])


def distances(
    queries: Sequence[Embeddings],
    index: Sequence[Embeddings] | None = None,
    *,
    every: int = 1,
    progress: Callable[[int], object] | None = None,
) -> np.ndarray:
    """Distance of clips to clips, as `vipe classify` measures it.

    Parameters
    ----------
    queries, index
        embeddings of one model; without an index the queries are compared with themselves, and
        every pair is computed once.
    every
        compare every so many frames only: 2 takes a quarter of the time.
    progress
        called with the number of pairs of clips done since its last call.

    Returns
    -------
    shape (Q, I) float64. Mean atrous frame distance along the warping path.
    """
    thin = [("", "", thinned(clip, every)) for clip in queries]
    if index is not None:
        return _rows(thin, [("", "", thinned(clip, every)) for clip in index], progress)
    table = np.zeros((len(thin), len(thin)))
    for start in range(0, len(thin), _BLOCK):
        rows = slice(start, start + _BLOCK)
        table[rows, start:] = _rows(thin[rows], thin[start:], progress)
        table[start:, rows] = table[rows, start:].T
    return table


def _rows(
    queries: list[tuple[str, str, Embeddings]],
    index: list[tuple[str, str, Embeddings]],
    progress: Callable[[int], object] | None,
) -> np.ndarray:
    packed = Packed(index)
    out = np.empty((len(queries), len(index)))
    for i, (_, _, query) in enumerate(queries):
        out[i] = packed.distances(query)
        if progress:
            progress(len(index))
    return out


def score(
    distances: np.ndarray,
    queries: Sequence[PennClip],
    index: Sequence[PennClip] | None = None,
    *,
    index_distances: np.ndarray | None = None,
    hubs: int = 0,
) -> dict[str, Any]:
    """1-NN accuracies of a table of distances.

    Parameters
    ----------
    distances
        shape (Q, I), from `distances`.
    queries, index
        labels of the rows and columns; without an index the columns are the queries, and each is
        left out of its own index.
    index_distances
        shape (I, I), the index to itself, for the correction of hubs; not needed without `index`.
    hubs
        neighbours for `metrics.without_hubs`, within each index used; 0 = leave distances alone.

    Returns
    -------
    All in [0, 1]: `accuracy` with the full index; `accuracy_other_views`, index clips of the
    query's own viewpoint left out; `accuracy_one_view`, mean over the viewpoints of
    `accuracy_per_view`, see `metrics.one_view_accuracy`; `per_action`, share of right answers with
    the full index.
    """
    table = _Table.of(distances, queries, index, index_distances, hubs)
    every = np.ones(distances.shape[1], bool)
    full = one_nn_correct(table.from_index(every), table.actions, table.labels, table.allowed)
    other = np.zeros(len(queries), bool)
    one = {}
    for view in np.unique(table.views):
        rows, items = table.query_views == view, table.views != view
        other[rows] = table.correct(rows, items)
        one |= one_view_accuracy(
            table.from_index(~items)[:, ~items],
            table.actions,
            table.labels[~items],
            table.views[~items],
            table.allowed[:, ~items],
        )
    names = sorted(set(table.actions))
    return {
        "accuracy": float(full.mean()),
        "accuracy_other_views": float(other.mean()),
        "accuracy_one_view": float(np.nanmean(list(one.values()))),
        "accuracy_per_view": one,
        "per_action": {name: float(full[table.actions == name].mean()) for name in names},
        "queries": len(queries),
        "index": distances.shape[1],
    }


@dataclass(frozen=True)
class _Table:
    """Distances (Q, I) with the labels of both sides."""

    distances: np.ndarray
    allowed: np.ndarray
    actions: np.ndarray
    query_views: np.ndarray
    labels: np.ndarray
    views: np.ndarray
    members: np.ndarray
    own: np.ndarray | None
    hubs: int

    @classmethod
    def of(
        cls,
        distances: np.ndarray,
        queries: Sequence[PennClip],
        index: Sequence[PennClip] | None,
        own: np.ndarray | None,
        hubs: int,
    ) -> "_Table":
        items = queries if index is None else index
        if distances.shape != (len(queries), len(items)):
            raise ValueError(
                f"a table of shape {distances.shape} for {len(queries)} queries and "
                f"{len(items)} index clips"
            )
        if hubs and index is not None and own is None:
            raise ValueError("hub correction needs the distances of the index to itself")
        same = np.eye(*distances.shape, dtype=bool) if index is None else False
        return cls(
            distances,
            np.ones(distances.shape, bool) & ~np.asarray(same),
            np.array([c.action for c in queries]),
            np.array([c.viewpoint for c in queries]),
            np.array([c.action for c in items]),
            np.array([c.viewpoint for c in items]),
            np.full(len(queries), index is None),
            distances if index is None else own,
            hubs,
        )

    def from_index(self, items: np.ndarray) -> np.ndarray:
        """Distances to the index of some items (I,) bool, without hubs if so asked; the rest as is.

        A query counts as a member of that index where it is one of those items.
        """
        if not self.hubs:
            return self.distances
        out = self.distances.copy()
        members = self.members & items if self.members.any() else None
        out[:, items] = without_hubs(
            self.distances[:, items], self.own[np.ix_(items, items)], members, k=self.hubs
        )
        return out

    def correct(self, rows: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether the nearest of some items has the query's label, for some queries."""
        cells = np.ix_(rows, items)
        near = self.from_index(items)[cells]
        return one_nn_correct(near, self.actions[rows], self.labels[items], self.allowed[cells])


def tau(
    embeddings: Sequence[Embeddings],
    clips: Sequence[PennClip],
    *,
    progress: Callable[[int], object] | None = None,
) -> dict[str, Any]:
    """Kendall's tau as TCC defines it (Dwibedi et al. 2019, section 4.1).

    For all ordered pairs of clips of one action: the nearest of every 5th frame of the second clip
    to every 5th frame of the first, and tau-b between the two orders; mean over the pairs, then
    over the actions. Near is meant in the atrous frame distance, taps inside the clips only, at
    the full frame rate: one frame alone cannot tell the way down from the way up.

    Parameters
    ----------
    embeddings, clips
        of the same clips.
    progress
        called with the number of pairs of clips done since its last call.

    Returns
    -------
    `kendall_tau` (NaN where no action has two clips), `kendall_tau_same_view` and
    `kendall_tau_other_views` (over the pairs filmed from the same or different viewpoints, mean
    over the actions), `kendall_tau_per_action`. Pairs for which tau is not defined, because one
    frame is nearest to all, are left out as in TCC.
    """
    pairs = _tau_pairs(embeddings, clips, progress)
    actions = sorted({pair[0] for pair in pairs})
    per_action = {a: [(same, t) for action, same, t in pairs if action == a] for a in actions}

    def mean(wanted: tuple[bool, ...]) -> dict[str, float]:
        kept = {a: [t for same, t in rows if same in wanted] for a, rows in per_action.items()}
        return {a: float(np.mean(values)) for a, values in kept.items() if values}

    every, same, other = mean((True, False)), mean((True,)), mean((False,))
    return {
        "kendall_tau": _mean(every),
        "kendall_tau_same_view": _mean(same),
        "kendall_tau_other_views": _mean(other),
        "kendall_tau_per_action": every,
    }


def _mean(values: dict[str, float]) -> float:
    return float(np.mean(list(values.values()))) if values else math.nan


def _tau_pairs(
    embeddings: Sequence[Embeddings],
    clips: Sequence[PennClip],
    progress: Callable[[int], object] | None,
) -> list[tuple[str, bool, float]]:
    """Action, whether the viewpoints are the same, and tau, of every ordered pair that has one."""
    out = []
    actions = {clip.action for clip in clips} - set(NO_ORDER)
    for action in sorted(actions):
        members = [i for i, clip in enumerate(clips) if clip.action == action]
        for n, i in enumerate(members):
            for j in members[n + 1 :]:
                near = window_distance(embeddings[i], embeddings[j])[::TAU_STEP, ::TAU_STEP]
                same = clips[i].viewpoint == clips[j].viewpoint
                for axis in (1, 0):
                    out.append((action, same, kendall_tau(near.argmin(axis=axis))))
            if progress:
                progress(len(members) - n - 1)
    return [row for row in out if not math.isnan(row[2])]


def tau_pairs(clips: Sequence[PennClip]) -> int:
    """Number of unordered pairs of clips that `tau` compares."""
    names, counts = np.unique([clip.action for clip in clips], return_counts=True)
    kept = ~np.isin(names, NO_ORDER)
    return int((counts[kept] * (counts[kept] - 1) // 2).sum())
