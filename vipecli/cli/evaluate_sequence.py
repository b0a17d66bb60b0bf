"""`vipe evaluate sequence`: what context over time is good for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.engines import with_executor
from vipecli.cli.options import HeldOut, Json, Seed

if TYPE_CHECKING:
    from vipecli.engine import Executor
    from vipecli.evaluate.sequences import Filmed, Space
    from vipecli.sequence.posebert import PoseBert


@with_executor
def sequence(
    mocap: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MOCAP...]", help=".npz of (T, 13, 3) per clip, .bvh, .amc, or folders."
        ),
    ] = None,
    held_out: HeldOut = None,
    index: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MOCAP",
            help="Motion capture whose poses are searched, without held-out subjects; may be "
            "repeated.  [default: MOCAP]",
        ),
    ] = None,
    detected: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Takes of `python -m examples.make_detected`."),
    ] = None,
    aligned: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="CLIPS", help="Rendered clips with truth.json, to align with a gap in each."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PoseBERT (.onnx) instead of the one that comes along."),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Another PoseBERT; may be repeated."),
    ] = None,
    clips: Annotated[int, typer.Option(min=5, help="Clips of MOCAP, at most.")] = 150,
    seed: Seed = 0,
    json: Json = None,
    *,
    executor: "Executor",
) -> None:
    """Fill gaps, find the same pose again, and lift to 3D, in the context of a window of film.

    From MOCAP, each clip by a camera of its own, joints as a detector would find them: the error of
    joints hidden for 0.2 to 2 s beside straight lines, and the 3D error of the nearest frame of
    other people by the contextual embedding beside those that come with vipe. From --detected:
    PA-MPJPE. From --aligned: the alignment error with nobody seen for a second in the middle of
    each clip.
    """
    from vipecli.cli.evaluate_inputs import by_name, result_file
    from vipecli.cli.figures import show_alignment, show_gaps, show_lifting, show_nearest
    from vipecli.sequence.gap_filling import default_posebert

    if not (mocap or detected or aligned):
        raise typer.BadParameter("give MOCAP, --detected or --aligned")
    inputs = mocap, index, detected, aligned, model, compare
    with result_file(json, *inputs) as finish:
        berts = {name: default_posebert(path) for name, path in by_name(compare or []).items()}
        berts = {"PoseBERT": default_posebert(model)} | berts
        result: dict[str, Any] = {
            "model": {name: bert.id for name, bert in berts.items()},
            "settings": {"clips": clips, "seed": seed},
        }
        if mocap:
            films, known = _filmed(mocap, held_out, index or mocap, clips, seed)
            result |= _on_mocap(berts, films, known)
        if detected:
            result["film"] = _on_film(berts, detected)
        if aligned:
            result["aligned"] = _on_clips(berts["PoseBERT"], aligned, seed, executor)
        finish(result)
        if mocap:
            show_gaps(result["gaps"], json)
            show_nearest(result["nearest"], json)
        if detected:
            show_lifting("film", result["film"], json)
        if aligned:
            show_alignment(result["aligned"], json)


def _filmed(
    mocap: list[Path], held_out: list[str] | None, index: list[Path], count: int, seed: int
) -> "tuple[list[Filmed], list[Filmed]]":
    """Held-out clips, and clips of other people, each by a camera of its own."""
    import fnmatch

    from vipecli.cli.console import note
    from vipecli.evaluate.sequences import filmed
    from vipecli.evaluate.views import HELD_OUT, load_clips

    asked = load_clips(mocap, include=held_out or HELD_OUT, remark=note)
    others = {
        name: clip
        for name, clip in load_clips(index, include=("*",)).items()
        if name not in asked and not any(fnmatch.fnmatch(name, pattern) for pattern in HELD_OUT)
    }
    films = filmed(asked, seed=seed, at_most=count)
    return films, filmed(others, seed=seed + 1, at_most=3 * count)


def _on_mocap(
    berts: "dict[str, PoseBert]", films: "list[Filmed]", known: "list[Filmed]"
) -> dict[str, Any]:
    from vipecli.embedding.model import NAMES, Model
    from vipecli.evaluate import sequences as protocol
    from vipecli.evaluate.lifting import by_vvipe
    from vipecli.lifting.lift import SMOOTH_S
    from vipecli.lifting.lifter import default_lifter

    single, lifter = Model.load(), default_lifter(None)
    spaces: dict[str, Space] = {n: protocol.by_embedding(Model.load(n)) for n in NAMES}
    for name, bert in berts.items():
        spaces[name] = protocol.contextual(bert, single)
        spaces[f"{name}, 3D"] = protocol.posed(protocol.by_context(name, bert, single))
    methods = [
        by_vvipe("V-VIPE, 3D", lifter),
        by_vvipe("V-VIPE, 3D, smoothed", lifter, smooth_s=SMOOTH_S),
        by_vvipe("V-VIPE, 3D, in context, smoothed", lifter, smooth_s=SMOOTH_S, context=True),
    ]
    spaces |= {method.name: protocol.posed(method) for method in methods}
    return {
        "gaps": protocol.gap_filling(films, berts["PoseBERT"]),
        "nearest": protocol.nearest(films, known, spaces) if known else [],
    }


def _on_film(berts: "dict[str, PoseBert]", film: Path) -> list[dict[str, Any]]:
    from vipecli.embedding.model import Model
    from vipecli.evaluate import lifting as protocol
    from vipecli.evaluate.sequences import by_context
    from vipecli.lifting.lift import SMOOTH_S
    from vipecli.lifting.lifter import default_lifter

    lifter, single = default_lifter(None), Model.load()
    methods = [
        protocol.by_vvipe("V-VIPE, 2D alone", lifter, world=False),
        protocol.by_vvipe("V-VIPE, smoothed", lifter, smooth_s=SMOOTH_S),
        protocol.by_vvipe("V-VIPE, in context, smoothed", lifter, smooth_s=SMOOTH_S, context=True),
        *(by_context(f"{name}, 2D alone", bert, single) for name, bert in berts.items()),
    ]
    return protocol.by_film(protocol.load_filmed(film), methods)


def _on_clips(
    bert: "PoseBert", clips: list[Path], seed: int, executor: "Executor"
) -> list[dict[str, Any]]:
    from vipecli.cli.evaluate_inputs import read_takes, stage_bars
    from vipecli.embedding.model import Model
    from vipecli.evaluate.alignment import pairs
    from vipecli.evaluate.sequences import aligned_with_gaps

    with stage_bars() as bar:
        takes = read_takes(clips, "largest", None, bar, executor)
        tick = bar("alignments", len(list(pairs(takes))), "pairs")
        return aligned_with_gaps(takes, bert, Model.load(), seed=seed, progress=tick)
