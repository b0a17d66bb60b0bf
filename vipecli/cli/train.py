"""`vipe train`: the embedding from mocap."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from vipecli.cli.console import note, progress_bars, say
from vipecli.cli.help import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from vipecli.train.detected import Detections
    from vipecli.train.run import Trainer


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file that fixes the run.")],
    mocap: Annotated[
        list[Path],
        typer.Argument(
            metavar="MOCAP...",
            help="Mocap: .npz, .bvh or .amc files, or folders. Of posebert also your own clips: "
            "keypoint files, .npz of `vipe embed`, or folders of them.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Checkpoint, log and model go here.", rich_help_panel=OUTPUTS
        ),
    ] = Path("runs/prvipe"),
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets torch decide.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Another number of steps than the config's.")
    ] = None,
    detected: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What a real detector found of known poses, from `python -m "
            "examples.make_detected`; may be repeated.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A trained embedding (.onnx) to start from; of posebert: that it corrects; of "
            "posegpt: the checkpoint of another run.",
        ),
    ] = None,
) -> None:
    """Train an embedding, the lifting to 3D, or a model of pose sequences, on motion capture.

    The config's `kind` says which. Writes the model as ONNX. A run that was killed goes on from
    its last checkpoint when the same command is given again. Needs the extra `train` (PyTorch).
    """
    from vipecli.errors import MissingExtraError
    from vipecli.files import check_output
    from vipecli.urls import refuse_url

    refuse_url(out)
    try:
        import torch

        import vipecli.train.run  # what every kind needs of the extra
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"training needs the package {exc.name}; install it with: pip install 'vipecli[train]'"
        ) from exc
    if threads:
        torch.set_num_threads(threads)
    given = _Given(config, mocap, out, device, steps, detected or [], weights)
    trainer, finish = _started(given)
    if setting := vipecli.train.run.slow_here(trainer.config, device):
        note(f"{config}: {setting} = true is slow on this processor; {setting} = false is faster")
    if weights:
        check_output(out / f"{trainer.config.name}.onnx", weights)
    _run(trainer, out)
    for line in finish():
        say(f"Wrote {line}")


class _Given(NamedTuple):
    """What the command line says of a run."""

    config: Path
    mocap: list[Path]
    out: Path
    device: str
    steps: int | None
    detected: list[Path]
    weights: Path | None


def _started(given: _Given) -> "tuple[Trainer, Callable[[], Iterable[Path | str]]]":
    """Return the trainer of the config's kind, and what writes its model and names the files."""
    from vipecli.errors import VipeError
    from vipecli.train import posebert_config, posegpt_config, vvipe_config
    from vipecli.train.config import kind_of
    from vipecli.train.detected import Detections

    config, mocap, out, device, steps, detected, weights = given
    kind = kind_of(config)
    if detected and kind in posegpt_config.KINDS:
        raise VipeError(f"{config}: {kind} takes no --detected; leave it out")
    if weights and kind in vvipe_config.KINDS:
        raise VipeError(f"{config}: {kind} takes no --weights; leave it out")
    if kind in posegpt_config.KINDS:
        from vipecli.train import posegpt, posegpt_files

        predictor = posegpt_config.read_config(config, steps=steps)
        trainer = posegpt.start(predictor, mocap, out, device=device, weights=weights)
        return trainer, partial(posegpt_files.finish, trainer, out)
    if kind == posebert_config.KIND:
        from vipecli.train import posebert, posebert_files

        context = posebert_config.read_config(config, steps=steps)
        with_film = {"weights": weights, "detected": detected, "remark": note}
        trainer = posebert.start(context, mocap, out, device=device, **with_film)
        return trainer, partial(posebert_files.finish, trainer, out)
    film = Detections.load(detected) if detected else None
    if kind in vvipe_config.KINDS:
        from vipecli.train import vvipe, vvipe_files

        lifting = vvipe_config.read_config(config, steps=steps)
        trainer = vvipe.start(lifting, mocap, out, device=device, detections=film)
        return trainer, partial(vvipe_files.finish, trainer, out, detections=film)
    return _embedding(given, film)


def _embedding(
    given: _Given, film: "Detections | None"
) -> "tuple[Trainer, Callable[[], Iterable[str]]]":
    """Return the trainer of an embedding, and what writes its model."""
    from vipecli.errors import FormatError
    from vipecli.train import loop, posebert_config, posegpt_config, vvipe_config, windows
    from vipecli.train.config import kind_of, load_config
    from vipecli.train.model import KINDS

    if (kind := kind_of(given.config)) not in KINDS:
        all_kinds = *KINDS, *vvipe_config.KINDS, *posegpt_config.KINDS, posebert_config.KIND
        raise FormatError(f"{given.config}: kind is {kind!r}; use one of {', '.join(all_kinds)}")
    settings = load_config(given.config, steps=given.steps)
    start = windows.start if settings.network.frames > 1 else loop.start
    trainer = start(
        settings, given.mocap, given.out, device=given.device, film=film, weights=given.weights
    )

    def finish() -> list[str]:
        difference = loop.finish(trainer, given.out)
        path = given.out / f"{settings.name}.onnx"
        return [f"{path}  (ONNX equals torch to {difference:.0e})"]

    return trainer, finish


def _run(trainer: "Trainer", out: Path) -> None:
    """Train with a bar that shows the loss terms and the running score."""
    from vipecli.train.run import run

    if trainer.step:
        note(f"going on from step {trainer.step} of {trainer.last}")
    with progress_bars() as bars:
        task = bars.add_task("training", total=trainer.last, completed=trainer.step, unit="steps")

        def report(row: dict[str, float]) -> None:
            terms = " ".join(f"{k} {v:.3g}" for k, v in row.items() if k != "step")
            bars.update(task, completed=row["step"], description=terms)

        run(trainer, out, report=report)
