"""Options that say where the work on many clips is done."""

import inspect
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.cli.help import MANY

if TYPE_CHECKING:
    from vipecli.engine import Executor

LIBRARIES = ("vipecli.embedding.batch", "onnxruntime", "mediapipe.tasks.python.vision")
"""Modules that detection and embedding import, the last one in half a second."""


class Engine(str, Enum):
    """What runs the work."""

    LOCAL = "local"
    RAY = "ray"


def _limit(value: float | None) -> float | None:
    """Refuse a time in which nothing could be done."""
    if value is not None and not value > 0:
        raise typer.BadParameter(f"{value:g} s is no time to work in")
    return value


_OPTIONS = {  # option: its type and default
    "jobs": (
        Annotated[
            int | None,
            typer.Option(
                "--jobs",
                "-j",
                min=1,
                rich_help_panel=MANY,
                help="Number of parallel processes.  [default: 1; on Ray one per core]",
            ),
        ],
        None,
    ),
    "engine": (
        Annotated[
            Engine,
            typer.Option(
                rich_help_panel=MANY, help="Processes of this machine, or actors of a Ray cluster."
            ),
        ],
        Engine.LOCAL,
    ),
    "address": (
        Annotated[
            str | None,
            typer.Option(
                rich_help_panel=MANY,
                metavar="auto|ray://HOST:PORT",
                help="With --engine ray: the cluster that runs here, or another.  [default: that "
                "of the Ray job, or one of this machine alone]",
            ),
        ],
        None,
    ),
    "time_limit": (
        Annotated[
            float | None,
            typer.Option(
                rich_help_panel=MANY,
                metavar="SECONDS",
                callback=_limit,
                help="Give a clip up that takes longer.",
            ),
        ],
        None,
    ),
}


def with_executor(command: Callable) -> Callable:
    """Give a command the options of the engine; it takes them as its argument ``executor``."""

    def run(**given: object) -> object:
        asked = {name: given.pop(name) for name in _OPTIONS}
        return command(**given, executor=_executor(**asked))

    own = [p for p in inspect.signature(command).parameters.values() if p.name != "executor"]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind
        )
        for name, (kind, default) in _OPTIONS.items()
    ]
    last = [p for p in own if p.kind is inspect.Parameter.KEYWORD_ONLY]
    shown = [*(p for p in own if p not in last), *added, *last]
    run.__signature__ = inspect.Signature(shown)
    run.__annotations__ = {p.name: p.annotation for p in shown}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _executor(
    *, jobs: int | None, engine: Engine, address: str | None, time_limit: float | None
) -> "Executor":
    if engine is Engine.LOCAL:
        from vipecli.engine import Local

        if address is not None:
            raise typer.BadParameter("--address needs --engine ray")
        return Local(jobs or 1, time_limit, preload=LIBRARIES)
    from vipecli.engine.ray import Ray

    if address is not None and address != "auto" and not address.startswith("ray://"):
        raise typer.BadParameter(f"--address {address}: neither auto nor ray://HOST:PORT")
    return Ray(address, jobs, time_limit)
