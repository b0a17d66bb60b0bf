"""Training of V-VIPE: frames and skeletons in torch, both stages, variants, resuming, files."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from tests.bodies import STANDING, people, seen, waving  # noqa: E402
from tests.train.resuming import goes_on_alike  # noqa: E402
from vipecli.errors import FormatError  # noqa: E402
from vipecli.poses import anatomy  # noqa: E402
from vipecli.poses.canonical import canonical as canonical_numpy  # noqa: E402
from vipecli.train import vvipe, vvipe_config, vvipe_files  # noqa: E402
from vipecli.train.augment import Augmentation  # noqa: E402
from vipecli.train.data import Mocap  # noqa: E402
from vipecli.train.detected import Detections, train_refiner  # noqa: E402
from vipecli.train.score import Retrieval  # noqa: E402
from vipecli.train.vvipe_model import PoseDecoder, canonical, skeleton  # noqa: E402

torch.set_num_threads(1)  # where cores are busy, threads wait for each other

SMALL = vvipe_config.Sizes(dims=8, pose_width=32, width=32, blocks=1, dropout=0.0)
CONFIG = vvipe_config.Config(
    vae_steps=20,
    steps=20,
    batch=32,
    warmup=1,
    learning_rate=3e-3,
    rarity=0.0,
    network=SMALL,
    augment=Augmentation(mirror=0.5, noise=0.02, distance=(4.0, 8.0)),
)


def mocap() -> Mocap:
    poses = np.concatenate([waving(40), people(60)]).astype(np.float32)
    clip = np.arange(100) // 20
    return Mocap(poses, clip, tuple(f"x/{i}" for i in range(5)))


def trainer(*, detections: Detections | None = None, **changes) -> vvipe.Trainer:
    pool = mocap()
    config = dataclasses.replace(CONFIG, **changes)
    return vvipe.Trainer(config, pool, Retrieval.of(pool, poses=40), detections=detections)


def run(one: vvipe.Trainer, steps: int) -> list[dict[str, float]]:
    return [one.train_step() for _ in range(steps)]


def test_torch_and_numpy_agree_on_the_canonical_frame():
    poses = people()
    known, rotation = canonical(torch.from_numpy(poses))
    ref, turn = canonical_numpy(poses)
    assert np.allclose(known.numpy(), ref, atol=1e-6)
    assert np.allclose(rotation.numpy(), turn, atol=1e-6)


def test_skeleton_is_what_anatomy_takes_apart():
    directions, lengths = anatomy.bones(canonical_numpy(people())[0])
    order = [0, 1, 2, 3, 4, 6, 5, 7, 8, 10, 9, 11]  # anatomy goes limb by limb
    got = skeleton(
        torch.from_numpy(directions[:, order]), torch.from_numpy(np.delete(lengths, 2, axis=1))
    )
    assert np.allclose(got.numpy(), anatomy.put_together(directions, lengths), atol=1e-6)


def test_any_latent_gives_a_canonical_pose_of_equal_sides():
    poses, lengths = PoseDecoder(dims=8, width=16, blocks=1).eval()(torch.randn(50, 8))
    assert torch.allclose(canonical(poses)[0], poses, atol=1e-4)
    left = (poses[:, 3] - poses[:, 1]).norm(dim=-1)
    right = (poses[:, 4] - poses[:, 2]).norm(dim=-1)
    assert torch.allclose(left, right, atol=1e-4)
    assert lengths.shape == (50, 7)


def test_both_stages_learn_and_the_decoder_stays_frozen():
    one = trainer(vae_steps=60, steps=60)
    rows = run(one, 60)
    assert rows[-1]["joints"] < 0.6 * rows[0]["joints"]
    frozen = {k: v.clone() for k, v in one.averaged["decoder"].state_dict().items()}
    rows = run(one, 60)
    assert one.stage == "map"
    assert rows[-1]["joints"] < 0.8 * rows[0]["joints"]
    after = one.nets["decoder"].state_dict()
    assert all(torch.equal(frozen[k], after[k]) for k in frozen)
    assert set(one.score()) == {"np_mpjpe", "hit_at_1", "nearest_np_mpjpe"}


@pytest.mark.parametrize(
    "changes",
    [
        {"realign": False},
        {"pretrain": False},
        {"kind": "direct"},
    ],
)
def test_variants_train(changes):
    one = trainer(**changes, vae_steps=2)
    terms = run(one, 5)[-1]
    assert all(np.isfinite(list(terms.values())))
    assert np.isfinite(one.score()["np_mpjpe"])


@pytest.mark.parametrize("at", [10, 25])
def test_resumed_equals_undisturbed(tmp_path, at):
    goes_on_alike(trainer, tmp_path, first=at, then=40 - at)
    with pytest.raises(FormatError, match="another config"):
        trainer(seed=5).resume(tmp_path / "half.pt")


def film(path, frames: int = 120) -> Detections:
    """Return and write film in which the detector's depth is wrong by a rule."""
    poses = np.concatenate([seen(waving(60), camera).xy for camera in (0, 1)])[:frames]
    truth = np.concatenate([waving(60)] * 2)[:frames] * [1, -1, -1]
    truth = truth - truth[:, 7:9].mean(1, keepdims=True)
    world = truth + 0.2 * np.roll(truth, 1, axis=1)
    np.savez(
        path,
        xy=poses.astype(np.float32),
        score=np.ones((frames, 13), np.float32),
        world=world.astype(np.float32),
        seen=truth.astype(np.float32),
        up=np.tile(np.float32([0, -1, 0]), (len(truth), 1)),
        times=np.arange(frames) / 30,
        take=np.arange(frames) // 6,
    )
    return Detections.load([path])


def test_refiner_learns_the_detectors_rule(tmp_path):
    detections = film(tmp_path / "a.npz")
    one = trainer()
    _, found = train_refiner(detections, one.nets["mapper"], one.nets["decoder"])
    assert found["refined"] < 0.5 * min(found["lifted"], found["world"])
    with pytest.raises(FormatError, match="cannot be read"):
        Detections.load([tmp_path / "none.npz"])


def test_a_share_of_the_pictures_is_film(tmp_path):
    detections = film(tmp_path / "a.npz")
    giants = dataclasses.replace(detections, seen=100 * detections.seen)
    _, _, truth = trainer(detected=0.25, detections=giants)._views(32)
    size = truth.norm(dim=-1).amax(1)
    assert (size[:8] > 50).all() and (size[8:] < 10).all()
    whole = trainer(detected=0.25, vae_steps=2, detections=detections)
    run(whole, 8)
    first = trainer(detected=0.25, vae_steps=2, detections=detections)
    run(first, 4)
    first.save(tmp_path / "c.pt")
    resumed = trainer(detected=0.25, vae_steps=2, detections=detections)
    resumed.resume(tmp_path / "c.pt")
    run(resumed, 4)
    for a, b in zip(whole.averaged.parameters(), resumed.averaged.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(FormatError, match="--detected"):
        trainer(detected=0.25)


def test_varied_film_stays_true(tmp_path):
    detections = film(tmp_path / "a.npz")
    other = detections.varied(np.random.default_rng(0))
    same = canonical(other.seen)[0]
    mirrored = detections.seen[:, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11]]
    mirrored = canonical(mirrored * torch.tensor([-1.0, 1, 1]))[0]
    gap = torch.minimum(
        (same - canonical(detections.seen)[0]).norm(dim=-1).amax(1),
        (same - mirrored).norm(dim=-1).amax(1),
    )
    assert gap.max() < 1e-4


def test_the_matching_probability_of_latents_is_fitted(monkeypatch):
    monkeypatch.setattr(vvipe_files, "CALIBRATION_POSES", 200)
    one = trainer()
    before = one.averaged["mapper"].a.item(), one.averaged["mapper"].b.item()
    vvipe_files._fit_sigmoid(one)
    after = one.averaged["mapper"].a.item(), one.averaged["mapper"].b.item()
    assert np.isfinite(after).all() and after != before


@pytest.mark.slow
def test_trained_files_lift(tmp_path):
    from vipecli.lifting.lift import lift
    from vipecli.lifting.lifter import Lifter

    detections = film(tmp_path / "a.npz")
    one = trainer()
    run(one, 40)
    paths = vvipe_files.finish(one, tmp_path, detections=detections)
    assert [p.name for p in paths] == [
        "vvipe.onnx",
        "vvipe_decoder.onnx",
        "vvipe_encoder.onnx",
        "vvipe_refiner.onnx",
    ]
    lifter = Lifter.load(paths[0])
    assert lifter.dims == 8 and lifter.refiner is not None
    assert np.isfinite(lift(seen(waving()), lifter).joints).all()
    with torch.no_grad():
        ref, _ = one.averaged["encoder"](
            torch.from_numpy(canonical_numpy(STANDING[None])[0]).float()
        )
    assert np.allclose(lifter.encode(STANDING[None])[0], ref.numpy(), atol=1e-4)
    settings = lifter.mapper.session.metadata["settings"]
    assert json.loads(settings)["steps"] == 20
