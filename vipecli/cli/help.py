"""Help in plain text: usage lines, options in groups, summaries that are not cut.

The pages of `docs/commands` are made from the same rows.
"""

import re
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

OPTIONS = "Options"
"""Group of an option that names none (`rich_help_panel`)."""

GROUPS = MATCHING, VIDEO, OUTPUTS, READING, MANY = (
    "Matching", "Video", "Outputs", "Reading the clips", "Many clips"
)  # fmt: skip
"""Groups of options that several commands share, in the order of the help."""

_LONGEST_SUMMARY = 500  # characters; the first sentence of a command is shorter
_WORDS = {"int": "N", "float": "N", "path": "FILE", "file": "FILE", "str": "TEXT"}
_RANGES = (  # of numbers, as typer writes them
    (re.compile(r"([\d.]+)<=x<=([\d.]+)"), r"\1 to \2"),
    (re.compile(r"x>=([\d.]+)"), r"\1 or more"),
)


class Command(TyperCommand):
    """A command whose help shows arguments and options as people know them."""

    def collect_usage_pieces(self, ctx: typer.Context) -> list[str]:
        """``[OPTIONS]``, then the arguments; square brackets for what may be left out."""
        arguments = [p for p in self.get_params(ctx) if isinstance(p, TyperArgument)]
        return ["[OPTIONS]", *(_argument(one, ctx) for one in arguments)]

    def format_options(self, ctx: typer.Context, formatter: Any) -> None:
        """Write arguments and groups of options."""
        for title, rows in groups(self, ctx).items():
            with formatter.section(title):
                formatter.write_dl(rows)


class Group(TyperGroup):
    """A group of commands whose summaries are shown whole."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:
        """Write a line, or more, per command."""
        rows = summaries(self, ctx)
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


class App(typer.Typer):
    """A group of commands with plain help."""

    def __init__(self, help: str) -> None:
        super().__init__(
            cls=Group, rich_markup_mode=None, no_args_is_help=True, add_completion=False, help=help
        )

    def command(self, name: str | None = None, **options: Any) -> Callable:
        """As of `typer.Typer`, with plain help."""
        return super().command(name, **{"cls": Command, **options})


def groups(
    command: typer.core.TyperCommand, ctx: typer.Context
) -> dict[str, list[tuple[str, str]]]:
    """Rows (what to type, what it does) of a command by group: own options first."""
    found: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for one in command.get_params(ctx):
        record = one.get_help_record(ctx)
        if record is None:
            continue
        if isinstance(one, TyperArgument):
            found["Arguments"].append((_argument(one, ctx), record[1]))
        else:
            title = getattr(one, "rich_help_panel", None) or OPTIONS
            found.setdefault(title, []).append((_option(one, ctx), _ranges(record[1])))
    own = len(found.get(OPTIONS, [])) > 1  # besides --help
    order = ("Arguments", OPTIONS, *GROUPS) if own else ("Arguments", *GROUPS, OPTIONS)
    return {title: found[title] for title in order if found.get(title)}


def summaries(group: TyperGroup, ctx: typer.Context) -> list[tuple[str, str]]:
    """Name and first sentence of every command of a group."""
    commands = ((name, group.get_command(ctx, name)) for name in group.list_commands(ctx))
    return [
        (name, command.get_short_help_str(_LONGEST_SUMMARY))
        for name, command in commands
        if command is not None and not command.hidden
    ]


def _argument(one: TyperArgument, ctx: typer.Context) -> str:
    name = one.metavar or (one.name or "").upper()
    return name if one.required or name.startswith("[") else f"[{name}]"


def _ranges(text: str) -> str:
    for pattern, words in _RANGES:
        text = pattern.sub(words, text)
    return text


def _option(one: Any, ctx: typer.Context) -> str:
    """Names of an option, and what follows it."""
    names = ", ".join([*one.opts, *one.secondary_opts])
    if not isinstance(one, TyperOption) or one.is_flag or one.count:
        return names
    return f"{names} {one.metavar or _value(one, ctx)}"


def _value(one: TyperOption, ctx: typer.Context) -> str:
    kind = one.display_type(ctx).strip("<>").removeprefix("list[").removesuffix("]")
    return kind if "|" in kind else _WORDS.get(kind.split()[0], "VALUE")
