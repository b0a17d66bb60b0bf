"""`vipe generate`: new 3D poses like one, or between two."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import say
from vipecli.cli.help import OUTPUTS
from vipecli.cli.lift import LiftModel
from vipecli.cli.options import Person, PoseModel

_AROUND_S = 0.5  # of a clip that is read on both sides of the given moment

if TYPE_CHECKING:
    import numpy as np

    from vipecli.embedding.clip import Recipe
    from vipecli.lifting.lifter import Lifter


def generate(
    pose: Annotated[
        str | None,
        typer.Argument(
            metavar="POSE",
            help="A frame: VIDEO@SECONDS, or the same of a file of 2D or 3D poses.  [default: the "
            "middle of all poses]",
        ),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Walk from pose A to pose B instead."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-n", min=1, max=10000, help="How many variations.")
    ] = 8,
    spread: Annotated[
        float,
        typer.Option(min=0, max=3, help="How far they vary: 1 is as far as poses differ at all."),
    ] = 0.5,
    steps: Annotated[
        int, typer.Option(min=2, max=1000, help="Poses of --between, both ends included.")
    ] = 10,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Picture (.png, .jpg) or .npz.",
            rich_help_panel=OUTPUTS,
        ),
    ] = Path("poses.png"),
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same poses.")] = 0,
    person: Person = "largest",
    pose_model: PoseModel = None,
    lift_model: LiftModel = None,
) -> None:
    """Vary a pose, or walk from one to another, in the latent of 3D poses.

    Bones keep the lengths of the source; no joint bends farther than people's do. A .png shows
    every pose from the front and from the side, an .npz holds the joints.
    """
    from vipecli.cli.console import progress_bars
    from vipecli.embedding.clip import Recipe
    from vipecli.files import check_output
    from vipecli.lifting.generate import between as walk
    from vipecli.lifting.generate import vary
    from vipecli.lifting.lifter import default_lifter

    if between and pose:
        raise typer.BadParameter("give one POSE, or --between A B, not both")
    sources = [*between] if between else [pose] if pose else []
    check_output(out, *(_split(source)[0] for source in sources))
    _check_kind(out)
    lifter = default_lifter(lift_model)
    recipe = Recipe(person=person, pose_model=pose_model)
    with progress_bars() as bars:
        found = [_pose_of(source, lifter, recipe, bars) for source in sources]
    if between:
        poses = walk(found[0], found[1], steps, lifter)
        labels = [f"{share:.0%}" for share in (i / (steps - 1) for i in range(steps))]
    else:
        poses = vary(found[0] if found else None, count, lifter, spread=spread, seed=seed).poses
        labels = [str(i + 1) for i in range(count)]
    if found and not between:  # the pose itself comes first
        import numpy as np

        from vipecli.poses.canonical import canonical

        poses, labels = np.concatenate([canonical(found[0])[0][None], poses]), ["source", *labels]
    _write(poses, labels, out)
    say(f"Wrote {out}  ({len(poses)} poses)")


def _check_kind(out: Path) -> None:
    from vipecli.errors import FormatError

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".npz"):
        raise FormatError(f"{out}: poses are not written as '{out.suffix}'; use .png, .jpg or .npz")


def _split(source: str) -> tuple[Path, float | None]:
    """Return file and time of FILE@SECONDS; an existing file with an @ in its name is no time."""
    name, at, moment = source.rpartition("@")
    if at and not Path(source).exists():
        try:
            return Path(name), float(moment)
        except ValueError:
            raise typer.BadParameter(f"{source!r}: after the @ goes a time in seconds") from None
    return Path(source), None


def _pose_of(source: str, lifter: "Lifter", recipe: "Recipe", bars: object) -> "np.ndarray":
    """3D pose (13, 3) at a moment of a clip; its middle by default."""
    import numpy as np

    from vipecli.cli.lift import read_2d
    from vipecli.errors import FormatError, NoPoseError
    from vipecli.lifting.lift import lift
    from vipecli.lifting.motion_files import load_motion
    from vipecli.poses.formats import is_pose_file

    path, moment = _split(source)
    try:
        motion = load_motion(path) if path.suffix.lower() == ".npz" else None
    except FormatError:
        motion = None  # 2D poses
    if motion is None:
        part = recipe if is_pose_file(path) else _around(recipe, moment)
        lifted = lift(read_2d(path, part, bars), lifter)
        times, joints = lifted.times, lifted.joints
    else:
        times, joints = motion.times, motion.joints
    known = np.flatnonzero(np.isfinite(joints).all(axis=(1, 2)))
    if not len(known):
        raise NoPoseError(f"{path}: no frame shows a whole person")
    if moment is not None and not times[0] - 0.5 <= moment <= times[-1] + 0.5:
        raise FormatError(
            f"{path}: runs from {times[0]:g} to {times[-1]:g} s; {moment:g} s is not in it"
        )
    moment = (times[0] + times[-1]) / 2 if moment is None else moment
    return joints[known[np.abs(times[known] - moment).argmin()]]


def _around(recipe: "Recipe", moment: float | None) -> "Recipe":
    """Limit the recipe to the part that smoothing around a moment uses."""
    if moment is None:
        return recipe
    return replace(recipe, start_s=max(0.0, moment - _AROUND_S), end_s=moment + _AROUND_S)


def _write(poses: "np.ndarray", labels: list[str], out: Path) -> None:
    import numpy as np

    from vipecli.files import replacing
    from vipecli.poses.skeleton import JOINTS

    with replacing(out) as part:
        if out.suffix.lower() == ".npz":
            with part.open("wb") as file:
                np.savez_compressed(file, joints=poses.astype(np.float32), names=np.array(JOINTS))
            return
        import cv2

        from vipecli.outputs.turntable import sheet

        _, data = cv2.imencode(out.suffix, sheet(list(poses), labels))
        part.write_bytes(data.tobytes())
