"""Detections of known poses by a real detector, and the refiner that learns from them."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vipecli.errors import FormatError
from vipecli.poses import skeleton as sk
from vipecli.poses.npz_reader import open_npz
from vipecli.train.body import unit
from vipecli.train.vvipe_model import Mapper, PoseDecoder, canonical

EPOCHS, BATCH, RATE = 40, 256, 1e-3
_ROLL_DEG = 12.0  # std of the rotation in the picture's plane that varies the film, for lifting
_JITTER = 0.01  # std of the noise on detections, torso units
FILM_ROLL_DEG = 5.0  # the same, of film in the batches of a network that sees mocap, too
FILM_JITTER = 0.006  # std of the noise on the joints found there, widths of the person
_AGAIN = 50  # steps between new random mirrors and rolls of the film that batches are drawn from


@dataclass(frozen=True)
class Detections:
    """Frames with detected and true joints.

    Attributes
    ----------
    joints, visibility
        shapes (P, 13, 2) pixels and (P, 13).
    world
        shape (P, 13, 3): the detector's own 3D joints, axes right, down, forward.
    seen
        shape (P, 13, 3): true joints about the mid-hip, the same axes, spine 1.
    up
        shape (P, 3): the world's vertical, the same axes.
    take
        shape (P,): which stretch of film each frame is of.
    """

    joints: Tensor
    visibility: Tensor
    world: Tensor
    seen: Tensor
    up: Tensor
    take: Tensor

    @classmethod
    def load(cls, paths: list[Path]) -> "Detections":
        """Read files of ``python -m examples.make_detected``.

        Raises
        ------
        FormatError
            if a file is none.
        """
        names = "xy", "score", "world", "seen", "up", "take"
        parts, takes = [], 0
        for path in paths:
            with open_npz(path, what="a file of detections") as archive:
                arrays = [archive.read(name) for name in names]
            arrays[-1] = arrays[-1] + takes
            takes = arrays[-1].max() + 1
            parts.append(arrays)
        columns = zip(*parts, strict=True)
        joints, score, world, seen, up, take = (
            torch.from_numpy(np.concatenate(c)) for c in columns
        )
        spine = seen[:, [sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].mean(1).norm(dim=-1)
        return cls(joints, score, world, seen / spine[:, None, None], up, take)

    def __len__(self) -> int:
        """Return the number of frames, P."""
        return len(self.joints)

    def of(self, index: Tensor) -> "Detections":
        """Return the frames of an index or a mask."""
        return Detections(*(getattr(self, field.name)[index] for field in fields(self)))

    def varied(self, rng: np.random.Generator, *, roll_deg: float = _ROLL_DEG) -> "Detections":
        """The same film, half of the frames mirrored, all rolled by `roll_deg` (std)."""
        count = len(self.joints)
        flip = torch.from_numpy(rng.random(count) < 0.5)

        def mirrored(x: Tensor, *signs: float) -> Tensor:
            other = x[:, list(sk.MIRROR)] * (torch.tensor(signs) if signs else 1)
            return torch.where(flip.view(-1, *[1] * (x.dim() - 1)), other, x)

        angle = torch.from_numpy(rng.normal(0, np.radians(roll_deg), count)).float()
        c, s, zero, one = angle.cos(), angle.sin(), torch.zeros(count), torch.ones(count)
        roll = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], -1).view(-1, 3, 3).mT
        return Detections(
            mirrored(self.joints, -1.0, 1.0) @ roll[:, :2, :2],
            mirrored(self.visibility),
            mirrored(self.world, -1.0, 1.0, 1.0) @ roll,
            mirrored(self.seen, -1.0, 1.0, 1.0) @ roll,
            (
                torch.where(flip[:, None], self.up * torch.tensor([-1.0, 1.0, 1.0]), self.up)[
                    :, None
                ]
                @ roll
            )[:, 0],
            self.take,
        )


def wanted(film: Detections | None) -> Detections:
    """Return the film that a config wants.

    Raises
    ------
    FormatError
        if there is none.
    """
    if film is None:
        raise FormatError(
            "the config takes a share of what a real detector found; give it with --detected "
            "(from: python -m examples.make_detected), or set detected = 0"
        )
    return film


class Reel:
    """Draws frames of film for batches: mirrored and rolled anew every `_AGAIN` steps.

    Parameters
    ----------
    detections
        the frames; None = the user gave none.
    seed
        with the same one the film is varied alike.

    Raises
    ------
    FormatError
        if there are none.
    """

    def __init__(self, detections: Detections | None, *, seed: int) -> None:
        self._original = self._varied = wanted(detections)
        self._turn, self._seed = -1, seed

    def draw(self, count: int, step: int, rng: np.random.Generator) -> Detections:
        """`count` frames, any of them, as the film is at this step of a training."""
        if step // _AGAIN != self._turn:
            self._turn = step // _AGAIN
            rolls = np.random.default_rng([self._seed, self._turn])
            self._varied = self._original.varied(rolls, roll_deg=FILM_ROLL_DEG)
        return self._varied.of(torch.from_numpy(rng.integers(0, len(self._varied), count)))


def upwards(up: Tensor) -> Tensor:
    """Rotations (B, 3, 3) that turn directions (B, 3) onto the y axis, the shortest way.

    As the shortest way from straight down is not defined, `up` has to point up or down in axes
    with y down, as a picture has them: they are turned about z first.
    """
    flip = torch.tensor([-1.0, -1.0, 1.0], device=up.device)
    v = unit(up * flip)
    y = torch.zeros_like(v)
    y[:, 1] = 1
    s = v + y
    # reflection in the plane across v + y, twice: v to y
    turn = 2 * s[:, :, None] * s[:, None] / s.square().sum(-1)[:, None, None].clamp_min(1e-6)
    eye = torch.eye(3, device=up.device)
    half = 2 * y[:, :, None] * y[:, None] - eye
    return half @ (turn - eye) @ torch.diag(flip)


class Refiner(nn.Module):
    """A pose from the one lifted from 2D and the detector's own 3D landmarks.

    It corrects the lifted pose by what it has learnt of both one's errors; from where the camera
    looks tells along which way the two are worst.
    """

    def __init__(self, *, width: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * 39 + 13 + 3, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.head = nn.Linear(width, 39)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, pose: Tensor, world: Tensor, visibility: Tensor, camera: Tensor) -> Tensor:
        """Canonical poses (B, 13, 3).

        Parameters
        ----------
        pose, world
            shape (B, 13, 3): lifted, and the detector's; both are brought into the canonical frame.
        visibility
            shape (B, 13).
        camera
            shape (B, 3): the way the camera looks, in the canonical frame.
        """
        pose, world = canonical(pose)[0], canonical(world)[0]
        parts = pose.flatten(1), world.flatten(1), (world - pose).flatten(1), visibility, camera
        change = self.head(self.layers(torch.cat(parts, dim=1))).view(-1, 13, 3)
        return canonical((pose + world) / 2 + change)[0]


def train_refiner(
    detections: Detections, mapper: Mapper, decoder: PoseDecoder, *, seed: int = 0
) -> tuple[Refiner, dict[str, float]]:
    """Refiner for a mapper and its decoder, which stay as they are.

    Returns
    -------
    The network, and mean errors in torso units on a tenth of the takes that it was not trained on:
    of the mapper alone (``lifted``), of the detector (``world``), of the refiner (``refined``).
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    apart = kept(detections)
    net = Refiner()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    steps = EPOCHS * (len(apart) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2 * RATE, total_steps=steps)
    for _ in range(EPOCHS):
        feed, truth = inputs(detections.varied(rng), mapper, decoder)
        order = torch.from_numpy(rng.permutation(np.flatnonzero(~apart)))
        net.train()
        for batch in order.split(BATCH):
            pose, world, visibility, camera = (x[batch] for x in feed)
            pose = pose + _JITTER * torch.randn_like(pose)
            world = world + _JITTER * torch.randn_like(world)
            loss = (net(pose, world, visibility, camera) - truth[batch]).norm(dim=-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    net.eval()
    feed, truth = inputs(detections, mapper, decoder)
    with torch.no_grad():
        found = {"lifted": feed[0], "world": canonical(feed[1])[0], "refined": net(*feed)}
    return net, {
        name: float((pose - truth)[apart].norm(dim=-1).mean()) for name, pose in found.items()
    }


def kept(detections: Detections) -> Tensor:
    """Frames (P,) of the tenth of the takes that is not trained on."""
    return detections.take % 10 == 9


@torch.no_grad()
def spread(
    detections: Detections,
    mapper: Mapper,
    decoder: PoseDecoder,
    refiner: Refiner,
    *,
    samples: int = 16,
) -> list[float]:
    """How many times the samples of the latent have to be wider to be as wide as the errors are.

    Per joint (13,), root mean squares over the takes that were not trained on.
    """
    apart = kept(detections)
    feed, truth = inputs(detections, mapper, decoder)
    error = (refiner(*feed) - truth)[apart].square().sum(-1).mean(0)
    mean, std, _ = mapper(detections.joints[apart], detections.visibility[apart])
    drawn = [decoder(mean + std * torch.randn_like(std))[0] for _ in range(samples)]
    wide = torch.stack(drawn).var(0).sum(-1).mean(0)
    return [round(value, 4) for value in (error / wide.clamp_min(1e-6)).sqrt().tolist()]


@torch.no_grad()
def inputs(
    detections: Detections, mapper: Mapper, decoder: PoseDecoder
) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor], Tensor]:
    """Return the inputs of a refiner for every frame, and the true canonical poses."""
    mean, _, rotation = mapper.eval()(detections.joints, detections.visibility)
    pose, _ = decoder.eval()(mean)
    unit = detections.world.norm(dim=-1).mean(1)[:, None, None].clamp_min(1e-6)
    feed = pose, detections.world / unit, detections.visibility, rotation[:, 2]
    return feed, canonical(detections.seen)[0]
