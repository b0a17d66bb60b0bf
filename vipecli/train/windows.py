"""Training of an embedding of windows of several frames; see `Network.frames`."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipecli.errors import FormatError
from vipecli.train import loop
from vipecli.train.augment import Augmenter
from vipecli.train.config import Config
from vipecli.train.data import Mocap
from vipecli.train.detected import Detections
from vipecli.train.motion_clips import MotionClips, load_clips
from vipecli.train.posebert_film import Filming, Studio
from vipecli.train.score import Retrieval
from vipecli.train.terms import embedding_terms
from vipecli.train.window_views import WindowFilm, WindowStudio

HELD_OUT_WINDOWS = 1000


class Trainer(loop.Trainer):
    """`loop.Trainer` whose pictures are windows.

    Parameters
    ----------
    config, mocap, device, film
        as there; of `Config.augment` the bodies, cameras and what is hidden are taken, errors of
        joints are those of `posebert_film.Filming`.
    clips, held_out
        the motion to train on, and to score on.

    Raises
    ------
    FormatError
        if the config asks for film and there is none, or for what windows have not.
    """

    def __init__(
        self,
        config: Config,
        mocap: Mocap,
        clips: MotionClips,
        held_out: MotionClips,
        *,
        device: str = "cpu",
        film: Detections | None = None,
    ) -> None:
        if config.identity or config.kind != "prvipe" or device != "cpu":
            raise FormatError("windows of frames are trained as prvipe, without identity, on cpu")
        frames = config.network.frames
        apart, studio = (Studio(c, filming(config), frames=frames) for c in (held_out, clips))
        augmenter = Augmenter(config.augment, seed=config.seed)
        super().__init__(config, mocap, _retrieval(WindowStudio(apart, augmenter)), film=film)
        reel = WindowFilm(film, frames) if config.detected else None
        self.windows = WindowStudio(studio, self.augmenter, reel, config.detected)

    def _views(self) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng(self.config.seed + 2)
        motions = self.windows.motions(self._held(loop.START_POSES), loop.START_POSES, rng)
        return self.windows.detect(motions, rng)

    def _held(self, count: int) -> Tensor:
        """Poses that are held in their share of `count` windows."""
        return self.draw(round(self.config.still * count))

    def _terms(self, index: Tensor) -> dict[str, Tensor]:
        held = self.poses[index[: round(self.config.still * len(index))]]
        late = self.step >= self.config.detected_from
        views, poses = self.windows.batch(held, len(index), self.rng, film=late)
        heads = self.net.heads(*(torch.cat(parts) for parts in zip(*views, strict=True)))
        terms = embedding_terms(self.config, self.net, heads, poses, poses, self.pool)
        if self.pool:
            self.pool.keep(heads, poses)
        return terms

    def filmed_twice(self, count: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Two views of windows, nothing hidden, and their middle poses (count, 13, 3)."""
        rng = np.random.default_rng(self.config.seed + 1)
        motions = self.windows.motions(self._held(count), count, rng)
        return self.windows.twice(motions, rng)


def filming(config: Config) -> Filming:
    """Cameras of the config's augmentation, motion played at its speeds."""
    augment, (slow, fast) = config.augment, config.speed
    return Filming(
        fps=(1 / (config.network.step_s * fast), 1 / (config.network.step_s * slow)),
        elevation_deg=augment.elevation_deg,
        roll_deg=augment.roll_deg,
        distance=augment.distance,
        noise=2 * augment.noise,
    )


def _retrieval(windows: WindowStudio) -> Retrieval:
    """Windows of held-out motion, each seen by two cameras."""
    rng = np.random.default_rng(0)
    motions, _ = windows.studio.motions(HELD_OUT_WINDOWS, rng)
    views, poses = windows.twice(motions, rng)
    joints, visibility = (torch.stack(part) for part in zip(*views, strict=True))
    return Retrieval(poses, joints, visibility)


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    film: Detections | None = None,
    weights: Path | None = None,
) -> Trainer:
    """Trainer on mocap files, as `loop.start`."""
    mocap, _ = loop.split(config, paths)
    clips = load_clips(paths, exclude=config.exclude)
    try:
        held_out = load_clips(paths, include=config.exclude)
    except FormatError:  # nothing held out in these files: score on what is trained on
        held_out = clips
    trainer = Trainer(config, mocap, clips, held_out, device=device, film=film)
    loop.begun(trainer, out, weights)
    return trainer
