"""3D error with few 3D labels, with and without pictures that have none.

    python -m benchmarks.limited MOCAP... [--labels 0.01 0.05 0.1 1] [--seeds 1 2] [--rows FILE]

`weights/baselines/limited.toml` fixes the rest. Labels are those of a few people; the rest of the
film is used not at all, picture by picture (`own`), in pairs of synchronised pictures by metric
learning in the latent (`views`, as Mitra et al. do it) and through the lifted pose (`across`), or
in all ways. Measured on the subjects held out, two random cameras, detector noise.
"""

import argparse
import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vipecli.train.loop import split
from vipecli.train.vvipe import Trainer
from vipecli.train.vvipe_config import read_config

CONFIG = Path(__file__).parent.parent / "weights" / "baselines" / "limited.toml"
WAYS = {
    "labels alone": {"own": 0.0, "views": 0.0, "across": 0.0},
    "own": {"views": 0.0, "across": 0.0},
    "views": {"own": 0.0, "across": 0.0},
    "views, across": {"own": 0.0},
    "own, views, across": {},
}
"""What is left out of the config, by name."""

Case = tuple[int, float, str]
"""Seed, share of the labels, way."""


def measure(mocap: list[Path], cases: list[Case]) -> Iterator[dict]:
    """One row per case."""
    config = read_config(CONFIG)
    pool, held_out = split(config, mocap)
    for seed, labels, way in cases:
        one = dataclasses.replace(config, seed=seed, labels=labels, **WAYS[way])
        trainer = Trainer(one, pool, held_out)
        while trainer.step < trainer.last:
            trainer.train_step()
        yield {"seed": seed, "labels": labels, "way": way, **trainer.score()}


def table(rows: list[dict]) -> str:
    """Means over the seeds, as Markdown."""
    lines = [
        "| 3D labels | pictures without | NP-MPJPE lifted | of the pose found first | Hit@1 % |",
        "|---|---|---|---|---|",
    ]
    for case in sorted({(row["labels"], list(WAYS).index(row["way"])) for row in rows}):
        labels, way = case[0], list(WAYS)[case[1]]
        chosen = [row for row in rows if (row["labels"], row["way"]) == (labels, way)]
        names = "np_mpjpe", "nearest_np_mpjpe", "hit_at_1"
        lifted, found, hit = (np.mean([row[name] for row in chosen]) for name in names)
        lines.append(f"| {100 * labels:g} % | {way} | {lifted:.3f} | {found:.3f} | {hit:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what `--rows` does not hold yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mocap", type=Path, nargs="+")
    parser.add_argument("--labels", type=float, nargs="+", default=[0.01, 0.05, 0.1, 1.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rows", type=Path, help="keeps each result; go on from there next time")
    asked = parser.parse_args()
    kept = asked.rows.read_text().splitlines() if asked.rows and asked.rows.exists() else []
    rows = [json.loads(line) for line in kept]
    done = {(row["seed"], row["labels"], row["way"]) for row in rows}
    cases = itertools.product(asked.seeds, asked.labels, asked.ways)
    for row in measure(asked.mocap, [case for case in cases if case not in done]):
        rows.append(row)
        if asked.rows:
            with asked.rows.open("a") as file:
                file.write(json.dumps(row) + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
