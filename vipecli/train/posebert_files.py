"""What a training of PoseBERT ends in: one ONNX file."""

import dataclasses
from pathlib import Path

import numpy as np

from vipecli.sequence.posebert import OUTPUTS, expected, single_frames
from vipecli.train.export import write
from vipecli.train.posebert import Trainer

_EXAMPLES = 8  # windows that the file is checked on
_TOLERANCE = 2e-3  # float16 has 11 bits


def finish(trainer: Trainer, out: Path) -> list[Path]:
    """Write the averaged network.

    Returns
    -------
    The file.
    """
    config = trainer.config
    rng = np.random.default_rng(config.seed)
    filmed = trainer.studio.film(*trainer.studio.motions(_EXAMPLES, rng), rng)
    joints, path, score = (x.numpy() for x in (filmed.joints, filmed.smooth, filmed.visibility))
    mean, std = single_frames(trainer.single, expected(joints, path, score), score)
    feed = {
        "joints": 200 * joints + 500,
        "smooth": 200 * path + 500,
        "visibility": filmed.visibility.numpy(),
        "away": filmed.away.numpy(),
        "times": filmed.times.numpy(),
        "mean": mean,
        "std": std,
    }
    about = {
        "name": config.name,
        "kind": config.kind,
        "frames": config.frames,
        "fps": list(config.augment.fps),
        "dims": trainer.single.dims,
        "single": trainer.single.id,
        "trained_on": trainer.trained_on,
        "settings": dataclasses.asdict(config),
    }
    path = out / f"{config.name}.onnx"
    write(trainer.averaged, path, feed, OUTPUTS, about, tolerance=_TOLERANCE, half=True)
    return [path]
