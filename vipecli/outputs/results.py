"""Results returned by the functions of `vipecli`; each can be saved to a file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipecli.alignment.compare import Comparison
from vipecli.alignment.takes import Clip, Match, Session
from vipecli.alignment.time_map import warp
from vipecli.alignment.warping_path import Alignment
from vipecli.embedding.clip_file import save_clip
from vipecli.errors import VipeError
from vipecli.files import check_output, write_json
from vipecli.index.classify import Ranking
from vipecli.index.search import Hit
from vipecli.lifting.lift import Lifted
from vipecli.lifting.motion_files import WRITERS, as_motion, motion_data, save_motion
from vipecli.outputs.angles import PICTURES, as_data, caveat, write_csv, write_picture
from vipecli.outputs.mapping import as_json
from vipecli.outputs.reel import Reel, reel_of
from vipecli.outputs.saving import save
from vipecli.poses.poses import Poses

PathLike = str | Path


@dataclass(frozen=True, repr=False)
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
        return self.session.others[0].aligned

    @property
    def path(self) -> NDArray[np.int32]:
        """Shape (L, 2), corresponding frames of two takes, see `Alignment.path`."""
        return self.alignment.path

    @property
    def times(self) -> NDArray[np.float64]:
        """Shape (L, 2), the same in seconds of each take."""
        return np.stack([self.alignment.times_a, self.alignment.times_b], axis=1)

    @property
    def match(self) -> NDArray[np.float32]:
        """Shape (L,), how well each step of the path matches, see `distance.match_of`."""
        return self.alignment.match

    @property
    def match_probability(self) -> NDArray[np.float32]:
        """Shape (L,), that the poses of both match, for each step of the path."""
        return self.alignment.match_probability

    def warp(self, times: NDArray[np.float64], *, onto: str = "a") -> NDArray[np.float64]:
        """Times (T,) in the other of two takes for times (T,) in one, see `time_map.warp`."""
        return warp(self.alignment, times, onto=onto)

    def reel(self, *, onto: str = "a", apart: bool = False) -> Reel:
        """All takes on one clock, frame by frame, see `outputs.reel.reel_of`."""
        return reel_of(self.session, onto=onto, apart=apart)

    def as_dict(self) -> dict[str, Any]:
        """The time mapping as plain lists and numbers, as ``vipe align --json`` writes it."""
        return as_json(self.session, self.reel())

    def save(
        self, out: PathLike, *, onto: str = "a", labels: Sequence[str] = (), **options: Any
    ) -> Path:
        """Write the result; the extension of the file selects the format.

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
            fields of `outputs.video_options.VideoOptions`, for a video: ``style``, ``height`` and
            others.

        Returns
        -------
        the file.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is none of the above.
        """
        out = Path(out)
        save(self.session, out, onto=onto, labels=labels, **options)
        return out

    def __repr__(self) -> str:
        """One line: the files and their distance."""
        names = ", ".join(clip.path.name for clip in self.clips)
        costs = ", ".join(f"{match.aligned.cost:.3f}" for match in self.session.others)
        return f"Aligned({names}; distance {costs})"


@dataclass(frozen=True, repr=False)
class Embedded(Clip):
    """Poses and embeddings of the person in a clip."""

    def save(self, out: PathLike) -> Path:
        """Write poses and embeddings as ``.npz``, as ``vipe embed`` does; return the file.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is another.
        """
        out = _checked(out, (".npz",), self.path)
        save_clip([(self.poses, self.embeddings)], out)
        return out

    def __repr__(self) -> str:
        """One line: the file, its frames and the embeddings."""
        return f"Embedded({self.path.name}; {self.embeddings!r})"


@dataclass(frozen=True, repr=False)
class Compared:
    """Differences between two performances of one movement.

    Attributes
    ----------
    a
        the first one.
    match
        how the second one matches it.
    comparison
        the angles of both, moment by moment.
    pose
        where the joints were measured: ``lifted``, ``world`` or ``2d``.
    """

    a: Clip
    match: Match
    comparison: Comparison
    pose: str

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain lists and numbers, as ``vipe compare --json`` writes it."""
        return comparison_facts(self.a, self.match, self.pose) | as_data(self.comparison)

    def save(self, out: PathLike) -> Path:
        """Write the comparison; return the file.

        Parameters
        ----------
        out
            ``.json``, ``.csv``: all angles; ``.png``, ``.svg``, ``.pdf``: a picture of them.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is none of the above.
        """
        b = self.match.clip
        out = _checked(out, (".json", ".csv", *PICTURES), self.a.path, b.path)
        if out.suffix.lower() == ".json":
            write_json(self.as_dict(), out)
        elif out.suffix.lower() == ".csv":
            write_csv(self.comparison, out)
        else:
            note = caveat(self.pose, mirrored=self.match.mirrored)
            names = (self.a.path.name, b.path.name)
            write_picture(self.comparison, out, names=names, caveat=note)
        return out

    def __repr__(self) -> str:
        """One line: the files and the largest difference."""
        names = f"{self.a.path.name}, {self.match.clip.path.name}"
        if not self.comparison.moments:
            return f"Compared({names}; no certain difference)"
        most = self.comparison.moments[0]
        return (
            f"Compared({names}; {most.angle} differs by {most.difference_deg:+.0f} degrees "
            f"at {most.time_a:.2f} s)"
        )


def comparison_facts(a: Clip, match: Match, pose: str) -> dict[str, Any]:
    """Return the facts of a comparison besides the angles."""
    return {
        "inputs": [str(a.path), str(match.clip.path)],
        "model": match.aligned.model,
        "pose": pose,
        "mirrored": match.mirrored,
        "same_action": None if match.same_action is None else round(match.same_action, 4),
        "distance": round(match.aligned.cost, 6),
        "match": round(float(match.aligned.match.mean()), 4),
    }


@dataclass(frozen=True, repr=False)
class LiftedClip:
    """3D poses of the person in a clip.

    Attributes
    ----------
    path
        the clip.
    poses
        joints in the picture.
    lifted
        joints in space.
    """

    path: Path
    poses: Poses
    lifted: Lifted

    def as_dict(self) -> dict[str, Any]:
        """The motion as plain lists and numbers, as ``vipe lift --out FILE.json`` writes it."""
        return motion_data(as_motion(self.lifted, self.poses, source=self.path.name))

    def save(self, out: PathLike, *, torso_m: float = 0.5, camera: bool = False) -> Path:
        """Write the motion as ``.npz``, ``.json``, ``.trc``, ``.bvh`` or ``.c3d``; return the file.

        Parameters
        ----------
        torso_m
            from mid-hip to mid-shoulder, metres: one camera cannot see how tall a person is.
        camera
            in the axes of the camera instead of the body's own frame.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is none of the above.
        """
        out = _checked(out, tuple(WRITERS), self.path)
        motion = as_motion(
            self.lifted, self.poses, source=self.path.name, torso_m=torso_m, camera=camera
        )
        save_motion(motion, out)
        return out

    def __repr__(self) -> str:
        """One line: the file and its frames."""
        return f"LiftedClip({self.path.name}; {self.lifted!r})"


@dataclass(frozen=True, repr=False)
class Labelled(Ranking):
    """Label of a clip, and the neighbours behind it.

    Attributes
    ----------
    path
        the clip.
    """

    path: Path = Path()

    def as_dict(self) -> dict[str, Any]:
        """The label as plain numbers and strings, as ``vipe classify --json`` writes it."""
        found = asdict(self)
        return {"clip": str(found.pop("path"))} | found

    def save(self, out: PathLike) -> Path:
        """Write the label and its neighbours as ``.json``; return the file.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is another.
        """
        out = _checked(out, (".json",), self.path)
        write_json(self.as_dict(), out)
        return out

    def __repr__(self) -> str:
        """One line: the file, its label and how sure it is."""
        label = "none of these" if self.label is None else repr(self.label)
        return f"Labelled({self.path.name}; {label}, {self.confidence:.0%})"


@dataclass(frozen=True)
class FoundPose:
    """A moment in an index at which a pose is held.

    Attributes
    ----------
    clip, label
        name and label of the clip in the index.
    hit
        the frame, its time and how well it matches.
    """

    clip: str
    label: str
    hit: Hit


@dataclass(frozen=True, repr=False)
class FoundPoses:
    """Moments in an index at which a pose is held, the nearest first.

    Attributes
    ----------
    path, time_s
        the clip with the pose, and when it shows it, seconds.
    model
        weights that made the embeddings.
    found
        the moments.
    """

    path: Path
    time_s: float
    model: str
    found: tuple[FoundPose, ...]

    def as_dict(self) -> dict[str, Any]:
        """The moments as plain numbers and strings."""
        hits = [
            {
                "clip": one.clip,
                "label": one.label,
                "time_s": round(one.hit.time_s, 6),
                "frame": one.hit.frame,
                "match": round(one.hit.match, 4),
                "match_probability": round(one.hit.match_probability, 4),
                "distance": round(one.hit.distance, 6),
            }
            for one in self.found
        ]
        query = {"query": str(self.path), "time_s": round(self.time_s, 6)}
        return query | {"model": self.model, "hits": hits}

    def save(self, out: PathLike) -> Path:
        """Write the moments as ``.json``; return the file.

        Raises
        ------
        VipeError
            if it cannot be written, or the extension is another.
        """
        out = _checked(out, (".json",), self.path)
        write_json(self.as_dict(), out)
        return out

    def __repr__(self) -> str:
        """One line: the pose and where it is found."""
        where = f"{len(self.found)} moments"
        if self.found:
            where += f", nearest {self.found[0].clip} at {self.found[0].hit.time_s:.2f} s"
        return f"FoundPoses({self.path.name} at {self.time_s:.2f} s; {where})"


def _checked(out: PathLike, kinds: Sequence[str], *inputs: Path) -> Path:
    """Path of a result whose extension is known and which is no input."""
    out = Path(out)
    if out.suffix.lower() not in kinds:
        raise VipeError(f"{out}: use a name that ends in one of {', '.join(kinds)}")
    check_output(out, *inputs)
    return out
