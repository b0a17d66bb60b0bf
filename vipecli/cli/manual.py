"""Manual pages of the command and its sub-commands, from the same rows as help and docs.

They are made when a wheel is built (`hatch_build.py`) and lie in its share/man/man1.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from vipecli.cli.app import app
from vipecli.cli.help import groups, summaries

_MARKUP = re.compile(r"(?m)^([.'])")  # roff takes such a line for a request
_DASH = re.compile(r"-(?=[-\w])")  # of an option: to be copied, not a hyphen


def manual_pages(version: str) -> dict[str, str]:
    """Manual page in roff of each command by file name: ``vipe.1``, ``vipe-index-build.1``."""
    pages = {f"{_dashed(context)}.1": _page(context, version) for context in contexts()}
    return pages | {"vipecli.1": ".so man1/vipe.1\n"}


def contexts() -> Iterator[typer.Context]:
    """Context of the command and of each below it."""
    waiting = [typer.Context(get_command(app), info_name="vipe")]
    while waiting:
        context = waiting.pop(0)
        yield context
        command = context.command
        if isinstance(command, TyperGroup):
            for name in command.list_commands(context):
                if child := command.get_command(context, name):
                    waiting.append(typer.Context(child, info_name=name, parent=context))


def _page(context: typer.Context, version: str) -> str:
    command = context.command
    usage = command.get_usage(context).removeprefix("Usage: ").split()
    name, first = context.command_path, command.get_short_help_str(500)
    lines = [
        f'.TH "{_dashed(context).upper()}" 1 "" "vipe {version}" "User Commands"',
        ".SH NAME",
        f"{_dashed(context)} \\- {_text(first.rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(name)}",
        _text(" ".join(usage[len(name.split()) :])),
        ".SH DESCRIPTION",
        *_paragraphs(command),
    ]
    for title, rows in groups(command, context).items():
        lines += [f'.SH "{title.upper()}"', *_listed(rows)]
    if isinstance(command, TyperGroup):
        lines += [".SH COMMANDS", *_listed(summaries(command, context))]
        others = [_dashed(context) + "-" + one for one in command.list_commands(context)]
    else:
        others = [_dashed(context.parent)] if context.parent else []
    lines += [".SH SEE ALSO", _text(", ".join(f"{one}(1)" for one in others))]
    return "\n".join(lines) + "\n"


def _paragraphs(command: Any) -> list[str]:
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return [line for one in paragraphs for line in (".PP", _text(" ".join(one.split())))]


def _listed(rows: list[tuple[str, str]]) -> list[str]:
    """What to type in bold, and what it does."""
    return [line for what, does in rows for line in (".TP", f".B {_text(what)}", _text(does))]


def _dashed(context: typer.Context) -> str:
    return context.command_path.replace(" ", "-")


def _text(text: str) -> str:
    """Words that roff shows as they are."""
    plain = " ".join(text.split()).replace("\\", "\\e")
    return _MARKUP.sub(r"\&\1", _DASH.sub(r"\-", plain))
