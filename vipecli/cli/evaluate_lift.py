"""`vipe evaluate lift`: the 3D error of lifted poses."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.engines import with_executor
from vipecli.cli.evaluate_inputs import (
    described_pool,
    draw_poses,
    find_poses,
    result_file,
    stage_bars,
)
from vipecli.cli.options import Json, PoseModel, Seed

if TYPE_CHECKING:
    from vipecli.engine import Executor
    from vipecli.evaluate.lifting import Method
    from vipecli.lifting.lifter import Lifter


@with_executor
def lift(
    mocap: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MOCAP...]", help=".npz of (T, 13, 3) per clip, .bvh, .amc, or folders."
        ),
    ] = None,
    detected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Takes of `python -m examples.make_detected`."),
    ] = None,
    synced: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two synchronised videos: how far their poses agree."),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A network that lifts directly; may be repeated."),
    ] = None,
    smooth: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Of the rows that are smoothed.")
    ] = 0.05,
    poses: Annotated[
        int, typer.Option("--poses", min=50, help="Different poses of MOCAP, at most.")
    ] = 1000,
    seed: Seed = 0,
    json: Json = None,
    pose_model: PoseModel = None,
    lift_model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Lifting model instead of the one that comes with vipe."),
    ] = None,
    *,
    executor: "Executor",
) -> None:
    """Lift held-out poses to 3D: PA-MPJPE and MPJPE.

    From MOCAP: every pose seen by 15 cameras, joints as they are and as a detector would find
    them; of the subjects that stay out of training, where there are any. From --detected: film
    that went through the real detector, beside its own 3D landmarks. From --synced: NP-MPJPE
    between the poses lifted from two real cameras.
    """
    from vipecli.cli.figures import show_agreement, show_lifting
    from vipecli.evaluate import lifting as protocol
    from vipecli.evaluate.retrieval import Settings, described
    from vipecli.evaluate.views import held_out_patterns
    from vipecli.lifting.lifter import Lifter

    if not (mocap or detected or synced):
        raise typer.BadParameter("give MOCAP, --detected or --synced")
    inputs = mocap, detected, synced, compare, pose_model, lift_model
    with result_file(json, *inputs) as finish:
        lifter = Lifter.load(lift_model)
        direct = _direct(compare)
        result: dict[str, Any] = {"model": lifter.mapper.id, "settings": {"smooth_s": smooth}}
        if mocap:
            held_out = list(held_out_patterns(mocap))
            pool = draw_poses(mocap, held_out, poses, seed)
            settings = Settings(seed=seed)
            methods = [protocol.by_vvipe("V-VIPE", lifter), *direct]
            result["cameras"] = protocol.by_cameras(pool, methods, settings)
            result["settings"] |= described(settings) | described_pool(pool, mocap, held_out)
        if detected:
            takes = protocol.load_filmed(detected)
            result["film"] = protocol.by_film(takes, [*_video(lifter, smooth), *direct])
            from vipecli.lifting.lift import lift as lift_poses

            lifted = [lift_poses(take.poses, lifter, smooth_s=smooth) for take in takes]
            result["certainty"] = protocol.certainty(lifted, takes)
        if synced:
            with stage_bars() as bar:
                a, b = find_poses(list(synced), "largest", pose_model, bar, executor)
            result["synced"] = protocol.agreement(a, b, [*_video(lifter, smooth), *direct])
        finish(result)
        for name in ("cameras", "film"):
            if name in result:
                show_lifting(name, result[name], json)
        if synced:
            show_agreement(result["synced"], json)


def _direct(compare: list[Path] | None) -> "list[Method]":
    from vipecli.cli.evaluate_inputs import by_name
    from vipecli.embedding.embed import Model
    from vipecli.errors import WeightsError
    from vipecli.evaluate.lifting import by_network
    from vipecli.evaluate.retrieval import LIFTING, kind

    out = []
    for name, path in by_name(compare or []).items():
        model = Model.load(path)
        if kind(model) != LIFTING:
            raise WeightsError(f"{path}: does not lift; give a model of kind lifting")
        out.append(by_network(name, model))
    return out


def _video(lifter: "Lifter", smooth: float) -> "list[Method]":
    """Return the methods for a video: per frame and smoothed, with and without detector 3D."""
    from vipecli.evaluate.lifting import by_detector, by_vvipe

    return [
        by_detector("BlazePose 3D"),
        by_detector("BlazePose 3D, smoothed", smooth_s=smooth),
        by_vvipe("V-VIPE, 2D alone", lifter, world=False),
        by_vvipe("V-VIPE", lifter),
        by_vvipe("V-VIPE, smoothed", lifter, smooth_s=smooth),
        by_vvipe("V-VIPE, in context, smoothed", lifter, smooth_s=smooth, context=True),
    ]
