"""A pool of pictures beyond the batch, among which negatives are looked for."""

import torch
from torch import Tensor

Heads = tuple[Tensor, Tensor, Tensor | None]
"""As `model.PrVipe.heads` gives them."""


class Pool:
    """The positives of the last batches, as they were embedded then (a queue, He et al. 2020).

    Parameters
    ----------
    size
        how many are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[Tensor] = []  # the parts of the heads, then the poses; the newest first

    def behind(self, heads: Heads, poses: Tensor) -> tuple[Heads, Tensor]:
        """The heads of a batch, anchors first, and its poses (B, 13, 3), then those kept."""
        if not self.kept:
            return heads, poses
        *parts, seen = self.kept
        mean, std, up = heads
        longer = [torch.cat(pair) for pair in zip((mean, std), parts, strict=False)]
        up = None if up is None else torch.cat([up, parts[2]])
        return (longer[0], longer[1], up), torch.cat([poses, seen])

    def keep(self, heads: Heads, poses: Tensor) -> None:
        """Keep the positives of a batch, and forget the oldest ones."""
        new = [part.detach().chunk(2)[1] for part in heads if part is not None]
        new.append(poses.detach())
        old = self.kept or [part[:0] for part in new]
        pairs = zip(new, old, strict=True)
        self.kept = [torch.cat(pair)[: self.size] for pair in pairs]
