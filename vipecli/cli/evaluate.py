"""`vipe evaluate`: how good the embedding is, by the protocols of the paper and by our own."""

from collections.abc import Callable
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipecli.cli.evaluate_lift import lift
from vipecli.cli.figures import show_alignment, show_calibration, show_penn, show_retrieval
from vipecli.cli.options import Json, Person, PoseModel, Weights

if TYPE_CHECKING:
    import numpy as np

    from vipecli.embedding.embed import Model
    from vipecli.evaluate.alignment import Take

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="Measure the embedding: poses across views, actions, alignment, calibration.",
)

Mocap = Annotated[
    list[Path],
    typer.Argument(metavar="MOCAP...", help="Mocap, .npz of (T, 13, 3) per clip, or folders."),
]
HeldOut = Annotated[
    list[str] | None,
    typer.Option(
        metavar="GLOB",
        help="Clips to measure on, by name; may be repeated.  [default: the subjects that stay "
        "out of training]",
    ),
]
Count = Annotated[
    int, typer.Option("--poses", min=50, help="Different poses, drawn at random, at most.")
]
Hide = Annotated[
    int, typer.Option(min=0, max=9, help="Joints hidden in each picture, drawn at random.")
]
Seed = Annotated[int, typer.Option(min=0, help="Fixes everything that is drawn at random.")]
Compare = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Another model (.onnx) for the table; may be repeated."),
]


class Queries(str, Enum):
    """Which split of Penn Action asks."""

    TRAIN = "train"
    TEST = "test"


class Ends(str, Enum):
    """As in `align.align`."""

    AUTO = "auto"
    CLOSED = "closed"
    OPEN = "open"


class HideIn(str, Enum):
    """Whose joints are hidden."""

    BOTH = "both"
    QUERY = "query"
    SAME = "same"


class Cameras(str, Enum):
    """Sets of `views.CAMERAS`."""

    CHEST = "chest"
    ALL = "all"


@app.command()
def retrieval(
    mocap: Mocap,
    held_out: HeldOut = None,
    compare: Compare = None,
    cameras: Annotated[
        list[Cameras] | None,
        typer.Option(
            help="chest: 4 as in Human3.6M; all: 11 as in MPI-INF-3DHP, from knee height to high "
            "above; may be repeated.  [default: both]"
        ),
    ] = None,
    poses: Count = 2000,
    hide: Hide = 0,
    hide_in: Annotated[
        HideIn,
        typer.Option(
            help="both: hide joints in both pictures, others in each; same: the same ones of "
            "everybody; query: in the picture of the query only."
        ),
    ] = HideIn.BOTH,
    exact: Annotated[bool, typer.Option(help="Measure with exact joints too.")] = True,
    seed: Seed = 0,
    json: Json = None,
    weights: Weights = None,
) -> None:
    """Find the same pose in the picture of another camera (Hit@1, 10, 20).

    Over all ordered pairs of cameras, near-duplicates removed, a match within 0.1 NP-MPJPE;
    joints as they are and as a detector would find them. A model to compare with that lifts to 3D
    is compared with Procrustes, pair by pair, which takes minutes.
    """
    from vipecli.evaluate import retrieval as protocol

    with _result(json) as finish:
        chosen = tuple(c.value for c in cameras or Cameras)
        settings = protocol.Settings(
            cameras=chosen, exact=exact, hide=hide, hide_in=hide_in.value, seed=seed
        )
        models = _models(weights, compare)
        pool = _poses(mocap, held_out, poses, seed)
        methods = [protocol.JOINTS_2D, *(protocol.method(n, m) for n, m in models.items())]
        total = protocol.camera_pairs(settings) * len(methods)
        with _bars() as bar:
            rows = protocol.retrieval(
                pool, methods, settings, progress=bar("retrieval", total, "camera pairs")
            )
        used = protocol.described(settings) | _pool(pool, mocap, held_out)
        finish({"models": _ids(models), "settings": used, "rows": rows})
        show_retrieval(rows, hide, len(pool), json)


@app.command()
def penn(
    labels: Annotated[
        Path, typer.Argument(metavar="DIR", help="Penn Action (with labels/*.mat), or an .npz.")
    ],
    queries: Annotated[
        Queries,
        typer.Option(help="train: the training split, each clip left out of its own index."),
    ] = Queries.TRAIN,
    every: Annotated[
        int, typer.Option(min=1, help="Compare every N-th frame only; 2 takes a quarter.")
    ] = 1,
    invisible: Annotated[
        float,
        typer.Option(min=0, max=1, help="Score of hidden joints whose place was guessed."),
    ] = 0.5,
    hubs: Annotated[
        int,
        typer.Option(min=0, help="Correct for hubs by the N nearest index clips (CSLS); 0 = no."),
    ] = 50,
    json: Json = None,
    weights: Weights = None,
) -> None:
    """Recognise actions and order frames on Penn Action, from labelled joints.

    Accuracy of the nearest clip with the full index, with other viewpoints only, and with the
    clips of one viewpoint as index; Kendall's tau as TCC defines it. All clips, and those in
    which most joints are visible.
    """
    from vipecli.embedding.embed import Model
    from vipecli.evaluate import penn as protocol
    from vipecli.evaluate.penn_order import TAU_STEP
    from vipecli.index.penn_action import FPS

    with _result(json) as finish:
        model = Model.load(weights)
        clips = protocol.load(labels, invisible=invisible)
        with _bars() as bar:
            stages: dict[str, Callable[[int], object]] = {}

            def progress(stage: str, total: int, done: int) -> None:
                if stage not in stages:
                    stages[stage] = bar(stage, total, "steps")
                stages[stage](done)

            figures = protocol.evaluate(
                clips, model, queries=queries.value, every=every, hubs=hubs, progress=progress
            )
        settings = {
            "labels": str(labels),
            "queries": queries.value,
            "every": every,
            "invisible": invisible,
            "hubs": hubs,
            "fps": FPS,
            "tau_step": TAU_STEP,
        }
        finish({"model": model.id, "settings": settings} | figures)
        show_penn(figures, json)


@app.command()
def alignment(
    clips: Annotated[
        list[Path],
        typer.Argument(
            metavar="CLIPS",
            help="A folder of rendered clips with truth.json, or two synchronised videos or more.",
        ),
    ],
    warps: Annotated[
        int, typer.Option(min=0, help="Times that the second clip of a pair is cut and warped.")
    ] = 3,
    ends: Annotated[
        Ends, typer.Option(help="Whether frames at the ends may be left out, by every method.")
    ] = Ends.AUTO,
    compare: Compare = None,
    seed: Seed = 0,
    json: Json = None,
    person: Person = "largest",
    pose_model: PoseModel = None,
    weights: Weights = None,
) -> None:
    """Align clips of one motion from different cameras where the truth is known.

    One clip of a pair is cut and warped, 0.5 to 2 times as fast; the error is that of the time
    map, in frames. Beside the embedding: 2D joints, joint angles, and the detector's 3D
    landmarks, each by plain dynamic time warping.
    """
    from vipecli.evaluate import alignment as protocol

    with _result(json) as finish:
        models = _models(weights, compare)
        methods = [*protocol.BASELINES]
        for name, model in models.items():
            methods.append(protocol.embedding(name, model))
        with _bars() as bar:
            takes = _takes(clips, person, pose_model, bar)
            count = sum(1 for _ in protocol.pairs(takes))
            rows = protocol.alignment(
                takes,
                methods,
                warps=warps,
                ends=ends.value,
                seed=seed,
                progress=bar("alignment", count, "pairs"),
            )
        settings = {
            "clips": [take.name for take in takes],
            "warps": warps,
            "ends": ends.value,
            "seed": seed,
            "speeds": protocol.SPEEDS,
            "longest_cut": protocol.LONGEST_CUT,
            "detector": takes[0].poses.detector,
        }
        finish({"models": _ids(models), "settings": settings, "rows": rows})
        show_alignment(rows, json)


@app.command()
def calibration(
    mocap: Mocap,
    held_out: HeldOut = None,
    cameras: Annotated[Cameras, typer.Option(help="As for retrieval.")] = Cameras.ALL,
    poses: Count = 2000,
    hide: Hide = 0,
    seed: Seed = 0,
    json: Json = None,
    weights: Weights = None,
) -> None:
    """Compare the matching probability with how often poses match, and variance with ambiguity.

    Pairs of pictures of held-out poses from different cameras, joints as a detector would find
    them; a match is within 0.1 NP-MPJPE.
    """
    from vipecli.embedding.embed import Model
    from vipecli.evaluate import calibration as protocol
    from vipecli.evaluate.retrieval import Settings, described

    with _result(json) as finish:
        model = Model.load(weights)
        pool = _poses(mocap, held_out, poses, seed)
        settings = Settings(cameras=(cameras.value,), hide=hide, seed=seed)
        figures = protocol.calibration(pool, model, settings, cameras=cameras.value)
        unclear = protocol.ambiguity(pool, model, settings, cameras=cameras.value)
        used = described(settings) | _pool(pool, mocap, held_out)
        finish({"model": model.id, "settings": used} | figures | {"ambiguity": unclear})
        show_calibration(figures, unclear, json)


app.command()(lift)


# -- inputs ----------------------------------------------------------------------------------------


def _models(weights: Path | None, compare: list[Path] | None) -> dict[str, "Model"]:
    """Models by the name of their row: ours first."""
    from vipecli.embedding.embed import Model, default_weights

    out: dict[str, Model] = {}
    for path in (weights or default_weights(), *(compare or ())):
        name = path.stem if path.stem not in out else str(path)
        out[name] = Model.load(path)
    return out


def _ids(models: dict[str, "Model"]) -> dict[str, str]:
    return {name: model.id for name, model in models.items()}


def _poses(mocap: list[Path], held_out: list[str] | None, count: int, seed: int) -> "np.ndarray":
    from vipecli.cli.console import note
    from vipecli.evaluate.views import HELD_OUT, distinct, load_mocap

    pool = load_mocap(_files(mocap), include=held_out or HELD_OUT)
    chosen = distinct(pool, at_most=count, seed=seed)
    note(f"{len(chosen)} different poses of {len(pool)}")
    return chosen


def _files(mocap: list[Path]) -> list[Path]:
    """Files, and the .npz of folders."""
    return [
        file for path in mocap for file in (sorted(path.glob("*.npz")) if path.is_dir() else [path])
    ]


def _pool(pool: "np.ndarray", mocap: list[Path], held_out: list[str] | None) -> dict[str, Any]:
    from vipecli.evaluate.views import DUPLICATE_AT, HELD_OUT

    return {
        "mocap": [file.name for file in _files(mocap)],
        "held_out": list(held_out or HELD_OUT),
        "poses": len(pool),
        "duplicate_at": DUPLICATE_AT,
    }


def _takes(clips: list[Path], person: str, pose_model: Path | None, bar: Callable) -> list["Take"]:
    """Poses of rendered clips, or of synchronised videos: there the time is the moment."""
    from vipecli.evaluate.alignment import Take, read_truth
    from vipecli.poses.detect import detect
    from vipecli.poses.gaps import fill_gaps
    from vipecli.video.read import probe

    known = read_truth(clips[0]) if len(clips) == 1 else [(path, "", None) for path in clips]
    out = []
    for path, motion, moment in known:
        tick = bar(f"poses of {path.name}", probe(path).frames, "frames")
        poses = detect(
            path, person=person, model=pose_model, progress=lambda done, tick=tick: tick(1)
        )
        poses = fill_gaps(poses)
        out.append(Take(path.name, motion, poses, poses.times if moment is None else moment))
    return out


# -- output ----------------------------------------------------------------------------------------


@contextmanager
def _result(json: Path | None):
    """Refuse a bad JSON target first; then a function that takes the result."""
    from vipecli import __version__
    from vipecli.cli.console import check_json, write_json

    check_json(json)

    def finish(data: dict[str, Any]) -> None:
        if json:
            write_json({"version": __version__} | data, json)

    yield finish


@contextmanager
def _bars():
    """Progress on standard error: a function (stage, total, unit) that makes the next bar."""
    from vipecli.cli.console import progress_bars

    with progress_bars() as bars:

        def bar(stage: str, total: int, unit: str) -> Callable[[int], object]:
            task = bars.add_task(stage, total=total, unit=unit)
            return lambda steps: bars.advance(task, steps)

        yield bar
