"""`vipe evaluate`: quality of the embedding, by the protocols of the paper and further ones."""

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vipecli.alignment.settings import Ends
from vipecli.cli.engines import with_executor
from vipecli.cli.evaluate_inputs import (
    described_pool,
    draw_poses,
    load_models,
    model_ids,
    read_takes,
    result_file,
    stage_bars,
)
from vipecli.cli.evaluate_lift import lift
from vipecli.cli.evaluate_predict import predict
from vipecli.cli.evaluate_sequence import sequence
from vipecli.cli.figures import show_alignment, show_calibration, show_penn, show_retrieval
from vipecli.cli.help import App
from vipecli.cli.options import Json, Person, PoseModel, Weights

if TYPE_CHECKING:
    from vipecli.engine import Executor

app = App("Measure the embedding: poses across views, actions, alignment, calibration.")

Mocap = Annotated[
    list[Path],
    typer.Argument(metavar="MOCAP...", help=".npz of (T, 13, 3) per clip, .bvh, .amc, or folders."),
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
    int, typer.Option(min=0, max=9, help="Joints occluded in each picture, drawn at random.")
]
Seed = Annotated[int, typer.Option(min=0, help="Fixes everything that is drawn at random.")]
Compare = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="NAME|FILE", help="Another model for the table, as --model; may be repeated."
    ),
]


class Queries(str, Enum):
    """Which split of Penn Action the queries are from."""

    TRAIN = "train"
    TEST = "test"


class HideIn(str, Enum):
    """Which pictures have occluded joints."""

    BOTH = "both"
    QUERY = "query"
    SAME = "same"


class Cameras(str, Enum):
    """Sets of `views.CAMERAS`."""

    CHEST = "chest"
    ALL = "all"


@app.command()
@with_executor
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
    vertical: Annotated[
        bool, typer.Option(help="Measure with the vertical as a part of the embedding too.")
    ] = False,
    seed: Seed = 0,
    json: Json = None,
    weights: Weights = None,
    *,
    executor: "Executor",
) -> None:
    """Find the same pose in the picture of another camera (Hit@1, 10, 20).

    Over all ordered pairs of cameras, near-duplicates removed, a match within 0.1 NP-MPJPE;
    joints as they are and as a detector would find them. As NP-MPJPE turns one pose onto the other,
    the embedding is taken without the vertical. A model of several frames sees the frames
    around each pose, errors of joints new in each. A model to compare with that lifts to 3D
    is compared with Procrustes, pair by pair, which takes minutes.
    """
    from vipecli.errors import FormatError
    from vipecli.evaluate import retrieval as protocol

    with result_file(json, mocap, compare, weights) as finish:
        chosen = tuple(c.value for c in cameras or Cameras)
        settings = protocol.Settings(
            cameras=chosen, exact=exact, hide=hide, hide_in=hide_in.value, seed=seed
        )
        models = load_models(weights, compare)
        windows = {model.window for model in models.values() if model.window}
        if len(windows) > 1:
            raise FormatError("the models see windows of different lengths; compare them apart")
        pool = draw_poses(mocap, held_out, poses, seed, next(iter(windows), None))
        plain = {name: model.without_vertical() for name, model in models.items()}
        shown = plain if not vertical else plain | {f"{n}, vertical": models[n] for n in models}
        methods = [protocol.JOINTS_2D, *(protocol.method(n, m) for n, m in shown.items())]
        total = protocol.camera_pairs(settings) * len(methods)
        with stage_bars() as bar:
            rows = protocol.retrieval(
                pool,
                methods,
                settings,
                executor=executor,
                progress=bar("retrieval", total, "camera pairs"),
            )
        used = protocol.described(settings) | described_pool(pool, mocap, held_out)
        finish({"models": model_ids(models), "settings": used, "rows": rows})
        show_retrieval(rows, hide, len(pool), json)


@app.command()
@with_executor
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
        typer.Option(min=0, max=1, help="Score of occluded joints whose position was guessed."),
    ] = 0.5,
    hubs: Annotated[
        int,
        typer.Option(min=0, help="Correct for hubs by the N nearest index clips (CSLS); 0 = no."),
    ] = 50,
    k: Annotated[int, typer.Option("-k", min=1, help="How many of the nearest clips vote.")] = 5,
    folds: Annotated[
        int,
        typer.Option(
            min=0,
            help="With the training split: answer each of N blocks of neighbouring clips from the "
            "others, as near-duplicates are neighbours; 0 = leave one clip out.",
        ),
    ] = 0,
    json: Json = None,
    weights: Weights = None,
    *,
    executor: "Executor",
) -> None:
    """Recognise actions and order frames on Penn Action, from labelled joints.

    Accuracy of the nearest clip, as in the paper, and of the vote of `vipe classify`, with the full
    index, with other viewpoints only, and with the clips of one viewpoint as index; Kendall's tau
    as TCC defines it. All clips, and those in which most joints are visible.
    """
    from vipecli.embedding.embed import Model
    from vipecli.evaluate import penn as protocol
    from vipecli.evaluate.penn_order import TAU_STEP
    from vipecli.index.penn_action import FPS

    with result_file(json, labels, weights) as finish:
        model = Model.load(weights)
        clips = protocol.load(labels, invisible=invisible)
        with stage_bars() as bar:
            stages: dict[str, Callable[[int], object]] = {}

            def progress(stage: str, total: int, done: int) -> None:
                if stage not in stages:
                    stages[stage] = bar(stage, total, "steps")
                stages[stage](done)

            figures = protocol.evaluate(
                clips,
                model,
                queries=queries.value,
                every=every,
                hubs=hubs,
                k=k,
                folds=folds,
                executor=executor,
                progress=progress,
            )
        settings = {
            "labels": str(labels),
            "queries": queries.value,
            "every": every,
            "invisible": invisible,
            "hubs": hubs,
            "k": k,
            "folds": folds,
            "fps": FPS,
            "tau_step": TAU_STEP,
        }
        finish({"model": model.id, "settings": settings} | figures)
        show_penn(figures, json)


@app.command()
@with_executor
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
    *,
    executor: "Executor",
) -> None:
    """Align clips of one motion from different cameras where the truth is known.

    One clip of a pair is cut and warped, 0.5 to 2 times as fast; the error is that of the time
    map, in frames. Beside the embedding: 2D joints, joint angles, and the detector's 3D
    landmarks, each by plain dynamic time warping.
    """
    from vipecli.evaluate import alignment as protocol

    with result_file(json, clips, compare, pose_model, weights) as finish:
        models = load_models(weights, compare)
        methods = [*protocol.BASELINES]
        for name, model in models.items():
            methods.append(protocol.embedding(name, model))
        with stage_bars() as bar:
            takes = read_takes(clips, person, pose_model, bar, executor)
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
        finish({"models": model_ids(models), "settings": settings, "rows": rows})
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

    with result_file(json, mocap, weights) as finish:
        model = Model.load(weights).without_vertical()
        pool = draw_poses(mocap, held_out, poses, seed)
        settings = Settings(cameras=(cameras.value,), hide=hide, seed=seed)
        figures = protocol.calibration(pool, model, settings, cameras=cameras.value)
        unclear = protocol.ambiguity(pool, model, settings, cameras=cameras.value)
        used = described(settings) | described_pool(pool, mocap, held_out)
        finish({"model": model.id, "settings": used} | figures | {"ambiguity": unclear})
        show_calibration(figures, unclear, json)


app.command()(lift)
app.command()(predict)
app.command()(sequence)
