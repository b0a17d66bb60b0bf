"""Inputs shared by the protocols of `vipe evaluate`: models, held-out poses, result file."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from vipecli.embedding.embed import Model
    from vipecli.embedding.window import Window
    from vipecli.engine import Executor, Tick
    from vipecli.evaluate.alignment import Take
    from vipecli.poses.poses import Poses


def load_models(weights: Path | None, compare: list[Path] | None) -> dict[str, "Model"]:
    """Models by the name of their row, the one under test first."""
    from vipecli.embedding.model import Model, default_weights

    paths = by_name([weights or default_weights(), *(compare or ())])
    return {name: Model.load(path) for name, path in paths.items()}


def by_name(paths: list[Path]) -> dict[str, Path]:
    """Files by their names without suffix; those that would be called alike by their paths."""
    out: dict[str, Path] = {}
    for path in paths:
        out[path.stem if path.stem not in out else str(path)] = path
    return out


def model_ids(models: dict[str, "Model"]) -> dict[str, str]:
    """Name and checksum of every model, by the name of its row."""
    return {name: model.id for name, model in models.items()}


def draw_poses(
    mocap: list[Path],
    held_out: list[str] | None,
    count: int,
    seed: int,
    window: "Window | None" = None,
) -> "np.ndarray":
    """Different held-out poses (K, 13, 3), drawn at random; says how many there are.

    With the frames of a window around them (K, F, 13, 3).
    """
    from vipecli.cli.console import note
    from vipecli.evaluate.views import HELD_OUT, distinct_rows, load_mocap, load_windows, middle

    include = held_out or HELD_OUT
    if window:
        pool = load_windows(mocap, window, include=include, remark=note)
        chosen = pool[distinct_rows(middle(pool), at_most=count, seed=seed)]
    else:
        pool = load_mocap(mocap, include=include, remark=note)
        chosen = pool[distinct_rows(pool, at_most=count, seed=seed)]
    note(f"{len(chosen)} different poses of {len(pool)}")
    return chosen


def described_pool(
    pool: "np.ndarray", mocap: list[Path], held_out: list[str] | None
) -> dict[str, Any]:
    """Return the description of the evaluated poses for the JSON."""
    from vipecli.evaluate.views import DUPLICATE_AT, HELD_OUT
    from vipecli.poses.mocap.clips import mocap_files

    return {
        "mocap": [file.name for file, _ in mocap_files(mocap)],
        "held_out": list(held_out or HELD_OUT),
        "poses": len(pool),
        "duplicate_at": DUPLICATE_AT,
    }


def read_takes(
    clips: list[Path], person: str, pose_model: Path | None, bar: Callable, executor: "Executor"
) -> list["Take"]:
    """Poses of rendered clips, or of synchronised videos: there the time is the moment."""
    from vipecli.evaluate.alignment import Take, read_truth

    known = read_truth(clips[0]) if len(clips) == 1 else [(path, "", None) for path in clips]
    found = find_poses([path for path, _, _ in known], person, pose_model, bar, executor)
    return [
        Take(path.name, motion, poses, poses.times if moment is None else moment)
        for (path, motion, moment), poses in zip(known, found, strict=True)
    ]


def find_poses(
    paths: list[Path], person: str, pose_model: Path | None, bar: Callable, executor: "Executor"
) -> list["Poses"]:
    """Poses of one person in each clip; the first clip that fails ends it."""
    from vipecli.engine import in_order
    from vipecli.video.read import probe

    advance = bar("poses", sum(probe(path).frames or 0 for path in paths), "frames")

    def tick(steps: int, *, ahead: int = 0) -> None:
        advance(steps)

    out = []
    for outcome in in_order(executor, partial(_poses, person, pose_model), paths, tick=tick):
        if outcome.error:
            raise outcome.error
        out.append(outcome.result)
    return out


def _poses(person: str, pose_model: Path | None, path: Path, tick: "Tick") -> "Poses":
    """Poses of one clip, short gaps filled."""
    from vipecli.poses.detect import detect
    from vipecli.poses.gaps import fill_gaps

    return fill_gaps(detect(path, person=person, model=pose_model, progress=lambda done: tick(1)))


@contextmanager
def result_file(
    json: Path | None, *inputs: Path | str | Iterable[Path] | None
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Check the JSON target first, which is no input; yield a function that writes there."""
    from vipecli import __version__
    from vipecli.cli.console import check_json, write_json

    given = [[x] if isinstance(x, Path | str) else x or () for x in inputs]
    files = [Path(path) for paths in given for path in paths]
    check_json(json, *files, *(folder / "truth.json" for folder in files))

    def finish(data: dict[str, Any]) -> None:
        if json:
            write_json({"version": __version__} | data, json)

    yield finish


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int, str], Callable[[int], object]]]:
    """Progress on standard error; yields a function (stage, total, unit) that adds a bar."""
    from vipecli.cli.console import progress_bars

    with progress_bars() as bars:

        def bar(stage: str, total: int, unit: str) -> Callable[[int], object]:
            task = bars.add_task(stage, total=total, unit=unit)
            return lambda steps: bars.advance(task, steps)

        yield bar
