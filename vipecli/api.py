"""The functions of `vipecli`: `align`, `classify` and `embed` take files and return an object.

Functions of the same names in `alignment.align`, `index.classify` and `embedding.embed` take data
in memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vipecli.alignment.align import Alignment
from vipecli.alignment.takes import Clip, Match, Session, Settings, match_clips
from vipecli.alignment.time_map import warp
from vipecli.embedding.clip import Recipe, check_clip, read_clips
from vipecli.errors import NoPoseError

if TYPE_CHECKING:
    from vipecli.index.classify import Ranking
    from vipecli.outputs.reel import Reel

PathLike = str | Path


@dataclass(frozen=True)
class Aligned:
    """Takes of one movement on one time base.

    Attributes
    ----------
    session
        the takes, and how each matches the reference.
    """

    session: Session

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The takes, in the order in which they were named, with their poses and embeddings."""
        return self.session.clips

    @property
    def matches(self) -> tuple[Match | None, ...]:
        """How each take matches the reference; None for the reference itself."""
        return self.session.matches

    @property
    def alignment(self) -> Alignment:
        """Alignment of two takes.

        Raises
        ------
        ValueError
            if there are more than two: each of `matches` has its own.
        """
        if len(self.clips) > 2:
            raise ValueError(f"{len(self.clips)} takes; ask each of `matches` for its alignment")
        return self.session.others[0].alignment

    @property
    def path(self) -> np.ndarray:
        """Shape (L, 2), frames of two takes that belong together, see `Alignment.path`."""
        return self.alignment.path

    @property
    def times(self) -> np.ndarray:
        """Shape (L, 2), the same in seconds of each take."""
        return np.stack([self.alignment.times_a, self.alignment.times_b], axis=1)

    @property
    def match_probability(self) -> np.ndarray:
        """Shape (L,), that the poses of both match, for each step of the path."""
        return self.alignment.match_probability

    def warp(self, times: np.ndarray, *, onto: str = "a") -> np.ndarray:
        """Moments (T,) of the other of two takes at moments (T,) of one, see `timemap.warp`."""
        return warp(self.alignment, times, onto=onto)

    def reel(self, *, onto: str = "a", apart: bool = False) -> "Reel":
        """All takes on one clock, frame by frame, see `outputs.reel.reel_of`."""
        from vipecli.outputs.reel import reel_of

        return reel_of(self.session, onto=onto, apart=apart)

    def as_dict(self) -> dict[str, Any]:
        """The time mapping as plain lists and numbers, as ``vipe align --json`` writes it."""
        from vipecli.outputs.mapping import as_json

        return as_json(self.session, self.reel())

    def save(
        self,
        out: PathLike,
        *,
        onto: str = "a",
        labels: Sequence[str] = (),
        **options: Any,
    ) -> Path:
        """Write the result; the extension of the file says as what.

        Parameters
        ----------
        out
            ``.mp4``, ``.mov``, ``.mkv``: the takes in step; ``.json``, ``.csv``: the mapping;
            ``.png``, ``.svg``, ``.pdf``: a picture of it; ``.otio``, ``.edl``: a timeline for
            editing programs; ``.html``: a page that plays both.
        onto
            whose time is kept, see `outputs.reel.reel_of`.
        labels
            names of the takes, in their order; empty = the names of the files.
        options
            of a video, as `outputs.look.Look` has them: ``style``, ``height`` and others.

        Returns
        -------
        the file.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is none of the above.
        """
        from vipecli.outputs.saving import save

        out = Path(out)
        save(self.session, out, onto=onto, labels=labels, **options)
        return out


def align(
    a: PathLike,
    b: PathLike,
    *more: PathLike,
    reference: int | str = 0,
    ends: str = "auto",
    mirror: str = "no",
    clock: str | None = None,
    every: bool = False,
    smooth_s: float | None = None,
    **reading: Any,
) -> Aligned:
    """Match two to nine clips of one movement.

    Parameters
    ----------
    a, b, more
        videos, folders of frames or keypoint files.
    reference
        number of the clip that the others are matched with, from 0, or ``best``.
    ends, mirror, clock, every, smooth_s
        as in `session.Settings`.
    reading
        ``person``, ``pose_model``, ``weights``, ``start_s`` and others of `clip.Recipe`.

    Raises
    ------
    NoPoseError
        if nobody is found in a clip, or no repetition.
    VideoError
        if a clip cannot be read, or holds a single frame.
    ValueError
        if an argument is out of range.

    Examples
    --------
    >>> import vipecli
    >>> both = vipecli.align("a.mp4", "b.mp4")  # doctest: +SKIP
    >>> both.times[0]  # the first moments that belong together, seconds  # doctest: +SKIP
    array([0.  , 0.43])
    >>> both.save("synced.mp4", style="overlay")  # doctest: +SKIP
    """
    settings = Settings(ends, mirror, clock, every, smooth_s)
    recipe = _recipe(reading)
    clips = _read([a, b, *more], recipe)
    session = match_clips(clips, recipe.load_model, reference=reference, settings=settings)
    if session.others[0].alignment is None:
        raise NoPoseError(f"{b}: shows nothing like {a}")
    return Aligned(session)


def embed(
    clip: PathLike,
    **reading: Any,
) -> Clip:
    """Poses and embeddings of the person in a clip.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file.
    reading
        ``person``, ``pose_model``, ``weights``, ``start_s`` and others of `clip.Recipe`.

    Raises
    ------
    NoPoseError
        if nobody is found.
    VideoError
        if the clip cannot be read, or holds a single frame.

    Examples
    --------
    >>> vipecli.embed("squat.mp4").embeddings.mean.shape  # doctest: +SKIP
    (90, 16)
    """
    return _read([clip], _recipe(reading))[0]


def classify(
    clip: PathLike, index: PathLike, *, k: int = 5, hubs: int = 50, **reading: Any
) -> "Ranking":
    """Label a clip by the labelled clips that are nearest to it.

    Parameters
    ----------
    clip
        video, folder of frames or keypoint file. Copies of it in the index do not vote.
    index
        folder with an index, as ``vipe index build`` makes it.
    k
        how many of the nearest clips vote.
    hubs
        as in `neighbours.open_for_search`.
    reading
        ``person``, ``pose_model``, ``weights``, ``start_s`` and others of `clip.Recipe`.

    Raises
    ------
    FormatError
        if the folder has no index.
    NoPoseError
        if nobody is found.
    VideoError
        if the clip cannot be read, or holds a single frame.

    Examples
    --------
    >>> vipecli.classify("clip.mp4", "labelled/").label  # doctest: +SKIP
    'squat'
    """
    from vipecli.embedding.embedded_folder import content_key, detector_key
    from vipecli.index.classify import classify as rank
    from vipecli.index.opened import open_for_search
    from vipecli.index.store import load

    clip, recipe = Path(clip), _recipe(reading)
    library = open_for_search(load(Path(index), model=recipe.load_model().id), hubs=hubs, k=k)
    key = content_key(clip, detector_key(recipe))
    copies = np.array([facts.key == key for facts in library.facts])
    return rank(
        _read([clip], recipe)[0].embeddings,
        library.packed,
        k=k,
        hubs=library.hubs,
        calibration=library.calibration,
        leave_out=copies if copies.any() else None,
    )


def _recipe(reading: dict[str, Any]) -> Recipe:
    """Recipe with its files as paths."""
    files = {
        name: Path(value)
        for name, value in reading.items()
        if name in ("pose_model", "weights", "joints") and value is not None
    }
    return Recipe(**(reading | files))


def _read(paths: Sequence[PathLike], recipe: Recipe) -> list[Clip]:
    """Poses and embeddings of clips, all checked before minutes go into one."""
    files = [Path(path) for path in paths]
    infos = [check_clip(path, recipe) for path in files]
    seen = read_clips(files, [recipe] * len(files), lambda clip, steps: None)
    return [Clip(info.source, *found) for info, found in zip(infos, seen, strict=True)]
