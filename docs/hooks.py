"""Tables of arguments and options, made from the command line itself while the pages are built.

A line ``<!-- options: index build -->`` becomes the usage line and the tables of that command.
"""

import re
from typing import Any

import typer

from vipecli.cli.app import app
from vipecli.cli.help import groups

_PLACE = re.compile(r"^<!-- options: ([a-z ]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the places of a page; mkdocs calls it."""
    return _PLACE.sub(lambda place: options(place[1]), markdown)


def options(name: str) -> str:
    """Usage line and tables of a command, as Markdown.

    Raises
    ------
    KeyError
        if there is no such command.
    """
    context = typer.Context(typer.main.get_command(app), info_name="vipe")
    for word in name.split():
        command = context.command.get_command(context, word)
        if command is None:
            raise KeyError(name)
        context = typer.Context(command, info_name=word, parent=context)
    usage = context.command.get_usage(context).removeprefix("Usage: ")
    lines = ["```text", " ".join(usage.split()), "```"]
    for title, rows in groups(context.command, context).items():
        first = "argument" if title == "Arguments" else "option"
        lines += ["", f"**{title}**", "", f"| {first} | what it does |", "|---|---|"]
        lines += [f"| {_code(what)} | {_cell(does)} |" for what, does in rows]
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"<code>{_cell(text)}</code>"  # a stroke between backticks would end the cell


def _cell(text: str) -> str:
    return text.replace("&", "&amp;").replace("|", "&#124;").replace("<", "&lt;")
