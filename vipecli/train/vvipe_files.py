"""Export of a trained V-VIPE to a set of ONNX files."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from vipecli.train.augment import Augmenter
from vipecli.train.calibrate import calibrate
from vipecli.train.detected import Detections, inputs, spread, train_refiner
from vipecli.train.export import views, write
from vipecli.train.loop import CALIBRATION_POSES
from vipecli.train.vvipe import Trainer
from vipecli.train.vvipe_model import Gaussian, canonical

_ROTATION_TOLERANCE = 1e-4  # a rotation from two nearly parallel vectors has few digits


def finish(trainer: Trainer, out: Path, *, detections: Detections | None = None) -> list[Path]:
    """Write the averaged networks: the map with its decoder and encoder, or the baseline.

    Before, the sigmoid of the matching probability is fitted to the latent; with what a real
    detector said about known poses, so is the network that takes the detector's own 3D landmarks
    into account.

    Returns
    -------
    The files.
    """
    config, nets = trainer.config, trainer.averaged.eval()
    about = {
        "name": config.name,
        "run": hashlib.sha256(f"{config} {trainer.trained_on}".encode()).hexdigest()[:8],
        "trained_on": trainer.trained_on,
        "settings": dataclasses.asdict(config),
    }
    if config.kind == "direct":
        return [_write_direct(nets["lifter"], out / f"{config.name}.onnx", about)]
    mapper, decoder = nets["mapper"], nets["decoder"]
    _fit_sigmoid(trainer)
    about_map = about | {
        "kind": "vvipe",
        "dims": config.network.dims,
        "uses_visibility": True,
        "sigmoid": [mapper.a.item(), mapper.b.item()],
        "latent_std": _latent_std(trainer),
    }
    paths = [out / f"{config.name}{part}.onnx" for part in ("", "_decoder", "_encoder")]
    if detections:
        refiner, found = train_refiner(detections, mapper, decoder, seed=config.seed)
        about_map["spread"] = spread(detections, mapper, decoder, refiner)
        feed, _ = inputs(detections, mapper, decoder)
        names = "pose", "world", "visibility", "camera"
        example = {name: x[:64].numpy() for name, x in zip(names, feed, strict=True)}
        paths.append(out / f"{config.name}_refiner.onnx")
        write(refiner, paths[-1], example, ("refined",), about | {"kind": "refiner"} | found)
    else:  # a file of an earlier run would not fit
        (out / f"{config.name}_refiner.onnx").unlink(missing_ok=True)
    outputs = "mean", "std", "rotation"
    write(mapper, paths[0], views(), outputs, about_map, tolerance=_ROTATION_TOLERANCE)
    latent = np.random.default_rng(0).normal(size=(64, config.network.dims)).astype(np.float32)
    pose = canonical(trainer.draw(64))[0].numpy()
    rest = about | {"kind": "decoder"}, about | {"kind": "encoder"}
    write(decoder, paths[1], {"latent": latent}, ("pose", "lengths"), rest[0])
    write(nets["encoder"], paths[2], {"pose": pose}, ("mean", "std"), rest[1])
    return paths


def _write_direct(net: nn.Module, path: Path, about: dict) -> Path:
    more = {"kind": "lifting", "dims": 39, "sigmoid": [net.a.item(), net.b.item()]}
    write(net, path, views(), ("mean", "std"), about | more)
    return path


def _fit_sigmoid(trainer: Trainer) -> None:
    """Fit the matching probability of two latents, on pictures in which nothing is missing."""
    config = trainer.config
    whole = dataclasses.replace(config.augment, drop_joint=0.0, drop_limb=0.0)
    poses, augmenter = trainer.draw(CALIBRATION_POSES), Augmenter(whole, seed=config.seed + 1)
    seen = [augmenter.detect(augmenter.project(poses)) for _ in range(2)]
    calibrate(Gaussian(trainer.averaged["mapper"]), seen, poses)


@torch.no_grad()
def _latent_std(trainer: Trainer) -> list[float]:
    """How far the latents of the training poses spread, per dimension."""
    known = canonical(trainer.augmenter.poses(trainer.draw(CALIBRATION_POSES)))[0]
    mean, _ = trainer.averaged["encoder"].eval()(known)
    return [round(value, 4) for value in mean.std(0).tolist()]
