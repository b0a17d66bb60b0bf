"""Options that several commands share, as type aliases."""

from pathlib import Path
from typing import Annotated

import typer


def _check_person(value: str) -> str:
    """Refuse anything but largest, center and numbers from 1."""
    if value in ("largest", "center") or (value.isdecimal() and int(value) > 0):
        return value
    raise typer.BadParameter(f"{value!r} is not largest, center or a number from 1")


Person = Annotated[
    str,
    typer.Option(
        callback=_check_person,
        metavar="largest|center|N",
        help="Whom to follow; N counts from the left, 1 is leftmost.",
    ),
]
PoseModel = Annotated[
    Path | None,
    typer.Option(
        envvar="VIPE_POSE_MODEL",
        metavar="FILE",
        help="MediaPipe pose landmarker (.task) instead of the one found or built by itself.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--model",
        envvar="VIPE_MODEL",
        metavar="FILE",
        help="Embedding model (.onnx) instead of the one that comes with vipe.",
    ),
]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the result as JSON; - is standard output."),
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes that work side by side.")]
