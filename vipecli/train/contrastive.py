"""The contrastive task of PoseBERT: tell the true latent of a hidden frame from distractors."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gumbel_softmax, normalize

from vipecli.evaluate.metrics import MATCH_AT

_BOOKS, _CODES = 2, 64  # of the product quantiser
_DIVERSITY = 0.1  # weight of the use of all codes


class Quantiser(nn.Module):
    """Product quantiser: each half of a latent becomes one of the codes of its book.

    Straight-through Gumbel softmax, as wav2vec 2.0.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.choose = nn.Linear(dims, _BOOKS * _CODES)
        self.codes = nn.Parameter(torch.randn(_BOOKS, _CODES, dims // _BOOKS) / dims**0.5)

    def forward(self, latent: Tensor, heat: float = 1.0) -> tuple[Tensor, Tensor]:
        """Codes (M, dims) of latents, and a penalty on codes that are not used."""
        logits = self.choose(latent).unflatten(-1, (_BOOKS, _CODES))
        used = logits.softmax(-1).mean(0)
        entropy = -(used * used.clamp_min(1e-7).log()).sum(-1).mean()
        picked = gumbel_softmax(logits, heat, hard=True) if self.training else _hard(logits)
        return torch.einsum("mbc,bcd->mbd", picked, self.codes).flatten(1), -entropy


def _hard(logits: Tensor) -> Tensor:
    return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)


def contrast(
    guess: Tensor,
    target: Tensor,
    poses: Tensor,
    *,
    negatives: str,
    count: int,
    temperature: float,
) -> tuple[Tensor, float]:
    """Cross-entropy of finding each target among distractors, and how often it is found.

    Parameters
    ----------
    guess, target
        shape (M, D), of hidden frames.
    poses
        shape (M, 39), their 3D poses, for negatives by ``pose`` and to leave out equal ones there.
    negatives, count, temperature
        as in `posebert_config.Config`.
    """
    guess, target = normalize(guess, dim=-1), normalize(target, dim=-1)
    logits = guess @ target.T / temperature
    own = torch.eye(len(logits), dtype=torch.bool)
    with torch.no_grad():
        if negatives == "random":
            order = torch.rand_like(logits)
        elif negatives == "cosine":
            order = -(target @ target.T)
        else:
            gap = torch.cdist(poses, poses) / 13**0.5
            order = torch.where(gap < MATCH_AT, torch.inf, gap)
        order = order.masked_fill(own, torch.inf)
        kept = min(count, len(logits) - 1)
        chosen = torch.zeros_like(own).scatter_(1, order.topk(kept, largest=False).indices, True)
        chosen &= order.isfinite()
    logits = logits.masked_fill(~(chosen | own), -torch.inf)
    truth = torch.arange(len(logits))
    found = float((logits.argmax(1) == truth).float().mean())
    return cross_entropy(logits, truth), found
