"""Options that several commands share, as type aliases, and those of a recipe all at once."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.alignment.settings import Estimator
from vipecli.cli.help import MATCHING, OUTPUTS, READING

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe


def _check_person(value: str) -> str:
    """Refuse an invalid choice of a person."""
    if value in ("largest", "center", "longest") or _PERSON.fullmatch(value):
        return value
    raise typer.BadParameter(
        f"{value!r} is not largest, center, longest, a number from 1 or a point x,y in pixels"
    )


def _check_matching(value: str) -> str:
    """Refuse what is no choice of a person of several clips."""
    return value if value == "matching" else _check_person(value)


_PERSON = re.compile(r"0*[1-9]\d{0,8}|\d{1,6}(\.\d+)?,\d{1,6}(\.\d+)?")
_CLOCK = re.compile(r"((?P<h>\d{1,3}):)?((?P<m>\d{1,4}):)?(?P<s>\d{1,9}(\.\d+)?)")


def seconds(text: str) -> float:
    """Seconds from 12.5, 1:02.5 or 1:00:02.5.

    Raises
    ------
    typer.BadParameter
        if it is none of these.
    """
    parts = str(text).split(":")
    if not _CLOCK.fullmatch(str(text)) or len(parts) > 3:
        raise typer.BadParameter(f"{text!r} is no time; use seconds (12.5) or minutes (1:02.5)")
    return sum(float(part) * 60**i for i, part in enumerate(reversed(parts)))


def _several(text: str) -> tuple[float, ...]:
    """Times with commas between them."""
    return text if isinstance(text, tuple) else tuple(map(seconds, text.split(",")))


def _parts(
    recipe: "Recipe", start: tuple[float, ...] | None, end: tuple[float, ...] | None, count: int
) -> "list[Recipe]":
    """Recipe of each clip, with its part; one time is for all of them.

    Raises
    ------
    typer.BadParameter
        if there are more or fewer times than clips.
    """
    starts, ends = (_for_each(*one, count) for one in ((start, "--start"), (end, "--end")))
    return [replace(recipe, start_s=a, end_s=b) for a, b in zip(starts, ends, strict=True)]


def _for_each(times: tuple[float, ...] | None, option: str, count: int) -> tuple[float | None, ...]:
    if times is None or len(times) == 1:
        return (times or (None,)) * count
    if len(times) != count:
        raise typer.BadParameter(f"{option}: {len(times)} times for {count} clips")
    return times


Flip = Annotated[
    bool,
    typer.Option(
        "--flip/--no-flip",
        rich_help_panel=OUTPUTS,
        help="Show the clip that was taken mirrored (--mirror) as a mirror does, or as filmed.",
    ),
]
Person = Annotated[
    str,
    typer.Option(
        rich_help_panel=READING,
        callback=_check_person,
        metavar="largest|center|longest|N|X,Y",
        help="Person to follow: N counts from the left, X,Y is a point on the person in pixels.",
    ),
]
PersonOfEach = Annotated[
    str,
    typer.Option(
        "--person",
        rich_help_panel=READING,
        callback=_check_matching,
        metavar="matching|largest|center|longest|N|X,Y",
        help="Person to follow: those who match each other best; N counts from the left, X,Y is a "
        "point on the person in pixels.",
    ),
]
Start = Annotated[
    float | None,
    typer.Option(
        "--start",
        rich_help_panel=READING,
        parser=seconds,
        metavar="TIME",
        help="Start at this time.",
    ),
]
End = Annotated[
    float | None,
    typer.Option(
        "--end",
        rich_help_panel=READING,
        parser=seconds,
        metavar="TIME",
        help="Stop at this time.",
    ),
]
StartOfEach = Annotated[
    tuple | None,
    typer.Option(
        "--start",
        rich_help_panel=READING,
        parser=_several,
        metavar="TIME[,...]",
        help="Start at this time, one for all clips or one for each.",
    ),
]
EndOfEach = Annotated[
    tuple | None,
    typer.Option(
        "--end",
        rich_help_panel=READING,
        parser=_several,
        metavar="TIME[,...]",
        help="Stop at this time, one for all clips or one for each.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--fps",
        rich_help_panel=READING,
        min=0.1,
        max=1000,
        metavar="N",
        help="Read at most N frames per second; the rate of image sequences and files without one.",
    ),
]
Fill = Annotated[
    float,
    typer.Option(
        "--fill",
        rich_help_panel=READING,
        min=0,
        metavar="SECONDS",
        help="Longest gap that is filled: up to half a second by straight lines, longer ones from "
        "what is before and after; 0 fills none. Filled joints are drawn hollow.",
    ),
]
Joints = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=READING,
        metavar="MAP.toml",
        help="Meaning of the points of a keypoint file with an unknown joint set.",
    ),
]
OneVideo = Annotated[
    str | None,
    typer.Option(
        "--video",
        rich_help_panel=READING,
        metavar="NAME",
        help="Which one of a keypoint file (COCO) that holds several videos.",
    ),
]
Detector = Annotated[
    str,
    typer.Option(
        rich_help_panel=READING,
        envvar="VIPE_DETECTOR",
        metavar="mediapipe|onnx:FILE",
        help="Pose detector; FILE is an ONNX model with SimCC heads (RTMPose) or MoveNet.",
    ),
]
PoseModel = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel=READING,
        envvar="VIPE_POSE_MODEL",
        metavar="FILE",
        help="MediaPipe pose landmarker (.task) instead of the one that comes with mediapipe.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--model",
        rich_help_panel=READING,
        envvar="VIPE_MODEL",
        metavar="NAME|FILE",
        help="Embedding model: prvipe, prvipe-t, which sees several frames at once, or a file "
        "(.onnx).  [default: prvipe]",
    ),
]
Vertical = Annotated[
    bool,
    typer.Option(
        rich_help_panel=MATCHING,
        help="Tell lying from standing; --no-vertical where a camera is rolled: poses are the same "
        "however they are turned.",
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        rich_help_panel=OUTPUTS,
        metavar="FILE",
        help="Write the result as JSON; - is standard output.",
    ),
]


MatchBy = Annotated[
    Estimator,
    typer.Option(
        "--match",
        rich_help_panel=MATCHING,
        help="Matching probability in closed form, or the paper's mean over samples.",
    ),
]
HeldOut = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Clips to measure on, by name; may be repeated.  [default: the subjects that stay "
        "out of training]",
    ),
]

Seed = Annotated[int, typer.Option(min=0, help="Fixes what is drawn at random.")]

Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Number of parallel processes.")]

_OF_RECIPE = {  # option: its field of `clip.Recipe`, type and default
    "person": ("person", Person, "largest"),
    "start": ("start_s", Start, None),
    "end": ("end_s", End, None),
    "fps": ("fps", Rate, None),
    "fill": ("fill_s", Fill, 0.5),
    "joints": ("joints", Joints, None),
    "video": ("video", OneVideo, None),
    "detector": ("detector", Detector, "mediapipe"),
    "pose_model": ("pose_model", PoseModel, None),
    "weights": ("weights", Weights, None),
    "vertical": ("vertical", Vertical, True),
}
OF_QUERIES = ("start", "end", "fps", "fill", "video")
"""Options of `with_recipe` that concern one clip only, and no index."""

_OF_EACH = {"start": StartOfEach, "end": EndOfEach}
_WHO_OF_EACH = PersonOfEach, "matching"


def with_recipe(*, without: tuple[str, ...] = (), of_each: bool = False) -> Callable:
    """Give a command the options that say how a clip is read.

    The command takes them together, as its argument ``recipe``, a `clip.Recipe`; if times are
    those of each clip, as ``recipes``, a function from the number of clips to a list of them.

    Parameters
    ----------
    without
        options that the command does not have.
    of_each
        --start and --end may name a time for each clip; people may be chosen by who matches.
    """
    kinds = {name: kind for name, kind in _OF_RECIPE.items() if name not in without}
    if of_each and "person" in kinds:
        kinds["person"] = ("person", *_WHO_OF_EACH)

    def decorate(command: Callable) -> Callable:
        def run(**given: object) -> object:
            from vipecli.embedding.clip import Recipe
            from vipecli.sequence.gap_filling import fill

            values = {name: given.pop(name) for name in kinds}
            times = [values.pop(name) for name in _OF_EACH] if of_each else []
            how = {kinds[name][0]: value for name, value in values.items()}
            recipe = Recipe(**how, fill=fill)
            if of_each:
                return command(**given, recipes=partial(_parts, recipe, *times))
            return command(**given, recipe=recipe)

        own = [p for p in inspect.signature(command).parameters.values() if "recipe" not in p.name]
        added = [
            inspect.Parameter(
                name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=default,
                annotation=_OF_EACH.get(name, kind) if of_each else kind,
            )
            for name, (_, kind, default) in kinds.items()
        ]
        run.__signature__ = inspect.Signature([*own, *added])
        run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate
