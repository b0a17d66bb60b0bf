"""Training of PoseBERT: the contrastive task, then poses in 2D and 3D and their embedding."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vipecli.embedding.model import Model
from vipecli.errors import FormatError
from vipecli.evaluate.views import HELD_OUT, held_out_patterns
from vipecli.sequence.posebert import expected, single_frames
from vipecli.train import checkpoint
from vipecli.train.contrastive import Quantiser, contrast
from vipecli.train.motion_clips import MotionClips, load_clips
from vipecli.train.posebert_batches import Batches
from vipecli.train.posebert_config import Config
from vipecli.train.posebert_film import Windows
from vipecli.train.posebert_footage import Footage, sorted_out
from vipecli.train.posebert_model import PoseBert, normalised, placed
from vipecli.train.posebert_score import Score
from vipecli.train.posebert_takes import Takes
from vipecli.train.run import (
    CHECKPOINT,
    descend,
    kept_share,
    random_state,
    restore_random_state,
)

_BEND = 0.4  # error of joints from which on it counts as such, not as its square
_TARGETS = 12  # frames of a window whose embedding is learnt, per step
_LEAST_STD = 0.1  # of the embedding: a std next to nothing would outweigh all else
_ERRORS = 0.02  # weight of how well errors are foreseen


class Trainer:
    """One run: networks, their averages, optimizer, data.

    Parameters
    ----------
    config
        what fixes the run.
    clips
        motions to train on.
    held_out
        motions for the running score.
    single
        the embedding of single frames.
    takes
        what a real detector found, for `Config.filmed`.
    footage
        clips without labels, for `Config.own`; None = there are none.
    """

    def __init__(
        self,
        config: Config,
        clips: MotionClips,
        held_out: MotionClips,
        single: Model,
        takes: Takes | None = None,
        footage: Footage | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config, self.single = config, single
        self.batches = Batches(config, clips, takes, footage)
        self.studio = self.batches.studio
        self.trained_on = ", ".join(one.summary() for one in (clips, footage) if one)
        self.rng = np.random.default_rng(config.seed)
        size = config.network
        self.net = PoseBert(
            width=size.width,
            layers=size.layers,
            heads=size.heads,
            dropout=size.dropout,
            chunk=size.chunk,
            dims=single.dims,
        )
        self.quantiser = Quantiser(self.net.guess.out_features)
        self.averaged = copy.deepcopy(self.net).eval()
        self.scoring = Score(self.studio, held_out, single, embedded=config.embedded > 0)
        self.unit = self._unit()
        self.step = 0
        self._begin()

    def _begin(self) -> None:
        """Set up the optimizer of a stage."""
        self.optimizer = torch.optim.AdamW(
            [*self.net.parameters(), *self.quantiser.parameters()],
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def _unit(self) -> float:
        """How far the single-frame embedding of a detected pose is from that of another view."""
        rng = np.random.default_rng(1)
        motions, times = self.studio.motions(16, rng)
        mean, _ = single_frames(self.single, *_seen(self.studio.film(motions, times, rng)))
        _, truth = self.studio.exact(motions, rng)
        target, _ = single_frames(self.single, truth, np.ones(truth.shape[:3], np.float32))
        return float(np.linalg.norm(mean - target, axis=-1).mean())

    # -- steps --------------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """Step at which training ends."""
        return self.config.pretrain_steps + self.config.steps

    @property
    def pretraining(self) -> bool:
        """Whether this step is one of the contrastive task."""
        return self.step < self.config.pretrain_steps

    def train_step(self) -> dict[str, float]:
        """One batch; returns the loss terms, unweighted."""
        if self.step == self.config.pretrain_steps and self.step:
            self.net.load_state_dict(self.averaged.state_dict())
            self._begin()
        self.net.train()
        terms = self._contrastive() if self.pretraining else self._supervised()
        config = self.config
        weights = {"pose": config.pose, "embedding": config.embedding, "errors": _ERRORS}
        weights |= {"std": _ERRORS, "codes": 0.1, "found": 0.0}
        total = sum(weights.get(name, 1.0) * value for name, value in terms.items())
        rate = config.learning_rate * self._rate()
        descend(self.optimizer, total, self.net.parameters(), rate=rate, clip=1.0)
        self._average()
        self.step += 1
        return {name: float(value.detach()) for name, value in terms.items()}

    def _rate(self) -> float:
        config, first = self.config, 0 if self.pretraining else self.config.pretrain_steps
        steps = config.pretrain_steps if self.pretraining else config.steps
        warm = (self.step - first + 1) / max(1, config.warmup)
        left = (steps - self.step + first) / (config.decay * steps)
        return min(1.0, warm, left)

    @torch.no_grad()
    def _average(self) -> None:
        first = 0 if self.pretraining else self.config.pretrain_steps
        keep = kept_share(self.config.average, self.step - first)
        for mine, theirs in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
            mine.lerp_(theirs, 1 - keep)

    def _contrastive(self) -> dict[str, Tensor]:
        """Latents of hidden tokens among distractors; of 3D only what negatives ask for."""
        config = self.config
        whole, source = self.batches.unlabelled(self.rng)
        hidden, mask = self.studio.masked(whole, self.rng, chunk=config.network.chunk)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            context = self.net.context(self._latent(hidden), hidden.times)
            target = self.net.target(self._latent(source)[mask])
            guess = self.net.guess(context[mask])
        chunk = config.network.chunk
        poses = whole.pose[:, chunk // 2 :: chunk]
        terms, target = {}, target.float()
        if config.quantised:
            target, terms["codes"] = self.quantiser(target)
        terms["contrast"], found = contrast(
            guess.float(),
            target,
            poses[mask].flatten(1),
            negatives=config.negatives,
            count=config.distractors,
            temperature=config.temperature,
        )
        return terms | {"found": torch.tensor(found)}

    def _latent(self, filmed: Windows) -> Tensor:
        """Latents of tokens by themselves, of their joints alone."""
        known, middle, size = normalised(filmed.joints, filmed.visibility)
        path, nothing = (
            (filmed.smooth - middle) / size,
            known.new_zeros(*known.shape[:2], self.net.dims),
        )
        inputs = self.net.inputs(known, path, filmed.visibility, filmed.away, nothing, nothing)
        return self.net.latent(inputs)

    def _supervised(self) -> dict[str, Tensor]:
        """Errors of joints, poses and embeddings, and how well they are foreseen."""
        config = self.config
        filmed, motions = self.batches.supervised(self.rng)
        embedded = min(round(config.embedded * config.batch), len(motions))
        mean, std = self._single(filmed, embedded)
        known, middle, size = normalised(filmed.joints, filmed.visibility)
        path = (filmed.smooth - middle) / size
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            inputs = self.net.inputs(known, path, filmed.visibility, filmed.away, mean, std)
            out = self.net.heads_of(inputs, filmed.times)
        truth = (filmed.truth - middle) / size
        flat = _length(placed(known, path, out) - truth)
        weight = self._joint_weights(filmed)
        deep = _length(out["pose"] - filmed.pose)
        labelled = filmed.labelled[:, None, None]
        terms = {
            "joints": _mean(_robust(flat), weight),
            "pose": _mean(deep, labelled),
            "errors": _foreseen(out["joints_error"], flat, filmed.known)
            + _foreseen(out["pose_error"], deep, labelled),
        }
        if embedded and config.embedding:
            out["mean"], out["std"] = mean + out["mean"], std * out["std"]
            terms |= self._embedding_terms(out, filmed, motions, embedded)
        return terms

    def _single(self, filmed: Windows, embedded: int) -> tuple[Tensor, Tensor]:
        """Single-frame embeddings (B, T, D) of the first windows, 0 in the others."""
        out = torch.zeros(2, *filmed.times.shape, self.net.dims)
        if embedded:
            found = single_frames(self.single, *(part[:embedded] for part in _seen(filmed)))
            out[:, :embedded] = torch.from_numpy(np.stack(found))
        return out[0], out[1]

    def _joint_weights(self, filmed: Windows) -> Tensor:
        """Weights (B, T, 13): hidden joints 1, less beyond the ends; unknown ones 0."""
        hidden = filmed.visibility == 0
        between = (filmed.away >= 0).all(-1)
        weight = torch.where(hidden, torch.where(between, 1.0, 0.25), self.config.seen)
        return weight * filmed.known

    def _embedding_terms(
        self, out: dict[str, Tensor], filmed: Windows, motions: np.ndarray, embedded: int
    ) -> dict[str, Tensor]:
        """Distance from the embedding of the exact pose in another view, and its spread."""
        frames = np.sort(self.rng.permutation(motions.shape[1])[:_TARGETS])
        _, truth = self.studio.exact(motions[:embedded], self.rng)
        truth = truth[:, frames]
        target, _ = single_frames(self.single, truth, np.ones(truth.shape[:3], np.float32))
        target = torch.from_numpy(target)
        known = (filmed.visibility[:embedded, frames] > 0).any(-1).float()
        weight = (0.3 + 0.7 * known) / (0.3 + 0.7 * known).mean()
        off = out["mean"][:embedded, frames] - target
        std = out["std"][:embedded, frames].clamp_min(_LEAST_STD)
        spread = std.log() + 0.5 * (off.detach() / std).square()
        return {
            "embedding": (weight * _length(off)).mean() / self.unit,
            "std": (weight[..., None] * spread).mean(),
        }

    # -- score, checkpoints -------------------------------------------------------------------

    def figures(self) -> dict[str, float]:
        """Return nothing besides the loss terms."""
        return {}

    def score(self) -> dict[str, float]:
        """Errors on held-out windows; see `posebert_score.Score`."""
        return self.scoring(self.averaged)

    def save(self, path: Path) -> None:
        """Write all that `resume` needs, atomically."""
        state = {
            "step": self.step,
            "net": self.net.state_dict(),
            "averaged": self.averaged.state_dict(),
            "quantiser": self.quantiser.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **random_state(self.rng),
            "config": repr((self.config, self.single.id)),
        }
        checkpoint.save(state, path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same config.

        Raises
        ------
        FormatError
            if the checkpoint is of another config or damaged.
        """
        state = checkpoint.load(path, (self.config, self.single.id))
        self.step = state["step"]
        for name in ("net", "averaged", "quantiser", "optimizer"):
            getattr(self, name).load_state_dict(state[name])
        restore_random_state(state, self.rng)


def _length(gap: Tensor) -> Tensor:
    return gap.square().sum(-1).add(1e-10).sqrt()


def _robust(gap: Tensor) -> Tensor:
    """Squares of small errors, absolute values of large ones.

    Most joints hardly move: absolute errors alone hold the network to the straight lines.
    """
    return torch.where(gap < _BEND, gap.square() / _BEND, 2 * gap - _BEND)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean; 0 where nothing counts."""
    weight = weight.expand_as(values)
    return (weight * values).sum() / weight.sum().clamp_min(1e-6)


def _foreseen(error: Tensor, gap: Tensor, weight: Tensor) -> Tensor:
    """Likelihood of errors under what is expected of them, in which the mean error is best."""
    return _mean(error.log() + gap.detach() / error, weight)


def _seen(filmed: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Joints and scores as `single_frames` takes them."""
    joints, path, score = (x.numpy() for x in (filmed.joints, filmed.smooth, filmed.visibility))
    return expected(joints, path, score), score


def start(
    config: Config,
    paths: list[Path],
    out: Path,
    *,
    device: str = "cpu",
    weights: Path | None = None,
    detected: list[Path] | None = None,
    remark: Callable[[str], object] = warnings.warn,
) -> Trainer:
    """Trainer on mocap and clips without labels, resumed from the checkpoint in `out` if any.

    Parameters
    ----------
    paths
        mocap as `motion_clips.load_clips` takes it; keypoint files, ``.npz`` of `vipe embed`, and
        folders that hold such, as `posebert_footage.sorted_out` tells them apart.
    out
        folder of the run; made if missing.
    device
        ``cpu``.
    weights
        the single-frame embedding; None = the one that comes with vipe.
    detected
        files of ``python -m examples.make_detected``.
    remark
        told of each clip without labels that cannot be read, in a line; it is left out.

    Raises
    ------
    FormatError
        if a file or the checkpoint cannot be used, or there is no mocap.
    WeightsError
        if the embedding cannot be read.
    """
    if device != "cpu":
        raise FormatError(f"--device {device}: PoseBERT is trained on the cpu")
    mocap, flat = sorted_out(paths)
    if not mocap:
        raise FormatError(
            f"{paths[0]}: holds 2D poses alone; give motion capture besides, 3D is learnt from it"
        )
    if held_out_patterns(mocap) != HELD_OUT:
        raise FormatError(
            f"{', '.join(map(str, mocap))}: no clip to measure on; give motion capture of subjects "
            f"that stay out of training, too, which are named {', '.join(HELD_OUT)}"
        )
    held_out = load_clips(mocap, include=HELD_OUT)
    takes = Takes.load(detected, frames=config.frames) if detected else None
    footage = None
    if flat:
        footage = Footage.load(flat, config.augment, frames=config.frames, remark=remark)
    out.mkdir(parents=True, exist_ok=True)
    clips = load_clips(mocap, exclude=config.exclude)
    trainer = Trainer(config, clips, held_out, Model.load(weights), takes, footage)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    return trainer
