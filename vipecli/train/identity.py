"""Who is moving: a classifier that the embedding learns to defeat (Mitra et al. 2020).

Labels come from the names of clips. Sets in which everybody has the same skeleton say nothing about
people and are left out.
"""

import re

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

UNKNOWN = -1
"""Label of a pose of an unknown person."""

_SUBJECT = re.compile(r"(uiprmd)/.*_(s\d+)_|(amc|cmu)/(\d+)_")
_WIDTH = 64


def subjects(names: tuple[str, ...]) -> np.ndarray:
    """Return the number of the person in each clip (len(names),), from 0; `UNKNOWN` if not known.

    ``uiprmd/ok/m01_s03_e05``, ``amc/13_29`` and ``cmu/60_01`` tell; ``amc`` and ``cmu`` are the
    same people.
    """
    who = []
    for name in names:
        found = _SUBJECT.match(name)
        who.append(found and (found[2] or f"cmu {int(found[4])}"))
    number = {one: i for i, one in enumerate(sorted({w for w in who if w}))}
    return np.array([number.get(w, UNKNOWN) for w in who])


class _Reversal(torch.autograd.Function):
    """Identity whose gradient is reversed (Ganin and Lempitsky 2015)."""

    @staticmethod
    def forward(ctx: object, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradient, None


class Discriminator(nn.Module):
    """Classifier of the person from the latent.

    Parameters
    ----------
    dims
        D.
    people
        how many there are.
    """

    def __init__(self, dims: int, people: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.BatchNorm1d(dims, affine=False),
            nn.Linear(dims, _WIDTH),
            nn.ReLU(),
            nn.Linear(_WIDTH, max(2, people)),
        )

    def forward(self, latent: Tensor) -> Tensor:
        """Logits (B, people)."""
        return self.net(latent)

    def loss(self, latent: Tensor, who: Tensor, *, reversal: float) -> Tensor:
        """Return the cross-entropy; its gradient reaches the latent reversed.

        Parameters
        ----------
        latent, who
            shapes (B, D) and (B,); rows of `UNKNOWN` do not count.
        reversal
            factor of the turned gradient.
        """
        known = who != UNKNOWN
        if known.sum() < 2:
            return latent.sum() * 0
        turned = _Reversal.apply(latent[known], reversal)
        return cross_entropy(self(turned), who[known])


def subject_recognised(
    latent: Tensor, who: Tensor, clip: Tensor, *, steps: int = 600, seed: int = 0
) -> tuple[float, float]:
    """Return the accuracy of a new classifier that names the person in clips not trained on.

    Parameters
    ----------
    latent, who, clip
        shapes (M, D), (M,) and (M,): latents, people, and the clips they are of. Half of the clips
        of everybody train the classifier.
    steps, seed
        of its training.

    Returns
    -------
    Its accuracy on the other clips, and that of naming the most frequent person.
    """
    known = who != UNKNOWN
    latent, who, clip = latent[known], who[known], clip[known]
    rng = np.random.default_rng(seed)
    taught = np.zeros(len(who), bool)
    for person in who.unique():
        own = clip[who == person].unique().numpy()
        some = rng.permutation(own)[: max(1, len(own) // 2)]
        taught |= (who == person).numpy() & np.isin(clip.numpy(), some)
    rows = [torch.from_numpy(np.flatnonzero(part)) for part in (taught, ~taught)]
    torch.manual_seed(seed)
    discriminator = Discriminator(latent.shape[1], int(who.max()) + 1)
    optimizer = torch.optim.AdamW(discriminator.parameters(), lr=3e-3, weight_decay=1e-3)
    for _ in range(steps):
        batch = rows[0][torch.from_numpy(rng.integers(len(rows[0]), size=256))]
        loss = discriminator.loss(latent[batch].detach(), who[batch], reversal=0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        answer = discriminator.eval()(latent[rows[1]]).argmax(1)
    asked = who[rows[1]]
    most = who[rows[0]].bincount().argmax()
    return float((answer == asked).float().mean()), float((asked == most).float().mean())
