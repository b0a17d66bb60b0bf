"""`vipe search`: frames of an index that show a pose, from any side."""

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.console import say, show, table
from vipecli.cli.help import MATCHING, OUTPUTS
from vipecli.cli.options import Estimator, Jobs, Json, MatchBy, seconds, with_recipe

if TYPE_CHECKING:
    from vipecli.embedding.clip import Recipe
    from vipecli.index.records import Facts
    from vipecli.index.search import Hit
    from vipecli.index.store import Index
    from vipecli.poses.poses import Poses


class Space(str, Enum):
    """Representations in which poses are compared."""

    EMBEDDING = "embedding"
    PLAIN = "plain"
    LATENT = "3d"


@with_recipe(without=("start", "end", "fill", "video", "vertical"))
def search(
    query: Annotated[
        str,
        typer.Argument(
            metavar="POSE",
            help="Picture, video or keypoint file; VIDEO@12.5 or VIDEO@1:02.5 for a moment of it.",
        ),
    ],
    index: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder with an index, see `vipe index`.")
    ],
    top: Annotated[int, typer.Option("--top", "-n", min=1, help="Number of hits.")] = 12,
    per_clip: Annotated[int, typer.Option(min=1, help="Largest number of hits of one clip.")] = 1,
    space: Annotated[
        Space,
        typer.Option(
            help="Compare embeddings of the pictures, or the poses lifted to 3D.",
            rich_help_panel=MATCHING,
        ),
    ] = Space.EMBEDDING,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Leave out clips whose name matches; may be repeated."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png",
            help="Contact sheet: pose and hits with their joints.",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    match: MatchBy = Estimator.EXPECTED,
    json: Json = None,
    jobs: Jobs = 1,
    *,
    recipe: "Recipe",
) -> None:
    """Find the moments in an index at which people hold a pose, whatever the camera.

    At most one hit per clip by default; a clip that is the query itself is left out. --fps is for
    the query, such as a folder of frames; the index stays as it is.
    """
    from vipecli.cli.console import check_json, note, write_json
    from vipecli.cli.queries import up_to_date
    from vipecli.embedding.clip import read_moment
    from vipecli.engine import Local
    from vipecli.index.search import search as find

    path, time_s = _where(query)
    _check(path, sheet)
    check_json(json, path, *([sheet] if sheet else []))
    poses, frame = read_moment(path, recipe, time_s)
    recipe = replace(recipe, fps=None)
    library = up_to_date(index, recipe, Local(jobs), exclude or [])
    facts, clips = library.facts(), library.embeddings()
    if space is Space.LATENT:
        from vipecli.lifting.lift import in_latent

        frame = in_latent(poses)
        clips = [in_latent(one) for _, one in sorted(library.poses(range(len(facts))).items())]
    if space is Space.PLAIN:
        from vipecli.embedding.embed import without_vertical

        model = recipe.load_model()
        frame, *clips = (without_vertical(one, model) for one in (frame, *clips))
    out = _left_out(facts, path, recipe, exclude or [])
    for place in out[1]:
        note(f"{facts[place].name} is the query itself and is left out")
    hits = find(frame, clips, top=top, per_clip=per_clip, leave_out=out[0], match=match.value)
    if sheet:
        _write_sheet(path, poses, hits, library, facts, sheet)
    if json:
        rows = [_as_json(hit, facts[hit.clip]) for hit in hits]
        asked = {"query": str(path), "time_s": round(float(poses.times[0]), 6)}
        write_json(asked | {"model": frame.model, "hits": rows}, json)
    if json != Path("-"):
        _show(hits, facts, sheet)


def _where(query: str) -> tuple[Path, float | None]:
    """Return the file and the time of a query such as VIDEO@12.5."""
    path, at, time = query.rpartition("@")
    if not at or Path(query).exists():
        return Path(query), None
    return Path(path), seconds(time)


def _check(path: Path, sheet: Path | None) -> None:
    from vipecli.errors import VipeError
    from vipecli.files import check_output

    if sheet:
        if sheet.suffix.lower() != ".png":
            raise VipeError(f"{sheet}: the contact sheet is a .png; choose such a name")
        check_output(sheet, path)


def _left_out(
    facts: "list[Facts]", path: Path, recipe: "Recipe", exclude: list[str]
) -> "tuple[Any, list[int]]":
    """Return which clips to exclude (C,), and the indices of those that are the query itself."""
    from fnmatch import fnmatchcase

    import numpy as np

    from vipecli.embedding.embedded_folder import content_key, detector_key

    key = content_key(path, detector_key(recipe))
    itself = [i for i, one in enumerate(facts) if one.key == key]
    out = np.array([any(fnmatchcase(one.name, p) for p in exclude) for one in facts])
    out[itself] = True
    return out, itself


def _as_json(hit: "Hit", facts: "Facts") -> dict[str, Any]:
    return {
        "clip": facts.name,
        "label": facts.label,
        "viewpoint": facts.viewpoint,
        "time_s": round(hit.time_s, 6),
        "frame": hit.frame,
        "match": round(hit.match, 4),
        "match_probability": round(hit.match_probability, 4),
        "distance": round(hit.distance, 6),
    }


def _show(hits: "list[Hit]", facts: "list[Facts]", sheet: Path | None) -> None:
    rows = [
        (
            facts[hit.clip].name,
            facts[hit.clip].label,
            f"{hit.time_s:.2f} s",
            f"{hit.match:.0%}",
            f"{hit.distance:.3f}",
        )
        for hit in hits
    ]
    show(table(("clip", "label", "time", "match", "distance"), rows, words=(0, 1)))
    if sheet:
        say(f"Wrote {sheet}")


def _write_sheet(
    path: Path,
    poses: "Poses",
    hits: "list[Hit]",
    library: "Index",
    facts: "list[Facts]",
    out: Path,
) -> None:
    from vipecli.cli.console import note
    from vipecli.index.build import clip_path
    from vipecli.outputs.sheet import Tile, write_sheet
    from vipecli.poses.formats import is_pose_file
    from vipecli.urls import is_url

    joints = library.poses(hit.clip for hit in hits)
    tiles = []
    if remote := sum(is_url(facts[hit.clip].path) for hit in hits):
        note(f"{out}: {remote} hits are remote and shown without pictures; copy the clips first")
    for i, hit in enumerate(hits, start=1):
        one, clip = facts[hit.clip], joints[hit.clip]
        video = clip_path(one, library.folder)
        if video is not None and is_pose_file(video):
            video = None
        tiles.append(
            Tile(
                clip.xy[hit.frame],
                clip.score[hit.frame],
                clip.size,
                f"{i}. {one.label}, {hit.match:.0%}",
                f"{one.name} at {hit.time_s:.2f} s",
                video,
                hit.time_s,
            )
        )
    picture = None if is_pose_file(path) else path
    time_s = float(poses.times[0])
    asked = Tile(
        poses.xy[0], poses.score[0], poses.size, "query", f"{path.name} at {time_s:.2f} s", picture,
        time_s,
    )  # fmt: skip
    write_sheet(asked, tiles, out)
