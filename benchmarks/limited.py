"""3D error with few 3D labels, with and without pictures that have none.

    python -m benchmarks.limited MOCAP... [--labels 0.01 0.05 0.1 1] [--seeds 1 2] [--rows FILE]

`weights/baselines/limited.toml` fixes the rest. Labels are those of a few people; the rest of the
film is used not at all, picture by picture (`own`), in pairs of synchronised pictures by metric
learning in the latent (`views`, as Mitra et al. do it) and through the lifted pose (`across`), or
in all ways; `identity` keeps out of the latent who is moving (Mitra et al., too). Measured on the
subjects held out, two random cameras, detector noise.
"""

import argparse
import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from vipecli.train.data import load_mocap
from vipecli.train.identity import subject_recognised
from vipecli.train.loop import split
from vipecli.train.score import Retrieval
from vipecli.train.vvipe import Trainer
from vipecli.train.vvipe_config import read_config

IDENTITY = 0.1  # factor of the turned gradient; --fold and --identity try others
CONFIG = Path(__file__).parent.parent / "weights" / "baselines" / "limited.toml"
WAYS = {
    "labels alone": {"own": 0.0, "views": 0.0, "across": 0.0},
    "own": {"views": 0.0, "across": 0.0},
    "views": {"own": 0.0, "across": 0.0},
    "views, across": {"own": 0.0},
    "own, views, across": {},
    "views, identity": {"own": 0.0, "across": 0.0, "identity": IDENTITY},
    "own, views, across, identity": {"identity": IDENTITY},
}
"""What is left out of the config, by name."""

Case = tuple[int, float, str]
"""Seed, share of the labels, way."""


def measure(
    mocap: list[Path], cases: list[Case], *, fold: tuple[str, ...] = (), identity: float = IDENTITY
) -> Iterator[dict]:
    """One row per case.

    Parameters
    ----------
    fold
        patterns of clips of the training subjects: measured on these, trained on the others; empty
        = measured on the subjects held out.
    identity
        factor of the turned gradient.
    """
    config = read_config(CONFIG)
    if fold:
        pool = load_mocap(mocap, exclude=config.exclude + fold)
        held_out = Retrieval.of(load_mocap(mocap, include=fold))
    else:
        pool, held_out = split(config, mocap)
    for seed, labels, way in cases:
        changes = {**WAYS[way]}
        if "identity" in changes:
            changes["identity"] = identity
        one = dataclasses.replace(config, seed=seed, labels=labels, **changes)
        trainer = Trainer(one, pool, held_out)
        while trainer.step < trainer.last:
            trainer.train_step()
        row = {"seed": seed, "labels": labels, "way": way, **trainer.score()}
        yield row | people_told(trainer)


def people_told(trainer: Trainer) -> dict[str, float]:
    """How often a fresh classifier names who moves from the latent; naming the most frequent."""
    film, mapper = trainer.film, trainer.averaged["mapper"].eval()
    with torch.no_grad():
        latent = mapper(film.joints[:, 0], film.visibility[:, 0])[0]
    subject, most = subject_recognised(latent, film.who, film.clip)
    return {"subject": 100 * subject, "most_frequent": 100 * most}


def table(rows: list[dict]) -> str:
    """Means over the seeds, as Markdown."""
    lines = [
        "| 3D labels | pictures without | NP-MPJPE lifted | of the pose found first | Hit@1 % "
        "| subject told % |",
        "|---|---|---|---|---|---|",
    ]
    for case in sorted({(row["labels"], list(WAYS).index(row["way"])) for row in rows}):
        labels, way = case[0], list(WAYS)[case[1]]
        chosen = [row for row in rows if (row["labels"], row["way"]) == (labels, way)]
        names = "np_mpjpe", "nearest_np_mpjpe", "hit_at_1", "subject"
        figures = [np.mean([row[name] for row in chosen]) for name in names]
        cells = (f"{v:.{d}f}" for v, d in zip(figures, (3, 3, 1, 1), strict=True))
        lines.append(f"| {100 * labels:g} % | {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what `--rows` does not hold yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--labels", type=float, nargs="+", default=[0.01, 0.05, 0.1, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rows", type=Path, help="keeps each result; go on from there next time")
    parser.add_argument("--identity", type=float, default=IDENTITY)
    parser.add_argument(
        "--fold", nargs="+", default=[], metavar="GLOB", help="measure on these training clips"
    )
    asked = parser.parse_args()
    kept = asked.rows.read_text().splitlines() if asked.rows and asked.rows.exists() else []
    rows = [json.loads(line) for line in kept]
    done = {(row["seed"], row["labels"], row["way"]) for row in rows}
    cases = itertools.product(asked.seeds, asked.labels, asked.ways)
    left = [case for case in cases if case not in done]
    for row in measure(asked.mocap, left, fold=tuple(asked.fold), identity=asked.identity):
        rows.append(row)
        if asked.rows:
            with asked.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
