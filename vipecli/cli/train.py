"""`vipe train`: the embedding from mocap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import note, progress_bars, say
from vipecli.cli.help import OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vipecli.train.run import Trainer


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file that fixes the run.")],
    mocap: Annotated[
        list[Path],
        typer.Argument(metavar="MOCAP...", help="Mocap: .npz, .bvh or .amc files, or folders."),
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
            help="A trained embedding (.onnx) to start from; of posebert: that it corrects.",
        ),
    ] = None,
) -> None:
    """Train an embedding, the lifting to 3D, or a model of pose sequences, on motion capture.

    The config's `kind` says which. Writes the model as ONNX. A run that was killed goes on from
    its last checkpoint when the same command is given again. Needs the extra `train` (PyTorch).
    """
    from vipecli.errors import MissingExtraError

    try:
        import torch

        from vipecli.train import (
            loop,
            posebert,
            posebert_config,
            posebert_files,
            posegpt,
            posegpt_config,
            posegpt_files,
            vvipe,
            vvipe_config,
            vvipe_files,
        )
        from vipecli.train.config import kind_of, load_config
        from vipecli.train.detected import Detections
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"training needs the package {exc.name}; install it with: pip install 'vipecli[train]'"
        ) from exc
    if threads:
        torch.set_num_threads(threads)
    film = Detections.load(detected) if detected else None
    if kind_of(config) in vvipe_config.KINDS:
        lifting = vvipe_config.read_config(config, steps=steps)
        trainer = vvipe.start(lifting, mocap, out, device=device)
        _run(trainer, out)
        return _say_written(vvipe_files.finish(trainer, out, detections=film))
    if kind_of(config) in posegpt_config.KINDS:
        prediction = posegpt_config.read_config(config, steps=steps)
        trainer = posegpt.start(prediction, mocap, out, device=device)
        _run(trainer, out)
        return _say_written(posegpt_files.finish(trainer, out))
    if kind_of(config) == posebert_config.KIND:
        context = posebert_config.read_config(config, steps=steps)
        trainer = posebert.start(
            context, mocap, out, device=device, weights=weights, detected=detected
        )
        _run(trainer, out)
        return _say_written(posebert_files.finish(trainer, out))
    settings = load_config(config, steps=steps)
    trainer = loop.start(settings, mocap, out, device=device, film=film, weights=weights)
    _run(trainer, out)
    difference = loop.finish(trainer, out)
    say(f"Wrote {out / (settings.name + '.onnx')}  (ONNX equals torch to {difference:.0e})")


def _say_written(paths: "Iterable[Path]") -> None:
    for path in paths:
        say(f"Wrote {path}")


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
