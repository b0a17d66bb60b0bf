"""The `vipe` command: its sub-commands, and the one place where errors become lines."""

import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Annotated, NoReturn

import typer
from typer.main import get_command

from vipecli.cli.console import debugging, note
from vipecli.cli.help import Command, Group
from vipecli.cli.interrupts import check_interrupted
from vipecli.errors import VideoWarning, VipeError
from vipecli.urls import scrubbed

COMMANDS = (
    "align",
    "compare",
    "reps",
    "live",
    "classify",
    "snip",
    "index",
    "search",
    "embed",
    "poses",
    "lift",
    "predict",
    "generate",
    "evaluate",
    "train",
    "download",
    "cache",
)
"""Sub-commands in the order of the help. Each is the function of its name in the file of its name
in this folder, or, for a group of commands, the `app` of that file; files keep their heavy imports
inside the function, so that the help stays quick."""

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class _Commands(Group):
    """Sub-commands that are imported when they are asked for."""

    def list_commands(self, ctx: typer.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str):
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"vipecli.cli.{cmd_name}")
        if group := getattr(module, "app", None):
            command = get_command(group)
            command.name = cmd_name
            return command
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=Command)(getattr(module, cmd_name))
        return get_command(single)


# Plain help text: the boxes of rich would cost half of the time that `vipe --help` takes.
app = typer.Typer(cls=_Commands, rich_markup_mode=None, no_args_is_help=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from vipecli.cli.version import version_lines

        typer.echo("\n".join(version_lines()))
        raise typer.Exit


@app.callback()
def vipe(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Match videos of human movement across camera views.

    Finds the person, embeds the poses so that the camera does not matter, and compares.
    VIPE_DEBUG=1 in the environment shows where an error comes from.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code.

    0: done; 1: a file could not be used, or another problem, reported in one line;
    2: wrong usage; 130: interrupted; 143: asked to end (SIGTERM).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", VideoWarning)
        warnings.showwarning = partial(_show_warning, set())
        code = _run(args)
    sys.exit(code)


def _run(args: Sequence[str] | None) -> int:
    """Run the command line; return its exit code."""
    try:
        code = app(args, prog_name=_program(), standalone_mode=False)
        sys.stdout.flush()
    except VipeError as exc:
        code = _complain(exc, str(exc))
    except typer.TyperException as exc:
        code = _usage(exc)
    except (KeyboardInterrupt, typer.Abort):
        code = _complain(None, "interrupted", INTERRUPTED)
    except BrokenPipeError:
        code = _reader_left()
    except OSError as exc:  # a full disk, a file that vanished
        code = _complain(exc, f"{exc.filename or 'a file'}: {exc.strerror or exc}")
    except Exception as exc:
        code = _complain(exc, f"unexpected {type(exc).__name__}: {exc}; VIPE_DEBUG=1 shows where")
    return code if isinstance(code, int) else 0


def _program() -> str:
    """Name of the command as it was called, which completion goes by."""
    called = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    return called if called == "vipecli" else "vipe"


def _complain(exc: BaseException | None, text: str, code: int = 1) -> int:
    """Print one line, and the trace before it where VIPE_DEBUG asks for it; none after a signal.

    The line may repeat what the user wrote in the place of a path: URLs in it lose their secrets.
    """
    check_interrupted()
    if exc is not None and debugging():
        traceback.print_exception(exc)
    note(scrubbed(text))
    return code


def _show_warning(
    shown: set[str], message: Warning | str, category: type[Warning], *_: object
) -> None:
    """Print our own warnings as lines; those of the libraries mean nothing to the user.

    A clip is read several times: each line is printed once.
    """
    text = str(message)
    if (issubclass(category, VideoWarning) or debugging()) and text not in shown:
        shown.add(text)
        note(text)


def _usage(exc: typer.TyperException) -> int:
    """Report a usage error in one line; show the help for a command without arguments."""
    context = getattr(exc, "ctx", None)
    where = context.command_path if context else "vipe"
    message = exc.format_message()
    if context and message.startswith("Usage:"):
        typer.echo(message, err=True)
    else:
        _complain(None, f"{message.rstrip('.')}; see `{where} --help`")
    return exc.exit_code


def _reader_left() -> int:
    """End quietly when the reader of the output is closed (`vipe ... | head`)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
