"""`vipe evaluate predict`: the error of predicted motion."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.options import HeldOut, Json, Seed

if TYPE_CHECKING:
    from vipecli.sequence.predictor import Predictor

_OTHER_ANGLES = "cmu-prediction-angles"


def predict(
    mocap: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MOCAP...]", help="Mocap, .npz of (T, 13, 3) per clip, or folders."
        ),
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="The CMU set of the motion-prediction papers, 38 joints."
        ),
    ] = None,
    film: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Takes of `python -m examples.make_detected`."),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            help="Prediction model (.onnx), of either kind; may be repeated.",
        ),
    ] = None,
    held_out: HeldOut = None,
    moments: Annotated[
        int, typer.Option(min=10, help="Moments of MOCAP to predict from, at most.")
    ] = 1000,
    samples: Annotated[int, typer.Option(min=0, help="Futures to draw; the best is shown.")] = 0,
    seed: Seed = 0,
    json: Json = None,
    lift_model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Lifting model instead of the one that comes with vipe."),
    ] = None,
) -> None:
    """Compare predicted motion with the ground truth, beside rules: zero velocity, constant speed.

    From MOCAP: subjects that stay out of training. From --film: poses that a real detector found,
    lifted. From --benchmark: both protocols of the papers, in their millimetres, which are 1.24
    times true ones, under the names that they give to the horizons (2, 4, 8, 10, 14 and 25 frames
    at 60 per second).
    """
    from vipecli.cli.evaluate_inputs import result_file
    from vipecli.cli.figures import show_benchmark, show_prediction

    if not (mocap or benchmark or film):
        raise typer.BadParameter("give MOCAP, --benchmark or --film")
    with result_file(json, mocap, benchmark, film, models, lift_model) as finish:
        own, theirs = _models(models)
        _check_asked(own, theirs, benchmark is not None, bool(mocap or film))
        result: dict[str, Any] = {"models": {k: m.id for k, m in (own | theirs).items()}}
        if benchmark:
            result["benchmark"] = _benchmark(benchmark, theirs)
        if mocap:
            result["mocap"] = _on_mocap(mocap, held_out, own, moments, samples, seed)
        if film:
            result["film"] = _on_film(film, own, lift_model)
        finish(result)
        for row in ("mocap", "film"):
            if row in result:
                show_prediction(row, result[row], json)
        if benchmark:
            show_benchmark(result["benchmark"], json)


def _models(
    paths: list[Path] | None,
) -> "tuple[dict[str, Predictor], dict[str, Predictor]]":
    """Return the models of 13 joints, the default first, and those of the benchmark."""
    from vipecli.cli.evaluate_inputs import by_name
    from vipecli.lifting.predict import default_predictor
    from vipecli.sequence.predictor import Predictor

    found = {name: Predictor.load(path) for name, path in by_name(paths or []).items()}
    own = {"Pose-GPT": default_predictor()}
    own |= {name: model for name, model in found.items() if model.data == "mocap"}
    return own, {name: model for name, model in found.items() if model.data != "mocap"}


def _check_asked(
    own: "dict[str, Predictor]", theirs: "dict[str, Predictor]", benchmark: bool, bodies: bool
) -> None:
    """Refuse a model that nothing given is measured with."""
    from vipecli.errors import WeightsError

    if theirs and not benchmark:
        raise WeightsError(f"{next(iter(theirs))}: predicts the benchmark; give --benchmark")
    if len(own) > 1 and not bodies:
        raise WeightsError(f"{list(own)[1]}: predicts 13 joints; give MOCAP or --film")


def _benchmark(folder: Path, models: "dict[str, Predictor]") -> list[dict[str, Any]]:
    from vipecli.evaluate import prediction as protocol

    angles = {k: m for k, m in models.items() if m.data == _OTHER_ANGLES}
    joints = {k: m for k, m in models.items() if k not in angles}

    def methods(chosen: "dict[str, Predictor]") -> list[protocol.Method]:
        return [*protocol.RULES, *(protocol.by_model(k, m) for k, m in chosen.items())]

    return [
        *protocol.benchmark(folder, methods(joints)),
        *protocol.angle_benchmark(folder, methods(angles)),
    ]


def _on_mocap(
    mocap: list[Path],
    held_out: list[str] | None,
    models: "dict[str, Predictor]",
    moments: int,
    samples: int,
    seed: int,
) -> list[dict[str, Any]]:
    from vipecli.cli.console import note
    from vipecli.evaluate import prediction_bodies as protocol
    from vipecli.evaluate.views import HELD_OUT, load_clips

    clips = load_clips(mocap, include=held_out or HELD_OUT, remark=note)
    chosen = protocol.moments_of_mocap(clips, at_most=moments, seed=seed)
    return protocol.errors(chosen, models, samples=samples)


def _on_film(
    film: Path, models: "dict[str, Predictor]", lift_model: Path | None
) -> list[dict[str, Any]]:
    from vipecli.evaluate import prediction_bodies as protocol
    from vipecli.evaluate.lifting import load_filmed
    from vipecli.lifting.lifter import Lifter

    takes = load_filmed(film)
    return protocol.errors(list(protocol.moments_of_film(takes, Lifter.load(lift_model))), models)
