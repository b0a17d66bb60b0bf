"""The running score of PoseBERT: hidden joints, lifting and retrieval of held-out windows."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from vipecli.embedding.model import Model
from vipecli.evaluate.metrics import np_mpjpe_pairs
from vipecli.sequence.posebert import expected, single_frames
from vipecli.train.motion_clips import MotionClips
from vipecli.train.posebert_film import Studio, Windows
from vipecli.train.posebert_model import PoseBert, normalised, placed

_SCORED, _INDEXED = 96, 256  # held-out windows, and training windows that are searched
_EVERY = 4  # frames of which one is looked for
_LONG_S = 0.5  # gaps from which on their error is shown by itself


class Score:
    """Held-out windows, and training windows, each by a camera of its own.

    Parameters
    ----------
    studio
        films the training clips.
    held_out
        other clips.
    single
        the single-frame embedding.
    embedded
        whether the network takes it.
    """

    def __init__(
        self, studio: Studio, held_out: MotionClips, single: Model, *, embedded: bool = True
    ) -> None:
        rng = np.random.default_rng(0)
        other = Studio(held_out, studio.filming, frames=studio.frames, power=1.0)
        motions, times = other.motions(_SCORED, rng)
        self.hidden = other.film(motions, times, rng)
        self.whole = other.film(motions, times, rng, hide=False)
        self.index = studio.film(*studio.motions(_INDEXED, rng), rng, hide=False)
        self.single, self.embedded = single, embedded

    @torch.no_grad()
    def __call__(self, net: PoseBert) -> dict[str, float]:
        """Errors of a network.

        Returns
        -------
        `gap_ratio` and `gap_ratio_long`: error of a hidden person between known frames over that
        of straight lines, of all gaps and of those of half a second and more, from joints alone;
        `lifted_mpjpe`, torso units; `nearest` and `nearest_single`: NP-MPJPE of the training frame
        with the nearest embedding, in context and by single frames; `nearest_token` that of the
        token whose context points the same way, which the contrastive task alone makes.
        """
        net.eval()
        alone, _, _ = self._run(net, self.hidden, embedded=False)
        found, single, tokens = self._run(net, self.whole, embedded=self.embedded)
        index, index_single, known = self._run(net, self.index, embedded=self.embedded)
        gap = (found["pose"] - self.whole.pose).norm(dim=-1).mean()
        return {
            "gap_ratio": self._ratio(alone["joints"], 0.0),
            "gap_ratio_long": self._ratio(alone["joints"], _LONG_S),
            "lifted_mpjpe": float(gap),
            "nearest": self._nearest(found["mean"][:, ::_EVERY], index["mean"][:, ::_EVERY]),
            "nearest_single": self._nearest(single[:, ::_EVERY], index_single[:, ::_EVERY]),
            "nearest_token": self._nearest(tokens, known),
        }

    def _run(
        self, net: PoseBert, filmed: Windows, *, embedded: bool
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """What the network says, the single-frame embedding, and the context of tokens."""
        known, middle, size = normalised(filmed.joints, filmed.visibility)
        path = (filmed.smooth - middle) / size
        arrays = (x.numpy() for x in (filmed.joints, filmed.smooth, filmed.visibility))
        joints, smooth, score = arrays
        found = single_frames(self.single, expected(joints, smooth, score), score)
        single = torch.from_numpy(found[0])
        mean, std = (torch.from_numpy(x) * embedded for x in found)
        inputs = net.inputs(known, path, filmed.visibility, filmed.away, mean, std)
        out = net.heads_of(inputs, filmed.times)
        tokens = normalize(net.context(net.latent(inputs), filmed.times), dim=-1)
        out |= {"joints": placed(known, path, out), "mean": mean + out["mean"]}
        return out, single, tokens

    def _ratio(self, joints: Tensor, least_s: float) -> float:
        filmed = self.hidden
        known, middle, size = normalised(filmed.joints, filmed.visibility)
        truth = (filmed.truth - middle) / size
        between = (filmed.away >= 0).all(-1) & (filmed.visibility == 0).all(-1, keepdim=True)
        chosen = between & (filmed.away.sum(-1) >= least_s)
        ours, lines = ((x - truth).norm(dim=-1)[chosen].mean() for x in (joints, known))
        return float(ours / lines)

    def _nearest(self, queries: Tensor, index: Tensor) -> float:
        every = self.whole.pose.shape[1] // queries.shape[1]
        found = torch.cdist(queries.flatten(0, 1), index.flatten(0, 1)).argmin(1).numpy()
        poses = [w.pose[:, ::every].flatten(0, 1).numpy() for w in (self.whole, self.index)]
        pairs = np.stack([np.arange(len(found)), found], axis=1)
        return float(np_mpjpe_pairs(poses[0], poses[1], pairs).mean())
