"""Export of a trained predictor to an ONNX file."""

import dataclasses
from pathlib import Path

import torch
from torch import Tensor, nn

from vipecli.train.export import write
from vipecli.train.posegpt import Trainer

_EXAMPLES = 64  # windows that the file is checked on
_TOLERANCE = 2e-3  # float16 has 11 bits


class _Places(nn.Module):
    """The network as it is run: from frames and further inputs to future frames."""

    def __init__(self, net: nn.Module, kind: str) -> None:
        super().__init__()
        self.net, self.kind = net, kind

    def forward(
        self, frames: Tensor, extra: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """See `PoseGpt.forward` and `DctMlp.rollout`."""
        if self.kind == "dctmlp":
            return self.net.rollout(frames, frames)[0]
        return self.net(frames, extra)


def finish(trainer: Trainer, out: Path) -> list[Path]:
    """Write the averaged network.

    Returns
    -------
    The file.
    """
    config, size = trainer.config, trainer.config.network
    seen, future, known = trainer.draw(_EXAMPLES, trainer.rng)
    gpt = config.kind == "posegpt"
    frames = torch.cat([seen, future[:, : -size.chunk]], 1) if gpt else seen
    feed = {"frames": frames.numpy()}
    extra = trainer.extra(known, seen, future, drawn=True) if gpt else None
    if extra is not None:
        feed["extra"] = extra[:, :-1].numpy()
    about = {
        "name": config.name,
        "kind": config.kind,
        "data": config.data,
        "fps": config.fps,
        "seen": config.seen,
        "future": config.future,
        "chunk": size.chunk if gpt else 1,
        "least": config.least if gpt else config.seen,
        "context": 0 if known is None else known.shape[1],
        "noise": size.noise,
        "mirror": list(trainer.clips.mirror),
        "trained_on": trainer.trained_on,
        "settings": dataclasses.asdict(config),
    }
    path = out / f"{config.name}.onnx"
    names = ("next", "error") if gpt else ("frames_ahead",)
    net = _Places(trainer.averaged, config.kind)
    write(net, path, feed, names, about, tolerance=_TOLERANCE, half=True)
    return [path]
