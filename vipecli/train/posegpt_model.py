"""Networks that predict poses: Pose-GPT, and an MLP over DCT coefficients to compare it with."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from vipecli.train.posegpt_config import Sizes


@dataclass(frozen=True)
class Scales:
    """Scales by which inputs are divided, so that they are about 1.

    Attributes
    ----------
    middle
        shape (C,), mean pose.
    pose, motion
        standard deviation of poses about it, and of the steps within a token; unit of the poses.
    """

    middle: Tensor
    pose: float
    motion: float


class Block(nn.Module):
    """Causal self-attention and an MLP, both with normalised input (pre-norm).

    Positions are relative: every head adds to its logits a number learnt for each distance.
    """

    def __init__(self, width: int, heads: int, reach: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.reach = heads, reach
        self.before = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.drop = nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(heads, reach))

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Tokens (B, N, W) after keys and values of the tokens before them; and all of those."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.attend(self.before(x)).chunk(3, dim=-1)
        )
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        count, total = q.shape[2], k.shape[2]
        back = torch.arange(total - count, total)[:, None] - torch.arange(total)[None]
        logits = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        logits = logits + self.bias[:, back.clamp(0, self.reach - 1)]
        logits = logits.masked_fill(back < 0, -1e9)
        found = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + self.drop(self.merge(found))
        return x + self.drop(self.mlp(x)), (k, v)


class PoseGpt(nn.Module):
    """The next few frames after every few frames: a causal transformer over chunks of motion.

    A token is `chunk` frames. What comes out is added to the last pose of its token, and is zero at
    the start of training: a person who stands still.

    Parameters
    ----------
    channels
        C, coordinates of a frame: three per joint.
    size
        of the network; `Sizes.noise` numbers are drawn per token for several futures.
    context
        numbers known of the whole window beside the poses.
    reach
        largest relative position of tokens; farther ones share its bias.
    """

    def __init__(
        self,
        channels: int,
        size: Sizes | None = None,
        *,
        context: int = 0,
        reach: int = 12,
    ) -> None:
        super().__init__()
        size = size or Sizes()
        chunk, width = size.chunk, size.width
        self.channels, self.chunk, self.context, self.noise = channels, chunk, context, size.noise
        self.enter = nn.Linear(chunk * channels + context + size.noise, width)
        self.blocks = nn.ModuleList(
            Block(width, size.heads, reach, size.dropout) for _ in range(size.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, chunk * channels)
        self.spread = nn.Linear(width, chunk * (channels // 3))
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("middle", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(2))

    def fit(self, scales: Scales) -> None:
        """Set the scales of the data."""
        self.middle.copy_(scales.middle)
        self.scale.copy_(torch.tensor([scales.pose, scales.motion]))

    def tokens(self, frames: Tensor, extra: Tensor | None = None) -> Tensor:
        """Tokens (B, N, W) of frames (B, N * chunk, C), with `extra` (B, N, context + noise)."""
        chunks = frames.unflatten(1, (-1, self.chunk))
        last = chunks[:, :, -1]
        steps = (chunks[:, :, :-1] - last[:, :, None]).flatten(2) / self.scale[1]
        parts = [steps, (last - self.middle) / self.scale[0]]
        return self.enter(torch.cat(parts if extra is None else [*parts, extra], -1))

    def heads_of(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Next frames (B, N, chunk, C), and the expected error (B, N, chunk, J) of each joint."""
        x = self.norm(x)
        last = frames.unflatten(1, (-1, self.chunk))[:, :, -1:]
        moved = self.leave(x).unflatten(-1, (self.chunk, self.channels))
        error = self.spread(x).clamp(-8.0, 6.0).exp().unflatten(-1, (self.chunk, -1))
        return last + self.scale[1] * moved, self.scale[1] * error

    def forward(self, frames: Tensor, extra: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """After every token of frames (B, N * chunk, C): see `heads_of`."""
        x = self.tokens(frames, extra)
        for block in self.blocks:
            x, _ = block(x)
        return self.heads_of(x, frames)

    def rollout(
        self,
        seen: Tensor,
        future: Tensor,
        *,
        own: float,
        extra: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Future frames predicted one token after the other.

        Parameters
        ----------
        seen
            shape (B, N * chunk, C).
        future
            shape (B, M * chunk, C), what came; read only where `own` < 1, and for its length.
        own
            probability that a token is followed by the model's own prediction instead of the truth
            (scheduled sampling); gradients pass through it. 1 at test.
        extra
            shape (B, N + M, context + noise).

        Returns
        -------
        Frames (B, M * chunk, C) and expected errors (B, M * chunk, J).
        """
        steps, first = future.shape[1] // self.chunk, seen.shape[1] // self.chunk
        if own == 0:  # all tokens at once
            part = None if extra is None else extra[:, :-1]
            frames, error = self(torch.cat([seen, future[:, : -self.chunk]], 1), part)
            return frames[:, first - 1 :].flatten(1, 2), error[:, first - 1 :].flatten(1, 2)
        truth = future.unflatten(1, (-1, self.chunk))
        now, past, out = seen, [None] * len(self.blocks), []
        for step in range(steps):
            part = None
            if extra is not None:
                part = extra[:, :first] if step == 0 else extra[:, first + step - 1, None]
            x = self.tokens(now, part)
            for i, block in enumerate(self.blocks):
                x, past[i] = block(x, past[i])
            frames, error = self.heads_of(x[:, -1:], now[:, -self.chunk :])
            out.append((frames[:, 0], error[:, 0]))
            now = frames[:, 0]
            if own < 1:
                chance = torch.rand(len(now), 1, 1, generator=generator)
                now = torch.where(chance < own, now, truth[:, step])
        frames, errors = (torch.cat(part, 1) for part in zip(*out, strict=True))
        return frames, errors


class DctMlp(nn.Module):
    """All future frames at once from DCT coefficients over time (the idea of siMLPe, WACV 2023).

    Residual blocks of one linear layer over time and a normalisation, between two linear layers
    over the coordinates; what comes out is added to the last pose seen.
    """

    def __init__(self, channels: int, *, seen: int, future: int, layers: int = 24) -> None:
        super().__init__()
        total = seen + future
        self.seen, self.future, self.channels = seen, future, channels
        k = torch.arange(total)
        dct = (math.pi * (k[None] + 0.5) * k[:, None] / total).cos() * math.sqrt(2 / total)
        dct[0] /= math.sqrt(2)
        self.register_buffer("dct", dct)
        self.enter, self.leave = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.mix = nn.ModuleList(nn.Linear(total, total) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(layers))
        for layer in self.mix:
            nn.init.xavier_uniform_(layer.weight, gain=1e-2)
        nn.init.xavier_uniform_(self.leave.weight, gain=1e-2)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("middle", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(2))

    def fit(self, scales: Scales) -> None:
        """Set the scales of the data."""
        self.middle.copy_(scales.middle)
        self.scale.copy_(torch.tensor([scales.pose, scales.motion]))

    def rollout(self, seen: Tensor, future: Tensor, **_: object) -> tuple[Tensor, Tensor]:
        """Frames (B, future, C); no error is expected of it: ones (B, future, J)."""
        held = torch.cat([seen, seen[:, -1:].expand(-1, self.future, -1)], 1)
        x = self.dct @ ((held - self.middle) / self.scale[0])
        x = self.enter(x)
        for mix, norm in zip(self.mix, self.norms, strict=True):
            # over time; the layer itself would copy all twice
            x = x + norm(functional.conv1d(x, mix.weight[:, :, None], mix.bias))
        moved = self.dct.T @ self.leave(x)
        frames = seen[:, -1:] + self.scale[0] * moved[:, : self.future]
        return frames, torch.ones(*frames.shape[:2], self.channels // 3)
