"""`vipe predict`: 3D poses up to a second ahead."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.console import say
from vipecli.cli.help import OUTPUTS
from vipecli.cli.lift import LiftModel, Torso
from vipecli.cli.options import Json, with_recipe

if TYPE_CHECKING:
    import numpy as np

    from vipecli.embedding.clip import Recipe
    from vipecli.lifting.lift import Lifted
    from vipecli.lifting.motion_files import Motion
    from vipecli.lifting.predict import Future
    from vipecli.poses.poses import Poses
    from vipecli.video.source import ClipSource

_DEPTH = (0.0, 0.0, 1.0)  # along which one camera cannot see a body move


@dataclass(frozen=True)
class _Known:
    """Content of a clip: up to the time of the prediction, and all of it.

    Metres, x to the right of the picture, y up, z to the camera. `seen` and `poses` are None for a
    file of 3D motion; `lifted` is of `seen`. Of a recording (`whole_way`) the axes are its own,
    and no direction is unseen.
    """

    before: "Motion"
    whole: "Motion"
    seen: "Poses | None" = None
    poses: "Poses | None" = None
    lifted: "Lifted | None" = None
    whole_way: bool = False


@with_recipe(without=("weights", "vertical"))
def predict(
    clip: Annotated[
        Path,
        typer.Argument(
            metavar="CLIP",
            help="Video, folder of frames, file of 2D poses, .npz of `vipe lift --camera`, .bvh "
            "or .amc.",
        ),
    ],
    seconds: Annotated[
        float, typer.Option(min=0.05, max=1.0, metavar="SECONDS", help="How far ahead.")
    ] = 1.0,
    at: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time from which on is predicted; later frames are not used.  "
            "[default: the end of CLIP]",
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=0, max=100, help="Futures to draw beside the middle one.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="3D joints: .npz, .json, .trc, .c3d or .bvh.  [default: CLIP_future.npz in "
            "this folder, none with --preview]",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Film with the predicted skeleton as a ghost.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    torso: Torso = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same futures.")] = 0,
    json: Json = None,
    lift_model: LiftModel = None,
    predict_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Prediction model (.onnx) instead of the one that comes with vipe."
        ),
    ] = None,
    *,
    recipe: "Recipe",
) -> None:
    """Predict where the joints of a person will be, up to a second ahead.

    Where the clip goes on after --at, the prediction is compared with what came. x points to the
    right of the picture, y up, z to the camera; a walk towards the camera stands still, as with
    `vipe lift --camera`; of .bvh and .amc the axes stay, y up. The expected error
    of each joint grows with time.
    """
    from vipecli.cli.console import progress_bars, write_json
    from vipecli.embedding.clip import clip_source
    from vipecli.errors import NoPoseError
    from vipecli.lifting.lifter import default_lifter
    from vipecli.lifting.predict import default_predictor
    from vipecli.lifting.predict import predict as predict_poses

    out = out or (None if preview or json else Path(f"{clip.resolve().stem}_future.npz"))
    _check(clip, out, samples, preview, json)
    model = default_predictor(predict_model)
    with progress_bars() as bars:
        known = _read(clip, at, recipe, default_lifter(lift_model), torso, bars)
        _check_in_view(known.before, at, clip)
        try:
            future = predict_poses(
                known.before.joints,
                known.before.times,
                model,
                seconds=seconds,
                samples=samples,
                unseen=None if known.whole_way else _DEPTH,
                seed=seed,
            )
        except NoPoseError as exc:
            raise NoPoseError(f"{clip}: {exc}; choose a later --at or another --person") from exc
        result = _compared(future, known)
        paths = _save(future, known.before, clip, out)
        if preview:
            paths.append(preview)
            source = clip_source(clip, recipe)
            _preview(future, result["error_m"], known, source, preview, torso, bars)
    if json:
        plain = {name: _plain(values) for name, values in result.items()}
        write_json({"model": future.model, "source": clip.name} | plain, json)
    if json != Path("-"):
        _report(result, paths)


def _check(
    clip: Path, out: Path | None, samples: int, preview: Path | None, json: Path | None
) -> None:
    """Refuse what cannot be written, before minutes go into it."""
    from vipecli.cli.console import check_json
    from vipecli.cli.lift import check_outputs
    from vipecli.errors import VipeError
    from vipecli.files import check_output
    from vipecli.lifting.motion_files import RECORDED

    check_json(json, clip)
    check_outputs(clip, out, preview)
    if preview and clip.suffix.lower() in RECORDED:
        raise VipeError(f"{clip}: --preview shows the video; give the video itself")
    numbered = _numbered(out, samples) if out else []
    for path in numbered:
        check_output(path, clip)
    if json is not None and json.resolve() in [
        path.resolve() for path in (out, preview, *numbered) if path
    ]:
        raise VipeError(f"{json}: --json and another output have the same name; choose two")


def _read(
    clip: Path, at: float | None, recipe: "Recipe", lifter: Any, torso: float, bars: Any
) -> _Known:
    """Return the motion before and after a time; the former is computed without the latter."""
    from vipecli.cli.console import note
    from vipecli.embedding.clip import read_scene
    from vipecli.lifting.lift import lift
    from vipecli.lifting.motion_files import RECORDED, as_motion, recorded_motion

    if clip.suffix.lower() in RECORDED:
        motion = recorded_motion(clip, remark=note)
        return _Known(_until(motion, at, clip), motion, whole_way=True)
    motion = _motion_file(clip)
    if motion is not None:
        return _Known(_until(motion, at, clip), motion)
    task = bars.add_task(f"poses of {clip.name}", total=None, unit="frames")
    scene = read_scene(clip, recipe, lambda steps: bars.advance(task, steps))
    poses = scene.choose(recipe.person, path=clip)
    count = _frames_until(poses.times, at, clip)
    seen, poses = (recipe.filled(part) for part in (poses.part(slice(count)), poses))
    lifted = lift(seen, lifter)
    how = {"source": clip.name, "torso_m": torso, "camera": True}
    before = as_motion(lifted, seen, **how)
    whole = before
    if count < len(poses):
        whole = as_motion(lift(poses, lifter), poses, **how)
    return _Known(before, whole, seen, poses, lifted)


def _motion_file(clip: Path) -> "Motion | None":
    """3D motion of an .npz in camera axes; None where the clip is something else."""
    from vipecli.errors import FormatError
    from vipecli.lifting.motion_files import load_motion

    if clip.suffix.lower() != ".npz":
        return None
    try:
        motion = load_motion(clip)
    except FormatError:
        return None  # 2D poses, or a message from their reader
    if motion.axes.startswith("x to the person"):
        raise FormatError(
            f"{clip}: in the body's own frame, which does not tell how the body turns and moves; "
            "lift the clip with --camera"
        )
    return motion


def _frames_until(times: "np.ndarray", at: float | None, clip: Path) -> int:
    """How many frames are known at a moment."""
    import numpy as np

    from vipecli.errors import FormatError

    if at is None:
        return len(times)
    if not times[0] <= at <= times[-1] + 0.5:
        raise FormatError(
            f"{clip}: runs from {times[0]:g} to {times[-1]:g} s; --at {at:g} is not in it"
        )
    return int(np.searchsorted(times, at + 1e-6))


def _check_in_view(before: "Motion", at: float | None, clip: Path) -> None:
    """Say from when on is predicted where the last frames show nobody; not long before `at`."""
    import numpy as np

    from vipecli.cli.console import note
    from vipecli.errors import NoPoseError
    from vipecli.lifting.predict import LONGEST_GAP_S

    known = np.flatnonzero(np.isfinite(before.joints).all(axis=(1, 2)))
    if not len(known) or known[-1] == len(before.times) - 1:
        return
    last, end = before.times[known[-1]], before.times[-1]
    if at is not None and end - last > LONGEST_GAP_S:
        raise NoPoseError(
            f"{clip}: the person is not in view at {at:g} s, but last at {last:.2f} s; choose --at "
            "when the person is there"
        )
    note(f"{clip}: the person was last seen at {last:.2f} s; predicted from there on")


def _until(motion: "Motion", at: float | None, clip: Path) -> "Motion":
    from dataclasses import replace

    count = _frames_until(motion.times, at, clip)
    cut = {name: getattr(motion, name)[:count] for name in ("joints", "times", "std")}
    return replace(motion, **cut, samples=None)


def _compared(future: "Future", known: _Known) -> dict[str, Any]:
    """The prediction in figures: errors about the mid-hip, beside those of standing still."""
    from dataclasses import replace

    import numpy as np

    from vipecli.lifting.predict import error_of

    came = known.whole.joints, known.whole.times
    last = known.before.joints[np.isfinite(known.before.joints).all(axis=(1, 2))][-1]
    still = replace(future, joints=np.repeat(last[None], len(future.times), axis=0))
    return {
        "times_s": future.times,
        "expected_error_m": future.std.mean(axis=1),
        "error_m": error_of(future, *came),
        "error_standing_still_m": error_of(still, *came),
    }


def _plain(values: "np.ndarray") -> list[float | None]:
    """Return numbers for JSON: null where unknown."""
    import numpy as np

    return [round(float(v), 6) if np.isfinite(v) else None for v in values]


def _save(future: "Future", before: "Motion", clip: Path, out: Path | None) -> list[Path]:
    """Write the motion; formats that hold one get a file for each drawn future."""
    from vipecli.lifting.motion_files import Motion, save_motion

    if not out:
        return []
    about = future.times, future.std, before.axes, clip.name, future.model
    numbered = _numbered(out, len(future.samples))
    many = future.samples if len(future.samples) and not numbered else None
    save_motion(Motion(future.joints, *about, samples=many), out)
    for sample, path in zip(future.samples, numbered, strict=False):
        save_motion(Motion(sample, *about), path)
    return [out, *numbered]


def _numbered(out: Path, samples: int) -> list[Path]:
    """Files of the drawn futures beside `out`; none where that holds them all."""
    if out.suffix.lower() in (".npz", ".json"):
        return []
    return [out.with_stem(f"{out.stem}_{number}") for number in range(1, samples + 1)]


def _preview(
    future: "Future",
    error_m: Any,
    known: _Known,
    clip: "ClipSource",
    out: Path,
    torso: float,
    bars: Any,
) -> None:
    """Put the prediction into the picture of the last known frame, and write the film."""
    import numpy as np

    from vipecli.lifting.placement import pixels_per_torso
    from vipecli.outputs.ghost import Ghost, write_ghost

    scale = pixels_per_torso(known.lifted, known.seen) / torso
    middle = np.array(known.seen.size) / 2

    def flat(joints: np.ndarray) -> np.ndarray:
        return middle + scale * joints[..., :2] * (1, -1)

    found = np.flatnonzero(np.isfinite(known.before.joints).all(axis=(1, 2)))[-1]
    start = known.before.joints[found]
    joints = np.concatenate([start[None], future.joints])
    drawn = np.repeat(start[None, None], len(future.samples), axis=0)
    ghost = Ghost(
        flat(joints),
        scale * np.concatenate([0 * future.std[:1], future.std]),
        flat(np.concatenate([drawn, future.samples], axis=1)),
        np.concatenate([known.before.times[found : found + 1], future.times]),
        np.concatenate([[np.nan], error_m]),
    )
    task = bars.add_task(f"writing {out.name}", total=None, unit="frames")
    write_ghost(
        ghost, known.poses, clip, out, progress=lambda done: bars.update(task, completed=done)
    )


def _report(result: dict[str, Any], paths: list[Path]) -> None:
    import numpy as np

    for path in paths:
        say(f"Wrote {path}")
    times, expected = result["times_s"], 100 * result["expected_error_m"]
    say(
        f"  {len(times)} frames to {times[-1]:.2f} s, expected error {expected[0]:.0f} cm at "
        f"first, {expected[-1]:.0f} cm at the end"
    )
    error, still = (100 * result[k] for k in ("error_m", "error_standing_still_m"))
    if np.isfinite(error).any():
        say(
            f"  what came: {np.nanmean(error):.0f} cm off on average, holding still would be "
            f"{np.nanmean(still):.0f} cm"
        )
