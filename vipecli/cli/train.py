"""`vipe train`: the embedding from mocap."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.console import note, progress_bars

if TYPE_CHECKING:
    from vipecli.train.loop import Config, Trainer


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="TOML file that fixes the run.")],
    mocap: Annotated[
        list[Path],
        typer.Argument(metavar="MOCAP...", help="Mocap: .npz, .bvh or .amc files, or folders."),
    ],
    out: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Checkpoint, log and model go here.")
    ] = Path("runs/prvipe"),
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 lets torch decide.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Another number of steps than the config's.")
    ] = None,
) -> None:
    """Train an embedding on 3D motion capture.

    Writes the model as one ONNX file. A run that was killed goes on from its last checkpoint when
    the same command is given again. Needs the extra `train` (PyTorch).
    """
    from vipecli.errors import MissingExtraError

    try:
        import torch

        from vipecli.train import loop
    except ModuleNotFoundError as exc:
        raise MissingExtraError(
            f"training needs the package {exc.name}; install it with: pip install 'vipe[train]'"
        ) from exc
    if threads:
        torch.set_num_threads(threads)
    settings = loop.load_config(config, steps=steps)
    trainer = loop.start(settings, mocap, out, device=device)
    if trainer.step:
        note(f"going on from step {trainer.step} of {settings.steps}")
    _run(trainer, settings, out)
    difference = loop.finish(trainer, out)
    typer.echo(f"{out / (settings.name + '.onnx')}  (ONNX equals torch to {difference:.0e})")


def _run(trainer: "Trainer", settings: "Config", out: Path) -> None:
    """Train with a bar that shows the loss terms and the running retrieval score."""
    from vipecli.train import loop

    with progress_bars() as bars:
        task = bars.add_task("training", total=settings.steps, completed=trainer.step, unit="steps")

        def report(row: dict[str, float]) -> None:
            terms = " ".join(f"{k} {v:.3g}" for k, v in row.items() if k != "step")
            bars.update(task, completed=row["step"], description=terms)

        loop.run(trainer, out, report=report)
