"""Terminal output: results on standard output, progress and notes on standard error."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from vipecli import files
from vipecli.files import check_output, json_text

STDOUT = Path("-")
_WIDE = 1000  # characters of a line where there is no terminal
_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # part of words and of emoji


def note(text: str) -> None:
    """Print one line beside the result."""
    say("vipe: " + " ".join(text.split()), err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print a line; nothing in it can control the terminal, see `printable`."""
    typer.echo(printable(text), err=err)


def printable(text: str) -> str:
    r"""Return text without control sequences for the terminal: they are spelled out (``\x1b``).

    File names and labels may hold escape sequences, line breaks, marks that turn the direction of
    writing, and bytes that are no UTF-8.
    """
    return "".join(c if c.isprintable() or c in _JOINERS else _spelled(c) for c in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    words: Collection[int] = (0,),
    title: str | None = None,
) -> Any:
    """Table for `show`, every cell `printable`; columns named in `words` are set to the left."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left")
    for i, heading in enumerate(headings):
        made.add_column(heading, justify="left" if i in words else "right", overflow="fold")
    for row in rows:
        made.add_row(*map(printable, row))
    return made


def show(*parts: Any, err: bool = False) -> None:
    """Print tables and lines with rich, without markup."""
    from rich.console import Console

    console = Console(stderr=err, markup=False, highlight=False, emoji=False)
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = _WIDE  # in a file or a pipe no name is broken
    for part in parts:
        if isinstance(part, str):
            console.print(printable(part), soft_wrap=True)
        else:
            console.print(part)


def debugging() -> bool:
    """Whether VIPE_DEBUG asks for the traces of errors."""
    return os.environ.get("VIPE_DEBUG", "") not in ("", "0")


def check_json(target: Path | None, *inputs: Path) -> None:
    """Refuse a JSON file that could not be written."""
    if target is not None and target != STDOUT:
        check_output(target, *inputs)


def write_json(data: dict[str, Any], target: Path) -> None:
    """Write a result as JSON, one line per key, and say so; ``-`` is standard output."""
    if target == STDOUT:
        sys.stdout.write(json_text(data))
    else:
        files.write_json(data, target)
        say(f"Wrote {target}")


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
