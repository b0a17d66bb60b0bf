"""The training loop: from a config and mocap to weights, resumable at any checkpoint."""

import copy
import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from vipecli.errors import FormatError
from vipecli.poses import skeleton as sk
from vipecli.train import checkpoint, losses
from vipecli.train.augment import Augmenter
from vipecli.train.body import frame
from vipecli.train.calibrate import calibrate
from vipecli.train.config import Config
from vipecli.train.data import Mocap, load_mocap, rarity
from vipecli.train.detected import Detections
from vipecli.train.export import export
from vipecli.train.model import PrVipe
from vipecli.train.score import Retrieval

CHECKPOINT = "checkpoint.pt"
CALIBRATION_POSES = 3000
FILM_AGAIN = 50  # steps after which film is mirrored and rolled anew
FILM_JITTER = 0.006  # std of the noise on found joints, widths of the person


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
        if config.detected and film is None:
            raise FormatError(
                "the config takes a share of what a real detector found; give it with --detected "
                "(from: python -m examples.make_detected), or set detected = 0"
            )
        torch.manual_seed(config.seed)
        self.config, self.held_out, self.device, self.step = config, held_out, device, 0
        self.film, self.original, self.film_turn = None, film, -1
        self.trained_on = mocap.summary()
        if film is not None and config.detected:
            takes = int(film.take.max()) + 1
            self.trained_on += f", {len(film.take)} frames of {takes} takes through the detector"
        self.net = PrVipe(kind=config.kind, **dataclasses.asdict(config.network)).to(device)
        self.averaged = copy.deepcopy(self.net)
        self.cycles: list[dict[str, Tensor]] = []  # averaged weights at the end of each cosine
        self.optimizer = _optimizer(config, self.net)
        self.augmenter = Augmenter(config.augment, device=device, seed=config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.poses = torch.from_numpy(mocap.poses)
        self.cumulative = np.cumsum(pose_weights(config, mocap))

    @property
    def last(self) -> int:
        """Step at which training ends."""
        return self.config.steps

    def train_step(self) -> dict[str, float]:
        """One batch; returns the loss terms, unweighted."""
        if self.config.average_cycles and self.step in self.config.restarts:
            self.cycles.append(copy.deepcopy(self.averaged.state_dict()))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * self._rate() * group.get("scale", 1.0)
        self.net.train()
        terms = self._terms(self.draw(self.config.batch))
        total = sum(getattr(self.config, name) * value for name, value in terms.items())
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self._average()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged network towards this one, faster at first; batch statistics too."""
        keep = min(self.config.average, (1 + self.step) / (10 + self.step))
        average, now = self.averaged.state_dict(), self.net.state_dict()
        for name, value in average.items():
            if value.is_floating_point():
                value.lerp_(now[name], 1 - keep)

    def result(self) -> PrVipe:
        """Return the averaged network, or with `Config.average_cycles` the mean over all cycles."""
        net = copy.deepcopy(self.averaged)
        ends = [*self.cycles, self.averaged.state_dict()]
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.stack([end[name] for end in ends]).mean(0))
        return net

    def _rate(self) -> float:
        warm = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        if self.config.schedule == "constant":
            return warm
        starts = [0, *self.config.restarts, self.config.steps]
        cycle = sum(self.step >= start for start in starts[1:-1])
        first, last = starts[cycle], starts[cycle + 1]
        done = (self.step - first) / (last - first)
        return warm * 0.5 * (1 + math.cos(math.pi * done)) * self.config.restart_rate**cycle

    def draw(self, count: int) -> Tensor:
        """Mocap poses (count, 13, 3), drawn by their weights."""
        draw = self.rng.random(count) * self.cumulative[-1]
        index = np.searchsorted(self.cumulative, draw).clip(0, len(self.poses) - 1)
        return self.poses[torch.from_numpy(index)].to(self.device)

    def _terms(self, poses: Tensor) -> dict[str, Tensor]:
        """Loss terms of one batch: each pose filmed twice, as anchor and as positive."""
        poses = self.augmenter.turned(self.augmenter.poses(poses))
        found = self._found(len(poses))
        if found:
            poses = torch.cat([found[2], poses[len(found[2]) :]])
        others = self.augmenter.resized(poses)
        films = [self.augmenter.film(p) for p in (poses, others)]
        views = [self.augmenter.detect(joints) for joints, _ in films]
        if found:
            views[0] = tuple(
                torch.cat([real, drawn[len(real) :]])
                for real, drawn in zip(found, views[0], strict=False)
            )
        joints, visibility = (torch.cat(parts) for parts in zip(*views, strict=True))
        output, std = self.net(joints, visibility)
        if self.config.kind == "lifting":
            seen = torch.cat([seen for _, seen in films])
            return {"lift": smooth_l1_loss(output.view(-1, 13, 3), seen, beta=0.1)}
        mean, std = (z.unflatten(0, (2, -1)) for z in (output, std))
        mined = losses.mine(mean, poses, candidates=self.config.candidates)
        own = torch.arange(len(poses), device=self.device)
        positive, negative = (self._distance(mean, std, i) for i in (own, mined.negative))
        margin = losses.L2_MARGIN if self.config.kind == "l2vipe" else losses.MARGIN
        triplet = torch.relu(positive - negative + margin)
        active = mined.found & (triplet > 0)
        terms = {
            "ratio": (triplet * active).sum() / active.sum().clamp_min(1),
            "positive": positive.mean(),
            "prior": losses.prior(mean.flatten(0, 1), std.flatten(0, 1)),
        }
        if self.config.lift:
            lifted = self.net.lift(mean.flatten(0, 1)).view(-1, 13, 3)
            terms["lift"] = smooth_l1_loss(lifted, canonical(torch.cat([poses, others])), beta=0.1)
        if self.config.metric:
            terms["metric"] = losses.metric(mean, mined)
        if self.config.calibration:
            terms["calibration"] = losses.calibration(self._match_pairs(mean, std, mined), mined)
        return terms

    def _found(self, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """What a detector found of a share of `count` poses, if the config wants that by now.

        Joints (N, 13, 2) and visibility (N, 13), and the true poses (N, 13, 3) in the axes of
        `Augmenter.film`.
        """
        if not self.config.detected or self.step < self.config.detected_from:
            return None
        if self.step // FILM_AGAIN != self.film_turn:
            self.film_turn = self.step // FILM_AGAIN
            self.film = self.original.varied(
                np.random.default_rng([self.config.seed, self.film_turn])
            )
        n = int(self.config.detected * count)
        i = torch.from_numpy(self.rng.integers(0, len(self.film.joints), n))
        joints, seen = self.film.joints[i].to(self.device), self.film.seen[i].to(self.device)
        visibility = self.film.visibility[i].to(self.device)
        upright = torch.tensor([-1.0, -1.0, 1.0], device=self.device)  # right, down: left, up
        return (*self.augmenter.found(joints, visibility, FILM_JITTER), seen * upright)

    def _distance(self, mean: Tensor, std: Tensor, index: Tensor) -> Tensor:
        """Distance (B,) of each anchor to the positive at `index`, as the triplets take it."""
        first, second = (mean[0], std[0]), (mean[1][index], std[1][index])
        gap = first[0] - second[0]
        if self.config.kind == "l2vipe":
            return gap.square().sum(-1)
        if self.config.kind == "vipe":
            return -losses.probability(gap.norm(dim=-1), self.net.a, self.net.b).log()
        match = {"sampled": losses.match_sampled, "moments": losses.match_moments}
        return -match[self.config.match](first, second, self.net.a, self.net.b).log()

    def _match_pairs(self, mean: Tensor, std: Tensor, mined: losses.Mined) -> Tensor:
        return losses.match_moments(
            (mean[0][:, None], std[0][:, None]),
            (mean[1][mined.index], std[1][mined.index]),
            self.net.a,
            self.net.b,
        )

    # -- checkpoints --------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write all that `resume` needs, atomically."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "cycles": self.cycles,
            "optimizer": self.optimizer.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "augment_rng": self.augmenter.generator.get_state(),
            "numpy_rng": json.dumps(self.rng.bit_generator.state),
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
        self.cycles = state["cycles"]
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["torch_rng"].cpu())
        self.augmenter.generator.set_state(state["augment_rng"].cpu())
        self.rng.bit_generator.state = json.loads(state["numpy_rng"])


def _optimizer(config: Config, net: PrVipe) -> torch.optim.Optimizer:
    if config.optimizer == "adagrad":
        return torch.optim.Adagrad(net.parameters(), lr=config.learning_rate)
    sigmoid = [net.raw_a, net.b]  # two scalars that Adam would move by the rate, however far
    rest = [p for p in net.parameters() if all(p is not q for q in sigmoid)]
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


def canonical(poses: Tensor) -> Tensor:
    """Poses (B, 13, 3) centred on the mid-hip, spine 1, in the frame of spine and hips."""
    poses = poses - poses[:, [sk.LEFT_HIP, sk.RIGHT_HIP]].mean(1, keepdim=True)
    spine = poses[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1)
    basis = frame(spine, poses[:, sk.LEFT_HIP] - poses[:, sk.RIGHT_HIP])
    return torch.einsum("bji,bkj->bki", basis, poses) / spine.norm(dim=-1)[:, None, None]


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    film: Detections | None = None,
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

    Raises
    ------
    FormatError
        if mocap or checkpoint cannot be used.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise FormatError(f"--device {device}: torch finds no such device; use cpu")
    mocap, held_out = split(config, paths)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, mocap, held_out, device=device, film=film)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    return trainer


def split(config: Config, paths: list[Path]) -> tuple[Mocap, Retrieval]:
    """What is trained on, and the held-out poses of the running score."""
    mocap = load_mocap(paths, exclude=config.exclude)
    try:
        return mocap, Retrieval.of(load_mocap(paths, include=config.exclude))
    except FormatError:  # nothing held out in these files: score on what is trained on
        return mocap, Retrieval.of(mocap)


def run(
    trainer: Trainer,
    out: Path,
    *,
    report: Callable[[dict[str, float]], None] | None = None,
    every: int = 100,
    checkpoint_every: int = 1000,
) -> None:
    """Train to the end.

    Parameters
    ----------
    out
        gets a checkpoint each `checkpoint_every` steps and a line in ``log.jsonl`` each `every`:
        step, seconds, mean loss terms, a, b and, with each checkpoint, ``hit_at_1`` in percent.
    report
        called with each of these rows.
    """
    sums: dict[str, float] = {}
    started = time.monotonic()
    while trainer.step < trainer.config.steps:
        for name, value in trainer.train_step().items():
            sums[name] = sums.get(name, 0.0) + value / every
        save = trainer.step % checkpoint_every == 0 or trainer.step == trainer.config.steps
        if trainer.step % every == 0 or save:
            row = {"step": trainer.step, "seconds": round(time.monotonic() - started, 1), **sums}
            row |= {"a": trainer.net.a.item(), "b": trainer.net.b.item()}
            if save:
                trainer.save(out / CHECKPOINT)
                row["hit_at_1"] = trainer.held_out.hit_at_1(trainer.averaged)
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            if report:
                report(row)
            sums = {}


def finish(trainer: Trainer, out: Path) -> float:
    """Calibrate the resulting network and write it as ``<name>.onnx``.

    Returns
    -------
    Largest difference to torch, relative.
    """
    whole = dataclasses.replace(trainer.config.augment, drop_joint=0.0, drop_limb=0.0, hide=0.0)
    augmenter = Augmenter(whole, device=trainer.device, seed=trainer.config.seed + 1)
    net = trainer.result()
    if trainer.config.kind == "prvipe":
        calibrate(net, trainer.draw(CALIBRATION_POSES), augmenter)
    return export(
        net,
        out / f"{trainer.config.name}.onnx",
        name=trainer.config.name,
        trained_on=trainer.trained_on,
        settings=dataclasses.asdict(trainer.config),
    )
