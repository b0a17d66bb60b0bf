"""`vipe poses`: find people, list them, and convert poses between formats."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.console import say
from vipecli.cli.help import OUTPUTS
from vipecli.cli.options import Json, with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.outputs.people import PersonSummary
    from vipecli.poses.poses import Scene
    from vipecli.video.source import ClipSource

_PICTURES = (".png", ".jpg", ".jpeg", ".webp")


class PoseFormat(str, Enum):
    """Formats that can be written; a test compares them with `formats.FORMATS`."""

    NPZ = "npz"
    COCO = "coco"
    OPENPOSE = "openpose"
    MMPOSE = "mmpose"
    ALPHAPOSE = "alphapose"
    HALPE26 = "halpe26"
    MEDIAPIPE = "mediapipe"
    MEDIAPIPE_CSV = "mediapipe-csv"
    PENN = "penn"
    SLP = "slp"
    TRC = "trc"


@with_recipe(without=("weights", "vertical", "fill"))
def poses(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", help="Video, frames or keypoint file.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Poses, or with --list a picture of each person.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    pose_format: Annotated[
        PoseFormat | None,
        typer.Option("--format", help="Format of --out.  [default: as its name ends]"),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show who is there, for --person.")
    ] = False,
    all_people: Annotated[
        bool, typer.Option("--all-people", help="Everyone, not one person.")
    ] = False,
    json: Json = None,
    *,
    recipe: "Recipe",
) -> None:
    """Find the people in a clip: list them, or write the poses of one or all to a file.

    Reads and writes vipe's .npz, COCO, OpenPose, MMPose, AlphaPose, MediaPipe, Penn Action and
    .trc; keypoint files are converted. Poses are written as found: gaps stay gaps.
    """
    from vipecli.cli.console import check_json, progress_bars
    from vipecli.embedding.clip import check_clip, read_scene

    if not listing and out is None:
        raise typer.BadParameter("give --out FILE, or --list to see who is there")
    if listing and all_people:
        raise typer.BadParameter("--list shows everyone; leave out --all-people")
    name = _check_out(out, pose_format, clip, listing=listing)
    info = check_clip(clip, recipe)
    check_json(json, clip, *([out] if out else []))
    with progress_bars() as bars:
        bar = bars.add_task(f"poses of {clip.name}", total=info.frames, unit="frames")
        sought = replace(recipe, equally=listing or all_people)
        scene = read_scene(clip, sought, lambda steps: bars.advance(bar, steps))
    if listing:
        _list(info.source, scene, out, json)
    else:
        _write(clip, scene, recipe.person, out, name, all_people=all_people, json=json)


def _check_out(
    out: Path | None, pose_format: PoseFormat | None, clip: Path, *, listing: bool
) -> str | None:
    """Refuse an output that could not be written; return the name of its format."""
    from vipecli.files import check_output
    from vipecli.poses.formats import FORMATS, format_of

    if out is None:
        return None
    if listing:
        if out.suffix.lower() not in _PICTURES:
            raise typer.BadParameter(f"with --list, --out is a picture ({', '.join(_PICTURES)})")
        check_output(out, clip)
        return None
    name = format_of(out, pose_format and pose_format.value)
    if FORMATS[name].suffix or not out.is_dir():
        check_output(out, clip)
    return name


def _list(clip: "ClipSource", scene: "Scene", out: Path | None, json: Path | None) -> None:
    """Show everyone as a table, and as a picture where one is asked for."""
    from vipecli.cli.console import STDOUT, write_json
    from vipecli.outputs.people import person_summaries, write_contact_sheet

    scene.choose("largest", path=clip.path)  # a clip without people is an error
    people = person_summaries(scene)
    if out:
        write_contact_sheet(clip, scene, people, out)
    if json:
        write_json(_listed(clip.path, scene, people), json)
    if json != STDOUT:
        _show(people)
        if out:
            say(f"Wrote {out}")


def _listed(clip: Path, scene: "Scene", people: "list[PersonSummary]") -> dict[str, Any]:
    rows = [
        {
            "person": one.number,
            "start_s": round(one.start_s, 6),
            "end_s": round(one.end_s, 6),
            "frames": one.frames,
            "share": round(one.share, 4),
            "center": [round(value, 1) for value in one.centre],
            "size": [round(value, 1) for value in one.size],
            "score": round(one.score, 4),
            "choices": list(one.choices),
        }
        for one in people
    ]
    return {
        "input": str(clip),
        "size": list(scene.size),
        "frames": len(scene.times),
        "detector": scene.detector,
        "people": rows,
    }


def _show(people: "list[PersonSummary]") -> None:
    from vipecli.cli.console import show, table

    rows = [
        (
            str(one.number),
            f"{one.start_s:.2f} - {one.end_s:.2f} s",
            f"{one.share:.0%}",
            f"{one.centre[0]:.0f},{one.centre[1]:.0f}",
            f"{one.size[0]:.0f} x {one.size[1]:.0f}",
            f"{one.score:.2f}",
            ", ".join(one.choices),
        )
        for one in people
    ]
    headings = "person", "in view", "frames", "middle", "size", "score", "--person"
    show(table(headings, rows, words=(6,)))


def _write(
    clip: Path,
    scene: "Scene",
    person: str,
    out: Path,
    name: str,
    *,
    all_people: bool,
    json: Path | None,
) -> None:
    """Write one person, or everyone: into one file, or one each where a format holds one."""
    import numpy as np

    from vipecli.cli.console import STDOUT, write_json
    from vipecli.poses.formats import FORMATS, save_poses

    chosen = [scene.choose(person, path=clip)]
    if all_people:
        chosen = scene.everyone()
    if len(chosen) == 1 or FORMATS[name].several:
        files = {out: chosen}
    else:
        files = {
            out.with_name(f"{out.stem}.{number}{out.suffix}"): [one]
            for number, one in enumerate(chosen, start=1)
        }
    for path, people in files.items():
        save_poses(people, path, format=name)
    if json:
        written = [str(path) for path in files]
        write_json({"input": str(clip), "format": name, "files": written}, json)
    people = "1 person" if len(chosen) == 1 else f"{len(chosen)} people"
    seen = np.any([one.found for one in chosen], axis=0)
    frames = f"{int(seen.sum())} of {len(scene.times)} frames"
    for path in files:
        say(f"Wrote {path}", err=json == STDOUT)
    say(f"  {people}, {name}, seen in {frames}", err=json == STDOUT)
