"""What the terminal shows: results on standard output, progress and notes on standard error."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from vipecli import files
from vipecli.files import check_output, json_text

STDOUT = Path("-")


def note(text: str) -> None:
    """Print one line beside the result."""
    typer.echo("vipe: " + " ".join(text.split()), err=True)


def debugging() -> bool:
    """Whether VIPE_DEBUG asks for the traces of errors."""
    return os.environ.get("VIPE_DEBUG", "") not in ("", "0")


def check_json(target: Path | None, *inputs: Path) -> None:
    """Refuse a JSON file that could not be written."""
    if target is not None and target != STDOUT:
        check_output(target, *inputs)


def write_json(data: dict[str, Any], target: Path) -> None:
    """Write a result as JSON, one line per key; the target ``-`` is standard output."""
    if target == STDOUT:
        sys.stdout.write(json_text(data))
    else:
        files.write_json(data, target)


@contextmanager
def progress_bars() -> Iterator[Any]:
    """Rich progress on standard error; shows nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )

    class _Speed(ProgressColumn):
        def render(self, task: Task) -> str:
            return f"{task.speed:.1f}/s" if task.speed else ""

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        _Speed(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        yield bars
