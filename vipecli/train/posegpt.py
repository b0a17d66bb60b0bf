"""Training of models that predict poses: scheduled sampling, averaged weights, checkpoints."""

import copy
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipecli.errors import FormatError
from vipecli.train import checkpoint
from vipecli.train.motion_clips import MotionClips, load_angles, load_benchmark, load_clips
from vipecli.train.posegpt_bodies import Bodies
from vipecli.train.posegpt_config import Config
from vipecli.train.posegpt_model import DctMlp, PoseGpt, Scales
from vipecli.train.run import (
    CHECKPOINT,
    descend,
    kept_share,
    random_state,
    restore_random_state,
)

_SCORED = 1024  # windows of the running score
_CONTEXT = 2  # of ``mocap``: the direction that a camera cannot see, in the floor


class Trainer:
    """One run: network, its average, optimizer, data.

    Parameters
    ----------
    config
        what fixes the run.
    clips
        motions to train on.
    validation
        motions for the running score; None = `clips` themselves.
    """

    def __init__(
        self, config: Config, clips: MotionClips, validation: MotionClips | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.clips = config, clips
        self.trained_on = clips.summary()
        self.rng = np.random.default_rng(config.seed)
        self.bodies = Bodies(config) if config.data == "mocap" else None
        self.weights = self._weights(clips, config.power)
        self.net = network(config, clips.joints.shape[1])
        self.net.fit(self._scales())
        self.averaged = copy.deepcopy(self.net).eval()
        self.optimizer = torch.optim.AdamW(
            self.net.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0
        self.held_out = self._held_out(validation or clips)

    # -- data ---------------------------------------------------------------------------------

    def _weights(self, clips: MotionClips, power: float) -> np.ndarray:
        frames = self.config.seen + self.config.future
        span = (frames - 1) / self.config.fps * self.config.speed[1]
        return clips.weights(span_s=span, power=power)

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor | None]:
        """Seen frames (B, seen, C), future ones (B, future, C), what else is known (B, context)."""
        return self._draw(self.clips, self.weights, count, rng)

    def _draw(
        self,
        clips: MotionClips,
        weights: np.ndarray,
        count: int,
        rng: np.random.Generator,
        *,
        varied: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        config = self.config
        drawn = clips.draw(
            count,
            config.seen + config.future,
            fps=config.fps,
            rng=rng,
            weights=weights,
            speed=config.speed if varied else (1.0, 1.0),
        )
        if self.bodies:
            return self.bodies.prepare(drawn, rng)
        if varied and config.data == "cmu-prediction":
            drawn = config.augment.apply(drawn, rng)
        flat = torch.from_numpy(drawn).flatten(2)
        return flat[:, : config.seen], flat[:, config.seen :], None

    def _held_out(self, clips: MotionClips) -> tuple[Tensor, Tensor, Tensor | None]:
        weights = self._weights(clips, 1.0 if self.bodies else 0.0)
        return self._draw(clips, weights, _SCORED, np.random.default_rng(0), varied=False)

    def _scales(self) -> Scales:
        seen, _, _ = self.draw(2048, np.random.default_rng(1))
        middle = seen.mean((0, 1))
        chunk = min(self.config.network.chunk, 5)
        steps = seen[:, chunk - 1 :: chunk, None] - seen[:, : -chunk + 1 or None : chunk, None]
        return Scales(middle, float((seen - middle).std()), float(steps.std()))

    # -- steps --------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """Step at which training ends."""
        return self.config.steps

    @property
    def own(self) -> float:
        """Return the probability of scheduled sampling at this step."""
        config, done = self.config, self.step / self.config.steps
        if not config.sampled:
            return 0.0
        rise = config.own_until - config.own_from
        return min(1.0, max(0.0, (done - config.own_from) / rise)) if rise else 1.0

    def train_step(self) -> dict[str, float]:
        """One batch; returns the loss terms, unweighted."""
        config = self.config
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            terms = self._terms(*self.draw(config.batch, self.rng))
        scale = {"velocity": config.velocity, "energy": config.energy}
        total = sum(scale.get(name, 1.0) * value for name, value in terms.items())
        rate = config.learning_rate * self._rate()
        descend(self.optimizer, total, self.net.parameters(), rate=rate, clip=1.0)
        self._average()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        return warm * 0.5 * (1 + math.cos(math.pi * self.step / self.config.steps))

    @torch.no_grad()
    def _average(self) -> None:
        keep = kept_share(self.config.average, self.step)
        pairs = zip(self.averaged.parameters(), self.net.parameters(), strict=True)
        for mine, theirs in pairs:
            mine.lerp_(theirs, 1 - keep)

    def _terms(self, seen: Tensor, future: Tensor, known: Tensor | None) -> dict[str, Tensor]:
        """Errors of joints and of their steps, and how well the expected error fits; metres."""
        if self.config.kind == "posegpt":
            chunk = self.config.network.chunk
            tokens = int(self.rng.integers(self.config.least, self.config.seen // chunk + 1))
            seen = seen[:, -tokens * chunk :]
        extra = self.extra(known, seen, future)
        frames, error = self.net.rollout(seen, future, own=self.own, extra=extra)
        gap = _per_joint(frames - future)
        weight = self._frame_weights(future.shape[1])
        steps = _velocity(frames, future, seen)
        terms = {"joints": (weight * gap).mean(), "velocity": (weight * steps).mean()}
        if self.config.kind == "posegpt":
            terms["error"] = 0.01 * (error.log() + gap.detach() / error).mean()
        if self.config.energy:
            terms["energy"] = self._energy(seen, future, known)
        return terms

    def _frame_weights(self, frames: int) -> Tensor:
        """Weights (frames, 1) of the frames ahead, 1 on average."""
        weight = torch.arange(1, frames + 1) ** -self.config.early
        return (weight / weight.mean())[:, None]

    def extra(
        self, known: Tensor | None, seen: Tensor, future: Tensor, *, drawn: bool = False
    ) -> Tensor | None:
        """Return the inputs of tokens besides poses: `known`, and noise, 0 unless `drawn`."""
        sizes, chunk = self.config.network, self.config.network.chunk
        if known is None and not sizes.noise:
            return None
        tokens = (seen.shape[1] + future.shape[1]) // chunk
        parts = [] if known is None else [known[:, None].expand(-1, tokens, -1)]
        if sizes.noise:
            shape = len(seen), tokens, sizes.noise
            parts.append(torch.randn(shape) if drawn else torch.zeros(shape))
        return torch.cat(parts, -1)

    def _energy(self, seen: Tensor, future: Tensor, known: Tensor | None) -> Tensor:
        """Return the energy score of two sampled futures."""
        half = len(seen) // 2  # of the batch: the most expensive term
        seen, future = seen[:half], future[:half]
        known = None if known is None else known[:half]
        twice = [None if x is None else torch.cat([x, x]) for x in (seen, future, known)]
        extra = self.extra(twice[2], twice[0], twice[1], drawn=True)
        drawn, _ = self.net.rollout(twice[0], twice[1], own=1.0, extra=extra)
        a, b = drawn.chunk(2)
        near = [(x - future).square().sum(-1).add(1e-8).sqrt().mean() for x in (a, b)]
        return (near[0] + near[1]) / 2 - 0.5 * (a - b).square().sum(-1).add(1e-8).sqrt().mean()

    # -- score, checkpoints -------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """Return nothing besides the loss terms."""
        return {}

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """Mean error of held-out windows at four horizons, millimetres of the data."""
        seen, future, known = self.held_out
        extra = self.extra(known, seen, future)
        frames, _ = self.averaged.eval().rollout(seen, future, own=1.0, extra=extra)
        gap = 1000 * _per_joint(frames - future).mean((0, 2))
        count = len(gap)
        at = [max(1, round(share * count)) for share in (0.08, 0.16, 0.4, 1.0)]
        return {f"mm_{1000 * n / self.config.fps:.0f}ms": float(gap[n - 1]) for n in at}

    def save(self, path: Path) -> None:
        """Write all that `resume` needs, atomically."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **random_state(self.rng),
            "config": repr(self.config),
        }
        checkpoint.save(state, path)

    def start_from(self, path: Path) -> None:
        """Begin with the averaged weights of another run's checkpoint.

        Raises
        ------
        FormatError
            if it is none, or of another network.
        """
        state = checkpoint.read(path)
        try:
            self.net.load_state_dict(state["averaged"])
        except (KeyError, RuntimeError, TypeError) as exc:
            raise FormatError(f"{path}: of another network than the config's") from exc
        self.averaged.load_state_dict(self.net.state_dict())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same config.

        Raises
        ------
        FormatError
            if the checkpoint is of another config or damaged.
        """
        state = checkpoint.load(path, self.config)
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_random_state(state, self.rng)


def _per_joint(gap: Tensor) -> Tensor:
    """Lengths (B, T, J) of differences (B, T, 3 J)."""
    return gap.unflatten(-1, (-1, 3)).square().sum(-1).add(1e-10).sqrt()


def _velocity(frames: Tensor, future: Tensor, seen: Tensor) -> Tensor:
    """Errors (B, T, J) of the steps from frame to frame, the first one from the last seen frame."""
    last = seen[:, -1:]
    ours = torch.cat([last, frames], 1).diff(dim=1)
    theirs = torch.cat([last, future], 1).diff(dim=1)
    return _per_joint(ours - theirs)


def network(config: Config, joints: int) -> PoseGpt | DctMlp:
    """The network that a config trains."""
    size = config.network
    if config.kind == "dctmlp":
        shape = {"seen": config.seen, "future": config.future, "layers": size.layers}
        return DctMlp(3 * joints, **shape)
    return PoseGpt(
        3 * joints,
        size,
        context=_CONTEXT if config.data == "mocap" else 0,
        reach=(config.seen + config.future) // size.chunk,
    )


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    weights: Path | None = None,
) -> Trainer:
    """Trainer on mocap files, resumed from the checkpoint in `out` if there is one.

    Parameters
    ----------
    paths
        of ``cmu-prediction`` its folder; else see `motion_clips.load_clips`.
    out
        folder of the run; made if missing.
    device
        ``cpu``: this network is too small to gain from another.
    weights
        checkpoint of a run with the same network, whose averaged weights are the start.

    Raises
    ------
    FormatError
        if mocap, checkpoint or weights cannot be used.
    """
    if device != "cpu":
        raise FormatError(f"--device {device}: prediction is trained on the cpu")
    held_out = config.exclude + config.validate

    def load(include: tuple[str, ...], exclude: tuple[str, ...]) -> MotionClips:
        which = {"include": include, "exclude": exclude}
        if config.data == "mocap":
            return load_clips(paths, **which)
        reader = load_benchmark if config.data == "cmu-prediction" else load_angles
        return reader(paths[0], **which)

    validation = load(config.validate, config.exclude) if config.validate else None
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, load(("*",), held_out), validation)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    elif weights:
        trainer.start_from(weights)
    return trainer
