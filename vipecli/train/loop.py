"""The training loop: from a config and mocap to weights, resumable at any checkpoint."""

import copy
import dataclasses
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from vipecli.errors import FormatError
from vipecli.train import checkpoint, identity
from vipecli.train.augment import Augmenter
from vipecli.train.calibrate import calibrate
from vipecli.train.config import Config
from vipecli.train.data import Mocap, load_mocap, rarity
from vipecli.train.detected import FILM_JITTER, Detections, Reel, upwards
from vipecli.train.export import export
from vipecli.train.model import PrVipe
from vipecli.train.pool import Pool
from vipecli.train.run import (
    CHECKPOINT,
    descend,
    kept_share,
    random_state,
    restore_random_state,
)
from vipecli.train.score import Retrieval
from vipecli.train.terms import embedding_terms
from vipecli.train.warm_start import settle, start_from

CALIBRATION_POSES = 3000
START_POSES = 8192  # that tell the batch statistics of a model to start from


class Trainer:
    """One run: network, averaged network, optimizer, data.

    Parameters
    ----------
    config
        what fixes the run.
    mocap
        poses to train on.
    held_out
        poses for the running score.
    device
        ``cpu`` or ``cuda``.
    film
        what a real detector found, for `Config.detected`.

    Raises
    ------
    FormatError
        if the config asks for film and there is none.
    """

    def __init__(
        self,
        config: Config,
        mocap: Mocap,
        held_out: Retrieval,
        *,
        device: str = "cpu",
        film: Detections | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.held_out, self.device, self.step = config, held_out, device, 0
        self.film = Reel(film, seed=config.seed) if config.detected else None
        self.trained_on = mocap.summary()
        if film is not None and config.detected:
            takes = int(film.take.max()) + 1
            self.trained_on += f", {len(film.take)} frames of {takes} takes through the detector"
        self.net = PrVipe(config.network, kind=config.kind).to(device)
        self.averaged = copy.deepcopy(self.net)
        if config.half:
            self.net.in_half()
        self.start: dict[str, Tensor] = {}  # the weights given, if any
        self.pool = Pool(config.pool) if config.pool else None
        self.cycles: list[dict[str, Tensor]] = []  # averaged weights at the end of each cosine
        who = identity.subjects(mocap.names)
        self.who = torch.from_numpy(who)[torch.from_numpy(mocap.clip)]
        self.judge = (
            identity.Discriminator(config.network.dims, int(who.max()) + 1).to(device)
            if config.identity
            else None
        )
        self.optimizer = _optimizer(config, self.net, self.judge)
        self.augmenter = Augmenter(config.augment, device=device, seed=config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.poses = torch.from_numpy(mocap.poses)
        self.cumulative = np.cumsum(pose_weights(config, mocap))

    def start_from(self, path: Path) -> None:
        """Begin with the weights of an exported model; see `warm_start.start_from`."""
        fresh = start_from(self.net, path, self._views())
        self.averaged.load_state_dict(self.net.state_dict())
        self.start = {
            name: value.clone()
            for name, value in self.net.state_dict().items()
            if name.rpartition(".")[0] not in fresh
        }

    def _views(self) -> tuple[Tensor, Tensor]:
        """Pictures that tell the batch statistics of a network, the same ones every time."""
        augmenter = Augmenter(self.config.augment, device=self.device, seed=self.config.seed + 2)
        place = np.random.default_rng(self.config.seed).random(START_POSES) * self.cumulative[-1]
        index = np.searchsorted(self.cumulative, place).clip(0, len(self.poses) - 1)
        poses = self.poses[torch.from_numpy(index)].to(self.device)
        return augmenter.detect(augmenter.project(augmenter.turned(augmenter.poses(poses))))

    @property
    def last(self) -> int:
        """Step at which training ends."""
        return self.config.steps

    def train_step(self) -> dict[str, float]:
        """One batch; returns the loss terms, unweighted."""
        if self.config.average_cycles and self.step in self.config.restarts:
            self.cycles.append(copy.deepcopy(self.averaged.state_dict()))
        self.net.train(not self.config.frozen)  # or batch statistics would move on
        terms = self._terms(self._drawn(self.config.batch))
        total = sum(getattr(self.config, name, 1.0) * value for name, value in terms.items())
        rate = self.config.learning_rate * self._rate()
        descend(self.optimizer, total, self.net.parameters(), rate=rate, clip=5.0)
        self._average()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged network towards this one, faster at first; batch statistics too."""
        keep = kept_share(self.config.average, self.step)
        average, now = self.averaged.state_dict(), self.net.state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(now[name], 1 - keep)

    def result(self) -> PrVipe:
        """Return the averaged network, or with `Config.average_cycles` the mean over all cycles.

        With `Config.blend` between the weights that the run was given and that.
        """
        net = copy.deepcopy(self.averaged)
        ends = [*self.cycles, self.averaged.state_dict()]
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([end[name] for end in ends]).mean(0))
        if self.start and self.config.blend < 1:
            for name, value in net.state_dict().items():
                if name in self.start and value.is_floating_point():
                    value.copy_(torch.lerp(self.start[name], value, self.config.blend))
            settle(net, self._views())
        return net

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        if self.config.schedule == "constant":
            return warm
        if self.config.schedule == "decay":
            left = self.config.steps - max(self.step, self.config.decay_from)
            return warm * left / max(1, self.config.steps - self.config.decay_from)
        starts = [0, *self.config.restarts, self.config.steps]
        cycle = sum(self.step >= start for start in starts[1:-1])
        first, last = starts[cycle], starts[cycle + 1]
        done = (self.step - first) / (last - first)
        return warm * 0.5 * (1 + math.cos(math.pi * done)) * self.config.restart_rate**cycle

    def filmed_twice(self, count: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
        """Two views of mocap poses in which nothing is hidden, and the poses (count, 13, 3)."""
        whole = dataclasses.replace(
            self.config.augment, drop_joint=0.0, drop_limb=0.0, hide=0.0, crop=0.0
        )
        augmenter = Augmenter(whole, device=self.device, seed=self.config.seed + 1)
        poses = self.draw(count)
        return [augmenter.detect(augmenter.project(poses)) for _ in range(2)], poses

    def draw(self, count: int) -> Tensor:
        """Mocap poses (count, 13, 3), drawn by their weights."""
        return self.poses[self._drawn(count)].to(self.device)

    def _drawn(self, count: int) -> Tensor:
        """Which poses, (count,)."""
        draw = self.rng.random(count) * self.cumulative[-1]
        index = np.searchsorted(self.cumulative, draw).clip(0, len(self.poses) - 1)
        return torch.from_numpy(index)

    def _terms(self, index: Tensor) -> dict[str, Tensor]:
        """Loss terms of one batch: each pose filmed twice, as anchor and as positive."""
        poses, who = self.poses[index].to(self.device), self.who[index]
        poses = self.augmenter.turned(self.augmenter.poses(poses))
        found = self._found(len(poses))
        if found:
            poses = torch.cat([found[2], poses[len(found[2]) :]])
            who[: len(found[2])] = identity.UNKNOWN
        others = self.augmenter.resized(poses)
        films = [self.augmenter.film(p) for p in (poses, others)]
        views = [self.augmenter.detect(joints) for joints, _ in films]
        if found:
            views[0] = tuple(
                torch.cat([real, drawn[len(real) :]])
                for real, drawn in zip(found, views[0], strict=False)
            )
        joints, visibility = (torch.cat(parts) for parts in zip(*views, strict=True))
        heads = self.net.heads(joints, visibility)
        if self.config.kind == "lifting":
            seen = torch.cat([seen for _, seen in films])
            return {"lift": smooth_l1_loss(heads[0].view(-1, 13, 3), seen, beta=0.1)}
        terms = embedding_terms(self.config, self.net, heads, poses, others, self.pool)
        if self.pool:
            self.pool.keep(heads, poses)
        if self.judge:
            who = who.to(self.device).repeat(2)
            terms["subject"] = self.judge.loss(heads[0], who, reversal=self.config.identity)
        return terms

    def _found(self, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """What a detector found of a share of `count` poses, if the config wants that by now.

        Joints (N, 13, 2) and visibility (N, 13), and the true poses (N, 13, 3), y up.
        """
        if self.film is None or self.step < self.config.detected_from:
            return None
        film = self.film.draw(int(self.config.detected * count), self.step, self.rng)
        parts = film.joints, film.visibility, film.seen, film.up
        joints, visibility, seen, up = (part.to(self.device) for part in parts)
        found = self.augmenter.found(joints, visibility, FILM_JITTER)
        return *found, torch.einsum("bij,bkj->bki", upwards(up), seen)

    # -- score, checkpoints -------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """Slope and offset of the matching probability."""
        return {"a": self.net.a.item(), "b": self.net.b.item()}

    def score(self) -> dict[str, float]:
        """Hit@1 of the held-out poses, in percent."""
        return {"hit_at_1": self.held_out.hit_at_1(self.averaged)}

    def save(self, path: Path) -> None:
        """Write all that `resume` needs, atomically."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "cycles": self.cycles,
            "start": self.start,
            "judge": self.judge and self.judge.state_dict(),
            "pool": self.pool and self.pool.kept,
            "optimizer": self.optimizer.state_dict(),
            "augment_rng": self.augmenter.generator.get_state(),
            **random_state(self.rng),
            "config": repr(self.config),
        }
        checkpoint.save(state, path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same config; the result equals an undisturbed run.

        Raises
        ------
        FormatError
            if the checkpoint is of another config or damaged.
        """
        state = checkpoint.load(path, self.config, device=self.device)
        self.step = state["step"]
        self.net.load_state_dict(state["net"])
        self.averaged.load_state_dict(state["averaged"])
        self.cycles, self.start = state["cycles"], state["start"]
        if self.judge:
            self.judge.load_state_dict(state["judge"])
        if self.pool:
            self.pool.kept = state["pool"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.augmenter.generator.set_state(state["augment_rng"].cpu())
        restore_random_state(state, self.rng)


def _optimizer(
    config: Config, net: PrVipe, judge: identity.Discriminator | None
) -> torch.optim.Optimizer:
    if config.frozen:
        net.requires_grad_(False)
        net.up.requires_grad_(True)
        return torch.optim.AdamW(net.up.parameters(), lr=config.learning_rate)
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(net.parameters(), lr=config.learning_rate)
    sigmoid = [net.raw_a, net.b]  # two scalars that Adam would move by the rate, however far
    rest = [p for p in net.parameters() if all(p is not q for q in sigmoid)]
    rest += judge.parameters() if judge else []
    groups = [
        {"params": rest, "scale": 1.0},
        {"params": sigmoid, "scale": 10.0, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def pose_weights(config: Config, mocap: Mocap) -> np.ndarray:
    """How often each pose is drawn (P,): rarity, then the shares of the sources."""
    weights = rarity(mocap.poses, power=config.rarity, seed=config.seed)
    source = np.array([name.split("/")[0] for name in mocap.names])[mocap.clip]
    for name, share in config.source_weights.items():
        chosen = source == name
        if chosen.any():
            weights[chosen] *= share / weights[chosen].sum()
    return weights


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    film: Detections | None = None,
    weights: Path | None = None,
) -> Trainer:
    """Trainer on mocap files, gone on from the checkpoint in `out` if there is one.

    Parameters
    ----------
    config
        its `exclude` names the clips that stay out of training and give the running score.
    paths
        see `data.load_mocap`.
    out
        folder of the run; made if missing.
    film
        what a real detector found of poses of the training subjects.
    weights
        an exported model to start from, see `warm_start.start_from`; None = at random.

    Raises
    ------
    FormatError
        if mocap or checkpoint cannot be used.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise FormatError(f"--device {device}: torch finds no such device; use cpu")
    mocap, held_out = split(config, paths)
    return begun(Trainer(config, mocap, held_out, device=device, film=film), out, weights)


def begun(trainer: Trainer, out: Path, weights: Path | None) -> Trainer:
    """The trainer gone on from the checkpoint in `out`, else from weights, if there are any."""
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    elif weights:
        trainer.start_from(weights)
    return trainer


def split(config: Config, paths: list[Path]) -> tuple[Mocap, Retrieval]:
    """What is trained on, and the held-out poses of the running score."""
    mocap = load_mocap(paths, exclude=config.exclude)
    try:
        return mocap, Retrieval.of(load_mocap(paths, include=config.exclude))
    except FormatError:  # nothing held out in these files: score on what is trained on
        return mocap, Retrieval.of(mocap)


def finish(trainer: Trainer, out: Path) -> float:
    """Calibrate the resulting network and write it as ``<name>.onnx``.

    Returns
    -------
    Largest difference to torch, relative.
    """
    net = trainer.result()
    sigmoids = None
    if trainer.config.kind == "prvipe":
        sigmoids = calibrate(net, *trainer.filmed_twice(CALIBRATION_POSES))
    return export(
        net,
        out / f"{trainer.config.name}.onnx",
        name=trainer.config.name,
        trained_on=trainer.trained_on
        + ", after the training of the weights given" * bool(trainer.start),
        settings=dataclasses.asdict(trainer.config),
        sigmoids=sigmoids,
    )
