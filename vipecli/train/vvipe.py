"""Training of V-VIPE: first the pose VAE in 3D, then the map from 2D into its latent."""

import copy
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vipecli.errors import FormatError
from vipecli.evaluate.metrics import MATCH_AT
from vipecli.train import checkpoint, identity, limited, losses
from vipecli.train.augment import Augmenter
from vipecli.train.data import Mocap
from vipecli.train.detected import FILM_JITTER, Detections, Reel, kept
from vipecli.train.limited import CAMERA, Film
from vipecli.train.loop import pose_weights, split
from vipecli.train.run import (
    CHECKPOINT,
    descend,
    kept_share,
    random_state,
    restore_random_state,
)
from vipecli.train.score import Retrieval
from vipecli.train.vvipe_config import Config
from vipecli.train.vvipe_model import (
    Lifter,
    Mapper,
    PoseDecoder,
    PoseEncoder,
    canonical,
)

_ALIKE = 0.05  # std of the joints of a triplet's positive, torso units


class Trainer:
    """One run: networks, their averages, optimizer, data.

    Parameters
    ----------
    config
        what fixes the run.
    mocap
        3D poses to train on.
    held_out
        poses for the running score.
    detections
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
        detections: Detections | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.held_out = config, held_out
        self.trained_on = mocap.summary()
        people = int(identity.subjects(mocap.names).max()) + 1
        self.nets = nn.ModuleDict(networks(config, people=people))
        self.averaged = copy.deepcopy(self.nets)
        self.augmenter = Augmenter(config.augment, seed=config.seed)
        self.rng = np.random.default_rng(config.seed)
        self.poses = torch.from_numpy(mocap.poses)
        weights = pose_weights(config, mocap)
        self.cumulative = np.cumsum(weights)
        self.film = self._film(mocap, weights) if config.filmed else None
        self.reel = None
        if config.detected:
            shown = detections and detections.of(~kept(detections))
            self.reel = Reel(shown, seed=config.seed)
            self.trained_on += f", {len(shown)} frames of film through the detector"
        self.step = 0
        first = "vae" if config.kind == "vvipe" and config.pretrain else "map"
        self._begin(first)

    # -- stages -------------------------------------------------------------------------------

    def _begin(self, stage: str) -> None:
        """Set up what this stage trains; the rest is frozen.

        `pairs` are the averaged tensors and those of the networks, which share their storage.
        """
        self.stage, self.first = stage, self.step
        self.moving = self._trained()
        for name, net in self.nets.items():
            net.requires_grad_(name in self.moving)
        parameters = [p for name in self.moving for p in self.nets[name].parameters()]
        self.pairs = tuple(
            [
                value
                for name in self.moving
                for value in nets[name].state_dict().values()
                if value.is_floating_point()
            ]
            for nets in (self.averaged, self.nets)
        )
        self.optimizer = torch.optim.AdamW(
            parameters,
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def _trained(self) -> tuple[str, ...]:
        if self.stage == "vae":
            return ("encoder", "decoder")
        if self.config.kind == "direct":
            return ("lifter",)
        if self.config.pretrain:
            return ("mapper",)
        return ("mapper", "decoder", *(("judge",) if self.config.identity else ()))

    @property
    def last(self) -> int:
        """Step at which training ends."""
        pretrained = self.config.kind == "vvipe" and self.config.pretrain
        return self.config.steps + (self.config.vae_steps if pretrained else 0)

    def train_step(self) -> dict[str, float]:
        """One batch; returns the loss terms, unweighted."""
        if self.stage == "vae" and self.step == self.config.vae_steps:
            for name in self.moving:  # the second stage builds on the averaged weights
                self.nets[name].load_state_dict(self.averaged[name].state_dict())
            self._begin("map")
        for name, net in self.nets.items():
            net.train(name in self.moving)
        terms = self._vae_terms() if self.stage == "vae" else self._map_terms()
        total = sum(getattr(self.config, name, 1.0) * value for name, value in terms.items())
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        rate = self.config.learning_rate * self._rate()
        descend(self.optimizer, total, parameters, rate=rate, clip=5.0)
        self._average()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _rate(self) -> float:
        steps = self.config.vae_steps if self.stage == "vae" else self.config.steps
        done = (self.step - self.first) / steps
        warm = min(1.0, (self.step - self.first + 1) / max(1, self.config.warmup))
        return warm * 0.5 * (1 + math.cos(math.pi * done))

    @torch.no_grad()
    def _average(self) -> None:
        keep = kept_share(self.config.average, self.step - self.first)
        for mine, theirs in zip(*self.pairs, strict=True):
            mine.lerp_(theirs, 1 - keep)

    # -- losses -------------------------------------------------------------------------------

    def draw(self, count: int) -> Tensor:
        """Mocap poses (count, 13, 3), drawn by their weights."""
        draw = self.rng.random(count) * self.cumulative[-1]
        index = np.searchsorted(self.cumulative, draw).clip(0, len(self.poses) - 1)
        return self.poses[torch.from_numpy(index)]

    def _targets(self, poses: Tensor) -> tuple[Tensor, Tensor]:
        """Poses the VAE knows, and rotations from there into the axes of the input."""
        if self.config.realign:
            return canonical(poses)
        spine = poses[:, 1:3].mean(1) - poses[:, 7:9].mean(1)
        centred = poses - poses[:, 7:9].mean(1, keepdim=True)
        return centred / spine.norm(dim=-1)[:, None, None], torch.eye(3).expand(len(poses), 3, 3)

    def _vae_terms(self) -> dict[str, Tensor]:
        """Reconstruction, KL to the unit Gaussian, and triplets in the latent.

        A positive is the pose with its joints a little moved; a negative is, among those of the
        batch that differ in 3D, the one nearest in the latent.
        """
        poses = self.augmenter.poses(self.draw(self.config.batch))
        if not self.config.realign:
            poses = self.augmenter.film(self.augmenter.turned(poses))[1] * torch.tensor(CAMERA)
        poses, _ = self._targets(poses)
        half = poses[: self.config.batch // 2]
        alike = half + _ALIKE * self.rng.random() * torch.randn_like(half)
        mean, std = self.nets["encoder"](torch.cat([poses, self._targets(alike)[0]]))
        own, positive = mean[: len(poses)], mean[len(poses) :]
        latent = own + std[: len(poses)] * torch.randn_like(own)
        rebuilt, _ = self.nets["decoder"](latent)
        distance = torch.cdist(own[: len(half)], own)
        apart = _apart(half, poses)
        return {
            "joints": (rebuilt - poses).norm(dim=-1).mean(),
            "prior": losses.prior(mean, std),
            "triplet": _triplet(distance, apart, (own[: len(half)] - positive).norm(dim=-1)),
            "metric": nn.functional.smooth_l1_loss(distance, 4.0 * apart, beta=0.5),
        }

    def _map_terms(self) -> dict[str, Tensor]:
        """Joints in canonical and in camera axes, and the latent of the true pose."""
        joints, visibility, seen = self._views(self.config.batch)
        if self.config.kind == "direct":
            lifted = self.nets["lifter"](joints, visibility)[0].view(-1, 13, 3)
            return {"joints": (lifted - seen).norm(dim=-1).mean()}
        truth, turn = self._targets(seen)
        mean, std, rotation = self.nets["mapper"](joints, visibility)
        lifted, _ = self.nets["decoder"](mean)
        terms = {"joints": (lifted - truth).norm(dim=-1).mean()}
        if self.config.realign:
            placed = lifted @ rotation.mT
            terms["camera"] = (placed - seen).norm(dim=-1).mean() + (rotation - turn).abs().mean()
        if self.config.pretrain:
            with torch.no_grad():
                target, _ = self.nets["encoder"](truth)
            terms["latent"] = (0.5 * ((target - mean) / std).square() + std.log()).sum(-1).mean()
        else:
            terms["prior"] = losses.prior(mean, std)
        return terms | self._unlabelled_terms()

    def _unlabelled_terms(self) -> dict[str, Tensor]:
        """Return loss terms of pictures without 3D: those of `limited` that have a weight."""
        names = [name for name in ("own", "views", "across") if getattr(self.config, name)]
        judge = self.nets["judge"] if self.config.identity else None
        if not names and judge is None:
            return {}
        pairs = self.film.pairs(self.config.batch // 2, self.rng)
        nets = self.nets["mapper"], self.nets["decoder"]
        found = limited.terms(*nets, *pairs, judge=judge, reversal=self.config.identity)
        return {name: found[name] for name in (*names, *(["subject"] if judge else []))}

    def _views(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Joints and visibility as a detector gives them, and the poses in camera axes."""
        if self.film:
            return self.film.pictures(count, self.rng)
        poses = self.augmenter.poses(self.draw(count))
        joints, seen = self.augmenter.film(self.augmenter.turned(poses))
        drawn = *self.augmenter.detect(joints), seen * torch.tensor(CAMERA)
        if not self.reel:
            return drawn
        film = self.reel.draw(int(self.config.detected * count), self.step, self.rng)
        found = self.augmenter.found(film.joints, film.visibility, FILM_JITTER)
        pairs = zip((*found, film.seen), drawn, strict=True)
        return tuple(torch.cat([real, other[len(film) :]]) for real, other in pairs)

    def _film(self, mocap: Mocap, weights: np.ndarray) -> Film:
        how = {"moments": self.config.filmed, "labels": self.config.labels, "rng": self.rng}
        return Film.of(mocap, weights, self.augmenter, **how)

    # -- score, checkpoints -------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """Return nothing besides the loss terms."""
        return {}

    @torch.no_grad()
    def score(self) -> dict[str, float]:
        """NP-MPJPE of the held-out poses, and Hit@1 of the latent, in percent."""
        nets = self.averaged.eval()
        truth = self.held_out.poses
        if self.stage == "vae":
            known = self._targets(truth)[0]
            rebuilt = nets["decoder"](nets["encoder"](known)[0])[0]
            return {"rebuilt": float((rebuilt - known).norm(dim=-1).mean())}
        outputs = [self._lift(nets, v) for v in (0, 1)]
        errors = [losses.np_mpjpe(truth, lifted).mean() for _, lifted in outputs]
        nearest = torch.cdist(outputs[0][0], outputs[1][0]).argmin(1)
        found = losses.np_mpjpe(truth, truth[nearest])
        return {
            "np_mpjpe": float(torch.stack(errors).mean()),
            "hit_at_1": 100 * float((found <= MATCH_AT).float().mean()),
            "nearest_np_mpjpe": float(found.mean()),
        }

    def _lift(self, nets: nn.ModuleDict, view: int) -> tuple[Tensor, Tensor]:
        joints, visibility = self.held_out.joints[view], self.held_out.visibility[view]
        if self.config.kind == "direct":
            flat = nets["lifter"](joints, visibility)[0]
            return flat, flat.view(-1, 13, 3)
        mean = nets["mapper"](joints, visibility)[0]
        return mean, nets["decoder"](mean)[0]

    def save(self, path: Path) -> None:
        """Write all that `resume` needs, atomically."""
        state = {
            "step": self.step,
            "stage": self.stage,
            "first": self.first,
            "nets": self.nets.state_dict(),
            "averaged": self.averaged.state_dict(),
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
        state = checkpoint.load(path, self.config)
        self.step = state["first"]
        self._begin(state["stage"])
        self.step = state["step"]
        self.nets.load_state_dict(state["nets"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.augmenter.generator.set_state(state["augment_rng"])
        restore_random_state(state, self.rng)


def networks(config: Config, *, people: int = 0) -> dict[str, nn.Module]:
    """What a config trains, by name; `people` is the number of classes of the discriminator."""
    size = config.network
    if config.kind == "direct":
        return {"lifter": Lifter(width=size.width, blocks=size.blocks, dropout=size.dropout)}
    pose = {"dims": size.dims, "width": size.pose_width, "blocks": size.pose_blocks}
    judge = {"judge": identity.Discriminator(size.dims, people)} if config.identity else {}
    return {
        "encoder": PoseEncoder(**pose),
        "decoder": PoseDecoder(**pose, realign=config.realign),
        "mapper": Mapper(
            dims=size.dims, width=size.width, blocks=size.blocks, dropout=size.dropout
        ),
    } | judge


def _apart(a: Tensor, b: Tensor) -> Tensor:
    """Mean distance of the joints (A, B) of all pairs of canonical poses."""
    gap = a[:, None] - b[None]
    return gap.square().sum(-1).add(1e-10).sqrt().mean(-1)


def _triplet(distance: Tensor, apart: Tensor, positive: Tensor, margin: float = 0.3) -> Tensor:
    """Hinge on positives (A,) and the nearest of the latents (A, B) that differ in 3D."""
    other = torch.where(apart >= MATCH_AT, distance, torch.inf).amin(1)
    usable = other.isfinite()
    hinge = torch.relu(positive - other + margin)
    return hinge[usable].mean() if usable.any() else distance.sum() * 0


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    detections: Detections | None = None,
) -> Trainer:
    """Trainer on mocap files, gone on from the checkpoint in `out` if there is one.

    Parameters
    ----------
    paths
        see `data.load_mocap`.
    out
        folder of the run; made if missing.
    device
        ``cpu``: these networks are too small to gain from another.
    detections
        what a real detector found of poses of the training subjects.

    Raises
    ------
    FormatError
        if mocap, detections or checkpoint cannot be used.
    """
    if device != "cpu":
        raise FormatError(f"--device {device}: the lifting is trained on the cpu")
    mocap, held_out = split(config, paths)
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(config, mocap, held_out, detections=detections)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    return trainer
