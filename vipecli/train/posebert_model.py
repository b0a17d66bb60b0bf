"""PoseBERT: a transformer over windows of 2D poses (Hebbar et al., after wav2vec 2.0)."""

import math

import torch
from torch import Tensor, nn

_KNOTS = 25  # of the bias by time, from -_FARTHEST_S to +_FARTHEST_S, closer together near 0
_FARTHEST_S = 4.0
_OF_JOINTS = 13 * 9  # numbers that tell of the joints of a frame
_TO_SMOOTH = 1.0  # logit of how far from the line to the smooth path joints are at first
_TINY = 1e-6


def normalised(joints: Tensor, visibility: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Windows about their middle, in units of how far joints are from the middle of their frame.

    Parameters
    ----------
    joints, visibility
        shapes (B, T, 13, 2) and (B, T, 13); joints of visibility 0 do not count.

    Returns
    -------
    Joints (B, T, 13, 2), middle (B, 1, 1, 2) and size (B, 1, 1, 1): ``joints = middle + size *
    normalised``.
    """
    weight = (visibility > 0).to(joints.dtype)[..., None]
    each = (weight * joints).sum(2, keepdim=True) / weight.sum(2, keepdim=True).clamp_min(1)
    total = weight.sum((1, 2), keepdim=True).clamp_min(1)
    middle = (weight * joints).sum((1, 2), keepdim=True) / total
    square = (weight * (joints - each).square()).sum((1, 2), keepdim=True) / total
    size = square.sum(-1, keepdim=True).add(_TINY**2).sqrt().clamp_min(_TINY)
    return (joints - middle) / size, middle, size


class Layer(nn.Module):
    """Self-attention over frames whose logits get a number learnt for each difference in time."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.attend = nn.Linear(width, 3 * width)
        self.merge = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )
        self.drop = nn.Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(_KNOTS, heads))

    def forward(self, x: Tensor, knots: Tensor) -> Tensor:
        """Frames (B, T, W); each difference in time as weights of knots (B, T, T, knots)."""
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in self.attend(self.before(x)).chunk(3, dim=-1)
        )
        bias = (knots @ self.bias).permute(0, 3, 1, 2)
        logits = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + bias
        found = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + self.drop(self.merge(found))
        return x + self.drop(self.mlp(x))


class PoseBert(nn.Module):
    """Context of every frame of a window; the pose in 2D and 3D from it, and its embedding.

    A few frames together are a token, as wav2vec 2.0 shortens sound. Hidden joints enter where
    straight lines in time put them, with visibility 0, and smooth paths beside them.

    Parameters
    ----------
    width, layers, heads, dropout
        of the transformer; no layers: every frame by itself.
    chunk
        frames of a token.
    narrow
        width of what is said of a single frame.
    dims
        of the single-frame embedding that the embedding corrects.
    guess
        dimensions in which the contrastive task compares.
    """

    def __init__(
        self,
        *,
        width: int = 192,
        layers: int = 4,
        heads: int = 6,
        dropout: float = 0.05,
        chunk: int = 4,
        narrow: int = 128,
        dims: int = 19,
        guess: int = 32,
    ) -> None:
        super().__init__()
        self.dims, self.chunk = dims, chunk
        self.encoder = nn.Sequential(
            nn.Linear(chunk * (_OF_JOINTS + 2 * dims), 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
            nn.LayerNorm(width),
        )
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.spread = nn.Linear(width, chunk * narrow) if layers else None
        self.single = nn.Linear(_OF_JOINTS + 2 * dims, narrow)
        self.both = nn.LayerNorm(narrow)
        self.flat = _head(narrow, 26 + 13 + 13)
        self.deep = _head(narrow, 39 + 13)
        self.embedding = _head(narrow, 2 * dims)
        self.guess = nn.Linear(width, guess)
        self.target = nn.Linear(width, guess)
        for head in (self.flat, self.embedding):  # to start from lines, and single frames
            nn.init.zeros_(head[-1].weight)
            nn.init.zeros_(head[-1].bias)

    def inputs(
        self,
        joints: Tensor,
        smooth: Tensor,
        visibility: Tensor,
        away: Tensor,
        mean: Tensor,
        std: Tensor,
    ) -> Tensor:
        """What is known of every frame by itself (B, T, features).

        Parameters
        ----------
        joints, smooth
            shapes (B, T, 13, 2): on straight lines, and on smooth paths (`sequence.paths`), in
            units of `normalised`.
        visibility
            shape (B, T, 13).
        away
            shape (B, T, 13, 2), as `sequence.paths.straight` gives it.
        mean, std
            of the single-frame embedding, shape (B, T, D); 0 = not known.
        """
        middle = joints[:, :, 7:9].mean(2, keepdim=True)
        wide = joints, joints - middle, smooth - joints, away
        parts = *(part.flatten(2) for part in wide), visibility, mean, std
        return torch.cat(parts, -1)

    def latent(self, inputs: Tensor) -> Tensor:
        """Every token by itself (B, T / chunk, W)."""
        return self.encoder(inputs.unflatten(1, (-1, self.chunk)).flatten(2))

    def context(self, latent: Tensor, times: Tensor) -> Tensor:
        """Every token in its context (B, T / chunk, W), with times (B, T) in seconds."""
        times = times.unflatten(1, (-1, self.chunk)).mean(2)
        back = times[:, None, :] - times[:, :, None]
        warped = back.sign() * (back.abs() / _FARTHEST_S).clamp(max=1).sqrt()
        place = (warped + 1) / 2 * (_KNOTS - 1)
        knots = torch.arange(_KNOTS, dtype=times.dtype, device=times.device)
        knots = (1 - (place[..., None] - knots).abs()).clamp_min(0)
        for layer in self.layers:
            latent = layer(latent, knots)
        return self.norm(latent)

    def heads_of(self, inputs: Tensor, times: Tensor) -> dict[str, Tensor]:
        """What each frame's context says, in units of `normalised`.

        ``joints`` (B, T, 13, 2), beside a place between the line and the smooth path, which
        ``smooth`` (B, T, 13, 1) says, and ``joints_error`` (B, T, 13);
        ``pose`` (B, T, 13, 3) in axes right, down, forward about the mid-hip, torso units, and
        ``pose_error``; ``mean`` and ``std`` (B, T, D): what to add to the mean of the embedding,
        and what to multiply its std with.
        """
        frames = self.single(inputs)
        if self.spread is not None:
            context = self.context(self.latent(inputs), times)
            frames = frames + self.spread(context).unflatten(2, (self.chunk, -1)).flatten(1, 2)
        frames = self.both(frames)
        moved, error, between = self.flat(frames).float().split([26, 13, 13], -1)
        pose, depth_error = self.deep(frames).float().split([39, 13], -1)
        more, wider = self.embedding(frames).float().chunk(2, -1)
        pose = pose.unflatten(-1, (13, 3))
        return {
            "joints": moved.unflatten(-1, (13, 2)),
            "smooth": (between[..., None] + _TO_SMOOTH).sigmoid(),
            "joints_error": (error - 2).clamp(-8, 4).exp(),
            "pose": pose - pose[:, :, 7:9].mean(2, keepdim=True),
            "pose_error": (depth_error - 1).clamp(-8, 4).exp(),
            "mean": more,
            "std": wider.clamp(-2, 2).exp(),
        }

    def forward(
        self,
        joints: Tensor,
        smooth: Tensor,
        visibility: Tensor,
        away: Tensor,
        times: Tensor,
        mean: Tensor,
        std: Tensor,
    ) -> tuple[Tensor, ...]:
        """Of pixels: joints and their errors in pixels, pose and its errors, mean and std."""
        known, middle, size = normalised(joints, visibility)
        path = (smooth - middle) / size
        out = self.heads_of(self.inputs(known, path, visibility, away, mean, std), times)
        return (
            middle + size * placed(known, path, out),
            size[..., 0] * out["joints_error"],
            out["pose"],
            out["pose_error"],
            mean + out["mean"],
            std * out["std"],
        )


def placed(joints: Tensor, smooth: Tensor, out: dict[str, Tensor]) -> Tensor:
    """Where joints are, of straight lines, smooth paths and what `PoseBert.heads_of` gave."""
    return joints + out["smooth"] * (smooth - joints) + out["joints"]


def _head(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, outputs))
