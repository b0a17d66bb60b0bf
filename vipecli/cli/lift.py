"""`vipe lift`: 3D poses from one view."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import say
from vipecli.cli.help import OUTPUTS
from vipecli.cli.options import with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.lifting.lift import Lifted
    from vipecli.poses.poses import Poses
    from vipecli.video.source import ClipSource

LiftModel = Annotated[
    Path | None,
    typer.Option(
        "--lift-model",
        metavar="FILE",
        help="Lifting model (.onnx) instead of the one that comes with vipe.",
    ),
]


Torso = Annotated[
    float,
    typer.Option(min=0.01, max=100, metavar="METRES", help="From mid-hip to mid-shoulder."),
]


@with_recipe(without=("weights", "vertical"))
def lift(
    clip: Annotated[
        Path, typer.Argument(metavar="CLIP", help="Video, folder of frames, or file of 2D poses.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="3D joints: .npz, .json, .trc, .c3d or .bvh.  [default: CLIP.npz in this "
            "folder, none with --preview]",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    camera: Annotated[
        bool,
        typer.Option("--camera", help="In the camera's axes instead of the body's own frame."),
    ] = False,
    smooth: Annotated[
        float, typer.Option(min=0, max=5, metavar="SECONDS", help="Smooth over time; 0 = not.")
    ] = 0.05,
    torso: Torso = 0.5,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Video of the clip beside the turning 3D skeleton.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    lift_model: LiftModel = None,
    *,
    recipe: "Recipe",
) -> None:
    """Turn a video into 3D poses.

    One camera does not show how tall a person is: lengths are scaled by --torso. The body's own
    frame has the mid-hip at 0, x to the person's left, y up the spine, z forward; with --camera x
    points to the right of the picture, y up, z to the camera, and the body moves through it.
    """
    from vipecli.cli.console import progress_bars
    from vipecli.embedding.clip import clip_source
    from vipecli.lifting.lift import lift as lift_poses
    from vipecli.lifting.lifter import default_lifter
    from vipecli.lifting.motion_files import as_motion, save_motion

    out = out or (None if preview else Path(f"{clip.resolve().stem}.npz"))
    check_outputs(clip, out, preview)
    lifter = default_lifter(lift_model)
    with progress_bars() as bars:
        poses = read_2d(clip, recipe, bars)
        lifted = lift_poses(poses, lifter, smooth_s=smooth)
        motion = as_motion(lifted, poses, source=clip.name, torso_m=torso, camera=camera)
        if out:
            save_motion(motion, out)
        if preview:
            _preview(lifted, poses, clip_source(clip, recipe), preview, bars)
    _report(lifted, torso, out, preview)


def check_outputs(clip: Path, out: Path | None, preview: Path | None) -> None:
    """Refuse what cannot be written, before minutes go into it."""
    from vipecli.errors import VipeError
    from vipecli.files import check_output
    from vipecli.lifting.motion_files import check_format
    from vipecli.poses.formats import is_pose_file
    from vipecli.video.write import check_container

    if out:
        check_format(out)
        check_output(out, clip)
    if preview:
        check_container(preview)
        check_output(preview, clip)
        if is_pose_file(clip):
            raise VipeError(f"{clip}: --preview shows the video; give the video itself")


def read_2d(clip: Path, recipe: "Recipe", bars: object) -> "Poses":
    """2D poses of the person in a video or a keypoint file; short gaps filled."""
    from vipecli.embedding.clip import read_scene

    task = bars.add_task(f"poses of {clip.name}", total=None, unit="frames")
    scene = read_scene(clip, recipe, lambda steps: bars.advance(task, steps))
    return recipe.filled(scene.choose(recipe.person, path=clip))


def _preview(lifted: "Lifted", poses: "Poses", clip: "ClipSource", out: Path, bars: object) -> None:
    from vipecli.outputs.turntable import write_preview

    task = bars.add_task(f"writing {out.name}", total=len(lifted), unit="frames")
    write_preview(lifted, poses, clip, out, progress=lambda done: bars.update(task, completed=done))


def _report(lifted: "Lifted", torso: float, out: Path | None, preview: Path | None) -> None:
    import numpy as np

    found = np.isfinite(lifted.joints).all(axis=(1, 2))
    error = 100 * torso * float(np.nanmedian(lifted.std)) if found.any() else float("nan")
    for path in (out, preview):
        if path:
            say(f"Wrote {path}")
    say(f"  {found.sum()} of {len(lifted)} frames lifted, expected error of a joint {error:.0f} cm")
