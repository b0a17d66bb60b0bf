"""Batches of PoseBERT's training: mocap filmed by rule, film that was looked at, own clips."""

import numpy as np

from vipecli.errors import FormatError
from vipecli.train.motion_clips import MotionClips
from vipecli.train.posebert_config import Config
from vipecli.train.posebert_film import Studio, Windows
from vipecli.train.posebert_footage import Footage
from vipecli.train.posebert_takes import Takes


class Batches:
    """Draws windows.

    Parameters
    ----------
    config
        shares and numbers.
    clips
        motions to train on.
    takes
        what a real detector found, for `Config.filmed`.
    footage
        clips without labels, for `Config.own`; None = there are none.

    Raises
    ------
    FormatError
        if the config wants takes and there are none.
    """

    def __init__(
        self,
        config: Config,
        clips: MotionClips,
        takes: Takes | None = None,
        footage: Footage | None = None,
    ) -> None:
        if config.filmed and takes is None:
            raise FormatError(
                "the config takes a share of what a real detector found; give it with --detected "
                "(from: python -m examples.make_detected), or set filmed = 0"
            )
        self.config, self.takes, self.footage = config, takes, footage
        self.studio = Studio(clips, config.augment, frames=config.frames, power=config.power)
        self.labelled = self._labelled(clips)
        self.own = round(config.own * config.batch) if footage else 0

    def _labelled(self, clips: MotionClips) -> np.ndarray | None:
        """Which clips' 3D is used, (clips,) bool."""
        if self.config.labels >= 1:
            return None
        rng, usable = np.random.default_rng(self.config.seed), self.studio.weights > 0
        order = rng.permutation(np.flatnonzero(usable))
        length = np.cumsum(clips.length[order])
        count = int(np.searchsorted(length, self.config.labels * length[-1])) + 1
        return np.isin(np.arange(len(usable)), order[:count])

    def supervised(self, rng: np.random.Generator) -> tuple[Windows, np.ndarray]:
        """Windows, and the motions of the first ones of them: all but clips without labels."""
        config = self.config
        real = round(config.filmed * config.batch) if self.takes else 0
        motions, times = self.studio.motions(config.batch - real - self.own, rng, self.labelled)
        filmed = self.studio.film(motions, times, rng)
        if self.takes and real:
            taken, theirs = self.takes.draw(real, rng)
            filmed, motions = taken.and_then(filmed), np.concatenate([theirs, motions])
        if self.footage and self.own:
            filmed = filmed.and_then(self.footage.draw(self.own, rng, config.augment))
        return filmed, motions

    def unlabelled(self, rng: np.random.Generator) -> tuple[Windows, Windows]:
        """Windows in which nothing is hidden, and the same moments as the targets show them.

        Those are from another camera if `Config.other_view` says so, but for the own clips.
        """
        motions, times = self.studio.motions(self.config.batch - self.own, rng)
        whole = self.studio.film(motions, times, rng, hide=False)
        source = whole
        if self.config.other_view:
            source = self.studio.film(motions, times, rng, hide=False)
        if self.footage and self.own:
            own = self.footage.draw(self.own, rng, self.config.augment, hide=False)
            whole, source = whole.and_then(own), source.and_then(own)
        return whole, source
